/* tool_tensors FILE: a line for each tensor of a file of any format: name, dtype, shape and, in
 * hexadecimal, its values in C order. For small files; what torch_interop.py drives. */
#include <stdio.h>

#include "formats/formats.h"

static void print_values(const an_file_tensor *tensor, size_t count) {
    const char *name;
    size_t bits = 8;
    (void)an_dtype_find(tensor->dtype, &name, &bits);
    for (size_t i = 0; i < count; i++) {
        size_t rest = i, place = i;
        if (tensor->strided) {
            place = 0;
            for (int d = tensor->dims - 1; d >= 0; d--) {
                place += rest % (size_t)tensor->shape[d] * (size_t)tensor->stride[d];
                rest /= (size_t)tensor->shape[d];
            }
        }
        for (size_t b = 0; b < bits / 8; b++)
            printf("%02x", tensor->bytes[place * bits / 8 + b]);
    }
}

int main(int argc, char **argv) {
    an_tensor_file file;
    alexnet_error error;
    if (argc != 2)
        return 2;
    if (an_tensor_file_open(argv[1], NULL, &file, &error) != ALEXNET_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < file.tensor_count; i++) {
        const an_file_tensor *tensor = &file.tensors[i];
        char shape[200];
        size_t count;
        if (!an_count_elements(tensor->shape, tensor->dims, &count))
            return 1;
        printf("%s %s %s ", tensor->name, tensor->dtype,
               an_format_shape(tensor->shape, tensor->dims, shape, sizeof shape));
        print_values(tensor, count);
        putchar('\n');
    }
    an_tensor_file_close(&file);
    return 0;
}
