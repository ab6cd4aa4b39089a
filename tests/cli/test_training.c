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
    static const char *const files[] = {"run/run.json",
                                        "run/metrics.jsonl",
                                        "run/last.safetensors",
                                        "run/best.safetensors",
                                        "run/events.out.tfevents.0.alexnet",
                                        "run/curves.png"};
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
    expect(2, "there is no option --fast", "train shapes:20 --fast");
    expect(2, "'conv9' is no layer of alexnet",
           "train shapes:20 --freeze conv9 --out other --input-size 67 --batch 1");
    expect(2, "phases: '5lr=1'", "train shapes:20 --phases 5lr=1 --out other");
    expect(2, "it must be 0 to 4", "train shapes:20 --mixup 9 --out other");
    expect(2, "--noise: a resumed run keeps", "train --resume run --noise 0.1");
    expect(2, "alexnet train: int8 is for inference",
           "train shapes:20 --precision int8 --out other");
    const outcome *got = alexnet("train shapes:20 --classes 5 --out other");
    static const char sentence[] = "alexnet train: shapes:20: has 10 classes, but 5 were asked for";
    assert_int_equal(got->code, 2);
    assert_memory_equal(got->err, sentence, strlen(sentence)); /* and nothing before */
    assert_false(an_is_file("other/run.json"));
}

/* What the help says is what a run gets. */
static void test_help(void **state) {
    (void)state;
    const outcome *got = alexnet("train --help");
    static const char *const lines[] = {
        "pictures in a step (1 to 65536; default: 128)\n", "as many as DATA has)\n",
        "how often every picture is seen (1 to 1000000; default: 90)\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(got->out, lines[i]))
            fail_msg("\"%s\" is not in\n%s", lines[i], got->out);
    assert_non_null(strstr(alexnet("train --print")->out, "batch              128\n"));
}

/* A recipe's settings, of which each can be overridden, without data and without a run. */
static void test_print(void **state) {
    (void)state;
    const outcome *got = alexnet("train --recipe paper --print");
    assert_int_equal(got->code, 0);
    static const char *const lines[] = {"network            alexnet-paper\n",
                                        "recipe             paper\n",
                                        "batch              128\n",
                                        "max-drops          3\n",
                                        "init               paper\n",
                                        "crop               square\n",
                                        "noise              0.1\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(got->out, lines[i]))
            fail_msg("\"%s\" is not in\n%s", lines[i], got->out);

    static const char *const recipes[] = {"default", "paper", "2012", "caffe", "modern"};
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        json_t *json = document("train --recipe %s --print", recipes[i]);
        assert_string_equal(json_string_value(value(json, "recipe")), recipes[i]);
        assert_true(json_integer_value(value(json, "epochs")) > 0);
        json_decref(json);
    }
    json_t *json = document("train --print --recipe 2012 --batch 32 --noise 0.2 --epochs 9 "
                            "--arch alexnet --no-mirror --shuffle each --phases 3:lr=0.1 --lr 0.5 "
                            "--deterministic");
    assert_int_equal(json_integer_value(value(json, "batch")), 32);
    assert_int_equal(json_integer_value(value(json, "epochs")), 9);
    assert_string_equal(json_string_value(value(json, "arch")), "alexnet");
    assert_string_equal(json_string_value(value(json, "shuffle")), "each");
    assert_string_equal(json_string_value(value(json, "phases")), "3:lr=0.1");
    assert_true(json_is_false(value(json, "mirror")));
    assert_true(json_is_true(value(json, "deterministic")));
    assert_true(json_real_value(value(json, "noise")) == 0.2);
    assert_true(json_real_value(value(json, "learning_rate")) == 0.5);
    assert_true(json_real_value(value(json, "bias_rate")) == 2); /* the recipe's still */
    assert_int_equal(json_integer_value(value(json, "shared")), 32);
    json_decref(json);
    assert_false(an_is_folder("runs"));
}

/* The recipe reaches the run, and what it will need is said before it begins. */
static void test_recipe(void **state) {
    (void)state;
    const outcome *got =
        alexnet("train shapes:20 --recipe modern --epochs 1 --warmup 0 --ema 0.9 --out modern "
                "--progress plain " SMALL);
    assert_int_equal(got->code, 0);
    static const char *const parts[] = {"recipe             modern\n",
                                        "memory: ", "averaged weights",
                                        "the largest batch that fits is about ", "disk:   "};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(got->err, parts[i]))
            fail_msg("\"%s\" is not in\n%s", parts[i], got->err);
    char *text = read_text("modern/run.json");
    json_t *run = json_loads(text, 0, NULL);
    json_t *settings = value(run, "settings");
    assert_string_equal(json_string_value(value(settings, "recipe")), "modern");
    assert_true(json_real_value(value(settings, "label_smoothing")) == 0.1);
    assert_true(json_real_value(value(settings, "learning_rate")) == 0.001); /* given beside it */
    assert_non_null(json_string_value(value(run, "backend")));
    json_decref(run);
    free(text);
}

