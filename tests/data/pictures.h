/* Encoded pictures for tests, made by libjpeg, libpng and libwebp in memory. */
#ifndef AN_TESTS_PICTURES_H
#define AN_TESTS_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An encoded file, in a block of exactly its size; freed with free(bytes). */
typedef struct encoded {
    uint8_t *bytes;
    size_t size;
} encoded;

enum { EXIF_SIZE = 6 + 8 + 2 + 2 * 12 + 4 };

/* An EXIF block whose table has another entry before the orientation. */
void make_exif(uint8_t out[EXIF_SIZE], bool big_endian, int orientation);

typedef struct jpeg_recipe {
    int width, height;
    int channels; /* 1 gray, 3 RGB, 4 CMYK */
    bool ycck;    /* CMYK kept as YCCK */
    bool progressive;
    bool many_scans;     /* gray, progressive: 127 scans, two for each coefficient */
    bool waves;          /* of wave_value rather than smooth_value */
    int quality;         /* 0: 100 */
    int across, down;    /* pixels for each value of colour, 1 (0), 2 or 4 */
    int restart;         /* a marker each so many blocks to begin anew at; 0: none */
    const uint8_t *exif; /* content of an APP1 marker; NULL: none */
    size_t exif_size;
} jpeg_recipe;

/* Colours that change slowly over the picture, which JPEG at full quality keeps within 3. */
uint8_t smooth_value(int x, int y, int channel);

/* Colours that go up and down all over a picture of any size. */
uint8_t wave_value(int x, int y, int channel);

/* A JPEG of smooth_value. */
encoded make_jpeg(const jpeg_recipe *recipe);

/* Puts other dimensions into a JPEG's frame header. */
void patch_jpeg_size(encoded *jpeg, int width, int height);

typedef struct png_recipe {
    int width, height;
    int depth, colour_type; /* as in libpng */
    bool interlaced;
    const uint8_t *rows;    /* packed as libpng wants them; NULL: the header alone is made */
    const uint8_t *palette; /* (n, 3) */
    int palette_size;
    const uint8_t *palette_alpha; /* (n), NULL: none */
    const uint16_t *transparent;  /* the colour (3) that is transparent; NULL: none */
} png_recipe;

encoded make_png(const png_recipe *recipe);

typedef struct webp_recipe {
    int width, height;
    const uint8_t *pixels; /* (H, W, 4) RGBA */
    bool alpha;            /* kept; otherwise not looked at */
    int quality;           /* 0: lossless */
    const uint8_t *exif;   /* content of an EXIF chunk; NULL: none */
    size_t exif_size;
    int canvas_width, canvas_height; /* 0: a still picture. An animation has two frames of these */
    int left, top;                   /* pixels: the first one here (even numbers), the second one
                                        at the canvas's corner */
} webp_recipe;

/* There is none where AN_WITH_WEBP is not defined. */
encoded make_webp(const webp_recipe *recipe);

#endif
