/* What stands in for reading WebP where libwebp was not found when building. */
#include "data/decode.h"

static alexnet_status refuse(const char *name, alexnet_error *error) {
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: is a WebP picture, which this build cannot read; install libwebp-dev and "
                   "build again, or convert it to JPEG or PNG",
                   name);
}

alexnet_status an_webp_decode(const uint8_t *bytes, size_t size, const char *name, an_image *out,
                              alexnet_error *error) {
    (void)bytes, (void)size, (void)out;
    return refuse(name, error);
}

alexnet_status an_webp_probe(const uint8_t *bytes, size_t size, const char *name,
                             an_image_info *out, alexnet_error *error) {
    (void)bytes, (void)size, (void)out;
    return refuse(name, error);
}
