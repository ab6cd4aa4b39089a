/*
 * Weights in several safetensors files (shards), as Hugging Face's libraries write them beside an
 * index, `model.safetensors.index.json`:
 *
 *   {"metadata": {...}, "weight_map": {"conv1.weight": "model-00001-of-00002.safetensors", ...}}
 *
 * Shards lie beside the index; a name that leads elsewhere is refused. Each tensor of the index
 * must be in the shard that it names and in no other; tensors of a shard that the index does not
 * mention are passed over, as those libraries do. The metadata are the strings of the index's,
 * before those of the shards.
 */
#ifndef AN_FORMATS_SAFETENSORS_INDEX_H
#define AN_FORMATS_SAFETENSORS_INDEX_H

#include "formats/tensors.h"

/* Whether bytes look like JSON with a "weight_map". */
bool an_safetensors_index_recognise(const uint8_t *bytes, size_t size);

an_reader an_safetensors_index_read;

#endif
