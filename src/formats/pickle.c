#include "formats/pickle.h"

#include <stdlib.h>
#include <string.h>

/* --- the allow-list ------------------------------------------------------------------------ */

typedef enum role {
    STORAGE,      /* the class of a storage: not called, says the type of its values */
    MAKES_DICT,   /* a kind of dictionary */
    MAKES_TENSOR, /* puts a tensor together from a storage, offset, shape and strides */
    GIVES_FIRST,  /* comes to its first argument */
    IGNORED       /* harmless beside weights: what it comes to is not looked at */
} role;

struct an_pickle_global {
    const char *module, *name;
    role role;
    const char *dtype; /* STORAGE: by tensors.h's names */
};

static const an_pickle_global globals[] = {
    {"torch._utils", "_rebuild_tensor_v2", MAKES_TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor", MAKES_TENSOR, NULL},
    {"torch._utils", "_rebuild_parameter", GIVES_FIRST, NULL},
    {"torch._utils", "_rebuild_parameter_with_state", GIVES_FIRST, NULL},
    {"torch", "Size", GIVES_FIRST, NULL},
    {"collections", "OrderedDict", MAKES_DICT, NULL},
    {"collections", "defaultdict", MAKES_DICT, NULL},
    {"torch", "FloatStorage", STORAGE, "F32"},
    {"torch", "HalfStorage", STORAGE, "F16"},
    {"torch", "BFloat16Storage", STORAGE, "BF16"},
    {"torch", "DoubleStorage", STORAGE, "F64"},
    {"torch", "LongStorage", STORAGE, "I64"},
    {"torch", "IntStorage", STORAGE, "I32"},
    {"torch", "ShortStorage", STORAGE, "I16"},
    {"torch", "CharStorage", STORAGE, "I8"},
    {"torch", "ByteStorage", STORAGE, "U8"},
    {"torch", "BoolStorage", STORAGE, "BOOL"},
    {"torch", "ComplexFloatStorage", STORAGE, "C64"},
    /* The classes of tensors, which the tar generation says besides those of the storages. */
    {"torch", "FloatTensor", IGNORED, NULL},
    {"torch", "HalfTensor", IGNORED, NULL},
    {"torch", "DoubleTensor", IGNORED, NULL},
    {"torch", "LongTensor", IGNORED, NULL},
    {"torch", "IntTensor", IGNORED, NULL},
    {"torch", "ShortTensor", IGNORED, NULL},
    {"torch", "CharTensor", IGNORED, NULL},
    {"torch", "ByteTensor", IGNORED, NULL},
    /* What checkpoints hold besides weights: settings, counters, best accuracies, schedules. */
    {"torch", "device", IGNORED, NULL},
    {"torch", "float16", IGNORED, NULL},
    {"torch", "bfloat16", IGNORED, NULL},
    {"torch", "float32", IGNORED, NULL},
    {"torch", "float64", IGNORED, NULL},
    {"argparse", "Namespace", IGNORED, NULL},
    {"collections", "Counter", IGNORED, NULL},
    {"pathlib", "PosixPath", IGNORED, NULL},
    {"__builtin__", "set", IGNORED, NULL},
    {"__builtin__", "dict", IGNORED, NULL},
    {"__builtin__", "list", IGNORED, NULL},
    {"builtins", "set", IGNORED, NULL},
    {"builtins", "dict", IGNORED, NULL},
    {"builtins", "list", IGNORED, NULL},
    {"_codecs", "encode", IGNORED, NULL}, /* how protocol 2 says bytes, as numpy's scalars do */
    {"numpy", "dtype", IGNORED, NULL},
    {"numpy", "ndarray", IGNORED, NULL},
    {"numpy.core.multiarray", "scalar", IGNORED, NULL},
    {"numpy.core.multiarray", "_reconstruct", IGNORED, NULL},
    {"numpy._core.multiarray", "scalar", IGNORED, NULL},
    {"numpy._core.multiarray", "_reconstruct", IGNORED, NULL},
};

static bool same_text(const char *text, size_t length, const char *other) {
    return strlen(other) == length && memcmp(text, other, length) == 0;
}

/* --- the machine --------------------------------------------------------------------------- */

typedef struct machine {
    an_pickle *pickle;
    const uint8_t *bytes;
    size_t size, at;
    size_t instruction; /* where the one being executed begins */
    an_pickle_value *stack, *memo;
    size_t depth, stack_room, memo_room;
} machine;

/* Returns a constant, so that the compiler sees that nothing is used after a failure. */
static alexnet_status fail(const machine *m, const char *what, alexnet_error *error) {
    (void)an_fail(error, ALEXNET_FORMAT, "%s: %s at byte %zu of its pickle", m->pickle->path, what,
                  m->instruction);
    return ALEXNET_FORMAT;
}

static alexnet_status fail_memory(const an_pickle *pickle, alexnet_error *error) {
    return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory for its pickle", pickle->path);
}

/* The next `count` bytes. */
static alexnet_status take(machine *m, size_t count, const uint8_t **out, alexnet_error *error) {
    if (count > m->size - m->at)
        return fail(m, "the file ends within the instruction", error);
    *out = m->bytes + m->at;
    m->at += count;
    return ALEXNET_OK;
}

/* The next `count` bytes as a number. */
static alexnet_status take_number(machine *m, size_t count, uint32_t *out, alexnet_error *error) {
    const uint8_t *bytes;
    AN_TRY(take(m, count, &bytes, error));
    *out = 0;
    for (size_t i = 0; i < count; i++)
        *out |= (uint32_t)bytes[i] << (8 * i);
    return ALEXNET_OK;
}

/* The bytes up to the next newline, which is passed over. */
static alexnet_status take_line(machine *m, const char **out, size_t *length,
                                alexnet_error *error) {
    enum { longest = 255 };
    const size_t left = m->size - m->at;
    const size_t within = left < longest + 1 ? left : longest + 1;
    const uint8_t *begin = m->bytes + m->at;
    const uint8_t *end = within > 0 ? memchr(begin, '\n', within) : NULL;
    if (!end)
        return fail(m, "a name or number has no end", error);
    *out = (const char *)begin;
    *length = (size_t)(end - begin);
    m->at += *length + 1;
    return ALEXNET_OK;
}

/* Counts values against the limit. */
static alexnet_status charge(machine *m, size_t count, alexnet_error *error) {
    if (count > AN_PICKLE_MOST - m->pickle->values)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "%s: its pickle holds more than %d values, far more than weights need; save "
                       "the model's state_dict() alone",
                       m->pickle->path, AN_PICKLE_MOST);
    m->pickle->values += count;
    return ALEXNET_OK;
}

