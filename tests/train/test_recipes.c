/* The recipes against what their sources say, and what changes in the course of a run. */
#include <math.h>

#include "testing.h"
#include "train/recipes.h"
#include "train/solver.h"

static an_train_settings recipe(const char *name) {
    an_train_settings settings;
    assert_ok(an_recipe_find(name, &settings, error));
    assert_string_equal(settings.recipe, name);
    settings.data = "shapes";
    assert_ok(an_settings_check(&settings, error));
    return settings;
}

static an_network network_of(const char *name) {
    const an_arch *arch;
    an_network network;
    assert_ok(an_arch_find(name, &arch, error));
    assert_ok(an_network_build(arch, 10, 0, &network, error));
    return network;
}

#define assert_near(value, expected)                                                               \
    assert_true(fabs((double)(value) - (expected)) <= 1e-6 * fabs((double)(expected)))

/* §3 to §5 of the paper. */
static void test_paper(void **state) {
    (void)state;
    const an_train_settings s = recipe("paper");
    assert_string_equal(s.arch, "alexnet-paper");
    assert_int_equal(s.epochs, 90);
    assert_int_equal(s.batch, 128);
    assert_int_equal(s.schedule.kind, AN_SCHEDULE_PLATEAU);
    assert_near(s.schedule.base, 0.01);
    assert_near(s.schedule.factor, 0.1);
    assert_int_equal(s.schedule.max_drops, 3);
    assert_near(s.momentum, 0.9);
    assert_near(s.weight_decay, 0.0005);
    assert_near(s.bias_rate, 1); /* "an equal learning rate for all layers" */
    assert_near(s.bias_decay, 1);
    assert_int_equal(s.augmentation.crop, AN_CROP_SQUARE);
    assert_true(s.augmentation.mirror);
    assert_near(s.augmentation.noise, 0.1);
    assert_int_equal(s.noise_axes, AN_AXES_PUBLISHED);
    assert_false(s.augmentation.noise_divides);
    assert_int_equal(s.mean, AN_MEAN_DATA);
    assert_int_equal(s.init, AN_BEGIN_PAPER);
    const an_network network = network_of(s.arch);
    const an_preprocess preprocess = an_network_preprocess(&network);
    assert_int_equal(preprocess.resize, 256);
    assert_int_equal(preprocess.crop, 227);
}

/* "zero-mean Gaussian with standard deviation 0.01", ones in the named layers' biases: §5, for any
 * network. */
static void test_paper_begins_any_network(void **state) {
    (void)state;
    static const char *const ones[] = {"conv2", "conv4", "conv5", "fc6", "fc7"};
    static float values[400000];
    an_network network = network_of("torchvision");
    an_network_begin_as_paper(&network);
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *p = &network.parameters[i];
        const char *layer = network.layers[p->layer].spec.name;
        bool one = false;
        for (size_t k = 0; k < sizeof ones / sizeof *ones; k++)
            one = one || strcmp(layer, ones[k]) == 0;
        if (p->count > sizeof values / sizeof *values)
            continue;
        an_initialise_parameter(&network, i, 3, values);
        double sum = 0, squares = 0;
        for (size_t j = 0; j < p->count; j++) {
            sum += (double)values[j];
            squares += (double)values[j] * (double)values[j];
        }
        const double mean = sum / (double)p->count;
        if (p->is_bias)
            assert_true(mean == (one ? 1 : 0));
        else
            assert_true(fabs(sqrt(squares / (double)p->count) / 0.01 - 1) < 0.03 &&
                        fabs(mean) < 5 * 0.01 / sqrt((double)p->count));
    }
}

static void test_caffe(void **state) {
    (void)state;
    const an_train_settings s = recipe("caffe");
    assert_string_equal(s.arch, "caffe-alexnet");
    assert_int_equal(s.batch, 256);
    assert_int_equal(s.schedule.kind, AN_SCHEDULE_STEP);
    assert_near(s.schedule.base, 0.01);
    assert_near(s.schedule.factor, 0.1);
    /* stepsize 100,000 and max_iter 450,000, of 1,281,167 pictures. */
    assert_int_equal(lround(s.schedule.every), lround(100000.0 * s.batch / 1281167));
    assert_int_equal(s.epochs, lround(450000.0 * s.batch / 1281167));
    assert_near(s.momentum, 0.9);
    assert_near(s.weight_decay, 0.0005);
    assert_near(s.bias_rate, 2);
    assert_true(s.bias_decay == 0);
    assert_int_equal(s.augmentation.crop, AN_CROP_SQUARE);
    assert_true(s.augmentation.mirror);
    assert_true(s.augmentation.noise == 0);
}

