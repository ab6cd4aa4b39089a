/* Pictures of formats that are not read, by their names: they are left out of what a folder holds,
 * which must not go unsaid. */
#ifndef AN_DATA_UNREAD_H
#define AN_DATA_UNREAD_H

#include <stdbool.h>
#include <stddef.h>

enum { AN_UNREAD_NAMES = 7 };

/* How many there are of each extension. An all-zero one is valid and empty. */
typedef struct an_unread {
    size_t counts[AN_UNREAD_NAMES];
} an_unread;

/* ".bmp", ... */
const char *an_unread_name(int index);

/* Counts a file where its extension is one of them; whether it was. */
bool an_unread_count(an_unread *unread, const char *file);

void an_unread_add(an_unread *to, const an_unread *from);

size_t an_unread_sum(const an_unread *unread);

/* "3 pictures of formats that are not read (2 .bmp, 1 .gif)"; "" where there are none. */
void an_unread_describe(const an_unread *unread, char *text, size_t size);

/* "photos: 3 pictures of formats that are not read (2 .bmp, 1 .gif) are left out", of the folder
 * `where`; false, and no text, where there are none. */
bool an_unread_tell(const an_unread *unread, const char *where, char *text, size_t size);

#endif