/* Makes room for `count` more values; false: no memory. */
static bool reserve(an_pickle_value **list, size_t used, size_t count, size_t *room) {
    size_t wanted = *room ? *room : 4;
    while (wanted < used + count)
        wanted *= 2;
    if (wanted == *room)
        return true;
    an_pickle_value *larger = realloc(*list, wanted * sizeof *larger);
    if (!larger)
        return false;
    *list = larger;
    *room = wanted;
    return true;
}

static alexnet_status push(machine *m, an_pickle_value value, alexnet_error *error) {
    AN_TRY(charge(m, 1, error));
    if (!reserve(&m->stack, m->depth, 1, &m->stack_room))
        return fail_memory(m->pickle, error);
    m->stack[m->depth++] = value;
    return ALEXNET_OK;
}

static alexnet_status push_int(machine *m, an_pickle_kind kind, int64_t integer,
                               alexnet_error *error) {
    return push(m, (an_pickle_value){.kind = kind, .integer = integer}, error);
}

/* The value on top of the stack. */
static alexnet_status top(const machine *m, an_pickle_value **out, alexnet_error *error) {
    if (m->depth == 0 || m->stack[m->depth - 1].kind == AN_PICKLE_MARK)
        return fail(m, "the instruction lacks a value to work on", error);
    *out = &m->stack[m->depth - 1];
    return ALEXNET_OK;
}

static alexnet_status pop(machine *m, an_pickle_value *out, alexnet_error *error) {
    an_pickle_value *value;
    AN_TRY(top(m, &value, error));
    *out = *value;
    m->depth--;
    return ALEXNET_OK;
}

/* Takes the values behind the topmost mark off the stack, and the mark; they stay readable at *out
 * until the next push. */
