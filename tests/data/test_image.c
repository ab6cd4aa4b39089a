/* Decoding every kind of picture, refusing what is none, and the way into the network. */
#include "data/image.h"

#include <png.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef AN_WITH_WEBP
#include <webp/decode.h>
#endif

#include "core/file.h"
#include "core/random.h"
#include "pictures.h"
#include "testing.h"

#define NAME "folder/picture"

/* Decodes a file that must be good. */
static an_image decoded(encoded file) {
    an_image image = {0};
    assert_ok(an_image_decode(file.bytes, file.size, NAME, &image, error));
    return image;
}

static const uint8_t *pixel(const an_image *image, int x, int y) {
    return image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
}

/* What PIL makes of a stored (inverted) CMYK value: black * (1 - ink), rounded its way. */
static int ink_on_paper(int stored, int black) {
    const int product = (255 - stored) * black + 128;
    return black - ((product + (product >> 8)) >> 8);
}

static int expected_jpeg(const jpeg_recipe *recipe, int x, int y, int channel) {
    if (recipe->channels == 1)
        return smooth_value(x, y, 0);
    if (recipe->channels == 3)
        return smooth_value(x, y, channel);
    return ink_on_paper(smooth_value(x, y, channel), smooth_value(x, y, 3));
}

static void test_jpeg_of_every_kind(void **state) {
    (void)state;
    const jpeg_recipe recipes[] = {
        {.width = 41, .height = 37, .channels = 3},
        {.width = 41, .height = 37, .channels = 3, .progressive = true},
        {.width = 41, .height = 37, .channels = 1},
        {.width = 41, .height = 37, .channels = 1, .progressive = true},
        {.width = 41, .height = 37, .channels = 4},
        {.width = 41, .height = 37, .channels = 4, .ycck = true},
        {.width = 41, .height = 37, .channels = 4, .ycck = true, .progressive = true},
        {.width = 1, .height = 1, .channels = 3},
        {.width = 1, .height = 40, .channels = 4},
    };
    for (size_t r = 0; r < sizeof recipes / sizeof *recipes; r++) {
        const encoded file = make_jpeg(&recipes[r]);
        an_image image = decoded(file);
        assert_int_equal(image.width, recipes[r].width);
        assert_int_equal(image.height, recipes[r].height);
        for (int y = 0; y < image.height; y++)
            for (int x = 0; x < image.width; x++)
                for (int c = 0; c < 3; c++) {
                    const int wanted = expected_jpeg(&recipes[r], x, y, c);
                    if (abs(pixel(&image, x, y)[c] - wanted) > 4)
                        fail_msg("recipe %zu, (%d, %d), channel %d: %d, not about %d", r, x, y, c,
                                 pixel(&image, x, y)[c], wanted);
                }
        an_image_free(&image);
        free(file.bytes);
    }
}

/* The distance of upright pixel (x, y) from one side of the picture. */
enum side { TOP, RIGHT, BOTTOM, LEFT };
static int distance_from(enum side side, int x, int y, int width, int height) {
    switch (side) {
    case TOP:
        return y;
    case RIGHT:
        return width - 1 - x;
    case BOTTOM:
        return height - 1 - y;
    default:
        return x;
    }
}

/* EXIF 2.3 defines an orientation by the sides of the scene that row 0 and column 0 are. */
static void assert_turned(const an_image *upright, const an_image *stored, int orientation) {
    static const struct {
        enum side row, column;
    } meaning[9] = {
        [1] = {TOP, LEFT}, [2] = {TOP, RIGHT}, [3] = {BOTTOM, RIGHT}, [4] = {BOTTOM, LEFT},
        [5] = {LEFT, TOP}, [6] = {RIGHT, TOP}, [7] = {RIGHT, BOTTOM}, [8] = {LEFT, BOTTOM}};
    const int width = upright->width, height = upright->height;
    assert_int_equal(width, orientation >= 5 ? stored->height : stored->width);
    assert_int_equal(height, orientation >= 5 ? stored->width : stored->height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const int row = distance_from(meaning[orientation].row, x, y, width, height);
            const int column = distance_from(meaning[orientation].column, x, y, width, height);
            assert_memory_equal(pixel(upright, x, y), pixel(stored, column, row), 3);
        }
}

static void test_jpeg_turned_by_exif(void **state) {
    (void)state;
    for (int channels = 1; channels <= 4; channels++) {
        if (channels == 2)
            continue;
        jpeg_recipe recipe = {.width = 41, .height = 37, .channels = channels};
        const encoded plain = make_jpeg(&recipe);
        an_image stored = decoded(plain);
        for (int orientation = 1; orientation <= 8; orientation++) {
            uint8_t exif[EXIF_SIZE];
            make_exif(exif, orientation % 2, orientation);
            recipe.exif = exif;
            recipe.exif_size = sizeof exif;
            const encoded file = make_jpeg(&recipe);
            an_image upright = decoded(file);
            assert_turned(&upright, &stored, orientation);
            an_image_free(&upright);
            free(file.bytes);
        }
        an_image_free(&stored);
        free(plain.bytes);
    }
}

