#include "backend/cuda/trial.h"

/* In the first round the libraries load what a way needs. What is shorter than `brief` seconds is
 * timed several times in a row, so that it is not how fast it can be enqueued that is measured. */
enum { rounds = 4, repetitions = 20 };
static const double brief = 1e-4;

static size_t aligned(size_t bytes) {
    return (bytes + 255) / 256 * 256;
}

bool an_trial_begin(an_trial *trial, an_device *device, const size_t bytes[AN_TRIAL_PARTS]) {
    size_t all = 0;
    *trial = (an_trial){.device = device};
    for (int i = 0; i < AN_TRIAL_PARTS; i++)
        all += aligned(bytes[i]);
    if (an_device_take(device, all, &trial->block, NULL) != ALEXNET_OK ||
        cudaEventCreate(&trial->begin) != cudaSuccess ||
        cudaEventCreate(&trial->end) != cudaSuccess) {
        an_trial_end(trial);
        return false;
    }
    char *next = trial->block;
    for (int i = 0; i < AN_TRIAL_PARTS; i++) {
        trial->part[i] = next;
        next += aligned(bytes[i]);
    }
    return true;
}

void an_trial_end(an_trial *trial) {
    if (trial->begin)
        (void)cudaEventDestroy(trial->begin);
    if (trial->end)
        (void)cudaEventDestroy(trial->end);
    if (trial->block)
        an_device_give(trial->device, trial->block);
    *trial = (an_trial){0};
    (void)cudaGetLastError(); /* what did not work is not to be told by the next launch */
}

typedef struct candidates {
    const an_trial *trial;
    alexnet_status (*enqueue)(void *context, int way);
    void *context;
} candidates;

/* Seconds that a way takes each time, so many times in a row; below 0 where it does not work. */
static double timed(const candidates *of, int way, int times) {
    const cudaStream_t stream = of->trial->device->stream;
    float milliseconds;
    if (cudaEventRecord(of->trial->begin, stream) != cudaSuccess)
        return -1;
    for (int i = 0; i < times; i++)
        if (of->enqueue(of->context, way) != ALEXNET_OK)
            return -1;
    if (cudaEventRecord(of->trial->end, stream) != cudaSuccess ||
        cudaEventSynchronize(of->trial->end) != cudaSuccess ||
        cudaEventElapsedTime(&milliseconds, of->trial->begin, of->trial->end) != cudaSuccess)
        return -1;
    return 1e-3 * (double)milliseconds / times;
}

static double seconds(void *context, int way) {
    const double once = timed(context, way, 1);
    return once < 0 || once > brief ? once : timed(context, way, repetitions);
}

int an_trial_fastest(const an_trial *trial, int ways,
                     alexnet_status (*enqueue)(void *context, int way), void *context) {
    candidates of = {trial, enqueue, context};
    return an_tuning_fastest(ways, rounds, seconds, &of);
}