static alexnet_status pop_to_mark(machine *m, an_pickle_value **out, size_t *count,
                                  alexnet_error *error) {
    size_t begin = m->depth;
    while (begin > 0 && m->stack[begin - 1].kind != AN_PICKLE_MARK)
        begin--;
    if (begin == 0)
        return fail(m, "the instruction lacks a mark", error);
    *out = m->stack + begin;
    *count = m->depth - begin;
    m->depth = begin - 1;
    return ALEXNET_OK;
}

/* The `count` values on top, like pop_to_mark. */
static alexnet_status pop_values(machine *m, size_t count, an_pickle_value **out,
                                 alexnet_error *error) {
    for (size_t i = 0; i < count; i++)
        if (i >= m->depth || m->stack[m->depth - 1 - i].kind == AN_PICKLE_MARK)
            return fail(m, "the instruction lacks a value to work on", error);
    m->depth -= count;
    *out = m->stack + m->depth;
    return ALEXNET_OK;
}

static alexnet_status append(machine *m, an_pickle_object *object, const an_pickle_value *values,
                             size_t count, alexnet_error *error) {
    if (count == 0)
        return ALEXNET_OK;
    if (!reserve(&object->items, object->count, count, &object->room))
        return fail_memory(m->pickle, error);
    memcpy(object->items + object->count, values, count * sizeof *values);
    object->count += count;
    return ALEXNET_OK;
}

/* Pushes a new container of values that were popped. */
static alexnet_status push_object(machine *m, an_pickle_kind kind, const an_pickle_value *values,
                                  size_t count, alexnet_error *error) {
    an_pickle_object *object = calloc(1, sizeof *object);
    if (!object)
        return fail_memory(m->pickle, error);
    object->next = m->pickle->objects;
    m->pickle->objects = object;
    AN_TRY(append(m, object, values, count, error));
    return push(m, (an_pickle_value){.kind = kind, .object = object}, error);
}

/* --- instructions -------------------------------------------------------------------------- */

static alexnet_status push_text(machine *m, size_t length_size, alexnet_error *error) {
    uint32_t length;
    const uint8_t *bytes;
    AN_TRY(take_number(m, length_size, &length, error));
    AN_TRY(take(m, length, &bytes, error));
    return push(
        m, (an_pickle_value){.kind = AN_PICKLE_TEXT, .length = length, .text = (const char *)bytes},
        error);
}

/* LONG1: little-endian, two's complement; what takes more than 64 bits is no size of anything. */
static alexnet_status push_long(machine *m, alexnet_error *error) {
    uint32_t length;
    const uint8_t *bytes;
    AN_TRY(take_number(m, 1, &length, error));
    AN_TRY(take(m, length, &bytes, error));
    if (length > sizeof(int64_t))
        return push_int(m, AN_PICKLE_OPAQUE, 0, error);
    uint64_t value = length > 0 && bytes[length - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint32_t i = length; i-- > 0;)
        value = value << 8 | bytes[i];
    return push_int(m, AN_PICKLE_INT, (int64_t)value, error);
}

/* INT "I123\n" (and "I01\n": true), LONG "L123L\n": Python 2 writes so what takes 32 bits or more.
 */
static alexnet_status push_decimal(machine *m, alexnet_error *error) {
    const char *text;
    char copy[24], *end;
    size_t length;
    AN_TRY(take_line(m, &text, &length, error));
    if (same_text(text, length, "00") || same_text(text, length, "01"))
        return push_int(m, AN_PICKLE_BOOL, text[1] == '1', error);
    if (length > 0 && text[length - 1] == 'L')
        length--;
    if (length == 0 || length >= sizeof copy)
        return fail(m, "a number cannot be read", error);
    memcpy(copy, text, length);
    copy[length] = '\0';
    const long long value = strtoll(copy, &end, 10);
    if (end != copy + length)
        return fail(m, "a number cannot be read", error);
    return push_int(m, AN_PICKLE_INT, value, error);
}

