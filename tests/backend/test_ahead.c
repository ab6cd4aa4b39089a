/*
 * Steps that are begun before those in front of them are finished, on every backend: what comes out
 * has the bits of steps done one by one. The cuda backend's plans are there on the device in plain
 * C, which does everything as late as it may.
 */
#include <string.h>

#include "backend/cuda/plan.h"
#include "backend/cuda_host.h"
#include "backend/twins.h"
#include "core/memory.h"
#include "testing.h"

enum { batch = 6, classes = 4, buffers = 3, steps = 15 };

/* The backends of this machine, and the plug-in's on the host; ends with NULL. */
static const an_backend *const *all_backends(void) {
    static const an_backend *all[8];
    int count = 0;
    for (const an_backend *const *backend = an_backends(); *backend; backend++)
        if (an_backend_usable(*backend))
            all[count++] = *backend;
    all[count++] = &an_backend_cuda_plan;
    all[count] = NULL;
    return all;
}

static an_plan *plan_like(const twins *t, const an_backend *backend, an_layer_times *times) {
    const an_plan_options options = {
        .batch = batch, .training = true, .threads = 1, .times = times, .deterministic = true};
    const an_weights weights = an_weights_of(&t->network, t->weights);
    an_plan *plan;
    assert_ok(an_plan_create(backend, &t->network, &options, &plan, error));
    assert_ok(an_plan_load(plan, &weights, error));
    return plan;
}

/* A step's memory, which the program uses again for the next one. */
typedef struct memory {
    an_step step;
    float *input[buffers], *logit_gradient;
    int32_t labels[batch], second[batch];
    an_update updates[AN_MAX_PARAMETERS];
    size_t input_floats;
} memory;

static memory take_memory(const twins *t) {
    memory m = {.input_floats = batch * an_shape_count(t->network.input)};
    for (int i = 0; i < buffers; i++)
        m.input[i] = floats(m.input_floats);
    m.logit_gradient = floats(batch * classes);
    return m;
}

static void free_memory(memory *m) {
    for (int i = 0; i < buffers; i++)
        an_free(m->input[i]);
    an_free(m->logit_gradient);
}

static void fill_input(memory *m, int s) {
    fill(m->input[s % buffers], m->input_floats, 300 + (uint64_t)s, 1);
}

static void double_gradient(void *context, int parameter, float *gradient, size_t count) {
    an_update *updates = context;
    updates[parameter].learning_rate *= 0.5f;
    for (size_t i = 0; i < count; i++)
        gradient[i] *= 2;
}

/* All but the input: every step has other labels, rates, a place of its own in the epoch, and some
 * have what only few steps have. */
static void fill_step(memory *m, int s) {
    for (int n = 0; n < batch; n++) {
        m->labels[n] = n < 1 + s % batch ? (n + s) % classes : -1;
        m->second[n] = m->labels[n] < 0 ? -1 : (2 * n + s) % classes;
    }
    for (int p = 0; p < AN_MAX_PARAMETERS; p++)
        m->updates[p] = (an_update){1e-3f * (float)(1 + (s + p) % 3), 5e-4f};
    fill(m->logit_gradient, batch * classes, 400 + (uint64_t)s, 1e-2);
    m->step = (an_step){.input = m->input[s % buffers],
                        .labels = m->labels,
                        .second_labels = s % 3 == 1 ? m->second : NULL,
                        .share = 0.7,
                        .smoothing = s % 2 ? 0.1 : 0,
                        .logit_gradient = s == 7 ? m->logit_gradient : NULL,
                        .seed = 5,
                        .epoch = (uint32_t)s / 4,
                        .position = batch * (uint64_t)s,
                        .momentum = 0.9f - 0.01f * (float)s,
                        .updates = m->updates,
                        .gradient_ready = s == 5 ? double_gradient : NULL,
                        .context = m->updates};
}

