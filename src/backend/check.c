#include "backend/check.h"

#include <math.h>

#include "backend/reference/layers.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"

/* Streams of AN_RANDOM_SYNTHETIC, by item. */
enum { stream_input, stream_label, stream_biases, stream_direction };

/* Elements of a direction drawn at a time; a multiple of the generator's four. */
enum { chunk = 4096 };

/* What an error may be and still be sound; why, stands in check.h. */
static const double along_tolerance = 1e-2, across_tolerance = 5e-2;
static const struct {
    double forward, backward, training;
} tolerances[] = {[AN_FP32] = {1e-4, 1e-3, 1e-3},
                  [AN_TF32] = {4e-3, 2e-1, 3e-2},
                  [AN_BF16] = {3e-2, 4e-1, 6e-2},
                  [AN_FP16] = {4e-3, 2e-1, 3e-2},
                  [AN_INT8] = {3e-2, 2e-1, 6e-2}};

/* Of the steps that are followed. */
enum { training_steps = 10 };
static const float training_rate = 1e-4f;

/*
 * Steps of the central difference: at first as long as this share of w (or of the biases), and this
 * change of the loss, allow; then a quarter of it, and so on. Smaller changes may be rounding.
 */
static const double longest_step = 1e-2, longest_bias_step = 1;
static const double wanted_change = 2e-3, rounding = 1e-5;
enum { attempts = 4 };

/* What both checks run on: initial weights, random images and labels. */
typedef struct problem {
    an_network network;
    an_check_options options; /* zeros filled in */
    an_arena memory;
    float *weights; /* all parameters one behind the other */
    float *input;   /* (N, C, H, W) */
    float *logits;  /* (N, classes), room for an output */
    int32_t *labels;
    an_check_report report;
    void *context;
    int *failures;
} problem;

static void close_problem(problem *p) {
    an_arena_free(&p->memory);
    an_free(p->labels);
}

/* Adds up to 0.1 to every bias: with biases of 0 a unit whose inputs are 0 sits at ReLU's kink. */
static void move_biases(const problem *p) {
    an_random stream = an_random_stream(p->options.seed, AN_RANDOM_SYNTHETIC, 0, stream_biases);
    for (int i = 0; i < p->network.parameter_count; i++) {
        const an_parameter *parameter = &p->network.parameters[i];
        for (size_t k = 0; parameter->is_bias && k < parameter->count; k++)
            p->weights[parameter->offset + k] += an_random_range(&stream, -0.1f, 0.1f);
    }
}

/* Takes and fills everything; close_problem in either case. */
static alexnet_status open_problem(problem *p, alexnet_error *error) {
    const an_network *network = &p->network;
    *p->failures = 0;
    if (p->options.batch == 0)
        p->options.batch = 2;
    if (p->options.samples == 0)
        p->options.samples = 1;
    if (p->options.batch < 1 || p->options.samples < 1)
        return an_fail(error, ALEXNET_INVALID, "batch %d, samples %d: both must be at least 1",
                       p->options.batch, p->options.samples);
    const size_t images = (size_t)p->options.batch;
    const size_t inputs = images * an_shape_count(network->input);
    const size_t logits = images * (size_t)network->classes;
    void *labels;
    AN_TRY(an_alloc(&labels, images, sizeof *p->labels, "labels", error));
    p->labels = labels;
    const an_tensor_spec specs[] = {{"weights", &p->weights, network->parameter_floats},
                                    {"input", &p->input, inputs},
                                    {"logits", &p->logits, logits}};
    AN_TRY(an_arena_take(&p->memory, "check", specs, sizeof specs / sizeof *specs, error));
    an_initialise(network, p->options.seed, p->weights);
    move_biases(p);
    /* About as large as the network's preprocessed pictures: they deviate by a quarter of 255. */
    const an_preprocess *preprocess = &network->arch->preprocess;
    const double deviation = 64 * (double)preprocess->scale / (double)preprocess->std[0];
    const an_random pixels =
        an_random_stream(p->options.seed, AN_RANDOM_SYNTHETIC, 0, stream_input);
    an_random_fill_normal(&pixels, 0, inputs, deviation, p->input);
    an_random draw = an_random_stream(p->options.seed, AN_RANDOM_SYNTHETIC, 0, stream_label);
    for (size_t n = 0; n < images; n++)
        p->labels[n] = (int32_t)an_random_below(&draw, (uint32_t)network->classes);
    return ALEXNET_OK;
}

