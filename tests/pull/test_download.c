/* Downloads from a server that does everything wrong: what stands under the final name afterwards
 * is the right file, or what stood there before. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "formats/temporary.h"
#include "pull/transfer.h"
#include "server.h"
#include "testing.h"

static char note_text[1200]; /* the last thing that was told */
static int notes;
static uint64_t interrupt_at; /* bytes at which the caller wants no more; 0: never */
static uint64_t last_done, last_all;

static void take_note(void *context, const char *message) {
    (void)context;
    snprintf(note_text, sizeof note_text, "%s", message);
    notes++;
}

static bool watch(void *context, uint64_t done, uint64_t all) {
    (void)context;
    last_done = done;
    last_all = all;
    return interrupt_at == 0 || done < interrupt_at;
}

/* Asked some times a second. */
static bool stop_after_a_while(void *context, uint64_t done, uint64_t all) {
    static int asked;
    (void)context, (void)done, (void)all;
    return ++asked < 10;
}

static const an_download_options quick = {
    .timeout = 1, .retries = 5, .pause = 0.01, .progress = watch, .note = take_note};

/* What is known of the file at a path of the server. */
static an_source source_of(const char *path, bool size, bool digest) {
    return (an_source){.url = url_of(path),
                       .size = size ? content_size : 0,
                       .sha256 = digest ? content_sha256 : NULL,
                       .sha1 = digest ? content_sha1 : NULL};
}

static bool is_right(const char *path) {
    uint8_t *bytes;
    size_t size;
    if (an_read_file(path, 1 << 20, &bytes, &size, NULL) != ALEXNET_OK)
        return false;
    const bool right = size == content_size && memcmp(bytes, content, size) == 0;
    free(bytes);
    return right;
}

static bool is_old(const char *path) {
    uint8_t *bytes;
    size_t size;
    if (an_read_file(path, 1 << 20, &bytes, &size, NULL) != ALEXNET_OK)
        return false;
    const bool old = size == 3 && memcmp(bytes, "old", 3) == 0;
    free(bytes);
    return old;
}

/* Nothing lies about but what the test itself and a download that will go on have made. */
static void assert_tidy(const char *name) {
    char part[300], from[300];
    snprintf(part, sizeof part, "%s.part", name);
    snprintf(from, sizeof from, "%s.part.from", name);
    DIR *listed = opendir(".");
    assert_non_null(listed);
    for (struct dirent *entry; (entry = readdir(listed));) {
        const char *n = entry->d_name;
        if (n[0] != '.' && strcmp(n, "content.bin") != 0 && strcmp(n, "other.bin") != 0 &&
            strcmp(n, "requests.txt") != 0 && strcmp(n, name) != 0 && strcmp(n, part) != 0 &&
            strcmp(n, from) != 0)
            fail_msg("%s lies about", n);
    }
    closedir(listed);
    if (!an_is_file(part))
        assert_false(an_is_file(from));
}

static void clear(const char *name) {
    char path[300];
    snprintf(path, sizeof path, "%s.part", name);
    unlink(path);
    snprintf(path, sizeof path, "%s.part.from", name);
    unlink(path);
    unlink(name);
}

typedef struct bad_case {
    const char *path;
    const char *part; /* of the sentence */
    alexnet_status status;
    bool size, digest; /* what is known ahead */
    bool kept;         /* a part stays, to go on from */
} bad_case;

