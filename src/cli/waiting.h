/* How OpenMP's threads wait for each other. */
#ifndef AN_CLI_WAITING_H
#define AN_CLI_WAITING_H

/*
 * Makes OpenMP's threads (GCC's) look only briefly for a thread that is late before they sleep,
 * unless the environment says otherwise (OMP_WAIT_POLICY, GOMP_SPINCOUNT). By default they look for
 * some milliseconds, with which they keep the late one from its processor where the loader or
 * another program uses one, too. The library reads the environment only when it is loaded: this
 * starts the program anew, once, with the same arguments.
 */
void an_wait_briefly(char **argv);

#endif
