/*
 * Which way of computing is taken, and what is kept of it: the file in the cache, written by
 * several processes, damaged, or made by an enemy. What is measured is made up.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/cuda/tuning.h"
#include "core/file.h"
#include "testing.h"

/* ---- The file. */

static char root[] = "/tmp/alexnet-tuning-XXXXXX";
static char folder[64], path[96];

static int make_root(void **state) {
    (void)state;
    if (!mkdtemp(root))
        return -1;
    snprintf(folder, sizeof folder, "%s/not/there", root);
    snprintf(path, sizeof path, "%s/%s", folder, AN_TUNING_FILE);
    return 0;
}

/* Each test begins without the file and its folder. */
static int clear(void **state) {
    (void)state;
    char parent[64];
    snprintf(parent, sizeof parent, "%s/not", root);
    unlink(path);
    rmdir(folder);
    unlink(parent);
    rmdir(parent);
    return 0;
}

static int remove_root(void **state) {
    clear(state);
    return rmdir(root);
}

static an_way way_of(uint8_t first, size_t size, size_t workspace) {
    an_way way = {.size = size, .workspace = workspace};
    for (size_t i = 0; i < size; i++)
        way.name[i] = (uint8_t)(first + 37 * i);
    return way;
}

static void expect(const an_tuning *tuning, const char *what, const an_way *expected) {
    an_way found;
    if (!an_tuning_find(tuning, what, &found))
        fail_msg("'%s' is not known", what);
    assert_int_equal(found.size, expected->size);
    assert_memory_equal(found.name, expected->name, expected->size);
    assert_int_equal(found.workspace, expected->workspace);
}

static void expect_unknown(const an_tuning *tuning, const char *what) {
    an_way found;
    if (an_tuning_find(tuning, what, &found))
        fail_msg("'%s' is known", what);
}

/* Adds to the file as a process does. */
static void keep(const char *device, const char *what, const an_way *way) {
    an_tuning *tuning = an_tuning_open(folder, device);
    an_tuning_add(tuning, what, way);
    an_tuning_keep(tuning);
    an_tuning_close(tuning);
}

static void write_text(const char *text) {
    assert_ok(an_make_folder(folder, error));
    assert_ok(an_write_file(path, text, strlen(text), error));
}

static size_t lines_in_file(void) {
    uint8_t *bytes;
    size_t size, lines = 0;
    assert_ok(an_read_file(path, (size_t)1 << 24, &bytes, &size, error));
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    free(bytes);
    return lines;
}

static void comes_back(void **state) {
    (void)state;
    const an_way small = way_of(3, 2, 0), large = way_of(200, AN_WAY_BYTES, SIZE_MAX / 16);
    an_tuning *tuning = an_tuning_open(folder, "a card, 9.0");
    expect_unknown(tuning, "convolution");
    an_tuning_add(tuning, "convolution", &small);
    an_tuning_add(tuning, "product", &small);
    an_tuning_add(tuning, "product", &large); /* the later counts */
    expect(tuning, "product", &large);
    an_tuning_keep(tuning);
    an_tuning_close(tuning);

    tuning = an_tuning_open(folder, "a card, 9.0");
    expect(tuning, "convolution", &small);
    expect(tuning, "product", &large);
    expect_unknown(tuning, "convolutio");
    expect_unknown(tuning, "");
    an_tuning_close(tuning);
    assert_int_equal(lines_in_file(), 3); /* with the heading */
}

static void keeps_other_devices(void **state) {
    (void)state;
    const an_way one = way_of(1, 2, 100), two = way_of(2, 2, 200);
    keep("a card", "product", &one);
    an_tuning *tuning = an_tuning_open(folder, "a card, newer");
    expect_unknown(tuning, "product");
    an_tuning_close(tuning);
    keep("a card, newer", "product", &two);
    keep("a card", "convolution", &two);
    tuning = an_tuning_open(folder, "a card");
    expect(tuning, "product", &one);
    expect(tuning, "convolution", &two);
    an_tuning_close(tuning);
    tuning = an_tuning_open(folder, "a card, newer");
    expect(tuning, "product", &two);
    an_tuning_close(tuning);
}

/* Both have read the file before either has written. */
static void keeps_other_processes(void **state) {
    (void)state;
    const an_way one = way_of(1, 2, 100), two = way_of(2, 2, 200);
    keep("a card", "before", &one);
    an_tuning *mine = an_tuning_open(folder, "a card"), *other = an_tuning_open(folder, "a card");
    an_tuning_add(mine, "mine", &one);
    an_tuning_add(mine, "both", &one);
    an_tuning_add(other, "other", &two);
    an_tuning_add(other, "both", &two);
    an_tuning_keep(mine);
    an_tuning_keep(other);
    an_tuning_add(mine, "mine later", &one);
    an_tuning_keep(mine);
    an_tuning_close(mine);
    an_tuning_close(other);
    an_tuning *tuning = an_tuning_open(folder, "a card");
    expect(tuning, "before", &one);
    expect(tuning, "mine", &one);
    expect(tuning, "other", &two);
    expect(tuning, "both", &two); /* who wrote last; `mine` does not write it again */
    expect(tuning, "mine later", &one);
    an_tuning_close(tuning);
    assert_int_equal(lines_in_file(), 6);
}

