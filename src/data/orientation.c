#include "data/orientation.h"

#include <string.h>

/* A TIFF structure's unsigned integer of `bytes` bytes. */
static uint32_t tiff_integer(const uint8_t *at, int bytes, bool big_endian) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[big_endian ? i : bytes - 1 - i];
    return value;
}

/* The block is a TIFF structure: byte order, 42, the offset of a table of 12-byte entries {tag,
 * type, count, value}. */
int an_exif_orientation(const uint8_t *block, size_t size) {
    enum { HEADER = 6, ENTRY = 12, ORIENTATION = 0x0112, SHORT = 3 };
    const bool headed = size >= HEADER && memcmp(block, "Exif\0\0", HEADER) == 0;
    const uint8_t *tiff = headed ? block + HEADER : block;
    size -= headed ? HEADER : 0;
    if (size < 8)
        return 1;
    const bool big = tiff[0] == 'M';
    if (memcmp(tiff, big ? "MM" : "II", 2) != 0 || tiff_integer(tiff + 2, 2, big) != 42)
        return 1;
    const size_t table = tiff_integer(tiff + 4, 4, big);
    if (table > size - 2)
        return 1;
    const size_t entries = tiff_integer(tiff + table, 2, big);
    for (size_t i = 0; i < entries && table + 2 + (i + 1) * ENTRY <= size; i++) {
        const uint8_t *entry = tiff + table + 2 + i * ENTRY;
        if (tiff_integer(entry, 2, big) != ORIENTATION)
            continue;
        const uint32_t value = tiff_integer(entry + 8, 2, big);
        const bool valid = tiff_integer(entry + 2, 2, big) == SHORT && value >= 1 && value <= 8;
        return valid ? (int)value : 1;
    }
    return 1;
}

bool an_mirrors_x(int orientation) {
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

bool an_mirrors_y(int orientation) {
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

bool an_swaps_sides(int orientation) {
    return orientation >= 5;
}

an_placement an_place(int orientation, int width, int height) {
    const bool swap = an_swaps_sides(orientation);
    const ptrdiff_t row = 3 * (ptrdiff_t)(swap ? height : width);
    an_placement to = {0, swap ? row : 3, swap ? 3 : row};
    if (an_mirrors_x(orientation)) {
        to.origin += (width - 1) * to.right;
        to.right = -to.right;
    }
    if (an_mirrors_y(orientation)) {
        to.origin += (height - 1) * to.down;
        to.down = -to.down;
    }
    return to;
}

void an_place_rows(const an_placement *to, uint8_t *const *rows, int y, int count, int width,
                   uint8_t *out) {
    uint8_t *corner = out + to->origin + y * to->down;
    for (size_t x = 0; x < (size_t)width; x++)
        for (int i = 0; i < count; i++)
            memcpy(corner + (ptrdiff_t)x * to->right + i * to->down, rows[i] + 3 * x, 3);
}
