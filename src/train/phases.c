#include "train/phases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is not a layer. */
static const char *const general[] = {"lr", "weights", "biases", "noise"};

static alexnet_status not_understood(const char *text, size_t length, alexnet_error *error) {
    return an_fail(error, ALEXNET_INVALID,
                   "phases: '%.*s' cannot be understood; a change is EPOCH:WHAT=FACTOR, as in "
                   "25:lr=0.1, the last one may be EPOCH:end, and their epochs ascend",
                   (int)(length < 80 ? length : 80), text);
}

static alexnet_status add(an_phases *phases, double epoch, const char *what, size_t length,
                          double factor, alexnet_error *error) {
    if (phases->count == AN_MAX_CHANGES)
        return an_fail(error, ALEXNET_INVALID, "phases: there can be at most %d changes",
                       AN_MAX_CHANGES);
    if (length == 0 || length >= AN_CHANGE_NAME)
        return not_understood(what, length, error);
    an_change *change = &phases->changes[phases->count++];
    *change = (an_change){.epoch = epoch, .factor = factor};
    memcpy(change->what, what, length);
    return ALEXNET_OK;
}

/* "WHAT=FACTOR,WHAT=FACTOR", `length` characters. */
static alexnet_status parse_changes(an_phases *phases, double epoch, const char *text,
                                    size_t length, alexnet_error *error) {
    const char *const end = text + length;
    while (text < end) {
        const size_t span = strcspn(text, "=");
        char *after = NULL;
        if (text + span >= end)
            return not_understood(text, (size_t)(end - text), error);
        const double factor = strtod(text + span + 1, &after);
        if (after == text + span + 1 || after > end ||
            (after < end && (*after != ',' || after + 1 == end)) || !(factor >= 0 && factor <= 1e6))
            return not_understood(text, (size_t)(end - text), error);
        AN_TRY(add(phases, epoch, text, span, factor, error));
        text = after + (after < end);
    }
    return ALEXNET_OK;
}

/* Adds the changes of a text, and finds the length of the run that it is for; 0: it does not say.
 */
static alexnet_status parse(an_phases *phases, const char *text, double *length,
                            alexnet_error *error) {
    double before = 0;
    *length = 0;
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        const size_t span = strcspn(text, " ");
        char *after = NULL;
        const double epoch = strtod(text, &after);
        if (after == text || *after != ':' || after + 1 >= text + span || *length > 0 ||
            !(epoch >= before && epoch <= 1e6))
            return not_understood(text, span, error);
        after++;
        if ((size_t)(text + span - after) == strlen("end") && strncmp(after, "end", 3) == 0 &&
            epoch > 0)
            *length = epoch;
        else
            AN_TRY(parse_changes(phases, epoch, after, (size_t)(text + span - after), error));
        before = epoch;
        text += span;
    }
    return ALEXNET_OK;
}

/* "conv1,conv2": as many changes to 0 from the beginning on. */
static alexnet_status freeze(an_phases *phases, const char *layers, alexnet_error *error) {
    while (*layers) {
        const size_t span = strcspn(layers, ",");
        if (span == 0)
            return an_fail(error, ALEXNET_INVALID,
                           "layers to freeze: '%.80s' must begin with a layer's name; they are "
                           "apart by commas, as in conv1,conv2",
                           layers);
        AN_TRY(add(phases, 0, layers, span, 0, error));
        layers += span + (layers[span] == ',');
    }
    return ALEXNET_OK;
}

alexnet_status an_phases_of(const an_train_settings *settings, an_phases *out,
                            alexnet_error *error) {
    double length = 0;
    *out = (an_phases){0};
    if (settings->freeze)
        AN_TRY(freeze(out, settings->freeze, error));
    if (settings->phases)
        AN_TRY(parse(out, settings->phases, &length, error));
    for (int i = 0; i < out->count && length > 0; i++)
        out->changes[i].epoch *= settings->epochs / length;
    return ALEXNET_OK;
}

static bool is_general(const char *what) {
    for (size_t i = 0; i < sizeof general / sizeof *general; i++)
        if (strcmp(what, general[i]) == 0)
            return true;
    return false;
}

/* Whether `what` is "LAYER", or "LAYER.weight" or "LAYER.bias" of the parameter's kind. */
static bool concerns(const char *what, const an_network *network, int parameter) {
    const an_parameter *p = &network->parameters[parameter];
    const char *layer = network->layers[p->layer].spec.name;
    const size_t length = strlen(layer);
    if (strncmp(what, layer, length) != 0)
        return false;
    return what[length] == '\0' || strcmp(what + length, p->is_bias ? ".bias" : ".weight") == 0;
}

alexnet_status an_phases_check(const an_phases *phases, const an_network *network,
                               alexnet_error *error) {
    for (int i = 0; i < phases->count; i++) {
        bool known = is_general(phases->changes[i].what);
        for (int p = 0; p < network->parameter_count && !known; p++)
            known = concerns(phases->changes[i].what, network, p);
        if (!known)
            return an_fail(error, ALEXNET_INVALID,
                           "'%s' is no layer of %s that learns; those are called as in %s, and lr, "
                           "weights, biases and noise can change, too",
                           phases->changes[i].what, network->arch->name,
                           network->layers[network->parameters[0].layer].spec.name);
    }
    return ALEXNET_OK;
}

double an_phases_factor(const an_phases *phases, const char *what, double epoch) {
    double factor = 1;
    for (int i = 0; i < phases->count; i++)
        if (phases->changes[i].epoch <= epoch && strcmp(phases->changes[i].what, what) == 0)
            factor = phases->changes[i].factor;
    return factor;
}

double an_phases_rate(const an_phases *phases, const an_network *network, int parameter,
                      double epoch) {
    const an_parameter *p = &network->parameters[parameter];
    const char *layer = network->layers[p->layer].spec.name;
    char name[AN_CHANGE_NAME];
    snprintf(name, sizeof name, "%s.%s", layer, p->is_bias ? "bias" : "weight");
    return an_phases_factor(phases, "lr", epoch) *
           an_phases_factor(phases, p->is_bias ? "biases" : "weights", epoch) *
           an_phases_factor(phases, layer, epoch) * an_phases_factor(phases, name, epoch);
}
