/*
 * Which of several ways of computing the same is the fastest, and what was found in the user's
 * cache folder, so that it is measured once. It knows no CUDA: what measures is handed to it.
 *
 * The file is text, a line for each thing that is computed, its fields apart by tabs:
 *
 *     the device   what is computed   the way's name in hexadecimal digits   bytes of workspace
 *
 * Lines of other devices are kept. It is only a cache: what is no such line is passed over, and
 * what cannot be written will be measured again. Who finds a way there checks it before it is used.
 */
#ifndef AN_BACKEND_CUDA_TUNING_H
#define AN_BACKEND_CUDA_TUNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    AN_TUNING_WAYS = 16,    /* that are compared at a time, at most */
    AN_TUNING_TEXT = 192,   /* a device's text, or what is computed, with the end of the string */
    AN_TUNING_LINES = 4096, /* of the file; the oldest make room */
    AN_WAY_BYTES = 64
};

#define AN_TUNING_FILE "cuda-tuned.txt"

/* A way to compute something. */
typedef struct an_way {
    uint8_t name[AN_WAY_BYTES]; /* as the library that computes wants it */
    size_t size;                /* of the name, 1 to AN_WAY_BYTES */
    size_t workspace;           /* bytes */
} an_way;

/* What is known of one device. Where memory runs out there is none, NULL, which the functions take:
 * nothing is known then, and nothing kept. */
typedef struct an_tuning an_tuning;

/* Of the file in `folder`, which need not be there; NULL: nothing is read or kept. `device` says
 * all that the ways depend on: the card and the versions of what computes on it. */
an_tuning *an_tuning_open(const char *folder, const char *device);
void an_tuning_close(an_tuning *tuning);

/* The way to compute `what`; false where none is known. */
bool an_tuning_find(const an_tuning *tuning, const char *what, an_way *out);

/* Remembers a way. */
void an_tuning_add(an_tuning *tuning, const char *what, const an_way *way);

/* Writes what was added since into the file, beside what others have written there meanwhile. */
void an_tuning_keep(an_tuning *tuning);

/*
 * The number of the fastest of `ways` <= AN_TUNING_WAYS, -1 where none works. `seconds` measures a
 * way, below 0 where it does not work; of so many rounds each way's least time counts, as whatever
 * disturbs makes it longer.
 */
int an_tuning_fastest(int ways, int rounds, double (*seconds)(void *context, int way),
                      void *context);

#ifdef __cplusplus
}
#endif

#endif
