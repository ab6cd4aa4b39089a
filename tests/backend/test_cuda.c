/*
 * The cuda backend's plans and kernels, on the device in plain C (cuda_host.c), against the
 * reference backend. What cuDNN, cuBLASLt and a GPU's threads do is tested where there is a GPU:
 * `alexnet check --device cuda`, bench/gpu.
 */
#include <math.h>

#include "backend/check.h"
#include "backend/cuda/plan.h"
#include "backend/cuda_host.h"
#include "backend/reference/layers.h"
#include "backend/twins.h"
#include "core/memory.h"
#include "core/random.h"
#include "tiny.h"

static void every_network(void **state) {
    (void)state;
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        slim_arch small;
        slim(*arch, &small);
        thin_maps(&small);
        check_network(&an_backend_cuda_plan, &small.arch, 7, working_size(*arch, 67), 2, 1);
    }
}

static void odd_networks(void **state) {
    (void)state;
    const an_arch *const archs[] = {&odd_arch, &strange_arch};
    for (int i = 0; i < 2; i++) {
        check_network(&an_backend_cuda_plan, archs[i], 7, 0, 1, 1);
        check_network(&an_backend_cuda_plan, archs[i], 11, archs[i]->input_size + 6, 3, 1);
        check_network(&an_backend_cuda_plan, archs[i], 1, 0, 17, 1);
    }
    /* As many rows as the gradients of biases take three rounds for. */
    check_network(&an_backend_cuda_plan, &odd_arch, 3, 0, 25, 1);
}

/* Step after step, with what changes between steps: positions, epochs, rates, mixed labels,
 * smoothing, dropout. Returns how many were replayed. */
static size_t twelve_steps(void) {
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 8, .training = true});
    const int32_t second[8] = {1, 2, 3, 0, 1, 2, 3, 0};
    const size_t before = an_cuda_host_settings()->replays;
    an_update updates[AN_MAX_PARAMETERS];
    for (int s = 0; s < 12; s++) {
        an_step step = a_step(&t, updates, 8 * (uint64_t)s);
        an_step_result expected, found;
        set_updates(&t, 1e-3f * (float)(1 + s % 3), updates);
        step.epoch = (uint32_t)(s / 4);
        step.smoothing = s % 2 ? 0.1 : 0;
        step.second_labels = s % 3 == 1 ? second : NULL;
        step.share = 0.3;
        step.no_dropout = s == 7;
        t.labels[s % 8] = s % 4;
        assert_ok(an_plan_step(t.expected, &step, &expected, error));
        assert_ok(an_plan_step(t.found, &step, &found, error));
        assert_true(fabs(found.loss - expected.loss) <= 1e-3 * (1 + fabs(expected.loss)));
        assert_int_equal(found.counted, expected.counted);
        assert_int_equal(found.correct, expected.correct);
        assert_int_equal(found.correct5, expected.correct5);
    }
    for (int p = 0; p < t.network.parameter_count; p++)
        compare(&t, AN_PARAMETER, p, "parameter", t.network.parameters[p].name,
                t.network.parameters[p].count);
    free_twins(&t);
    return an_cuda_host_settings()->replays - before;
}

/* Batches after batches, whole ones and less, of other pictures and then of other weights. */
static size_t ten_batches(an_plan_options options) {
    options.batch = 4;
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0, options);
    const size_t before = an_cuda_host_settings()->replays;
    for (int i = 0; i < 10; i++) {
        fill(t.input, 4 * an_shape_count(t.network.input), 600 + (uint64_t)i, 1);
        if (i == 6) {
            fill(t.weights, t.network.parameter_floats, 700, 0.1);
            const an_weights weights = an_weights_of(&t.network, t.weights);
            assert_ok(an_plan_load(t.expected, &weights, error));
            assert_ok(an_plan_load(t.found, &weights, error));
        }
        compare_logits(&t, i % 3 == 2 ? 1 + i % 4 : 4);
    }
    free_twins(&t);
    return an_cuda_host_settings()->replays - before;
}

