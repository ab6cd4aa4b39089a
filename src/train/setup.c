#include "train/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/threads.h"
#include "train/colours.h"

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

/* Says whether the last layer was kept, which makes little sense for other classes. */
static void describe_last_layer(const an_weights_file *file, const an_network *network,
                                const an_dataset *data, char *text, size_t size) {
    const char *name = network->layers[network->layer_count - 1].spec.name;
    const bool fits = network->classes == file->network.classes;
    const int other = fits ? an_dataset_other_class(data, file->class_names) : -1;
    if (!fits)
        snprintf(text, size, "%s is new: %d classes instead of %d", name, network->classes,
                 file->network.classes);
    else if (other >= 0)
        snprintf(text, size,
                 "%s is kept, but its classes have other names: class %d was '%.300s', now it is "
                 "'%.300s'",
                 name, other, file->class_names[other], data->class_names[other]);
    else
        snprintf(text, size, "%s is kept: %d classes as before", name, network->classes);
}

static alexnet_status make_plan(const an_train_settings *settings, const an_network *network,
                                an_setup *out, alexnet_error *error) {
    const an_plan_options options = {.batch = settings->batch,
                                     .training = true,
                                     .precision = settings->precision,
                                     .threads = settings->threads,
                                     .deterministic = settings->deterministic};
    AN_TRY(an_plan_create(out->backend, network, &options, &out->plan, error));
    if (settings->ema == 0 && settings->lars == 0 && !settings->layer_stats)
        return ALEXNET_OK;
    size_t largest = 0;
    for (int i = 0; i < network->parameter_count; i++)
        if (network->parameters[i].count > largest)
            largest = network->parameters[i].count;
    void *block;
    AN_TRY(an_alloc(&block, largest, sizeof(float), "a parameter", error));
    out->scratch = block;
    return ALEXNET_OK;
}

static alexnet_status build_network(const an_train_settings *settings, const an_arch *arch,
                                    int input_size, const an_setup *setup, an_network *network,
                                    alexnet_error *error) {
    AN_TRY(an_network_build(arch, setup->data->classes,
                            settings->input_size ? settings->input_size : input_size, network,
                            error));
    if (settings->init == AN_BEGIN_PAPER)
        an_network_begin_as_paper(network);
    return ALEXNET_OK;
}

