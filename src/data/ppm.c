/*
 * PPM and PGM: "P2" or "P5" (gray), "P3" or "P6" (RGB), width, height, the largest value (at most
 * 65535), as decimal numbers between white space and # comments, then the values: decimal numbers
 * (P2, P3), or, behind one white-space byte, one byte each (two, big-endian, where the largest
 * value is above 255).
 */
#include <string.h>

#include "data/decode.h"

typedef struct cursor {
    const uint8_t *next, *end;
} cursor;

static bool is_space(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The next decimal number, at most 10^9; false where there is none. */
static bool next_number(cursor *at, uint32_t *out) {
    bool comment = false;
    while (at->next < at->end && (comment || is_space(*at->next) || *at->next == '#')) {
        comment = *at->next == '#' || (comment && *at->next != '\n' && *at->next != '\r');
        at->next++;
    }
    const uint8_t *begin = at->next;
    uint32_t value = 0;
    for (; at->next < at->end && *at->next >= '0' && *at->next <= '9'; at->next++) {
        value = value * 10 + (uint32_t)(*at->next - '0');
        if (value > 1000000000)
            return false;
    }
    *out = value;
    return at->next > begin;
}

/* A value of 0 to `largest` as a byte, rounded; larger ones, which should not be, as 255. */
static uint8_t to_byte(uint32_t value, uint32_t largest) {
    return value >= largest ? 255 : (uint8_t)((value * 255 + largest / 2) / largest);
}

/* Reads the header behind its two letters, and moves behind the largest value. */
static alexnet_status read_header(cursor *at, const char *name, uint32_t *width, uint32_t *height,
                                  uint32_t *largest, alexnet_error *error) {
    *width = *height = *largest = 0;
    if (!next_number(at, width) || !next_number(at, height) || !next_number(at, largest) ||
        *largest < 1 || *largest > 65535)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: this PPM's header lacks width, height or a largest value of 1 to "
                       "65535; write the file again",
                       name);
    return an_decode_check_size(name, *width, *height, error);
}

alexnet_status an_ppm_probe(const uint8_t *bytes, size_t size, const char *name, an_image_info *out,
                            alexnet_error *error) {
    cursor at = {bytes + 2, bytes + size};
    uint32_t width, height, largest;
    AN_TRY(read_header(&at, name, &width, &height, &largest, error));
    out->width = (int)width;
    out->height = (int)height;
    out->channels = bytes[1] == '3' || bytes[1] == '6' ? 3 : 1;
    out->depth = largest > 255 ? 16 : 8;
    return ALEXNET_OK;
}

alexnet_status an_ppm_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                             alexnet_error *error) {
    const bool text = bytes[1] <= '3';
    const size_t channels = bytes[1] == '3' || bytes[1] == '6' ? 3 : 1;
    cursor at = {bytes + 2, bytes + size};
    uint32_t width, height, largest;
    AN_TRY(read_header(&at, name, &width, &height, &largest, error));

    /* Checked before memory is taken: a value needs a digit and a space, or its bytes. */
    const size_t values = (size_t)width * height * channels;
    const size_t depth = largest > 255 ? 2 : 1;
    const size_t header = text ? 0 : 1; /* the white space behind the largest value */
    const size_t needed = text ? values * 2 - 1 : values * depth;
    const size_t left = (size_t)(at.end - at.next);
    if (left < header || left - header < needed)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: this PPM is cut off: %u x %u pixels need %zu bytes, %zu are there; "
                       "copy or download it again",
                       name, width, height, needed, left < header ? 0 : left - header);
    at.next += header;
    AN_TRY(an_image_reserve(out, (int)width, (int)height, error));

    if (!text && channels == 3 && largest == 255) {
        memcpy(out->pixels, at.next, values);
        return ALEXNET_OK;
    }
    uint8_t *pixel = out->pixels;
    for (size_t i = 0; i < values; i++) {
        uint32_t value;
        if (!text) {
            value = depth == 2 ? (uint32_t)at.next[0] << 8 | at.next[1] : at.next[0];
            at.next += depth;
        } else if (!next_number(&at, &value)) {
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: this PPM holds no number where value %zu of %zu is expected (byte "
                           "%zu); write the file again",
                           name, i + 1, values, (size_t)(at.next - bytes));
        }
        *pixel++ = to_byte(value, largest);
        if (channels == 1) {
            pixel[0] = pixel[1] = pixel[-1];
            pixel += 2;
        }
    }
    return ALEXNET_OK;
}
