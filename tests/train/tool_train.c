/*
 * For events.py: tool_train FOLDER trains the small network, with everything that a run can have,
 * on pictures that it writes to FOLDER/data, into FOLDER/run; begun before, it goes on.
 */
#include <stdlib.h>

#include "core/file.h"
#include "fixture.h"

int main(int argc, char **argv) {
    char data[512], run[512], description[600];
    if (argc != 2)
        return 2;
    snprintf(data, sizeof data, "%s/data", argv[1]);
    snprintf(run, sizeof run, "%s/run", argv[1]);
    snprintf(description, sizeof description, "%s/run.json", run);
    const bool resume = an_is_file(description);
    if (!resume)
        write_data(data);
    an_train_settings settings = rich_settings();
    const an_train_settings none = no_settings();
    settings.data = data;
    settings.epochs = 6;
    settings.log_steps = 2;
    settings.checkpoint_steps = 2;
    an_train_result result;
    alexnet_error error = {0};
    const alexnet_status status =
        an_train_arch(&tiny_arch, resume ? &none : &settings, run, resume, NULL, &result, &error);
    if (status != ALEXNET_OK)
        fprintf(stderr, "%s\n", error.message);
    return status != ALEXNET_OK;
}
