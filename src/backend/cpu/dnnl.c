#include "backend/cpu/dnnl.h"

#include <stdlib.h>
#include <string.h>

alexnet_status an_dnnl_fail(alexnet_error *error, dnnl_status_t status, const char *call,
                            const char *file, int line) {
    const alexnet_status kind =
        status == dnnl_out_of_memory ? ALEXNET_NO_MEMORY : ALEXNET_UNSUPPORTED;
    return an_fail(error, kind, "oneDNN: %s (status %d) from %.60s at %s:%d",
                   status == dnnl_out_of_memory   ? "out of memory"
                   : status == dnnl_unimplemented ? "not implemented"
                                                  : "failed",
                   (int)status, call, file, line);
}

alexnet_status an_dnnl_open(an_dnnl *dnnl, alexnet_error *error) {
    AN_DNNL(dnnl_engine_create(&dnnl->engine, dnnl_cpu, 0));
    AN_DNNL(dnnl_stream_create(&dnnl->stream, dnnl->engine, dnnl_stream_default_flags));
    return ALEXNET_OK;
}

void an_dnnl_close(an_dnnl *dnnl) {
    if (dnnl->stream)
        dnnl_stream_destroy(dnnl->stream);
    if (dnnl->engine)
        dnnl_engine_destroy(dnnl->engine);
    *dnnl = (an_dnnl){0};
}