/* What must fail, and leave what was there before. */
static const bad_case bad_cases[] = {
    {"status/404", "404: there is no such file", ALEXNET_IO, true, true, false},
    {"status/403", "403: access is forbidden", ALEXNET_IO, true, true, false},
    {"status/500", "answers 500", ALEXNET_IO, true, true, false},
    {"status/503", "503: it is out of service", ALEXNET_IO, false, false, false},
    {"status/204", "answers 204", ALEXNET_IO, true, true, false},
    {"status/300", "answers 300", ALEXNET_IO, true, true, false},
    {"status/418", "answers 418", ALEXNET_IO, true, true, false},
    {"loop", "redirects more than 10 times", ALEXNET_IO, true, true, false},
    {"redirect/11", "redirects more than 10 times", ALEXNET_IO, true, true, false},
    {"to-file", "not allowed", ALEXNET_IO, true, true, false},
    {"to-ftp", "not allowed", ALEXNET_IO, true, true, false},
    {"to-nowhere", "answers 302", ALEXNET_IO, true, true, false},
    {"longer", "announces 101000 bytes where the file has 100000", ALEXNET_FORMAT, true, true,
     false},
    {"shorter", "announces 99000 bytes", ALEXNET_FORMAT, true, true, false},
    {"shorter", "SHA-256", ALEXNET_FORMAT, false, true, false},
    {"longer", "connection broke after 100000 bytes", ALEXNET_IO, false, true, true},
    {"huge", "announces 4611686018427387904", ALEXNET_FORMAT, true, true, false},
    {"huge", "more than 8589934592 are not taken", ALEXNET_FORMAT, false, false, false},
    {"endless", "more than 100000 bytes", ALEXNET_FORMAT, true, true, false},
    {"corrupt/0", "where", ALEXNET_FORMAT, true, true, false},
    {"corrupt/99999", "is expected; it was removed", ALEXNET_FORMAT, false, true, false},
    {"empty", "announces 0 bytes", ALEXNET_FORMAT, true, true, false},
    {"empty", "an empty file", ALEXNET_FORMAT, false, false, false},
    {"chunked-break/500", "connection broke", ALEXNET_IO, false, false, true},
    {"chunked-break/500", "connection broke", ALEXNET_IO, true, true, true},
    {"unframed/50000", "stopped after 50000 of 100000", ALEXNET_IO, true, false, true},
    {"unframed/50000", "SHA-256", ALEXNET_FORMAT, false, true, false},
    {"unframed", "--sha256", ALEXNET_FORMAT, false, false, false},
    {"unasked-part", "answers 206", ALEXNET_IO, true, true, false},
    {"longer-part/50000", "more than 100000 bytes", ALEXNET_FORMAT, true, true, false},
    {"longer-part/40000", "more than the 100000 bytes that it announces", ALEXNET_FORMAT, false,
     false, false},
    {"empty-later/30000", "an empty file", ALEXNET_FORMAT, false, false, false},
    {"changes-unseen/30000", "SHA-256", ALEXNET_FORMAT, true, true, false},
    {"garbage", "no HTTP server", ALEXNET_IO, true, true, false},
    {"long-head", "connection broke", ALEXNET_IO, true, true, false},
    {"silence", "nothing arrives any more", ALEXNET_IO, true, true, false},
};

static void expect_failure(const bad_case *bad, bool before) {
    const an_source source = source_of(bad->path, bad->size, bad->digest);
    an_download_options options = quick;
    an_downloaded got;
    alexnet_error failure = {0};
    options.retries = 2;
    if (before)
        assert_ok(an_write_file("file", "old", 3, error));
    const alexnet_status status = an_download(&source, "file", &options, &got, &failure);
    if (status != bad->status || !strstr(failure.message, bad->part))
        fail_msg("%s: status %d (expected %d), \"%s\" (expected \"%s\")", bad->path, (int)status,
                 (int)bad->status, failure.message, bad->part);
    if (before ? !is_old("file") : an_is_file("file"))
        fail_msg("%s: something else stands under the final name", bad->path);
    if (bad->kept != an_is_file("file.part"))
        fail_msg("%s: a part is %s", bad->path, bad->kept ? "not kept" : "kept");
    assert_tidy("file");
    clear("file");
}

static void test_failures(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++)
        expect_failure(&bad_cases[i], false);
}

