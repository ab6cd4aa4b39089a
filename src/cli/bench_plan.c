/* alexnet bench infer and train: steps of a plan on synthetic pictures. */
#include <string.h>

#include "cli/bench.h"
#include "cli/network.h"
#include "core/memory.h"
#include "core/random.h"
#include "data/normalise.h"

/* What is measured: a step that can be repeated. */
typedef struct subject {
    an_plan *plan;
    an_step step;         /* training */
    float *input;         /* NULL: it steps on pictures */
    an_picture *pictures; /* as training hands them over where the plan takes them */
    size_t input_bytes;   /* of either; 0: not made yet */
    float *logits;
    int32_t *labels;
    an_update updates[AN_MAX_PARAMETERS];
    uint64_t seed;
    an_weights weights;                /* as the network begins */
    float *tensors[AN_MAX_PARAMETERS]; /* those the plan still points at */
    an_layer_times layers;             /* of the step at work, in --layers */
} subject;

static alexnet_status make_tensor(void *context, int parameter, alexnet_error *error) {
    subject *bench = context;
    const an_network *network = &bench->plan->network;
    AN_TRY(an_reserve((void **)&bench->tensors[parameter], network->parameters[parameter].count,
                      sizeof(float), "initial weights", error));
    an_initialise_parameter(network, parameter, bench->seed, bench->tensors[parameter]);
    bench->weights.tensor[parameter] = bench->tensors[parameter];
    return ALEXNET_OK;
}

static void release_tensor(void *context, int parameter) {
    subject *bench = context;
    an_free(bench->tensors[parameter]);
    bench->tensors[parameter] = NULL;
}

static void forget_part(void *context, int parameter, size_t first, size_t count) {
    const subject *bench = context;
    an_forget(bench->tensors[parameter] + first, count * sizeof(float));
}

/* Initialised weights, each tensor made when the plan asks for it and given back as soon as it has
 * copied it: the peak is then the plan's, not the measurement's. */
static alexnet_status load_initial(subject *bench, uint64_t seed, alexnet_error *error) {
    bench->seed = seed;
    bench->weights = (an_weights){
        .fetch = make_tensor, .release = release_tensor, .forget = forget_part, .context = bench};
    return an_plan_load(bench->plan, &bench->weights, error);
}

/* Normal floats. */
static alexnet_status make_input(subject *bench, const an_network *network, const an_common *common,
                                 alexnet_error *error) {
    const size_t count = (size_t)common->batch * an_shape_count(network->input);
    AN_TRY(an_alloc((void **)&bench->input, count, sizeof(float), "pictures", error));
    const an_random stream = an_random_stream(common->seed, AN_RANDOM_SYNTHETIC, 0, 0);
    an_random_fill_normal(&stream, 0, count, 1, bench->input);
    bench->input_bytes = count * sizeof(float);
    return ALEXNET_OK;
}

/* Random bytes that become what the network's preprocessing makes of them, half of them mirrored.
 */
static alexnet_status make_pictures(subject *bench, const an_network *network,
                                    const an_common *common, alexnet_error *error) {
    const an_preprocess preprocess = an_network_preprocess(network);
    const size_t side = (size_t)preprocess.crop, size = 3 * side * side;
    const size_t batch = (size_t)common->batch, bytes = an_picture_bytes(side, side);
    uint8_t *pixels;
    AN_TRY(an_alloc((void **)&bench->pictures, batch, bytes, "pictures", error));
    AN_TRY(an_alloc((void **)&pixels, size, 1, "a picture", error));
    an_random random = an_random_stream(common->seed, AN_RANDOM_SYNTHETIC, 0, 0);
    char *place = (char *)bench->pictures;
    for (size_t n = 0; n < batch; n++, place += bytes) {
        for (size_t i = 0; i < size; i++)
            pixels[i] = (uint8_t)an_random_u32(&random);
        const an_raster raster = {pixels, pixels + size, 3 * side, (int)side, (int)side};
        an_normalise_picture(&raster, n % 2, &preprocess, NULL, (an_picture *)(void *)place);
    }
    an_free(pixels);
    bench->input_bytes = batch * bytes;
    return ALEXNET_OK;
}

/* Where either lies. */
static void *inputs_of(const subject *bench) {
    return bench->pictures ? (void *)bench->pictures : bench->input;
}

/* Says that they will come again; a single picture to be answered is not known before. */
static void stage(const subject *bench) {
    if (bench->plan->options.training || bench->plan->options.batch > 1)
        an_plan_stage(bench->plan, bench->input, bench->pictures);
}

