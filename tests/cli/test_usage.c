/* Help for everything, and wrong usage: a sentence on stderr, nothing on stdout, exit code 2. */
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "testing.h"

/* Calls `each` with the name of every command that --help lists. */
static void each_command(void (*each)(const char *name)) {
    char *help = strdup(alexnet("--help")->out);
    assert_non_null(help);
    char *line = strstr(help, "Commands:\n");
    assert_non_null(line);
    int count = 0;
    for (line = strtok(line + strlen("Commands:\n"), "\n"); line && line[0] == ' ';
         line = strtok(NULL, "\n")) {
        char name[32];
        assert_int_equal(sscanf(line, " %31s", name), 1);
        each(name);
        count++;
    }
    assert_true(count >= 8);
    free(help);
}

static void has_help(const char *name) {
    char usage[64];
    snprintf(usage, sizeof usage, "usage: alexnet %s [options]", name);
    const outcome *got = alexnet("%s --help", name);
    assert_int_equal(got->code, 0);
    assert_string_equal(got->err, "");
    assert_ptr_equal(strstr(got->out, usage), got->out);
    assert_non_null(strstr(got->out, "--help"));
    static const char word[] = "default:";
    for (const char *at = got->out; (at = strstr(at, word)); at += strlen(word))
        assert_non_null(strchr(" \n", at[strlen(word)])); /* lines are broken between words */
}

static void refuses_nonsense(const char *name) {
    char arguments[64];
    snprintf(arguments, sizeof arguments, "%s --thraeds 2", name);
    expect(2, "did you mean --threads?", arguments);
    assert_string_equal(alexnet("%s", arguments)->out, "");
    snprintf(arguments, sizeof arguments, "%s --threads", name);
    expect(2, "--threads needs a value", arguments);
    snprintf(arguments, sizeof arguments, "%s --json=yes", name);
    expect(2, "--json takes no value", arguments);
    snprintf(arguments, sizeof arguments, "%s --device gpu", name);
    expect(2, "one of auto|cpu|cuda|reference; did you mean cuda?", arguments);
}

/* Reads "low to high" out of a line of help such as "--batch N  images (1 to 65536; ...". */
static void refuses_out_of_range(const char *name) {
    char *help = strdup(alexnet("%s --help", name)->out);
    assert_non_null(help);
    for (char *c = help; *c; c++)
        if (*c == '\n' && strncmp(c + 1, "  --", 4) != 0 && c[1] == ' ')
            *c = ' '; /* one line for each option */
    char *next = help;
    for (char *line = strsep(&next, "\n"); line; line = strsep(&next, "\n")) {
        char option[64], arguments[256], part[128];
        double low, high;
        char *range = strrchr(line, '(');
        if (sscanf(line, " --%63s", option) != 1 || !range)
            continue;
        if (sscanf(range, "(%lf to %lf", &low, &high) == 2) {
            snprintf(part, sizeof part, "it must be %.15g to %.15g", low, high);
            snprintf(arguments, sizeof arguments, "%s --%s %.15g", name, option, high + 1);
            expect(2, part, arguments);
            snprintf(arguments, sizeof arguments, "%s --%s=-1e3", name, option);
            const outcome *got = alexnet("%s", arguments);
            assert_int_equal(got->code, 2);
            snprintf(arguments, sizeof arguments, "%s --%s 1x", name, option);
            expect(2, "number", arguments);
        } else if (strchr(range, '|') && strcspn(range, "|") < strcspn(range, ";")) {
            snprintf(arguments, sizeof arguments, "%s --%s nonsense", name, option);
            expect(2, "it must be one of", arguments);
        }
    }
    free(help);
}

static void test_help(void **state) {
    (void)state;
    each_command(has_help);
    assert_int_equal(alexnet("help summary")->code, 0);
    assert_non_null(strstr(alexnet("inspect --help")->out, "(-1 to 1048575; default: -1)"));
    /* What does nothing is not told of, but taken. */
    assert_null(strstr(alexnet("compare --help")->out, "--weights"));
    assert_non_null(strstr(alexnet("compare --help")->out, "--json"));
    assert_non_null(strstr(alexnet("summary --help")->out, "--batch"));
    assert_null(strstr(alexnet("man --help")->out, "--json"));
    assert_int_equal(alexnet("summary --device reference --seed 3")->code, 0);
    assert_int_equal(alexnet("-h")->code, 0);
    const outcome *got = alexnet("--version");
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->out, "device reference"));
    assert_non_null(strstr(got->out, "\n  WebP "));
}

