#include "backend/cpu/conv.h"

#include "core/memory.h"

/*
 * Whether to ask oneDNN for Winograd's algorithm (Lavin and Gray 2016, oneDNN has F(4x4, 3x3)). It
 * needs 1.5 to 2.6 times fewer multiplications on 13 x 13 pixels, but four times the weights, so it
 * pays only where several images share them.
 */
static bool wants_winograd(const an_layer *layer, int images) {
    const an_layer_spec *spec = &layer->spec;
    return spec->kernel == 3 && spec->stride == 1 && spec->groups == 1 && images >= 8;
}

static alexnet_status make_pass(an_conv_pass *pass, const an_dnnl *dnnl, an_convolution *c,
                                an_layout plain, alexnet_error *error) {
    an_layout packed = NULL;
    bool found = false;
    c->winograd = wants_winograd(c->layer, c->images);
    if (c->winograd)
        AN_TRY(an_convolution_make(dnnl, c, &pass->compute, &packed, &pass->scratch_bytes, &found,
                                   error));
    c->winograd = false;
    if (!found)
        AN_TRY(an_convolution_make(dnnl, c, &pass->compute, &packed, &pass->scratch_bytes, &found,
                                   error));
    if (!found)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: oneDNN has no convolution like this; use --device reference",
                       c->layer->spec.name);
    pass->weight_bytes = an_aligned(an_layout_bytes(packed));
    const alexnet_status status = c->pass == AN_PASS_WEIGHTS
                                      ? an_reorder_make(dnnl, packed, plain, &pass->reorder, error)
                                      : an_reorder_make(dnnl, plain, packed, &pass->reorder, error);
    an_layout_free(&packed);
    return status;
}

static alexnet_status make_passes(an_conv *conv, const an_conv_options *options, an_convolution *c,
                                  an_layout plain, alexnet_error *error) {
    const an_dnnl *dnnl = conv->dnnl;
    c->pass = AN_PASS_FORWARD;
    if (conv->way == AN_BY_DNNL)
        AN_TRY(make_pass(&conv->forward, dnnl, c, plain, error));
    if (!options->training)
        return ALEXNET_OK;
    c->pass = AN_PASS_WEIGHTS;
    if (conv->way == AN_BY_DNNL)
        AN_TRY(make_pass(&conv->weights, dnnl, c, plain, error));
    c->pass = AN_PASS_INPUT;
    return options->input_gradient ? make_pass(&conv->input, dnnl, c, plain, error) : ALEXNET_OK;
}

static alexnet_status make_by_dnnl(an_conv *conv, const an_conv_options *options,
                                   alexnet_error *error) {
    const an_layer *layer = conv->layer;
    const an_layer_spec *spec = &layer->spec;
    const dnnl_format_tag_t blocked = conv->kernels->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    const int64_t in[4] = {options->images, layer->in.c, layer->in.h, layer->in.w};
    const int64_t out[4] = {options->images, layer->out.c, layer->out.h, layer->out.w};
    const int64_t grouped[5] = {spec->groups, spec->units / spec->groups,
                                layer->in.c / spec->groups, spec->kernel, spec->kernel};
    an_convolution c = {.layer = layer, .images = options->images, .training = options->training};
    an_layout plain = NULL;
    alexnet_status status;
    AN_TRY_CLEANUP(an_layout_make(&c.x, 4, in, options->plain_input ? dnnl_nchw : blocked, error));
    AN_TRY_CLEANUP(an_layout_make(&c.y, 4, out, blocked, error));
    AN_TRY_CLEANUP(spec->groups > 1 ? an_layout_make(&plain, 5, grouped, dnnl_goihw, error)
                                    : an_layout_make(&plain, 4, grouped + 1, dnnl_oihw, error));
    status = make_passes(conv, options, &c, plain, error);
cleanup:
    an_layout_free(&c.x);
    an_layout_free(&c.y);
    an_layout_free(&plain);
    return status == ALEXNET_OK ? status : an_fail_in(error, status, "%s", spec->name);
}