/* All but the first are replayed, but for what is timed layer by layer. */
static void replays_follow(void **state) {
    (void)state;
    an_layer_times times = {0};
    assert_int_equal(twelve_steps(), 11);
    assert_int_equal(ten_batches((an_plan_options){0}), 9);
    assert_int_equal(ten_batches((an_plan_options){.times = &times}), 0);
    assert_int_equal(ten_batches((an_plan_options){.training = true}), 0);
}

static void works_without_recordings(void **state) {
    (void)state;
    an_cuda_host_settings()->no_recordings = true;
    assert_int_equal(twelve_steps(), 0);
    assert_int_equal(ten_batches((an_plan_options){0}), 0);
    an_cuda_host_settings()->no_recordings = false;
}

/* Inputs on their way while the step before is computed, as a loader hands them over, among them
 * one that then is not wanted, and five that were never announced: of four steps and a forward. */
static void stages_inputs(void **state) {
    (void)state;
    enum { inputs = 3 };
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 4, .training = true});
    const size_t count = 4 * an_shape_count(t.network.input);
    const size_t before = an_cuda_host_settings()->feeds;
    float *input[inputs], *own = t.input;
    an_update updates[AN_MAX_PARAMETERS];
    set_updates(&t, 1e-3f, updates);
    for (int i = 0; i < inputs; i++) {
        input[i] = floats(count);
        an_plan_pin(t.found, input[i], count * sizeof(float), true);
    }
    assert_int_equal(an_cuda_host_settings()->pinned, inputs);
    fill(input[0], count, 70, 1);
    for (int s = 0; s < 14; s++) {
        const bool announced = s % 5 != 4;
        an_step_result expected, found;
        fill(input[(s + 1) % inputs], count, 71 + (uint64_t)s, 1);
        if (announced)
            an_plan_stage(t.found, input[(s + 1) % inputs], NULL);
        t.input = input[s % inputs];
        if (s == 8) { /* what was staged for it stays unread */
            fill(own, count, 200, 1);
            t.input = own;
        }
        const an_step step = a_step(&t, updates, 4 * (uint64_t)s);
        assert_ok(an_plan_step(t.expected, &step, &expected, error));
        assert_ok(an_plan_step(t.found, &step, &found, error));
        assert_true(fabs(found.loss - expected.loss) <= 1e-3 * (1 + fabs(expected.loss)));
        if (s == 6) { /* in between, as validation does */
            assert_ok(an_plan_forward(t.expected, own, 3, t.a, error));
            assert_ok(an_plan_forward(t.found, own, 3, t.b, error));
            for (size_t i = 0; i < 3 * (size_t)t.network.classes; i++)
                assert_true(fabs((double)t.a[i] - (double)t.b[i]) < 1e-2);
        }
    }
    assert_int_equal(an_cuda_host_settings()->feeds - before, 12 + 5);
    t.input = own;
    for (int i = 0; i < inputs; i++) {
        an_plan_pin(t.found, input[i], count * sizeof(float), false);
        an_free(input[i]);
    }
    assert_int_equal(an_cuda_host_settings()->pinned, 0);
    free_twins(&t);
}

/* Pictures whose bytes become any values, each mirrored and turned round or not; and one of zeros.
 */
static void fill_pictures(an_picture *first, int images, an_shape shape, uint64_t item) {
    const size_t bytes = an_picture_bytes((size_t)shape.h, (size_t)shape.w);
    an_random random = an_random_stream(9, AN_RANDOM_TEST, 1, item);
    for (int n = 0; n < images; n++) {
        an_picture *picture = (an_picture *)(void *)((char *)first + (size_t)n * bytes);
        memset(picture, 0, bytes);
        if (n == 3)
            continue;
        for (size_t c = 0; c < 3; c++)
            fill(picture->value[c], 256, 1000 + 3 * item + c, 1);
        for (size_t i = 0; i < 3 * (size_t)shape.h * (size_t)shape.w; i++)
            picture->bytes[i] = (uint8_t)an_random_u32(&random);
        picture->mirrored = an_random_u32(&random) & 1;
        picture->bgr = an_random_u32(&random) & 1;
    }
}

