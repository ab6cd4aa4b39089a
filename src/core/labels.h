/* Class names in a text file: one a line, UTF-8, the first line's for class 0. */
#ifndef AN_CORE_LABELS_H
#define AN_CORE_LABELS_H

#include "core/status.h"

/*
 * Reads the names of exactly *classes classes; 0 becomes how many there are. Blanks around a name,
 * a byte-order mark and empty lines at the end do not count. MISMATCH where the file has more or
 * fewer, FORMAT where a line is empty or too long, or the file is no text. *out (*classes) is freed
 * with an_labels_free.
 */
alexnet_status an_labels_read(const char *path, int *classes, char ***out, alexnet_error *error);

/* Frees a list of names; NULL is allowed. */
void an_labels_free(char **labels, int classes);

#endif
