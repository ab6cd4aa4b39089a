/*
 * The product of fc_panels.h by AMX (amx.h): a line of 16 images is a tile, and one of a panel is
 * two. Where there are fewer images, the rows behind them are whatever follows in memory, and
 * nobody looks at their sums.
 */
#include "backend/cpu/kernels/amx.h"

enum {
    fc_tile = 2 * amx_rows,                /* images whose sums fit the registers */
    fc_tiles = 2,                          /* that multiply what the cache holds of a panel */
    fc_run = 32,                           /* panels of gradients that leave row by row */
    fc_overhang = (amx_rows - 1) * fc_line /* bytes behind the images that are read */
};

static void fc_enter(void) {
    amx_begin();
}

static void fc_leave(void) {
    amx_end();
}

/* Weights that lie in one run: the next block. Each of the tiles asks for a part of each line, so
 * that memory is never idle. */
static fc_ask fc_ask_ahead(const char *w, int tile, int tiles) {
    const size_t part = fc_line_weights / tiles;
    return (fc_ask){w + fc_block * fc_line_weights + tile * part, fc_line_weights, part};
}

/* sums (+)= `lines` lines of a tile's images x weights. `both`, whether the second tile has images,
 * is a constant where it is inlined. */
static inline __attribute__((always_inline)) void fc_multiply(const bool both, int images, bool add,
                                                              int lines, const char *x,
                                                              const char *w, fc_ask ask,
                                                              fc_sum (*sums)[2]) {
    enum { row = fc_width * 4 }; /* of weights and of sums */
    /* gcc 12 does not know that loading a tile reads memory: all is to be there. */
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (add) {
        _tile_loadd(0, &sums[0][0], row);
        _tile_loadd(1, &sums[0][1], row);
    }
    if (add && both) {
        _tile_loadd(2, &sums[amx_rows][0], row);
        _tile_loadd(3, &sums[amx_rows][1], row);
    }
    for (int line = 0; line < lines; line++) {
        for (size_t i = 0; i < ask.bytes; i += 64)
            _mm_prefetch(ask.from + i, _MM_HINT_T2);
        _tile_loadd(6, w, row);
        _tile_loadd(7, w + amx_row, row);
        _tile_loadd(4, x, fc_line);
        fc_dot(0, 4, 6);
        fc_dot(1, 4, 7);
        if (both) {
            _tile_loadd(5, x + amx_tile, fc_line);
            fc_dot(2, 5, 6);
            fc_dot(3, 5, 7);
        }
        x += (size_t)images * fc_line;
        w += fc_line_weights;
        ask.from += ask.stride;
    }
    _tile_stored(0, &sums[0][0], row);
    _tile_stored(1, &sums[0][1], row);
    if (both) {
        _tile_stored(2, &sums[amx_rows][0], row);
        _tile_stored(3, &sums[amx_rows][1], row);
    }
}

static void fc_multiply_tile(int images, bool add, int lines, const char *x, const char *w,
                             fc_ask ask, fc_sum (*sums)[2]) {
    if (images > amx_rows)
        fc_multiply(true, images, add, lines, x, w, ask, sums);
    else
        fc_multiply(false, images, add, lines, x, w, ask, sums);
}
