/*
 * What the library and the plug-in alexnet-cuda.so agree on.
 *
 * The plug-in computes on NVIDIA GPUs and is linked with CUDA's libraries, of which cuBLASLt alone
 * has 540 MB. The library (cuda.c) only looks for it, so that the one `alexnet` runs where there is
 * no CUDA, too. Both are of one build: a network, a plan and its options cross as they lie in
 * memory. The plug-in has its own copy of what it uses of the library (core/, model/) and shows
 * nothing but the structure below.
 */
#ifndef AN_BACKEND_CUDA_PLUGIN_H
#define AN_BACKEND_CUDA_PLUGIN_H

#include "backend/backend.h"

/* What the plug-in exports under the name AN_CUDA_PLUGIN. */
typedef struct an_cuda_plugin {
    const char *version;       /* ALEXNET_VERSION of its build; must be the library's */
    const an_backend *backend; /* `create` and what plans need; plans point at it themselves */
    /* Whether there is a GPU that it can use. UNSUPPORTED with a sentence for what is missing. */
    alexnet_status (*available)(alexnet_error *error);
} an_cuda_plugin;

/* Its number goes up when the structure changes. */
#define AN_CUDA_PLUGIN "an_cuda_plugin_v1"

#define AN_CUDA_FILE "alexnet-cuda.so"

/* In the library: loads the plug-in in the file `path`, to stay. UNSUPPORTED where it or a library
 * that it needs cannot be loaded, or where it is of another version; *out is then NULL. */
alexnet_status an_cuda_load(const char *path, const an_cuda_plugin **out, alexnet_error *error);

#endif