/* Instruction sets are numbered so that each has the bits of those that it includes. */
static bool allows(dnnl_cpu_isa_t isa) {
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

bool an_dnnl_allows_avx512(void) {
    return allows(dnnl_cpu_isa_avx512_core);
}

bool an_dnnl_allows_bf16(void) {
    return allows(dnnl_cpu_isa_avx512_core_bf16);
}

bool an_dnnl_allows_vnni(void) {
    return allows(dnnl_cpu_isa_avx512_core_vnni);
}

bool an_dnnl_allows_amx(void) {
    return allows(dnnl_cpu_isa_avx512_core_amx);
}

bool an_dnnl_allows_avx2(void) {
    return allows(dnnl_cpu_isa_avx2);
}

bool an_dnnl_allows_avx2_vnni(void) {
    return allows(dnnl_cpu_isa_avx2_vnni);
}

/* ---- Layouts: a value in version 2, a handle in version 3. */

#if DNNL_VERSION_MAJOR >= 3

#define MD(layout) (layout)
#define MD_QUERIED const_dnnl_memory_desc_t

alexnet_status an_layout_make(an_layout *out, int dims, const int64_t *shape, dnnl_format_tag_t tag,
                              alexnet_error *error) {
    *out = NULL;
    AN_DNNL(dnnl_memory_desc_create_with_tag(out, dims, shape, dnnl_f32, tag));
    return ALEXNET_OK;
}

static alexnet_status layout_copy(an_layout *out, const_dnnl_memory_desc_t from,
                                  alexnet_error *error) {
    AN_DNNL(dnnl_memory_desc_clone(out, from));
    return ALEXNET_OK;
}

void an_layout_free(an_layout *layout) {
    if (*layout)
        dnnl_memory_desc_destroy(*layout);
    *layout = NULL;
}

static size_t md_bytes(const_dnnl_memory_desc_t md) {
    return dnnl_memory_desc_get_size(md);
}

#else

struct an_layout_value {
    dnnl_memory_desc_t md;
};

#define MD(layout) (&(layout)->md)
#define MD_QUERIED const dnnl_memory_desc_t *

static alexnet_status layout_copy(an_layout *out, const dnnl_memory_desc_t *from,
                                  alexnet_error *error) {
    *out = malloc(sizeof **out);
    if (!*out)
        return an_fail(error, ALEXNET_NO_MEMORY, "out of memory for a layout");
    (*out)->md = *from;
    return ALEXNET_OK;
}

alexnet_status an_layout_make(an_layout *out, int dims, const int64_t *shape, dnnl_format_tag_t tag,
                              alexnet_error *error) {
    *out = NULL;
    dnnl_memory_desc_t md;
    AN_DNNL(dnnl_memory_desc_init_by_tag(&md, dims, shape, dnnl_f32, tag));
    return layout_copy(out, &md, error);
}

void an_layout_free(an_layout *layout) {
    free(*layout);
    *layout = NULL;
}

static size_t md_bytes(const dnnl_memory_desc_t *md) {
    return dnnl_memory_desc_get_size(md);
}

#endif

size_t an_layout_bytes(an_layout layout) {
    return md_bytes(MD(layout));
}

/* ---- Primitives. */

static alexnet_status add_argument(const an_dnnl *dnnl, an_primitive *primitive, int argument,
                                   MD_QUERIED md, alexnet_error *error) {
    dnnl_exec_arg_t *slot = &primitive->arguments[primitive->count];
    slot->arg = argument;
    AN_DNNL(dnnl_memory_create(&slot->memory, md, dnnl->engine, DNNL_MEMORY_NONE));
    primitive->count++;
    return ALEXNET_OK;
}

alexnet_status an_primitive_run(const an_dnnl *dnnl, const an_primitive *primitive,
                                void *const data[], alexnet_error *error) {
    for (int i = 0; i < primitive->count; i++)
        AN_DNNL(dnnl_memory_set_data_handle(primitive->arguments[i].memory, data[i]));
    AN_DNNL(dnnl_primitive_execute(primitive->primitive, dnnl->stream, primitive->count,
                                   primitive->arguments));
    AN_DNNL(dnnl_stream_wait(dnnl->stream));
    return ALEXNET_OK;
}

void an_primitive_free(an_primitive *primitive) {
    for (int i = 0; i < primitive->count; i++)
        dnnl_memory_destroy(primitive->arguments[i].memory);
    if (primitive->primitive)
        dnnl_primitive_destroy(primitive->primitive);
    *primitive = (an_primitive){0};
}

static alexnet_status make_reorder(const an_dnnl *dnnl, an_layout from, an_layout to,
                                   dnnl_primitive_desc_t description, an_primitive *out,
                                   alexnet_error *error) {
    AN_DNNL(dnnl_primitive_create(&out->primitive, description));
    AN_TRY(add_argument(dnnl, out, DNNL_ARG_FROM, MD(from), error));
    return add_argument(dnnl, out, DNNL_ARG_TO, MD(to), error);
}

alexnet_status an_reorder_make(const an_dnnl *dnnl, an_layout from, an_layout to, an_primitive *out,
                               alexnet_error *error) {
    *out = (an_primitive){0};
    dnnl_primitive_desc_t description;
    AN_DNNL(dnnl_reorder_primitive_desc_create(&description, MD(from), dnnl->engine, MD(to),
                                               dnnl->engine, NULL));
    const alexnet_status status = make_reorder(dnnl, from, to, description, out, error);
    dnnl_primitive_desc_destroy(description);
    if (status != ALEXNET_OK)
        an_primitive_free(out);
    return status;
}

/* ---- Convolutions. */

/* What oneDNN wants to know, as its functions take it. */
typedef struct window {
    dnnl_dims_t strides, dilates, before, behind;
} window;

static window window_of(const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    const int64_t behind_h =
        (layer->out.h - 1) * spec->stride + spec->kernel - layer->in.h - spec->pad;
    const int64_t behind_w =
        (layer->out.w - 1) * spec->stride + spec->kernel - layer->in.w - spec->pad;
    return (window){.strides = {spec->stride, spec->stride},
                    .before = {spec->pad, spec->pad},
                    .behind = {behind_h, behind_w}};
}

static alexnet_status describe(const an_dnnl *dnnl, const an_convolution *c, an_layout w,
                               an_layout b, const_dnnl_primitive_attr_t attributes,
                               dnnl_primitive_desc_t *out, dnnl_status_t *status,
                               alexnet_error *error) {
    (void)error;
    const window at = window_of(c->layer);
    const dnnl_alg_kind_t algorithm =
        c->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
    /* For inference, Winograd's transform of the weights belongs to the packing. */
    const dnnl_prop_kind_t kind = c->training ? dnnl_forward_training : dnnl_forward_inference;
#if DNNL_VERSION_MAJOR >= 3
    switch (c->pass) {
    case AN_PASS_FORWARD:
        *status = dnnl_convolution_forward_primitive_desc_create(
            out, dnnl->engine, kind, algorithm, c->x, w, b, c->y, at.strides, at.dilates, at.before,
            at.behind, attributes);
        break;
    case AN_PASS_INPUT:
        *status = dnnl_convolution_backward_data_primitive_desc_create(
            out, dnnl->engine, algorithm, c->x, w, c->y, at.strides, at.dilates, at.before,
            at.behind, NULL, attributes);
        break;
    case AN_PASS_WEIGHTS:
        *status = dnnl_convolution_backward_weights_primitive_desc_create(
            out, dnnl->engine, algorithm, c->x, w, b, c->y, at.strides, at.dilates, at.before,
            at.behind, NULL, attributes);
        break;
    }
#else
    dnnl_convolution_desc_t description;
    switch (c->pass) {
    case AN_PASS_FORWARD:
        AN_DNNL(dnnl_convolution_forward_desc_init(&description, kind, algorithm, MD(c->x), MD(w),
                                                   MD(b), MD(c->y), at.strides, at.before,
                                                   at.behind));
        break;
    case AN_PASS_INPUT:
        AN_DNNL(dnnl_convolution_backward_data_desc_init(
            &description, algorithm, MD(c->x), MD(w), MD(c->y), at.strides, at.before, at.behind));
        break;
    case AN_PASS_WEIGHTS:
        AN_DNNL(dnnl_convolution_backward_weights_desc_init(&description, algorithm, MD(c->x),
                                                            MD(w), MD(b), MD(c->y), at.strides,
                                                            at.before, at.behind));
        break;
    }
    *status = dnnl_primitive_desc_create(out, &description, attributes, dnnl->engine, NULL);
#endif
    return ALEXNET_OK;
}

static alexnet_status make_from(const an_dnnl *dnnl, const an_convolution *c,
                                dnnl_primitive_desc_t description, an_primitive *out,
                                an_layout *weights, size_t *scratch_bytes, alexnet_error *error) {
    const bool input = c->pass == AN_PASS_INPUT, gradient = c->pass == AN_PASS_WEIGHTS;
    MD_QUERIED w = dnnl_primitive_desc_query_md(
        description, gradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    MD_QUERIED b = dnnl_primitive_desc_query_md(
        description, gradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 1);
    MD_QUERIED scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    AN_TRY(layout_copy(weights, w, error));
    *scratch_bytes = md_bytes(scratch);
    AN_DNNL(dnnl_primitive_create(&out->primitive, description));
    AN_TRY(add_argument(dnnl, out, input ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, MD(c->x), error));
    AN_TRY(add_argument(dnnl, out, gradient ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, w, error));
    if (!input)
        AN_TRY(add_argument(dnnl, out, gradient ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, b, error));
    AN_TRY(add_argument(dnnl, out, c->pass == AN_PASS_FORWARD ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST,
                        MD(c->y), error));
    return add_argument(dnnl, out, DNNL_ARG_SCRATCHPAD, scratch, error);
}

alexnet_status an_convolution_make(const an_dnnl *dnnl, const an_convolution *c, an_primitive *out,
                                   an_layout *weights, size_t *scratch_bytes, bool *found,
                                   alexnet_error *error) {
    const an_layer *layer = c->layer;
    const an_layer_spec *spec = &layer->spec;
    const int64_t grouped[5] = {spec->groups, spec->units / spec->groups,
                                layer->in.c / spec->groups, spec->kernel, spec->kernel};
    an_layout w = NULL, b = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    alexnet_status status;
    dnnl_status_t made = dnnl_unimplemented;
    *out = (an_primitive){0};
    *weights = NULL;
    AN_TRY_CLEANUP(spec->groups > 1
                       ? an_layout_make(&w, 5, grouped, dnnl_format_tag_any, error)
                       : an_layout_make(&w, 4, grouped + 1, dnnl_format_tag_any, error));
    AN_TRY_CLEANUP(an_layout_make(&b, 1, (const int64_t[1]){spec->units}, dnnl_a, error));
    if (dnnl_primitive_attr_create(&attributes) != dnnl_success ||
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) !=
            dnnl_success) {
        status = an_fail(error, ALEXNET_NO_MEMORY, "oneDNN: no memory for attributes");
        goto cleanup;
    }
    AN_TRY_CLEANUP(describe(dnnl, c, w, b, attributes, &description, &made, error));
    *found = made == dnnl_success;
    if (!*found) {
        if (made != dnnl_unimplemented)
            status = an_dnnl_fail(error, made, spec->name, __FILE__, __LINE__);
        goto cleanup;
    }
    status = make_from(dnnl, c, description, out, weights, scratch_bytes, error);
    if (status != ALEXNET_OK) {
        an_primitive_free(out);
        an_layout_free(weights);
    }
cleanup:
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    an_layout_free(&w);
    an_layout_free(&b);
    return status;
}