static an_winograd winograd_of(const an_conv *conv, an_pass pass, const an_conv_options *options) {
    const bool forward = pass == AN_PASS_FORWARD && !options->training;
    return an_winograd_choose(
        conv->layer, &(an_winograd_options){.pass = pass,
                                            .images = options->images,
                                            .threads = options->threads,
                                            .block = conv->kernels->block,
                                            .int16 = forward && options->precision != AN_FP32
                                                         ? an_can_int16(conv->kernels)
                                                         : AN_INT16_NONE});
}

/* Whether the gradient of the input is by the same way as the other passes. */
static bool input_likewise(const an_conv *conv, const an_conv_options *options) {
    return options->input_gradient && !options->plain_input && conv->way != AN_BY_DNNL &&
           (conv->way != AN_BY_WINOGRAD ||
            an_winograd_fits_input(conv->layer, conv->kernels->block));
}

static void make_winograd(an_conv *conv, const an_conv_options *options) {
    conv->winograd = winograd_of(conv, AN_PASS_FORWARD, options);
    if (options->training)
        conv->winograd_weights = winograd_of(conv, AN_PASS_WEIGHTS, options);
    if (input_likewise(conv, options))
        conv->winograd_input = winograd_of(conv, AN_PASS_INPUT, options);
}

static an_amx_conv tiles_of(const an_conv *conv, an_pass pass, const an_conv_options *options) {
    return an_amx_conv_of(conv->layer, &(an_amx_conv_options){.pass = pass,
                                                              .precision = options->precision,
                                                              .signed_input = options->signed_input,
                                                              .images = options->images,
                                                              .threads = options->threads});
}

static void make_tiles(an_conv *conv, const an_conv_options *options) {
    conv->tiles = tiles_of(conv, AN_PASS_FORWARD, options);
    if (options->training)
        conv->tiles_weights = tiles_of(conv, AN_PASS_WEIGHTS, options);
    if (input_likewise(conv, options))
        conv->tiles_input = tiles_of(conv, AN_PASS_INPUT, options);
}

/* What the words of the first convolution's direct sum have (first.h): what can be multiplied. */
static an_precision words_of(an_precision precision) {
    const bool can = precision == AN_BF16 ? an_can_bf16() : precision == AN_INT8 && an_can_int8();
    return can ? precision : AN_FP32;
}

static an_conv_way way_of(const an_conv *conv, const an_conv_options *options) {
    const an_layer *layer = conv->layer;
    const int block = conv->kernels->block;
    const bool less = options->precision == AN_BF16 || options->precision == AN_INT8;
    if (less && conv->kernels->tiles && an_can_amx() && an_amx_conv_fits(layer))
        return AN_BY_TILES;
    if (!options->plain_input)
        return an_winograd_fits(layer, block) ? AN_BY_WINOGRAD : AN_BY_DNNL;
    if (words_of(options->precision) != AN_INT8 && an_winograd_fits_phases(layer, block))
        return AN_BY_WINOGRAD;
    return an_first_fits(layer) ? AN_BY_FIRST : AN_BY_DNNL;
}

alexnet_status an_conv_make(an_conv *conv, const an_dnnl *dnnl, const an_kernels *kernels,
                            const an_layer *layer, const an_conv_options *options,
                            alexnet_error *error) {
    conv->layer = layer;
    conv->kernels = kernels;
    conv->dnnl = dnnl;
    conv->images = options->images;
    conv->training = options->training;
    conv->plain_input = options->plain_input;
    conv->way = way_of(conv, options);
    if (conv->way == AN_BY_FIRST)
        AN_TRY(an_first_make(&conv->first, kernels, layer, words_of(options->precision),
                             options->threads, error));
    if (conv->way == AN_BY_WINOGRAD)
        make_winograd(conv, options);
    if (conv->way == AN_BY_TILES)
        make_tiles(conv, options);
    const bool input_by_dnnl = options->input_gradient && !input_likewise(conv, options);
    return conv->way == AN_BY_DNNL || input_by_dnnl ? make_by_dnnl(conv, options, error)
                                                    : ALEXNET_OK;
}

