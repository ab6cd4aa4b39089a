/* The way that a listing takes down into folders: links may lead back up. */
#ifndef AN_CORE_DESCENT_H
#define AN_CORE_DESCENT_H

#include <stdbool.h>
#include <sys/types.h>

/* Deeper than anyone sorts pictures. */
enum { AN_DEEPEST = 32 };

/* A folder on the way. */
typedef struct an_descent {
    const struct an_descent *above; /* NULL: here the listing began */
    int depth;                      /* steps from there */
    dev_t device;
    ino_t inode;
} an_descent;

/* Steps from `above` (NULL: begins) into a folder. False where that is one of those above, so that
 * what lies in it has been seen. */
bool an_descend(const char *folder, const an_descent *above, an_descent *out);

#endif