static alexnet_status make_inputs(subject *bench, const an_network *network,
                                  const an_common *common, alexnet_error *error) {
    const size_t batch = (size_t)common->batch;
    AN_TRY(an_alloc((void **)&bench->logits, batch * (size_t)network->classes, sizeof(float),
                    "logits", error));
    AN_TRY(an_alloc((void **)&bench->labels, batch, sizeof(int32_t), "labels", error));
    AN_TRY(an_plan_takes_pictures(bench->plan) ? make_pictures(bench, network, common, error)
                                               : make_input(bench, network, common, error));
    an_plan_pin(bench->plan, inputs_of(bench), bench->input_bytes, true);
    stage(bench);
    for (int i = 0; i < common->batch; i++)
        bench->labels[i] = i % network->classes;
    for (int i = 0; i < network->parameter_count; i++)
        bench->updates[i] = (an_update){.learning_rate = 1e-4f, .weight_decay = 5e-4f};
    bench->step = (an_step){.input = bench->input,
                            .pictures = bench->pictures,
                            .labels = bench->labels,
                            .seed = common->seed,
                            .momentum = 0.9f,
                            .updates = bench->updates};
    return ALEXNET_OK;
}

static void release(subject *bench) {
    if (bench->input_bytes > 0)
        an_plan_pin(bench->plan, inputs_of(bench), bench->input_bytes, false);
    an_plan_free(bench->plan);
    an_free(bench->input);
    an_free(bench->pictures);
    an_free(bench->logits);
    an_free(bench->labels);
    for (int i = 0; i < AN_MAX_PARAMETERS; i++)
        an_free(bench->tensors[i]);
}

static alexnet_status begin_step(subject *bench, alexnet_error *error) {
    AN_TRY(an_plan_begin(bench->plan, &bench->step, error));
    stage(bench); /* those of the next step, as in training */
    return ALEXNET_OK;
}

static alexnet_status forward(subject *bench, alexnet_error *error) {
    const int batch = bench->plan->options.batch;
    stage(bench); /* the next batch's, while this one is computed */
    return bench->pictures
               ? an_plan_forward_pictures(bench->plan, bench->pictures, batch, bench->logits, error)
               : an_plan_forward(bench->plan, bench->input, batch, bench->logits, error);
}

/* A batch through the plan. In a plan that runs ahead, the step that ends here has been begun
 * before, as in training. */
static alexnet_status one_step(subject *bench, alexnet_error *error) {
    an_step_result result;
    if (!bench->plan->options.training)
        return forward(bench, error);
    AN_TRY(begin_step(bench, error));
    return an_plan_finish(bench->plan, &result, error);
}

/* What was measured, in seconds a step. */
typedef struct timing {
    double median, least, slow; /* slow: nine tenths are faster */
    int steps;
    an_layer_times layers; /* in --layers */
} timing;

enum { most_steps = 100000 };

/* Steps for a while; `layers` (NULL: none) collects the times of the first AN_BENCH_LAYER_STEPS. */
static alexnet_status measure_steps(subject *bench, an_display *display, double *times,
                                    an_layer_times *layers, int *steps, alexnet_error *error) {
    const bool ahead = bench->plan->options.training && an_plan_runs_ahead(bench->plan);
    double begin = an_seconds();
    if (ahead)
        AN_TRY(begin_step(bench, error));
    while (an_seconds() - begin < AN_BENCH_WARM_UP_SECONDS)
        AN_TRY(one_step(bench, error));
    double before = begin = an_seconds();
    for (*steps = 0; *steps < most_steps &&
                     (*steps < AN_BENCH_STEPS || an_seconds() - begin < AN_BENCH_SECONDS);
         ++*steps) {
        bench->layers = (an_layer_times){0};
        AN_TRY(one_step(bench, error));
        const double after = an_seconds();
        times[*steps] = after - before;
        if (layers && *steps < AN_BENCH_LAYER_STEPS)
            layers[*steps] = bench->layers;
        an_display_show(display, an_bench_progress(*steps + 1, an_seconds() - begin), "step %d",
                        *steps + 1);
        before = ahead ? after : an_seconds(); /* what runs ahead did so meanwhile */
    }
    an_step_result result;
    return ahead ? an_plan_finish(bench->plan, &result, error) : ALEXNET_OK;
}

static alexnet_status measure(subject *bench, bool by_layer, an_display *display, timing *out,
                              alexnet_error *error) {
    double *times = NULL;
    an_layer_times *layers = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_alloc((void **)&times, most_steps, sizeof *times, "times", error));
    if (by_layer)
        AN_TRY_CLEANUP(an_alloc((void **)&layers, AN_BENCH_LAYER_STEPS, sizeof *layers,
                                "times of layers", error));
    AN_TRY_CLEANUP(measure_steps(bench, display, times, layers, &out->steps, error));
    out->median = an_bench_median(times, out->steps);
    out->least = times[0];
    out->slow = times[(out->steps - 1) * 9 / 10];
    if (by_layer)
        an_bench_layer_medians(layers, out->steps, &out->layers);
cleanup:
    an_display_end(display);
    an_free(layers);
    an_free(times);
    return status;
}

/* All that is told about a run. */
typedef struct outcome {
    const char *what, *precision;
    int batch, threads;
    timing time;
    size_t weights, planned, peak; /* bytes */
    an_plan_limits limits;
    double floor; /* seconds; 0: not known */
} outcome;

