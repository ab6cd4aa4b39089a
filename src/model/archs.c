/*
 * The architectures (`--arch`), one table each.
 *
 * Sources: the paper's §3.5 and figure 2 (`alexnet-paper`); the authors' layers-145.cfg and
 * layer-params-145.cfg (`alexnet-2012`); BVLC's model definitions (`caffe-alexnet`, `caffenet`);
 * torchvision's alexnet; Darknet's cfg/alexnet.cfg, with what its source gives layers by default.
 */
#include <string.h>

#include "model/network.h"

#define CONV(name_, units_, kernel_, stride_, pad_, groups_, ...)                                  \
    {                                                                                              \
        .name = (name_), .type = AN_CONV, .units = (units_), .kernel = (kernel_),                  \
        .stride = (stride_), .pad = (pad_), .groups = (groups_), .parameter = (name_), __VA_ARGS__ \
    }
#define FC(name_, units_, ...)                                                                     \
    { .name = (name_), .type = AN_FC, .units = (units_), .parameter = (name_), __VA_ARGS__ }
#define RELU(name_)                                                                                \
    { .name = (name_), .type = AN_RELU }
#define POOL(name_, round_up_)                                                                     \
    { .name = (name_), .type = AN_MAX_POOL, .kernel = 3, .stride = 2, .round_up = (round_up_) }
#define LRN(name_, towers_, k_)                                                                    \
    {                                                                                              \
        .name = (name_), .type = AN_LRN, .size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = (k_),      \
        .towers = (towers_)                                                                        \
    }
#define DROPOUT(name_, scale_at_test_)                                                             \
    { .name = (name_), .type = AN_DROPOUT, .rate = 0.5f, .scale_at_test = (scale_at_test_) }

/* A convolution or fully connected layer begins: */
#define HE .init = AN_INIT_HE
#define NORMAL(deviation_, bias_) .init = AN_INIT_NORMAL, .deviation = (deviation_), .bias = (bias_)
#define TORCH .init = AN_INIT_TORCH
#define UNIFORM .init = AN_INIT_UNIFORM
/* How a pooling layer rounds its output side. */
#define FLOOR false
#define CEIL true
#define NAMED(name_) .parameter = (name_)

/* The tutorial's diagram. */
static const an_layer_spec alexnet[] = {
    CONV("conv1", 96, 11, 4, 0, 1, HE),
    RELU("relu1"),
    POOL("pool1", FLOOR),
    LRN("norm1", 1, 2),
    CONV("conv2", 256, 5, 1, 2, 1, HE),
    RELU("relu2"),
    POOL("pool2", FLOOR),
    LRN("norm2", 1, 2),
    CONV("conv3", 384, 3, 1, 1, 1, HE),
    RELU("relu3"),
    CONV("conv4", 384, 3, 1, 1, 1, HE),
    RELU("relu4"),
    CONV("conv5", 256, 3, 1, 1, 1, HE),
    RELU("relu5"),
    POOL("pool5", FLOOR),
    FC("fc6", 4096, HE),
    RELU("relu6"),
    DROPOUT("drop6", false),
    FC("fc7", 4096, HE),
    RELU("relu7"),
    DROPOUT("drop7", false),
    FC("fc8", 0, HE),
};

/* The tutorial's PyTorch code: conv1 padded by 2, no normalisation, dropout before fc6 and fc7. */
static const an_layer_spec alexnet_code[] = {
    CONV("conv1", 96, 11, 4, 2, 1, TORCH),
    RELU("relu1"),
    POOL("pool1", FLOOR),
    CONV("conv2", 256, 5, 1, 2, 1, TORCH),
    RELU("relu2"),
    POOL("pool2", FLOOR),
    CONV("conv3", 384, 3, 1, 1, 1, TORCH),
    RELU("relu3"),
    CONV("conv4", 384, 3, 1, 1, 1, TORCH),
    RELU("relu4"),
    CONV("conv5", 256, 3, 1, 1, 1, TORCH),
    RELU("relu5"),
    POOL("pool5", FLOOR),
    DROPOUT("drop5", false),
    FC("fc6", 4096, TORCH),
    RELU("relu6"),
    DROPOUT("drop6", false),
    FC("fc7", 4096, TORCH),
    RELU("relu7"),
    FC("fc8", 0, TORCH),
};

