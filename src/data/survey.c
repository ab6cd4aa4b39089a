#include "data/survey.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/threads.h"
#include "data/pixel_sums.h"

static const struct {
    const char *key, *phrase;
} oddities[AN_ODDITIES] = {
    {"extension", "content is not what the name says"},
    {"cmyk", "CMYK, as for printing"},
    {"grayscale", "grayscale"},
    {"alpha", "with an alpha channel, put over white"},
    {"turned", "turned by its EXIF orientation"},
    {"deep", "more than 8 bits a channel"},
    {"small", "a side below 16 pixels"},
    {"narrow", "a side over 4 times the other"},
    {"flat", "all of one colour"},
};

const char *an_oddity_key(int index) {
    return oddities[index].key;
}

const char *an_oddity_phrase(int index) {
    return oddities[index].phrase;
}

/* ---- One picture. */

/* What its header shows to be odd. */
static unsigned oddities_of(const an_image_info *info, const char *name) {
    const int shorter = info->width < info->height ? info->width : info->height;
    const int longer = info->width < info->height ? info->height : info->width;
    const an_image_format promised = an_image_format_of_name(name);
    unsigned odd = 0;
    if (info->format != AN_FORMAT_PIXELS && promised != AN_FORMAT_OTHER && promised != info->format)
        odd |= AN_ODD_EXTENSION;
    odd |= info->cmyk ? AN_ODD_CMYK : 0;
    odd |= info->channels <= 2 ? AN_ODD_GRAYSCALE : 0;
    odd |= info->alpha ? AN_ODD_ALPHA : 0;
    odd |= info->orientation != 1 ? AN_ODD_TURNED : 0;
    odd |= info->depth > 8 ? AN_ODD_DEEP : 0;
    odd |= shorter < AN_SMALL_SIDE ? AN_ODD_SMALL : 0;
    odd |= longer > (int64_t)AN_NARROW * shorter ? AN_ODD_NARROW : 0;
    return odd;
}

/* The brightness, times 1000 (Rec. 601), of cell (i, j) of a picture cut into columns x rows; of a
 * picture of fewer pixels, cells share them. */
static uint64_t brightness(const an_image *image, int i, int j, int columns, int rows) {
    const int left = (int)((int64_t)image->width * i / columns);
    const int top = (int)((int64_t)image->height * j / rows);
    int right = (int)((int64_t)image->width * (i + 1) / columns);
    int bottom = (int)((int64_t)image->height * (j + 1) / rows);
    right = right > left ? right : left + 1;
    bottom = bottom > top ? bottom : top + 1;
    uint64_t sums[3] = {0};
    for (int y = top; y < bottom; y++) {
        const uint8_t *pixel =
            image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)left);
        uint32_t row[3] = {0}; /* AN_MAX_IMAGE_SIDE bytes fit */
        for (int x = left; x < right; x++, pixel += 3)
            for (int c = 0; c < 3; c++)
                row[c] += pixel[c];
        for (int c = 0; c < 3; c++)
            sums[c] += row[c];
    }
    const uint64_t pixels = (uint64_t)(right - left) * (uint64_t)(bottom - top);
    return (299 * sums[0] + 587 * sums[1] + 114 * sums[2]) / pixels;
}

static an_likeness likeness_of(const an_image *image) {
    enum { SIDE = 8 };
    an_likeness likeness = {0};
    for (int i = 0; i < SIDE; i++) { /* a row across, and a column down */
        uint64_t across = brightness(image, 0, i, SIDE + 1, SIDE);
        uint64_t down = brightness(image, i, 0, SIDE, SIDE + 1);
        for (int j = 0; j < SIDE; j++) {
            const uint64_t right = brightness(image, j + 1, i, SIDE + 1, SIDE);
            const uint64_t below = brightness(image, i, j + 1, SIDE, SIDE + 1);
            likeness.across |= (uint64_t)(across > right) << (i * SIDE + j);
            likeness.down |= (uint64_t)(down > below) << (i * SIDE + j);
            across = right;
            down = below;
        }
    }
    return likeness;
}