/* A damaged EXIF block leaves the picture as it is stored. */
static void test_damaged_exif(void **state) {
    (void)state;
    uint8_t exif[EXIF_SIZE];
    jpeg_recipe recipe = {.width = 20, .height = 10, .channels = 1, .exif = exif};
    for (size_t size = 0; size <= EXIF_SIZE; size++) {
        make_exif(exif, size % 2, 6);
        recipe.exif_size = size;
        const encoded file = make_jpeg(&recipe);
        an_image image = decoded(file);
        assert_int_equal(image.width, size >= 40 ? 10 : 20);
        an_image_free(&image);
        free(file.bytes);
    }
    recipe.exif_size = EXIF_SIZE;
    for (int value = 0; value < 256; value++)
        for (size_t i = 6; i < EXIF_SIZE; i += 1 + (value > 10 && value < 250)) {
            make_exif(exif, i % 2, 6);
            exif[i] = (uint8_t)value;
            if (value > 10 && value < 250 && i > 16)
                break;
            const encoded file = make_jpeg(&recipe);
            an_image image = decoded(file);
            assert_int_equal(image.width * image.height, 200);
            an_image_free(&image);
            free(file.bytes);
        }
}

/* Row `y` of a packed picture of `bits` bits a sample, `samples` a row: sample i. */
static unsigned sample(const uint8_t *row, int bits, int i) {
    if (bits == 16)
        return row[2 * i]; /* the upper byte is what counts */
    return (unsigned)(row[i * bits / 8] >> (8 - bits - i * bits % 8)) & ((1u << bits) - 1);
}

static uint8_t over_white(unsigned value, unsigned alpha) {
    return (uint8_t)((value * alpha + 255 * (255 - alpha)) / 255.0 + 0.5);
}

/* Every colour type and depth, plain and interlaced, with random samples. */
static void test_png_of_every_kind(void **state) {
    (void)state;
    enum { WIDTH = 19, HEIGHT = 11, COLOURS = 16 };
    static const struct {
        int type, depth, samples;
    } kinds[] = {
        {PNG_COLOR_TYPE_GRAY, 1, 1},       {PNG_COLOR_TYPE_GRAY, 2, 1},
        {PNG_COLOR_TYPE_GRAY, 4, 1},       {PNG_COLOR_TYPE_GRAY, 8, 1},
        {PNG_COLOR_TYPE_GRAY, 16, 1},      {PNG_COLOR_TYPE_PALETTE, 1, 1},
        {PNG_COLOR_TYPE_PALETTE, 2, 1},    {PNG_COLOR_TYPE_PALETTE, 4, 1},
        {PNG_COLOR_TYPE_RGB, 8, 3},        {PNG_COLOR_TYPE_RGB, 16, 3},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2},
        {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4},  {PNG_COLOR_TYPE_RGB_ALPHA, 16, 4},
    };
    an_random stream = an_random_stream(1, AN_RANDOM_TEST, 0, 0);
    uint8_t rows[WIDTH * HEIGHT * 8], palette[3 * COLOURS], palette_alpha[COLOURS];
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (uint8_t)an_random_u32(&stream);
    for (size_t i = 0; i < sizeof palette; i++)
        palette[i] = (uint8_t)an_random_u32(&stream);
    for (size_t i = 0; i < sizeof palette_alpha; i++)
        palette_alpha[i] = (uint8_t)an_random_u32(&stream);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int variant = 0; variant < 4; variant++) {
            const bool interlaced = variant & 1, transparency = variant & 2;
            const int type = kinds[k].type, depth = kinds[k].depth, samples = kinds[k].samples;
            const size_t row_size = ((size_t)WIDTH * (size_t)samples * (size_t)depth + 7) / 8;
            png_recipe recipe = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .depth = depth,
                                 .colour_type = type,
                                 .interlaced = interlaced,
                                 .rows = rows};
            /* The transparent colour is that of the first pixel. */
            uint16_t key[3] = {0};
            for (int c = 0; c < 3; c++) {
                const int i = samples >= 3 ? c : 0;
                key[c] = depth == 16 ? (uint16_t)(rows[2 * i] << 8 | rows[2 * i + 1])
                                     : (uint16_t)sample(rows, depth, i);
            }
            if (type == PNG_COLOR_TYPE_PALETTE) {
                recipe.palette = palette;
                recipe.palette_size = 1 << depth;
                recipe.palette_alpha = transparency ? palette_alpha : NULL;
            } else if (transparency && !(type & PNG_COLOR_MASK_ALPHA)) {
                recipe.transparent = key;
            }
            const encoded file = make_png(&recipe);
            an_image image = decoded(file);
            assert_int_equal(image.width, WIDTH);
            assert_int_equal(image.height, HEIGHT);
            for (int y = 0; y < HEIGHT; y++)
                for (int x = 0; x < WIDTH; x++) {
                    const uint8_t *row = rows + (size_t)y * row_size;
                    unsigned value[3], alpha = 255;
                    for (int c = 0; c < 3; c++) {
                        value[c] = sample(row, depth, x * samples + (samples >= 3 ? c : 0));
                        if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
                            value[c] = value[c] * 255 / ((1u << depth) - 1);
                    }
                    if (type & PNG_COLOR_MASK_ALPHA)
                        alpha = sample(row, depth, x * samples + samples - 1);
                    const int bytes = samples * depth / 8;
                    if (recipe.transparent &&
                        (depth < 8 ? sample(row, depth, x) == key[0]
                                   : memcmp(row + x * bytes, rows, (size_t)bytes) == 0))
                        alpha = 0;
                    if (type == PNG_COLOR_TYPE_PALETTE) {
                        const unsigned index = sample(row, depth, x);
                        for (int c = 0; c < 3; c++)
                            value[c] = palette[3 * index + (unsigned)c];
                        alpha = transparency ? palette_alpha[index] : 255;
                    }
                    for (int c = 0; c < 3; c++)
                        if (pixel(&image, x, y)[c] != over_white(value[c], alpha))
                            fail_msg("kind %zu, variant %d, (%d, %d), channel %d: %d, not %d", k,
                                     variant, x, y, c, pixel(&image, x, y)[c],
                                     over_white(value[c], alpha));
                }
            an_image_free(&image);
            free(file.bytes);
        }
}

