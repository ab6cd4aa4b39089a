/*
 * Networks as tables.
 *
 * An architecture is a constant table of layers (archs.c). an_network_build works out every shape,
 * parameter and cost from it; backends, summary, initialisation and exporters read the result.
 * A network is a plain value: copy it, keep it on the stack, nothing to free.
 */
#ifndef AN_MODEL_NETWORK_H
#define AN_MODEL_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum {
    AN_MAX_LAYERS = 32,
    AN_MAX_PARAMETERS = 16, /* eight layers with a weight and a bias each */
    AN_MAX_CLASSES = 1 << 20
};

typedef enum an_layer_type {
    AN_CONV,       /* convolution, §3.5; cross-correlation, as every framework computes it */
    AN_RELU,       /* rectified linear unit, §3.1 */
    AN_LRN,        /* local response normalisation across maps, §3.3 */
    AN_LRN_WITHIN, /* the same within one map, over a square of pixels (net #145) */
    AN_MAX_POOL,   /* overlapping max pooling, §3.4 */
    AN_ADAPTIVE_AVG_POOL, /* average pooling to a given size (torchvision) */
    AN_FC,                /* fully connected, input flattened as (C, H, W) */
    AN_DROPOUT            /* dropout, §4.2 */
} an_layer_type;

/* How a layer's weights and biases begin. */
typedef enum an_init {
    AN_INIT_HE,     /* weights N(0, 2 / fan_in) (He et al. 2015, eq. 10), biases `bias` */
    AN_INIT_NORMAL, /* weights N(0, deviation^2), biases `bias` */
    AN_INIT_TORCH,  /* both U(-1, 1) / sqrt(fan_in), PyTorch's default */
    AN_INIT_UNIFORM /* weights U(-1, 1) sqrt(2 / fan_in), biases `bias`; Darknet's */
} an_init;

/* One row of an architecture's table. Which fields count depends on the type. */
typedef struct an_layer_spec {
    const char *name; /* "conv1" */
    an_layer_type type;
    int units;            /* AN_CONV: maps; AN_FC: outputs, 0: the number of classes;
                             AN_ADAPTIVE_AVG_POOL: side of the output */
    int kernel;           /* AN_CONV, AN_MAX_POOL: side of the window */
    int stride;           /* AN_CONV, AN_MAX_POOL */
    int pad;              /* AN_CONV: zeros on every side */
    int groups;           /* AN_CONV: towers; each sees only its own share of the input maps */
    bool round_up;        /* AN_CONV, AN_MAX_POOL: the last window may reach over the edge */
    int size;             /* AN_LRN: maps in the window; AN_LRN_WITHIN: its side in pixels */
    float alpha, beta, k; /* AN_LRN*: x / (k + alpha / n * sum)^beta, n: elements of the window */
    int towers;           /* AN_LRN: groups of maps that do not see each other */
    float rate;           /* AN_DROPOUT: probability of zero */
    bool scale_at_test;   /* AN_DROPOUT: outputs * (1 - rate) when testing (the paper's code) rather
                             than / (1 - rate) when training */
    const char *parameter; /* AN_CONV, AN_FC: stem of the parameters' names in files */
    an_init init;
    float deviation, bias;
} an_layer_spec;

/* What turns a picture into the network's input; travels in the metadata of weights files. */
typedef struct an_preprocess {
    int resize;    /* the short side is resized to this ... */
    int crop;      /* ... and the centre square of this side taken */
    bool bgr;      /* channel order of the network's input */
    float scale;   /* pixel (0 to 255) * scale ... */
    float mean[3]; /* ... less mean, in the input's channel order ... */
    float std[3];  /* ... divided by std */
    /* (3, crop, crop), in the input's channel order: taken off each pixel instead of `mean`, at its
       place in the input, mirrored or not (net #145). It belongs to whoever sets it and must
       outlive every copy of this structure. Of files only safetensors keep it. NULL: `mean` */
    const float *mean_image;
} an_preprocess;

/* An architecture: what `--arch` names. */
typedef struct an_arch {
    const char *name;
    const char *title; /* one line for people */
    int input_size;    /* side of the input unless one is asked for */
    an_preprocess preprocess;
    const an_layer_spec *layers;
    int layer_count;
} an_arch;

/* The shape of one image's data between layers. */
typedef struct an_shape {
    int c, h, w;
} an_shape;

/* A layer with everything that follows from the table. */
typedef struct an_layer {
    an_layer_spec spec; /* units filled in where it was the number of classes */
    an_shape in, out;
    int weight, bias; /* indices into the network's parameters; -1 where it has none */
    uint64_t macs;    /* multiply-adds for one image, of convolutions and fully connected layers */
} an_layer;