static const struct {
    const char *path;
    bool size, digest;
} good_cases[] = {
    {"plain", true, true},
    {"plain", false, true},
    {"plain", false, false},
    {"chunked", true, true},
    {"chunked", false, false},
    {"unframed", true, false},
    {"unframed", false, true},
    {"redirect/3", true, true},
    {"redirect/10", false, false},
    {"break/30001", true, true},
    {"break/20000", false, false},
    {"break-modified/30000", true, true},
    {"break-modified/30001", false, false},
    {"break-unnamed/30000", true, true},
    {"break-unnamed/30001", false, false},
    {"break-weak/30000", false, false},
    {"reset", true, true},
    {"busy/503", true, true},
    {"busy/429", true, true},
    {"stall/0", true, true},
    {"stall/60000", true, true},
    {"no-ranges/60000", true, true},
    {"no-ranges/60001", false, false},
    {"wrong-range/30000", true, true},
    {"wrong-range/30001", false, false},
    {"no-such-part/60000", true, true},
    {"no-such-part/60001", false, false},
    {"changes/60000", true, true},
    {"changes/60001", false, false},
    {"changes-rudely/60000", true, true},
    {"changes-rudely/60001", false, false},
};

/* What must come to the right file all the same, without and over an old one. */
static void test_recoveries(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++) {
        const an_source source =
            source_of(good_cases[i].path, good_cases[i].size, good_cases[i].digest);
        an_downloaded got;
        alexnet_error failure = {0};
        if (i % 2)
            assert_ok(an_write_file("file", "old", 3, error));
        if (an_download(&source, "file", &quick, &got, &failure) != ALEXNET_OK)
            fail_msg("%s: %s", good_cases[i].path, failure.message);
        if (!is_right("file"))
            fail_msg("%s: the file is not right", good_cases[i].path);
        assert_string_equal(got.sha256, content_sha256);
        assert_int_equal(got.size, content_size);
        assert_false(an_is_file("file.part"));
        assert_tidy("file");
        clear("file");
    }
}

/* Over an old file, each failure once more: a server's second turn may be a better one. */
static void test_failures_keep_the_old(void **state) {
    (void)state;
    static const char *const again[] = {"status/404", "loop",  "shorter", "corrupt/0",
                                        "endless",    "empty", "garbage"};
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        for (size_t j = 0; j < sizeof bad_cases / sizeof *bad_cases; j++)
            if (strcmp(bad_cases[j].path, again[i]) == 0)
                expect_failure(&bad_cases[j], true);
}

/* A broken connection costs no byte twice, and what a stopped download left is used. */
static void test_resume(void **state) {
    (void)state;
    char range[64];
    an_downloaded got;
    an_source source = source_of("break/45000", true, true);
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_int_equal(requests_for("break/45000", range), 3);
    assert_string_equal(range, "bytes=90000-");
    assert_int_equal(last_all, content_size);
    clear("file");

    /* Stopped, and begun again by another call. */
    char url[256];
    snprintf(url, sizeof url, "%s", url_of("break/70000"));
    source.url = url;
    interrupt_at = 1000;
    assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_INTERRUPTED,
                 "file.part");
    interrupt_at = 0;
    assert_false(an_is_file("file"));
    struct stat info;
    assert_int_equal(stat("file.part", &info), 0);
    assert_true(info.st_size >= 1000 && info.st_size <= 70000);
    assert_true(an_is_file("file.part.from"));
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_true(is_right("file"));
    assert_int_equal(got.begun, info.st_size);
    char second[64];
    snprintf(second, sizeof second, "bytes=%lld-", (long long)info.st_size);
    requests_for("break/70000", range);
    assert_string_equal(range, second);
    assert_tidy("file");
    clear("file");
}

