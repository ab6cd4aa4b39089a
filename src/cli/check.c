/* alexnet check: are the gradients right, and do the backends agree? */
#include "backend/check.h"
#include "cli/command.h"
#include "cli/network.h"

typedef struct check_settings {
    an_common common;
    int classes, input_size, samples;
} check_settings;

static const an_option options[] = {AN_OPTION_CLASSES(check_settings, classes),
                                    AN_OPTION_INPUT_SIZE(check_settings, input_size),
                                    {.name = "samples",
                                     .type = AN_OPTION_INT,
                                     .offset = offsetof(check_settings, samples),
                                     .value = "N",
                                     .low = 1,
                                     .high = 1000,
                                     .fallback = "1",
                                     .help = "directions in which each gradient is tried"},
                                    AN_OPTION_BATCH("2", "images in the check"),
                                    {0}};

/* Where the rows go: to the terminal, or into the document. */
typedef struct sheet {
    json_t *rows; /* NULL: print them */
} sheet;

static void report(void *context, const an_check_row *row) {
    const sheet *out = context;
    if (out->rows) {
        json_array_append_new(out->rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:b}",
                                                   "what", row->what, "name", row->name, "expected",
                                                   an_json_number(row->expected), "found",
                                                   an_json_number(row->found), "error",
                                                   an_json_number(row->error), "tolerance",
                                                   an_json_number(row->tolerance), "passed",
                                                   row->passed, "vacuous", row->vacuous));
        return;
    }
    printf("  %-20s %-22s %13.6g %13.6g %9.2g  %s\n", row->what, row->name, row->expected,
           row->found, row->error,
           !row->passed   ? "WRONG"
           : row->vacuous ? "all zero"
                          : "ok");
    fflush(stdout);
}

static void print_heading(const sheet *out, const char *text) {
    if (!out->rows)
        printf("%s\n  %-20s %-22s %13s %13s %9s\n", text, "what", "of", "expected", "found",
               "error");
}

static alexnet_status check(const check_settings *settings, const an_backend *backend,
                            const an_network *network, sheet *out, int *failures,
                            alexnet_error *error) {
    const an_check_options options_ = {.batch = settings->common.batch,
                                       .seed = settings->common.seed,
                                       .threads = settings->common.threads,
                                       .samples = settings->samples,
                                       .precision = (an_precision)settings->common.precision};
    char text[160];
    int wrong = 0;
    snprintf(text, sizeof text, "%s on %s: gradients against finite differences",
             network->arch->name, backend->name);
    print_heading(out, text);
    AN_TRY(an_check_gradients(backend, network, &options_, report, out, &wrong, error));
    *failures += wrong;
    if (backend == &an_backend_reference)
        return ALEXNET_OK;
    snprintf(text, sizeof text, "%s on %s against the reference", network->arch->name,
             backend->name);
    print_heading(out, text);
    AN_TRY(an_check_backend(backend, &an_backend_reference, network, &options_, report, out, &wrong,
                            error));
    *failures += wrong;
    return ALEXNET_OK;
}

static alexnet_status run(void *chosen, char **arguments, int count, alexnet_error *error) {
    const check_settings *settings = chosen;
    const an_backend *backend;
    an_network network;
    int failures = 0;
    (void)arguments;
    (void)count;
    if (settings->common.precision == AN_INT8)
        return an_fail(error, ALEXNET_INVALID,
                       "--precision int8: gradients are checked, and int8, which is for inference, "
                       "has none; leave it out, or choose bf16");
    AN_TRY(an_backend_find(settings->common.device, &backend, error));
    AN_TRY(an_network_chosen(&settings->common, settings->classes, settings->input_size, &network,
                             error));
    sheet out = {.rows = settings->common.json ? json_array() : NULL};
    const alexnet_status status = check(settings, backend, &network, &out, &failures, error);
    if (status != ALEXNET_OK) {
        json_decref(out.rows);
        return status;
    }
    if (out.rows)
        AN_TRY(an_print_json(json_pack("{s:s, s:s, s:i, s:o}", "arch", network.arch->name, "device",
                                       backend->name, "failures", failures, "rows", out.rows),
                             error));
    if (failures > 0)
        return an_fail(error, ALEXNET_BACKEND, "%d comparisons are WRONG", failures);
    return ALEXNET_OK;
}

const an_command an_command_check = {
    .name = "check",
    .arguments = "",
    .title = "check gradients by finite differences, and the devices against each other",
    .text = "Checks that the gradient of every parameter is the derivative of the loss, by moving\n"
            "the parameter a little both ways, and, for any device but the reference, that it\n"
            "computes what the plain C of the reference does: logits, loss, activations and\n"
            "gradients.",
    .examples = "  alexnet check --arch alexnet-paper\n"
                "  alexnet check --device reference --input-size 67 --classes 10",
    .options = options,
    .idle = "progress",
    .size = sizeof(check_settings),
    .run = run,
};
