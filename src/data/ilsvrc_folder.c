/*
 * ILSVRC2012 unpacked, as many have it: train/ with a folder for each class, named by its WNID, and
 * val/ with the validation pictures side by side, of which the development kit tells what they show
 * (data/devkit.h). The kit lies beside them, or a folder above. To learn from, it is a folder of
 * class folders; where val/ has class folders, too, it is nothing else.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/devkit.h"

enum { YEAR = 2012 };
#define FIRST "ILSVRC2012_val_00000001.JPEG"

/* The validation pictures. */
typedef struct pictures {
    an_dataset base;
    char *folder;
    uint32_t *numbers; /* (count) ascending */
} pictures;

static void pictures_destroy(an_dataset *dataset) {
    pictures *self = (pictures *)dataset;
    free(self->folder);
    free(self->numbers);
    free(self);
}

static void pictures_describe(const an_dataset *dataset, size_t index, char *text, size_t size) {
    const pictures *self = (const pictures *)dataset;
    snprintf(text, size, "%s/ILSVRC%d_val_%08u.JPEG", self->folder, YEAR, self->numbers[index]);
}

static alexnet_status pictures_fetch(const an_dataset *dataset, size_t index, an_sample *out,
                                     alexnet_error *error) {
    char path[PATH_MAX];
    pictures_describe(dataset, index, path, sizeof path);
    return an_sample_read_file(out, path, error);
}

static const an_dataset_kind pictures_kind = {"ilsvrc folder", pictures_destroy, pictures_fetch,
                                              pictures_describe, NULL};

/* The folder of a name's validation pictures, freed with free(): val/ in it, or itself; NULL where
 * they do not lie side by side. */
static char *find_pictures(const char *name) {
    char *inner = an_path_join(name, "val");
    char *folders[] = {inner, an_string_copy(name)}, *found = NULL;
    for (int i = 0; i < 2; i++) {
        char *first = folders[i] ? an_path_join(folders[i], FIRST) : NULL;
        if (!found && first && an_is_file(first))
            found = folders[i];
        else
            free(folders[i]);
        free(first);
    }
    return found;
}

/* The kit of the pictures in a folder, freed with free(): beside them, or up to two folders above;
 * NULL where there is none. */
static char *find_kit(const char *folder) {
    static const char *const places[] = {".", "..", "../.."};
    char *found = NULL;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        char *place = an_path_join(folder, places[i]);
        found = place ? an_devkit_in(place, YEAR) : NULL;
        free(place);
    }
    return found;
}

