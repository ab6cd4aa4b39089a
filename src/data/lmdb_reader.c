#include "data/lmdb_reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/lmdb_format.h"

enum { LEAST_PAGE = 512, MOST_PAGE = 32768 };

/* What is known while the tree is walked. */
typedef struct walk {
    const char *path;
    const uint8_t *bytes;
    size_t page_size, pages; /* of the file */
    size_t visited;
    size_t records; /* as many as there is room for */
    an_lmdb *out;
    alexnet_error *error;
} walk;

/* A page of the tree whose places of nodes lie inside it. */
typedef struct page {
    uint64_t number;
    const uint8_t *begin;
    size_t nodes;
} page;

static alexnet_status damaged(const walk *self, uint64_t number, const char *how) {
    (void)an_fail(self->error, ALEXNET_FORMAT,
                  "%s: page %llu %s; the database is damaged or was not copied whole", self->path,
                  (unsigned long long)number, how);
    return ALEXNET_FORMAT; /* a constant, so that what is given out is seen to be set otherwise */
}

static alexnet_status unknown(const walk *self, const char *how) {
    (void)an_fail(self->error, ALEXNET_FORMAT, "%s: %s", self->path, how);
    return ALEXNET_FORMAT;
}

static const uint8_t *page_at(const walk *self, uint64_t number) {
    return self->bytes + number * self->page_size;
}

/* Checks a page of the tree up to its list of nodes. */
static alexnet_status enter(walk *self, uint64_t number, page *out) {
    if (number < 2 || number >= self->pages)
        return damaged(self, number, "is wanted, but lies outside the file");
    if (++self->visited > self->pages)
        return damaged(self, number, "is in the tree a second time");
    const uint8_t *begin = page_at(self, number);
    const size_t lower = an_lmdb_u16(begin + AN_LMDB_PAGE_LOWER);
    if (an_lmdb_u64(begin) != number)
        return damaged(self, number, "has another number in it");
    if (lower < AN_LMDB_PAGE_HEADER || lower > self->page_size || lower % 2 != 0)
        return damaged(self, number, "has a list of nodes that does not fit in it");
    *out = (page){number, begin, (lower - AN_LMDB_PAGE_HEADER) / 2};
    return ALEXNET_OK;
}

/* Node `i` of a page, whose key lies inside the page. */
static alexnet_status enter_node(const walk *self, const page *in, size_t i, const uint8_t **out) {
    const size_t at = an_lmdb_u16(in->begin + AN_LMDB_PAGE_HEADER + 2 * i);
    if (at < AN_LMDB_PAGE_HEADER || at + AN_LMDB_NODE_HEADER > self->page_size)
        return damaged(self, in->number, "has a node outside it");
    *out = in->begin + at;
    if (at + AN_LMDB_NODE_HEADER + an_lmdb_u16(*out + AN_LMDB_NODE_KEY_SIZE) > self->page_size)
        return damaged(self, in->number, "has a key that does not end in it");
    return ALEXNET_OK;
}

/* The value of a leaf's node: behind its key, or in pages of its own. */
static alexnet_status find_value(const walk *self, const page *in, const uint8_t *behind_key,
                                 bool big, an_lmdb_record *out) {
    const size_t left = (size_t)(in->begin + self->page_size - behind_key);
    if (!big) {
        out->value = behind_key;
        return out->value_size <= left
                   ? ALEXNET_OK
                   : damaged(self, in->number, "has a value that does not end in it");
    }
    if (left < sizeof(uint64_t))
        return damaged(self, in->number, "has a node that does not end in it");
    const uint64_t first = an_lmdb_u64(behind_key);
    if (first < 2 || first >= self->pages)
        return damaged(self, in->number, "has a value that lies outside the file");
    const uint8_t *begin = page_at(self, first);
    if (an_lmdb_u64(begin) != first ||
        !(an_lmdb_u16(begin + AN_LMDB_PAGE_FLAGS) & AN_LMDB_OVERFLOW))
        return damaged(self, first, "should hold a value, but does not");
    const size_t room = (self->pages - first) * self->page_size - AN_LMDB_PAGE_HEADER;
    if (out->value_size > room)
        return damaged(self, first, "holds a value that does not end in the file");
    out->value = begin + AN_LMDB_PAGE_HEADER;
    return ALEXNET_OK;
}

/* True where a record's key is larger than that of the one before it. */
static bool is_behind(const an_lmdb_record *record) {
    const an_lmdb_record *before = record - 1;
    const size_t shorter =
        before->key_size < record->key_size ? before->key_size : record->key_size;
    const int order = memcmp(before->key, record->key, shorter);
    return order < 0 || (order == 0 && before->key_size < record->key_size);
}

static alexnet_status add_record(walk *self, const page *in, const uint8_t *node) {
    const unsigned flags = an_lmdb_u16(node + AN_LMDB_NODE_FLAGS);
    if (flags & ~(unsigned)AN_LMDB_NODE_BIG)
        return an_fail(self->error, ALEXNET_FORMAT,
                       "%s: holds a database inside the database, or several values for a key; a "
                       "data set has one record a picture",
                       self->path);
    if (self->out->count == self->records)
        return damaged(self, in->number, "holds more records than the database says that it has");
    an_lmdb_record *record = &self->out->records[self->out->count];
    *record = (an_lmdb_record){.key = node + AN_LMDB_NODE_HEADER,
                               .key_size = an_lmdb_u16(node + AN_LMDB_NODE_KEY_SIZE),
                               .value_size = an_lmdb_u32(node)};
    if (self->out->count > 0 && !is_behind(record))
        return damaged(self, in->number, "holds a key that is out of order");
    AN_TRY(find_value(self, in, record->key + record->key_size, flags, record));
    self->out->count++;
    return ALEXNET_OK;
}

