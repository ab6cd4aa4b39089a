/*
 * tool_resize WIDTH HEIGHT FILE: decodes and resizes a picture (0 0: only decodes it) and writes it
 * to standard output as PPM, for compare_with_pil.py and
 * webp_interop.py.
 */
#include <stdio.h>
#include <stdlib.h>

#include "data/image.h"

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: %s WIDTH HEIGHT FILE\n", arguments[0]);
        return 2;
    }
    const int width = atoi(arguments[1]), height = atoi(arguments[2]);
    alexnet_error error;
    an_image image = {0}, resized = {0};
    alexnet_status status = an_image_read(arguments[3], &image, &error);
    if (status == ALEXNET_OK && width != 0)
        status = an_image_resize(&image, width, height, &resized, &error);
    const an_image *out = width != 0 ? &resized : &image;
    if (status == ALEXNET_OK) {
        printf("P6\n%d %d\n255\n", out->width, out->height);
        fwrite(out->pixels, 3, (size_t)out->width * (size_t)out->height, stdout);
    } else {
        fprintf(stderr, "%s\n", error.message);
    }
    an_image_free(&image);
    an_image_free(&resized);
    return status == ALEXNET_OK ? 0 : 1;
}
