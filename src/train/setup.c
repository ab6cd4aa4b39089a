#include "train/setup.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/threads.h"

/* --- settings ------------------------------------------------------------------------------ */

an_train_settings an_train_defaults(void) {
    return (an_train_settings){
        .epochs = 90,
        .batch = 128,
        .schedule =
            {.kind = AN_SCHEDULE_PLATEAU, .base = 0.01, .factor = 0.1, .every = 30, .patience = 3},
        .momentum = 0.9,
        .weight_decay = 0.0005,
        .bias_rate = 1,
        .bias_decay = 1,
        .augment = true,
        .max_broken = 0.1,
        .log_steps = 10,
    };
}

static alexnet_status check_range(const char *name, double value, double least, double most,
                                  alexnet_error *error) {
    if (value >= least && value <= most)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_INVALID, "%s %g: it must be between %g and %g", name, value,
                   least, most);
}

alexnet_status an_setup_check(const an_train_settings *settings, alexnet_error *error) {
    const an_schedule *schedule = &settings->schedule;
    if (!settings->data)
        return an_fail(error, ALEXNET_INVALID, "no data set was named to learn from");
    AN_TRY(check_range("epochs", settings->epochs, 1, 1e6, error));
    AN_TRY(check_range("batch", settings->batch, 1, 65536, error));
    AN_TRY(check_range("classes", settings->classes, 0, AN_MAX_CLASSES, error));
    AN_TRY(check_range("steps between two log lines", (double)settings->log_steps, 1, 1e18, error));
    AN_TRY(check_range("learning rate", schedule->base, 0, 1e6, error));
    AN_TRY(check_range("momentum", settings->momentum, 0, 0.99999, error));
    AN_TRY(check_range("weight decay", settings->weight_decay, 0, 1e6, error));
    AN_TRY(check_range("bias rate", settings->bias_rate, 0, 1e6, error));
    AN_TRY(check_range("bias decay", settings->bias_decay, 0, 1e6, error));
    AN_TRY(check_range("schedule's factor", schedule->factor, 0, 1, error));
    if (schedule->kind == AN_SCHEDULE_STEP)
        AN_TRY(check_range("epochs between two steps of the schedule", schedule->every, 1e-6, 1e9,
                           error));
    if (schedule->kind == AN_SCHEDULE_PLATEAU)
        AN_TRY(check_range("patience", schedule->patience, 1, 1e6, error));
    if (!(schedule->warmup >= 0 && schedule->warmup < settings->epochs))
        return an_fail(error, ALEXNET_INVALID,
                       "a warm-up of %g epochs does not fit into a run of %d; make it shorter",
                       schedule->warmup, settings->epochs);
    return ALEXNET_OK;
}

/* --- data ---------------------------------------------------------------------------------- */

/* Both parts must have the same classes, or their labels would not mean the same. */
static alexnet_status check_classes(const an_dataset *data, const an_dataset *held_out,
                                    alexnet_error *error) {
    if (data->classes != held_out->classes)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s has %d classes, but %s, to validate on, has %d; they must be the same",
                       data->name, data->classes, held_out->name, held_out->classes);
    for (int i = 0; i < data->classes; i++)
        if (strcmp(data->class_names[i], held_out->class_names[i]) != 0)
            return an_fail(error, ALEXNET_MISMATCH,
                           "class %d of %s is '%s', but of %s, to validate on, it is '%s'; they "
                           "must be the same",
                           i, data->name, data->class_names[i], held_out->name,
                           held_out->class_names[i]);
    return ALEXNET_OK;
}

