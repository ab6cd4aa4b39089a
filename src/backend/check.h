/*
 * Does a backend compute what it should? Two checks that a user can run (`alexnet check`), on the
 * whole network with its own initialisation (but for its biases, which are moved off 0 a little)
 * and random inputs and labels.
 *
 * an_check_gradients: is the gradient the derivative of the loss? Needs no second opinion.
 *
 * For a parameter tensor w and a direction d, the derivative of the loss along d is the inner
 * product g.d with the gradient g of the backward pass; it must agree with the central difference
 * (L(w + h d) - L(w - h d)) / 2h of forward passes alone. One direction tests a whole tensor, where
 * element by element would take 62 million forward passes. Two kinds of direction are tried:
 *
 * - "along": g itself, each element times a random factor of 0 to 1, which shows wrong factors; the
 *   loss changes much, so that little rounding is left in it;
 * - "across": random elements of -1 to 1, which shows parts of the gradient that are missing, too,
 *   but its derivative is about sqrt(count) times smaller than along g.
 *
 * A loss is the mean cross-entropy, in double precision, of float32 logits, so a change of less
 * than about 1e-6 drowns in rounding; too long a step, though, meets the kinks of ReLU and max
 * pooling and the bends of the rest. So h d starts at 1 % of the length of w (biases, which are
 * small: all of it), or shorter, where the loss should change by 0.002, and where the two
 * derivatives disagree, h is divided by 4, up to thrice; the best agreement counts. A wrong
 * gradient disagrees at every h. Dropout is off.
 *
 * The error is |analytic - numeric| divided by the larger of the two, or, across, by the root mean
 * square |g| |d| / sqrt(count) of what such a direction gives where that is larger still (by chance
 * g.d may be close to 0). 1 % is sound along g; 5 % across, for what is left of kinks.
 *
 * an_check_backend: does it agree with another backend (the reference)? Compares the logits in
 * testing, then, in a training step with dropout, loss, activations, their gradients and the
 * parameters' gradients; and, where the backend takes pictures, what its first layer makes of some
 * with what it makes of the floats that they stand for. Then the same without looking at layers, so
 * that they may be computed together: logits, parameters' gradients, and the losses of ten steps
 * that update. The error is |found - expected| / |expected| (Euclidean) over the tensor, or over
 * the losses.
 *
 * What is sound depends on the roundings of the tested precision: 2^-8 in bfloat16, 2^-11 in fp16
 * and, of products' factors, in TF32. Forward, 3 % allow for eight roundings in bfloat16, one after
 * the other, and an eighth of that for the finer ones. Backward, a rounding may make another pixel
 * the largest of a window, or turn a ReLU, which moves single elements of the gradient as much as
 * they are large: a share of all as large as the rounding, and the error is its square root. The
 * gradients of whole networks, by plain C that rounds so, are off by as much as 24 % in bfloat16,
 * 16 % in TF32 and 8 % in fp16; 40 % are sound, and 20 % of the finer ones. The losses of ten steps
 * are then off by 1.5 % in bfloat16, 1.3 % in fp16, 0.1 % in TF32, and 0.002 % where only the order
 * of sums is another.
 */
#ifndef AN_BACKEND_CHECK_H
#define AN_BACKEND_CHECK_H

#include "backend/backend.h"

/* How to check. All zero means: 2 images, seed 0, every core, one direction of each kind, fp32. */
typedef struct an_check_options {
    int batch;
    uint64_t seed;
    int threads;
    int samples;            /* an_check_gradients: directions of each kind a parameter */
    an_precision precision; /* an_check_backend: of the backend under test */
} an_check_options;

/* One comparison. */
typedef struct an_check_row {
    const char *what; /* an_check_gradients: "along", "across"; an_check_backend: "logits", "loss",
                         "activation", "activation gradient", "gradient", "pictures",
                         "training" */
    const char *name; /* of the parameter or layer; "input" for the gradient of the input */
    double expected;  /* an_check_gradients: the numeric derivative; an_check_backend: the length
                         (Euclidean) of the expected tensor, or the expected loss */
    double found;     /* the same of what the backend under test computed */
    double error;     /* relative, as above */
    double tolerance; /* what error is still sound */
    bool passed;      /* error <= tolerance; false for NaN */
    bool vacuous;     /* all zero on both sides: passed, but it proves nothing */
} an_check_row;

typedef void (*an_check_report)(void *context, const an_check_row *row);

/*
 * Checks every parameter's gradient on `backend`, last layer first, and reports each row as soon as
 * it is known. *failures counts the rows that did not pass; the status says only whether the
 * check could be carried out. Takes the memory of a training plan, the parameters once more and
 * three times the largest parameter.
 */
alexnet_status an_check_gradients(const an_backend *backend, const an_network *network,
                                  const an_check_options *options, an_check_report report,
                                  void *context, int *failures, alexnet_error *error);

/* Compares `tested` with `expected` (normally &an_backend_reference), reported in the same way. */
alexnet_status an_check_backend(const an_backend *tested, const an_backend *expected,
                                const an_network *network, const an_check_options *options,
                                an_check_report report, void *context, int *failures,
                                alexnet_error *error);

#endif