static alexnet_status push_global(machine *m, alexnet_error *error) {
    const char *module, *name;
    size_t module_length, name_length;
    AN_TRY(take_line(m, &module, &module_length, error));
    AN_TRY(take_line(m, &name, &name_length, error));
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (same_text(module, module_length, globals[i].module) &&
            same_text(name, name_length, globals[i].name))
            return push(m, (an_pickle_value){.kind = AN_PICKLE_GLOBAL, .global = &globals[i]},
                        error);
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: its pickle asks for '%.*s %.*s', which is none of the few things that "
                   "weights are made of; it is refused, and nothing was executed. Of a model, save "
                   "the state_dict()",
                   m->pickle->path, (int)module_length, module, (int)name_length, name);
}

/* A dictionary of what OrderedDict is called with: nothing, or, by Python 2, a list of pairs; or
 * defaultdict: what makes its values. */
static alexnet_status push_dict(machine *m, const an_pickle_object *arguments,
                                alexnet_error *error) {
    AN_TRY(push_object(m, AN_PICKLE_DICT, NULL, 0, error));
    an_pickle_object *dict = m->stack[m->depth - 1].object;
    if (arguments->count == 0 || arguments->items[0].kind == AN_PICKLE_GLOBAL ||
        arguments->items[0].kind == AN_PICKLE_NONE)
        return ALEXNET_OK;
    const an_pickle_value *list = &arguments->items[0];
    if (list->kind != AN_PICKLE_LIST && list->kind != AN_PICKLE_TUPLE)
        return fail(m, "a dictionary is made of what is no list", error);
    for (size_t i = 0; i < list->object->count; i++) {
        const an_pickle_value *pair = &list->object->items[i];
        if ((pair->kind != AN_PICKLE_LIST && pair->kind != AN_PICKLE_TUPLE) ||
            pair->object->count != 2)
            return fail(m, "a dictionary is made of what are no pairs", error);
        AN_TRY(charge(m, 2, error));
        AN_TRY(append(m, dict, pair->object->items, 2, error));
    }
    return ALEXNET_OK;
}

/* REDUCE and NEWOBJ: what a callable of the table comes to. */
static alexnet_status reduce(machine *m, alexnet_error *error) {
    an_pickle_value arguments, callable;
    AN_TRY(pop(m, &arguments, error));
    AN_TRY(pop(m, &callable, error));
    if (callable.kind != AN_PICKLE_GLOBAL || arguments.kind != AN_PICKLE_TUPLE)
        return fail(m, "something is called that is no function, or not with a tuple", error);
    switch (callable.global->role) {
    case MAKES_DICT:
        return push_dict(m, arguments.object, error);
    case MAKES_TENSOR:
        return push(m, (an_pickle_value){.kind = AN_PICKLE_TENSOR, .object = arguments.object},
                    error);
    case GIVES_FIRST:
        if (arguments.object->count == 0)
            return fail(m, "a function is called without what it needs", error);
        return push(m, arguments.object->items[0], error);
    case IGNORED:
        return push_int(m, AN_PICKLE_OPAQUE, 0, error);
    case STORAGE:
        break;
    }
    return fail(m, "the class of a storage is called", error);
}

/* Attributes of an object, as OrderedDict's _metadata: none are needed. */
static alexnet_status build(machine *m, alexnet_error *error) {
    an_pickle_value state, *object;
    AN_TRY(pop(m, &state, error));
    AN_TRY(top(m, &object, error));
    if (object->kind != AN_PICKLE_DICT && object->kind != AN_PICKLE_TENSOR &&
        object->kind != AN_PICKLE_OPAQUE)
        return fail(m, "what has no attributes is given some", error);
    return ALEXNET_OK;
}

/* Puts popped values into the list, or dictionary, that is now on top. */
static alexnet_status extend(machine *m, an_pickle_kind kind, const an_pickle_value *values,
                             size_t count, alexnet_error *error) {
    an_pickle_value *container;
    AN_TRY(top(m, &container, error));
    if (container->kind == AN_PICKLE_OPAQUE)
        return ALEXNET_OK;
    if (container->kind != kind)
        return fail(m, "something is put into what cannot hold it", error);
    if (kind == AN_PICKLE_DICT && count % 2 != 0)
        return fail(m, "a key has no value", error);
    return append(m, container->object, values, count, error);
}

static alexnet_status extend_from_mark(machine *m, an_pickle_kind kind, alexnet_error *error) {
    an_pickle_value *values;
    size_t count;
    AN_TRY(pop_to_mark(m, &values, &count, error));
    return extend(m, kind, values, count, error);
}

