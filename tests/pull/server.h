/* The server of server.py, as long as a test runs, and what it serves. */
#ifndef AN_TESTS_SERVER_H
#define AN_TESTS_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum { content_size = 100000 };

/* What it serves as the right file, and its digests. */
extern uint8_t content[content_size];
extern char content_sha256[65], content_sha1[41];

/* Writes content.bin and other.bin into the current folder and starts the server. */
void start_server(void);
void stop_server(void);

/* "http://127.0.0.1:PORT/" and a path. Holds until the next call. */
const char *url_of(const char *path);

/* "https://127.0.0.1:PORT/" and a path; NULL where openssl is missing. Holds until the next call.
 */
const char *secure_url_of(const char *path);

/* How many requests have been made for a path, and the Range of the last ("-": none). */
int requests_for(const char *path, char range[64]);

#endif
