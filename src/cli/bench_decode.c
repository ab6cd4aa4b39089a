/* What libjpeg and its like give alone: files in memory, decoded to RGB by several threads. */
#include <pthread.h>
#include <stdlib.h>

#include "cli/bench.h"
#include "core/memory.h"

static const size_t most_bytes = (size_t)256 << 20;

alexnet_status an_bench_files_take(const an_dataset *dataset, bench_files *out,
                                   alexnet_error *error) {
    *out = (bench_files){0};
    AN_TRY(an_alloc((void **)&out->samples, dataset->count, sizeof *out->samples,
                    "a data set's files", error));
    size_t bytes = 0;
    /* A step that has no factor in common with the count comes by every picture. */
    const size_t step = dataset->count % 7919 ? 7919 : 1;
    for (size_t i = 0; i < dataset->count && bytes < most_bytes; i++) {
        an_sample *sample = &out->samples[out->count];
        const alexnet_status status =
            an_dataset_fetch(dataset, i * step % dataset->count, sample, error);
        if (status == ALEXNET_NO_MEMORY)
            return status;
        if (status != ALEXNET_OK)
            continue; /* broken: the loader says so */
        if (sample->form != AN_SAMPLE_FILE) {
            an_sample_free(sample);
            return ALEXNET_OK;
        }
        bytes += sample->size;
        out->count++;
    }
    return ALEXNET_OK;
}

void an_bench_files_free(bench_files *files) {
    for (size_t i = 0; i < files->count; i++)
        an_sample_free(&files->samples[i]);
    an_free(files->samples);
    *files = (bench_files){0};
}

typedef struct worker {
    const bench_files *files;
    size_t first, step;
    double until;
    size_t images;
    pthread_t thread;
} worker;

static void *decode(void *argument) {
    worker *self = argument;
    an_image image = {0};
    for (size_t i = self->first; an_seconds() < self->until; i += self->step) {
        const an_sample *sample = &self->files->samples[i % self->files->count];
        if (an_sample_decode(sample, "a file", &image, NULL) == ALEXNET_OK)
            self->images++;
    }
    an_image_free(&image);
    return NULL;
}

alexnet_status an_bench_files_decode(const bench_files *files, int threads, bench_rate *sum,
                                     alexnet_error *error) {
    worker *workers;
    AN_TRY(an_alloc((void **)&workers, (size_t)threads, sizeof *workers, "threads", error));
    const double begin = an_seconds(), cpu = an_cpu_seconds();
    int started = 0;
    while (started < threads) {
        workers[started] = (worker){.files = files,
                                    .first = (size_t)started,
                                    .step = (size_t)threads,
                                    .until = begin + AN_BENCH_TURN_SECONDS};
        if (pthread_create(&workers[started].thread, NULL, decode, &workers[started]) != 0)
            break;
        started++;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        sum->images += workers[i].images;
    }
    sum->seconds += an_seconds() - begin;
    sum->cpu_seconds += an_cpu_seconds() - cpu;
    an_free(workers);
    if (started < threads)
        return an_fail(error, ALEXNET_NO_MEMORY,
                       "only %d of %d threads could be started; ask for fewer", started, threads);
    return ALEXNET_OK;
}
