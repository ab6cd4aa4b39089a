#include "train/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"

/* --- the state as metadata ------------------------------------------------------------------ */

typedef enum field_type { U64, INT, REAL } field_type;

typedef struct field {
    const char *key;
    size_t offset; /* in an_train_state */
    field_type type;
} field;

#define AT(member) offsetof(an_train_state, member)

static const field fields[] = {
    {"train.epoch", AT(epoch), U64},
    {"train.step", AT(step), U64},
    {"train.counted", AT(counted), U64},
    {"train.correct", AT(correct), U64},
    {"train.broken", AT(broken), U64},
    {"train.loss_sum", AT(loss_sum), REAL},
    {"train.smoothed_loss", AT(smoothed_loss), REAL},
    {"train.flat_steps", AT(flat_steps), U64},
    {"train.hinted", AT(hinted), U64},
    {"train.plateau_best", AT(plateau.best), REAL},
    {"train.plateau_bad", AT(plateau.bad), INT},
    {"train.plateau_drops", AT(plateau.drops), INT},
    {"train.train_loss", AT(train_loss), REAL},
    {"train.best_epoch", AT(best_epoch), U64},
    {"train.best_loss", AT(best_loss), REAL},
    {"train.best_val_top1", AT(best_val_top1), REAL},
    {"train.best_val_top5", AT(best_val_top5), REAL},
    {"train.metrics_bytes", AT(metrics_bytes), U64},
    {"train.events_bytes", AT(events_bytes), U64},
};

enum { field_count = sizeof fields / sizeof *fields };

an_train_state an_train_state_begin(void) {
    return (an_train_state){.smoothed_loss = NAN,
                            .plateau = {.best = INFINITY},
                            .train_loss = NAN,
                            .best_loss = INFINITY,
                            .best_val_top1 = NAN,
                            .best_val_top5 = NAN};
}

static void format_field(const field *f, const an_train_state *state, char *text, size_t size) {
    const char *at = (const char *)state + f->offset;
    switch (f->type) {
    case U64:
        snprintf(text, size, "%" PRIu64, *(const uint64_t *)(const void *)at);
        break;
    case INT:
        snprintf(text, size, "%d", *(const int *)(const void *)at);
        break;
    case REAL:
        snprintf(text, size, "%a", *(const double *)(const void *)at);
        break;
    }
}

static bool parse_field(const field *f, const char *text, an_train_state *state) {
    char *at = (char *)state + f->offset, *end = NULL;
    errno = 0;
    if (f->type == REAL) {
        *(double *)(void *)at = strtod(text, &end);
    } else {
        const uint64_t value = strtoumax(text, &end, 10);
        if (text[0] == '-' || (f->type == INT && value > 1000000))
            return false;
        if (f->type == INT)
            *(int *)(void *)at = (int)value;
        else
            *(uint64_t *)(void *)at = value;
    }
    return end != text && *end == '\0' && (f->type == REAL || errno == 0);
}

alexnet_status an_checkpoint_state(const an_weights_file *file, an_train_state *state,
                                   alexnet_error *error) {
    for (int i = 0; i < field_count; i++) {
        const char *text = an_tensor_file_metadata(&file->file, fields[i].key);
        if (!text || !parse_field(&fields[i], text, state))
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: is no checkpoint that training can go on from: its %s is %s",
                           file->file.path, fields[i].key, text ? "not a number" : "missing");
    }
    return ALEXNET_OK;
}

/* --- writing -------------------------------------------------------------------------------- */

/* The kinds of tensors, as they lie one behind the other in a checkpoint. */
enum { WEIGHTS, MOMENTUM, AVERAGE, KINDS };

static const char *const prefixes[KINDS] = {"", "momentum.", "train.average."};

/* Supplies tensor `index`: the parameters, their momentum, their averages. */
static alexnet_status fill(void *context, size_t index, void *out, alexnet_error *error) {
    const an_checkpoint *checkpoint = context;
    const an_network *network = &checkpoint->plan->network;
    float *values = out;
    const size_t parameters = (size_t)network->parameter_count;
    const int i = (int)(index % parameters), kind = (int)(index / parameters);
    const an_parameter *parameter = &network->parameters[i];
    if (kind == AVERAGE)
        memcpy(values, checkpoint->average + parameter->offset, parameter->count * sizeof *values);
    else
        AN_TRY(an_plan_read(checkpoint->plan, kind == WEIGHTS ? AN_PARAMETER : AN_MOMENTUM, i,
                            values, error));
    for (size_t j = 0; j < parameter->count; j++)
        if (!isfinite(values[j]))
            return an_fail(error, ALEXNET_DIVERGED,
                           "training has diverged: %s holds a value that is no number",
                           parameter->name);
    return ALEXNET_OK;
}

typedef char tensor_name[64];