/* A plan with the problem's weights loaded. */
static alexnet_status open_plan(const problem *p, const an_backend *backend, bool observe,
                                an_precision precision, an_plan **out, alexnet_error *error) {
    const an_plan_options options = {.batch = p->options.batch,
                                     .training = true,
                                     .observe = observe,
                                     .precision = precision,
                                     .threads = p->options.threads};
    const an_weights weights = an_weights_of(&p->network, p->weights);
    AN_TRY(an_plan_create(backend, &p->network, &options, out, error));
    return an_plan_load(*out, &weights, error);
}

static an_step step_of(const problem *p) {
    return (an_step){.input = p->input, .labels = p->labels, .seed = p->options.seed};
}

static void report(const problem *p, an_check_row row) {
    row.passed = row.error <= row.tolerance;
    *p->failures += !row.passed;
    p->report(p->context, &row);
}

/* ------------------------------------------------------------------ gradients */

/* One parameter tensor under test; the arrays hold room for the largest of the network. */
typedef struct subject {
    int parameter;
    size_t count;
    const float *weights; /* w, in the problem */
    float *gradient, *direction, *moved;
} subject;

static double inner(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static double length(const float *a, size_t count) {
    return sqrt(inner(a, a, count));
}

/* The loss with w + h d in the place of w. */
static alexnet_status loss_at(problem *p, an_plan *plan, const subject *s, double h, double *out,
                              alexnet_error *error) {
    an_weights weights = an_weights_of(&p->network, p->weights);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < s->count; i++)
        s->moved[i] = (float)((double)s->weights[i] + h * (double)s->direction[i]);
    weights.tensor[s->parameter] = s->moved;
    AN_TRY(an_plan_load(plan, &weights, error));
    AN_TRY(an_plan_forward(plan, p->input, p->options.batch, p->logits, error));
    const an_step step = step_of(p);
    an_step_result result;
    an_reference_loss(p->options.batch, p->network.classes, p->logits, &step, NULL, &result);
    *out = result.loss;
    return ALEXNET_OK;
}

/* Fills the direction: uniform in [-1, 1), or (along) the gradient times its absolute value. */
static void draw_direction(const problem *p, const subject *s, int sample, bool along) {
    const uint64_t item =
        ((uint64_t)sample * AN_MAX_PARAMETERS + (uint64_t)s->parameter) * 2 + along;
    const an_random stream =
        an_random_stream(p->options.seed, AN_RANDOM_SYNTHETIC, 0, stream_direction + item);
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < s->count; first += chunk) {
        const size_t count = s->count - first < chunk ? s->count - first : chunk;
        float *part = s->direction + first;
        an_random_fill_uniform(&stream, first, count, 1, part);
        if (along)
            for (size_t i = 0; i < count; i++)
                part[i] = fabsf(part[i]) * s->gradient[first + i];
    }
}

/* The loss's change over 2h along the direction, for one h. */
static alexnet_status central_difference(problem *p, an_plan *plan, const subject *s, double h,
                                         double *out, alexnet_error *error) {
    double above, below;
    AN_TRY(loss_at(p, plan, s, h, &above, error));
    AN_TRY(loss_at(p, plan, s, -h, &below, error));
    *out = (above - below) / (2 * h);
    return ALEXNET_OK;
}

