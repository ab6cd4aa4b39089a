#include "train/settings_json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

typedef enum field_type { TEXT, PATH, INT, SIZE, U64, REAL, BOOL, WORD } field_type;

/* A member of an_train_settings. */
typedef struct field {
    const char *name;
    size_t offset;
    field_type type;
    const char *const *words; /* WORD: what the values of the enumeration are called */
} field;

static const char *const schedules[] = {"constant", "step", "cosine", "plateau", NULL};
static const char *const beginnings[] = {"arch", "paper", NULL};
static const char *const dropouts[] = {"arch", "none", NULL};
static const char *const crops[] = {"centre", "random", "square", "resized", NULL};
static const char *const axes[] = {"published", "data", NULL};
static const char *const means[] = {"arch", "data", "image", NULL};
static const char *const shuffles[] = {"each", "once", NULL};

#define AT(member) offsetof(an_train_settings, member)

static const field fields[] = {
    {"recipe", AT(recipe), TEXT, NULL},
    {"arch", AT(arch), TEXT, NULL},
    {"classes", AT(classes), INT, NULL},
    {"input_size", AT(input_size), INT, NULL},
    {"data", AT(data), PATH, NULL},
    {"validation", AT(validation), PATH, NULL},
    {"limit", AT(limit), SIZE, NULL},
    {"validation_limit", AT(validation_limit), SIZE, NULL},
    {"weights", AT(weights), PATH, NULL},
    {"init", AT(init), WORD, beginnings},
    {"device", AT(device), TEXT, NULL},
    {"precision", AT(precision), WORD, an_precision_names},
    {"threads", AT(threads), INT, NULL},
    {"workers", AT(workers), INT, NULL},
    {"deterministic", AT(deterministic), BOOL, NULL},
    {"seed", AT(seed), U64, NULL},
    {"epochs", AT(epochs), INT, NULL},
    {"batch", AT(batch), INT, NULL},
    {"schedule", AT(schedule.kind), WORD, schedules},
    {"learning_rate", AT(schedule.base), REAL, NULL},
    {"factor", AT(schedule.factor), REAL, NULL},
    {"every", AT(schedule.every), REAL, NULL},
    {"patience", AT(schedule.patience), INT, NULL},
    {"max_drops", AT(schedule.max_drops), INT, NULL},
    {"warmup", AT(schedule.warmup), REAL, NULL},
    {"phases", AT(phases), TEXT, NULL},
    {"freeze", AT(freeze), TEXT, NULL},
    {"momentum", AT(momentum), REAL, NULL},
    {"weight_decay", AT(weight_decay), REAL, NULL},
    {"bias_rate", AT(bias_rate), REAL, NULL},
    {"bias_decay", AT(bias_decay), REAL, NULL},
    {"lars", AT(lars), REAL, NULL},
    {"ema", AT(ema), REAL, NULL},
    {"dropout", AT(dropout), WORD, dropouts},
    {"augment", AT(augment), BOOL, NULL},
    {"crop", AT(augmentation.crop), WORD, crops},
    {"area_low", AT(augmentation.area_low), REAL, NULL},
    {"area_high", AT(augmentation.area_high), REAL, NULL},
    {"aspect", AT(augmentation.aspect), REAL, NULL},
    {"mirror", AT(augmentation.mirror), BOOL, NULL},
    {"shared", AT(augmentation.shared), INT, NULL},
    {"noise", AT(augmentation.noise), REAL, NULL},
    {"noise_axes", AT(noise_axes), WORD, axes},
    {"noise_divides", AT(augmentation.noise_divides), BOOL, NULL},
    {"mixup", AT(mixup), REAL, NULL},
    {"label_smoothing", AT(label_smoothing), REAL, NULL},
    {"mean", AT(mean), WORD, means},
    {"shuffle", AT(shuffle), WORD, shuffles},
    {"shuffle_window", AT(shuffle_window), SIZE, NULL},
    {"overfit_batch", AT(overfit_batch), BOOL, NULL},
    {"max_broken", AT(max_broken), REAL, NULL},
    {"checkpoint_steps", AT(checkpoint_steps), U64, NULL},
    {"log_steps", AT(log_steps), U64, NULL},
    {"layer_stats", AT(layer_stats), BOOL, NULL},
};

enum { field_count = sizeof fields / sizeof *fields };

/* A path that means the same from any folder; names that are none, as `shapes`, stay. */
static json_t *describe_path(const char *path) {
    char *absolute = realpath(path, NULL);
    json_t *value = an_json_string(absolute ? absolute : path);
    free(absolute);
    return value;
}

static json_t *get_field(const field *f, const an_train_settings *settings) {
    const char *at = (const char *)settings + f->offset;
    const char *text;
    int word;
    switch (f->type) {
    case TEXT:
    case PATH:
        memcpy(&text, at, sizeof text);
        if (!text)
            return json_null();
        return f->type == PATH ? describe_path(text) : an_json_string(text);
    case INT:
        return json_integer(*(const int *)(const void *)at);
    case SIZE:
        return json_integer((json_int_t) * (const size_t *)(const void *)at);
    case U64: /* what is above 2^63 becomes negative, and itself again when read */
        return json_integer((json_int_t) * (const uint64_t *)(const void *)at);
    case REAL:
        return json_real(*(const double *)(const void *)at);
    case BOOL:
        return json_boolean(*(const bool *)(const void *)at);
    case WORD:
        break;
    }
    memcpy(&word, at, sizeof word);
    return json_string(f->words[word]);
}

/* False where `value` is not of the field's type. */
static bool set_field(const field *f, const json_t *value, an_train_settings *settings) {
    char *at = (char *)settings + f->offset;
    const json_int_t integer = json_integer_value(value);
    const char *text = json_string_value(value);
    switch (f->type) {
    case TEXT:
    case PATH:
        memcpy(at, &text, sizeof text);
        return text || json_is_null(value);
    case INT:
        *(int *)(void *)at = (int)integer;
        return json_is_integer(value) && integer >= INT_MIN && integer <= INT_MAX;
    case SIZE:
        *(size_t *)(void *)at = (size_t)integer;
        return json_is_integer(value) && integer >= 0;
    case U64:
        *(uint64_t *)(void *)at = (uint64_t)integer;
        return json_is_integer(value);
    case REAL:
        *(double *)(void *)at = json_number_value(value);
        return json_is_number(value);
    case BOOL:
        *(bool *)(void *)at = json_is_true(value);
        return json_is_boolean(value);
    case WORD:
        break;
    }
    for (int word = 0; text && f->words[word]; word++)
        if (strcmp(f->words[word], text) == 0) {
            memcpy(at, &word, sizeof word);
            return true;
        }
    return false;
}

json_t *an_settings_json(const an_train_settings *settings) {
    json_t *object = json_object();
    for (int i = 0; i < field_count; i++)
        json_object_set_new(object, fields[i].name, get_field(&fields[i], settings));
    return object;
}

alexnet_status an_settings_read(const json_t *object, const char *path, an_train_settings *settings,
                                alexnet_error *error) {
    *settings = an_train_defaults();
    if (!json_is_object(object))
        return an_fail(error, ALEXNET_FORMAT, "%s: holds no settings", path);
    for (int i = 0; i < field_count; i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        if (value && !set_field(&fields[i], value, settings))
            return an_fail(error, ALEXNET_FORMAT, "%s: its setting '%s' is not what it should be",
                           path, fields[i].name);
    }
    return ALEXNET_OK;
}
