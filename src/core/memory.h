/*
 * Memory: aligned blocks, overflow-checked sizes, and planned arenas.
 *
 * A plan lists every tensor it will need in a table {name, shape} and takes the sum in one
 * allocation; nothing is allocated while it runs.
 */
#ifndef AN_CORE_MEMORY_H
#define AN_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

/* Blocks start on a cache line, which is also the width of an AVX-512 register. */
enum { AN_ALIGNMENT = 64 };

/* Bytes up to the next multiple of that. */
static inline size_t an_aligned(size_t bytes) {
    return (bytes + AN_ALIGNMENT - 1) / AN_ALIGNMENT * AN_ALIGNMENT;
}

/*
 * `count` * `size` bytes, zeroed, aligned to AN_ALIGNMENT. *out is freed with an_free; NULL after a
 * failure. `what` names the block in the message. Zero bytes give a valid pointer.
 */
alexnet_status an_alloc(void **out, size_t count, size_t size, const char *what,
                        alexnet_error *error);

/* The same with any content: memory that is not touched yet takes no room. */
alexnet_status an_reserve(void **out, size_t count, size_t size, const char *what,
                          alexnet_error *error);

/* Gives the whole pages in a part of a block back to the system, and returns their bytes: they will
 * be zeros. */
size_t an_forget(void *part, size_t size);

/* Frees a block of an_alloc or an_reserve; NULL is allowed. */
void an_free(void *block);

/*
 * Makes an array of malloc(), or NULL, hold `needed` items of `item_size` bytes by doubling,
 * keeping what it holds; false where memory ran out.
 */
bool an_grow(void **items, size_t *capacity, size_t needed, size_t item_size);

/* *out = a * b; false on overflow. */
bool an_multiply(size_t a, size_t b, size_t *out);

/* A copy of a string, freed with free(); NULL where memory ran out. */
char *an_string_copy(const char *text);

/* One tensor of an arena: where its pointer goes and how many float32 values it holds. */
typedef struct an_tensor_spec {
    const char *name;
    float **pointer; /* set by an_arena_take; NULL where count is 0 */
    size_t count;
} an_tensor_spec;

/* One allocation that holds the tensors of a table one behind the other, each aligned. */
typedef struct an_arena {
    float *block;
    size_t bytes;
} an_arena;

/* Takes the memory for a whole table, zeroed, and sets each row's pointer. Freed by an_arena_free.
 */
alexnet_status an_arena_take(an_arena *arena, const char *what, const an_tensor_spec *specs,
                             size_t count, alexnet_error *error);

/* Frees an arena (all its tensors); an all-zero arena is allowed. */
void an_arena_free(an_arena *arena);

/* Bytes of memory that can still be taken without swapping, within the limit of this process's
 * control group; 0 where the system does not say. */
size_t an_available_memory(void);

/* The largest resident memory of this process so far, in bytes (getrusage). */
size_t an_peak_resident(void);

#endif
