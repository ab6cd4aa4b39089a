#include "core/library.h"

#include <dlfcn.h>
#include <string.h>

alexnet_status an_library_load(const an_library *library, void *out, alexnet_error *error) {
    void *handle = NULL;
    for (size_t i = 0; !handle && library->names[i]; i++)
        handle = dlopen(library->names[i], RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return an_fail(error, ALEXNET_UNSUPPORTED, "%s, cannot be loaded: %s; install %s",
                       library->what, dlerror(), library->package);
    /* It is never unloaded: types and functions to be called at exit would be left behind. */
    for (size_t i = 0; i < library->function_count; i++) {
        const an_library_function *function = &library->functions[i];
        void *found = dlsym(handle, function->name); /* those of the libraries under it, too */
        if (!found)
            return an_fail(error, ALEXNET_UNSUPPORTED, "%s, lacks the function %s", library->what,
                           function->name);
        memcpy((char *)out + function->offset, &found, sizeof found);
    }
    return ALEXNET_OK;
}
