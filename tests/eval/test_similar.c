/* Finding pictures that are alike: the search, the index, and galleries of files. */
#include "eval/similar.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "colours.h"
#include "core/random.h"
#include "eval/gallery.h"
#include "formats/safetensors.h"
#include "formats/temporary.h"

/* ---- The search. */

static void test_normalise(void **state) {
    (void)state;
    float usual[3] = {2, -3, 6}, zeros[2] = {0, 0}, none[2] = {NAN, 1}, small[2] = {1e-30f, 0};
    an_normalise(usual, 3);
    assert_true(fabsf(usual[0] - 2 / 7.0f) < 1e-6f && fabsf(usual[1] + 3 / 7.0f) < 1e-6f);
    an_normalise(zeros, 2);
    an_normalise(none, 2);
    an_normalise(small, 2);
    assert_true(zeros[0] == 0 && none[0] == 0 && none[1] == 0 && small[0] == 1);
}

enum { candidates = 40, queries = 11, length = 37 };

static double exact_similarity(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < length; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Every answer against all the others: as similar as it is said, and none better left out. */
static void check_answers(const an_search *search, const an_find *finds, size_t allowed) {
    for (size_t q = 0; q < search->query_count; q++) {
        bool taken[candidates] = {0};
        double last = INFINITY;
        const size_t expected = allowed < search->top ? allowed : search->top;
        for (size_t i = 0; i < search->top; i++) {
            const an_find *find = &finds[q * search->top + i];
            if (i >= expected) {
                assert_true(find->index == AN_NOTHING);
                continue;
            }
            assert_true(find->index < candidates && !taken[find->index]);
            assert_non_null(search->candidates[find->index]);
            assert_true(find->index != search->same[q]);
            const double right =
                exact_similarity(search->queries[q], search->candidates[find->index]);
            assert_true(fabs((double)find->similarity - right) < 1e-6);
            assert_true((double)find->similarity <= last);
            last = (double)find->similarity;
            taken[find->index] = true;
        }
        for (size_t c = 0; c < search->candidate_count; c++)
            if (!taken[c] && search->candidates[c] && c != search->same[q])
                assert_true(exact_similarity(search->queries[q], search->candidates[c]) <=
                            last + 1e-6);
    }
}

static void test_search(void **state) {
    (void)state;
    static float features[candidates][length];
    const float *rows[candidates], *asked[queries];
    size_t same[queries];
    an_find finds[queries * candidates];
    for (int c = 0; c < candidates; c++) {
        const an_random stream = an_random_stream(1, AN_RANDOM_TEST, 0, (uint64_t)c);
        an_random_fill_normal(&stream, 0, length, 1, features[c]);
        an_normalise(features[c], length);
        rows[c] = features[c];
    }
    rows[7] = NULL; /* broken */
    for (size_t q = 0; q < queries; q++) {
        asked[q] = features[2 * q];
        same[q] = 2 * q;
    }
    an_search search = {rows, candidates, asked, same, queries, length, 5, 2};
    an_search_run(&search, finds);
    check_answers(&search, finds, candidates - 2);
    search.top = candidates;
    an_search_run(&search, finds);
    check_answers(&search, finds, candidates - 2);
    for (int q = 0; q < queries; q++) /* pictures from elsewhere: each finds its copy first */
        same[q] = AN_NOTHING;
    search.top = 1;
    an_search_run(&search, finds);
    check_answers(&search, finds, candidates - 1);
    for (size_t q = 0; q < queries; q++)
        assert_true(finds[q].index == 2 * q);
    asked[3] = NULL;
    an_search_run(&search, finds);
    assert_true(finds[3].index == AN_NOTHING && finds[4].index == 8);
}

/* ---- The index. */

static const an_feature_source source = {"alexnet", "fc7", "fp32", "0123456789abcdef", 3};

static void write_index(const char *name) {
    static const float features[2][3] = {{1, 0, 0}, {0, 0.6f, 0.8f}};
    const an_index_entry entries[] = {{"/z/second.jpg", {10, 20, 30}, features[1]},
                                      {"/a/first.jpg", {1, 2, 3}, features[0]}};
    assert_ok(an_feature_index_write(temporary(name), &source, entries, 2, error));
}

static void test_index(void **state) {
    (void)state;
    an_feature_index index;
    write_index("index");
    assert_ok(an_feature_index_open(temporary("index"), &source, &index, error));
    assert_int_equal(index.count, 2);
    assert_string_equal(index.entries[0].path, "/a/first.jpg");
    const an_index_entry *second = an_feature_index_find(&index, "/z/second.jpg");
    assert_non_null(second);
    assert_true(second->features[2] == 0.8f && second->stamp.nanoseconds == 30);
    assert_null(an_feature_index_find(&index, "/b"));
    an_feature_index_close(&index);

    assert_ok(an_feature_index_write(temporary("none"), &source, NULL, 0, error));
    assert_ok(an_feature_index_open(temporary("none"), &source, &index, error));
    assert_int_equal(index.count, 0);
    assert_null(an_feature_index_find(&index, "/b"));
    an_feature_index_close(&index);
}

static void test_stale_index(void **state) {
    (void)state;
    an_feature_index index;
    const struct {
        an_feature_source source;
        const char *part;
    } cases[] = {
        {{"caffenet", "fc7", "fp32", "0123456789abcdef", 3}, "another network (alexnet)"},
        {{"alexnet", "fc6", "fp32", "0123456789abcdef", 3}, "another layer (fc7)"},
        {{"alexnet", "fc7", "bf16", "0123456789abcdef", 3}, "another precision (fp32)"},
        {{"alexnet", "fc7", "fp32", "0123456789abcdee", 3}, "another set of weights"},
    };
    write_index("index");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(an_feature_index_open(temporary("index"), &cases[i].source, &index, error),
                     ALEXNET_MISMATCH, cases[i].part);
    an_feature_source longer = source;
    longer.length = 4;
    assert_fails(an_feature_index_open(temporary("index"), &longer, &index, error), ALEXNET_FORMAT,
                 "do not fit");
}

/* An index of one tensor of each kind, right but for one thing. */
static void write_broken(const char *name, int fault) {
    static const float features[6] = {0};
    static const int64_t stamps[6] = {0};
    static const char paths[] = "/a\0/b"; /* and the literal's own zero */
    char keys[5][20] = {"alexnet.index", "alexnet.arch", "alexnet.layer", "alexnet.precision",
                        "alexnet.weights"};
    char values[5][20] = {"1", "alexnet", "fc7", "fp32", "0123456789abcdef"};
    an_metadata metadata[5];
    for (int i = 0; i < 5; i++)
        metadata[i] = (an_metadata){keys[i], values[i]};
    an_tensor_source tensors[] = {
        {"features", 2, {2, 3}, features, NULL},
        {"stamps", 2, {2, 3}, stamps, "I64"},
        {"paths", 1, {sizeof paths}, paths, "U8"},
    };
    switch (fault) {
    case 0:
        metadata[0].key = metadata[1].key; /* no version */
        break;
    case 1:
        values[0][0] = '2';
        break;
    case 2:
        tensors[0].dtype = "I32";
        break;
    case 3:
        tensors[1].shape[0] = 1;
        break;
    case 4:
        tensors[2].shape[0]--; /* the last path has no end */
        break;
    case 5:
        tensors[2].shape[0] = 3; /* one path */
        break;
    case 6:
        tensors[2].shape[0] = 1; /* fewer bytes than pictures */
        break;
    case 7:
        tensors[0] = (an_tensor_source){"features", 2, {1, 3}, features, NULL};
        tensors[1].shape[0] = 1; /* a path too many */
        break;
    default:
        tensors[2].name = "names";
        break;
    }
    assert_ok(an_safetensors_write(temporary(name), tensors, 3, metadata, 5, NULL, NULL, error));
}

static void test_broken_index(void **state) {
    (void)state;
    static const char *const parts[] = {
        "no index of pictures",  "version 2",        "'features' of type F32", "do not fit",
        "not one path for each", "not one path for", "1 bytes of paths for 2", "not one path for",
        "no tensor 'paths'",
    };
    an_feature_index index;
    for (int i = 0; i < (int)(sizeof parts / sizeof *parts); i++) {
        write_broken("broken", i);
        assert_fails(an_feature_index_open(temporary("broken"), &source, &index, error),
                     i == 1 ? ALEXNET_UNSUPPORTED : ALEXNET_FORMAT, parts[i]);
        an_feature_index_close(&index); /* which may be done again */
    }
    /* Cut off at every byte, it is refused, whatever that hits. */
    write_index("index");
    an_mapping whole;
    assert_ok(an_map(temporary("index"), &whole, error));
    for (size_t size = 0; size < whole.size; size++) {
        write_temporary("cut", whole.bytes, size);
        assert_fails(an_feature_index_open(temporary("cut"), &source, &index, error),
                     ALEXNET_FORMAT, "cut");
    }
    an_unmap(&whole);
}

/* ---- Galleries. */

enum { pictures = 4 };

static const int colours[pictures][3] = {
    {250, 20, 20}, {240, 60, 30}, {20, 20, 250}, {60, 250, 30}};

static void write_pictures(void) {
    for (int i = 0; i < pictures; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.ppm", i);
        write_colour_picture(temporary(name), 70, 80, colours[i]);
    }
}

static alexnet_classifier *open_classifier(void) {
    const an_classifier_options options = {.weights = temporary("colours.safetensors"),
                                           .device = "reference",
                                           .plan = {.batch = 2, .observe = true}};
    alexnet_classifier *classifier;
    assert_ok(an_classifier_open(&options, &classifier, error));
    return classifier;
}

static void count_broken(void *context, const char *path, const alexnet_error *why) {
    assert_non_null(strstr(path, "broken.jpg"));
    assert_non_null(strstr(why->message, "broken.jpg"));
    ++*(int *)context;
}

/* The pictures' gallery at fc7, from an index where there is one, and back to it. Returns how many
 * had to be computed. */
static size_t visit(alexnet_classifier *classifier, const char *const *names, size_t count,
                    size_t indexed, an_gallery *gallery, an_feature_index *index, int *heard) {
    const int layer = an_network_layer(&classifier->weights.network, "fc7");
    const an_gallery_watch watch = {.broken = count_broken, .context = heard};
    an_feature_source from;
    size_t broken, missing = 0;
    *index = (an_feature_index){0};
    assert_ok(an_feature_source_of(&classifier->weights, layer, AN_FP32, &from, error));
    if (an_is_file(temporary("gallery.index")))
        assert_ok(an_feature_index_open(temporary("gallery.index"), &from, index, error));
    assert_ok(an_gallery_begin(gallery, names, count, error));
    an_gallery_take(gallery, index);
    for (size_t i = 0; i < count; i++)
        missing += gallery->pictures[i].same == i && !gallery->pictures[i].features;
    assert_ok(an_gallery_compute(gallery, classifier, layer, &watch, &broken, error));
    assert_ok(an_gallery_save(gallery, indexed, index, &from, temporary("gallery.index"), error));
    return missing;
}

static void leave(an_gallery *gallery, an_feature_index *index) {
    an_gallery_free(gallery);
    an_feature_index_close(index);
}

static ino_t inode_of_index(void) {
    struct stat info;
    assert_int_equal(stat(temporary("gallery.index"), &info), 0);
    return info.st_ino;
}

static void test_gallery(void **state) {
    (void)state;
    alexnet_classifier *classifier = open_classifier();
    an_gallery gallery;
    an_feature_index index;
    int heard = 0;
    char paths[7][512];
    const char *names[7];
    static const char *const files[7] = {"0.ppm", "1.ppm", "broken.jpg", "2.ppm",
                                         "0.ppm", "3.ppm", "2.ppm"};
    for (int i = 0; i < 7; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", temporary(files[i]));
        names[i] = paths[i];
    }
    write_pictures();
    write_temporary("broken.jpg", "no picture", 10);

    /* Five pictures to search, of which one is named twice; one from elsewhere, and one of them. */
    assert_int_equal(visit(classifier, names, 7, 5, &gallery, &index, &heard), 5);
    assert_int_equal(heard, 1);
    assert_null(gallery.pictures[2].features);
    assert_int_equal(gallery.pictures[4].same, 0);
    assert_int_equal(gallery.pictures[6].same, 3);
    assert_null(gallery.pictures[4].features);
    /* The three paths of the network end in the first three units of fc7. */
    for (int i = 0; i < 2; i++) {
        double right[3], sum = 0;
        colour_values(colours[i], false, 2, right);
        for (int c = 0; c < 3; c++)
            sum += right[c] * right[c];
        for (int c = 0; c < 3; c++)
            assert_true(fabs((double)gallery.pictures[i].features[c] - right[c] / sqrt(sum)) <
                        1e-5);
    }
    leave(&gallery, &index);

    /* The next time nothing that was searched is computed, and nothing is written. */
    ino_t inode = inode_of_index();
    assert_int_equal(visit(classifier, names, 7, 5, &gallery, &index, &heard), 2);
    assert_int_equal(index.count, 3); /* neither the broken picture nor the one asked about */
    assert_true(gallery.pictures[0].features >= index.entries[0].features);
    assert_true(inode_of_index() == inode);
    leave(&gallery, &index);

    /* A picture that has changed is computed, others stay, also those not asked for. */
    write_colour_picture(temporary("1.ppm"), 70, 90, colours[2]);
    assert_int_equal(visit(classifier, names, 2, 2, &gallery, &index, &heard), 1);
    assert_true(gallery.pictures[1].features[2] > 0.9f);
    leave(&gallery, &index);
    assert_true(inode_of_index() != inode);
    assert_int_equal(visit(classifier, names, 2, 2, &gallery, &index, &heard), 0);
    assert_int_equal(index.count, 3);
    leave(&gallery, &index);

    /* One that is gone is dropped. */
    assert_int_equal(unlink(paths[3]), 0);
    assert_int_equal(visit(classifier, names, 2, 2, &gallery, &index, &heard), 0);
    leave(&gallery, &index);
    assert_int_equal(visit(classifier, names, 2, 2, &gallery, &index, &heard), 0);
    assert_int_equal(index.count, 2);
    leave(&gallery, &index);
    alexnet_classifier_free(classifier);
}

/* Features know which weights and which preprocessing they come from. */
static void test_source(void **state) {
    (void)state;
    alexnet_classifier *classifier = open_classifier();
    an_weights_file *weights = &classifier->weights;
    const int layer = an_network_layer(&weights->network, "fc7");
    an_feature_source first, second;
    assert_ok(an_feature_source_of(weights, layer, AN_FP32, &first, error));
    assert_string_equal(first.layer, "fc7");
    assert_int_equal(first.length, 4096);
    const float mean = weights->preprocess.mean[1];
    weights->preprocess.mean[1] = 0.25f;
    assert_ok(an_feature_source_of(weights, layer, AN_FP32, &second, error));
    assert_string_not_equal(first.weights, second.weights);
    weights->preprocess.mean[1] = mean;
    float *last = malloc(sizeof *last * (size_t)COLOUR_CLASSES);
    assert_non_null(last);
    memcpy(last, weights->weights.tensor[15], sizeof *last * COLOUR_CLASSES);
    const float *whole = weights->weights.tensor[15];
    weights->weights.tensor[15] = last;
    assert_ok(an_feature_source_of(weights, layer, AN_FP32, &second, error));
    assert_string_equal(first.weights, second.weights);
    last[0] += 1;
    assert_ok(an_feature_source_of(weights, layer, AN_FP32, &second, error));
    assert_string_not_equal(first.weights, second.weights);
    weights->weights.tensor[15] = whole;
    free(last);
    alexnet_classifier_free(classifier);
}

static int set_up(void **state) {
    if (make_temporary_folder(state) != 0)
        return -1;
    write_colour_weights(temporary("colours.safetensors"), false, true);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalise),    cmocka_unit_test(test_search),
        cmocka_unit_test(test_index),        cmocka_unit_test(test_stale_index),
        cmocka_unit_test(test_broken_index), cmocka_unit_test(test_gallery),
        cmocka_unit_test(test_source),
    };
    return cmocka_run_group_tests(tests, set_up, remove_temporary_folder);
}
