#include "core/threads.h"

#include <omp.h>

#include "core/cpus.h"

int an_cpu_count(void) {
    cpu_set_t set;
    int count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = an_cores_of("", &set);
    const int quota = an_quota_of("");
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
