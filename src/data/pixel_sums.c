#include "data/pixel_sums.h"

/* A row's sums fit into 32 bits: AN_MAX_IMAGE_SIDE * 255^2 < 2^32. */
void an_pixel_sums_add_row(an_pixel_sums *sums, const uint8_t *row, size_t width) {
    uint32_t r = 0, g = 0, b = 0, rr = 0, rg = 0, rb = 0, gg = 0, gb = 0, bb = 0;
    for (size_t x = 0; x < width; x++) {
        const uint32_t red = row[3 * x], green = row[3 * x + 1], blue = row[3 * x + 2];
        r += red;
        g += green;
        b += blue;
        rr += red * red;
        rg += red * green;
        rb += red * blue;
        gg += green * green;
        gb += green * blue;
        bb += blue * blue;
    }
    const an_pixel_sums one = {width, {r, g, b}, {rr, rg, rb, gg, gb, bb}};
    an_pixel_sums_merge(sums, &one);
}

void an_pixel_sums_merge(an_pixel_sums *sums, const an_pixel_sums *more) {
    sums->count += more->count;
    for (int i = 0; i < 3; i++)
        sums->sum[i] += more->sum[i];
    for (int i = 0; i < 6; i++)
        sums->product[i] += more->product[i];
}

double an_pixel_sums_mean(const an_pixel_sums *sums, int c) {
    return (double)sums->sum[c] / (double)sums->count;
}

double an_pixel_sums_product(const an_pixel_sums *sums, int a, int b) {
    static const int places[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    return (double)sums->product[places[a][b]] / (double)sums->count;
}
