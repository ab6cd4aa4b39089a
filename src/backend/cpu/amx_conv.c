#include "backend/cpu/amx_conv.h"

#include "core/memory.h"

/* What a round's pictures may take, so that they stay in the caches of two cores beside a panel's
 * weights; and in AN_PASS_WEIGHTS, where all of the gradient is passed for each round. */
static const size_t round_bytes = (size_t)1 << 20, gradient_round_bytes = (size_t)4 << 20;

enum { most_summands = 66000 }; /* products of bytes, of which as many fit 32 bits */

static int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

/* Of an element of a picture. */
static int element_bytes(const an_amx_conv *conv) {
    return conv->precision == AN_INT8 ? 1 : 2;
}

/* A pixel's maps, of one group. */
static size_t pixel_bytes(const an_amx_conv *conv) {
    return (size_t)conv->view.in.c / conv->groups * element_bytes(conv);
}

bool an_amx_conv_fits(const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    const an_view view = an_view_of(layer);
    const bool phases = spec->stride > 1;
    return view.pad < view.window && (!phases || spec->groups == 1) &&
           (phases || layer->out.h == layer->in.h + 2 * spec->pad - spec->kernel + 1) &&
           view.in.c / spec->groups * view.window * view.window <= most_summands &&
           view.in.c / spec->groups % 16 == 0 && spec->units / spec->groups % 32 == 0;
}

/* What the workspace has of each image of a round. */
static size_t image_bytes(const an_amx_conv *conv) {
    const size_t pictures = conv->groups * an_amx_conv_group_bytes(conv);
    if (conv->pass != AN_PASS_WEIGHTS)
        return pictures + (conv->precision == AN_INT8 ? sizeof(float) : 0);
    const size_t pairs = (size_t)conv->view.in.c / 16 * an_amx_conv_lines(conv) * AN_AMX_STEP;
    const size_t turned = (size_t)conv->out.c * conv->positions * 2;
    return pictures + pairs + turned + conv->out.c * sizeof(float);
}

an_amx_conv an_amx_conv_of(const an_layer *layer, const an_amx_conv_options *options) {
    const bool backward = options->pass == AN_PASS_INPUT;
    an_amx_conv conv = {.pass = options->pass,
                        .precision = options->precision,
                        .signed_input = options->signed_input,
                        .threads = options->threads,
                        .view = an_view_of(layer),
                        .out = backward ? layer->in : layer->out,
                        .groups = layer->spec.groups};
    an_view *view = &conv.view;
    if (backward) {
        view->in = layer->out;
        view->pad = view->window - 1 - view->pad;
    }
    conv.pitch = view->in.w + view->pad;
    conv.positions =
        divide_up((conv.out.h - 1) * conv.pitch + conv.out.w, AN_AMX_PAIR) * AN_AMX_PAIR;
    conv.steps = divide_up(view->window * (int)pixel_bytes(&conv), AN_AMX_STEP);
    const bool weights = options->pass == AN_PASS_WEIGHTS;
    const size_t most = (weights ? gradient_round_bytes : round_bytes) / image_bytes(&conv);
    const int round = most < 1 ? 1 : most < (size_t)options->images ? (int)most : options->images;
    conv.round = divide_up(options->images, divide_up(options->images, round));
    return conv;
}

size_t an_amx_conv_lines(const an_amx_conv *conv) {
    return conv->positions + (size_t)(conv->view.window - 1) * (conv->pitch + 1);
}

size_t an_amx_conv_group_bytes(const an_amx_conv *conv) {
    const an_view *view = &conv->view;
    const size_t rows = view->in.h + 2 * view->pad;
    const size_t all = (rows * conv->pitch + view->pad) * pixel_bytes(conv);
    /* The last window that is computed, also of positions behind the last pixel. */
    const size_t last = conv->positions - 1 + (size_t)(view->window - 1) * conv->pitch;
    const size_t seen = last * pixel_bytes(conv) + (size_t)conv->steps * AN_AMX_STEP;
    return an_aligned(all > seen ? all : seen);
}

int an_amx_conv_panels(const an_amx_conv *conv) {
    return conv->groups * divide_up(conv->out.c / conv->groups, AN_AMX_PAIR);
}

size_t an_amx_conv_packed_bytes(const an_amx_conv *conv) {
    const an_view *view = &conv->view;
    const size_t maps = conv->out.c, window = view->window;
    if (conv->pass == AN_PASS_WEIGHTS)
        return maps * view->in.c / conv->groups * window * window * sizeof(float);
    const size_t panels =
        an_amx_conv_panels(conv) * window * conv->steps * AN_AMX_PAIR * AN_AMX_STEP;
    /* int8: a scale of each map's weights, and the range. */
    return panels + (conv->precision == AN_INT8 ? an_aligned((maps + 1) * sizeof(float)) : 0);
}

size_t an_amx_conv_work_bytes(const an_amx_conv *conv) {
    return an_aligned(conv->round * image_bytes(conv));
}