/* Seconds for each limit, measured behind the steps so that it disturbs neither them nor the peak
 * of the memory. */
static const double limit_seconds = 0.15;

static outcome outcome_of(const an_plan *plan, timing time) {
    const an_plan_memory memory = an_plan_memory_of(plan);
    const size_t peak = an_peak_resident();
    const an_plan_limits limits = an_plan_limits_of(plan, limit_seconds);
    return (outcome){.what = plan->options.training ? "train" : "infer",
                     .precision = an_precision_names[plan->options.precision],
                     .batch = plan->options.batch,
                     .threads = plan->options.threads,
                     .time = time,
                     .weights = sizeof(float) * plan->network.parameter_floats,
                     .planned = memory.parameters + memory.gradients + memory.momentum +
                                memory.activations + memory.workspace,
                     .peak = peak,
                     .limits = limits,
                     .floor = an_plan_floor(plan, &limits)};
}

static alexnet_status print_json(const an_plan *plan, const outcome *it, alexnet_error *error) {
    const timing *time = &it->time;
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:i, s:I, s:I, s:I}", "what",
                  it->what, "arch", plan->network.arch->name, "device", plan->backend->name,
                  "precision", it->precision, "batch", it->batch, "threads", it->threads,
                  "images_per_second", it->batch / time->median, "milliseconds", 1e3 * time->median,
                  "least_milliseconds", 1e3 * time->least, "p90_milliseconds", 1e3 * time->slow,
                  "steps", time->steps, "weights", (json_int_t)it->weights, "planned_memory",
                  (json_int_t)it->planned, "peak_memory", (json_int_t)it->peak);
    if (json)
        json_object_set_new(json, "deterministic", json_boolean(plan->options.deterministic));
    if (json && it->floor > 0)
        json_object_update_new(json, json_pack("{s:f, s:f, s:f, s:f}", "floor_milliseconds",
                                               1e3 * it->floor, "share_of_floor",
                                               it->floor / time->median, "peak_gflops",
                                               it->limits.operations / 1e9, "read_gb_per_second",
                                               it->limits.read / 1e9));
    if (json && plan->options.times)
        json_object_set_new(json, "layers", an_bench_layers_json(plan, &it->limits, &time->layers));
    return an_print_json(json, error);
}

/* Which part of what the machine could do was reached. */
static void print_floor(const outcome *it) {
    const double share = it->floor / it->time.median;
    printf("floor: %.2f ms with %.0f GFLOP/s and %.0f GB/s, measured just now; ", 1e3 * it->floor,
           it->limits.operations / 1e9, it->limits.read / 1e9);
    if (share <= 1)
        printf("%.0f %% of its speed was reached\n", 100 * share);
    else
        printf("%.2f times the speed of this direct floor\n", share);
}

static void print_text(const an_plan *plan, const outcome *it) {
    const timing *time = &it->time;
    printf("%s %s, %s on %s, batch %d, %d threads: %.1f images/s, %.2f ms a step "
           "(median of %d; least %.2f, nine tenths below %.2f)\n"
           "memory: weights %s, planned %s, peak of the process %s\n",
           it->what, plan->network.arch->name, it->precision, plan->backend->name, it->batch,
           it->threads, it->batch / time->median, 1e3 * time->median, time->steps,
           1e3 * time->least, 1e3 * time->slow, an_bytes(it->weights).text,
           an_bytes(it->planned).text, an_bytes(it->peak).text);
    if (it->floor > 0)
        print_floor(it);
    if (plan->options.times)
        an_bench_print_layers(plan, &it->limits, &time->layers);
}

alexnet_status an_bench_plan(const bench_settings *settings, bool training, alexnet_error *error) {
    const an_common *common = &settings->common;
    an_plan_options options = an_plan_chosen(common, training);
    const an_backend *backend;
    an_network network;
    timing time = {0};
    AN_TRY(an_network_chosen(common, settings->classes, settings->input_size, &network, error));
    AN_TRY(an_backend_find(common->device, &backend, error));
    subject bench = {0};
    options.deterministic = settings->deterministic;
    if (settings->layers)
        options.times = &bench.layers;
    an_display display = an_display_begin(common);
    alexnet_status status;
    AN_TRY_CLEANUP(an_plan_create(backend, &network, &options, &bench.plan, error));
    an_precision_report(common, bench.plan);
    AN_TRY_CLEANUP(load_initial(&bench, common->seed, error));
    AN_TRY_CLEANUP(make_inputs(&bench, &network, common, error));
    AN_TRY_CLEANUP(measure(&bench, settings->layers, &display, &time, error));
    const outcome result = outcome_of(bench.plan, time);
    if (common->json)
        status = print_json(bench.plan, &result, error);
    else
        print_text(bench.plan, &result);
cleanup:
    release(&bench);
    return status;
}