/* Without a digest, what is left is only used for the same address and file. */
static void test_leftovers(void **state) {
    (void)state;
    char url[256], range[64], note[400];
    an_downloaded got;
    snprintf(url, sizeof url, "%s", url_of("plain"));
    static const struct {
        const char *validator;
        const char *range;
    } cases[] = {
        {"\"one\"\n", "bytes=50000-"}, /* as it is */
        {"\"two\"\n", "bytes=50000-"}, /* asked, and answered: another one */
        {"\"one\"", "-"},              /* not written to its end */
        {"\n", "-"},
        {"", "-"},
        {"\"one\"\nX: y\n", "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const an_source source = {.url = url};
        snprintf(note, sizeof note, "%s\n%s", url, cases[i].validator);
        assert_ok(an_write_file("file.part.from", note, strlen(note), error));
        assert_ok(an_write_file("file.part", content, content_size / 2, error));
        assert_ok(an_download(&source, "file", &quick, &got, error));
        assert_true(is_right("file"));
        requests_for("plain", range);
        assert_string_equal(range, cases[i].range);
        assert_int_equal(got.begun, i == 0 ? content_size / 2 : 0);
        assert_tidy("file");
        clear("file");
    }
    /* From another address; with a digest, which tells in the end, it is used all the same. */
    for (int digest = 0; digest < 2; digest++) {
        const an_source source = {.url = url, .sha256 = digest ? content_sha256 : NULL};
        snprintf(note, sizeof note, "%.*sm\n\"one\"\n", (int)strlen(url) - 1, url); /* plaim */
        assert_ok(an_write_file("file.part.from", note, strlen(note), error));
        assert_ok(an_write_file("file.part", content, content_size / 2, error));
        assert_ok(an_download(&source, "file", &quick, &got, error));
        assert_true(is_right("file"));
        requests_for("plain", range);
        assert_string_equal(range, digest ? "bytes=50000-" : "-");
        clear("file");
    }
}

/* A part that is whole, too long, or no part of this file at all. */
static void test_odd_parts(void **state) {
    (void)state;
    static uint8_t long_part[content_size + 1];
    an_downloaded got;
    an_source source = source_of("plain", true, true);
    const int before = requests_for("plain", NULL);
    assert_ok(an_write_file("file.part", content, content_size, error));
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_int_equal(requests_for("plain", NULL), before); /* nothing was lacking */
    assert_true(is_right("file"));
    clear("file");

    source.size = 0; /* the server has to say so */
    assert_ok(an_write_file("file.part", content, content_size, error));
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_int_equal(got.begun, content_size);
    assert_true(is_right("file"));
    clear("file");

    source.size = content_size;
    assert_ok(an_write_file("file.part", long_part, sizeof long_part, error));
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_true(is_right("file"));
    clear("file");

    assert_ok(an_write_file("file.part", long_part, content_size / 2, error));
    assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_FORMAT, content_sha256);
    assert_false(an_is_file("file.part"));
    assert_ok(an_download(&source, "file", &quick, &got, error)); /* and then it goes well */
    assert_true(is_right("file"));
    clear("file");

    assert_int_equal(symlink("content.bin", "file.part"), 0);
    assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_IO, "file.part");
    assert_true(is_right("content.bin"));
    clear("file");
}

/* A file that is there already and right is not asked for again; a wrong one is replaced. */
static void test_present(void **state) {
    (void)state;
    an_downloaded got;
    an_source source = source_of("plain", true, true);
    const int before = requests_for("plain", NULL);
    assert_ok(an_write_file("file", content, content_size, error));
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_true(got.was_there);
    assert_string_equal(got.sha256, content_sha256);
    source.sha256 = NULL; /* SHA-1 alone will do */
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_true(got.was_there);
    assert_int_equal(requests_for("plain", NULL), before);
    content[5] ^= 1;
    assert_ok(an_write_file("file", content, content_size, error));
    content[5] ^= 1;
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_false(got.was_there);
    assert_true(is_right("file"));

    source.sha1 = NULL; /* nothing could tell: it is downloaded again */
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_false(got.was_there);
    assert_int_equal(requests_for("plain", NULL), before + 2);
    clear("file");

    /* SHA-1 counts, and so does the beginning of a digest, as file names carry it. */
    source.sha1 = "0123456789";
    assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_FORMAT, "SHA-1");
    char beginning[9];
    memcpy(beginning, content_sha256, 8);
    beginning[8] = '\0';
    source.sha1 = NULL;
    source.sha256 = beginning;
    assert_ok(an_download(&source, "file", &quick, &got, error));
    clear("file");
    beginning[7] = beginning[7] == '0' ? '1' : '0';
    assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_FORMAT, beginning);
    clear("file");
}

