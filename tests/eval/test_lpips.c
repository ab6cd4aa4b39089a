/* LPIPS: what follows from its definition, and what is refused. Its values are compared with
 * PyTorch by lpips_torch.py. */
#include "eval/lpips.h"

#include <math.h>
#include <stdlib.h>

#include "backbone.h"
#include "core/random.h"
#include "formats/temporary.h"

/* A picture of random pixels; noise is added to that of the same `item`. */
static void write_noise(const char *name, int width, int height, uint64_t item, uint32_t noise) {
    an_random pixels = an_random_stream(1, AN_RANDOM_TEST, 0, item);
    an_random more = an_random_stream(1, AN_RANDOM_TEST, 1, item);
    FILE *file = fopen(temporary(name), "wb");
    assert_non_null(file);
    fprintf(file, "P6\n%d %d\n255\n", width, height);
    for (int i = 0; i < 3 * width * height; i++)
        fputc((int)(an_random_below(&pixels, 200) + an_random_below(&more, noise + 1)), file);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    if (make_temporary_folder(state) != 0)
        return -1;
    write_backbone(temporary("net.safetensors"), 3);
    write_linear(temporary("linear.safetensors"), NOTHING_SPOILED);
    write_noise("a.ppm", 64, 48, 1, 0);
    write_noise("near.ppm", 64, 48, 1, 10);
    write_noise("far.ppm", 64, 48, 1, 50);
    write_noise("other.ppm", 64, 48, 2, 0);
    write_noise("tall.ppm", 40, 90, 1, 0);
    write_noise("tall2.ppm", 40, 90, 2, 0);
    write_noise("small.ppm", 30, 40, 1, 0);
    write_temporary("broken.ppm", "P6\n64 48\n255\nxyz", 16);
    return 0;
}

static alexnet_status try_open(const char *linear, const char *device, int size, an_lpips **out,
                               alexnet_error *error) {
    const an_lpips_options options = {.weights = temporary("net.safetensors"),
                                      .linear = temporary(linear),
                                      .device = device,
                                      .size = size};
    return an_lpips_open(&options, out, error);
}

static an_lpips *open_lpips(const char *device, int size) {
    an_lpips *lpips;
    assert_ok(try_open("linear.safetensors", device, size, &lpips, error));
    return lpips;
}

static double between(an_lpips *lpips, const char *a, const char *b) {
    double distance = -1;
    assert_ok(an_lpips_files(lpips, temporary(a), temporary(b), &distance, error));
    return distance;
}

static void test_order(void **state) {
    (void)state;
    static const char *const devices[] = {"reference", "auto"};
    for (size_t i = 0; i < 2; i++) {
        an_lpips *lpips = open_lpips(devices[i], 0);
        const double near = between(lpips, "a.ppm", "near.ppm");
        const double far = between(lpips, "a.ppm", "far.ppm");
        const double other = between(lpips, "a.ppm", "other.ppm");
        assert_true(between(lpips, "a.ppm", "a.ppm") == 0);
        assert_true(0 < near && near < far && far < other);
        /* Unit vectors without negative parts are at most 2 apart, squared. */
        assert_true(other < 5 * 2.0 / 64);
        assert_true(between(lpips, "near.ppm", "a.ppm") == near);
        an_lpips_free(lpips);
    }
}

/* Pictures of another size in between change nothing. */
static void test_sizes(void **state) {
    (void)state;
    an_lpips *lpips = open_lpips("auto", 0);
    const double first = between(lpips, "a.ppm", "far.ppm");
    const double tall = between(lpips, "tall.ppm", "tall2.ppm");
    assert_true(tall > 0);
    assert_true(between(lpips, "a.ppm", "far.ppm") == first);
    double unused;
    assert_fails(an_lpips_files(lpips, temporary("a.ppm"), temporary("tall.ppm"), &unused, error),
                 ALEXNET_INVALID, "64 x 48 and 40 x 90 pixels");
    assert_fails(
        an_lpips_files(lpips, temporary("small.ppm"), temporary("small.ppm"), &unused, error),
        ALEXNET_INVALID, "small.ppm: torchvision with an input of 30 x 40 pixels: pool2");
    assert_fails(an_lpips_files(lpips, temporary("a.ppm"), temporary("broken.ppm"), &unused, error),
                 ALEXNET_FORMAT, "broken.ppm");
    assert_true(between(lpips, "tall.ppm", "tall2.ppm") == tall); /* after failures, too */
    an_lpips_free(lpips);

    lpips = open_lpips("auto", 48);
    assert_true(between(lpips, "a.ppm", "a.ppm") == 0);
    assert_true(between(lpips, "a.ppm", "tall.ppm") > 0);
    assert_true(between(lpips, "small.ppm", "tall.ppm") > 0);
    an_lpips_free(lpips);
}

static void test_wrong_files(void **state) {
    (void)state;
    static const struct {
        spoiling how;
        alexnet_status status;
        const char *part;
    } cases[] = {
        {WITHOUT_LIN3, ALEXNET_MISMATCH, "no tensor lin3.model.1.weight"},
        {LIN2_OF_128_MAPS, ALEXNET_MISMATCH, "lin2.model.1.weight is not of shape (1, 384, 1, 1)"},
        {LIN1_IN_HALVES, ALEXNET_UNSUPPORTED, "the type F16"},
        {LIN4_NOT_FINITE, ALEXNET_FORMAT, "lin4.model.1.weight: weight 7"},
    };
    an_lpips *lpips;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_linear(temporary("spoiled.safetensors"), cases[i].how);
        assert_fails(try_open("spoiled.safetensors", "auto", 0, &lpips, error), cases[i].status,
                     cases[i].part);
        assert_null(lpips);
    }
    assert_fails(try_open("missing.pth", "auto", 0, &lpips, error), ALEXNET_IO, "missing.pth");
    assert_fails(try_open("broken.ppm", "auto", 0, &lpips, error), ALEXNET_FORMAT, "broken.ppm");
    assert_fails(try_open("linear.safetensors", "abacus", 0, &lpips, error), ALEXNET_UNSUPPORTED,
                 "abacus");
    const an_lpips_options swapped = {.weights = temporary("linear.safetensors"),
                                      .linear = temporary("net.safetensors")};
    assert_fails(an_lpips_open(&swapped, &lpips, error), ALEXNET_MISMATCH, "linear.safetensors");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_wrong_files),
    };
    return cmocka_run_group_tests(tests, set_up, remove_temporary_folder);
}