/* The paper's text: §3.5's two towers, §5's initialisation. */
static const an_layer_spec alexnet_paper[] = {
    CONV("conv1", 96, 11, 4, 0, 1, NORMAL(0.01f, 0)),
    RELU("relu1"),
    LRN("norm1", 2, 2),
    POOL("pool1", FLOOR),
    CONV("conv2", 256, 5, 1, 2, 2, NORMAL(0.01f, 1)),
    RELU("relu2"),
    LRN("norm2", 2, 2),
    POOL("pool2", FLOOR),
    CONV("conv3", 384, 3, 1, 1, 1, NORMAL(0.01f, 0)),
    RELU("relu3"),
    CONV("conv4", 384, 3, 1, 1, 2, NORMAL(0.01f, 1)),
    RELU("relu4"),
    CONV("conv5", 256, 3, 1, 1, 2, NORMAL(0.01f, 1)),
    RELU("relu5"),
    POOL("pool5", FLOOR),
    FC("fc6", 4096, NORMAL(0.01f, 1)),
    RELU("relu6"),
    DROPOUT("drop6", false),
    FC("fc7", 4096, NORMAL(0.01f, 1)),
    RELU("relu7"),
    DROPOUT("drop7", false),
    FC("fc8", 0, NORMAL(0.01f, 0)),
};

/*
 * Net #145, as it ran: no ReLU between conv1 and the first normalisation, a second normalisation
 * within each map, sizes rounded up (an input of 224 gets an implicit border of 3 and gives 55),
 * dropout that scales when testing.
 */
static const an_layer_spec alexnet_2012[] = {
    CONV("conv1", 96, 11, 4, 0, 1, NORMAL(0.01f, 0), .round_up = true),
    LRN("norm1", 2, 2),
    POOL("pool1", CEIL),
    RELU("relu1"),
    CONV("conv2", 256, 5, 1, 2, 2, NORMAL(0.01f, 1)),
    RELU("relu2"),
    LRN("norm2", 2, 2),
    {.name = "cnorm2", .type = AN_LRN_WITHIN, .size = 5, .alpha = 1e-3f, .beta = 0.75f, .k = 1},
    POOL("pool2", CEIL),
    CONV("conv3", 384, 3, 1, 1, 1, NORMAL(0.03f, 0)),
    RELU("relu3"),
    CONV("conv4", 384, 3, 1, 1, 2, NORMAL(0.03f, 1)),
    RELU("relu4"),
    CONV("conv5", 256, 3, 1, 1, 2, NORMAL(0.03f, 1)),
    POOL("pool5", CEIL),
    RELU("relu5"),
    FC("fc6", 4096, NORMAL(0.01f, 1)),
    RELU("relu6"),
    DROPOUT("drop6", true),
    FC("fc7", 4096, NORMAL(0.01f, 1)),
    RELU("relu7"),
    DROPOUT("drop7", true),
    FC("fc8", 0, NORMAL(0.01f, 0)),
};

/* BVLC's bvlc_alexnet: biases 0.1, because with 1 the loss stayed flat. */
static const an_layer_spec caffe_alexnet[] = {
    CONV("conv1", 96, 11, 4, 0, 1, NORMAL(0.01f, 0)),
    RELU("relu1"),
    LRN("norm1", 1, 1),
    POOL("pool1", CEIL),
    CONV("conv2", 256, 5, 1, 2, 2, NORMAL(0.01f, 0.1f)),
    RELU("relu2"),
    LRN("norm2", 1, 1),
    POOL("pool2", CEIL),
    CONV("conv3", 384, 3, 1, 1, 1, NORMAL(0.01f, 0)),
    RELU("relu3"),
    CONV("conv4", 384, 3, 1, 1, 2, NORMAL(0.01f, 0.1f)),
    RELU("relu4"),
    CONV("conv5", 256, 3, 1, 1, 2, NORMAL(0.01f, 0.1f)),
    RELU("relu5"),
    POOL("pool5", CEIL),
    FC("fc6", 4096, NORMAL(0.005f, 0.1f)),
    RELU("relu6"),
    DROPOUT("drop6", false),
    FC("fc7", 4096, NORMAL(0.005f, 0.1f)),
    RELU("relu7"),
    DROPOUT("drop7", false),
    FC("fc8", 0, NORMAL(0.01f, 0)),
};

