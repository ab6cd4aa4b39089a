#include "formats/onnx.h"

/* Fields of a ModelProto: ir_version comes first, and one of 2 to 8 follows. */
enum { IR_VERSION_TAG = 1 << 3, LAST_FIELD = 8 };

bool an_onnx_recognise(const uint8_t *bytes, size_t size) {
    if (size < 3 || bytes[0] != IR_VERSION_TAG || bytes[1] < 1 || bytes[1] >= 0x80)
        return false;
    const int next = bytes[2] >> 3, wire_type = bytes[2] & 7;
    const int known = next == 5 ? 0 : 2; /* model_version is a number, the others have lengths */
    return next >= 2 && next <= LAST_FIELD && wire_type == known;
}
