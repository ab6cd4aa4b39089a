/*
 * The backend contract.
 *
 * A backend turns (network, batch size, inference or training, precision) into a plan, with all its
 * memory taken once. A plan is for a whole network rather than single operations, so that a backend
 * may fuse layers, keep its own layouts between them and pack weights ahead. Whatever it does
 * inside, the data that crosses this interface is plain float32: (N, C, H, W), weights (O, I, K,
 * K).
 *
 * The reference backend (reference/) is the textbook and the oracle: every other backend is tested
 * against it through this interface.
 *
 * A plan is used by one thread at a time.
 */
#ifndef AN_BACKEND_BACKEND_H
#define AN_BACKEND_BACKEND_H

#include "model/network.h"
#include "model/picture.h"

typedef enum an_precision {
    AN_FP32,
    AN_TF32, /* float32, but the factors of products are rounded to 10 bits */
    AN_BF16, /* bfloat16 storage and products, float32 sums, master weights and statistics */
    AN_FP16, /* the same in IEEE's 16 bits, with gradients scaled on their way */
    AN_INT8  /* int8 weights and activations, inference only */
} an_precision;

/* What a layer does in a step. */
typedef enum an_timed {
    AN_TIMED_FORWARD, /* forward */
    AN_TIMED_INPUT,   /* backward; of layers without weights, all that they do there */
    AN_TIMED_WEIGHTS,
    AN_TIMED_UPDATE,
    AN_TIMED_COUNT
} an_timed;

/* Seconds that each layer's passes took, added up until the caller clears them. What a layer does
 * for its neighbours (fusion) is counted where it is done. */
typedef struct an_layer_times {
    double seconds[AN_TIMED_COUNT][AN_MAX_LAYERS];
} an_layer_times;

typedef struct an_plan_options {
    int batch;     /* the most images at a time */
    bool training; /* step() as well as forward() */
    bool observe; /* keep every layer's activations (and, training, their gradients and the input's)
                     readable as they are before the next layer's fusion; costs memory and speed */
    an_precision precision; /* asked for; in a plan, what it computes in: AN_FP32 where the
                               device lacks the instructions */
    int threads;            /* 0: the cores this process may use */
    bool brief;             /* for a few batches only: nothing is prepared that pays off later */
    bool deterministic; /* the same bits from run to run on the same device, which may cost speed;
                           cpu and reference always give them */
    an_layer_times *times; /* filled in by forward and step; NULL: nothing is timed */
} an_plan_options;

/* How one parameter is updated; the trainer's solver fills one for each parameter and step.
 * Backends read that of a parameter after gradient_ready has been called for it, which may still
 * change it. */
typedef struct an_update {
    float learning_rate; /* 0: frozen, neither w nor v changes */
    float weight_decay;
} an_update;

/*
 * A training step.
 *
 * Loss: the mean, over the images that count, of the cross-entropy
 *
 *     -sum over classes j of t_j log softmax(logits)_j
 *
 * with the targets t_j = (1 - smoothing) (s [j = label] + (1 - s) [j = second label])
 *                        + smoothing / classes;
 *
 * s is 1 where there are no second labels. Label smoothing: Szegedy et al. 2015 (Inception v2), §7;
 * images mixed of two: Zhang et al. 2017 (mixup).
 *
 * Update, §5 of the paper, momentum m, learning rate e, weight decay d, gradient g of the mean
 * loss: v <- m v - d e w - e g;    w <- w + v.
 *
 * Dropout: unit u (index in (C, H, W)) of the image at position p of the epoch's order is zero in
 * dropout layer l (index in the network) when word u % 4 of block u / 4 of the random stream
 * (seed, AN_RANDOM_DROPOUT, epoch, p * AN_MAX_LAYERS + l) is less than rate * 2^32.
 */
typedef struct an_step {
    const float *input;           /* (N, C, H, W), N = the plan's batch; or NULL, and ... */
    const an_picture *pictures;   /* (N), an_picture_bytes apart, in plans that take them */
    const int32_t *labels;        /* (N); negative: this image does not count */
    const int32_t *second_labels; /* (N), not negative where `labels` is not: of what was mixed into
                                     each image; NULL: nothing was */
    double share;                 /* ... and how much of the image is still the first, 0 to 1 */
    double smoothing;             /* share of the target that all classes have alike, 0 to 1 */
    const float *logit_gradient;  /* (N, classes): used instead of the loss's; NULL: the loss's */
    bool no_dropout;              /* the dropout layers act as in testing */
    uint64_t seed;
    uint32_t epoch;
    uint64_t position; /* of the batch's first image in the epoch's order */
    float momentum;
    const an_update *updates; /* one a parameter; NULL: gradients only, nothing is updated */
    /* Called as soon as a parameter's gradient is complete, last layer first, before its update:
     * the place where an all-reduce hooks in. `gradient` may be changed in place,
     * updates[parameter] too, and the parameter be read with an_plan_read. NULL: not called. */
    void (*gradient_ready)(void *context, int parameter, float *gradient, size_t count);
    void *context;
} an_step;

