/* Whole steps of the reference backend: what the contract in backend.h promises of a plan. */
#include <math.h>

#include "backend/backend.h"
#include "guard.h"
#include "tiny.h"

enum { images = 3, classes = 7 };

/* A training plan of the tiny network with inputs and labels. */
typedef struct fixture {
    an_network network;
    an_plan *plan;
    an_guarded weights, input, logits;
    int32_t labels[images];
} fixture;

static void load(fixture *f) {
    const an_weights weights = an_weights_of(&f->network, f->weights.data);
    assert_ok(an_plan_load(f->plan, &weights, error));
}

static void open_plan(fixture *f, int threads) {
    const an_plan_options options = {
        .batch = images, .training = true, .observe = true, .threads = threads};
    assert_ok(an_plan_create(&an_backend_reference, &f->network, &options, &f->plan, error));
    load(f);
}

static fixture set_up(int threads) {
    fixture f = {.network = an_tiny(), .labels = {2, 6, 0}};
    f.weights = an_guard(f.network.parameter_floats);
    an_initialise(&f.network, 1, f.weights.data);
    f.input = an_guard_random(images * an_shape_count(f.network.input), 2);
    f.logits = an_guard(images * classes);
    open_plan(&f, threads);
    return f;
}

static void tear_down(fixture *f) {
    an_plan_free(f->plan);
    an_unguard(&f->weights);
    an_unguard(&f->input);
    an_unguard(&f->logits);
}

static an_step step_of(const fixture *f) {
    return (an_step){
        .input = f->input.data, .labels = f->labels, .seed = 9, .epoch = 4, .position = 30};
}

static an_step_result run(fixture *f, const an_step *step) {
    an_step_result result;
    assert_ok(an_plan_step(f->plan, step, &result, error));
    return result;
}

static an_guarded take(const fixture *f, an_tensor tensor, int index) {
    const an_network *network = &f->network;
    const bool of_layer = tensor == AN_ACTIVATION || tensor == AN_ACTIVATION_GRADIENT;
    const size_t count =
        !of_layer
            ? network->parameters[index].count
            : images * an_shape_count(index < 0 ? network->input : network->layers[index].out);
    an_guarded out = an_guard(count);
    assert_ok(an_plan_read(f->plan, tensor, index, out.data, error));
    return out;
}

static an_guarded take_layer(const fixture *f, an_tensor tensor, const char *name) {
    return take(f, tensor, an_network_layer(&f->network, name));
}

/* All parameters, or what belongs to them, at their offsets. */
static an_guarded take_all(const fixture *f, an_tensor tensor) {
    an_guarded out = an_guard(f->network.parameter_floats);
    for (int i = 0; i < f->network.parameter_count; i++)
        assert_ok(
            an_plan_read(f->plan, tensor, i, out.data + f->network.parameters[i].offset, error));
    return out;
}

static void test_loss_of_a_network_that_knows_nothing(void **state) {
    (void)state;
    fixture f = set_up(2);
    memset(f.weights.data, 0, f.weights.count * sizeof(float));
    load(&f);
    const an_step step = step_of(&f);
    const an_step_result result = run(&f, &step);
    assert_float_equal(result.loss, log(classes), 1e-12);
    assert_int_equal(result.counted, 3);
    assert_int_equal(result.correct, 1); /* the label that is 0, the first of equals */
    assert_int_equal(result.correct5, 2);
    tear_down(&f);
}

