/*
 * A run killed at random moments (kill -9), and resumed each time, ends as the unbroken one. All
 * training is done in child processes; this one only starts and kills them.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/random.h"
#include "fixture.h"

static pid_t start(const an_train_settings *settings, const char *folder) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    char description[600];
    snprintf(description, sizeof description, "%s/run.json", folder);
    const bool resume = an_is_file(description);
    const an_train_settings none = no_settings();
    an_train_result result;
    alexnet_error error = {0};
    const alexnet_status status =
        an_train_arch(&tiny_arch, resume ? &none : settings, folder, resume, NULL, &result, &error);
    if (status != ALEXNET_OK)
        fprintf(stderr, "%s\n", error.message);
    _exit(status == ALEXNET_OK ? 0 : 1);
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void train_unbroken(const an_train_settings *settings, const char *folder) {
    int status;
    const pid_t child = start(settings, folder);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Trains to the end, killing the process again and again within `seconds`, which grow so that it
 * ends. Returns how often it was killed. */
static int train_and_kill(const an_train_settings *settings, const char *folder, double seconds,
                          uint64_t item) {
    an_random random = an_random_stream(3, AN_RANDOM_TEST, 0, item);
    for (int kills = 0;; kills++) {
        const pid_t child = start(settings, folder);
        usleep((unsigned)(1e6 * seconds * an_random_uniform(&random) * (0.2 + 0.15 * kills)));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return kills;
        }
    }
}

/* Kills runs with these settings until they have been killed `least` times in all. */
static void kill_and_compare(const an_train_settings *settings, const char *name, int least) {
    enum { MOST_RUNS = 40 };
    char folder[64];
    int kills = 0, runs = 0;
    snprintf(folder, sizeof folder, "%s-whole", name);
    const double begin = seconds_now();
    train_unbroken(settings, in_fixture(folder));
    const double seconds = seconds_now() - begin;
    for (; kills < least && runs < MOST_RUNS; runs++) {
        char killed[64];
        snprintf(killed, sizeof killed, "%s-%d", name, runs);
        kills += train_and_kill(settings, in_fixture(killed), seconds, (uint64_t)runs);
        assert_same_runs(in_fixture(folder), in_fixture(killed));
    }
    print_message("killed %d times in %d runs\n", kills, runs);
    assert_true(kills >= least);
}

static void test_killed(void **state) {
    (void)state;
    an_train_settings settings = fixture_settings();
    settings.epochs = 10;
    settings.checkpoint_steps = 2;
    kill_and_compare(&settings, "plain", 10);
}

static void test_killed_with_everything(void **state) {
    (void)state;
    an_train_settings settings = rich_settings();
    settings.epochs = 10;
    settings.checkpoint_steps = 2;
    kill_and_compare(&settings, "rich", 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_killed_with_everything)};
    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
