#include "core/threads.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>

/* The cgroup's quota in whole CPUs (version 2, then version 1); 0 where there is none. */
static int cgroup_cpus(void) {
    long long quota = 0, period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file) {
        if (fscanf(file, "%lld %lld", &quota, &period) != 2) /* "max 100000" has no quota */
            quota = 0;
        fclose(file);
    } else {
        file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re");
        if (file) {
            if (fscanf(file, "%lld", &quota) != 1)
                quota = 0;
            fclose(file);
        }
        file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re");
        if (file) {
            if (fscanf(file, "%lld", &period) != 1)
                period = 0;
            fclose(file);
        }
    }
    if (quota <= 0 || period <= 0)
        return 0;
    const long long cpus = (quota + period - 1) / period;
    return cpus > 4096 ? 4096 : (int)cpus;
}

int an_cpu_count(void) {
    cpu_set_t set;
    int count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    const int quota = cgroup_cpus();
    if (quota > 0 && quota < count)
        count = quota;
    return count > 0 ? count : 1;
}

int an_threads_enter(int threads) {
    const int previous = omp_get_max_threads();
    omp_set_num_threads(threads > 0 ? threads : an_cpu_count());
    return previous;
}

void an_threads_leave(int previous) {
    omp_set_num_threads(previous);
}
