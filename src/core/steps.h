/* The way that a listing takes down into folders: links may lead back up. */
#ifndef AN_CORE_STEPS_H
#define AN_CORE_STEPS_H

#include <stdbool.h>
#include <sys/types.h>

/* Deeper than anyone sorts pictures. */
enum { AN_MOST_STEPS = 32 };

/* A folder on the way. */
typedef struct an_step {
    const struct an_step *above; /* NULL: here the listing began */
    int depth;                   /* steps from there */
    dev_t device;
    ino_t inode;
} an_step;

/* Steps from `above` (NULL: begins) into a folder. False where that is one of those above, so that
 * what lies in it has been seen. */
bool an_step_into(const char *folder, const an_step *above, an_step *out);

#endif
