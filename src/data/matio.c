#include "data/matio.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    {"Mat_Open", offsetof(an_matio, open)},
    {"Mat_Close", offsetof(an_matio, close)},
    {"Mat_VarReadInfo", offsetof(an_matio, read_info)},
    {"Mat_VarReadDataAll", offsetof(an_matio, read_data)},
    {"Mat_VarFree", offsetof(an_matio, free)},
    {"Mat_VarGetStructFieldByName", offsetof(an_matio, field)},
};

alexnet_status an_matio_load(an_matio *matio, alexnet_error *error) {
    *matio = (an_matio){0};
    /* Of the version whose header was seen when building: others may have other structures. */
    void *library = dlopen(AN_MATIO_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "libmatio, which reads MATLAB's files, cannot be loaded: %s; install it",
                       dlerror());
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name);
        if (!found)
            return an_fail(error, ALEXNET_UNSUPPORTED, AN_MATIO_LIBRARY " lacks the function %s",
                           functions[i].name);
        memcpy((char *)matio + functions[i].offset, &found, sizeof found);
    }
    return ALEXNET_OK;
}
