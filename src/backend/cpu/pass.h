/* The three passes of a layer with weights. */
#ifndef AN_BACKEND_CPU_PASS_H
#define AN_BACKEND_CPU_PASS_H

typedef enum an_pass {
    AN_PASS_FORWARD,
    AN_PASS_INPUT,  /* backward, to the gradient of the input */
    AN_PASS_WEIGHTS /* backward, to the gradients of weights and biases */
} an_pass;

#endif