/* Two plans of the same weights, of which one sees floats and the other the pictures that stand for
 * them: staged or not, replayed or not, now and then floats, as well, and validation in between. */
static void assert_pictures_are_floats(const an_arch *arch, int size, an_precision precision) {
    enum { inputs = 3, images = 5, steps = 16 };
    twins t =
        make_twins(&an_backend_cuda_plan, arch, 4, size,
                   (an_plan_options){.batch = images, .training = true, .precision = precision});
    const an_weights weights = an_weights_of(&t.network, t.weights);
    const an_shape shape = t.network.input;
    const size_t bytes = images * an_picture_bytes((size_t)shape.h, (size_t)shape.w);
    const size_t before = an_cuda_host_settings()->replays;
    an_update updates[AN_MAX_PARAMETERS];
    an_plan *plan;
    void *pictures[inputs];
    assert_ok(an_plan_create(&an_backend_cuda_plan, &t.network, &t.found->options, &plan, error));
    assert_ok(an_plan_load(plan, &weights, error));
    assert_true(an_plan_takes_pictures(plan));
    /* A copy into the first ends before the second, which would not show: that is copied later. */
    const an_cuda_plan *inside = (const an_cuda_plan *)plan;
    assert_true((uintptr_t)inside->arrival[0] + bytes <= (uintptr_t)inside->arrival[1]);
    set_updates(&t, 1e-3f, updates);
    for (int i = 0; i < inputs; i++) {
        assert_ok(an_alloc(&pictures[i], 1, bytes, "pictures", error));
        an_plan_pin(plan, pictures[i], bytes, true);
    }
    fill_pictures(pictures[0], images, shape, 0);
    for (int s = 0; s < steps; s++) {
        an_step_result expected, found;
        fill_pictures(pictures[(s + 1) % inputs], images, shape, 1 + (uint64_t)s);
        if (s % 5 != 4)
            an_plan_stage(plan, NULL, pictures[(s + 1) % inputs]);
        an_reference_pictures(images, shape, pictures[s % inputs], t.input);
        an_step step = a_step(&t, updates, images * (uint64_t)s);
        assert_ok(an_plan_step(t.found, &step, &expected, error));
        if (s % 7 != 3) { /* on floats: what was staged stays unread */
            step.input = NULL;
            step.pictures = pictures[s % inputs];
        }
        assert_ok(an_plan_step(plan, &step, &found, error));
        assert_true(found.loss == expected.loss && found.loss > 0);
        assert_int_equal(found.correct, expected.correct);
        if (s == 8) {
            assert_ok(an_plan_forward(t.found, t.input, 3, t.a, error));
            assert_ok(an_plan_forward(plan, t.input, 3, t.b, error));
            assert_memory_equal(t.a, t.b, 3 * (size_t)t.network.classes * sizeof *t.a);
        }
    }
    /* Of each kind all but the first: 15, 13 and 1. */
    assert_int_equal(an_cuda_host_settings()->replays - before, 15 + 13 + 1);
    for (int p = 0; p < t.network.parameter_count; p++) {
        assert_ok(an_plan_read(t.found, AN_PARAMETER, p, t.a, error));
        assert_ok(an_plan_read(plan, AN_PARAMETER, p, t.b, error));
        assert_memory_equal(t.a, t.b, t.network.parameters[p].count * sizeof *t.a);
    }
    for (int i = 0; i < inputs; i++) {
        an_plan_pin(plan, pictures[i], bytes, false);
        an_free(pictures[i]);
    }
    assert_int_equal(an_cuda_host_settings()->pinned, 0);
    an_plan_free(plan);
    free_twins(&t);
}

/* The same in inference: announced or not, now and then something else than what was announced, and
 * batches that are not full. */
