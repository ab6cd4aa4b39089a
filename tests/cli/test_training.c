/* Training from the command line: the run folder, the contract's keys, Ctrl-C and going on. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "core/file.h"
#include "testing.h"

/* An epoch of two steps on the smallest picture that the network takes. */
#define SMALL "--input-size 67 --limit 6 --batch 3 --val-limit 3 --lr 0.001 --device reference"

static void test_train(void **state) {
    (void)state;
    json_t *json = document("train shapes:20 --epochs 1 --out run " SMALL);
    static const char *const keys[] = {"epochs",   "steps",   "train_loss",        "val_top1",
                                       "val_top5", "seconds", "images_per_second", "checkpoint"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        value(json, keys[i]);
    assert_int_equal(json_integer_value(value(json, "epochs")), 1);
    assert_int_equal(json_integer_value(value(json, "steps")), 2);
    assert_string_equal(json_string_value(value(json, "checkpoint")), "run/best.safetensors");
    json_decref(json);
    static const char *const files[] = {"run/run.json", "run/metrics.jsonl", "run/last.safetensors",
                                        "run/best.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_true(an_is_file(files[i]));
    expect(2, "already holds a run", "train shapes:20 --out run " SMALL);
}

static void test_refusals(void **state) {
    (void)state;
    expect(2, "it needs DATA", "train");
    expect(2, "it must be one of default", "train shapes:20 --recipe fast");
    expect(1, "nowhere", "train nowhere --out other");
    expect(1, "no run.json", "train --resume nowhere");
    expect(2, "--epochs: a resumed run keeps", "train --resume run --epochs 3");
    expect(2, "--seed: a resumed run keeps", "train --resume run --seed 3");
    expect(2, "leave 'shapes' out", "train shapes --resume run");
    expect(1, "there is no such file", "train shapes:20 --weights nothing.safetensors --out other");
    assert_false(an_is_file("other/run.json"));
}

/* Starts the command without waiting for it; its stderr goes to stderr.txt. */
static pid_t start(const char *arguments) {
    char line[512];
    snprintf(line, sizeof line, "exec '%s' %s 2>stderr.txt", ALEXNET_COMMAND, arguments);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(99);
    }
    return child;
}

static void test_interrupt(void **state) {
    (void)state;
    const pid_t child = start("train shapes:20 --epochs 2 --out stopped " SMALL);
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < 3000 && !an_is_file("stopped/run.json"); i++)
        nanosleep(&pause, NULL);
    assert_int_equal(kill(child, SIGINT), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    char *text = read_text("stderr.txt");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 130)
        fail_msg("status %d: %s", status, text);
    assert_non_null(strstr(text, "alexnet train --resume stopped"));
    free(text);

    json_t *json = document("train --resume stopped");
    assert_int_equal(json_integer_value(value(json, "epochs")), 2);
    assert_int_equal(json_integer_value(value(json, "steps")), 4);
    json_decref(json);
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
        cmocka_unit_test(test_train),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_interrupt),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