static void test_nonsense(void **state) {
    (void)state;
    each_command(refuses_nonsense);
}

static void test_out_of_range(void **state) {
    (void)state;
    each_command(refuses_out_of_range);
}

static void test_wrong_usage(void **state) {
    (void)state;
    expect(2, "usage: alexnet COMMAND", "");
    expect(2, "did you mean 'summary'?", "sumary");
    expect(2, "there is no command 'xyz'", "xyz");
    expect(2, "there is no option -b", "summary -b 3");
    expect(2, "'more' is an argument too many", "summary more");
    expect(2, "'--batch' is an argument too many", "summary -- --batch");
    expect(2, "it needs IMAGE", "classify");
    expect(2, "alexnet train", "classify picture.jpg");
    expect(2, "alexnet train", "eval shapes:10");
    expect(1, "alexnet train", "classify --weights nothing.safetensors picture.jpg");
    expect(2, "'nothing' cannot be measured", "bench nothing");
    expect(2, "pool2", "summary --input-size 20");
    expect(2, "pool5", "summary --arch torchvision --input-size 62");
    expect(2, "--precision int8: gradients are checked", "check --precision int8");
    assert_string_equal(alexnet("check --precision int8")->out, "");
}

/* Without a GPU --version says what is missing, and so does what is asked to use one. */
static void test_no_gpu(void **state) {
    (void)state;
    char sentence[1024], line[1200];
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    const char *said = strstr(alexnet("--version")->out, "device cuda       not usable: ");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "device cuda not usable: %1023[^\n]", sentence), 1);
    snprintf(line, sizeof line, "alexnet bench: %s\n", sentence);
    const outcome *got = alexnet("bench infer --device cuda");
    assert_int_equal(got->code, 1);
    assert_string_equal(got->err, line);
    write_weights("w.safetensors", 67, 3);
    write_picture("picture.ppm", 80, 70);
    expect(1, sentence, "classify --device cuda --weights w.safetensors picture.ppm");
    unsetenv("CUDA_VISIBLE_DEVICES");
}

static void test_full_disk(void **state) {
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    char line[512];
    snprintf(line, sizeof line, "'%s' summary >/dev/full 2>err.txt", ALEXNET_COMMAND);
    assert_int_not_equal(system(line), 0);
    char *text = read_text("err.txt");
    assert_non_null(strstr(text, "standard output"));
    free(text);
}

/* The documents made from the tables: bash accepts its own, and no option is missing in either. */
static void test_documents(void **state) {
    (void)state;
    write_text("completion.bash", alexnet("completion bash")->out);
    assert_int_equal(system("bash -n completion.bash"), 0);
    assert_int_equal(system("bash -c '. ./completion.bash; COMP_WORDS=(alexnet summary --inp);"
                            "COMP_CWORD=2; _alexnet; [ \"${COMPREPLY[*]}\" = --input-size ]'"),
                     0);
    assert_int_equal(
        system("bash -c '. ./completion.bash; COMP_WORDS=(alexnet bench --arch caffe-);"
               "COMP_CWORD=3; _alexnet; [ \"${COMPREPLY[*]}\" = caffe-alexnet ]'"),
        0);
    assert_int_equal(system("bash -c '. ./completion.bash; COMP_WORDS=(alexnet inspect s);"
                            "COMP_CWORD=2; _alexnet; [ \"${COMPREPLY[*]}\" = saliency ]'"),
                     0);
    assert_non_null(strstr(alexnet("completion zsh")->out, "--input-size="));
    assert_non_null(strstr(alexnet("completion zsh")->out, "'1:what:(infer train loader peak )'"));
    const outcome *manual = alexnet("man");
    assert_int_equal(manual->code, 0);
    assert_non_null(strstr(manual->out, ".B \\-\\-input\\-size"));
    expect(2, "bash and zsh", "completion fish");
}

static int set_up(void **state) {
    (void)state;
    enter_folder();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    leave_folder();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),         cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_out_of_range), cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_no_gpu),       cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