static void test_the_mask_is_the_formula(void **state) {
    (void)state;
    fixture f = set_up(2);
    const an_step step = step_of(&f);
    run(&f, &step);
    for (int l = 0; l < f.network.layer_count; l++) {
        const an_layer_spec *spec = &f.network.layers[l].spec;
        if (spec->type != AN_DROPOUT)
            continue;
        an_guarded x = take(&f, AN_ACTIVATION, l - 1), y = take(&f, AN_ACTIVATION, l);
        an_guarded dx = take(&f, AN_ACTIVATION_GRADIENT, l - 1);
        an_guarded dy = take(&f, AN_ACTIVATION_GRADIENT, l);
        const size_t units = an_shape_count(f.network.layers[l].in);
        const float factor = spec->scale_at_test ? 1 : 1 / (1 - spec->rate);
        size_t dropped = 0;
        for (size_t i = 0; i < images * units; i++) {
            const uint64_t item = (30 + i / units) * AN_MAX_LAYERS + (uint64_t)l;
            const an_random stream = an_random_stream(9, AN_RANDOM_DROPOUT, 4, item);
            const size_t unit = i % units;
            uint32_t words[4];
            an_random_block(&stream, (uint32_t)(unit / 4), words);
            const bool off = words[unit % 4] < (double)spec->rate * 4294967296.0;
            dropped += off;
            assert_true(y.data[i] == (off ? 0 : factor * x.data[i]));
            assert_true(dx.data[i] == (off ? 0 : factor * dy.data[i]));
        }
        const double expected = (double)spec->rate * (double)(images * units);
        assert_true(fabs((double)dropped - expected) < 5 * sqrt(expected));
        an_unguard(&x);
        an_unguard(&y);
        an_unguard(&dx);
        an_unguard(&dy);
    }
    tear_down(&f);
}

/* Seed, epoch and position choose the mask; an image keeps its own wherever its batch begins. */
static void test_the_mask_belongs_to_the_image(void **state) {
    (void)state;
    fixture f = set_up(2);
    const size_t image = an_shape_count(f.network.input);
    for (size_t n = 1; n < images; n++) /* three times the same picture */
        memcpy(f.input.data + n * image, f.input.data, image * sizeof(float));
    an_step step = step_of(&f);
    run(&f, &step);
    an_guarded first = take_layer(&f, AN_ACTIVATION, "drop4");
    const size_t units = first.count / images;
    assert_memory_not_equal(first.data, first.data + units, units * sizeof(float));
    step.position++;
    run(&f, &step);
    an_guarded next = take_layer(&f, AN_ACTIVATION, "drop4");
    assert_memory_equal(next.data, first.data + units, (images - 1) * units * sizeof(float));
    const an_step others[] = {{.seed = 10, .epoch = 4, .position = 30},
                              {.seed = 9, .epoch = 5, .position = 30}};
    for (int i = 0; i < 2; i++) {
        step.seed = others[i].seed;
        step.epoch = others[i].epoch;
        step.position = others[i].position;
        run(&f, &step);
        an_guarded other = take_layer(&f, AN_ACTIVATION, "drop4");
        assert_memory_not_equal(other.data, first.data, first.count * sizeof(float));
        an_unguard(&other);
    }
    an_unguard(&first);
    an_unguard(&next);
    tear_down(&f);
}

static void test_dropout_in_testing(void **state) {
    (void)state;
    fixture f = set_up(2);
    an_step step = step_of(&f);
    step.no_dropout = true;
    for (int pass = 0; pass < 2; pass++) { /* a step without dropout and a forward pass agree */
        if (pass == 0)
            run(&f, &step);
        else
            assert_ok(an_plan_forward(f.plan, f.input.data, images, f.logits.data, error));
        const struct {
            const char *below, *layer;
            float factor;
        } layers[] = {{"avgpool", "drop3", 1}, {"relu3", "drop4", 0.5f}};
        for (int i = 0; i < 2; i++) {
            an_guarded x = take_layer(&f, AN_ACTIVATION, layers[i].below);
            an_guarded y = take_layer(&f, AN_ACTIVATION, layers[i].layer);
            for (size_t u = 0; u < x.count; u++)
                assert_true(y.data[u] == layers[i].factor * x.data[u]);
            an_unguard(&x);
            an_unguard(&y);
        }
    }
    an_guarded last = take_layer(&f, AN_ACTIVATION, "fc4");
    assert_memory_equal(last.data, f.logits.data, last.count * sizeof(float));
    an_unguard(&last);
    tear_down(&f);
}

