/*
 * A libFuzzer target for one reader of weights, FORMAT. What it reads is looked at as
 * an_weights_open looks at it: the network is recognised, and the first and last value of each
 * tensor are read, which AddressSanitizer refuses where they lie outside.
 */
#include <stdlib.h>

#include "core/memory.h"
#include "formats/formats.h"
#include "formats/recognise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const uint8_t *byte) {
    static volatile uint8_t seen;
    seen = *byte;
}

/* The last value lies where each index is the largest: what the reader promises is `size` bytes. */
static void check_tensor(const an_file_tensor *tensor) {
    const char *name;
    size_t bits, count, last = 0;
    if (!tensor->dtype || !an_dtype_find(tensor->dtype, &name, &bits) || tensor->dims < 0 ||
        tensor->dims > AN_TENSOR_DIMS || !an_count_elements(tensor->shape, tensor->dims, &count))
        abort();
    if (count == 0)
        return;
    for (int d = 0; d < tensor->dims; d++)
        last += (size_t)(tensor->shape[d] - 1) * (size_t)tensor->stride[d];
    if (tensor->strided ? (last + 1) * bits != tensor->size * 8 : count * bits != tensor->size * 8)
        abort();
    touch(tensor->bytes);
    touch(tensor->bytes + tensor->size - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const an_format *format = NULL;
    an_tensor_file file = {.path = an_string_copy("input")};
    alexnet_error error;
    an_network network;
    if (an_format_find(FORMAT, NULL, &format, &error) != ALEXNET_OK || !file.path)
        abort();
    (void)format->recognise(data, size);
    if (format->read(&file, data, size, &error) == ALEXNET_OK) {
        for (size_t i = 0; i < file.tensor_count; i++)
            check_tensor(&file.tensors[i]);
        (void)an_recognise(&file, NULL, &network, &error);
    }
    an_tensor_file_close(&file);
    return 0;
}