/* Two folders of ten classes: called as those of `shapes`, in the byte order of the names, which is
 * another, and by numbers. */
static void write_classes(void) {
    static const char *const names[] = {"circle", "square",  "triangle",     "star", "cross",
                                        "ring",   "stripes", "checkerboard", "dots", "spiral"};
    for (int i = 0; i < 10; i++) {
        char path[64];
        snprintf(path, sizeof path, "sorted/%s", names[i]);
        assert_ok(an_make_folder(path, error));
        snprintf(path, sizeof path, "sorted/%s/1.ppm", names[i]);
        write_picture(path, 70 + i, 80);
        snprintf(path, sizeof path, "numbers/%d", i);
        assert_ok(an_make_folder(path, error));
        snprintf(path, sizeof path, "numbers/%d/1.ppm", i);
        write_picture(path, 70 + i, 80);
    }
}

/* Classes are known by their names where both sides have some. */
static void test_names(void **state) {
    (void)state;
    write_classes();
    expect(1,
           "class 0 of run/best.safetensors is 'circle', but of sorted it is 'checkerboard'; they "
           "must be the same",
           "eval sorted --weights run/best.safetensors");
    assert_int_equal(alexnet("eval numbers --weights run/best.safetensors")->code, 0);
    assert_int_equal(alexnet("eval shapes:20 --weights run/best.safetensors --limit 2")->code, 0);

    static const char tune[] = "--weights run/best.safetensors --epochs 1 --batch 5 --limit 5 "
                               "--val-limit 1 --lr 0.001 --device reference --progress plain";
    const outcome *got = alexnet("train sorted --out tuned-1 %s", tune);
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->err, "\nfc8 is kept, but its classes have other names: class 0 was "
                                     "'circle', now it is 'checkerboard'\n"));
    /* Nothing is held out in that folder, and the recipe's schedule watches validation. */
    assert_non_null(strstr(got->err,
                           "alexnet train: nothing is held out to validate on: the learning "
                           "rate and the best epoch follow the training loss"));
    assert_non_null(strstr(got->err, "--val DATA\n"));
    assert_non_null(strstr(got->out, "1 epoch, 1 step in "));
    got = alexnet("train shapes:20 --out tuned-2 %s", tune);
    assert_non_null(strstr(got->err, "\nfc8 is kept: 10 classes as before\n"));
    assert_null(strstr(got->err, "nothing is held out"));
}

