/* The command: what it says and leaves behind, killed at any moment, twice at once, and how what
 * was pulled is used by others. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../cli/command.h"
#include "core/file.h"
#include "core/random.h"
#include "pull/known.h"
#include "server.h"
#include "testing.h"

enum { input_size = 67 };

static bool is_right(const char *path) {
    uint8_t *bytes;
    size_t size;
    if (an_read_file(path, 1 << 20, &bytes, &size, NULL) != ALEXNET_OK)
        return false;
    const bool right = size == content_size && memcmp(bytes, content, size) == 0;
    free(bytes);
    return right;
}

/* Runs it; exit code and a part of stderr as expected. */
#define expect_pull(code, part, ...)                                                               \
    do {                                                                                           \
        char line[1024];                                                                           \
        snprintf(line, sizeof line, __VA_ARGS__);                                                  \
        expect(code, part, line);                                                                  \
    } while (0)

static void test_list(void **state) {
    (void)state;
    const outcome *got = alexnet("pull --list");
    assert_int_equal(got->code, 0);
    assert_string_equal(got->err, "");
    json_t *json = document("pull --list");
    size_t rows = 0;
    for (const an_known *known = an_knowns; known->name; known++, rows++) {
        assert_non_null(strstr(alexnet("pull --list")->out, known->title));
        json_t *row = json_array_get(json, rows);
        assert_string_equal(json_string_value(value(row, "name")), known->name);
        assert_int_equal(json_integer_value(value(row, "bytes")), known->source.size);
        assert_true(json_is_null(value(row, "cached")));
        value(row, "licence");
        value(row, "sha256");
        value(row, "top5");
    }
    assert_int_equal(json_array_size(json), rows);
    json_decref(json);
    assert_false(an_is_folder("cache")); /* looking makes nothing */
    assert_ok(an_make_folder("cache", error));
    write_text("cache/lpips-v0.1-alex.pth", "x");
    json = document("pull --list");
    assert_non_null(strstr(json_string_value(value(json_array_get(json, 3), "cached")),
                           "cache/lpips-v0.1-alex.pth"));
    json_decref(json);
    assert_int_equal(unlink("cache/lpips-v0.1-alex.pth"), 0);
}

static void test_usage(void **state) {
    (void)state;
    expect(2, "it needs a NAME", "pull");
    expect(2, "did you mean torchvision?", "pull torchvison");
    expect(2, "there are torchvision|", "pull vgg");
    expect(2, "is an argument too many", "pull caffenet torchvision");
    expect(2, "needs --out FILE", "pull --url http://127.0.0.1/x");
    expect(2, "is known; leave this out",
           "pull caffenet --url http://127.0.0.1/x --sha256 12345678");
    expect(2, "hexadecimal digits", "pull --url http://127.0.0.1/x --out f --sha256 1234567");
    expect(2, "hexadecimal digits", "pull --url http://127.0.0.1/x --out f --sha256 12345678xy");
    expect(2, "must begin with https://", "pull --url file:///etc/passwd --out f");
    expect(2, "is a folder", "pull --url http://127.0.0.1/x --out .");
    expect(1, "is there a network?", "pull caffenet --url http://no-such-server.invalid/x");
    expect(1, "is there a network?", "pull lpips-alex --url http://127.0.0.1:1/");
    assert_int_equal(rmdir("cache"), 0); /* nothing was left in it */
    setenv("ALEXNET_CACHE", "requests.txt/cache", 1);
    expect(1, "cannot be made", "pull lpips-alex");
    setenv("ALEXNET_CACHE", "cache", 1);
}