alexnet_status an_setup_data(const an_train_settings *settings, an_setup *out,
                             alexnet_error *error) {
    AN_TRY(an_dataset_open(settings->data, AN_SPLIT_TRAIN, settings->seed, &out->data, error));
    const char *validation = settings->validation;
    if (!validation && an_dataset_has_held_out(settings->data))
        validation = settings->data;
    if (validation && !settings->overfit_batch) {
        AN_TRY(
            an_dataset_open(validation, AN_SPLIT_HELD_OUT, settings->seed, &out->held_out, error));
        AN_TRY(check_classes(out->data, out->held_out, error));
    }
    return ALEXNET_OK;
}

/* --- network and weights ------------------------------------------------------------------- */

/*
 * Makes the weights of a file begin those of `network`, which may differ from the file's in its
 * number of classes: then the last layer begins anew, in memory to be freed with an_free(*fresh).
 */
static alexnet_status adapt(an_weights_file *file, const an_network *network, uint64_t seed,
                            float **fresh, alexnet_error *error) {
    const an_network *from = &file->network;
    const int last = network->layer_count - 1;
    size_t floats = 0;
    for (int i = 0; i < network->parameter_count; i++) {
        if (network->parameters[i].layer == last)
            floats += network->parameters[i].count;
        else if (network->parameters[i].count != from->parameters[i].count)
            return an_fail(error, ALEXNET_MISMATCH,
                           "%s: its %s does not fit an input of %d x %d pixels; it is for %d",
                           file->file.path, network->parameters[i].name, network->input_size,
                           network->input_size, from->input_size);
    }
    if (network->classes != from->classes) {
        void *block;
        AN_TRY(an_alloc(&block, floats, sizeof(float), "the last layer", error));
        *fresh = block;
        float *next = *fresh;
        for (int i = 0; i < network->parameter_count; i++)
            if (network->parameters[i].layer == last) {
                an_initialise_parameter(network, i, seed, next);
                file->weights.tensor[i] = next;
                next += network->parameters[i].count;
            }
    }
    return ALEXNET_OK;
}

static alexnet_status make_plan(const an_train_settings *settings, const an_network *network,
                                an_setup *out, alexnet_error *error) {
    const an_plan_options options = {.batch = settings->batch,
                                     .training = true,
                                     .precision = settings->precision,
                                     .threads = settings->threads};
    return an_plan_create(out->backend, network, &options, &out->plan, error);
}

static alexnet_status build_network(const an_train_settings *settings, const an_arch *arch,
                                    int input_size, const an_setup *setup, an_network *network,
                                    alexnet_error *error) {
    return an_network_build(arch, setup->data->classes,
                            settings->input_size ? settings->input_size : input_size, network,
                            error);
}

/* From a checkpoint: weights, momentum and where the run stands. */
static alexnet_status load_last(const an_train_settings *settings, const an_arch *arch,
                                const char *last, an_setup *out, an_train_state *state,
                                alexnet_error *error) {
    an_network network;
    an_weights_file file = {0};
    AN_TRY(build_network(settings, arch, 0, out, &network, error));
    AN_TRY(an_weights_open_network(last, &network, &file, error));
    alexnet_status status = ALEXNET_OK;
    AN_TRY_CLEANUP(an_checkpoint_state(&file, state, error));
    AN_TRY_CLEANUP(make_plan(settings, &network, out, error));
    AN_TRY_CLEANUP(an_checkpoint_load(&file, out->plan, error));
    out->preprocess = file.preprocess;

cleanup:
    an_weights_close(&file);
    return status;
}

/* From trained weights, for another task. */
static alexnet_status load_trained(const an_train_settings *settings, an_setup *out,
                                   alexnet_error *error) {
    an_network network;
    an_weights_file file = {0};
    float *fresh = NULL;
    AN_TRY(an_weights_open(settings->weights, settings->arch, &file, error));
    alexnet_status status = ALEXNET_OK;
    AN_TRY_CLEANUP(
        build_network(settings, file.network.arch, file.network.input_size, out, &network, error));
    AN_TRY_CLEANUP(adapt(&file, &network, settings->seed, &fresh, error));
    AN_TRY_CLEANUP(make_plan(settings, &network, out, error));
    AN_TRY_CLEANUP(an_plan_load(out->plan, &file.weights, error));
    out->preprocess = network.input_size == file.network.input_size
                          ? file.preprocess
                          : an_network_preprocess(&network);

cleanup:
    an_free(fresh);
    an_weights_close(&file);
    return status;
}