/* One row of the gradient check. */
static alexnet_status check_direction(problem *p, an_plan *plan, const subject *s, int sample,
                                      bool along, alexnet_error *error) {
    const an_parameter *parameter = &p->network.parameters[s->parameter];
    draw_direction(p, s, sample, along);
    const double analytic = inner(s->gradient, s->direction, s->count);
    const double steepness = length(s->gradient, s->count), span = length(s->direction, s->count);
    const double usual = steepness * span / sqrt((double)s->count);
    const double size = length(s->weights, s->count);
    an_check_row row = {.what = along ? "along" : "across",
                        .name = parameter->name,
                        .found = analytic,
                        .error = INFINITY,
                        .tolerance = along ? along_tolerance : across_tolerance};
    if (span == 0) { /* along a gradient that is nothing but zeros */
        row.error = 0;
        row.vacuous = true;
        report(p, row);
        return ALEXNET_OK;
    }
    const double slope = along ? fabs(analytic) : usual;
    double h = (parameter->is_bias ? longest_bias_step : longest_step) * size / span;
    if (h * slope > wanted_change)
        h = wanted_change / slope;
    for (int attempt = 0; attempt < attempts; attempt++, h /= 4) {
        double numeric;
        AN_TRY(central_difference(p, plan, s, h, &numeric, error));
        double scale = fmax(fabs(analytic), fabs(numeric));
        if (!along)
            scale = fmax(scale, usual);
        const double miss = fabs(analytic - numeric) / scale;
        if (steepness == 0 && fabs(numeric) * h < rounding) {
            row.error = 0;
            row.expected = 0;
            row.vacuous = true;
            break;
        }
        if (miss < row.error || isnan(miss) || attempt == 0) {
            row.error = miss;
            row.expected = numeric;
        }
        if (row.error <= row.tolerance / 2)
            break;
    }
    report(p, row);
    return ALEXNET_OK;
}

alexnet_status an_check_gradients(const an_backend *backend, const an_network *network,
                                  const an_check_options *options, an_check_report report_row,
                                  void *context, int *failures, alexnet_error *error) {
    problem p = {.network = *network,
                 .options = *options,
                 .report = report_row,
                 .context = context,
                 .failures = failures};
    an_plan *plan = NULL;
    an_arena memory = {0};
    subject s = {0};
    size_t largest = 0;
    for (int i = 0; i < network->parameter_count; i++)
        if (network->parameters[i].count > largest)
            largest = network->parameters[i].count;
    const an_tensor_spec specs[] = {{"gradient", &s.gradient, largest},
                                    {"direction", &s.direction, largest},
                                    {"moved weights", &s.moved, largest}};
    alexnet_status status;
    const int threads_before = an_threads_enter(options->threads);
    AN_TRY_CLEANUP(open_problem(&p, error));
    AN_TRY_CLEANUP(an_arena_take(&memory, "check", specs, sizeof specs / sizeof *specs, error));
    AN_TRY_CLEANUP(open_plan(&p, backend, false, AN_FP32, &plan, error));
    an_step step = step_of(&p);
    step.no_dropout = true;
    an_step_result result;
    AN_TRY_CLEANUP(an_plan_step(plan, &step, &result, error));
    for (int i = network->parameter_count - 1; i >= 0; i--) {
        s.parameter = i;
        s.count = network->parameters[i].count;
        s.weights = p.weights + network->parameters[i].offset;
        AN_TRY_CLEANUP(an_plan_read(plan, AN_PARAMETER_GRADIENT, i, s.gradient, error));
        for (int sample = 0; sample < p.options.samples; sample++) {
            AN_TRY_CLEANUP(check_direction(&p, plan, &s, sample, true, error));
            AN_TRY_CLEANUP(check_direction(&p, plan, &s, sample, false, error));
        }
    }
cleanup:
    an_plan_free(plan);
    an_arena_free(&memory);
    close_problem(&p);
    an_threads_leave(threads_before);
    return status;
}

/* ------------------------------------------------------------------- two backends */

/* Reports |found - expected| / |expected|. */
static void compare(const problem *p, const char *what, const char *name, const float *found,
                    const float *expected, size_t count, double tolerance) {
    double difference = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)found[i] - (double)expected[i];
        difference += d * d;
    }
    an_check_row row = {.what = what,
                        .name = name,
                        .expected = length(expected, count),
                        .found = length(found, count),
                        .tolerance = tolerance};
    row.vacuous = row.expected == 0 && row.found == 0;
    row.error = row.vacuous ? 0 : sqrt(difference) / row.expected;
    report(p, row);
}

/* The two plans and room for the largest tensor of each. */
typedef struct pair {
    an_plan *tested, *expected;
    float *found, *wanted;
} pair;