#ifdef AN_WITH_WEBP

enum { WEBP_WIDTH = 41, WEBP_HEIGHT = 37 };

/* Smooth colours, and an alpha that goes from nothing to all. */
static const uint8_t *webp_pixels(void) {
    static uint8_t pixels[WEBP_HEIGHT * WEBP_WIDTH * 4];
    for (int y = 0; y < WEBP_HEIGHT; y++)
        for (int x = 0; x < WEBP_WIDTH; x++)
            for (int c = 0; c < 4; c++)
                pixels[4 * (y * WEBP_WIDTH + x) + c] =
                    c < 3 ? smooth_value(x, y, c) : (uint8_t)(255 * x / (WEBP_WIDTH - 1));
    return pixels;
}

/* Lossless: the pixels that were put in; lossy: those of libwebp's simplest call, near them. */
static void test_webp_of_every_kind(void **state) {
    (void)state;
    const uint8_t *put = webp_pixels();
    for (int kind = 0; kind < 6; kind++) {
        static const int qualities[] = {0, 90, 10};
        const webp_recipe recipe = {.width = WEBP_WIDTH,
                                    .height = WEBP_HEIGHT,
                                    .pixels = put,
                                    .alpha = kind % 2,
                                    .quality = qualities[kind / 2]};
        const encoded file = make_webp(&recipe);
        an_image image = decoded(file);
        assert_int_equal(image.width, WEBP_WIDTH);
        assert_int_equal(image.height, WEBP_HEIGHT);
        int width, height;
        uint8_t *simply = WebPDecodeRGBA(file.bytes, file.size, &width, &height);
        assert_non_null(simply);
        const uint8_t *wanted = recipe.quality == 0 ? put : simply;
        for (int y = 0; y < WEBP_HEIGHT; y++)
            for (int x = 0; x < WEBP_WIDTH; x++)
                for (int c = 0; c < 3; c++) {
                    const size_t at = 4 * (size_t)(y * WEBP_WIDTH + x);
                    const unsigned alpha = recipe.alpha ? put[at + 3] : 255;
                    assert_int_equal(pixel(&image, x, y)[c],
                                     over_white(wanted[at + (size_t)c], alpha));
                    if (recipe.quality >= 90)
                        assert_in_range(pixel(&image, x, y)[c] + 20 -
                                            over_white(put[at + (size_t)c], alpha),
                                        0, 40);
                }
        WebPFree(simply);
        an_image_free(&image);
        free(file.bytes);
    }
}

/* As a JPEG; the EXIF block's own beginning may be missing there, and by the container's
 * specification should be. */