/* What a demo of other pictures says is about these. */
static void test_demo(void **state) {
    (void)state;
    const outcome *got = alexnet("demo --data numbers --out shown");
    static const char sentence[] = "alexnet demo: --data numbers: has no held-out part";
    assert_int_equal(got->code, 2);
    assert_memory_equal(got->err, sentence, strlen(sentence)); /* and nothing before */
    expect(1, "alexnet demo: nowhere: there is no such folder", "demo --data nowhere");
    expect(2, "alexnet demo: int8 is for inference", "demo --precision int8");
    assert_false(an_is_folder("shown") || an_is_folder("demo"));

    static const char *const pictures[] = {"two/train/cat", "two/train/dog", "two/val/cat",
                                           "two/val/dog"};
    for (int i = 0; i < 4; i++) {
        char path[64];
        assert_ok(an_make_folder(pictures[i], error));
        snprintf(path, sizeof path, "%s/1.ppm", pictures[i]);
        write_picture(path, 70 + i, 80);
    }
    got = alexnet("demo --data two --out shown --epochs 1 --batch 2 --lr 0.001");
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->err, "learns to tell the 2 classes of your data apart"));
    assert_non_null(strstr(got->err, "one guess in 2 is right"));
    assert_non_null(strstr(got->out, "a network that knows nothing but these classes\n"));
    assert_null(strstr(got->err, "shapes"));
    assert_null(strstr(got->out, "shapes"));
}

/* Appends to a file. */
static void text_append(const char *path, const char *text) {
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_compare(void **state) {
    (void)state;
    json_t *json = document("compare run modern --out both.png");
    json_t *runs = value(json, "runs");
    assert_int_equal(json_array_size(runs), 2);
    static const char *const recipes[] = {"default", "modern"}, *const folders[] = {"run",
                                                                                    "modern"};
    for (size_t i = 0; i < 2; i++) {
        json_t *run = json_array_get(runs, i);
        assert_string_equal(json_string_value(value(run, "folder")), folders[i]);
        assert_string_equal(json_string_value(value(run, "recipe")), recipes[i]);
        assert_string_equal(json_string_value(value(run, "arch")), "alexnet");
        assert_int_equal(json_integer_value(value(run, "epochs")), 1);
        assert_int_equal(json_integer_value(value(run, "best_epoch")), 1);
        const double top1 = json_real_value(value(run, "val_top1"));
        assert_true(top1 >= 0 && top1 <= json_real_value(value(run, "val_top5")));
        assert_true(json_real_value(value(run, "seconds")) > 0);
    }
    assert_string_equal(json_string_value(value(json, "picture")), "both.png");
    assert_true(an_is_file("both.png"));
    json_decref(json);

    const outcome *got = alexnet("compare run modern --out both.svg");
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->out, "modern    alexnet"));
    assert_non_null(strstr(got->out, "1/1"));
    char *svg = read_text("both.svg");
    assert_non_null(strstr(svg, "<svg"));
    free(svg);

    /* A run that is being written, and folders that are none. */
    text_append("modern/metrics.jsonl", "{\"kind\": \"st");
    assert_int_equal(alexnet("compare modern")->code, 0);
    text_append("modern/metrics.jsonl", "\n");
    expect(1, "modern/metrics.jsonl, line", "compare modern");
    expect(1, "nowhere: holds no run", "compare nowhere");
    expect(2, ".png or .svg", "compare run --out both.gif");
    expect(2, "it needs RUN", "compare");
    write_text("run/run.json", "[]");
    expect(1, "run.json: holds no settings", "compare run");
    expect(1, "run.json: holds no settings", "train --resume run");
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

    const outcome *got = alexnet("train --resume stopped");
    static const char sentence[] = "stopped was complete already: 2 epochs, 4 steps, training loss";
    assert_int_equal(got->code, 0);
    assert_memory_equal(got->out, sentence, strlen(sentence));
    assert_null(strstr(got->err, "memory: "));
}

/* The first step has no pace yet, and nothing is said about it. */
static void test_progress(void **state) {
    (void)state;
    const outcome *got =
        alexnet("train shapes:20 --epochs 1 --out shown-run --progress bar " SMALL);
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->err, "epoch 1/1  step 1/2"));
    assert_null(strstr(got->err, "  0.0 im")); /* the line is cut off behind that */
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
        cmocka_unit_test(test_train),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_demo),    cmocka_unit_test(test_progress),
        cmocka_unit_test(test_print),   cmocka_unit_test(test_recipe),
        cmocka_unit_test(test_compare), cmocka_unit_test(test_interrupt),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