/* The plan has its weights: the averaged ones begin with them, or with those of a checkpoint. */
static alexnet_status begin_average(const an_train_settings *settings,
                                    const an_weights_file *checkpoint, an_setup *out,
                                    alexnet_error *error) {
    if (settings->ema == 0)
        return ALEXNET_OK;
    AN_TRY(an_average_begin(&out->average, out->plan, settings->ema, out->scratch, error));
    if (!checkpoint)
        return ALEXNET_OK;
    return an_checkpoint_load_average(checkpoint, &out->plan->network, out->average.values, error);
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
    AN_TRY_CLEANUP(begin_average(settings, &file, out, error));
    out->preprocess = file.preprocess;
    out->preprocess.mean_image = NULL; /* the file's; an_colours_apply sets the data set's */

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
    describe_last_layer(&file, &network, out->data, out->last_layer, sizeof out->last_layer);
    AN_TRY_CLEANUP(make_plan(settings, &network, out, error));
    AN_TRY_CLEANUP(an_plan_load(out->plan, &file.weights, error));
    AN_TRY_CLEANUP(begin_average(settings, NULL, out, error));
    out->preprocess = network.input_size == file.network.input_size
                          ? file.preprocess
                          : an_network_preprocess(&network);
    out->preprocess.mean_image = NULL; /* the file's; an_colours_apply sets the data set's */

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
    AN_TRY(status);
    return begin_average(settings, NULL, out, error);
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

static an_loader_options loading(const an_train_settings *settings) {
    return (an_loader_options){.batch = settings->batch,
                               .workers = settings->workers,
                               .seed = settings->seed,
                               .augmentation = an_no_augmentation,
                               .max_broken = settings->max_broken};
}

/* Whether the pictures of a batch are mixed. */
static bool mixes(const an_train_settings *settings) {
    return settings->mixup > 0 && settings->augment && !settings->overfit_batch;
}

static void pin(void *context, void *memory, size_t bytes) {
    an_plan_pin(context, memory, bytes, true);
}

static void unpin(void *context, void *memory, size_t bytes) {
    an_plan_pin(context, memory, bytes, false);
}

/* Frees the loader of the pictures to learn from. */
static void free_loader(an_setup *setup) {
    if (setup->loader)
        an_loader_each_input(setup->loader, unpin, setup->plan);
    an_loader_free(setup->loader);
    setup->loader = NULL;
}

/* The loader of the pictures to learn from, with colour noise times `factor`. */
static alexnet_status make_loader(const an_train_settings *settings, double factor, an_setup *out,
                                  alexnet_error *error) {
    an_loader_options options = loading(settings);
    options.shuffle = true;
    options.shuffle_window = settings->shuffle_window;
    options.shuffle_once = settings->shuffle == AN_SHUFFLE_ONCE;
    options.limit = settings->limit;
    options.augmentation = out->augmentation;
    options.augmentation.noise *= factor;
    /* What is done to whole inputs before the plan has them needs floats. */
    options.pictures =
        an_plan_takes_pictures(out->plan) && !out->preprocess.mean_image && !mixes(settings);
    out->noise = options.augmentation.noise;
    AN_TRY(an_loader_create(out->data, &out->preprocess, &options, &out->loader, error));
    an_loader_each_input(out->loader, pin, out->plan);
    return ALEXNET_OK;
}

static alexnet_status make_loaders(const an_train_settings *settings, an_setup *out,
                                   alexnet_error *error) {
    out->augmentation =
        settings->augment && !settings->overfit_batch ? settings->augmentation : an_no_augmentation;
    AN_TRY(an_colours_apply(settings, out->data, &out->preprocess, &out->augmentation,
                            &out->mean_image, error));
    AN_TRY(make_loader(settings, an_phases_factor(&out->phases, "noise", 0), out, error));
    out->steps_per_epoch =
        settings->overfit_batch ? AN_OVERFIT_STEPS : an_loader_batches(out->loader);
    if (!out->held_out)
        return ALEXNET_OK;
    an_loader_options options = loading(settings);
    options.limit = settings->validation_limit;
    return an_loader_create(out->held_out, &out->preprocess, &options, &out->validation, error);
}

alexnet_status an_setup_epoch(const an_train_settings *settings, uint64_t epoch, an_setup *setup,
                              bool *renewed, alexnet_error *error) {
    const double factor = an_phases_factor(&setup->phases, "noise", (double)epoch);
    *renewed = setup->noise != setup->augmentation.noise * factor;
    if (!*renewed)
        return ALEXNET_OK;
    free_loader(setup);
    return make_loader(settings, factor, setup, error);
}

alexnet_status an_setup_validating(an_setup *setup, an_plan **out, alexnet_error *error) {
    *out = setup->plan;
    if (!setup->average.values)
        return ALEXNET_OK;
    *out = setup->average.plan;
    return an_average_load(&setup->average, error);
}

/* --- all of it ----------------------------------------------------------------------------- */

alexnet_status an_setup_make(an_train_settings *settings, const an_arch *arch, const char *last,
                             an_setup *out, an_train_state *state, alexnet_error *error) {
    *state = an_train_state_begin();
    if (settings->classes && settings->classes != out->data->classes)
        return an_fail(error, ALEXNET_INVALID,
                       "%s: has %d classes, but %d were asked for; leave that out, and the network "
                       "gets as many as there are",
                       out->data->name, out->data->classes, settings->classes);
    out->available = an_available_memory();
    AN_TRY(an_phases_of(settings, &out->phases, error));
    AN_TRY(an_backend_find(settings->device ? settings->device : "auto", &out->backend, error));
    AN_TRY(load(settings, arch, last, out, state, error));
    AN_TRY(an_phases_check(&out->phases, &out->plan->network, error));
    if (settings->workers == 0)
        settings->workers = an_cpu_count();
    AN_TRY(make_loaders(settings, out, error));
    if (mixes(settings)) {
        out->second_labels = calloc((size_t)settings->batch, sizeof *out->second_labels);
        if (!out->second_labels)
            return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a batch's labels");
    }

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
    free_loader(setup);
    an_loader_free(setup->validation);
    an_free(setup->mean_image);
    free(setup->second_labels);
    an_average_free(&setup->average);
    an_free(setup->scratch);
    an_plan_free(setup->plan);
    an_dataset_close(setup->data);
    an_dataset_close(setup->held_out);
    *setup = (an_setup){0};
}
