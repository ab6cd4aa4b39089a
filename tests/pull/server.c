#include "server.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "pull/digest.h"
#include "testing.h"

uint8_t content[content_size];
char content_sha256[65], content_sha1[41];

static pid_t server;
static int server_input;
static int port, secure_port;

static void make_content(void) {
    static uint8_t other[content_size];
    uint32_t state = 1;
    for (size_t i = 0; i < content_size; i++) {
        state = state * 1664525 + 1013904223;
        content[i] = (uint8_t)(state >> 24);
        other[i] = (uint8_t)(state >> 16);
    }
    assert_ok(an_write_file("content.bin", content, content_size, error));
    assert_ok(an_write_file("other.bin", other, content_size, error));
    assert_ok(an_write_file("requests.txt", "", 0, error));
    an_digest digest = an_digest_begin();
    an_digest_add(&digest, content, content_size);
    const an_digest_text text = an_digest_of(&digest);
    memcpy(content_sha256, text.sha256, sizeof content_sha256);
    memcpy(content_sha1, text.sha1, sizeof content_sha1);
}

void start_server(void) {
    int in[2], out[2];
    make_content();
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        close(out[0]);
        execlp("python3", "python3", SERVER, "content.bin", "other.bin", "requests.txt",
               (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server_input = in[1];
    FILE *stream = fdopen(out[0], "r");
    assert_non_null(stream);
    assert_int_equal(fscanf(stream, "%d %d", &port, &secure_port), 2);
    fclose(stream);
}

void stop_server(void) {
    close(server_input);
    assert_int_equal(waitpid(server, NULL, 0), server);
}

const char *url_of(const char *path) {
    static char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", port, path);
    return url;
}

const char *secure_url_of(const char *path) {
    static char url[256];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/%s", secure_port, path);
    return secure_port ? url : NULL;
}

int requests_for(const char *path, char range[64]) {
    char wanted[128], name[128], condition[128];
    int count = 0;
    FILE *log = fopen("requests.txt", "r");
    assert_non_null(log);
    snprintf(wanted, sizeof wanted, "/%s", path);
    for (char line[512]; fgets(line, sizeof line, log);) {
        char last[64];
        if (sscanf(line, "%127s %63s %127s", name, last, condition) == 3 &&
            strcmp(name, wanted) == 0) {
            count++;
            if (range)
                snprintf(range, 64, "%s", last);
        }
    }
    fclose(log);
    return count;
}