static void passes_over_damage(void **state) {
    (void)state;
    static const char *const damaged[] = {
        "", "\t", "\t\t\t", "dev", "dev\tno name", "dev\tno workspace\t01", "dev\tno end\t01\t",
        "dev\todd\t012\t5", "dev\tcapital\t0A\t5", "dev\tempty\t\t5", "dev\tnot hex\t0g\t5",
        "dev\tnegative\t01\t-5", "dev\tplus\t01\t+5", "dev\tspace\t01\t 5", "dev\tmore\t01\t5\t6",
        "dev\tfraction\t01\t5.0", "dev\thuge\t01\t99999999999999999999999",
        /* 2^64 and what is above in the last digit */
        "dev\tover\t01\t18446744073709551616", "\tdev\tno device\t01\t5"};
    char text[8192] = "dev\tfirst\t0102\t5\ndev\tlast\t0102\t5\n", name[400] = "";
    size_t length = strlen(text);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s\n", damaged[i]);
    memset(name, 'a', 2 * ((size_t)AN_WAY_BYTES + 1));
    length +=
        (size_t)snprintf(text + length, sizeof text - length, "dev\tlong name\t%s\t5\n", name);
    memset(name, 'x', sizeof name - 1);
    length += (size_t)snprintf(text + length, sizeof text - length, "dev\t%s\t01\t5\n", name);
    snprintf(text + length, sizeof text - length, "dev\tlast\t0304\t6\ndev\tcut off\t01\t5");
    write_text(text);

    const an_way first = {.name = {1, 2}, .size = 2, .workspace = 5};
    const an_way last = {.name = {3, 4}, .size = 2, .workspace = 6}, more = way_of(9, 1, 7);
    an_tuning *tuning = an_tuning_open(folder, "dev");
    expect(tuning, "first", &first);
    expect(tuning, "last", &last);
    const char *const none[] = {"",         "no name", "no workspace", "no end",   "odd",
                                "capital",  "empty",   "not hex",      "negative", "plus",
                                "space",    "more",    "huge",         "over",     "long name",
                                "fraction", "cut off", "no device",    name};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_unknown(tuning, none[i]);
    an_tuning_add(tuning, "more", &more);
    an_tuning_keep(tuning); /* writes what was sound */
    an_tuning_close(tuning);
    assert_int_equal(lines_in_file(), 1 + 4); /* `last` is in it twice */
    tuning = an_tuning_open(folder, "dev");
    expect(tuning, "first", &first);
    expect(tuning, "last", &last);
    expect(tuning, "more", &more);
    an_tuning_close(tuning);
}

/* A zero in the middle of a line, and no text at all. */
static void passes_over_what_is_no_text(void **state) {
    (void)state;
    static const char zero[] = "dev\twh\0at\t01\t5\ndev\tsound\t01\t5\n";
    uint8_t noise[5000];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * i >> 3);
    assert_ok(an_make_folder(folder, error));
    assert_ok(an_write_file(path, zero, sizeof zero - 1, error));
    an_tuning *tuning = an_tuning_open(folder, "dev");
    expect_unknown(tuning, "wh");
    expect(tuning, "sound", &(an_way){.name = {1}, .size = 1, .workspace = 5});
    an_tuning_close(tuning);
    assert_ok(an_write_file(path, noise, sizeof noise, error));
    tuning = an_tuning_open(folder, "dev");
    assert_non_null(tuning);
    expect_unknown(tuning, "sound");
    an_tuning_close(tuning);
}

/* More lines than are kept: the oldest make room. A file that is larger than any of those is not
 * read. */
static void bounds_the_file(void **state) {
    (void)state;
    const size_t size = (size_t)4 << 20;
    char *text = malloc(size);
    size_t length = 0;
    assert_non_null(text);
    for (int i = 0; i < AN_TUNING_LINES; i++)
        length += (size_t)sprintf(text + length, "dev\tno. %d\t01\t5\n", i);
    write_text(text);
    const an_way known = {.name = {1}, .size = 1, .workspace = 5}, way = way_of(7, 1, 7);
    an_tuning *tuning = an_tuning_open(folder, "dev");
    expect(tuning, "no. 0", &known);
    an_tuning_add(tuning, "new", &way);
    an_tuning_add(tuning, "newer", &way);
    an_tuning_add(tuning, "no. 3", &way); /* takes no room */
    an_tuning_keep(tuning);
    an_tuning_close(tuning);
    assert_int_equal(lines_in_file(), 1 + AN_TUNING_LINES);
    tuning = an_tuning_open(folder, "dev");
    expect_unknown(tuning, "no. 0");
    expect_unknown(tuning, "no. 1");
    expect(tuning, "no. 2", &known);
    expect(tuning, "no. 3", &way);
    expect(tuning, "newer", &way);
    an_tuning_close(tuning);

    memset(text, '\n', size - 1);
    text[size - 1] = '\0';
    memcpy(text, "dev\tfirst\t01\t5", strlen("dev\tfirst\t01\t5"));
    write_text(text);
    free(text);
    tuning = an_tuning_open(folder, "dev");
    expect_unknown(tuning, "first");
    an_tuning_close(tuning);
    keep("dev", "new", &way);
    assert_int_equal(lines_in_file(), 2);
}

