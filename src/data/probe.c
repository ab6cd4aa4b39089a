/* What picture files say of themselves, read without decoding them. */
#include <string.h>

#include "data/decode.h"
#include "data/orientation.h"

static uint32_t big_endian(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static alexnet_status cut_off(const char *name, const char *what, alexnet_error *error) {
    return an_fail(error, ALEXNET_FORMAT,
                   "%s: this %s is damaged or cut off: its header does not say how large the "
                   "picture is; copy or download it again",
                   name, what);
}

/* ---- JPEG: ITU T.81, annex B. */

enum {
    TEM = 0x01,
    SOF0 = 0xc0,
    DHT = 0xc4,
    JPG = 0xc8,
    DAC = 0xcc,
    RST0 = 0xd0,
    SOI = 0xd8,
    EOI = 0xd9,
    SOS = 0xda,
    APP1 = 0xe1
};

static bool begins_frame(uint8_t marker) {
    return marker >= SOF0 && marker <= SOF0 + 15 && marker != DHT && marker != JPG && marker != DAC;
}

/* The frame header: precision, height, width, number of components. */
static void read_frame(uint8_t marker, const uint8_t *content, an_image_info *out) {
    out->depth = content[0];
    out->height = (int)big_endian(content + 1, 2);
    out->width = (int)big_endian(content + 3, 2);
    out->channels = content[5];
    out->cmyk = out->channels == 4;
    out->progressive = (marker & 3) == 2;
}

/* Walks over the segments up to the first scan: a marker, the length of what follows, with its own
 * two bytes, and the content. */
static alexnet_status probe_jpeg(const uint8_t *bytes, size_t size, const char *name,
                                 an_image_info *out, alexnet_error *error) {
    bool found = false, turned = false;
    for (size_t at = 2; at + 4 <= size;) {
        const uint8_t marker = bytes[at + 1];
        if (bytes[at] != 0xff || marker == 0xff) { /* filling, or rubbish between segments */
            at++;
            continue;
        }
        if (marker == SOS || marker == EOI)
            break;
        if (marker <= TEM || (marker >= RST0 && marker <= SOI)) {
            at += 2;
            continue;
        }
        const size_t length = big_endian(bytes + at + 2, 2);
        if (length < 2 || length > size - at - 2)
            break;
        const uint8_t *content = bytes + at + 4;
        if (begins_frame(marker) && length >= 8 && !found) {
            read_frame(marker, content, out);
            found = true;
        } else if (marker == APP1 && length >= 6 && !turned && memcmp(content, "Exif", 4) == 0) {
            out->orientation = an_exif_orientation(content, length - 2);
            turned = true;
        }
        at += 2 + length;
    }
    if (!found)
        return cut_off(name, "JPEG", error);
    if (an_swaps_sides(out->orientation)) {
        const int width = out->width;
        out->width = out->height;
        out->height = width;
    }
    return ALEXNET_OK;
}

/* ---- PNG: the header is always the first chunk; transparency may follow before the pixels. */

static alexnet_status probe_png(const uint8_t *bytes, size_t size, const char *name,
                                an_image_info *out, alexnet_error *error) {
    enum { SIGNATURE = 8, CHUNK = 12, HEADER = 13, PALETTE = 3 };
    static const int channels[7] = {1, 0, 3, 3, 2, 0, 4};
    const uint8_t *header = bytes + SIGNATURE + 8;
    if (size < SIGNATURE + CHUNK + HEADER || memcmp(bytes + SIGNATURE + 4, "IHDR", 4) != 0 ||
        big_endian(header, 4) > INT32_MAX || big_endian(header + 4, 4) > INT32_MAX ||
        header[9] > 6 || channels[header[9]] == 0)
        return cut_off(name, "PNG", error);
    const int colour = header[9];
    out->width = (int)big_endian(header, 4);
    out->height = (int)big_endian(header + 4, 4);
    out->depth = header[8];
    out->channels = channels[colour];
    out->palette = colour == PALETTE;
    out->alpha = colour > PALETTE;
    out->progressive = header[12] != 0;
    if (out->palette)
        out->depth = 8;
    for (size_t at = SIGNATURE; at + CHUNK <= size;) {
        const size_t length = big_endian(bytes + at, 4);
        if (memcmp(bytes + at + 4, "IDAT", 4) == 0 || length > size - at - CHUNK)
            break;
        out->alpha = out->alpha || memcmp(bytes + at + 4, "tRNS", 4) == 0;
        at += CHUNK + length;
    }
    return ALEXNET_OK;
}

alexnet_status an_image_probe(const uint8_t *bytes, size_t size, const char *name,
                              an_image_info *out, alexnet_error *error) {
    alexnet_status status = ALEXNET_OK;
    *out = (an_image_info){.format = an_image_recognise(bytes, size), .orientation = 1};
    switch (out->format) {
    case AN_FORMAT_JPEG:
        status = probe_jpeg(bytes, size, name, out, error);
        break;
    case AN_FORMAT_PNG:
        status = probe_png(bytes, size, name, out, error);
        break;
    case AN_FORMAT_WEBP:
        status = an_webp_probe(bytes, size, name, out, error);
        break;
    case AN_FORMAT_PPM:
        status = an_ppm_probe(bytes, size, name, out, error);
        break;
    case AN_FORMAT_OTHER:
    case AN_FORMAT_PIXELS:
        status = an_decode_refuse(bytes, size, name, error);
        break;
    }
    AN_TRY(status);
    return an_decode_check_size(name, (uint64_t)out->width, (uint64_t)out->height, error);
}