/* Means of the values and of their squares; true where all pixels are the same. */
static bool measure_colours(const an_image *image, float mean[3], float square[3]) {
    const size_t width = (size_t)image->width, row_size = 3 * width;
    an_pixel_sums sums = {0};
    for (size_t y = 0; y < (size_t)image->height; y++)
        an_pixel_sums_add_row(&sums, image->pixels + y * row_size, width);
    for (int c = 0; c < 3; c++) {
        mean[c] = (float)an_pixel_sums_mean(&sums, c);
        square[c] = (float)an_pixel_sums_product(&sums, c, c);
    }
    return memcmp(image->pixels, image->pixels + 3, row_size - 3) == 0 &&
           memcmp(image->pixels, image->pixels + row_size,
                  row_size * (size_t)(image->height - 1)) == 0;
}

/* What a thread reuses from picture to picture. */
typedef struct scratch {
    an_sample stored;
    an_image decoded;
} scratch;

static alexnet_status look(const an_survey *survey, size_t index, const char *name, scratch *own,
                           an_survey_picture *out, alexnet_error *error) {
    const an_sample *stored = &own->stored;
    AN_TRY(an_dataset_fetch(survey->dataset, index, &own->stored, error));
    out->bytes = stored->size;
    out->content = an_hash_bytes(stored->bytes, stored->size, 0);
    if (stored->form == AN_SAMPLE_FILE)
        AN_TRY(an_image_probe(stored->bytes, stored->size, name, &out->info, error));
    else
        out->info = (an_image_info){.format = AN_FORMAT_PIXELS,
                                    .width = stored->width,
                                    .height = stored->height,
                                    .channels = 3,
                                    .depth = 8,
                                    .orientation = 1};
    out->odd = oddities_of(&out->info, name);
    if (!survey->decoded)
        return ALEXNET_OK;
    const an_image *image = &own->decoded;
    AN_TRY(an_sample_decode(stored, name, &own->decoded, error));
    out->pixels = an_hash_bytes(image->pixels, 3 * (size_t)image->width * (size_t)image->height,
                                (uint32_t)image->width);
    out->likeness = likeness_of(image);
    if (measure_colours(image, out->mean, out->square))
        out->odd |= AN_ODD_FLAT;
    return ALEXNET_OK;
}

/* ---- All of them. */

static void look_at(const an_survey *survey, size_t index, scratch *own) {
    an_survey_picture *out = &survey->pictures[index];
    char name[1024];
    alexnet_error failure = {0};
    an_dataset_describe(survey->dataset, index, name, sizeof name);
    if (look(survey, index, name, own, out, &failure) != ALEXNET_OK) {
        out->failure = an_string_copy(failure.message);
        out->odd = 0;
    }
}

/* Whether all failures have their sentence: memory may have run out for one. */
static bool is_whole(const an_survey *survey) {
    for (size_t i = 0; i < survey->dataset->count; i++)
        if (!survey->pictures[i].failure && survey->pictures[i].info.width == 0)
            return false;
    return true;
}

alexnet_status an_survey_take(const an_dataset *dataset, const an_survey_options *options,
                              an_survey *out, alexnet_error *error) {
    *out = (an_survey){.dataset = dataset, .decoded = !options->headers_only};
    const size_t count = dataset->count;
    AN_TRY(an_alloc((void **)&out->pictures, count, sizeof *out->pictures,
                    "what is found about all pictures", error));
    const an_survey *survey = out;
    atomic_size_t next = 0;
    atomic_bool stop = false;
    const int previous = an_threads_enter(options->threads);
#pragma omp parallel
    {
        scratch own = {0};
        bool tells = false; /* the calling thread does */
#pragma omp master
        tells = options->progress != NULL;
        for (size_t i; !stop && (i = atomic_fetch_add(&next, 1)) < count;) {
            look_at(survey, i, &own);
            if (tells && !options->progress(options->context, i + 1, count))
                stop = true;
        }
        an_sample_free(&own.stored);
        an_image_free(&own.decoded);
    }
    an_threads_leave(previous);
    if (stop)
        return an_fail(error, ALEXNET_INTERRUPTED, "%s: looking at it was stopped", dataset->name);
    if (!is_whole(out))
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for what is found", dataset->name);
    return ALEXNET_OK;
}

