/* alexnet bench loader: how fast pictures are read, decoded and prepared. */
#include "cli/bench.h"
#include "cli/network.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/threads.h"
#include "data/loader.h"

/* Takes batches for a turn, epoch after epoch, as training would if it took no time itself. The
 * workers run ahead, so single batches come early or late: the mean is what counts. */
static alexnet_status load_batches(an_loader *loader, double warm_up, uint32_t *epoch,
                                   bench_rate *sum, alexnet_error *error) {
    const an_batch *batch = NULL;
    const double start = an_seconds();
    double begin = 0, cpu = 0, seconds = 0;
    size_t images = 0, batches = 0;
    while (begin == 0 || batches < AN_BENCH_STEPS || seconds < AN_BENCH_TURN_SECONDS) {
        if (!batch)
            AN_TRY(an_loader_start(loader, (*epoch)++, 0, error));
        AN_TRY(an_loader_next(loader, &batch, error));
        const double now = an_seconds();
        if (begin == 0) { /* still warming up */
            if (now - start >= warm_up) {
                begin = now;
                cpu = an_cpu_seconds();
            }
            continue;
        }
        images += batch ? (size_t)batch->count : 0;
        batches += batch != NULL;
        seconds = now - begin;
    }
    sum->images += images;
    sum->batches += batches;
    sum->seconds += seconds;
    sum->cpu_seconds += an_cpu_seconds() - cpu;
    return ALEXNET_OK;
}

/* The loader and bare decoding take turns, so that a slow minute of the machine hits both. Each
 * turn has a loader of its own: the workers of another one would still run ahead. */
static alexnet_status take_turns(const an_dataset *dataset, const an_preprocess *preprocess,
                                 const an_loader_options *loading, const bench_files *files,
                                 an_display *display, bench_rate *loaded, bench_rate *decoded,
                                 alexnet_error *error) {
    uint32_t epoch = 0;
    for (int turn = 0; turn < AN_BENCH_TURNS; turn++) {
        const double warm_up = AN_BENCH_WARM_UP_SECONDS / (turn == 0 ? 1 : 4);
        an_loader *loader;
        an_display_show(display, (double)turn / AN_BENCH_TURNS, "turn %d of %d", turn + 1,
                        AN_BENCH_TURNS);
        AN_TRY(an_loader_create(dataset, preprocess, loading, &loader, error));
        const alexnet_status status = load_batches(loader, warm_up, &epoch, loaded, error);
        an_loader_free(loader);
        AN_TRY(status);
        if (files->count > 0)
            AN_TRY(an_bench_files_decode(files, loading->workers, decoded, error));
    }
    return ALEXNET_OK;
}

static double images_per_second(const bench_rate *rate) {
    return (double)rate->images / rate->seconds;
}

static double cpu_milliseconds(const bench_rate *rate) {
    return 1e3 * rate->cpu_seconds / (double)rate->images;
}

static alexnet_status print_rates(const bench_settings *settings, const an_network *network,
                                  int workers, const bench_rate *loaded, const bench_rate *decoded,
                                  alexnet_error *error) {
    const int batch = settings->common.batch;
    const double rate = images_per_second(loaded);
    const double milliseconds = 1e3 * loaded->seconds / (double)loaded->batches;
    const bool both = decoded->images > 0;
    if (!settings->common.json) {
        printf("loader %s, %d x %d, batch %d, %d threads: %.1f images/s, %.2f ms a batch, %.3f ms "
               "of processor time a picture\n",
               settings->data, network->input_size, network->input_size, batch, workers, rate,
               milliseconds, cpu_milliseconds(loaded));
        if (both)
            printf("bare decoding: %.1f images/s, %.3f ms; the loader is at %.0f %% of its speed\n",
                   images_per_second(decoded), cpu_milliseconds(decoded),
                   100 * rate / images_per_second(decoded));
        return ALEXNET_OK;
    }
    json_t *bare =
        both ? json_pack("{s:f, s:f, s:f}", "images_per_second", images_per_second(decoded),
                         "cpu_milliseconds", cpu_milliseconds(decoded), "share_reached",
                         rate / images_per_second(decoded))
             : json_null();
    return an_print_json(
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:i, s:f, s:f, s:f, s:o, s:I, s:I}", "what",
                  "loader", "arch", network->arch->name, "device", "cpu", "precision", "fp32",
                  "data", an_json_string(settings->data), "batch", batch, "threads", workers,
                  "images_per_second", rate, "milliseconds", milliseconds, "cpu_milliseconds",
                  cpu_milliseconds(loaded), "bare_decoding", bare, "steps",
                  (json_int_t)loaded->batches, "peak_memory", (json_int_t)an_peak_resident()),
        error);
}

/* What is asked for, with torchvision's parts of a picture and the authors' colours. */
static an_augmentation augmentation_of(const bench_settings *settings) {
    an_augmentation chosen = an_plain_augmentation;
    chosen.crop = (an_crop_kind)settings->crop;
    chosen.area_low = 0.08;
    chosen.area_high = 1;
    chosen.aspect = 4 / 3.0;
    an_augmentation_set_noise(&chosen, settings->noise);
    return chosen;
}

alexnet_status an_bench_loader(const bench_settings *settings, alexnet_error *error) {
    const an_common *common = &settings->common;
    const int workers = settings->workers ? settings->workers : an_cpu_count();
    const an_loader_options loading = {.batch = common->batch,
                                       .workers = workers,
                                       .seed = common->seed,
                                       .shuffle = true,
                                       .augmentation = augmentation_of(settings),
                                       .max_broken = 1};
    an_dataset *dataset = NULL;
    bench_files files = {0};
    an_network network;
    bench_rate loaded = {0}, decoded = {0};
    an_display display = an_display_begin(common);
    alexnet_status status;
    AN_TRY(an_network_chosen(common, settings->classes, settings->input_size, &network, error));
    const an_preprocess preprocess = an_network_preprocess(&network);
    AN_TRY_CLEANUP(an_dataset_open(settings->data, AN_SPLIT_TRAIN, common->seed, &dataset, error));
    AN_TRY_CLEANUP(an_bench_files_take(dataset, &files, error));
    AN_TRY_CLEANUP(
        take_turns(dataset, &preprocess, &loading, &files, &display, &loaded, &decoded, error));
    an_display_end(&display);
    status = print_rates(settings, &network, workers, &loaded, &decoded, error);
cleanup:
    an_display_end(&display);
    an_bench_files_free(&files);
    an_dataset_close(dataset);
    return status;
}
