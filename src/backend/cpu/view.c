#include "backend/cpu/view.h"

an_view an_view_of(const an_layer *layer) {
    const an_layer_spec *spec = &layer->spec;
    const int stride = spec->stride, window = (spec->kernel + stride - 1) / stride;
    if (stride == 1)
        return (an_view){.phases = {.stride = 1, .kernel = window},
                         .in = layer->in,
                         .window = window,
                         .pad = spec->pad};
    const an_shape maps = {layer->in.c * stride * stride, layer->out.h + window - 1,
                           layer->out.w + window - 1};
    return (an_view){
        .phases = {stride, spec->kernel, spec->pad, layer->in}, .in = maps, .window = window};
}
