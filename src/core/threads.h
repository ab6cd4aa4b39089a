/*
 * Threads. Kernels run in OpenMP teams (as oneDNN does, so that both share one pool); the loader's
 * workers are POSIX threads of their own.
 */
#ifndef AN_CORE_THREADS_H
#define AN_CORE_THREADS_H

/* How many threads this process may usefully run: the cores in its affinity, of which each counts
 * once however many threads it runs, and no more than its control groups' quotas. */
int an_cpu_count(void);

/*
 * Makes OpenMP teams begun by the calling thread `threads` wide and returns the width they had,
 * to be set again afterwards: the width belongs to the calling thread, and so to the caller.
 */
int an_threads_enter(int threads);
void an_threads_leave(int previous);

#endif