static void test_file(void **state) {
    (void)state;
    const outcome *got =
        alexnet("pull --url %s --sha256 %s --out a.bin", url_of("break/60000"), content_sha256);
    assert_int_equal(got->code, 0);
    assert_non_null(strstr(got->out, "downloaded and is right"));
    assert_non_null(strstr(got->err, "the connection broke after 60000 bytes"));
    assert_true(is_right("a.bin"));
    json_t *json =
        document("pull --url %s --sha256 %s --out a.bin", url_of("plain"), content_sha256);
    assert_string_equal(json_string_value(value(json, "file")), "a.bin");
    assert_string_equal(json_string_value(value(json, "sha256")), content_sha256);
    assert_true(json_is_false(value(json, "downloaded")));
    json_decref(json);
    assert_non_null(strstr(
        alexnet("pull --url %s --sha256 %.8s --out a.bin", url_of("plain"), content_sha256)->out,
        "was there already and is right"));
    assert_int_equal(requests_for("plain", NULL), 0);
    assert_non_null(
        strstr(alexnet("pull --url %s --out b.bin", url_of("plain"))->out, "No digest is known"));
    assert_true(is_right("b.bin"));

    expect_pull(1, "the file has 6009", "pull lpips-alex --url %s", url_of("plain"));
    expect_pull(1, "is expected; it was removed", "pull --url %s --sha256 %s --out c.bin",
                url_of("corrupt/7"), content_sha256);
    expect_pull(1, "404", "pull --url %s --out c.bin", url_of("status/404"));
    expect_pull(1, "503", "pull --url %s --out c.bin --retries 0", url_of("status/503"));
    assert_int_equal(requests_for("status/503", NULL), 1);
    assert_false(an_is_file("c.bin") || an_is_file("c.bin.part"));
    assert_int_equal(rmdir("cache"), 0);
    unlink("a.bin");
    unlink("b.bin");
}

/* Starts a slow download to k.bin; stdout and stderr go to files. */
static pid_t start(const char *url, const char *file) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("out.txt", "a", stdout) || !freopen("err.txt", "a", stderr))
            _exit(126);
        execl(ALEXNET_COMMAND, "alexnet", "pull", "--url", url, "--sha256", content_sha256, "--out",
              file, (char *)NULL);
        _exit(127);
    }
    return child;
}