/* BVLC's bvlc_reference_caffenet: pooling before normalisation. */
static const an_layer_spec caffenet[] = {
    CONV("conv1", 96, 11, 4, 0, 1, NORMAL(0.01f, 0)),
    RELU("relu1"),
    POOL("pool1", CEIL),
    LRN("norm1", 1, 1),
    CONV("conv2", 256, 5, 1, 2, 2, NORMAL(0.01f, 1)),
    RELU("relu2"),
    POOL("pool2", CEIL),
    LRN("norm2", 1, 1),
    CONV("conv3", 384, 3, 1, 1, 1, NORMAL(0.01f, 0)),
    RELU("relu3"),
    CONV("conv4", 384, 3, 1, 1, 2, NORMAL(0.01f, 1)),
    RELU("relu4"),
    CONV("conv5", 256, 3, 1, 1, 2, NORMAL(0.01f, 1)),
    RELU("relu5"),
    POOL("pool5", CEIL),
    FC("fc6", 4096, NORMAL(0.005f, 1)),
    RELU("relu6"),
    DROPOUT("drop6", false),
    FC("fc7", 4096, NORMAL(0.005f, 1)),
    RELU("relu7"),
    DROPOUT("drop7", false),
    FC("fc8", 0, NORMAL(0.01f, 0)),
};

/* torchvision.models.alexnet: the one-tower network of "One weird trick" without normalisation. */
static const an_layer_spec torchvision[] = {
    {.name = "conv1",
     .type = AN_CONV,
     .units = 64,
     .kernel = 11,
     .stride = 4,
     .pad = 2,
     .groups = 1,
     NAMED("features.0"),
     TORCH},
    RELU("relu1"),
    POOL("pool1", FLOOR),
    {.name = "conv2",
     .type = AN_CONV,
     .units = 192,
     .kernel = 5,
     .stride = 1,
     .pad = 2,
     .groups = 1,
     NAMED("features.3"),
     TORCH},
    RELU("relu2"),
    POOL("pool2", FLOOR),
    {.name = "conv3",
     .type = AN_CONV,
     .units = 384,
     .kernel = 3,
     .stride = 1,
     .pad = 1,
     .groups = 1,
     NAMED("features.6"),
     TORCH},
    RELU("relu3"),
    {.name = "conv4",
     .type = AN_CONV,
     .units = 256,
     .kernel = 3,
     .stride = 1,
     .pad = 1,
     .groups = 1,
     NAMED("features.8"),
     TORCH},
    RELU("relu4"),
    {.name = "conv5",
     .type = AN_CONV,
     .units = 256,
     .kernel = 3,
     .stride = 1,
     .pad = 1,
     .groups = 1,
     NAMED("features.10"),
     TORCH},
    RELU("relu5"),
    POOL("pool5", FLOOR),
    {.name = "avgpool", .type = AN_ADAPTIVE_AVG_POOL, .units = 6},
    DROPOUT("drop5", false),
    {.name = "fc6", .type = AN_FC, .units = 4096, NAMED("classifier.1"), TORCH},
    RELU("relu6"),
    DROPOUT("drop6", false),
    {.name = "fc7", .type = AN_FC, .units = 4096, NAMED("classifier.4"), TORCH},
    RELU("relu7"),
    {.name = "fc8", .type = AN_FC, .units = 0, NAMED("classifier.6"), TORCH},
};

/* Darknet's alexnet.cfg: one tower without normalisation; its `pad=1` is half the kernel. */
static const an_layer_spec darknet[] = {
    CONV("conv1", 96, 11, 4, 0, 1, HE),
    RELU("relu1"),
    POOL("pool1", FLOOR),
    CONV("conv2", 256, 5, 1, 2, 1, HE),
    RELU("relu2"),
    POOL("pool2", FLOOR),
    CONV("conv3", 384, 3, 1, 1, 1, HE),
    RELU("relu3"),
    CONV("conv4", 384, 3, 1, 1, 1, HE),
    RELU("relu4"),
    CONV("conv5", 256, 3, 1, 1, 1, HE),
    RELU("relu5"),
    POOL("pool5", FLOOR),
    FC("fc6", 4096, UNIFORM),
    RELU("relu6"),
    DROPOUT("drop6", false),
    FC("fc7", 4096, UNIFORM),
    RELU("relu7"),
    DROPOUT("drop7", false),
    FC("fc8", 0, UNIFORM),
};