static alexnet_status extend_by(machine *m, an_pickle_kind kind, size_t count,
                                alexnet_error *error) {
    an_pickle_value *values;
    AN_TRY(pop_values(m, count, &values, error));
    return extend(m, kind, values, count, error);
}

static alexnet_status push_tuple(machine *m, size_t count, alexnet_error *error) {
    an_pickle_value *values;
    AN_TRY(pop_values(m, count, &values, error));
    return push_object(m, AN_PICKLE_TUPLE, values, count, error);
}

static alexnet_status push_tuple_from_mark(machine *m, alexnet_error *error) {
    an_pickle_value *values;
    size_t count;
    AN_TRY(pop_to_mark(m, &values, &count, error));
    return push_object(m, AN_PICKLE_TUPLE, values, count, error);
}

/* Picklers number what they remember from 0 (or 1) on, so that no number exceeds the bytes there
 * have been, which bounds the memory. */
static alexnet_status remember(machine *m, size_t index_size, alexnet_error *error) {
    uint32_t index;
    an_pickle_value *value;
    AN_TRY(take_number(m, index_size, &index, error));
    AN_TRY(top(m, &value, error));
    if (index > m->at || index >= AN_PICKLE_MOST)
        return fail(m, "a value is remembered under a number that is too large", error);
    const size_t used = m->memo_room;
    if (!reserve(&m->memo, index, 1, &m->memo_room))
        return fail_memory(m->pickle, error);
    for (size_t i = used; i < m->memo_room; i++)
        m->memo[i].kind = AN_PICKLE_MARK; /* nothing is there */
    m->memo[index] = *value;
    return ALEXNET_OK;
}

static alexnet_status recall(machine *m, size_t index_size, alexnet_error *error) {
    uint32_t index;
    AN_TRY(take_number(m, index_size, &index, error));
    if (index >= m->memo_room || m->memo[index].kind == AN_PICKLE_MARK)
        return fail(m, "a value is recalled that nobody remembered", error);
    return push(m, m->memo[index], error);
}

static alexnet_status push_persistent(machine *m, alexnet_error *error) {
    an_pickle *pickle = m->pickle;
    an_pickle_value id;
    AN_TRY(pop(m, &id, error));
    if ((pickle->id_count & (pickle->id_count - 1)) == 0) {
        const size_t room = pickle->id_count ? 2 * pickle->id_count : 1;
        an_pickle_value *larger = realloc(pickle->ids, room * sizeof *larger);
        if (!larger)
            return fail_memory(pickle, error);
        pickle->ids = larger;
    }
    pickle->ids[pickle->id_count] = id;
    return push_int(m, AN_PICKLE_PERSISTENT, (int64_t)pickle->id_count++, error);
}

static alexnet_status check_protocol(machine *m, alexnet_error *error) {
    uint32_t protocol;
    AN_TRY(take_number(m, 1, &protocol, error));
    if (protocol <= 2)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: its pickle is of protocol %u; torch.save writes protocol 2 unless told "
                   "otherwise, and that is read here",
                   m->pickle->path, (unsigned)protocol);
}

static alexnet_status push_number(machine *m, size_t count, alexnet_error *error) {
    uint32_t value;
    AN_TRY(take_number(m, count, &value, error));
    return push_int(m, AN_PICKLE_INT, count == 4 ? (int32_t)value : (int64_t)value, error);
}

static alexnet_status push_float(machine *m, alexnet_error *error) {
    const uint8_t *bytes;
    AN_TRY(take(m, 8, &bytes, error));
    return push_int(m, AN_PICKLE_OPAQUE, 0, error);
}