/* Fewer images than the batch: the same logits, and nothing written behind them. */
static void test_forward_of_part_of_a_batch(void **state) {
    (void)state;
    fixture f = set_up(1);
    an_guarded one = an_guard(classes);
    assert_ok(an_plan_forward(f.plan, f.input.data, images, f.logits.data, error));
    for (size_t n = 0; n < images; n++) {
        assert_ok(an_plan_forward(f.plan, f.input.data + n * an_shape_count(f.network.input), 1,
                                  one.data, error));
        assert_memory_equal(one.data, f.logits.data + n * classes, classes * sizeof(float));
    }
    an_unguard(&one);
    tear_down(&f);
}

static void test_two_updates_follow_the_rule(void **state) {
    (void)state;
    fixture f = set_up(2);
    const an_network *network = &f.network;
    an_update updates[AN_MAX_PARAMETERS] = {0};
    for (int i = 0; i < network->parameter_count; i++)
        updates[i] = (an_update){.learning_rate = i == 2 ? 0 : 0.5f / (float)(i + 1),
                                 .weight_decay = 0.01f * (float)i};
    an_step step = step_of(&f);
    step.updates = updates;
    step.momentum = 0.9f;
    for (int s = 0; s < 2; s++) {
        an_guarded w = take_all(&f, AN_PARAMETER), v = take_all(&f, AN_MOMENTUM);
        run(&f, &step);
        an_guarded g = take_all(&f, AN_PARAMETER_GRADIENT);
        an_guarded new_w = take_all(&f, AN_PARAMETER), new_v = take_all(&f, AN_MOMENTUM);
        for (int i = 0; i < network->parameter_count; i++) {
            const an_parameter *parameter = &network->parameters[i];
            const float e = updates[i].learning_rate, d = updates[i].weight_decay;
            bool moved = false;
            for (size_t k = parameter->offset; k < parameter->offset + parameter->count; k++) {
                const float speed = 0.9f * v.data[k] - d * e * w.data[k] - e * g.data[k];
                assert_true(new_v.data[k] == speed);
                assert_true(new_w.data[k] == w.data[k] + speed);
                moved |= speed != 0;
            }
            assert_int_equal(moved, i != 2);
        }
        an_guarded *const taken[] = {&w, &v, &g, &new_w, &new_v};
        for (int i = 0; i < 5; i++)
            an_unguard(taken[i]);
    }
    tear_down(&f);
}

static void test_momentum_is_written_and_loading_clears_it(void **state) {
    (void)state;
    fixture f = set_up(1);
    an_guarded v = an_guard_random(f.network.parameters[4].count, 8);
    assert_ok(an_plan_write_momentum(f.plan, 4, v.data, error));
    an_guarded read = take(&f, AN_MOMENTUM, 4);
    assert_memory_equal(read.data, v.data, v.count * sizeof(float));
    load(&f);
    assert_ok(an_plan_read(f.plan, AN_MOMENTUM, 4, read.data, error));
    for (size_t i = 0; i < read.count; i++)
        assert_true(read.data[i] == 0);
    an_unguard(&v);
    an_unguard(&read);
    tear_down(&f);
}

static void test_gradients_only_change_nothing(void **state) {
    (void)state;
    fixture f = set_up(2);
    const an_step step = step_of(&f);
    run(&f, &step);
    for (int i = 0; i < f.network.parameter_count; i++) {
        const an_parameter *parameter = &f.network.parameters[i];
        an_guarded w = take(&f, AN_PARAMETER, i), v = take(&f, AN_MOMENTUM, i);
        an_guarded g = take(&f, AN_PARAMETER_GRADIENT, i);
        bool any = false;
        assert_memory_equal(w.data, f.weights.data + parameter->offset, w.count * sizeof(float));
        for (size_t k = 0; k < v.count; k++) {
            assert_true(v.data[k] == 0);
            any |= g.data[k] != 0;
        }
        assert_true(any);
        an_unguard(&w);
        an_unguard(&v);
        an_unguard(&g);
    }
    tear_down(&f);
}