static alexnet_status compare_tensor(const problem *p, const pair *both, an_tensor tensor,
                                     int index, double tolerance, alexnet_error *error) {
    const an_network *network = &p->network;
    const size_t images = (size_t)p->options.batch;
    const char *what = "gradient", *name;
    size_t count;
    if (tensor == AN_PARAMETER_GRADIENT) {
        name = network->parameters[index].name;
        count = network->parameters[index].count;
    } else {
        what = tensor == AN_ACTIVATION ? "activation" : "activation gradient";
        name = index < 0 ? "input" : network->layers[index].spec.name;
        count = images * an_shape_count(index < 0 ? network->input : network->layers[index].out);
    }
    AN_TRY(an_plan_read(both->tested, tensor, index, both->found, error));
    AN_TRY(an_plan_read(both->expected, tensor, index, both->wanted, error));
    compare(p, what, name, both->found, both->wanted, count, tolerance);
    return ALEXNET_OK;
}

/* Everything that a training step with dropout leaves behind, forward, then backward. */
static alexnet_status compare_steps(const problem *p, const pair *both, alexnet_error *error) {
    const an_network *network = &p->network;
    const double forward = tolerances[p->options.precision].forward;
    const double backward = tolerances[p->options.precision].backward;
    const an_step step = step_of(p);
    an_step_result found, wanted;
    AN_TRY(an_plan_step(both->tested, &step, &found, error));
    AN_TRY(an_plan_step(both->expected, &step, &wanted, error));
    report(p, (an_check_row){.what = "loss",
                             .name = "loss",
                             .expected = wanted.loss,
                             .found = found.loss,
                             .error = fabs(found.loss - wanted.loss) / fabs(wanted.loss),
                             .tolerance = forward});
    for (int l = 0; l < network->layer_count; l++)
        AN_TRY(compare_tensor(p, both, AN_ACTIVATION, l, forward, error));
    for (int l = network->layer_count - 1; l >= -1; l--)
        AN_TRY(compare_tensor(p, both, AN_ACTIVATION_GRADIENT, l, backward, error));
    for (int i = network->parameter_count - 1; i >= 0; i--)
        AN_TRY(compare_tensor(p, both, AN_PARAMETER_GRADIENT, i, backward, error));
    return ALEXNET_OK;
}

/* Pictures of random bytes that become random values; of two, one is mirrored and has its planes in
 * the other order, of four there is every combination. */
static void draw_pictures(const problem *p, size_t bytes, char *pictures) {
    const size_t size = 3 * (size_t)p->network.input.h * (size_t)p->network.input.w;
    for (int n = 0; n < p->options.batch; n++, pictures += bytes) {
        an_picture *picture = (an_picture *)(void *)pictures;
        an_random stream =
            an_random_stream(p->options.seed, AN_RANDOM_SYNTHETIC, 1 + (uint32_t)n, stream_input);
        for (size_t c = 0; c < 3; c++)
            an_random_fill_normal(&stream, 256 * c, 256, 1, picture->value[c]);
        picture->mirrored = n % 2 == 0;
        picture->bgr = (n + n / 2) % 2 == 0;
        for (size_t i = 0; i < size; i++)
            picture->bytes[i] = (uint8_t)an_random_u32(&stream);
    }
}

/* A step on pictures and one on the floats that they stand for: what comes out of the first layer.
 * One wrong pixel in a million shows. */
static alexnet_status compare_pictures(problem *p, const pair *both, alexnet_error *error) {
    const an_shape in = p->network.input, out = p->network.layers[0].out;
    const size_t bytes = an_picture_bytes((size_t)in.h, (size_t)in.w);
    const size_t count = (size_t)p->options.batch * an_shape_count(out);
    void *pictures;
    an_step step = step_of(p);
    an_step_result result;
    alexnet_status status;
    AN_TRY(an_alloc(&pictures, (size_t)p->options.batch, bytes, "pictures", error));
    draw_pictures(p, bytes, pictures);
    an_reference_pictures(p->options.batch, in, pictures, p->input);
    AN_TRY_CLEANUP(an_plan_step(both->tested, &step, &result, error));
    AN_TRY_CLEANUP(an_plan_read(both->tested, AN_ACTIVATION, 0, both->wanted, error));
    step.input = NULL;
    step.pictures = pictures;
    AN_TRY_CLEANUP(an_plan_step(both->tested, &step, &result, error));
    AN_TRY_CLEANUP(an_plan_read(both->tested, AN_ACTIVATION, 0, both->found, error));
    compare(p, "pictures", p->network.layers[0].spec.name, both->found, both->wanted, count,
            tolerances[AN_FP32].forward);
cleanup:
    an_free(pictures);
    return status;
}

