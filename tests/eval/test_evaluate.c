/* Evaluation with pictures and answers that are known one by one, and of a network made by hand. */
#include "eval/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "colours.h"
#include "eval/classifier.h"
#include "eval/votes.h"
#include "testing.h"

/* A data set of pictures of one pixel or colour; `broken` cannot be read. */
typedef struct made_dataset {
    an_dataset base;
    int side;
    int across, down; /* what a colour gains from pixel to pixel */
    int colours[16][3];
    bool broken[16];
    int32_t labels[16];
} made_dataset;

static alexnet_status fetch_made(const an_dataset *dataset, size_t index, an_sample *out,
                                 alexnet_error *error) {
    const made_dataset *self = (const made_dataset *)dataset;
    if (self->broken[index])
        return an_fail(error, ALEXNET_FORMAT, "picture %zu is broken", index);
    AN_TRY(an_sample_reserve_rgb(out, self->side, self->side, error));
    for (int i = 0; i < self->side * self->side * 3; i++)
        out->buffer[i] = (uint8_t)(self->colours[index][i % 3] + i / 3 % self->side * self->across +
                                   i / 3 / self->side * self->down);
    return ALEXNET_OK;
}

static void describe_made(const an_dataset *dataset, size_t index, char *text, size_t size) {
    (void)dataset;
    snprintf(text, size, "made/%zu", index);
}

static const an_dataset_kind made_kind = {
    .name = "made", .fetch = fetch_made, .describe = describe_made};

static void make_dataset(made_dataset *self, size_t count, int classes, int side) {
    static char name[] = "made";
    *self = (made_dataset){
        .base = {.kind = &made_kind, .name = name, .count = count, .classes = classes},
        .side = side};
    self->base.labels = self->labels;
}

static an_loader *open_loader(const made_dataset *dataset, const an_preprocess *preprocess,
                              int batch) {
    const an_loader_options options = {.batch = batch, .workers = 2, .max_broken = 1};
    an_loader *loader;
    assert_ok(an_loader_create(&dataset->base, preprocess, &options, &loader, error));
    return loader;
}

enum { classes = 7, batch = 4 };

/* Answers for the picture whose red is r: its label (r too) comes at place r % 7. */
static void answer(int r, float *logits) {
    const int label = r % classes, place = r % 7;
    for (int c = 0; c < classes; c++) {
        const int other = (c - label + classes) % classes; /* 0 for the label, then 1 to 6 */
        const int at = other == 0 ? place : (other <= place ? other - 1 : other);
        logits[c] = 1.5f * (float)(classes - at) - (float)r;
    }
}

/* Fails for an input of 255, the mark of "cannot be computed". */
static alexnet_status forward_answers(an_plan *plan, const float *input, int images, float *logits,
                                      alexnet_error *error) {
    (void)plan;
    for (int n = 0; n < images; n++) {
        if (input[(size_t)n * 3] == 255)
            return an_fail(error, ALEXNET_BACKEND, "cannot compute");
        answer((int)input[(size_t)n * 3], logits + (size_t)n * classes);
    }
    return ALEXNET_OK;
}

static const an_backend answering = {.name = "answers", .forward = forward_answers};
static const an_preprocess one_pixel = {.resize = 1, .crop = 1, .scale = 1, .std = {1, 1, 1}};

static an_plan answering_plan(void) {
    return (an_plan){.backend = &answering,
                     .network = {.classes = classes, .input_size = 1, .input = {3, 1, 1}},
                     .options = {.batch = batch, .threads = 1}};
}

typedef struct heard {
    int calls, most; /* most: calls after which it asks to stop, 0: never */
    size_t done, pictures;
} heard;

static bool hear(void *context, size_t done, size_t pictures) {
    heard *h = context;
    assert_true(done > h->done && done <= pictures);
    h->calls++;
    h->done = done;
    h->pictures = pictures;
    return h->calls != h->most;
}

static void test_counts(void **state) {
    (void)state;
    made_dataset dataset;
    make_dataset(&dataset, 14, classes, 1);
    double loss = 0;
    for (int i = 0; i < 14; i++) {
        dataset.colours[i][0] = i;
        dataset.labels[i] = i % classes;
        dataset.broken[i] = i == 6; /* the first of two whose label comes last */
        float logits[classes];
        double sum = 0;
        answer(i, logits);
        for (int c = 0; c < classes; c++)
            sum += exp((double)logits[c]);
        loss += i == 6 ? 0 : -log(exp((double)logits[i % classes]) / sum);
    }
    an_plan plan = answering_plan();
    an_loader *loader = open_loader(&dataset, &one_pixel, batch);
    an_evaluation result;
    for (int times = 0; times < 2; times++) { /* the same when asked again */
        heard h = {0};
        assert_ok(an_evaluate(&plan, loader, &result, hear, &h, error));
        assert_int_equal(result.images, 13);
        assert_int_equal(result.broken, 1);
        assert_true(fabs(result.top1 - 2.0 / 13) < 1e-12);  /* places 0 */
        assert_true(fabs(result.top5 - 10.0 / 13) < 1e-12); /* places 0 to 4 */
        assert_true(fabs(result.loss - loss / 13) < 1e-6);
        assert_true(result.seconds > 0);
        assert_int_equal(h.calls, 4); /* 4 + 4 + 4 + 2 */
        assert_int_equal(h.done, 14);
        assert_int_equal(h.pictures, 14);
    }
    heard h = {.most = 2};
    assert_fails(an_evaluate(&plan, loader, &result, hear, &h, error), ALEXNET_INTERRUPTED,
                 "stopped after 8 of 14");
    assert_ok(an_evaluate(&plan, loader, &result, NULL, NULL, error));
    an_loader_free(loader);
}