/* A card's name that would break a line. */
static void takes_any_device(void **state) {
    (void)state;
    const an_way way = way_of(7, 1, 7);
    char longest[1000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const devices[] = {"a\tcard\nof two lines", longest, "%s%n"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        keep(devices[i], "product", &way);
        an_tuning *tuning = an_tuning_open(folder, devices[i]);
        expect(tuning, "product", &way);
        an_tuning_close(tuning);
    }
    assert_int_equal(lines_in_file(), 4);
}

/* No folder, one that cannot be made, a folder in the file's place: what was measured serves this
 * process, and nothing else happens. */
static void does_without_a_file(void **state) {
    (void)state;
    const an_way way = way_of(7, 1, 7);
    char parent[64];
    snprintf(parent, sizeof parent, "%s/not", root);
    for (int i = 0; i < 3; i++) {
        if (i == 1)
            assert_ok(an_write_file(parent, "", 0, error));
        if (i == 2)
            assert_ok(an_make_folder(path, error));
        an_tuning *tuning = an_tuning_open(i == 0 ? NULL : folder, "dev");
        an_tuning_add(tuning, "product", &way);
        an_tuning_keep(tuning);
        expect(tuning, "product", &way);
        an_tuning_close(tuning);
        assert_false(an_is_file(path));
        if (i == 1)
            assert_int_equal(unlink(parent), 0);
    }
    assert_int_equal(rmdir(path), 0);

    /* A pipe that nobody writes is not waited for. */
    assert_int_equal(mkfifo(path, 0600), 0);
    keep("dev", "product", &way);
    assert_int_equal(lines_in_file(), 2);
    assert_int_equal(unlink(path), 0);

    /* Nothing new is nothing to write. */
    an_tuning *tuning = an_tuning_open(folder, "dev");
    an_tuning_keep(tuning);
    an_tuning_close(tuning);
    assert_false(an_is_file(path));
    keep("dev", "product", &way);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    tuning = an_tuning_open(folder, "dev");
    an_tuning_keep(tuning);
    an_tuning_close(tuning);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino); /* a new one would be another file */

    /* As where memory has run out. */
    an_tuning_add(NULL, "product", &way);
    an_tuning_keep(NULL);
    expect_unknown(NULL, "product");
    an_tuning_close(NULL);
}

/* ---- The fastest. */

enum { rounds = 4 };

/* What each way takes in each round, in order, below 0 where it fails. */
typedef struct clock {
    const double (*times)[rounds];
    int asked[AN_TUNING_WAYS];
} clock;

static double read_clock(void *context, int way) {
    clock *it = context;
    assert_in_range(it->asked[way], 0, rounds - 1);
    return it->times[way][it->asked[way]++];
}

static void takes_the_fastest(void **state) {
    (void)state;
    static const double times[][rounds] = {
        {90, 7, 6, 8}, /* slow at first, as what has to be loaded */
        {5, 9, 9, 9},  /* the fastest once */
        {6, 6, 6, 6},  {-1}, {8, 1, -1}, {0.5, -1},
    };
    clock all = {.times = times};
    assert_int_equal(an_tuning_fastest(6, rounds, read_clock, &all), 1);
    /* What has failed is not tried again. */
    const int asked[] = {4, 4, 4, 1, 3, 2};
    assert_memory_equal(all.asked, asked, sizeof asked);
    clock one = {.times = times};
    assert_int_equal(an_tuning_fastest(1, rounds, read_clock, &one), 0);
    clock failing = {.times = times + 3};
    assert_int_equal(an_tuning_fastest(3, rounds, read_clock, &failing), -1);
    assert_int_equal(an_tuning_fastest(0, rounds, read_clock, &failing), -1);
    /* Of two alike the first, which the heuristics prefer. */
    static const double alike[][rounds] = {{4, 3, 3, 4}, {3, 3, 3, 3}};
    clock both = {.times = alike};
    assert_int_equal(an_tuning_fastest(2, rounds, read_clock, &both), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comes_back, clear),
        cmocka_unit_test_setup(keeps_other_devices, clear),
        cmocka_unit_test_setup(keeps_other_processes, clear),
        cmocka_unit_test_setup(passes_over_damage, clear),
        cmocka_unit_test_setup(passes_over_what_is_no_text, clear),
        cmocka_unit_test_setup(bounds_the_file, clear),
        cmocka_unit_test_setup(takes_any_device, clear),
        cmocka_unit_test_setup(does_without_a_file, clear),
        cmocka_unit_test(takes_the_fastest),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