static void test_retries(void **state) {
    (void)state;
    an_downloaded got;
    an_download_options options = quick;
    const an_source source = source_of("status/502", true, true);
    options.retries = 3;
    notes = 0;
    assert_fails(an_download(&source, "file", &options, &got, error), ALEXNET_IO, "502");
    assert_int_equal(requests_for("status/502", NULL), 4);
    assert_int_equal(notes, 3);
    assert_non_null(strstr(note_text, "; trying again in 0.04 s"));
    options.retries = -1;
    assert_fails(an_download(&source, "file", &options, &got, error), ALEXNET_IO, "502");
    assert_int_equal(requests_for("status/502", NULL), 5);
    const an_source missing = source_of("status/404", true, true);
    const int before = requests_for("status/404", NULL);
    assert_fails(an_download(&missing, "file", &quick, &got, error), ALEXNET_IO, "404");
    assert_int_equal(requests_for("status/404", NULL), before + 1); /* it would not help */
}

static void test_no_network(void **state) {
    (void)state;
    an_downloaded got;
    const an_source names[] = {{.url = "http://no-such-server.invalid/x", .size = 1},
                               {.url = "http://127.0.0.1:1/x", .size = 1}};
    notes = 0;
    assert_fails(an_download(&names[0], "file", &quick, &got, error), ALEXNET_IO,
                 "the server's name is not found");
    assert_fails(an_download(&names[1], "file", &quick, &got, error), ALEXNET_IO,
                 "is there a network?");
    assert_int_equal(notes, 0);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    assert_fails(an_download(&names[0], "file", &quick, &got, error), ALEXNET_IO, "https_proxy");
    setenv("http_proxy", "http://no-such-proxy.invalid", 1);
    assert_fails(an_download(&names[0], "file", &quick, &got, error), ALEXNET_IO,
                 "the proxy's name is not found");
    /* One that is there is used: it is asked for the whole address. */
    char range[64];
    setenv("http_proxy", url_of(""), 1);
    assert_fails(an_download(&names[0], "file", &quick, &got, error), ALEXNET_IO, names[0].url);
    assert_int_equal(requests_for("proxied", range), 1);
    unsetenv("http_proxy");
    assert_tidy("file");
}

/* One request to the secure server, whose certificate is not looked at. */
static alexnet_status ask_unverified(const char *path, uint64_t *size, alexnet_error *failure) {
    const an_source source = {.url = secure_url_of(path), .sha256 = content_sha256};
    an_part part;
    an_transfer transfer;
    bool busy;
    assert_ok(an_part_open(&part, "file", source.url, &busy, error));
    assert_ok(an_transfer_begin(&transfer, &part, &source, &quick, error));
    transfer.curl.easy_setopt(transfer.handle, CURLOPT_SSL_VERIFYPEER, 0L);
    transfer.curl.easy_setopt(transfer.handle, CURLOPT_SSL_VERIFYHOST, 0L);
    const alexnet_status status = an_transfer_run(&transfer, failure);
    *size = part.size;
    an_transfer_end(&transfer);
    an_part_remove(&part);
    an_part_close(&part);
    return status;
}

