/* torchvision's network as LPIPS needs it, and linear weights. */
#ifndef AN_BACKBONE_H
#define AN_BACKBONE_H

#include <stdbool.h>

/* Weights of `torchvision` whose convolutions are initialised from `seed`; the fully connected
 * layers are zeros, which take no room on the disk. */
void write_backbone(const char *path, uint64_t seed);

/* How to spoil a file of linear weights. */
typedef enum spoiling {
    NOTHING_SPOILED,
    WITHOUT_LIN3,
    LIN2_OF_128_MAPS,
    LIN1_IN_HALVES,
    LIN4_NOT_FINITE
} spoiling;

/* Linear weights of 1 / maps each. */
void write_linear(const char *path, spoiling how);

#endif