typedef struct an_step_result {
    double loss; /* mean over the counted images; 0 where none counts */
    int counted; /* images with a label */
    int correct,
        correct5; /* of them, how many had their (first) label first, among the first five */
} an_step_result;

/* What a plan can be asked for. */
typedef enum an_tensor {
    AN_PARAMETER,          /* index: parameter; training plans */
    AN_MOMENTUM,           /* index: parameter; training plans */
    AN_PARAMETER_GRADIENT, /* index: parameter; training plans, after a step */
    AN_ACTIVATION,         /* index: layer, its output (N, C, H, W); observing plans */
    AN_ACTIVATION_GRADIENT /* index: layer, or -1 for the input; observing training plans */
} an_tensor;

/* The bytes that a plan has taken, by what for. */
typedef struct an_plan_memory {
    size_t parameters, gradients, momentum, activations, workspace;
} an_plan_memory;

/* What a device can be limited by; see limits.h. */
typedef enum an_limit {
    AN_LIMIT_FP32, /* arithmetic in each precision, operations a second (a multiply-add has two) */
    AN_LIMIT_BF16,
    AN_LIMIT_INT8,
    AN_LIMIT_READ, /* bytes a second that are read from memory */
    AN_LIMIT_COPY, /* ... and that are read and written where memory is copied */
    AN_LIMITS
} an_limit;

typedef struct an_rate {
    double a_second; /* 0: the device cannot, or it could not be measured */
    const char *by;  /* the instructions: "AVX-512"; or those that are missing */
} an_rate;

typedef struct an_plan an_plan;

/* What a backend implements. Arguments have been checked by the functions below. */
typedef struct an_backend {
    const char *name;        /* as in --device */
    const char *description; /* one line, with the library's version, for `alexnet --version` */
    alexnet_status (*create)(const an_network *network, const an_plan_options *options,
                             an_plan **out, alexnet_error *error);
    void (*destroy)(an_plan *plan);
    alexnet_status (*load)(an_plan *plan, const an_weights *weights, alexnet_error *error);
    alexnet_status (*forward)(an_plan *plan, const float *input, int images, float *logits,
                              alexnet_error *error);
    /* NULL: its plans take no pictures, neither here nor in steps. */
    alexnet_status (*forward_pictures)(an_plan *plan, const an_picture *pictures, int images,
                                       float *logits, alexnet_error *error);
    /* Without `finish`, a step from its beginning to its result. With it, it returns as soon as the
     * step's memory may change, and what it puts into `result` goes on to `finish`, which waits for
     * the oldest step that has not been finished, and completes its result. */
    alexnet_status (*step)(an_plan *plan, const an_step *step, an_step_result *result,
                           alexnet_error *error);
    alexnet_status (*finish)(an_plan *plan, an_step_result *result, alexnet_error *error);
    alexnet_status (*read)(an_plan *plan, an_tensor tensor, int index, float *out,
                           alexnet_error *error);
    alexnet_status (*write_momentum)(an_plan *plan, int parameter, const float *values,
                                     alexnet_error *error);
    an_plan_memory (*memory)(const an_plan *plan);
    /* NULL: it reads inputs where they are */
    void (*stage)(an_plan *plan, const float *input, const an_picture *pictures);
    void (*pin)(an_plan *plan, void *memory, size_t bytes, bool pinned); /* likewise */
    an_rate (*limit)(an_limit limit, double seconds);                    /* NULL: not known */
    /* Whether this machine has what it takes; UNSUPPORTED with what is missing. NULL: always. */
    alexnet_status (*available)(alexnet_error *error);
} an_backend;

enum { AN_STEPS_UNDER_WAY = 2 }; /* at most */

/* What every backend's plan begins with. */
struct an_plan {
    const an_backend *backend;
    an_network network;
    an_plan_options options; /* threads filled in */
    uint64_t begun;          /* steps; while one is begun or finished, those before it */
    uint64_t finished;
    an_step_result results[AN_STEPS_UNDER_WAY]; /* of step s in s % AN_STEPS_UNDER_WAY */
};

/* The backends in this build, the best first; ends with NULL. */
const an_backend *const *an_backends(void);

/* Whether plans can be made with it on this machine. */
bool an_backend_usable(const an_backend *backend);

/* The backend of a --device: "auto" is the first that is usable. UNSUPPORTED with what is missing
 * for one that is not, and with the list for a name that is none; *out is then NULL. */