/* Certificates count, and from HTTPS nothing leads to HTTP. */
static void test_https(void **state) {
    (void)state;
    an_downloaded got;
    uint64_t size;
    const an_source source = {.url = secure_url_of("plain"), .sha256 = content_sha256};
    if (!source.url)
        skip();
    assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_IO,
                 "certificate cannot be verified");
    assert_ok(ask_unverified("plain", &size, error));
    assert_int_equal(size, content_size);
    const int before = requests_for("plain", NULL);
    assert_fails(ask_unverified("to-http", &size, error), ALEXNET_IO, "not allowed");
    assert_int_equal(size, 0);
    assert_int_equal(requests_for("plain", NULL), before);
    assert_tidy("file");
}

static void test_wrong_use(void **state) {
    (void)state;
    an_downloaded got;
    static const char *const urls[] = {"file:///etc/passwd",   "ftp://127.0.0.1/x",        "x", "",
                                       "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        const an_source source = {.url = urls[i]};
        assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_INVALID, "address");
    }
    const an_source source = source_of("plain", true, true);
    assert_fails(an_download(&source, ".", &quick, &got, error), ALEXNET_INVALID, "a folder");
    assert_fails(an_download(&source, "/dev/null", &quick, &got, error), ALEXNET_INVALID,
                 "no regular file");
    assert_fails(an_download(&source, "nowhere/file", &quick, &got, error), ALEXNET_IO, "nowhere");
    assert_tidy("file");
}

/* The most that is taken of a file of unknown size. */
static void test_limit(void **state) {
    (void)state;
    an_downloaded got;
    an_download_options options = quick;
    options.limit = content_size - 1;
    an_source source = source_of("chunked", false, true);
    assert_fails(an_download(&source, "file", &options, &got, error), ALEXNET_FORMAT,
                 "the most that is taken");
    assert_false(an_is_file("file.part"));
    options.limit = content_size;
    assert_ok(an_download(&source, "file", &options, &got, error));
    clear("file");
}

/* On a full disk, and when there is room again. */
static void test_full_disk(void **state) {
    (void)state;
    an_downloaded got;
    const an_source source = source_of("plain", true, true);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    limit_file_size(content_size / 2);
    assert_fails(an_download(&source, "file", &quick, &got, error), ALEXNET_IO,
                 "file.part: cannot be written");
    limit_file_size(RLIM_INFINITY);
    assert_false(an_is_file("file"));
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_int_equal(got.begun, content_size / 2);
    assert_true(is_right("file"));
    clear("file");
}

/* While another process has the part, this one waits, and can be stopped. */
static void test_locked(void **state) {
    (void)state;
    an_downloaded got;
    an_download_options options = quick;
    const an_source source = source_of("plain", true, true);
    const int before = requests_for("plain", NULL);
    assert_ok(an_write_file("file.part", content, 100, error));
    FILE *other = fopen("file.part", "r+");
    assert_non_null(other);
    assert_int_equal(flock(fileno(other), LOCK_EX), 0);
    notes = 0;
    options.progress = stop_after_a_while;
    assert_fails(an_download(&source, "file", &options, &got, error), ALEXNET_INTERRUPTED,
                 "another process");
    assert_int_equal(notes, 1);
    assert_int_equal(requests_for("plain", NULL), before);
    fclose(other);
    assert_ok(an_download(&source, "file", &quick, &got, error));
    assert_int_equal(got.begun, 100);
    clear("file");
}

static int set_up(void **state) {
    if (make_temporary_folder(state) != 0 || chdir(temporary_folder) != 0)
        return -1;
    unsetenv("http_proxy");
    start_server();
    return 0;
}

static int tear_down(void **state) {
    stop_server();
    return chdir("/") == 0 ? remove_temporary_folder(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_recoveries),
        cmocka_unit_test(test_failures_keep_the_old),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_odd_parts),
        cmocka_unit_test(test_present),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_no_network),
        cmocka_unit_test(test_https),
        cmocka_unit_test(test_wrong_use),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_locked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
