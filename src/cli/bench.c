/* alexnet bench: how fast this machine computes, trains, or loads. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/network.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "data/loader.h"

typedef struct bench_settings {
    an_common common;
    int classes, input_size;
    const char *data;
    int workers;
} bench_settings;

static const an_option options[] = {AN_OPTION_CLASSES(bench_settings, classes),
                                    AN_OPTION_INPUT_SIZE(bench_settings, input_size),
                                    {.name = "data",
                                     .type = AN_OPTION_TEXT,
                                     .offset = offsetof(bench_settings, data),
                                     .value = "DATA",
                                     .fallback = "shapes",
                                     .help = "loader: the data set that is loaded"},
                                    {.name = "workers",
                                     .type = AN_OPTION_INT,
                                     .offset = offsetof(bench_settings, workers),
                                     .value = "N",
                                     .low = 0,
                                     .high = 1024,
                                     .unset = "every core",
                                     .help = "loader: threads that read and decode pictures"},
                                    {0}};

/* Long enough for the clock and the pages to settle, and for a median that stays. */
static const double warm_up_seconds = 0.5, measure_seconds = 3;
enum { measure_steps = 5, most_steps = 100000 };

/* What is measured: a step that can be repeated. */
typedef struct subject {
    an_plan *plan;
    an_step step; /* training */
    float *input;
    float *logits;
    int32_t *labels;
    an_update updates[AN_MAX_PARAMETERS];
    float *tensors[AN_MAX_PARAMETERS]; /* those the plan still points at */
} subject;

static void release_tensor(void *context, int parameter) {
    subject *bench = context;
    an_free(bench->tensors[parameter]);
    bench->tensors[parameter] = NULL;
}

/* Initialised weights, each tensor in memory of its own and given back as soon as the plan has
 * copied it: the peak is then the plan's, not the measurement's. */
static alexnet_status load_initial(subject *bench, const an_network *network, uint64_t seed,
                                   alexnet_error *error) {
    an_weights weights = {.release = release_tensor, .context = bench};
    for (int i = 0; i < network->parameter_count; i++) {
        AN_TRY(an_alloc((void **)&bench->tensors[i], network->parameters[i].count, sizeof(float),
                        "initial weights", error));
        an_initialise_parameter(network, i, seed, bench->tensors[i]);
        weights.tensor[i] = bench->tensors[i];
    }
    return an_plan_load(bench->plan, &weights, error);
}

static alexnet_status make_inputs(subject *bench, const an_network *network,
                                  const an_common *common, alexnet_error *error) {
    const size_t batch = (size_t)common->batch, pixels = an_shape_count(network->input);
    AN_TRY(an_alloc((void **)&bench->input, batch * pixels, sizeof(float), "pictures", error));
    AN_TRY(an_alloc((void **)&bench->logits, batch * (size_t)network->classes, sizeof(float),
                    "logits", error));
    AN_TRY(an_alloc((void **)&bench->labels, batch, sizeof(int32_t), "labels", error));
    const an_random stream = an_random_stream(common->seed, AN_RANDOM_SYNTHETIC, 0, 0);
    an_random_fill_normal(&stream, 0, batch * pixels, 1, bench->input);
    for (int i = 0; i < common->batch; i++)
        bench->labels[i] = i % network->classes;
    for (int i = 0; i < network->parameter_count; i++)
        bench->updates[i] = (an_update){.learning_rate = 1e-4f, .weight_decay = 5e-4f};
    bench->step = (an_step){.input = bench->input,
                            .labels = bench->labels,
                            .seed = common->seed,
                            .momentum = 0.9f,
                            .updates = bench->updates};
    return ALEXNET_OK;
}

static void release(subject *bench) {
    an_plan_free(bench->plan);
    an_free(bench->input);
    an_free(bench->logits);
    an_free(bench->labels);
    for (int i = 0; i < AN_MAX_PARAMETERS; i++)
        an_free(bench->tensors[i]);
}