void an_survey_free(an_survey *survey) {
    for (size_t i = 0; survey->pictures && i < survey->dataset->count; i++)
        free(survey->pictures[i].failure);
    an_free(survey->pictures);
    *survey = (an_survey){0};
}

/* ---- What it comes to. */

static int compare_numbers(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

an_spread an_spread_of(double *values, size_t count) {
    if (count == 0)
        return (an_spread){0};
    qsort(values, count, sizeof *values, compare_numbers);
    return (an_spread){values[0], values[(count - 1) / 2], values[count - 1]};
}

static double width_of(const an_image_info *info) {
    return info->width;
}

static double height_of(const an_image_info *info) {
    return info->height;
}

static double shorter_of(const an_image_info *info) {
    return info->width < info->height ? info->width : info->height;
}

static double aspect_of(const an_image_info *info) {
    return (double)info->width / info->height;
}

/* Adds a picture's format and oddities. */
static void count_picture(const an_survey_picture *picture, an_survey_summary *out) {
    const an_image_format format = picture->info.format;
    out->jpeg += format == AN_FORMAT_JPEG;
    out->png += format == AN_FORMAT_PNG;
    out->webp += format == AN_FORMAT_WEBP;
    out->ppm += format == AN_FORMAT_PPM;
    out->pixels += format == AN_FORMAT_PIXELS;
    out->progressive += format == AN_FORMAT_JPEG && picture->info.progressive;
    for (int i = 0; i < AN_ODDITIES; i++)
        out->odd[i] += picture->odd >> i & 1;
}

alexnet_status an_survey_summarise(const an_survey *survey, an_survey_summary *out,
                                   alexnet_error *error) {
    static double (*const measures[])(const an_image_info *) = {width_of, height_of, shorter_of,
                                                                aspect_of};
    *out = (an_survey_summary){.pictures = survey->dataset->count};
    an_spread *const spreads[] = {&out->width, &out->height, &out->shorter, &out->aspect};
    double *values, square[3] = {0};
    size_t good = 0;
    AN_TRY(an_alloc((void **)&values, out->pictures, sizeof *values, "sizes", error));
    for (size_t m = 0; m < sizeof measures / sizeof *measures; m++) {
        good = 0;
        for (size_t i = 0; i < out->pictures; i++)
            if (!survey->pictures[i].failure)
                values[good++] = measures[m](&survey->pictures[i].info);
        *spreads[m] = an_spread_of(values, good);
    }
    an_free(values);
    out->broken = out->pictures - good;
    for (size_t i = 0; i < out->pictures; i++) {
        const an_survey_picture *picture = &survey->pictures[i];
        out->bytes += picture->bytes;
        if (picture->failure)
            continue;
        count_picture(picture, out);
        for (int c = 0; c < 3; c++) {
            out->mean[c] += (double)picture->mean[c] / (double)good;
            square[c] += (double)picture->square[c] / (double)good;
        }
    }
    for (int c = 0; c < 3; c++)
        out->deviation[c] = sqrt(fmax(0, square[c] - out->mean[c] * out->mean[c]));
    return ALEXNET_OK;
}

void an_survey_classes(const an_dataset *dataset, size_t *counts) {
    memset(counts, 0, (size_t)dataset->classes * sizeof *counts);
    for (size_t i = 0; i < dataset->count; i++)
        counts[dataset->labels[i]]++;
}
