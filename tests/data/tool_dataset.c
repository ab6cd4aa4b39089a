/*
 * Prints what a data set is, for scripts: the kind and the classes, a line each ("class NUMBER ID
 * NAME"), then the pictures ("LABEL NAME", and where they cannot be decoded why).
 *
 *     tool_dataset train|held-out DATA
 */
#include <stdio.h>
#include <string.h>

#include "data/dataset.h"

static void print(const an_dataset *dataset) {
    an_image image = {0};
    alexnet_error error;
    char name[5000];
    printf("kind %s\n", dataset->kind->name);
    for (int i = 0; i < dataset->classes; i++)
        printf("class %d %s %s\n", i, dataset->class_ids ? dataset->class_ids[i] : "-",
               dataset->class_names[i]);
    for (size_t i = 0; i < dataset->count; i++) {
        an_dataset_describe(dataset, i, name, sizeof name);
        printf("%d %s", (int)dataset->labels[i], name);
        if (an_dataset_read(dataset, i, &image, &error) != ALEXNET_OK)
            printf(" ! %s", error.message);
        printf("\n");
    }
    an_image_free(&image);
}

int main(int argc, char **argv) {
    an_dataset *dataset = NULL;
    alexnet_error error;
    if (argc != 3) {
        fprintf(stderr, "usage: tool_dataset train|held-out DATA\n");
        return 2;
    }
    const an_split split = strcmp(argv[1], "train") == 0 ? AN_SPLIT_TRAIN : AN_SPLIT_HELD_OUT;
    if (an_dataset_open(argv[2], split, 1, &dataset, &error) != ALEXNET_OK) {
        fprintf(stderr, "tool_dataset: %s\n", error.message);
        return 1;
    }
    print(dataset);
    an_dataset_close(dataset);
    return 0;
}