alexnet_status an_backend_find(const char *device, const an_backend **out, alexnet_error *error);

/* Makes a plan; its parameters are undefined until an_plan_load. Freed with an_plan_free. INVALID
 * for training where the network is only the front of one: there is no loss. */
alexnet_status an_plan_create(const an_backend *backend, const an_network *network,
                              const an_plan_options *options, an_plan **out, alexnet_error *error);

/* Frees a plan; NULL is allowed. */
void an_plan_free(an_plan *plan);

/*
 * Takes parameters in and, in a training plan, sets the momentum to zero. A training plan copies
 * them. An inference plan may keep pointing at tensors for which it has not called
 * `weights->release`: those must outlive it.
 */
alexnet_status an_plan_load(an_plan *plan, const an_weights *weights, alexnet_error *error);

/*
 * Computes logits (images, classes) of `images` <= batch inputs (images, C, H, W), as in testing:
 * no unit is dropped. Of a network's front, it is the last layer's output (images, C, H, W). Works
 * in training plans too, with the parameters as they are.
 */
alexnet_status an_plan_forward(an_plan *plan, const float *input, int images, float *logits,
                               alexnet_error *error);

/* Whether this plan takes pictures as well as floats: the device makes its inputs of them. */
bool an_plan_takes_pictures(const an_plan *plan);

/* an_plan_forward of pictures; INVALID where the plan takes none. */
alexnet_status an_plan_forward_pictures(an_plan *plan, const an_picture *pictures, int images,
                                        float *logits, alexnet_error *error);

/*
 * Says that `input`, or `pictures`, of a whole batch, will be that of a step or of an
 * an_plan_forward soon, and stays as it is until then: a device with memory of its own copies it
 * beside what it computes. Two may be on their way. It is only advice: another may come instead.
 */
void an_plan_stage(an_plan *plan, const float *input, const an_picture *pictures);

/* Says that inputs will come from this memory (pinned), or no longer, before it is freed: devices
 * copy from memory that they know faster, and by themselves. */
void an_plan_pin(an_plan *plan, void *memory, size_t bytes, bool pinned);

/*
 * Begins a training step; training plans. Returns as soon as the step's memory may change (input,
 * labels, updates, ...), behind the last call of gradient_ready. INVALID where AN_STEPS_UNDER_WAY
 * have been begun and not finished.
 *
 * A plan does one thing after the other: what is loaded, written, read or computed behind
 * an_plan_begin finds the step done, and waits for it as far as it has to. Freeing a plan ends what
 * is under way.
 */
alexnet_status an_plan_begin(an_plan *plan, const an_step *step, alexnet_error *error);

/* Waits for the oldest step that was begun and not finished, and fills in its result. INVALID where
 * there is none. After another failure, too, that step is no longer under way. */
alexnet_status an_plan_finish(an_plan *plan, an_step_result *result, alexnet_error *error);

/* Whether a step goes on behind an_plan_begin, so that the next one should be begun before it is
 * finished, lest the device wait for the program. */
bool an_plan_runs_ahead(const an_plan *plan);

/* A training step, begun and finished. INVALID while others are under way. */
alexnet_status an_plan_step(an_plan *plan, const an_step *step, an_step_result *result,
                            alexnet_error *error);

/*
 * Copies a tensor out as plain float32: parameters in their shape; activations and their gradients
 * (batch, C, H, W) as of the last forward or step. INVALID where this plan does not keep it.
 */
alexnet_status an_plan_read(an_plan *plan, an_tensor tensor, int index, float *out,
                            alexnet_error *error);

/* Sets a parameter's momentum (the velocity v), as when resuming; training plans. */
alexnet_status an_plan_write_momentum(an_plan *plan, int parameter, const float *values,
                                      alexnet_error *error);

an_plan_memory an_plan_memory_of(const an_plan *plan);

/* For backends, around each pass of a layer: the time now, and what has passed since. Both do
 * nothing in plans that are not timed. */
double an_timing_begin(const an_plan *plan);
void an_timing_end(const an_plan *plan, an_timed pass, int layer, double begun);

/* What each precision is called, "fp32" and so on, NULL behind the last; and the precision of such
 * a name, INVALID for any other. */
extern const char *const an_precision_names[];
alexnet_status an_precision_find(const char *name, an_precision *out, alexnet_error *error);

/* What to tell who asked for a precision that the plan does not compute in; NULL where it does. */
const char *an_plan_fallback(const an_plan *plan, an_precision asked);

/* The backends themselves. */
extern const an_backend an_backend_reference;
extern const an_backend an_backend_cpu;
extern const an_backend an_backend_cuda; /* cuda/plugin.h */

#endif