/* What the next user of the memory may leave there. */
static void spoil(memory *m, int s) {
    memset(m->input[s % buffers], 0xFF, m->input_floats * sizeof(float));
    memset(m->logit_gradient, 0xFF, batch * classes * sizeof(float));
    memset(m->labels, 0, sizeof m->labels);
    memset(m->second, 0, sizeof m->second);
    memset(m->updates, 0xFF, sizeof m->updates);
    memset(&m->step, 0xFF, sizeof m->step);
}

static void assert_same_result(const an_step_result *expected, const an_step_result *found) {
    assert_memory_equal(&found->loss, &expected->loss, sizeof found->loss);
    assert_int_equal(found->counted, expected->counted);
    assert_int_equal(found->correct, expected->correct);
    assert_int_equal(found->correct5, expected->correct5);
}

static void assert_same_tensor(twins *t, an_plan *expected, an_plan *found, an_tensor tensor,
                               int index) {
    assert_ok(an_plan_read(expected, tensor, index, t->a, error));
    assert_ok(an_plan_read(found, tensor, index, t->b, error));
    assert_memory_equal(t->b, t->a, t->network.parameters[index].count * sizeof(float));
}

/* What may happen between steps, with some under way. */
static void interfere(twins *t, an_plan *expected, an_plan *found, int s) {
    if (s == 3) {
        assert_ok(an_plan_forward(expected, t->input, batch - 1, t->a, error));
        assert_ok(an_plan_forward(found, t->input, batch - 1, t->b, error));
        assert_memory_equal(t->b, t->a, (batch - 1) * classes * sizeof(float));
    }
    if (s == 9) {
        fill(t->a, t->network.parameters[0].count, 500, 1e-3);
        assert_ok(an_plan_write_momentum(expected, 0, t->a, error));
        assert_ok(an_plan_write_momentum(found, 0, t->a, error));
    }
    if (s == 11)
        for (int p = 0; p < t->network.parameter_count; p++)
            assert_same_tensor(t, expected, found, AN_PARAMETER, p);
    if (s == 12) {
        const an_weights weights = an_weights_of(&t->network, t->weights);
        assert_ok(an_plan_load(expected, &weights, error));
        assert_ok(an_plan_load(found, &weights, error));
    }
}

static void check_bits(const an_backend *backend) {
    twins t = make_twins(
        backend, &odd_arch, classes, 0,
        (an_plan_options){.batch = batch, .training = true, .threads = 1, .deterministic = true});
    an_plan *const at_once = t.found, *ahead = plan_like(&t, backend, NULL);
    memory m = take_memory(&t);
    an_step_result expected[steps], found;
    bool staged = false;
    const size_t before = an_cuda_host_settings()->feeds;
    for (int s = 0; s < steps; s++) {
        fill_step(&m, s);
        if (!staged)
            fill_input(&m, s);
        assert_ok(an_plan_step(at_once, &m.step, &expected[s], error));
        fill_step(&m, s); /* gradient_ready has changed it */
        assert_ok(an_plan_begin(ahead, &m.step, error));
        spoil(&m, s);
        /* The next input is there in time, or comes too late for being announced. */
        staged = s % 4 != 2;
        if (staged) {
            fill_input(&m, s + 1);
            an_plan_stage(ahead, m.input[(s + 1) % buffers], NULL);
        }
        interfere(&t, at_once, ahead, s);
        if (s > 0) {
            assert_ok(an_plan_finish(ahead, &found, error));
            assert_same_result(&expected[s - 1], &found);
        }
    }
    assert_ok(an_plan_finish(ahead, &found, error));
    assert_same_result(&expected[steps - 1], &found);
    for (int p = 0; p < t.network.parameter_count; p++) {
        assert_same_tensor(&t, at_once, ahead, AN_PARAMETER, p);
        assert_same_tensor(&t, at_once, ahead, AN_MOMENTUM, p);
    }
    /* Each input once: nothing that was announced was overwritten before its step. */
    if (backend == &an_backend_cuda_plan)
        assert_int_equal(an_cuda_host_settings()->feeds - before, 2 * (steps + 1));
    free_memory(&m);
    an_plan_free(ahead);
    free_twins(&t);
}