static alexnet_status compare_logits(const problem *p, const pair *both, alexnet_error *error) {
    const an_network *network = &p->network;
    AN_TRY(an_plan_forward(both->tested, p->input, p->options.batch, both->found, error));
    AN_TRY(an_plan_forward(both->expected, p->input, p->options.batch, both->wanted, error));
    compare(p, "logits", network->layers[network->layer_count - 1].spec.name, both->found,
            both->wanted, (size_t)p->options.batch * (size_t)network->classes,
            tolerances[p->options.precision].forward);
    return ALEXNET_OK;
}

/* Steps as training does them, where nobody looks at layers: the gradients of the first, and the
 * losses of all. */
static alexnet_status compare_training(const problem *p, const pair *both, alexnet_error *error) {
    const an_network *network = &p->network;
    an_update updates[AN_MAX_PARAMETERS];
    float found_losses[training_steps], losses[training_steps];
    for (int i = 0; i < network->parameter_count; i++)
        updates[i] = (an_update){.learning_rate = training_rate, .weight_decay = 5e-4f};
    an_step step = step_of(p);
    step.momentum = 0.9f;
    step.updates = updates;
    for (int s = 0; s < training_steps; s++) {
        an_step_result found, wanted;
        step.position = (uint64_t)s * (uint64_t)p->options.batch;
        AN_TRY(an_plan_step(both->tested, &step, &found, error));
        AN_TRY(an_plan_step(both->expected, &step, &wanted, error));
        for (int i = network->parameter_count - 1; s == 0 && i >= 0; i--)
            AN_TRY(compare_tensor(p, both, AN_PARAMETER_GRADIENT, i,
                                  tolerances[p->options.precision].backward, error));
        found_losses[s] = (float)found.loss;
        losses[s] = (float)wanted.loss;
    }
    compare(p, "training", "losses of 10 steps", found_losses, losses, training_steps,
            tolerances[p->options.precision].training);
    return ALEXNET_OK;
}

alexnet_status an_check_backend(const an_backend *tested, const an_backend *expected,
                                const an_network *network, const an_check_options *options,
                                an_check_report report_row, void *context, int *failures,
                                alexnet_error *error) {
    problem p = {.network = *network,
                 .options = *options,
                 .report = report_row,
                 .context = context,
                 .failures = failures};
    pair both = {0};
    an_arena memory = {0};
    alexnet_status status;
    const int threads_before = an_threads_enter(options->threads);
    AN_TRY_CLEANUP(open_problem(&p, error));
    const size_t images = (size_t)p.options.batch;
    size_t largest = images * an_shape_count(network->input);
    for (int l = 0; l < network->layer_count; l++)
        if (images * an_shape_count(network->layers[l].out) > largest)
            largest = images * an_shape_count(network->layers[l].out);
    for (int i = 0; i < network->parameter_count; i++)
        if (network->parameters[i].count > largest)
            largest = network->parameters[i].count;
    const an_tensor_spec specs[] = {{"found", &both.found, largest},
                                    {"expected", &both.wanted, largest}};
    AN_TRY_CLEANUP(an_arena_take(&memory, "check", specs, sizeof specs / sizeof *specs, error));
    AN_TRY_CLEANUP(open_plan(&p, tested, true, p.options.precision, &both.tested, error));
    AN_TRY_CLEANUP(open_plan(&p, expected, true, AN_FP32, &both.expected, error));
    AN_TRY_CLEANUP(compare_logits(&p, &both, error));
    AN_TRY_CLEANUP(compare_steps(&p, &both, error));
    if (an_plan_takes_pictures(both.tested))
        AN_TRY_CLEANUP(compare_pictures(&p, &both, error));
    an_plan_free(both.tested);
    both.tested = NULL;
    AN_TRY_CLEANUP(open_plan(&p, tested, false, p.options.precision, &both.tested, error));
    AN_TRY_CLEANUP(compare_logits(&p, &both, error));
    AN_TRY_CLEANUP(compare_training(&p, &both, error));
cleanup:
    an_plan_free(both.tested);
    an_plan_free(both.expected);
    an_arena_free(&memory);
    close_problem(&p);
    an_threads_leave(threads_before);
    return status;
}