static int wait_for(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Killed again and again, it ends with the right file, which is never there half. */
static void test_killed(void **state) {
    (void)state;
    char url[256];
    int kills = 0;
    snprintf(url, sizeof url, "%s", url_of("drip"));
    an_random random = an_random_stream(5, AN_RANDOM_TEST, 0, 0);
    for (int round = 0; round < 3; round++) {
        for (int code = -SIGKILL; code == -SIGKILL;) {
            const pid_t child = start(url, "k.bin");
            usleep((unsigned)(20000 + 900000 * an_random_uniform(&random)));
            if (an_is_file("k.bin"))
                assert_true(is_right("k.bin"));
            kill(child, SIGKILL);
            code = wait_for(child);
            if (code == -SIGKILL) {
                kills++;
                assert_true(!an_is_file("k.bin") || is_right("k.bin"));
            } else {
                assert_int_equal(code, 0);
            }
        }
        assert_true(is_right("k.bin"));
        assert_false(an_is_file("k.bin.part") || an_is_file("k.bin.part.from"));
        unlink("k.bin");
    }
    print_message("killed %d times\n", kills);
    assert_true(kills >= 3);
    char range[64];
    requests_for("drip", range);
    assert_string_not_equal(range, "-"); /* what had come before was used */
}

static void test_interrupted(void **state) {
    (void)state;
    char url[256], range[64];
    snprintf(url, sizeof url, "%s", url_of("drip/1"));
    const pid_t child = start(url, "i.bin");
    for (int i = 0; i < 100 && !an_is_file("i.bin.part.from"); i++)
        usleep(20000);
    usleep(100000);
    kill(child, SIGINT);
    assert_int_equal(wait_for(child), 130);
    assert_false(an_is_file("i.bin"));
    assert_true(an_is_file("i.bin.part"));
    char *text = read_text("err.txt");
    assert_non_null(strstr(text, "goes on from there"));
    free(text);
    expect_pull(0, "", "pull --url %s --sha256 %s --out i.bin", url, content_sha256);
    assert_true(is_right("i.bin"));
    requests_for("drip/1", range);
    assert_string_not_equal(range, "-");
    unlink("i.bin");
}

static void test_at_once(void **state) {
    (void)state;
    char url[256];
    pid_t children[3];
    snprintf(url, sizeof url, "%s", url_of("drip/2"));
    for (int i = 0; i < 3; i++)
        children[i] = start(url, "o.bin");
    for (int i = 0; i < 3; i++)
        assert_int_equal(wait_for(children[i]), 0);
    assert_true(is_right("o.bin"));
    assert_int_equal(requests_for("drip/2", NULL), 1);
    assert_false(an_is_file("o.bin.part") || an_is_file("o.bin.part.from"));
    unlink("o.bin");
}

/* --weights NAME, where nothing is checked any more: any weights will do for the test. */
static void test_weights_by_name(void **state) {
    (void)state;
    write_picture("a.ppm", 90, 70);
    expect(2, "`alexnet pull torchvision`", "classify a.ppm");
    expect(1, "`alexnet pull torchvision` downloads it (244 MB)",
           "classify --weights torchvision a.ppm");
    expect(1, "`alexnet pull caffenet`", "convert caffenet out.safetensors");
    expect(1, "`alexnet pull caffenet`", "eval shapes:10 --weights caffenet");
    expect(2, "no weights of a network", "classify --weights lpips-alex a.ppm");
    expect(1, "alexnet pull --list", "classify --weights missing.safetensors a.ppm");
    assert_ok(an_make_folder("cache", error));
    write_weights("cache/bvlc_reference_caffenet.caffemodel", input_size, 10);
    json_t *json = document("classify --weights caffenet a.ppm");
    json_decref(json);
    json = document("eval --weights caffenet --limit 2 shapes:20");
    json_decref(json);
    json = document("summary --weights caffenet");
    json_decref(json);
    json = document("convert caffenet out.safetensors --precision bf16");
    json_decref(json);
    /* A file of that name comes first. */
    write_text("caffenet", "no weights\n");
    expect(1, "caffenet", "classify --weights caffenet a.ppm");
    unlink("caffenet");
}

static const char *first_label(json_t *json) {
    json_t *top = value(json_array_get(json, 0), "top");
    return json_string_value(value(json_array_get(top, 0), "label"));
}

static void write_names(const char *path, int count) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < count; i++)
        fprintf(file, "name %d\n", i);
    fclose(file);
}

static void test_labels(void **state) {
    (void)state;
    write_weights("ten.safetensors", input_size, 10);
    write_weights("thousand.safetensors", input_size, 1000);
    write_names("names10.txt", 10);
    write_names("names9.txt", 9);
    json_t *json = document("classify --weights ten.safetensors a.ppm");
    assert_memory_equal(first_label(json), "class ", 6);
    json_decref(json);
    json = document("classify --weights ten.safetensors --labels names10.txt a.ppm");
    assert_memory_equal(first_label(json), "name ", 5);
    json_decref(json);
    expect(1, "names 9 classes, one a line, but there are 10",
           "classify --weights ten.safetensors --labels names9.txt a.ppm");
    expect(1, "names.txt", "classify --weights ten.safetensors --labels names.txt a.ppm");

    /* ImageNet's, once they have been pulled, and only for a thousand classes. */
    json = document("classify --weights thousand.safetensors a.ppm");
    assert_memory_equal(first_label(json), "class ", 6);
    json_decref(json);
    write_names("cache/imagenet-classes.txt", 1000);
    json = document("classify --weights thousand.safetensors a.ppm");
    assert_memory_equal(first_label(json), "name ", 5);
    json_decref(json);
    json = document("classify --weights ten.safetensors a.ppm");
    assert_memory_equal(first_label(json), "class ", 6);
    json_decref(json);
}

static int set_up(void **state) {
    (void)state;
    enter_folder();
    start_server();
    unsetenv("http_proxy");
    setenv("ALEXNET_CACHE", "cache", 1);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stop_server();
    leave_folder();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_weights_by_name),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