/* (x / 255 - mean) / std with ImageNet's statistics. */
#define IMAGENET                                                                                   \
    {                                                                                              \
        .resize = 256, .scale = 1.0f / 255, .mean = {0.485f, 0.456f, 0.406f}, .std = {             \
            0.229f,                                                                                \
            0.224f,                                                                                \
            0.225f                                                                                 \
        }                                                                                          \
    }
/* RGB, 0 to 255, less the channel means of the training set's mean image (cuda-convnet2's data). */
#define CHANNEL_MEANS                                                                              \
    {                                                                                              \
        .resize = 256, .scale = 1, .mean = {127.305f, 119.715f, 104.913f}, .std = { 1, 1, 1 }      \
    }
/* Caffe's order and means. */
#define CAFFE                                                                                      \
    {                                                                                              \
        .resize = 256, .bgr = true, .scale = 1, .mean = {104.007f, 116.669f, 122.679f}, .std = {   \
            1,                                                                                     \
            1,                                                                                     \
            1                                                                                      \
        }                                                                                          \
    }
/*
 * Darknet takes x / 255 as it is. Its `classifier valid` shrinks the whole central square to the
 * input; `predict` puts the whole picture into it, with grey beside it, which is the same for
 * square pictures.
 */
#define DARKNET                                                                                    \
    {                                                                                              \
        .resize = 227, .scale = 1.0f / 255, .std = { 1, 1, 1 }                                     \
    }

#define ARCH(variable_, name_, title_, input_, preprocess_)                                        \
    static const an_arch arch_##variable_ = {                                                      \
        .name = (name_),                                                                           \
        .title = (title_),                                                                         \
        .input_size = (input_),                                                                    \
        .preprocess = preprocess_,                                                                 \
        .layers = (variable_),                                                                     \
        .layer_count = sizeof(variable_) / sizeof(variable_)[0],                                   \
    }

ARCH(alexnet, "alexnet", "the tutorial's diagram: one tower, conv -> ReLU -> pool -> LRN", 227,
     IMAGENET);
ARCH(alexnet_code, "alexnet-code", "the tutorial's PyTorch code: conv1 padded to 56x56, no LRN",
     227, IMAGENET);
ARCH(alexnet_paper, "alexnet-paper", "the paper's text: two towers, conv -> ReLU -> LRN -> pool",
     227, CHANNEL_MEANS);
ARCH(alexnet_2012, "alexnet-2012", "net #145, as the authors ran it in 2012", 227, CHANNEL_MEANS);
ARCH(caffe_alexnet, "caffe-alexnet", "BVLC's AlexNet, LRN with k = 1", 227, CAFFE);
ARCH(caffenet, "caffenet", "BVLC's reference CaffeNet, pooling before LRN", 227, CAFFE);
ARCH(torchvision, "torchvision", "torchvision's AlexNet: 64-192-384-256-256, no LRN", 224,
     IMAGENET);
ARCH(darknet, "darknet", "Darknet's alexnet.cfg: one tower, no LRN, conv1 unpadded", 227, DARKNET);

const an_arch *const *an_archs(void) {
    static const an_arch *const archs[] = {
        &arch_alexnet,      &arch_alexnet_code,  &arch_alexnet_paper,
        &arch_alexnet_2012, &arch_caffe_alexnet, &arch_caffenet,
        &arch_torchvision,  &arch_darknet,       NULL,
    };
    return archs;
}

alexnet_status an_arch_find(const char *name, const an_arch **out, alexnet_error *error) {
    char names[256] = "";
    for (const an_arch *const *arch = an_archs(); *arch; arch++) {
        if (strcmp((*arch)->name, name) == 0) {
            *out = *arch;
            return ALEXNET_OK;
        }
        strncat(names, " ", sizeof names - strlen(names) - 1);
        strncat(names, (*arch)->name, sizeof names - strlen(names) - 1);
    }
    *out = NULL;
    return an_fail(error, ALEXNET_INVALID, "no architecture is called '%s'; there are:%s", name,
                   names);
}