static void test_refusals(void **state) {
    (void)state;
    made_dataset dataset;
    an_evaluation result;
    an_plan plan = answering_plan();
    make_dataset(&dataset, 3, classes, 1);
    memset(dataset.broken, 1, sizeof dataset.broken);
    an_loader *loader = open_loader(&dataset, &one_pixel, batch);
    assert_fails(an_evaluate(&plan, loader, &result, NULL, NULL, error), ALEXNET_FORMAT, "not one");
    an_loader_free(loader);

    make_dataset(&dataset, 3, classes + 1, 1);
    dataset.labels[2] = classes;
    loader = open_loader(&dataset, &one_pixel, batch);
    assert_fails(an_evaluate(&plan, loader, &result, NULL, NULL, error), ALEXNET_MISMATCH,
                 "class 7, but the network tells only 7");
    an_loader_free(loader);

    make_dataset(&dataset, 3, classes, 1);
    dataset.colours[1][0] = 255;
    loader = open_loader(&dataset, &one_pixel, batch);
    assert_fails(an_evaluate(&plan, loader, &result, NULL, NULL, error), ALEXNET_BACKEND,
                 "cannot compute");
    an_loader_free(loader);
}

/* Answers that depend on more than one pass: the second network sees every red one higher. */
static alexnet_status forward_shifted(an_plan *plan, const float *input, int images, float *logits,
                                      alexnet_error *error) {
    (void)plan;
    (void)error;
    for (int n = 0; n < images; n++)
        answer((int)input[(size_t)n * 3] + 1, logits + (size_t)n * classes);
    return ALEXNET_OK;
}

static void test_votes(void **state) {
    (void)state;
    static const an_backend shifting = {.name = "shifts", .forward = forward_shifted};
    made_dataset dataset;
    make_dataset(&dataset, 14, classes, 1);
    double loss = 0, first = 0;
    for (int i = 0; i < 14; i++) {
        float logits[2][classes], own[2][classes], mean[classes];
        int top;
        dataset.colours[i][0] = i;
        dataset.labels[i] = i % classes;
        dataset.broken[i] = i == 3;
        answer(i, logits[0]);
        answer(i + 1, logits[1]);
        an_softmax(logits[0], classes, own[0]);
        an_softmax(logits[1], classes, own[1]);
        for (int c = 0; c < classes; c++)
            mean[c] = (own[0][c] + own[1][c]) / 2;
        an_top_k(mean, classes, 1, &top);
        first += i != 3 && top == i % classes;
        loss -= i == 3 ? 0 : log((double)mean[i % classes]);
    }
    an_plan plans[2] = {answering_plan(), answering_plan()};
    plans[1].backend = &shifting;
    an_loader *loader = open_loader(&dataset, &one_pixel, batch);
    an_evaluation alone, voted;
    an_votes votes;
    assert_ok(an_votes_begin(&votes, 14, classes, error));
    assert_ok(an_votes_add(&votes, &plans[0], loader, NULL, NULL, error));
    assert_ok(an_votes_count(&votes, &voted, error));
    assert_ok(an_evaluate(&plans[0], loader, &alone, NULL, NULL, error));
    assert_true(voted.images == alone.images && voted.broken == alone.broken);
    assert_true(voted.top1 == alone.top1 && voted.top5 == alone.top5);
    assert_true(fabs(voted.loss - alone.loss) < 1e-5);

    assert_ok(an_votes_add(&votes, &plans[1], loader, NULL, NULL, error));
    assert_ok(an_votes_count(&votes, &voted, error));
    assert_int_equal(voted.images, 13);
    assert_true(fabs(voted.top1 - first / 13) < 1e-12);
    assert_true(fabs(voted.loss - loss / 13) < 1e-5);

    heard h = {.most = 2};
    assert_fails(an_votes_add(&votes, &plans[0], loader, hear, &h, error), ALEXNET_INTERRUPTED,
                 "stopped after 8 of 14");
    plans[1].network.classes = classes + 1;
    assert_fails(an_votes_add(&votes, &plans[1], loader, NULL, NULL, error), ALEXNET_MISMATCH,
                 "7 and 8 classes");
    an_votes_free(&votes);
    an_loader_free(loader);
}

