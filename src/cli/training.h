/* What a training run shows while it goes; used by train and demo. */
#ifndef AN_CLI_TRAINING_H
#define AN_CLI_TRAINING_H

#include "cli/command.h"
#include "train/trainer.h"

typedef struct an_training_view {
    an_display display;
    const char *folder; /* of the run, whose curves are drawn there after each epoch */
    /* Prints the settings that a run really has, a resumed one's too; NULL: nothing. */
    void (*print_settings)(void *context, const an_train_settings *settings);
    void *context;
    bool foretold; /* it has been said when the run will end */
    bool undrawn;  /* ... and that curves cannot be drawn */
} an_training_view;

/* an_train, shown in `view`, which ends with it. INTERRUPTED, with what goes on, where the user
 * stops it. */
alexnet_status an_training_run(an_training_view *view, const an_train_settings *settings,
                               bool resume, an_train_result *result, alexnet_error *error);

/* The result as the contract's JSON; `folder` is the run's. */
json_t *an_training_json(const an_train_result *result, const char *folder);

#endif
