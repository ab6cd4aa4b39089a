#include "command.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "testing.h"

static outcome last;
static char folder[64];

void enter_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/alexnet-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
}

void leave_folder(void) {
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(system(line), 0);
    free(last.out);
    free(last.err);
    last = (outcome){0};
}

char *read_text(const char *path) {
    uint8_t *bytes;
    size_t size;
    assert_ok(an_read_file(path, 1 << 26, &bytes, &size, error));
    char *text = realloc(bytes, size + 1);
    assert_non_null(text);
    text[size] = '\0';
    return text;
}

void write_text(const char *path, const char *text) {
    assert_ok(an_write_file(path, text, strlen(text), error));
}

static const outcome *run(const char *arguments) {
    char line[4096];
    snprintf(line, sizeof line, "'%s' %s >stdout.txt 2>stderr.txt </dev/null", ALEXNET_COMMAND,
             arguments);
    const int status = system(line);
    free(last.out);
    free(last.err);
    last.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    last.out = read_text("stdout.txt");
    last.err = read_text("stderr.txt");
    return &last;
}

const outcome *alexnet(const char *format, ...) {
    char arguments[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    return run(arguments);
}

void expect(int code, const char *part, const char *arguments) {
    const outcome *got = run(arguments);
    if (got->code != code || !strstr(got->err, part))
        fail_msg("alexnet %s: exit code %d (expected %d), stderr (expected \"%s\"):\n%s", arguments,
                 got->code, code, part, got->err);
}

json_t *document(const char *format, ...) {
    char arguments[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    const outcome *got = alexnet("%s --json", arguments);
    json_error_t error;
    json_t *json = json_loads(got->out, 0, &error); /* refuses anything behind the document */
    if (got->code != 0 || !json)
        fail_msg("alexnet %s: exit code %d, %s\n%s%s", arguments, got->code, json ? "" : error.text,
                 got->out, got->err);
    return json;
}

json_t *value(json_t *json, const char *name) {
    json_t *found = json_object_get(json, name);
    if (!found)
        fail_msg("the document has no \"%s\"", name);
    return found;
}

void write_weights(const char *path, int input_size, int classes) {
    const an_arch *arch;
    an_network network;
    an_weights_file file;
    an_metadata *metadata;
    size_t count;
    an_tensor_source sources[AN_MAX_PARAMETERS] = {0};
    assert_ok(an_arch_find("alexnet", &arch, error));
    assert_ok(an_network_build(arch, classes, input_size, &network, error));
    assert_ok(an_weights_initialise(&network, 1, &file, error));
    const an_preprocess preprocess = an_network_preprocess(&network);
    assert_ok(an_weights_metadata(&network, &preprocess, NULL, &metadata, &count, error));
    for (int i = 0; i < network.parameter_count; i++) {
        const an_parameter *parameter = &network.parameters[i];
        sources[i].name = parameter->name;
        sources[i].dims = parameter->dims;
        memcpy(sources[i].shape, parameter->shape, sizeof parameter->shape);
        sources[i].values = file.weights.tensor[i];
    }
    assert_ok(an_safetensors_write(path, sources, (size_t)network.parameter_count, metadata, count,
                                   NULL, NULL, error));
    an_metadata_free(metadata, count);
    an_weights_close(&file);
}

void write_picture(const char *path, int width, int height) {
    const size_t size = 3 * (size_t)width * (size_t)height;
    char *bytes = malloc(size + 64);
    assert_non_null(bytes);
    const int used = snprintf(bytes, 64, "P6\n%d %d\n255\n", width, height);
    for (size_t i = 0; i < size; i++)
        bytes[(size_t)used + i] = (char)(i * i / 7);
    assert_ok(an_write_file(path, bytes, (size_t)used + size, error));
    free(bytes);
}