/* An image without a label is as good as absent: the mean is over the others. */
static void test_ignored_labels(void **state) {
    (void)state;
    fixture f = set_up(2);
    an_step step = step_of(&f);
    double losses[images];
    for (int n = 0; n < images; n++) {
        const int32_t label = f.labels[n];
        memset(f.labels, 0xff, sizeof f.labels);
        f.labels[n] = label;
        const an_step_result result = run(&f, &step);
        assert_int_equal(result.counted, 1);
        losses[n] = result.loss;
        memcpy(f.labels, (const int32_t[]){2, 6, 0}, sizeof f.labels);
    }
    f.labels[1] = -1;
    const an_step_result result = run(&f, &step);
    assert_int_equal(result.counted, 2);
    assert_float_equal(result.loss, (losses[0] + losses[2]) / 2, 1e-12);
    an_guarded gradient = take(&f, AN_ACTIVATION_GRADIENT, -1);
    const size_t image = gradient.count / images;
    for (size_t i = 0; i < gradient.count; i++)
        if (i / image == 1)
            assert_true(gradient.data[i] == 0);
    memset(f.labels, 0xff, sizeof f.labels);
    const an_step_result none = run(&f, &step);
    assert_int_equal(none.counted, 0);
    assert_true(none.loss == 0);
    an_unguard(&gradient);
    tear_down(&f);
}

static void test_a_given_logit_gradient_is_used(void **state) {
    (void)state;
    fixture f = set_up(2);
    an_guarded given = an_guard_random(images * classes, 6);
    an_step step = step_of(&f);
    step.logit_gradient = given.data;
    run(&f, &step);
    an_guarded bias = take(&f, AN_PARAMETER_GRADIENT, an_network_parameter(&f.network, "fc4.bias"));
    for (size_t j = 0; j < classes; j++)
        assert_float_equal(bias.data[j],
                           given.data[j] + given.data[classes + j] + given.data[2 * classes + j],
                           1e-6);
    an_unguard(&given);
    an_unguard(&bias);
    tear_down(&f);
}

typedef struct order {
    const an_network *network;
    const float *last;
    int count, seen[AN_MAX_PARAMETERS];
} order;

static void note_and_zero(void *context, int parameter, float *gradient, size_t count) {
    order *o = context;
    assert_int_equal(count, o->network->parameters[parameter].count);
    if (o->last) /* contiguous, from behind */
        assert_ptr_equal(gradient + count, o->last);
    o->last = gradient;
    o->seen[o->count++] = parameter;
    memset(gradient, 0, count * sizeof *gradient);
}

/* Last layer first, each once, before the update: a hook that zeroes them all stops learning. */
static void test_gradients_are_reported_as_they_become_ready(void **state) {
    (void)state;
    fixture f = set_up(2);
    order o = {.network = &f.network};
    an_update updates[AN_MAX_PARAMETERS];
    for (int i = 0; i < AN_MAX_PARAMETERS; i++)
        updates[i] = (an_update){.learning_rate = 1};
    an_step step = step_of(&f);
    step.updates = updates;
    step.gradient_ready = note_and_zero;
    step.context = &o;
    run(&f, &step);
    assert_int_equal(o.count, f.network.parameter_count);
    for (int i = 0; i < o.count; i++) {
        assert_int_equal(o.seen[i], o.count - 1 - i);
        an_guarded w = take(&f, AN_PARAMETER, i);
        assert_memory_equal(w.data, f.weights.data + f.network.parameters[i].offset,
                            w.count * sizeof(float));
        an_unguard(&w);
    }
    tear_down(&f);
}