static void test_2012(void **state) {
    (void)state;
    const an_train_settings s = recipe("2012");
    assert_string_equal(s.arch, "alexnet-2012");
    assert_int_equal(s.epochs, 91);
    assert_int_equal(s.batch, 128);
    assert_near(s.weight_decay, 0.0005);
    assert_true(s.bias_decay == 0);
    assert_int_equal(s.augmentation.crop, AN_CROP_SQUARE);
    assert_int_equal(s.augmentation.shared, 32);
    assert_near(s.augmentation.noise, 0.1);
    assert_true(s.augmentation.noise_divides);
    assert_int_equal(s.shuffle, AN_SHUFFLE_ONCE);
    assert_int_equal(s.mean, AN_MEAN_IMAGE);
    assert_int_equal(s.init, AN_BEGIN_ARCH); /* its table has conv3 to conv5's 0.03 */
}

/* What a parameter's update is in the middle of an epoch. */
static an_update update_at(const an_train_settings *s, const an_network *network, const char *name,
                           double epoch) {
    an_phases phases;
    an_update updates[AN_MAX_PARAMETERS];
    const int parameter = an_network_parameter(network, name);
    assert_true(parameter >= 0);
    assert_ok(an_phases_of(s, &phases, error));
    assert_ok(an_phases_check(&phases, network, error));
    const uint64_t step = (uint64_t)lround(1000 * epoch);
    const double rate = an_schedule_rate(&s->schedule, NULL, step, 1000);
    an_solver_updates(s, &phases, network, rate, epoch, updates);
    return updates[parameter];
}

/* layer-params-145-2010.cfg, lines 182 to 198. */
static void test_2012_at_its_epochs(void **state) {
    (void)state;
    const struct {
        double epoch, weights, conv1, conv1_bias, noise;
    } log[] = {{0, 0.01, 0.01, 0.02, 1},       {24.99, 0.01, 0.01, 0.02, 1},
               {25, 0.001, 0.001, 0.02, 1},    {50.99, 0.001, 0.001, 0.02, 1},
               {51, 0.0001, 0.0001, 0.02, 1},  {66.99, 0.0001, 0.0001, 0.02, 1},
               {67, 0.0001, 0.00001, 0.02, 0}, {71.99, 0.0001, 0.00001, 0.02, 0},
               {72, 0.0001, 0, 0, 0},          {78.99, 0.0001, 0, 0, 0},
               {79, 0.00001, 0, 0, 0},         {90.99, 0.00001, 0, 0, 0}};
    an_train_settings s = recipe("2012");
    const an_network network = network_of(s.arch);
    for (int scaled = 0; scaled < 2; scaled++)
        for (size_t i = 0; i < sizeof log / sizeof *log; i++) {
            an_phases phases;
            const double epoch = log[i].epoch * s.epochs / 91 + 1e-9;
            assert_ok(an_phases_of(&s, &phases, error));
            assert_near(update_at(&s, &network, "conv3.weight", epoch).learning_rate,
                        log[i].weights);
            assert_near(update_at(&s, &network, "fc8.weight", epoch).learning_rate, log[i].weights);
            assert_near(update_at(&s, &network, "conv1.weight", epoch).learning_rate, log[i].conv1);
            assert_near(update_at(&s, &network, "conv1.bias", epoch).learning_rate,
                        log[i].conv1_bias);
            assert_near(update_at(&s, &network, "fc7.bias", epoch).learning_rate, 0.02);
            assert_near(update_at(&s, &network, "fc7.bias", epoch).weight_decay, 0);
            assert_near(update_at(&s, &network, "fc7.weight", epoch).weight_decay, 0.0005);
            assert_near(an_phases_factor(&phases, "noise", epoch), log[i].noise);
            if (i + 1 == sizeof log / sizeof *log)
                s.epochs = 7; /* the same in 7 epochs, each 13 of the table's */
        }
}

static void test_modern(void **state) {
    (void)state;
    const an_train_settings s = recipe("modern");
    assert_int_equal(s.schedule.kind, AN_SCHEDULE_COSINE);
    assert_true(s.schedule.warmup > 0 && s.schedule.warmup < 1); /* one epoch will do, too */
    assert_int_equal(s.augmentation.crop, AN_CROP_RANDOM);
    assert_int_equal(s.dropout, AN_DROPOUT_NONE);
    assert_near(s.label_smoothing, 0.1);
    assert_true(s.bias_decay == 0);
}