/* A trainable tensor. */
typedef struct an_parameter {
    char name[40]; /* as in files: "conv1.weight" */
    int layer;     /* index of its layer */
    bool is_bias;
    int dims;
    int64_t shape[4]; /* weights (O, I / groups, K, K) or (O, I); biases (O) */
    size_t count;     /* product of the shape */
    size_t offset;    /* in floats, where all parameters lie one behind the other */
    size_t fan_in;    /* inputs of one output */
} an_parameter;

/* A network, worked out. */
typedef struct an_network {
    const an_arch *arch;
    int classes;    /* 0: it ends before the last layer, which tells classes apart */
    int input_size; /* 0: likewise, and the input need not be square */
    an_shape input; /* (3, H, W): (3, input_size, input_size) where that is not 0 */
    int layer_count;
    an_layer layers[AN_MAX_LAYERS];
    int parameter_count;
    an_parameter parameters[AN_MAX_PARAMETERS];
    size_t parameter_floats; /* sum of the counts */
    uint64_t macs;           /* sum over the layers */
} an_network;

/* The weights of a network: one plain tensor a parameter, in the network's order. */
typedef struct an_weights {
    const float *tensor[AN_MAX_PARAMETERS];
    /* Called, where not NULL, through an_weights_tensor before a tensor is looked at. */
    alexnet_status (*fetch)(void *context, int parameter, alexnet_error *error);
    /* Called by who has copied a tensor and will not look at it again, so that a mapped file's
     * pages can go; NULL where there is nothing to do. */
    void (*release)(void *context, int parameter);
    /* Likewise of `count` elements from `first` on, when one who will release the tensor is done
     * with them. */
    void (*forget)(void *context, int parameter, size_t first, size_t count);
    void *context;
    /* Of each layer the largest magnitude of its input, as calibration found it (0 where it does
     * not matter): what int8 needs to know ahead; NULL where unknown. */
    const float *input_range;
} an_weights;

/* The architectures, in the order they are listed; ends with NULL. */
const an_arch *const *an_archs(void);

/* The architecture called `name`; INVALID with the list of names where there is none. */
alexnet_status an_arch_find(const char *name, const an_arch **out, alexnet_error *error);

/*
 * Works a network out. classes: 0 for 1000; input_size: 0 for the architecture's own.
 * INVALID, naming the layer, where a size does not work.
 */
alexnet_status an_network_build(const an_arch *arch, int classes, int input_size, an_network *out,
                                alexnet_error *error);

/*
 * The front of a network, from its first layer to layer `last`, which is not the very last, on
 * pictures of any height and width. Layers and parameters have the indices that they have in the
 * whole network; so its weights are this one's too, up to the first fully connected layer for any
 * picture, and behind that for one of the whole network's input size. INVALID, naming the layer,
 * where the picture is too small or has more than 2^25 pixels.
 */
alexnet_status an_network_build_front(const an_arch *arch, int last, int height, int width,
                                      an_network *out, alexnet_error *error);

/* "conv", "relu", "lrn", "lrn_within", "max_pool", "adaptive_avg_pool", "fc", "dropout". */
const char *an_layer_type_name(an_layer_type type);

/* The index of the layer, or parameter, called `name`; -1 where there is none. */
int an_network_layer(const an_network *network, const char *name);
int an_network_parameter(const an_network *network, const char *name);

/* Elements of a shape. */
size_t an_shape_count(an_shape shape);

/*
 * How a convolution's or pooling layer's output side follows from its input's, with the numbers put
 * in: "(227 + 2*0 - 11) / 4 + 1 = 55". "" for layers that keep the size.
 */
void an_layer_arithmetic(const an_layer *layer, char *text, size_t size);

/* The architecture's preprocessing with the crop (and, where larger, the resize) for a network. */
an_preprocess an_network_preprocess(const an_network *network);

/* Views `floats`, all parameters one behind the other in the network's order, as weights. */
an_weights an_weights_of(const an_network *network, const float *floats);

/* A parameter's tensor, which is there until it is released as often as it was asked for. */
alexnet_status an_weights_tensor(const an_weights *weights, int parameter, const float **out,
                                 alexnet_error *error);

/* Says that a tensor will not be looked at again, or not without an_weights_tensor. */
void an_weights_release(const an_weights *weights, int parameter);

/* Says so of `count` elements from `first` on, ahead of releasing the whole. */
void an_weights_forget(const an_weights *weights, int parameter, size_t first, size_t count);

/*
 * Fills one parameter's tensor as the architecture's table says, from the stream
 * (seed, AN_RANDOM_INIT, 0, parameter): the same values whatever else is initialised.
 */
void an_initialise_parameter(const an_network *network, int parameter, uint64_t seed, float *out);

/*
 * Has a network begin as §5 of the paper says, whatever its architecture: weights N(0, 0.01^2),
 * biases 1 in conv2, conv4, conv5, fc6 and fc7, and 0 in the other layers.
 */
void an_network_begin_as_paper(an_network *network);

/* All parameters: out holds parameter_floats. */
void an_initialise(const an_network *network, uint64_t seed, float *out);

#endif
