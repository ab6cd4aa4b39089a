/*
 * Phases: what changes in the course of a run beside what the schedule does, as data.
 *
 * A text of changes apart by spaces, each "EPOCH:WHAT=FACTOR", or "EPOCH:WHAT=FACTOR,WHAT=FACTOR".
 * From EPOCH on (0: from the beginning; it may be a fraction), FACTOR multiplies
 *
 *     lr            the learning rate of all parameters
 *     weights       ... of all weights
 *     biases        ... of all biases
 *     LAYER         ... of one layer, "conv1"; 0 freezes it
 *     LAYER.weight  ... of its weights, LAYER.bias its biases
 *     noise         the colour noise, from the first epoch that begins then
 *
 * until a later change of the same thing. Factors of different things multiply each other. A last
 * "EPOCH:end" says for how long a run the text is written: in one of another length, the epochs are
 * stretched or shortened in proportion.
 *
 * Net #145: "25:weights=0.1 51:weights=0.01 67:conv1.weight=0.1,noise=0 72:conv1=0
 * 79:weights=0.001 91:end".
 */
#ifndef AN_TRAIN_PHASES_H
#define AN_TRAIN_PHASES_H

#include "train/settings.h"

enum { AN_MAX_CHANGES = 64, AN_CHANGE_NAME = 40 };

typedef struct an_change {
    double epoch;
    char what[AN_CHANGE_NAME];
    double factor;
} an_change;

/* The changes in the order of their epochs; a plain value. */
typedef struct an_phases {
    an_change changes[AN_MAX_CHANGES];
    int count;
} an_phases;

/* The changes that `phases` and `freeze` of the settings ask for, for a run of their length.
 * INVALID, with the change, where one cannot be understood. */
alexnet_status an_phases_of(const an_train_settings *settings, an_phases *out,
                            alexnet_error *error);

/* INVALID where a change is of a layer that the network does not have, or that does not learn. */
alexnet_status an_phases_check(const an_phases *phases, const an_network *network,
                               alexnet_error *error);

/* The factor of "lr", "weights", "noise", ... at a time in epochs. */
double an_phases_factor(const an_phases *phases, const char *what, double epoch);

/* The factor of a parameter's learning rate. */
double an_phases_rate(const an_phases *phases, const an_network *network, int parameter,
                      double epoch);

#endif