static void test_webp_turned_by_exif(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        webp_recipe recipe = {.width = WEBP_WIDTH,
                              .height = WEBP_HEIGHT,
                              .pixels = webp_pixels(),
                              .alpha = kind % 2,
                              .quality = kind / 2 * 80};
        const encoded plain = make_webp(&recipe);
        an_image stored = decoded(plain);
        for (int orientation = 0; orientation <= 8; orientation++) {
            const int begin = orientation % 3 == 0 ? 0 : 6;
            uint8_t exif[EXIF_SIZE];
            make_exif(exif, orientation % 2, orientation);
            recipe.exif = exif + begin;
            recipe.exif_size = (size_t)(EXIF_SIZE - begin);
            const encoded file = make_webp(&recipe);
            an_image upright = decoded(file);
            assert_turned(&upright, &stored, orientation == 0 ? 1 : orientation);
            an_image_free(&upright);
            free(file.bytes);
        }
        an_image_free(&stored);
        free(plain.bytes);
    }
}

/* The first frame, where it lies, and white around it. */
static void test_animated_webp(void **state) {
    (void)state;
    enum { WIDTH = 50, HEIGHT = 60, ACROSS = 6, DOWN = 20 };
    for (int kind = 0; kind < 4; kind++) {
        uint8_t exif[EXIF_SIZE];
        make_exif(exif, false, 3);
        webp_recipe recipe = {
            .width = WEBP_WIDTH, .height = WEBP_HEIGHT, .pixels = webp_pixels(), .alpha = kind % 2};
        const encoded still = make_webp(&recipe);
        recipe.canvas_width = WIDTH;
        recipe.canvas_height = HEIGHT;
        recipe.left = ACROSS;
        recipe.top = DOWN;
        recipe.exif = kind < 2 ? NULL : exif; /* upside down */
        recipe.exif_size = EXIF_SIZE;
        const encoded file = make_webp(&recipe);
        an_image frame = decoded(still), image = decoded(file);
        assert_int_equal(image.width, WIDTH);
        assert_int_equal(image.height, HEIGHT);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                static const uint8_t white[3] = {255, 255, 255};
                const int from_x = x - ACROSS, from_y = y - DOWN;
                const bool inside =
                    from_x >= 0 && from_x < WEBP_WIDTH && from_y >= 0 && from_y < WEBP_HEIGHT;
                assert_memory_equal(kind < 2 ? pixel(&image, x, y)
                                             : pixel(&image, WIDTH - 1 - x, HEIGHT - 1 - y),
                                    inside ? pixel(&frame, from_x, from_y) : white, 3);
            }
        an_image_free(&frame);
        an_image_free(&image);
        free(still.bytes);
        free(file.bytes);
    }
}

/* Decodes bytes that must be refused. */
static void assert_bad_webp(encoded file, const char *sentence) {
    an_image image = {0};
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 sentence);
    assert_int_equal(image.width, 0);
    assert_null(image.pixels);
}

/* What is refused before memory is taken, and damage behind sound headers. */
static void test_bad_webp(void **state) {
    (void)state;
    assert_bad_webp((encoded){(uint8_t[12]){"RIFF\4\0\0\0WEBP"}, 12}, "its parts do not fit");
    assert_bad_webp((encoded){(uint8_t[12]){"RIFF\5\0\0\0WEBP"}, 12}, "this WebP is cut off");
    webp_recipe recipe = {.width = 16, .height = 16, .pixels = webp_pixels(), .quality = 50};
    encoded file = make_webp(&recipe);
    static const uint8_t largest[4] = {0xff, 0x3f, 0xff, 0x3f}, large[4] = {0x98, 0x3a, 0x98, 0x3a};
    memcpy(file.bytes + 26, largest, 4); /* of the frame header: width and height, 14 bits each */
    assert_bad_webp(file, "declares 16383 x 16383 pixels; at most 65500 a side and 250 million");
    memcpy(file.bytes + 26, large, 4); /* allowed, but the data ends */
    an_image image = {0};
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "this WebP is cut off");
    an_image_free(&image);
    memset(file.bytes + 26, 0, 2);
    assert_bad_webp(file, "this WebP is damaged (its parts do not fit together)");
    free(file.bytes);
    recipe.canvas_width = 65501;
    recipe.canvas_height = 16;
    file = make_webp(&recipe);
    assert_bad_webp(file, "declares 65501 x 16 pixels; at most");
    free(file.bytes);
    recipe = (webp_recipe){.width = WEBP_WIDTH, .height = WEBP_HEIGHT, .pixels = webp_pixels()};
    file = make_webp(&recipe);
    memset(file.bytes + 26, 0xff, 20); /* behind the size: transforms, then codes */
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "this WebP is damaged (its data is not that of a picture)");
    free(file.bytes);
    an_image_free(&image);
}

#else

