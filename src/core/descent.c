#include "core/descent.h"

#include <stddef.h>
#include <sys/stat.h>

bool an_descend(const char *folder, const an_descent *above, an_descent *out) {
    struct stat info;
    *out = (an_descent){.above = above, .depth = above ? above->depth + 1 : 0};
    if (stat(folder, &info) != 0)
        return true; /* reading it will say why */
    out->device = info.st_dev;
    out->inode = info.st_ino;
    for (; above; above = above->above)
        if (above->device == info.st_dev && above->inode == info.st_ino)
            return false;
    return true;
}