static alexnet_status one_step(subject *bench, alexnet_error *error) {
    an_step_result result;
    if (bench->plan->options.training)
        return an_plan_step(bench->plan, &bench->step, &result, error);
    return an_plan_forward(bench->plan, bench->input, bench->plan->options.batch, bench->logits,
                           error);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What was measured, in seconds a step. */
typedef struct timing {
    double median, least;
    int steps;
} timing;

static alexnet_status measure(subject *bench, an_display *display, timing *out,
                              alexnet_error *error) {
    double *times;
    alexnet_status status = an_alloc((void **)&times, most_steps, sizeof *times, "times", error);
    double begin = an_seconds();
    while (status == ALEXNET_OK && an_seconds() - begin < warm_up_seconds)
        status = one_step(bench, error);
    begin = an_seconds();
    *out = (timing){0};
    while (status == ALEXNET_OK && out->steps < most_steps &&
           (out->steps < measure_steps || an_seconds() - begin < measure_seconds)) {
        const double before = an_seconds();
        status = one_step(bench, error);
        times[out->steps++] = an_seconds() - before;
        an_display_show(display, (an_seconds() - begin) / measure_seconds, "step %d", out->steps);
    }
    an_display_end(display);
    if (status == ALEXNET_OK) {
        qsort(times, (size_t)out->steps, sizeof *times, ascending);
        out->median = (times[(out->steps - 1) / 2] + times[out->steps / 2]) / 2;
        out->least = times[0];
    }
    an_free(times);
    return status;
}

static alexnet_status print_result(const char *what, const bench_settings *settings,
                                   const an_network *network, const an_plan *plan, timing time,
                                   alexnet_error *error) {
    static const char *const precisions[] = {"fp32", "bf16", "int8"};
    const an_plan_memory memory = an_plan_memory_of(plan);
    const size_t planned = memory.parameters + memory.gradients + memory.momentum +
                           memory.activations + memory.workspace;
    const size_t weights = sizeof(float) * network->parameter_floats;
    const int batch = settings->common.batch;
    const char *precision = precisions[settings->common.precision];
    if (settings->common.json)
        return an_print_json(
            json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:i, s:I, s:I, s:I}", "what",
                      what, "arch", network->arch->name, "device", plan->backend->name, "precision",
                      precision, "batch", batch, "threads", plan->options.threads,
                      "images_per_second", batch / time.median, "milliseconds", 1e3 * time.median,
                      "least_milliseconds", 1e3 * time.least, "steps", time.steps, "weights",
                      (json_int_t)weights, "planned_memory", (json_int_t)planned, "peak_memory",
                      (json_int_t)an_peak_resident()),
            error);
    printf("%s %s, %s on %s, batch %d, %d threads: %.1f images/s, %.2f ms a step "
           "(median of %d; least %.2f)\n"
           "memory: weights %s, planned %s, peak of the process %s\n",
           what, network->arch->name, precision, plan->backend->name, batch, plan->options.threads,
           batch / time.median, 1e3 * time.median, time.steps, 1e3 * time.least,
           an_bytes(weights).text, an_bytes(planned).text, an_bytes(an_peak_resident()).text);
    return ALEXNET_OK;
}

static alexnet_status bench_plan(const char *what, const bench_settings *settings,
                                 alexnet_error *error) {
    const an_common *common = &settings->common;
    const an_plan_options plan = an_plan_chosen(common, strcmp(what, "train") == 0);
    const an_backend *backend;
    an_network network;
    timing time;
    AN_TRY(an_network_chosen(common, settings->classes, settings->input_size, &network, error));
    AN_TRY(an_backend_find(common->device, &backend, error));
    subject bench = {0};
    an_display display = an_display_begin(common->progress);
    alexnet_status status;
    AN_TRY_CLEANUP(an_plan_create(backend, &network, &plan, &bench.plan, error));
    AN_TRY_CLEANUP(load_initial(&bench, &network, common->seed, error));
    AN_TRY_CLEANUP(make_inputs(&bench, &network, common, error));
    AN_TRY_CLEANUP(measure(&bench, &display, &time, error));
    status = print_result(what, settings, &network, bench.plan, time, error);
cleanup:
    release(&bench);
    return status;
}

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
            if (now - start >= warm_up_seconds)
                begin = now;
            continue;
        }
        *images += batch ? (size_t)batch->count : 0;
        *batches += batch != NULL;
        *seconds = now - begin;
        if (*batches >= measure_steps && *seconds >= measure_seconds)
            return ALEXNET_OK;
        an_display_show(display, *seconds / measure_seconds, "batch %zu", *batches);
    }
}

static alexnet_status bench_loader(const bench_settings *settings, alexnet_error *error) {
    const an_common *common = &settings->common;
    const int workers = settings->workers ? settings->workers : an_cpu_count();
    const an_loader_options loading = {.batch = common->batch,
                                       .workers = workers,
                                       .seed = common->seed,
                                       .shuffle = true,
                                       .augment = true,
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

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    (void)count;
    if (strcmp(arguments[0], "infer") == 0 || strcmp(arguments[0], "train") == 0)
        return bench_plan(arguments[0], chosen, error);
    if (strcmp(arguments[0], "loader") == 0)
        return bench_loader(chosen, error);
    return an_fail(error, ALEXNET_INVALID, "'%s' cannot be measured; infer, train and loader can",
                   arguments[0]);
}

const an_command an_command_bench = {
    .name = "bench",
    .arguments = "infer|train|loader",
    .least = 1,
    .most = 1,
    .title = "measure inference, training or loading on this machine",
    .text = "Measures inference (infer) or training steps (train) on synthetic pictures with\n"
            "initialised weights, or the reading and preparing of pictures (loader): half a\n"
            "second of warming up, then at least 5 steps and 3 seconds, of which the median is\n"
            "given (of loader the mean). Milliseconds are those of a step of the whole batch.",
    .examples = "  alexnet bench infer --batch 1\n"
                "  alexnet bench train --batch 64 --threads 2 --json\n"
                "  alexnet bench loader --data photos/train --workers 2",
    .options = options,
    .size = sizeof(bench_settings),
    .run = run,
};