static void test_webp_is_left_out(void **state) {
    (void)state;
    static const uint8_t file[] = "RIFF\x10\0\0\0WEBPVP8 ";
    an_image image = {0};
    assert_fails(an_image_decode(file, sizeof file - 1, NAME, &image, error), ALEXNET_UNSUPPORTED,
                 NAME ": is a WebP picture, which this build cannot read; install libwebp-dev");
}

#endif

static an_image decoded_text(const char *text, size_t size) {
    return decoded((encoded){(uint8_t *)(uintptr_t)text, size});
}

static void test_ppm_of_every_kind(void **state) {
    (void)state;
#define PPM(text) text, sizeof(text) - 1
    static const struct {
        const char *text;
        size_t size;
        uint8_t pixels[6];
    } files[] = {
        {PPM("P3\n2 1\n255\n1 2 3 40 50 60\n"), {1, 2, 3, 40, 50, 60}},
        {PPM("P3 # two pixels\n2 # wide\r1 255 1 2 3 #x\n 40 50 60"), {1, 2, 3, 40, 50, 60}},
        {PPM("P2 2 1 15 0 15"), {0, 0, 0, 255, 255, 255}},
        {PPM("P2 2 1 3 1 2"), {85, 85, 85, 170, 170, 170}},
        {PPM("P5 2 1 255\n\x07\xff"), {7, 7, 7, 255, 255, 255}},
        {PPM("P5 2 1 65535\n\x80\x00\xff\xff"), {128, 128, 128, 255, 255, 255}},
        {PPM("P5 2 1 100\n\x32\xff"), {128, 128, 128, 255, 255, 255}},
        {PPM("P6 2 1 255\n\x01\x02\x03\x0a#\x20"), {1, 2, 3, 10, 35, 32}},
        {PPM("P6 2 1 1000\n\0\0\x01\xf4\x03\xe8\0\x01\0\x02\0\x03"), {0, 128, 255, 0, 1, 1}},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        an_image image = decoded_text(files[i].text, files[i].size);
        assert_int_equal(image.width, 2);
        assert_int_equal(image.height, 1);
        assert_memory_equal(image.pixels, files[i].pixels, 6);
        an_image_free(&image);
    }
    static const struct {
        const char *text;
        size_t size;
        const char *sentence;
    } bad[] = {
        {PPM("P6"), "header"},
        {PPM("P6 2"), "header"},
        {PPM("P6 2 1 0\n......"), "largest value"},
        {PPM("P6 2 1 65536\n............"), "largest value"},
        {PPM("P6 99999999999999999999 1 255\n"), "header"},
        {PPM("P6 0 1 255\n"), "empty picture (0 x 1"},
        {PPM("P6 65501 1 255\n"), "at most 65500 a side"},
        {PPM("P6 65500 65500 255\n"), "250 million"},
        {PPM("P6 2 1 255\n12345"), "cut off: 2 x 1 pixels need 6 bytes, 5 are there"},
        {PPM("P6 2 1 255"), "cut off"},
        {PPM("P3 60000 4000 255 1"), "cut off"},
        {PPM("P3 2 1 255 1 2 3 4 x 6"), "value 5 of 6"},
        {PPM("P3 2 1 255 1 2 3 4 5            "), "value 6 of 6"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        an_image image = {0};
        assert_fails(
            an_image_decode((const uint8_t *)bad[i].text, bad[i].size, NAME, &image, error),
            ALEXNET_FORMAT, bad[i].sentence);
        assert_int_equal(image.width, 0);
        an_image_free(&image);
    }
}

static void test_what_is_no_picture(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *sentence;
    } files[] = {
        {PPM(""), "empty (0 bytes)"},
        {PPM("Dear reader, this is not a picture."), "text that begins with \"Dear reader, thi\""},
        {PPM("short"), "text that begins with \"short\""},
        {PPM("\x01\x02\x03 binary"), "not a JPEG, PNG, WebP or PPM"},
        {PPM("GIF89a.........."), "is a GIF picture"},
        {PPM("RIFF\x10\0\0\0WAVEfmt "), "not a JPEG, PNG, WebP or PPM"},
        {PPM("<!DOCTYPE html><html>"), "is a web page"},
        {PPM("P4 8 1\n\xff"), "PBM"},
        {PPM("P"), "text that begins with \"P\""},
        {PPM("\xff\xd8"), "not a JPEG, PNG, WebP or PPM"},
        {PPM("\xff\xd8\xff"), "this JPEG is cut off"},
        {PPM("\xff\xd8\xff\xd9"), "this JPEG is damaged"},
        {PPM("\x89PNG\r\n\x1a\n"), "this PNG is damaged (it is cut off"},
        {PPM("\x89PNG\n\x1a\n......."), "not a JPEG, PNG, WebP or PPM"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        an_image image = {0};
        assert_fails(
            an_image_decode((const uint8_t *)files[i].text, files[i].size, NAME, &image, error),
            ALEXNET_FORMAT, files[i].sentence);
        assert_fails(
            an_image_decode((const uint8_t *)files[i].text, files[i].size, NAME, &image, error),
            ALEXNET_FORMAT, NAME ": ");
        an_image_free(&image);
    }
}

static void test_too_much_asked_for(void **state) {
    (void)state;
    an_image image = {0};
    encoded file = make_jpeg(&(jpeg_recipe){.width = 16, .height = 16, .channels = 3});
    patch_jpeg_size(&file, 65500, 65500);
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "65500 x 65500 pixels; at most");
    patch_jpeg_size(&file, 65501, 16);
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "65500");
    patch_jpeg_size(&file, 15000, 15000); /* allowed, but the data ends */
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "cut off");
    free(file.bytes);

    file = make_jpeg(&(jpeg_recipe){.width = 16, .height = 16, .channels = 3, .progressive = true});
    patch_jpeg_size(&file, 15000, 15000);
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "needs more than 1024 MB");
    free(file.bytes);

    file = make_jpeg(&(jpeg_recipe){
        .width = 16, .height = 16, .channels = 1, .progressive = true, .many_scans = true});
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "more than 100 scans");
    free(file.bytes);

    file = make_png(&(png_recipe){.width = 65501, .height = 1, .depth = 8});
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "65501 x 1 pixels; at most");
    free(file.bytes);
    file = make_png(&(png_recipe){.width = 0x7fffffff, .height = 0x7fffffff, .depth = 8});
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "2147483647 x 2147483647 pixels; at most");
    free(file.bytes);
    an_image_free(&image);
}