static void free_pass(an_conv_pass *pass) {
    an_primitive_free(&pass->compute);
    an_primitive_free(&pass->reorder);
}

void an_conv_free(an_conv *conv) {
    an_first_free(&conv->first);
    free_pass(&conv->forward);
    free_pass(&conv->input);
    free_pass(&conv->weights);
}

bool an_conv_does_relu(const an_kernels *kernels, const an_layer *layer) {
    return an_winograd_fits(layer, kernels->block);
}

bool an_conv_takes_whole_batches(const an_conv *conv) {
    return conv->way == AN_BY_DNNL;
}

size_t an_conv_packed_bytes(const an_conv *conv) {
    switch (conv->way) {
    case AN_BY_TILES:
        return an_amx_conv_packed_bytes(&conv->tiles);
    case AN_BY_WINOGRAD:
        return sizeof(float) * an_winograd_weight_floats(&conv->winograd);
    case AN_BY_FIRST:
        return an_first_packed_bytes(&conv->first);
    case AN_BY_DNNL:
        break;
    }
    return conv->forward.weight_bytes;
}

static size_t forward_bytes(const an_conv *conv) {
    switch (conv->way) {
    case AN_BY_TILES:
        return an_amx_conv_work_bytes(&conv->tiles);
    case AN_BY_WINOGRAD:
        return sizeof(float) * an_winograd_work_floats(&conv->winograd);
    case AN_BY_FIRST:
        return an_first_workspace_bytes(&conv->first, conv->training);
    case AN_BY_DNNL:
        break;
    }
    return conv->forward.scratch_bytes;
}

/* What passes backward need, besides those by oneDNN: packed weights, or their gradient, and their
 * work; 0 where there are none. */
static size_t winograd_bytes(const an_winograd *w) {
    return w->tile ? sizeof(float) * (an_winograd_weight_floats(w) + an_winograd_work_floats(w))
                   : 0;
}

static size_t tiles_bytes(const an_amx_conv *tiles) {
    return tiles->round ? an_amx_conv_packed_bytes(tiles) + an_amx_conv_work_bytes(tiles) : 0;
}

size_t an_conv_workspace_bytes(const an_conv *conv) {
    if (!conv->layer)
        return 0;
    const size_t needs[] = {forward_bytes(conv),
                            conv->input.weight_bytes + conv->input.scratch_bytes,
                            conv->weights.weight_bytes + conv->weights.scratch_bytes,
                            winograd_bytes(&conv->winograd_input),
                            winograd_bytes(&conv->winograd_weights),
                            tiles_bytes(&conv->tiles_input),
                            tiles_bytes(&conv->tiles_weights)};
    size_t most = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        most = needs[i] > most ? needs[i] : most;
    return an_aligned(most);
}

/* oneDNN takes what it only reads as writable, too. */
static void *readable(const float *data) {
    union {
        const float *from;
        void *to;
    } pointer = {.from = data};
    return pointer.to;
}

alexnet_status an_conv_pack(const an_conv *conv, const float *weights, float input_range,
                            float *packed, void *workspace, alexnet_error *error) {
    switch (conv->way) {
    case AN_BY_TILES:
        conv->kernels->tiles->pack(&conv->tiles, weights, conv->plain_input ? input_range : 0,
                                   packed);
        return ALEXNET_OK;
    case AN_BY_WINOGRAD:
        conv->kernels->winograd_weights(&conv->winograd, weights, packed, workspace);
        return ALEXNET_OK;
    case AN_BY_FIRST:
        an_first_pack(&conv->first, weights, input_range, packed);
        return ALEXNET_OK;
    case AN_BY_DNNL:
        break;
    }
    return an_primitive_run(conv->dnnl, &conv->forward.reorder,
                            (void *const[]){readable(weights), packed}, error);
}