/* Calls itself for the pages below, at most AN_LMDB_DEPTH deep. */
static alexnet_status visit(walk *self, uint64_t number, int depth) {
    page now;
    AN_TRY(enter(self, number, &now));
    const unsigned flags = an_lmdb_u16(now.begin + AN_LMDB_PAGE_FLAGS);
    const bool is_leaf = flags & AN_LMDB_LEAF;
    if (!is_leaf && !(flags & AN_LMDB_BRANCH))
        return damaged(self, number, "is neither branch nor leaf");
    if (depth == AN_LMDB_DEPTH)
        return damaged(self, number, "lies deeper than trees of pages can be");
    for (size_t i = 0; i < now.nodes; i++) {
        const uint8_t *node;
        AN_TRY(enter_node(self, &now, i, &node));
        if (is_leaf)
            AN_TRY(add_record(self, &now, node));
        else
            AN_TRY(visit(self,
                         an_lmdb_u32(node) | (uint64_t)an_lmdb_u16(node + AN_LMDB_NODE_FLAGS) << 32,
                         depth + 1));
    }
    return ALEXNET_OK;
}

static bool is_meta(const uint8_t *begin) {
    return (an_lmdb_u16(begin + AN_LMDB_PAGE_FLAGS) & AN_LMDB_META) &&
           an_lmdb_u32(begin + AN_LMDB_META_MAGIC) == AN_LMDB_MAGIC;
}

/* The meta page that counts, and the size of pages. */
static alexnet_status find_meta(walk *self, size_t size, const uint8_t **out) {
    if (size < AN_LMDB_META_END || !is_meta(self->bytes))
        return unknown(self, "is no LMDB database of 64 bits");
    const uint32_t version = an_lmdb_u32(self->bytes + AN_LMDB_META_VERSION);
    if (version != AN_LMDB_VERSION)
        return unknown(self, "is an LMDB database of another version than 1");
    self->page_size = an_lmdb_u32(self->bytes + AN_LMDB_META_FREE);
    if (self->page_size < LEAST_PAGE || self->page_size > MOST_PAGE ||
        (self->page_size & (self->page_size - 1)) != 0)
        return damaged(self, 0, "says a size of pages that cannot be");
    self->pages = size / self->page_size;
    if (self->pages < 2)
        return damaged(self, 1, "is wanted, but lies outside the file");
    const uint8_t *other = page_at(self, 1);
    *out = self->bytes;
    if (is_meta(other) && an_lmdb_u64(other + AN_LMDB_META_TRANSACTION) >
                              an_lmdb_u64(self->bytes + AN_LMDB_META_TRANSACTION))
        *out = other;
    return ALEXNET_OK;
}

static alexnet_status list_records(walk *self) {
    const uint8_t *meta;
    AN_TRY(find_meta(self, self->out->mapping.size, &meta));
    const uint8_t *main = meta + AN_LMDB_META_MAIN;
    const uint64_t root = an_lmdb_u64(main + AN_LMDB_DB_ROOT);
    const uint64_t records = an_lmdb_u64(main + AN_LMDB_DB_RECORDS);
    const size_t smallest = AN_LMDB_NODE_HEADER + sizeof(uint16_t);
    if (an_lmdb_u16(main + AN_LMDB_DB_FLAGS) != 0)
        return an_fail(self->error, ALEXNET_FORMAT,
                       "%s: its keys are in another order than that of their bytes, or have "
                       "several values; Caffe's databases have not",
                       self->path);
    if (root == AN_LMDB_NO_PAGE && records == 0)
        return ALEXNET_OK;
    if (records > self->out->mapping.size / smallest)
        return damaged(self, 0, "says more records than the file has room for");
    self->records = (size_t)records;
    self->out->records = malloc(self->records * sizeof *self->out->records);
    if (!self->out->records)
        return an_fail(self->error, ALEXNET_NO_MEMORY, "%s: no memory to list %zu records",
                       self->path, self->records);
    AN_TRY(visit(self, root, 0));
    if (self->out->count < self->records)
        return an_fail(self->error, ALEXNET_FORMAT,
                       "%s: holds %zu records where it says %zu; the database is damaged",
                       self->path, self->out->count, self->records);
    return ALEXNET_OK;
}

bool an_lmdb_is_file(const char *path) {
    uint8_t begin[AN_LMDB_META_END];
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return false;
    const bool found = read(descriptor, begin, sizeof begin) == sizeof begin && is_meta(begin);
    close(descriptor);
    return found;
}

alexnet_status an_lmdb_open(const char *path, an_lmdb *out, alexnet_error *error) {
    *out = (an_lmdb){0};
    AN_TRY(an_map(path, &out->mapping, error));
    an_mapping_read_randomly(&out->mapping); /* the pages of the tree lie far apart */
    walk self = {.path = path, .bytes = out->mapping.bytes, .out = out, .error = error};
    const alexnet_status status = list_records(&self);
    if (status != ALEXNET_OK)
        an_lmdb_close(out);
    return status;
}

void an_lmdb_close(an_lmdb *database) {
    an_unmap(&database->mapping);
    free(database->records);
    *database = (an_lmdb){0};
}
