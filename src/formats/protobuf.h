/*
 * Protocol buffers: messages that somebody else has written, unpacked into protobuf-c's structures.
 *
 * A message is a sequence of fields: a tag (field number and wire type), then a varint, 4 bytes, 8
 * bytes, or a length and as many bytes (text, a message, a packed run of numbers). protobuf-c's own
 * unpacking allocates without a bound and copies everything; this one keeps to a budget, takes all
 * memory of a message from one place, and leaves bulk where it lies: fields of the type `bytes`
 * point into the bytes that are unpacked. A packed run of float or double has the same form as
 * bytes, so that a message definition which calls such a field `bytes` has its values unmoved.
 *
 * Refused are: an end inside a field, a wire type that is not the field's, a field of one value
 * that is there twice, text that is not UTF-8 or holds a zero, and groups. Unknown fields are
 * passed over. Definitions must not nest messages in themselves: the depth is the definition's.
 */
#ifndef AN_FORMATS_PROTOBUF_H
#define AN_FORMATS_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>

#include "core/status.h"

/* Where a message and everything below it lie. */
typedef struct an_protobuf an_protobuf;

/*
 * Unpacks a message of this type, which must have neither required fields nor oneofs, into *out,
 * using at most about `budget` bytes of memory beside `bytes`, which must outlive it. `path` is for
 * messages. *memory is freed with an_protobuf_free; NULL after a failure. FORMAT with the byte at
 * fault, or where the budget does not do; NO_MEMORY.
 */
alexnet_status an_protobuf_unpack(const char *path, const ProtobufCMessageDescriptor *type,
                                  const uint8_t *bytes, size_t size, size_t budget,
                                  an_protobuf **memory, ProtobufCMessage **out,
                                  alexnet_error *error);

/* `count` * `size` zeroed bytes beside the message, out of the same budget. */
alexnet_status an_protobuf_take(an_protobuf *memory, size_t count, size_t size, void **out,
                                alexnet_error *error);

/* Releases a message with its memory, an an_protobuf; NULL is allowed. */
void an_protobuf_free(void *memory);

#endif
