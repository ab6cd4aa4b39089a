/*
 * Tiles of AMX, Intel's matrix extensions: eight registers of 16 rows of 64 bytes. One instruction
 * adds to C (16, 16), in 32 bits each, the product of A (16, 64 bytes) and B: row r of B has, for
 * each of 16 columns, the four bytes (2 bfloat16 or 4 integers) that meet the four bytes r of a row
 * of A. So B is as fc_engine.h packs weights.
 *
 * Included behind immintrin.h by files for these instructions; a register's number must be a
 * constant. The kernels multiply two tiles of A with two of B, whose four products are
 *
 *     C0 = A0 B0, C1 = A0 B1, C2 = A1 B0, C3 = A1 B1
 *
 * and stand in registers 0 to 3; A0 and A1 in 4 and 5, B0 and B1 in 6 and 7.
 */
enum { amx_rows = 16, amx_row = 64 /* bytes */, amx_tile = amx_rows * amx_row };

typedef struct amx_shape {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} amx_shape;

/* All of full size. In memory from the beginning: gcc 12 does not know that the instruction reads
 * all of it. */
static const amx_shape amx_full = {.palette = 1,
                                   .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                   .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

/* Gives the running thread its tiles. It gives them back, or the processor would have to save them
 * whenever it does something else. */
static inline void amx_begin(void) {
    _tile_loadconfig(&amx_full);
}

static inline void amx_end(void) {
    _tile_release();
}
