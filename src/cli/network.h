/* The network that a command's options name. */
#ifndef AN_CLI_NETWORK_H
#define AN_CLI_NETWORK_H

#include "backend/backend.h"
#include "cli/options.h"

/* Rows for commands that can make a network of another size. */
#define AN_OPTION_CLASSES(settings_, member_)                                                      \
    {                                                                                              \
        .name = "classes", .type = AN_OPTION_INT, .offset = offsetof(settings_, member_),          \
        .value = "N", .low = 1, .high = AN_MAX_CLASSES, .unset = "1000, or as in the weights",     \
        .help = "classes to tell apart"                                                            \
    }
#define AN_OPTION_INPUT_SIZE(settings_, member_)                                                   \
    {                                                                                              \
        .name = "input-size", .type = AN_OPTION_INT, .offset = offsetof(settings_, member_),       \
        .value = "PIXELS", .low = 1, .high = 4096, .unset = "the network's own",                   \
        .help = "side of the square input"                                                         \
    }

/* The row of commands whose plans' bits may matter. */
#define AN_OPTION_DETERMINISTIC(settings_, member_)                                                \
    {                                                                                              \
        .name = "deterministic", .type = AN_OPTION_FLAG, .offset = offsetof(settings_, member_),   \
        .help = "the same bits in every run on the same GPU, where that costs speed"               \
    }

/* The row of commands that read pictures. */
#define AN_OPTION_WORKERS(settings_, member_)                                                      \
    {                                                                                              \
        .name = "workers", .type = AN_OPTION_INT, .offset = offsetof(settings_, member_),          \
        .value = "N", .low = 0, .high = 1024, .unset = "every core",                               \
        .help = "threads that read and decode pictures"                                            \
    }

/*
 * Works out the network of --weights, or of --arch with `classes` and `input_size` (0: its own).
 * INVALID where weights and a size are given that are not theirs.
 */
alexnet_status an_network_chosen(const an_common *common, int classes, int input_size,
                                 an_network *out, alexnet_error *error);

/* The plan's options that the common options ask for. */
an_plan_options an_plan_chosen(const an_common *common, bool training);

/* Says on stderr, once, where a plan does not compute in the precision that was asked for. */
void an_precision_report(const an_common *common, const an_plan *plan);

/* Makes of "no such file" a sentence that says where weights come from; returns `status`. */
alexnet_status an_weights_failed(const an_common *common, alexnet_status status,
                                 alexnet_error *error);

/*
 * *out: `weights` where there is such a file or nothing is known by that name, or else what was
 * pulled by that name. Freed with free(). IO, saying how to pull it, where that was not done yet;
 * INVALID for what is known, but no network's weights.
 */
alexnet_status an_weights_path(const char *weights, char **out, alexnet_error *error);

/* INVALID, saying where weights come from, where --weights is not given. */
alexnet_status an_weights_needed(const an_common *common, alexnet_error *error);

#endif
