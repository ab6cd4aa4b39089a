#include "train/colours.h"

#include "core/memory.h"
#include "data/pixel_sums.h"

/* So many pictures tell a data set's means to half a level, their deviations to a hundredth. */
enum { MEASURED = 1000 };

/* Sums over pictures of their channels' means and of those of the channels' products: every picture
 * counts the same, whatever its size, as every crop does. */
typedef struct sums {
    double count, one[3], two[3][3];
} sums;

static void add_picture(sums *all, const an_image *image) {
    const size_t width = (size_t)image->width;
    an_pixel_sums pixels = {0};
    for (size_t y = 0; y < (size_t)image->height; y++)
        an_pixel_sums_add_row(&pixels, image->pixels + 3 * y * width, width);
    all->count++;
    for (int i = 0; i < 3; i++) {
        all->one[i] += an_pixel_sums_mean(&pixels, i);
        for (int j = 0; j < 3; j++)
            all->two[i][j] += an_pixel_sums_product(&pixels, i, j);
    }
}

/* Broken pictures are passed over: the loader names them. */
static alexnet_status measure(const an_dataset *data, an_statistics *out, alexnet_error *error) {
    const size_t pictures = data->count < MEASURED ? data->count : MEASURED;
    sums all = {0};
    an_image image = {0};
    for (size_t k = 0; k < pictures; k++) {
        const size_t index =
            (size_t)((double)k * ((double)data->count / (double)pictures)); /* ascending */
        if (an_dataset_read(data, index, &image, NULL) == ALEXNET_OK)
            add_picture(&all, &image);
    }
    an_image_free(&image);
    if (all.count == 0)
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: of %zu pictures to measure its colours on, not one could be read",
                       data->name, pictures);
    *out = (an_statistics){0};
    for (int i = 0; i < 3; i++)
        out->mean[i] = all.one[i] / all.count;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            out->covariance[i][j] = all.two[i][j] / all.count - out->mean[i] * out->mean[j];
    return ALEXNET_OK;
}

/* The means of the data set's channels, in the network's order and scale. */
static void take_means(const an_statistics *colours, an_preprocess *preprocess) {
    for (int c = 0; c < 3; c++)
        preprocess->mean[c] =
            (float)(colours->mean[preprocess->bgr ? 2 - c : c] * (double)preprocess->scale);
}

/* The centre of the mean picture, where that is as large as what crops are cut out of. */
static alexnet_status take_mean_image(const an_statistics *colours, an_preprocess *preprocess,
                                      float **mean_image, alexnet_error *error) {
    const size_t side = (size_t)colours->side, crop = (size_t)preprocess->crop;
    void *block;
    if (!colours->mean_image || colours->side != preprocess->resize)
        return ALEXNET_OK;
    AN_TRY(an_alloc(&block, 3 * crop * crop, sizeof(float), "the mean picture", error));
    *mean_image = block;
    const size_t margin = (side - crop) / 2;
    for (size_t c = 0; c < 3; c++) {
        const float *from = colours->mean_image + (preprocess->bgr ? 2 - c : c) * side * side;
        for (size_t y = 0; y < crop; y++)
            for (size_t x = 0; x < crop; x++)
                (*mean_image)[(c * crop + y) * crop + x] =
                    from[(margin + y) * side + margin + x] * preprocess->scale;
    }
    preprocess->mean_image = *mean_image;
    return ALEXNET_OK;
}

alexnet_status an_colours_apply(const an_train_settings *settings, const an_dataset *data,
                                an_preprocess *preprocess, an_augmentation *augmentation,
                                float **mean_image, alexnet_error *error) {
    const bool noise = augmentation->noise > 0;
    const bool axes = noise && settings->noise_axes == AN_AXES_DATA;
    const bool mean = settings->mean != AN_MEAN_ARCH;
    an_statistics measured = {0};
    const an_statistics *colours = data->statistics;
    *mean_image = NULL;
    if ((axes || mean) && !colours) {
        AN_TRY(measure(data, &measured, error));
        colours = &measured;
    }
    if (axes)
        an_colour_axes(colours->covariance, augmentation->vectors, augmentation->deviations);
    else if (noise)
        an_augmentation_set_noise(augmentation, augmentation->noise);
    if (mean)
        take_means(colours, preprocess);
    return settings->mean == AN_MEAN_IMAGE ? take_mean_image(colours, preprocess, mean_image, error)
                                           : ALEXNET_OK;
}