/* Rows for one kind of all parameters; `names` keeps what they are called. */
static void describe_tensors(const an_network *network, int kind, an_tensor_source *tensors,
                             tensor_name *names) {
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        snprintf(names[i], sizeof names[i], "%s%s", prefixes[kind], parameter->name);
        tensors[i] = (an_tensor_source){.name = names[i], .dims = parameter->dims};
        memcpy(tensors[i].shape, parameter->shape, sizeof parameter->shape);
    }
}

alexnet_status an_checkpoint_write(const char *path, const an_checkpoint *checkpoint,
                                   alexnet_error *error) {
    const an_network *network = &checkpoint->plan->network;
    const int kinds = checkpoint->average ? KINDS : AVERAGE;
    const size_t parameters = (size_t)network->parameter_count;
    an_tensor_source tensors[KINDS * AN_MAX_PARAMETERS + 1];
    tensor_name names[KINDS * AN_MAX_PARAMETERS];
    size_t tensor_count = (size_t)kinds * parameters;
    for (int kind = 0; kind < kinds; kind++)
        describe_tensors(network, kind, tensors + (size_t)kind * parameters,
                         names + (size_t)kind * parameters);
    if (checkpoint->preprocess->mean_image)
        tensors[tensor_count++] = an_mean_image_source(checkpoint->preprocess);

    an_checkpoint filling = *checkpoint;
    an_metadata *metadata;
    size_t count;
    AN_TRY(an_weights_metadata(network, checkpoint->preprocess, checkpoint->class_names, &metadata,
                               &count, error));
    alexnet_status status = ALEXNET_OK;
    for (int i = 0; i < field_count; i++) {
        char text[64];
        format_field(&fields[i], checkpoint->state, text, sizeof text);
        AN_TRY_CLEANUP(an_metadata_add(&metadata, &count, fields[i].key, text, error));
    }
    status =
        an_safetensors_write(path, tensors, tensor_count, metadata, count, fill, &filling, error);

cleanup:
    an_metadata_free(metadata, count);
    return status;
}

alexnet_status an_checkpoint_write_average(const char *path, const an_checkpoint *checkpoint,
                                           alexnet_error *error) {
    const an_network *network = &checkpoint->plan->network;
    an_tensor_source tensors[AN_MAX_PARAMETERS + 1];
    tensor_name names[AN_MAX_PARAMETERS];
    size_t tensor_count = (size_t)network->parameter_count;
    an_metadata *metadata;
    size_t count;
    describe_tensors(network, WEIGHTS, tensors, names);
    if (checkpoint->preprocess->mean_image)
        tensors[tensor_count++] = an_mean_image_source(checkpoint->preprocess);
    for (int i = 0; i < network->parameter_count; i++)
        tensors[i].values = checkpoint->average + network->parameters[i].offset;
    AN_TRY(an_weights_metadata(network, checkpoint->preprocess, checkpoint->class_names, &metadata,
                               &count, error));
    const alexnet_status status =
        an_safetensors_write(path, tensors, tensor_count, metadata, count, NULL, NULL, error);
    an_metadata_free(metadata, count);
    return status;
}

/* --- loading -------------------------------------------------------------------------------- */

/* The values of a parameter's tensor of this kind, in the mapped file; NULL, and FORMAT in `error`,
 * where it is not what it should be. */
static const float *find(const an_weights_file *file, const an_parameter *parameter, int kind,
                         alexnet_error *error) {
    tensor_name name;
    snprintf(name, sizeof name, "%s%s", prefixes[kind], parameter->name);
    const an_file_tensor *tensor = an_tensor_find(&file->file, name);
    if (tensor && strcmp(tensor->dtype, "F32") == 0 &&
        tensor->size == parameter->count * sizeof(float) &&
        (uintptr_t)tensor->bytes % _Alignof(float) == 0)
        return (const float *)(const void *)tensor->bytes;
    (void)an_fail(error, ALEXNET_FORMAT,
                  "%s: is no checkpoint that training can go on from: its %s is %s",
                  file->file.path, name, tensor ? "not what it should be" : "missing");
    return NULL;
}

alexnet_status an_checkpoint_load(const an_weights_file *file, an_plan *plan,
                                  alexnet_error *error) {
    AN_TRY(an_plan_load(plan, &file->weights, error));
    for (int i = 0; i < plan->network.parameter_count; i++) {
        const float *values = find(file, &plan->network.parameters[i], MOMENTUM, error);
        if (!values)
            return ALEXNET_FORMAT;
        AN_TRY(an_plan_write_momentum(plan, i, values, error));
    }
    return ALEXNET_OK;
}

alexnet_status an_checkpoint_load_average(const an_weights_file *file, const an_network *network,
                                          float *average, alexnet_error *error) {
    for (int i = 0; i < network->parameter_count; i++) {
        const an_parameter *parameter = &network->parameters[i];
        const float *values = find(file, parameter, AVERAGE, error);
        if (!values)
            return ALEXNET_FORMAT;
        memcpy(average + parameter->offset, values, parameter->count * sizeof *values);
    }
    return ALEXNET_OK;
}