/* Decodes a copy in a block of exactly its size, so that a sanitizer sees every read beyond it. */
static alexnet_status decode_copy(const uint8_t *bytes, size_t size, alexnet_error *error) {
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    an_image image = {0};
    const alexnet_status status = an_image_decode(copy, size, NAME, &image, error);
    assert_int_equal(status == ALEXNET_OK, image.width > 0);
    an_image_free(&image);
    free(copy);
    return status;
}

enum { MOST_SAMPLES = 12 };

/* Files of all formats, small enough to try much with them. */
static size_t make_samples(encoded out[MOST_SAMPLES]) {
    static uint8_t rows[12 * 10 * 4];
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (uint8_t)(i * i * 7);
    uint8_t exif[EXIF_SIZE];
    make_exif(exif, true, 6);
    const jpeg_recipe jpegs[] = {
        {.width = 12, .height = 10, .channels = 3, .exif = exif, .exif_size = sizeof exif},
        {.width = 12, .height = 10, .channels = 3, .progressive = true},
        {.width = 12, .height = 10, .channels = 4, .ycck = true},
    };
    size_t count = 0;
    for (size_t i = 0; i < 3; i++)
        out[count++] = make_jpeg(&jpegs[i]);
    const int types[] = {PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    for (int i = 0; i < 2; i++)
        out[count++] = make_png(&(png_recipe){.width = 12,
                                              .height = 10,
                                              .depth = 8,
                                              .colour_type = types[i],
                                              .interlaced = i == 1,
                                              .rows = rows});
    static const char *const texts[] = {"P3 # c\n2 2 255\n1 2 3 4 5 6 7 8 9 10 11 12",
                                        "P6 2 2 999\n........................",
                                        "P5 3 2 255\n......"};
    for (int i = 0; i < 3; i++)
        out[count++] = (encoded){(uint8_t *)strdup(texts[i]), strlen(texts[i])};
#ifdef AN_WITH_WEBP
    const webp_recipe webps[] = {
        {.width = 12, .height = 10, .pixels = rows},
        {.width = 12, .height = 10, .pixels = rows, .quality = 50},
        {.width = 12, .height = 9, .pixels = rows, .quality = 50, .alpha = true},
        {.width = 6,
         .height = 5,
         .pixels = rows,
         .alpha = true,
         .canvas_width = 12,
         .canvas_height = 10,
         .left = 2,
         .exif = exif,
         .exif_size = sizeof exif},
    };
    for (size_t i = 0; i < 4; i++)
        out[count++] = make_webp(&webps[i]);
#endif
    return count;
}

static void test_every_prefix_of_a_file(void **state) {
    (void)state;
    encoded samples[MOST_SAMPLES];
    const size_t count = make_samples(samples);
    for (size_t i = 0; i < count; i++) {
        assert_ok(decode_copy(samples[i].bytes, samples[i].size, error));
        size_t first_good = samples[i].size;
        for (size_t size = 0; size < samples[i].size; size++) {
            alexnet_error error = {0};
            const alexnet_status status = decode_copy(samples[i].bytes, size, &error);
            if (status == ALEXNET_OK) {
                first_good = size < first_good ? size : first_good;
                continue;
            }
            assert_int_equal(first_good, samples[i].size); /* longer ones do not fail again */
            assert_int_equal(status, ALEXNET_FORMAT);
            assert_non_null(strstr(error.message, NAME ": "));
        }
        /* A file is whole or refused; but of a last number in a text, digits can be missing. */
        assert_true(first_good + (i == 5 ? 1 : 0) >= samples[i].size);
        free(samples[i].bytes);
    }
}

static void test_flipped_bits(void **state) {
    (void)state;
    encoded samples[MOST_SAMPLES];
    const size_t count = make_samples(samples);
    for (size_t i = 0; i < count; i++) {
        for (size_t bit = 0; bit < samples[i].size * 8; bit++) {
            samples[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            alexnet_error error = {0};
            if (decode_copy(samples[i].bytes, samples[i].size, &error) != ALEXNET_OK)
                assert_non_null(strstr(error.message, NAME ": "));
            samples[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(samples[i].bytes);
    }
}

static void test_damaged_png(void **state) {
    (void)state;
    uint8_t rows[30 * 30 * 3] = {1, 2, 3};
    const encoded file = make_png(&(png_recipe){
        .width = 30, .height = 30, .depth = 8, .colour_type = PNG_COLOR_TYPE_RGB, .rows = rows});
    file.bytes[file.size - 12 - 4] ^= 1; /* the check sum of the pixels, before the end chunk */
    an_image image = {0};
    assert_fails(an_image_decode(file.bytes, file.size, NAME, &image, error), ALEXNET_FORMAT,
                 "CRC error");
    free(file.bytes);
    an_image_free(&image);
}

static void test_files(void **state) {
    (void)state;
    char folder[] = "/tmp/alexnet-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = an_path_join(folder, "picture.jpg"); /* content counts, not the name */
    an_image image = {0}, back = {0};
    assert_ok(an_image_reserve(&image, 23, 17, error));
    for (size_t i = 0; i < 23 * 17 * 3; i++)
        image.pixels[i] = (uint8_t)(i * 31);
    assert_ok(an_image_write_png(&image, path, error));
    assert_ok(an_image_read(path, &back, error));
    assert_int_equal(back.width, 23);
    assert_int_equal(back.height, 17);
    assert_memory_equal(back.pixels, image.pixels, 23 * 17 * 3);

    assert_ok(an_write_file(path, "This is a text, not a picture.", 30, error));
    assert_fails(an_image_read(path, &back, error), ALEXNET_FORMAT, "picture.jpg: is no picture");
    unlink(path);
    assert_fails(an_image_read(path, &back, error), ALEXNET_IO, "picture.jpg: cannot be opened");
    assert_fails(an_image_read(folder, &back, error), ALEXNET_IO, folder);
    rmdir(folder);
    assert_fails(an_image_write_png(&image, path, error), ALEXNET_IO, "picture.jpg: cannot be");
    free(path);
    an_image_free(&image);
    an_image_free(&back);
}

static void test_memory_is_reused(void **state) {
    (void)state;
    an_image image = {0};
    assert_ok(an_image_reserve(&image, 100, 50, error));
    const uint8_t *pixels = image.pixels;
    assert_ok(an_image_reserve(&image, 50, 100, error));
    assert_ptr_equal(image.pixels, pixels);
    assert_ok(an_image_reserve(&image, 1, 1, error));
    assert_ptr_equal(image.pixels, pixels);
    assert_fails(an_image_reserve(&image, 0, 1, error), ALEXNET_INVALID, "0 x 1");
    assert_fails(an_image_reserve(&image, 1, 65501, error), ALEXNET_INVALID, "1 x 65501");
    assert_fails(an_image_reserve(&image, 65500, 65500, error), ALEXNET_INVALID, "250 million");
    an_image_free(&image);
    assert_null(image.pixels);
}

/* As torchvision 0.30 computes them: Resize(side) and CenterCrop(side), from Python. */
static void test_sizes_and_crops(void **state) {
    (void)state;
    static const struct {
        int width, height, side, out_width, out_height;
    } sizes[] = {
        {500, 375, 256, 341, 256}, {375, 500, 256, 256, 341},      {300, 300, 256, 256, 256},
        {1, 1, 256, 256, 256},     {3, 2, 256, 384, 256},          {999, 1000, 256, 256, 256},
        {32, 32, 227, 227, 227},   {1, 65500, 256, 256, 16768000},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int width, height;
        an_short_side_size(sizes[i].width, sizes[i].height, sizes[i].side, &width, &height);
        assert_int_equal(width, sizes[i].out_width);
        assert_int_equal(height, sizes[i].out_height);
    }
    /* Margins 0, 1, 2, 3, 4, 5, 29, 114: Python rounds 0.5 to 0, 1.5 to 2, 2.5 to 2, 14.5 to 14. */
    static const int margins[][2] = {{0, 0}, {1, 0}, {2, 1},   {3, 2},
                                     {4, 2}, {5, 2}, {29, 14}, {114, 57}};
    for (size_t i = 0; i < sizeof margins / sizeof *margins; i++) {
        const an_crop crop = an_crop_centre(227 + margins[i][0], 227, 227);
        assert_int_equal(crop.x, margins[i][1]);
        assert_int_equal(crop.y, 0);
        assert_int_equal(an_crop_centre(227, 227 + margins[i][0], 227).y, margins[i][1]);
        assert_false(crop.mirror);
    }
}

static void test_input(void **state) {
    (void)state;
    enum { WIDTH = 9, HEIGHT = 8, CROP = 5 };
    an_image image = {0};
    assert_ok(an_image_reserve(&image, WIDTH, HEIGHT, error));
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT * 3; i++)
        image.pixels[i] = (uint8_t)(i * 37);
    const an_preprocess rgb = {.crop = CROP,
                               .scale = 1 / 255.0f,
                               .mean = {0.485f, 0.456f, 0.406f},
                               .std = {0.229f, 0.224f, 0.225f}};
    an_preprocess bgr = rgb;
    bgr.bgr = true;
    for (int variant = 0; variant < 4; variant++) {
        const an_preprocess *preprocess = variant & 1 ? &bgr : &rgb;
        const an_crop crop = {.x = 3, .y = 2, .mirror = variant & 2};
        float out[3 * CROP * CROP];
        an_image_to_input(&image, crop, preprocess, out);
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < CROP; y++)
                for (int x = 0; x < CROP; x++) {
                    const int from = crop.mirror ? CROP - 1 - x : x;
                    const uint8_t value =
                        pixel(&image, crop.x + from, crop.y + y)[preprocess->bgr ? 2 - c : c];
                    const float wanted = (value / 255.0f - rgb.mean[c]) / rgb.std[c];
                    assert_float_equal(out[(c * CROP + y) * CROP + x], wanted, 1e-6);
                }
    }
    an_image_free(&image);
}

/* Computing only what the crop needs changes nothing. */
static void test_preprocess(void **state) {
    (void)state;
    const encoded file = make_jpeg(&(jpeg_recipe){.width = 61, .height = 47, .channels = 3});
    an_image image = decoded(file), resized = {0}, scratch = {0};
    an_preprocess preprocess = {
        .resize = 32, .crop = 27, .scale = 1, .mean = {1, 2, 3}, .std = {1, 1, 2}};
    float wanted[3 * 27 * 27], out[3 * 27 * 27];
    assert_ok(an_image_resize(&image, 41, 32, &resized, error));
    an_image_to_input(&resized, (an_crop){7, 2, false}, &preprocess, wanted);
    assert_ok(an_image_preprocess(&image, &preprocess, &scratch, out, error));
    assert_memory_equal(out, wanted, sizeof out);
    const an_crop corner = {14, 5, true};
    an_image_to_input(&resized, corner, &preprocess, wanted);
    assert_ok(an_image_preprocess_crop(&image, corner, &preprocess, &scratch, out, error));
    assert_memory_equal(out, wanted, sizeof out);
    assert_fails(an_image_preprocess_crop(&image, (an_crop){15, 5, false}, &preprocess, &scratch,
                                          out, error),
                 ALEXNET_INVALID, "do not lie inside a picture of 41 x 32");
    preprocess.crop = 33;
    assert_fails(an_image_preprocess(&image, &preprocess, &scratch, out, error), ALEXNET_INVALID,
                 "33 x 33");
    an_image_free(&image);
    an_image_free(&resized);
    an_image_free(&scratch);
    free(file.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_of_every_kind),
        cmocka_unit_test(test_jpeg_turned_by_exif),
        cmocka_unit_test(test_damaged_exif),
        cmocka_unit_test(test_png_of_every_kind),
#ifdef AN_WITH_WEBP
        cmocka_unit_test(test_webp_of_every_kind),
        cmocka_unit_test(test_webp_turned_by_exif),
        cmocka_unit_test(test_animated_webp),
        cmocka_unit_test(test_bad_webp),
#else
        cmocka_unit_test(test_webp_is_left_out),
#endif
        cmocka_unit_test(test_ppm_of_every_kind),
        cmocka_unit_test(test_what_is_no_picture),
        cmocka_unit_test(test_too_much_asked_for),
        cmocka_unit_test(test_every_prefix_of_a_file),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_damaged_png),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_memory_is_reused),
        cmocka_unit_test(test_sizes_and_crops),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_preprocess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