static void assert_answers_are_alike(const an_arch *arch, an_precision precision) {
    enum { inputs = 3, images = 4, batches = 14 };
    twins t = make_twins(&an_backend_cuda_plan, arch, 4, 0,
                         (an_plan_options){.batch = images, .precision = precision});
    const an_weights weights = an_weights_of(&t.network, t.weights);
    const an_shape shape = t.network.input;
    const size_t bytes = images * an_picture_bytes((size_t)shape.h, (size_t)shape.w);
    const size_t before = an_cuda_host_settings()->replays;
    const size_t feeds = an_cuda_host_settings()->feeds;
    an_plan *plan;
    void *pictures[inputs];
    assert_ok(an_plan_create(&an_backend_cuda_plan, &t.network, &t.found->options, &plan, error));
    assert_ok(an_plan_load(plan, &weights, error));
    for (int i = 0; i < inputs; i++)
        assert_ok(an_alloc(&pictures[i], 1, bytes, "pictures", error));
    fill_pictures(pictures[0], images, shape, 50);
    for (int i = 0; i < batches; i++) {
        const int count = i % 4 == 3 ? 1 + i % images : images;
        fill_pictures(pictures[(i + 1) % inputs], images, shape, 51 + (uint64_t)i);
        if (i > 2 && i % 6 != 5)
            an_plan_stage(plan, NULL, pictures[(i + 1) % inputs]);
        an_reference_pictures(images, shape, pictures[i % inputs], t.input);
        assert_ok(an_plan_forward(t.found, t.input, count, t.a, error));
        assert_ok(i % 5 == 4
                      ? an_plan_forward(plan, t.input, count, t.b, error)
                      : an_plan_forward_pictures(plan, pictures[i % inputs], count, t.b, error));
        assert_memory_equal(t.a, t.b, (size_t)(count * t.network.classes) * sizeof *t.a);
    }
    /* Of each kind all but the first: 13, 11 and 1. */
    assert_int_equal(an_cuda_host_settings()->replays - before, 13 + 11 + 1);
    /* Nine announced, five that come while others are announced; no other takes that way. */
    assert_int_equal(an_cuda_host_settings()->feeds - feeds, 9 + 5);
    for (int i = 0; i < inputs; i++)
        an_free(pictures[i]);
    an_plan_free(plan);
    free_twins(&t);
}

/* With maps filled up to eight and not, and inputs that are larger than the pictures and smaller.
 */
static void takes_pictures(void **state) {
    (void)state;
    for (int precision = AN_FP32; precision <= AN_BF16; precision++) {
        assert_answers_are_alike(&odd_arch, (an_precision)precision);
        assert_pictures_are_floats(&odd_arch, 0, (an_precision)precision);
        assert_pictures_are_floats(&odd_arch, 15, (an_precision)precision);
        assert_pictures_are_floats(&strange_arch, 0, (an_precision)precision);
    }
}

static void refuses_pictures(void **state) {
    (void)state;
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 1, .training = true});
    const size_t side = (size_t)t.network.input.h;
    an_step step = a_step(&t, NULL, 0);
    an_step_result result;
    void *pictures;
    assert_ok(an_alloc(&pictures, 1, an_picture_bytes(side, side), "a picture", error));
    step.pictures = pictures;
    assert_fails(an_plan_step(t.found, &step, &result, error), ALEXNET_INVALID, "not both");
    step.input = NULL;
    assert_fails(an_plan_step(t.expected, &step, &result, error), ALEXNET_INVALID,
                 "a plan of reference takes no pictures");
    step.pictures = NULL;
    assert_fails(an_plan_step(t.found, &step, &result, error), ALEXNET_INVALID, "not none");
    assert_false(an_plan_takes_pictures(t.expected));
    assert_fails(an_plan_forward_pictures(t.expected, pictures, 1, t.a, error), ALEXNET_INVALID,
                 "a plan of reference takes no pictures");
    assert_fails(an_plan_forward_pictures(t.found, pictures, 2, t.a, error), ALEXNET_INVALID,
                 "2 images in a plan for 1 to 1");
    an_free(pictures);
    free_twins(&t);
}

/* What `alexnet check` says of pictures, and of steps that nobody looks at. */
typedef struct noted {
    an_check_row pictures, training;
} noted;