static void has_the_same_bits(void **state) {
    (void)state;
    for (const an_backend *const *backend = all_backends(); *backend; backend++)
        check_bits(*backend);
}

static void check_order(const an_backend *backend) {
    twins t = make_twins(
        backend, &odd_arch, classes, 0,
        (an_plan_options){.batch = batch, .training = true, .threads = 1, .deterministic = true});
    an_plan *const at_once = t.found, *plan = plan_like(&t, backend, NULL);
    memory m = take_memory(&t);
    an_step_result expected, found;
    assert_fails(an_plan_finish(plan, &found, error), ALEXNET_INVALID, "no step is under way");
    fill_input(&m, 0);
    fill_step(&m, 0);
    m.labels[2] = classes;
    assert_fails(an_plan_begin(plan, &m.step, error), ALEXNET_INVALID, "label 4 with 4 classes");
    assert_fails(an_plan_finish(plan, &found, error), ALEXNET_INVALID, "no step is under way");
    for (int s = 0; s < AN_STEPS_UNDER_WAY; s++) {
        fill_input(&m, s);
        fill_step(&m, s);
        assert_ok(an_plan_begin(plan, &m.step, error));
        assert_fails(an_plan_step(plan, &m.step, &found, error), ALEXNET_INVALID,
                     "a step is under way");
    }
    assert_fails(an_plan_begin(plan, &m.step, error), ALEXNET_INVALID, "2 steps are under way");
    for (int s = 0; s < AN_STEPS_UNDER_WAY; s++) { /* the oldest first */
        fill_input(&m, s);
        fill_step(&m, s);
        assert_ok(an_plan_step(at_once, &m.step, &expected, error));
        assert_ok(an_plan_finish(plan, &found, error));
        assert_same_result(&expected, &found);
        assert_int_equal(found.counted, 1 + s);
    }
    assert_fails(an_plan_finish(plan, &found, error), ALEXNET_INVALID, "no step is under way");
    assert_ok(an_plan_step(plan, &m.step, &found, error));

    /* Freed with steps under way, and with an input that nobody will take. */
    for (int s = 0; s < AN_STEPS_UNDER_WAY; s++)
        assert_ok(an_plan_begin(plan, &m.step, error));
    an_plan_stage(plan, m.input[2], NULL);
    free_memory(&m);
    an_plan_free(plan);
    free_twins(&t);
}

static void keeps_the_order(void **state) {
    (void)state;
    for (const an_backend *const *backend = all_backends(); *backend; backend++)
        check_order(*backend);
}

/* Only where steps go on by themselves, and where nobody wants to know how long layers take. */
static void says_who_runs_ahead(void **state) {
    (void)state;
    an_layer_times times = {0};
    for (const an_backend *const *backend = all_backends(); *backend; backend++) {
        twins t = make_twins(*backend, &odd_arch, classes, 0, (an_plan_options){.batch = 1});
        an_plan *plan = plan_like(&t, *backend, NULL), *timed = plan_like(&t, *backend, &times);
        memory m = take_memory(&t);
        assert_int_equal(an_plan_runs_ahead(plan), strcmp((*backend)->name, "cuda") == 0);
        assert_false(an_plan_runs_ahead(timed));
        fill_step(&m, 0);
        assert_fails(an_plan_begin(t.found, &m.step, error), ALEXNET_INVALID, "cannot train");
        free_memory(&m);
        an_plan_free(plan);
        an_plan_free(timed);
        free_twins(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_same_bits),
        cmocka_unit_test(keeps_the_order),
        cmocka_unit_test(says_who_runs_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
