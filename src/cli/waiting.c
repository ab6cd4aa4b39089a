#include "cli/waiting.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

void an_wait_briefly(char **argv) {
    char program[PATH_MAX];
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return;
    program[length] = '\0';
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) /* some microseconds */
        execv(program, argv); /* returns where that cannot be: things go on as they are */
}