alexnet_status an_conv_forward(const an_conv *conv, int images, const float *x, const float *packed,
                               const float *bias, bool relu, float *y, void *workspace,
                               alexnet_error *error) {
    switch (conv->way) {
    case AN_BY_TILES:
        conv->kernels->tiles->forward(&conv->tiles, images, x, packed, bias, relu, y, workspace);
        return ALEXNET_OK;
    case AN_BY_WINOGRAD:
        conv->kernels->winograd_forward(&conv->winograd, images, x, packed, bias, relu, y,
                                        workspace);
        return ALEXNET_OK;
    case AN_BY_FIRST:
        an_first_forward(&conv->first, images, x, packed, bias, y, workspace);
        return ALEXNET_OK;
    case AN_BY_DNNL:
        break;
    }
    return an_primitive_run(
        conv->dnnl, &conv->forward.compute,
        (void *const[]){readable(x), readable(packed), readable(bias), y, workspace}, error);
}

alexnet_status an_conv_backward_input(const an_conv *conv, const float *weights, const float *dy,
                                      float *dx, void *workspace, alexnet_error *error) {
    if (conv->tiles_input.round > 0) {
        const an_amx_conv *tiles = &conv->tiles_input;
        char *work = (char *)workspace + an_amx_conv_packed_bytes(tiles);
        conv->kernels->tiles->pack(tiles, weights, 0, workspace);
        conv->kernels->tiles->forward(tiles, conv->images, dy, workspace, NULL, false, dx, work);
        return ALEXNET_OK;
    }
    if (conv->winograd_input.tile > 0) {
        const an_winograd *w = &conv->winograd_input;
        float *transformed = workspace, *work = transformed + an_winograd_weight_floats(w);
        conv->kernels->winograd_weights(w, weights, transformed, work);
        conv->kernels->winograd_forward(w, conv->images, dy, transformed, NULL, false, dx, work);
        return ALEXNET_OK;
    }
    void *scratch = (char *)workspace + conv->input.weight_bytes;
    AN_TRY(an_primitive_run(conv->dnnl, &conv->input.reorder,
                            (void *const[]){readable(weights), workspace}, error));
    return an_primitive_run(conv->dnnl, &conv->input.compute,
                            (void *const[]){dx, workspace, readable(dy), scratch}, error);
}

alexnet_status an_conv_backward_weights(const an_conv *conv, const float *x, const float *dy,
                                        float *dw, float *db, void *workspace,
                                        alexnet_error *error) {
    const an_winograd *w = &conv->winograd_weights;
    switch (conv->way) {
    case AN_BY_TILES:
        conv->kernels->tiles->gradient(&conv->tiles_weights, conv->images, x, dy, dw, db,
                                       workspace);
        return ALEXNET_OK;
    case AN_BY_WINOGRAD:
        conv->kernels->winograd_gradient(w, conv->images, x, dy, dw, db, workspace,
                                         (float *)workspace + an_winograd_weight_floats(w));
        return ALEXNET_OK;
    case AN_BY_FIRST:
        an_first_backward_weights(&conv->first, conv->images, x, dy, dw, db, workspace);
        return ALEXNET_OK;
    case AN_BY_DNNL:
        break;
    }
    void *scratch = (char *)workspace + conv->weights.weight_bytes;
    AN_TRY(an_primitive_run(conv->dnnl, &conv->weights.compute,
                            (void *const[]){readable(x), workspace, db, readable(dy), scratch},
                            error));
    return an_primitive_run(conv->dnnl, &conv->weights.reorder, (void *const[]){workspace, dw},
                            error);
}