static void note_row(void *context, const an_check_row *row) {
    noted *rows = context;
    if (strcmp(row->what, "pictures") == 0)
        rows->pictures = *row;
    if (strcmp(row->what, "training") == 0)
        rows->training = *row;
}

static void passes_the_check(void **state) {
    (void)state;
    const an_network network = an_tiny();
    int failures;
    for (int precision = AN_FP32; precision <= AN_BF16; precision++) {
        const an_check_options options = {
            .batch = 5, .threads = 1, .precision = (an_precision)precision};
        const size_t before = an_cuda_host_settings()->replays;
        noted rows = {0};
        assert_ok(an_check_backend(&an_backend_cuda_plan, &an_backend_reference, &network, &options,
                                   note_row, &rows, &failures, error));
        assert_int_equal(failures, 0);
        assert_true(rows.pictures.error == 0 && rows.pictures.expected > 0);
        assert_true(rows.training.expected > 0);
        assert_int_equal(an_cuda_host_settings()->replays - before, 9); /* of ten steps */
    }
}

/* A gradient of the logits that the caller gives, and updates that gradient_ready changes. */
static void slow_down(void *context, int parameter, float *gradient, size_t count) {
    an_update *updates = context;
    updates[parameter].learning_rate = 5e-4f;
    for (size_t i = 0; i < count; i++)
        gradient[i] *= 2;
}

static void takes_part_in_steps(void **state) {
    (void)state;
    twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 4, 0,
                         (an_plan_options){.batch = 2, .training = true});
    const float gradient[8] = {1, -1, 0.5f, 0, -0.25f, 0, 2, 0};
    an_update updates[AN_MAX_PARAMETERS];
    for (int twin = 0; twin < 2; twin++) {
        an_step step = a_step(&t, updates, 0);
        an_step_result result;
        set_updates(&t, 1e-2f, updates);
        step.logit_gradient = gradient;
        step.gradient_ready = slow_down;
        step.context = updates;
        assert_ok(an_plan_step(twin ? t.found : t.expected, &step, &result, error));
    }
    for (int p = 0; p < t.network.parameter_count; p++) {
        compare(&t, AN_PARAMETER_GRADIENT, p, "gradient", t.network.parameters[p].name,
                t.network.parameters[p].count);
        compare(&t, AN_MOMENTUM, p, "momentum", t.network.parameters[p].name,
                t.network.parameters[p].count);
    }
    free_twins(&t);
}

static void repeatable(void **state) {
    (void)state;
    check_repeatable(&an_backend_cuda_plan, 1);
}

static void nan_is_not_hidden(void **state) {
    (void)state;
    for (int precision = AN_FP32; precision <= AN_FP16; precision++) {
        twins t = make_twins(&an_backend_cuda_plan, &odd_arch, 3, 0,
                             (an_plan_options){.batch = 1, .precision = (an_precision)precision});
        t.weights[t.network.parameters[an_network_parameter(&t.network, "conv2.weight")].offset] =
            NAN;
        const an_weights weights = an_weights_of(&t.network, t.weights);
        assert_ok(an_plan_load(t.found, &weights, error));
        assert_ok(an_plan_forward(t.found, t.input, 1, t.a, error));
        assert_true(isnan(t.a[0]));
        free_twins(&t);
    }
}

/* What a plan is said to take is what it asks the device for, and too much is refused with the
 * batch that would fit. */
static void plans_its_memory(void **state) {
    (void)state;
    an_network network;
    an_plan *plan;
    an_plan_options options = {.batch = 10, .training = true, .threads = 1};
    assert_ok(an_network_build(&odd_arch, 7, 0, &network, error));
    assert_ok(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error));
    const an_plan_memory memory = an_plan_memory_of(plan);
    const size_t all = memory.parameters + memory.gradients + memory.momentum + memory.activations +
                       memory.workspace;
    an_plan_free(plan);
    assert_true(memory.parameters >= network.parameter_floats * sizeof(float));
    an_cuda_host_settings()->memory = all;
    assert_ok(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error));
    an_plan_free(plan);
    an_cuda_host_settings()->memory = all - 1;
    assert_fails(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error),
                 ALEXNET_NO_MEMORY, "about --batch 9 would fit");
    an_cuda_host_settings()->memory = 1000;
    assert_fails(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error),
                 ALEXNET_NO_MEMORY, "GB are free");
    an_cuda_host_settings()->memory = (size_t)1 << 40;
}

