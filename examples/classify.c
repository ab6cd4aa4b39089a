/* Classifies a picture: cc classify.c $(pkg-config --cflags --libs alexnet) -o classify */
#include <alexnet/alexnet.h>
#include <stdio.h>

int main(int argc, char **argv) {
    alexnet_error error;
    alexnet_classifier *classifier = NULL;
    alexnet_prediction top[3];
    if (argc != 3 || alexnet_classifier_open(argv[1], NULL, &classifier, &error) != ALEXNET_OK ||
        alexnet_classify_file(classifier, argv[2], top, 3, &error) != ALEXNET_OK)
        return fprintf(stderr, "%s\n", argc == 3 ? error.message : "classify WEIGHTS IMAGE"), 1;
    for (int i = 0; i < 3 && top[i].index >= 0; i++)
        printf("%5.1f %%  %s\n", 100 * top[i].probability, top[i].label);
    alexnet_classifier_free(classifier);
    return 0;
}
