/* alexnet bench loader: how fast pictures are read, decoded and prepared. */
#include "cli/bench.h"
#include "cli/network.h"
#include "core/memory.h"
#include "core/threads.h"
#include "data/loader.h"

/* Takes batches for a while, epoch after epoch, as training would if it took no time itself. The
 * workers run ahead, so single batches come early or late: the mean is what counts. */
static alexnet_status load_batches(an_loader *loader, an_display *display, size_t *images,
                                   size_t *batches, double *seconds, alexnet_error *error) {
    uint32_t epoch = 0;
    const an_batch *batch = NULL;
    const double start = an_seconds();
    double begin = 0;
    *images = *batches = 0;
    for (;;) {
        if (!batch)
            AN_TRY(an_loader_start(loader, epoch++, 0, error));
        AN_TRY(an_loader_next(loader, &batch, error));
        const double now = an_seconds();
        if (begin == 0) { /* still warming up */
            if (now - start >= AN_BENCH_WARM_UP_SECONDS)
                begin = now;
            continue;
        }
        *images += batch ? (size_t)batch->count : 0;
        *batches += batch != NULL;
        *seconds = now - begin;
        if (*batches >= AN_BENCH_STEPS && *seconds >= AN_BENCH_SECONDS)
            return ALEXNET_OK;
        an_display_show(display, an_bench_progress((int)*batches, *seconds), "batch %zu", *batches);
    }
}

alexnet_status an_bench_loader(const bench_settings *settings, alexnet_error *error) {
    const an_common *common = &settings->common;
    const int workers = settings->workers ? settings->workers : an_cpu_count();
    const an_loader_options loading = {.batch = common->batch,
                                       .workers = workers,
                                       .seed = common->seed,
                                       .shuffle = true,
                                       .augmentation = an_plain_augmentation,
                                       .max_broken = 1};
    an_dataset *dataset = NULL;
    an_loader *loader = NULL;
    an_network network;
    size_t images, batches;
    double seconds;
    an_display display = an_display_begin(common->progress);
    alexnet_status status;
    AN_TRY(an_network_chosen(common, settings->classes, settings->input_size, &network, error));
    const an_preprocess preprocess = an_network_preprocess(&network);
    AN_TRY_CLEANUP(an_dataset_open(settings->data, AN_SPLIT_TRAIN, common->seed, &dataset, error));
    AN_TRY_CLEANUP(an_loader_create(dataset, &preprocess, &loading, &loader, error));
    AN_TRY_CLEANUP(load_batches(loader, &display, &images, &batches, &seconds, error));
    an_display_end(&display);
    if (common->json)
        status = an_print_json(
            json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:i, s:f, s:f, s:I, s:I}", "what", "loader",
                      "arch", network.arch->name, "device", "cpu", "precision", "fp32", "data",
                      an_json_string(settings->data), "batch", common->batch, "threads", workers,
                      "images_per_second", (double)images / seconds, "milliseconds",
                      1e3 * seconds / (double)batches, "steps", (json_int_t)batches, "peak_memory",
                      (json_int_t)an_peak_resident()),
            error);
    else
        printf("loader %s, %d x %d, batch %d, %d threads: %.1f images/s, %.2f ms a batch\n",
               settings->data, network.input_size, network.input_size, common->batch, workers,
               (double)images / seconds, 1e3 * seconds / (double)batches);
cleanup:
    an_display_end(&display);
    an_loader_free(loader);
    an_dataset_close(dataset);
    return status;
}
