/* The backend cuda, as far as it is in the library: the way to its plug-in. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/cuda/plugin.h"

enum { path_size = 2 * PATH_MAX };

/* Where the plug-in may be, seen from the folder of the library's code: beside it, as in a build
 * folder; under it, as under an installed libalexnet; and as seen from an installed command. */
static const char *const places[] = {"", "alexnet/", "../lib/alexnet/", AN_CUDA_PLACE "/"};

/* The folder of the file that holds this code (the shared library, or the program where the static
 * one is linked in), with a slash at its end. */
static alexnet_status own_folder(char folder[PATH_MAX], alexnet_error *error) {
    Dl_info info;
    /* A program goes by the name that it was called with, which need not be its path. */
    const bool known =
        dladdr(places, &info) != 0 && info.dli_fname[0] == '/' && realpath(info.dli_fname, folder);
    if (!known && !realpath("/proc/self/exe", folder))
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "where this program lies, and " AN_CUDA_FILE " with it, cannot be found "
                       "out: /proc/self/exe: %s",
                       strerror(errno));
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[1] = '\0';
    return ALEXNET_OK;
}

alexnet_status an_cuda_load(const char *path, const an_cuda_plugin **out, alexnet_error *error) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const an_cuda_plugin *plugin = library ? dlsym(library, AN_CUDA_PLUGIN) : NULL;
    if (plugin && strcmp(plugin->version, alexnet_version()) == 0) {
        /* It is never unloaded: plans point into it, and libraries under it leave functions to be
         * called at exit. dlopen knows what is loaded, so that no global has to: the next call
         * only looks it up. */
        *out = plugin;
        return ALEXNET_OK;
    }
    *out = NULL;
    if (!library) {
        an_fail(error, ALEXNET_UNSUPPORTED,
                "the CUDA plug-in %s cannot be loaded: %s; install CUDA's libraries (cuBLASLt, "
                "cuDNN 9), or name their folder in LD_LIBRARY_PATH",
                path, dlerror());
        return ALEXNET_UNSUPPORTED;
    }
    an_fail(error, ALEXNET_UNSUPPORTED,
            "the CUDA plug-in %s is of version %s, but this is %s: install both from one build",
            path, plugin ? plugin->version : "unknown", alexnet_version());
    dlclose(library);
    return ALEXNET_UNSUPPORTED;
}

/* The path of the plug-in's file. */
static alexnet_status find_plugin(char path[path_size], alexnet_error *error) {
    char folder[PATH_MAX];
    AN_TRY(own_folder(folder, error));
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, path_size, "%s%s" AN_CUDA_FILE, folder, places[i]);
        if (access(path, F_OK) == 0)
            return ALEXNET_OK;
    }
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "this build has no CUDA plug-in (" AN_CUDA_FILE " in %s); build where the CUDA "
                   "toolkit, 12 or later, and cuDNN 9 are installed",
                   folder);
}

static alexnet_status cuda_available(alexnet_error *error) {
    char path[path_size];
    const an_cuda_plugin *plugin;
    AN_TRY(find_plugin(path, error));
    /* The plug-in would say so, too, but loading CUDA's libraries takes 60 ms, twice what
     * classifying a picture does. The driver's stays, as the plug-in uses it. */
    if (!dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL))
        return an_fail(
            error, ALEXNET_UNSUPPORTED,
            "the NVIDIA driver cannot be loaded (%s); install it where there is an NVIDIA GPU",
            dlerror());
    AN_TRY(an_cuda_load(path, &plugin, error));
    return plugin->available(error);
}

static alexnet_status cuda_create(const an_network *network, const an_plan_options *options,
                                  an_plan **out, alexnet_error *error) {
    char path[path_size];
    const an_cuda_plugin *plugin;
    AN_TRY(find_plugin(path, error));
    AN_TRY(an_cuda_load(path, &plugin, error));
    return plugin->backend->create(network, options, out, error);
}

/* Its plans are the plug-in's and point at the plug-in's own table: nothing else is called here. */
const an_backend an_backend_cuda = {
    .name = "cuda",
    .description = "NVIDIA GPUs, through the plug-in " AN_CUDA_FILE,
    .create = cuda_create,
    .available = cuda_available,
};
