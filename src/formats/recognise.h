/*
 * Which network a file of tensors holds.
 *
 * The metadata says it; or the layers that the file describes, held against the tables of archs.c;
 * or the names and shapes of its tensors. Where several networks fit alike (the grouped ones differ
 * in no tensor), one is asked for by name; `alexnet` comes before the others of its shape.
 */
#ifndef AN_FORMATS_RECOGNISE_H
#define AN_FORMATS_RECOGNISE_H

#include "formats/tensors.h"

/*
 * Finds the network and gives the tensors the names that its parameters have. asked: the one asked
 * for, or NULL. MISMATCH lists the first things that do not fit; FORMAT where the metadata cannot
 * be right.
 */
alexnet_status an_recognise(an_tensor_file *file, const char *asked, an_network *out,
                            alexnet_error *error);

/* The same for a file that must hold this very network. */
alexnet_status an_recognise_as(an_tensor_file *file, const an_network *network,
                               alexnet_error *error);

/*
 * What a file may hold for a weight tensor STEM.weight besides it: STEM.weight_scale, F32 (O), of
 * weights in int8; STEM.input_range, F32 (1). NULL where there is none.
 */
typedef enum an_companion { AN_WEIGHT_SCALE, AN_INPUT_RANGE } an_companion;
const an_file_tensor *an_companion_find(const an_tensor_file *file, const an_parameter *weight,
                                        an_companion which);

#endif