static int compare_numbers(const void *a, const void *b) {
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The numbers of the pictures in a folder, ascending. */
static alexnet_status list_numbers(const char *folder, const an_devkit *kit, uint32_t **out,
                                   size_t *count, alexnet_error *error) {
    size_t capacity = 0;
    alexnet_status status = ALEXNET_OK;
    DIR *stream = opendir(folder);
    *out = NULL;
    *count = 0;
    if (!stream)
        return an_fail(error, ALEXNET_IO, "%s: this folder cannot be read: %s", folder,
                       strerror(errno));
    for (const struct dirent *found; status == ALEXNET_OK && (found = readdir(stream));) {
        if (!an_image_has_name(found->d_name))
            continue;
        const size_t number = an_devkit_picture(found->d_name, YEAR);
        if (number < 1 || number > kit->truth_count)
            status = an_fail(error, ALEXNET_MISMATCH,
                             "%s/%s: is none of the %zu pictures that the development kit has "
                             "classes for",
                             folder, found->d_name, kit->truth_count);
        else if (!an_grow((void **)out, &capacity, *count + 1, sizeof **out))
            status =
                an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to list its pictures", folder);
        else
            (*out)[(*count)++] = (uint32_t)number;
    }
    closedir(stream);
    if (*count > 0)
        qsort(*out, *count, sizeof **out, compare_numbers);
    return status;
}

static alexnet_status read_kit(const char *folder, an_devkit *kit, alexnet_error *error) {
    char *path = find_kit(folder);
    if (!path) {
        (void)an_fail(error, ALEXNET_IO,
                      "%s: what its pictures show is told by the development kit, ILSVRC%d_devkit"
                      "..., which is to lie beside them or a folder above; or sort them into "
                      "class folders",
                      folder, YEAR);
        return ALEXNET_IO; /* a constant, so that the analyser sees what is not used then */
    }
    const alexnet_status status = an_devkit_read(path, YEAR, kit, error);
    free(path);
    return status;
}

/* Opens the validation pictures; takes `folder` over. */
static alexnet_status open_pictures(char *folder, an_dataset **out, alexnet_error *error) {
    an_devkit kit = {0};
    alexnet_status status;
    pictures *self = calloc(1, sizeof *self);
    if (!self) {
        free(folder);
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to open a data set");
    }
    size_t count = 0;
    self->folder = folder;
    self->base.kind = &pictures_kind;
    AN_TRY_CLEANUP(read_kit(folder, &kit, error));
    AN_TRY_CLEANUP(list_numbers(folder, &kit, &self->numbers, &count, error));
    AN_TRY_CLEANUP(
        an_dataset_begin(&self->base, &pictures_kind, folder, count, kit.classes, error));
    for (size_t i = 0; i < count; i++)
        self->base.labels[i] = kit.truth[self->numbers[i] - 1];
    an_devkit_name(&kit, &self->base);
    *out = &self->base;
cleanup:
    an_devkit_free(&kit);
    if (status != ALEXNET_OK)
        an_dataset_close(&self->base);
    return status;
}

/* Gives the class folders the names that people know, where there is a kit that can be read; they
 * have to be the kit's classes. `folder`: the validation pictures'. */
static alexnet_status name_classes(const char *folder, an_dataset *dataset, alexnet_error *error) {
    an_devkit kit = {0};
    char *path = find_kit(folder);
    alexnet_status status = path ? an_devkit_read(path, YEAR, &kit, error) : ALEXNET_UNSUPPORTED;
    free(path);
    if (status == ALEXNET_UNSUPPORTED)
        return ALEXNET_OK;
    for (int i = 0; status == ALEXNET_OK && i < dataset->classes; i++)
        if (dataset->classes != kit.classes || strcmp(dataset->class_names[i], kit.wnids[i]) != 0)
            status = an_fail(error, ALEXNET_MISMATCH,
                             "%s: its %d class folders are not the %d classes of the development "
                             "kit, whose validation pictures lie in %s; unpack all classes, or "
                             "sort the validation pictures into class folders",
                             dataset->name, dataset->classes, kit.classes, folder);
    if (status == ALEXNET_OK)
        an_devkit_name(&kit, dataset);
    an_devkit_free(&kit);
    return status;
}

static alexnet_status ilsvrc_folder_open(const char *name, an_split split, uint64_t seed,
                                         an_dataset **out, alexnet_error *error) {
    *out = NULL;
    char *train = an_path_join(name, "train"), *folder = find_pictures(name);
    alexnet_status status;
    if (!folder || !train)
        status = an_fail(error, ALEXNET_IO, "%s: holds no pictures of ILSVRC any more", name);
    else if (split == AN_SPLIT_HELD_OUT || !an_is_folder(train)) {
        status = open_pictures(folder, out, error);
        folder = NULL;
    } else {
        status = an_folder_source.open(train, split, seed, out, error);
        if (status == ALEXNET_OK)
            status = name_classes(folder, *out, error);
        if (status != ALEXNET_OK) {
            an_dataset_close(*out);
            *out = NULL;
        }
    }
    free(train);
    free(folder);
    return status;
}

static bool ilsvrc_folder_recognise(const char *name) {
    char *folder = find_pictures(name);
    free(folder);
    return folder != NULL;
}

static bool ilsvrc_folder_has_held_out(const char *name) {
    char *train = an_path_join(name, "train");
    const bool has = train && an_is_folder(train) && ilsvrc_folder_recognise(name);
    free(train);
    return has;
}

const an_dataset_source an_ilsvrc_folder_source = {ilsvrc_folder_recognise,
                                                   ilsvrc_folder_has_held_out, ilsvrc_folder_open};