/* Every operation is measured, and that kept, unless the same bits are wanted each time. */
static void says_when_to_measure(void **state) {
    (void)state;
    an_network network;
    assert_ok(an_network_build(&odd_arch, 7, 0, &network, error));
    for (int training = 0; training <= 1; training++)
        for (int deterministic = 0; deterministic <= 1; deterministic++) {
            const an_plan_options options = {
                .batch = 1, .training = training, .threads = 1, .deterministic = deterministic};
            const int before = an_cuda_host_settings()->measured;
            int operations = 0;
            an_plan *plan;
            for (int l = 0; l < network.layer_count; l++) {
                const an_layer_type type = network.layers[l].spec.type;
                operations += type == AN_CONV ? 1 : type == AN_FC ? (training ? 3 : 1) : 0;
            }
            assert_ok(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error));
            an_plan_free(plan);
            assert_true(operations > 2);
            assert_int_equal(an_cuda_host_settings()->measured - before,
                             deterministic ? 0 : operations);
            assert_int_equal(an_cuda_host_settings()->unkept, 0);
        }
}

/* The bytes of a plan's activations; of normalisations with windows of `size`. */
static size_t activation_bytes(const slim_arch *arch, int size, an_plan_options options,
                               size_t *normalised) {
    slim_arch changed = *arch;
    an_network network;
    an_plan *plan;
    changed.arch.layers = changed.layers;
    for (int l = 0; l < changed.arch.layer_count; l++)
        if (changed.layers[l].type == AN_LRN)
            changed.layers[l].size = size;
    assert_ok(an_network_build(&changed.arch, 7, 0, &network, error));
    assert_ok(an_plan_create(&an_backend_cuda_plan, &network, &options, &plan, error));
    const size_t bytes = an_plan_memory_of(plan).activations;
    *normalised = 0;
    for (int l = 0; l < network.layer_count; l++)
        if (network.layers[l].spec.type == AN_LRN)
            *normalised += (size_t)options.batch * an_shape_count(network.layers[l].out) * 4;
    an_plan_free(plan);
    return bytes;
}

/* Where pooling normalises, what is between them takes no memory, nor does its gradient: windows of
 * 3 maps, which it leaves to a pass of their own, take more. */
static void pooling_normalises(void **state) {
    (void)state;
    const char *const names[] = {"caffe-alexnet", "alexnet-paper"};
    for (int i = 0; i < 2; i++)
        for (int training = 0; training < 2; training++) {
            const an_arch *arch;
            slim_arch small;
            size_t normalised;
            an_plan_options options = {.batch = 4, .training = training, .threads = 1};
            assert_ok(an_arch_find(names[i], &arch, error));
            slim(arch, &small);
            const size_t apart = activation_bytes(&small, 3, options, &normalised);
            const size_t together = activation_bytes(&small, 5, options, &normalised);
            /* In inference and of gradients two buffers are used in turn, one of them for conv1. */
            assert_true(apart - together > (training ? normalised : 0));
            assert_true(together < apart);
            options.observe = true;
            assert_int_equal(activation_bytes(&small, 3, options, &normalised),
                             activation_bytes(&small, 5, options, &normalised));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network),        cmocka_unit_test(odd_networks),
        cmocka_unit_test(replays_follow),       cmocka_unit_test(stages_inputs),
        cmocka_unit_test(takes_pictures),       cmocka_unit_test(refuses_pictures),
        cmocka_unit_test(passes_the_check),     cmocka_unit_test(takes_part_in_steps),
        cmocka_unit_test(repeatable),           cmocka_unit_test(nan_is_not_hidden),
        cmocka_unit_test(plans_its_memory),     cmocka_unit_test(pooling_normalises),
        cmocka_unit_test(says_when_to_measure), cmocka_unit_test(works_without_recordings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