static alexnet_status execute(machine *m, uint8_t instruction, alexnet_error *error) {
    switch (instruction) {
    case 0x80: /* PROTO */
        return check_protocol(m, error);
    case '(': /* MARK */
        return push_int(m, AN_PICKLE_MARK, 0, error);
    case 'N': /* NONE */
        return push_int(m, AN_PICKLE_NONE, 0, error);
    case 0x88: /* NEWTRUE */
        return push_int(m, AN_PICKLE_BOOL, 1, error);
    case 0x89: /* NEWFALSE */
        return push_int(m, AN_PICKLE_BOOL, 0, error);
    case 'J': /* BININT */
        return push_number(m, 4, error);
    case 'M': /* BININT2 */
        return push_number(m, 2, error);
    case 'K': /* BININT1 */
        return push_number(m, 1, error);
    case 0x8a: /* LONG1 */
        return push_long(m, error);
    case 'I': /* INT */
    case 'L': /* LONG */
        return push_decimal(m, error);
    case 'G': /* BINFLOAT */
        return push_float(m, error);
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING */
        return push_text(m, 4, error);
    case 'U': /* SHORT_BINSTRING */
        return push_text(m, 1, error);
    case ')': /* EMPTY_TUPLE */
        return push_object(m, AN_PICKLE_TUPLE, NULL, 0, error);
    case ']': /* EMPTY_LIST */
        return push_object(m, AN_PICKLE_LIST, NULL, 0, error);
    case '}': /* EMPTY_DICT */
        return push_object(m, AN_PICKLE_DICT, NULL, 0, error);
    case 't': /* TUPLE */
        return push_tuple_from_mark(m, error);
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        return push_tuple(m, instruction - (size_t)0x84, error);
    case 'a': /* APPEND */
        return extend_by(m, AN_PICKLE_LIST, 1, error);
    case 'e': /* APPENDS */
        return extend_from_mark(m, AN_PICKLE_LIST, error);
    case 's': /* SETITEM */
        return extend_by(m, AN_PICKLE_DICT, 2, error);
    case 'u': /* SETITEMS */
        return extend_from_mark(m, AN_PICKLE_DICT, error);
    case 'q': /* BINPUT */
        return remember(m, 1, error);
    case 'r': /* LONG_BINPUT */
        return remember(m, 4, error);
    case 'h': /* BINGET */
        return recall(m, 1, error);
    case 'j': /* LONG_BINGET */
        return recall(m, 4, error);
    case 'c': /* GLOBAL */
        return push_global(m, error);
    case 'R':  /* REDUCE */
    case 0x81: /* NEWOBJ */
        return reduce(m, error);
    case 'b': /* BUILD */
        return build(m, error);
    case 'Q': /* BINPERSID */
        return push_persistent(m, error);
    default:
        return an_fail(error, ALEXNET_FORMAT,
                       "%s: byte %zu of its pickle, 0x%02x, is no instruction that PyTorch writes",
                       m->pickle->path, m->instruction, (unsigned)instruction);
    }
}

static alexnet_status run(machine *m, an_pickle_value *out, alexnet_error *error) {
    for (;;) {
        const uint8_t *instruction;
        m->instruction = m->at;
        AN_TRY(take(m, 1, &instruction, error));
        if (*instruction == '.') /* STOP */
            return pop(m, out, error);
        AN_TRY(execute(m, *instruction, error));
    }
}

alexnet_status an_pickle_read(an_pickle *pickle, const uint8_t *bytes, size_t size, size_t *used,
                              an_pickle_value *out, alexnet_error *error) {
    machine m = {.pickle = pickle, .bytes = bytes, .size = size};
    const alexnet_status status = run(&m, out, error);
    *used = m.at;
    free(m.stack);
    free(m.memo);
    return status;
}

void an_pickle_free(an_pickle *pickle) {
    while (pickle->objects) {
        an_pickle_object *object = pickle->objects;
        pickle->objects = object->next;
        free(object->items);
        free(object);
    }
    free(pickle->ids);
    *pickle = (an_pickle){0};
}

/* --- values -------------------------------------------------------------------------------- */

bool an_pickle_is(const an_pickle_value *value, const char *text) {
    return value->kind == AN_PICKLE_TEXT && same_text(value->text, value->length, text);
}

const an_pickle_value *an_pickle_find(const an_pickle_value *dict, const char *key) {
    const an_pickle_object *object = dict->object;
    for (size_t i = 0; i + 1 < object->count; i += 2)
        if (an_pickle_is(&object->items[i], key))
            return &object->items[i + 1];
    return NULL;
}

const char *an_pickle_storage_dtype(const an_pickle_value *value) {
    return value->kind == AN_PICKLE_GLOBAL && value->global->role == STORAGE ? value->global->dtype
                                                                             : NULL;
}