/* The defaults are a recipe, and the loader's plain augmentation. */
static void test_default(void **state) {
    (void)state;
    const an_train_settings s = recipe("default"), defaults = an_train_defaults();
    assert_memory_equal(&s.schedule, &defaults.schedule, sizeof s.schedule);
    assert_null(s.arch);
    assert_int_equal(s.augmentation.crop, an_plain_augmentation.crop);
    assert_int_equal(s.augmentation.mirror, an_plain_augmentation.mirror);
    an_train_settings none;
    assert_fails(an_recipe_find("fast", &none, error), ALEXNET_INVALID,
                 "default, paper, 2012, caffe, modern");
}

static void test_phases_and_frozen_layers(void **state) {
    (void)state;
    an_train_settings s = recipe("default");
    const an_network network = network_of("alexnet");
    s.schedule = (an_schedule){.kind = AN_SCHEDULE_CONSTANT, .base = 1};
    s.epochs = 10;
    s.freeze = "conv1,conv2";
    s.phases = "0:fc8=10,lr=0.5  2.5:conv2=1 4:fc8.bias=0,lr=2";
    assert_near(update_at(&s, &network, "conv1.weight", 0).learning_rate, 0);
    assert_near(update_at(&s, &network, "conv1.bias", 9).learning_rate, 0);
    assert_near(update_at(&s, &network, "conv2.weight", 2.4).learning_rate, 0);
    assert_near(update_at(&s, &network, "conv2.weight", 2.5).learning_rate, 0.5); /* thawed */
    assert_near(update_at(&s, &network, "fc8.weight", 1).learning_rate, 5);
    assert_near(update_at(&s, &network, "fc8.bias", 3).learning_rate, 5);
    assert_near(update_at(&s, &network, "fc8.bias", 4).learning_rate, 0);
    assert_near(update_at(&s, &network, "fc8.weight", 4).learning_rate, 20);
    assert_near(update_at(&s, &network, "fc7.weight", 4).learning_rate, 2);
}

static void test_phases_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "lr=1",     "1",       "1:",       "x:lr=1",     "1:lr",          "1:lr=",        "1:lr=x",
        "1:=1",     "1:lr=-1", "1:lr=nan", "1:lr=1,",    "2:lr=1 1:lr=1", "9:end 9:lr=1", "0:end",
        "nan:lr=1", "-1:lr=1", "1:lr=1;2", "1:lr=1e300", "1e300:lr=1"};
    an_train_settings s = recipe("default");
    an_phases phases;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        s.phases = wrong[i];
        assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "phases: ");
    }
    const an_network network = network_of("alexnet");
    s.phases = "3:conv9=1";
    assert_ok(an_phases_of(&s, &phases, error));
    assert_fails(an_phases_check(&phases, &network, error), ALEXNET_INVALID, "'conv9'");
    s.phases = "1:end=1 2:end";
    assert_ok(an_phases_of(&s, &phases, error));
    assert_fails(an_phases_check(&phases, &network, error), ALEXNET_INVALID, "'end'");
    s.phases = "3:relu1=0"; /* nothing to learn there */
    assert_ok(an_phases_of(&s, &phases, error));
    assert_fails(an_phases_check(&phases, &network, error), ALEXNET_INVALID, "'relu1'");
    s.phases = NULL;
    s.freeze = ",conv1";
    assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "layers to freeze");
    char many[8 * (AN_MAX_CHANGES + 1)] = "";
    for (size_t i = 0; i <= AN_MAX_CHANGES; i++)
        memcpy(many + 7 * i, "1:lr=1 ", 8);
    s.freeze = NULL;
    s.phases = many;
    assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "at most");
}

static void test_settings_refused(void **state) {
    (void)state;
    an_train_settings s = recipe("modern");
    s.augmentation.crop = AN_CROP_RESIZED;
    s.augmentation.area_low = 0.9;
    s.augmentation.area_high = 0.5;
    assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "area");
    s = recipe("modern");
    s.mixup = 5;
    assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "mixup");
    s = recipe("modern");
    s.ema = 1;
    assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "averaged");
    s = recipe("modern");
    s.label_smoothing = NAN;
    assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "label smoothing");
    s = recipe("paper");
    s.schedule.max_drops = -1;
    assert_fails(an_settings_check(&s, error), ALEXNET_INVALID, "drops");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paper),
        cmocka_unit_test(test_paper_begins_any_network),
        cmocka_unit_test(test_caffe),
        cmocka_unit_test(test_2012),
        cmocka_unit_test(test_2012_at_its_epochs),
        cmocka_unit_test(test_modern),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_phases_and_frozen_layers),
        cmocka_unit_test(test_phases_refused),
        cmocka_unit_test(test_settings_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
