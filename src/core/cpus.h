/* How many processors this process may use, from what Linux says about them. */
#ifndef AN_CORE_CPUS_H
#define AN_CORE_CPUS_H

#include <sched.h>

/*
 * The cores among the processors of `set`: those that are threads of the same core count once.
 * `root` stands before the paths of /sys; "" for this machine.
 */
int an_cores_of(const char *root, const cpu_set_t *set);

/*
 * The least quota, in whole processors rounded up, of the control group of this process and of
 * those around it, in version 2 or 1 of the interface; 0 where there is none. `root` stands before
 * the paths of /proc and /sys; "" for this machine.
 */
int an_quota_of(const char *root);

#endif
