#include "core/steps.h"

#include <stddef.h>
#include <sys/stat.h>

bool an_step_into(const char *folder, const an_step *above, an_step *out) {
    struct stat info;
    *out = (an_step){.above = above, .depth = above ? above->depth + 1 : 0};
    if (stat(folder, &info) != 0)
        return true; /* reading it will say why */
    out->device = info.st_dev;
    out->inode = info.st_ino;
    for (; above; above = above->above)
        if (above->device == info.st_dev && above->inode == info.st_ino)
            return false;
    return true;
}
