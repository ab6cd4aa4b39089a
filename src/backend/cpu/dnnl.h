/*
 * oneDNN behind a few functions: what the backend needs of it, and the one place that knows how
 * versions 2 and 3 differ. Data comes as plain pointers; layouts say how it lies there.
 */
#ifndef AN_BACKEND_CPU_DNNL_H
#define AN_BACKEND_CPU_DNNL_H

#include <oneapi/dnnl/dnnl.h>

#include "backend/backend.h"
#include "backend/cpu/pass.h"

/* Fails with oneDNN's own word for it, the call and its place. */
#define AN_DNNL(call)                                                                              \
    do {                                                                                           \
        const dnnl_status_t an_dnnl_status = (call);                                               \
        if (an_dnnl_status != dnnl_success)                                                        \
            return an_dnnl_fail(error, an_dnnl_status, #call, __FILE__, __LINE__);                 \
    } while (0)

alexnet_status an_dnnl_fail(alexnet_error *error, dnnl_status_t status, const char *call,
                            const char *file, int line);

/* The processor as oneDNN sees it, and a queue of work for it. All zero until opened. */
typedef struct an_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
} an_dnnl;

alexnet_status an_dnnl_open(an_dnnl *dnnl, alexnet_error *error);
void an_dnnl_close(an_dnnl *dnnl);

/* Whether oneDNN would use these instructions: its own limit (ONEDNN_MAX_CPU_ISA) counts. */
bool an_dnnl_allows_avx512(void);
bool an_dnnl_allows_bf16(void);
bool an_dnnl_allows_vnni(void);
bool an_dnnl_allows_amx(void);
bool an_dnnl_allows_avx2(void);
bool an_dnnl_allows_avx2_vnni(void);

/* The version compiled against, "2.6.3". */
#define AN_TEXT_OF(x) #x
#define AN_TEXT(x) AN_TEXT_OF(x)
#define AN_DNNL_VERSION                                                                            \
    AN_TEXT(DNNL_VERSION_MAJOR) "." AN_TEXT(DNNL_VERSION_MINOR) "." AN_TEXT(DNNL_VERSION_PATCH)

/* How a float32 tensor lies in memory. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t an_layout; /* owned; NULL: none */
#else
typedef struct an_layout_value *an_layout; /* owned; NULL: none */
#endif

alexnet_status an_layout_make(an_layout *out, int dims, const int64_t *shape, dnnl_format_tag_t tag,
                              alexnet_error *error);
void an_layout_free(an_layout *layout);
size_t an_layout_bytes(an_layout layout);

/* A compiled operation and the memories it works on, in the order that its maker says. */
enum { AN_MAX_ARGUMENTS = 5 };
typedef struct an_primitive {
    dnnl_primitive_t primitive;
    int count;
    dnnl_exec_arg_t arguments[AN_MAX_ARGUMENTS];
} an_primitive;

/* Runs on data[i] for each argument. */
alexnet_status an_primitive_run(const an_dnnl *dnnl, const an_primitive *primitive,
                                void *const data[], alexnet_error *error);
void an_primitive_free(an_primitive *primitive);

/* data: from, to. */
alexnet_status an_reorder_make(const an_dnnl *dnnl, an_layout from, an_layout to, an_primitive *out,
                               alexnet_error *error);

/* A convolution as oneDNN wants it described. */
typedef struct an_convolution {
    const an_layer *layer;
    an_pass pass; /* forward, or the gradient of the input or of weights and biases */
    int images;
    bool training;  /* forward: the weights change every time */
    bool winograd;  /* rather than directly */
    an_layout x, y; /* of input and output, or their gradients */
} an_convolution;

/*
 * data: x, weights, biases, y, scratch; no biases in AN_PASS_INPUT: x, weights, y, scratch. What is
 * computed may stand anywhere among them. *weights: the layout in which the weights, or their
 * gradient, must lie; *scratch_bytes: the size of the scratch memory. *found says whether oneDNN
 * has it; where it has not, nothing is made and the call succeeds.
 */
alexnet_status an_convolution_make(const an_dnnl *dnnl, const an_convolution *convolution,
                                   an_primitive *out, an_layout *weights, size_t *scratch_bytes,
                                   bool *found, alexnet_error *error);

#endif