/* From random weights. */
static alexnet_status load_initial(const an_train_settings *settings, const an_arch *arch,
                                   an_setup *out, alexnet_error *error) {
    an_network network;
    an_weights_file initial;
    AN_TRY(build_network(settings, arch, 0, out, &network, error));
    AN_TRY(make_plan(settings, &network, out, error));
    AN_TRY(an_weights_initialise(&network, settings->seed, &initial, error));
    const alexnet_status status = an_plan_load(out->plan, &initial.weights, error);
    out->preprocess = initial.preprocess;
    an_weights_close(&initial);
    return status;
}

static alexnet_status load(const an_train_settings *settings, const an_arch *arch, const char *last,
                           an_setup *out, an_train_state *state, alexnet_error *error) {
    if (!last && settings->weights)
        return load_trained(settings, out, error);
    if (!arch)
        AN_TRY(an_arch_find(settings->arch ? settings->arch : "alexnet", &arch, error));
    return last ? load_last(settings, arch, last, out, state, error)
                : load_initial(settings, arch, out, error);
}

/* --- loaders ------------------------------------------------------------------------------- */

static alexnet_status make_loaders(const an_train_settings *settings, an_setup *out,
                                   alexnet_error *error) {
    an_loader_options options = {.batch = settings->batch,
                                 .workers = settings->workers,
                                 .seed = settings->seed,
                                 .shuffle = true,
                                 .augmentation = settings->augment && !settings->overfit_batch
                                                     ? an_plain_augmentation
                                                     : an_no_augmentation,
                                 .limit = settings->limit,
                                 .max_broken = settings->max_broken};
    AN_TRY(an_loader_create(out->data, &out->preprocess, &options, &out->loader, error));
    out->steps_per_epoch =
        settings->overfit_batch ? AN_OVERFIT_STEPS : an_loader_batches(out->loader);
    if (!out->held_out)
        return ALEXNET_OK;
    options.shuffle = false;
    options.augmentation = an_no_augmentation;
    options.limit = settings->validation_limit;
    return an_loader_create(out->held_out, &out->preprocess, &options, &out->validation, error);
}

/* --- all of it ----------------------------------------------------------------------------- */

alexnet_status an_setup_make(an_train_settings *settings, const an_arch *arch, const char *last,
                             an_setup *out, an_train_state *state, alexnet_error *error) {
    *state = an_train_state_begin();
    if (settings->classes && settings->classes != out->data->classes)
        return an_fail(error, ALEXNET_MISMATCH,
                       "%s: has %d classes, but %d were asked for; leave that out, and the network "
                       "gets as many as there are",
                       out->data->name, out->data->classes, settings->classes);
    AN_TRY(an_backend_find(settings->device ? settings->device : "auto", &out->backend, error));
    AN_TRY(load(settings, arch, last, out, state, error));
    if (settings->workers == 0)
        settings->workers = an_cpu_count();
    AN_TRY(make_loaders(settings, out, error));

    const an_network *network = &out->plan->network;
    settings->arch = network->arch->name;
    settings->classes = network->classes;
    settings->input_size = network->input_size;
    settings->device = out->backend->name;
    settings->threads = out->plan->options.threads;
    settings->schedule.epochs = settings->epochs;
    return ALEXNET_OK;
}

void an_setup_free(an_setup *setup) {
    an_loader_free(setup->loader);
    an_loader_free(setup->validation);
    an_plan_free(setup->plan);
    an_dataset_close(setup->data);
    an_dataset_close(setup->held_out);
    *setup = (an_setup){0};
}