static void test_bits_do_not_depend_on_threads(void **state) {
    (void)state;
    fixture one = set_up(1);
    an_update updates[AN_MAX_PARAMETERS];
    for (int i = 0; i < AN_MAX_PARAMETERS; i++)
        updates[i] = (an_update){.learning_rate = 0.05f, .weight_decay = 5e-4f};
    an_step step = step_of(&one);
    step.updates = updates;
    step.momentum = 0.9f;
    for (int threads = 2; threads <= 3; threads++) {
        fixture many = set_up(threads);
        load(&one);
        for (int s = 0; s < 2; s++) {
            const an_step_result a = run(&one, &step), b = run(&many, &step);
            assert_memory_equal(&a.loss, &b.loss, sizeof a.loss);
        }
        for (int i = 0; i < one.network.parameter_count; i++) {
            an_guarded a = take(&one, AN_PARAMETER, i), b = take(&many, AN_PARAMETER, i);
            assert_memory_equal(a.data, b.data, a.count * sizeof(float));
            an_unguard(&a);
            an_unguard(&b);
        }
        for (int l = -1; l < one.network.layer_count; l++) {
            an_guarded a = take(&one, AN_ACTIVATION_GRADIENT, l);
            an_guarded b = take(&many, AN_ACTIVATION_GRADIENT, l);
            assert_memory_equal(a.data, b.data, a.count * sizeof(float));
            an_unguard(&a);
            an_unguard(&b);
        }
        tear_down(&many);
    }
    tear_down(&one);
}

static void count_release(void *context, int parameter) {
    ((int *)context)[parameter]++;
}

static void test_inference_plans(void **state) {
    (void)state;
    const an_network network = an_tiny();
    const an_plan_options options = {.batch = 2, .threads = 1};
    an_guarded weights = an_guard(network.parameter_floats), logits = an_guard(classes),
               input = an_guard_random(an_shape_count(network.input), 2);
    an_initialise(&network, 1, weights.data);
    an_plan *plan;
    assert_ok(an_plan_create(&an_backend_reference, &network, &options, &plan, error));
    int released[AN_MAX_PARAMETERS] = {0};
    an_weights view = an_weights_of(&network, weights.data);
    view.release = count_release;
    view.context = released;
    assert_ok(an_plan_load(plan, &view, error));
    for (int i = 0; i < AN_MAX_PARAMETERS; i++)
        assert_int_equal(released[i], i < network.parameter_count);
    an_guard_fill(weights.data, weights.count); /* what was released is not looked at again */
    assert_ok(an_plan_forward(plan, input.data, 1, logits.data, error));
    for (int j = 0; j < classes; j++)
        assert_true(isfinite(logits.data[j]));
    const an_plan_memory memory = an_plan_memory_of(plan);
    assert_true(memory.parameters >= network.parameter_floats * sizeof(float));
    assert_true(memory.activations > 0 && memory.workspace > 0);
    assert_int_equal(memory.gradients, 0);
    assert_int_equal(memory.momentum, 0);
    an_plan_free(plan);
    an_unguard(&weights);
    an_unguard(&logits);
    an_unguard(&input);
}

static void test_other_precisions_are_refused(void **state) {
    (void)state;
    const an_network network = an_tiny();
    for (int precision = AN_TF32; precision <= AN_INT8; precision++) {
        const an_plan_options options = {.batch = 1, .precision = (an_precision)precision};
        an_plan *plan;
        assert_fails(an_plan_create(&an_backend_reference, &network, &options, &plan, error),
                     ALEXNET_UNSUPPORTED, "float32");
        assert_null(plan);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_of_a_network_that_knows_nothing),
        cmocka_unit_test(test_the_mask_is_the_formula),
        cmocka_unit_test(test_the_mask_belongs_to_the_image),
        cmocka_unit_test(test_dropout_in_testing),
        cmocka_unit_test(test_forward_of_part_of_a_batch),
        cmocka_unit_test(test_two_updates_follow_the_rule),
        cmocka_unit_test(test_momentum_is_written_and_loading_clears_it),
        cmocka_unit_test(test_gradients_only_change_nothing),
        cmocka_unit_test(test_ignored_labels),
        cmocka_unit_test(test_a_given_logit_gradient_is_used),
        cmocka_unit_test(test_gradients_are_reported_as_they_become_ready),
        cmocka_unit_test(test_bits_do_not_depend_on_threads),
        cmocka_unit_test(test_inference_plans),
        cmocka_unit_test(test_other_precisions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