/* Ten views at once are ten passes over pictures that are each view cut out by hand. */
static void test_ten_views_are_ten_passes(void **state) {
    (void)state;
    enum { PICTURES = 9, SIDE = 3 };
    const an_preprocess three_pixels = {.resize = SIDE, .crop = 1, .scale = 1, .std = {1, 1, 1}};
    made_dataset dataset, cut;
    make_dataset(&dataset, PICTURES, classes, SIDE);
    dataset.across = 3;
    dataset.down = 11;
    for (int i = 0; i < PICTURES; i++) {
        dataset.colours[i][0] = 5 * i;
        dataset.labels[i] = i % classes;
        dataset.broken[i] = i == 4;
    }
    const an_plan plan = answering_plan();
    an_votes at_once, one_by_one;
    assert_ok(an_votes_begin(&at_once, PICTURES, classes, error));
    assert_ok(an_votes_begin(&one_by_one, PICTURES, classes, error));
    for (int view = 0; view < AN_VIEWS; view++) {
        const an_crop crop = an_view_crop(SIDE, SIDE, &three_pixels, view);
        cut = dataset;
        cut.side = 1;
        for (int i = 0; i < PICTURES; i++)
            cut.colours[i][0] += crop.x * dataset.across + crop.y * dataset.down;
        an_loader *loader = open_loader(&cut, &one_pixel, batch);
        an_plan own = plan;
        assert_ok(an_votes_add(&one_by_one, &own, loader, NULL, NULL, error));
        an_loader_free(loader);
    }
    for (int pictures = 1; pictures <= 3; pictures++) { /* the plan takes four inputs at a time */
        const an_loader_options options = {
            .batch = pictures, .views = AN_VIEWS, .workers = 2, .max_broken = 1};
        an_loader *loader;
        an_plan own = plan;
        assert_ok(an_loader_create(&dataset.base, &three_pixels, &options, &loader, error));
        assert_ok(an_votes_add(&at_once, &own, loader, NULL, NULL, error));
        an_loader_free(loader);
        assert_int_equal(at_once.views, AN_VIEWS * pictures);
        for (size_t i = 0; i < PICTURES; i++)
            for (size_t c = 0; c < classes && pictures == 1; c++)
                assert_true(i == 4 ||
                            at_once.sums[i * classes + c] == one_by_one.sums[i * classes + c]);
        an_evaluation found[2];
        assert_ok(an_votes_count(&at_once, &found[0], error));
        assert_ok(an_votes_count(&one_by_one, &found[1], error));
        assert_int_equal(found[0].images, PICTURES - 1);
        assert_true(found[0].top1 == found[1].top1 && found[0].top5 == found[1].top5);
        assert_true(fabs(found[0].loss - found[1].loss) < 1e-6);
    }
    an_votes_free(&at_once);
    an_votes_free(&one_by_one);
}

/* The network that knows colours, on colours, one of them with a wrong label. */
static void test_a_network(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/alexnet-evaluate-%d.safetensors", (int)getpid());
    write_colour_weights(path, false, true);
    alexnet_classifier *classifier;
    const an_classifier_options options = {
        .weights = path, .device = "reference", .plan = {.batch = 3}};
    assert_ok(an_classifier_open(&options, &classifier, error));
    unlink(path);

    made_dataset dataset;
    make_dataset(&dataset, 8, COLOUR_CLASSES, 80);
    double loss = 0;
    for (int i = 0; i < 8; i++) {
        const int label = i == 7 ? 1 : i % COLOUR_CLASSES; /* 7 is black and said to be green */
        dataset.labels[i] = label;
        if (i % COLOUR_CLASSES < 3)
            dataset.colours[i][i % COLOUR_CLASSES] = 200 + i;
        double logits[COLOUR_CLASSES], sum = 0;
        colour_logits(dataset.colours[i], false, logits);
        for (int c = 0; c < COLOUR_CLASSES; c++)
            sum += exp(logits[c]);
        loss += log(sum) - logits[label];
    }
    an_loader *loader = open_loader(&dataset, &classifier->weights.preprocess, 3);
    an_evaluation result;
    assert_ok(an_evaluate(classifier->plan, loader, &result, NULL, NULL, error));
    assert_int_equal(result.images, 8);
    assert_true(result.top1 == 7.0 / 8 && result.top5 == 1);
    assert_true(fabs(result.loss - loss / 8) < 1e-5);
    an_loader_free(loader);
    alexnet_classifier_free(classifier);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_votes),     cmocka_unit_test(test_ten_views_are_ten_passes),
        cmocka_unit_test(test_a_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
