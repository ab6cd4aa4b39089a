#include "data/lmdb_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define STAYS "; what it holds so far stays, and writing can go on from there"

enum {
    META_PAGES = 2,
    BUFFER = 1 << 20,
    /* A node with its place in the list takes no more, so that a leaf holds two: liblmdb's rule. */
    MOST_NODE = ((AN_LMDB_PAGE - AN_LMDB_PAGE_HEADER) / 2 & -2) - 2
};

/* --- the file ------------------------------------------------------------------------------ */

static alexnet_status write_bytes(an_lmdb_writer *writer, const uint8_t *bytes, size_t size,
                                  alexnet_error *error) {
    while (size > 0) {
        const ssize_t written = write(writer->descriptor, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s" STAYS, writer->path,
                           strerror(errno));
        bytes += written;
        size -= (size_t)written;
    }
    return ALEXNET_OK;
}

static alexnet_status flush(an_lmdb_writer *writer, alexnet_error *error) {
    const size_t size = writer->buffered;
    writer->buffered = 0;
    return write_bytes(writer, writer->buffer, size, error);
}

static alexnet_status append(an_lmdb_writer *writer, const uint8_t *bytes, size_t size,
                             alexnet_error *error) {
    if (size > BUFFER - writer->buffered)
        AN_TRY(flush(writer, error));
    if (size > BUFFER)
        return write_bytes(writer, bytes, size, error);
    memcpy(writer->buffer + writer->buffered, bytes, size);
    writer->buffered += size;
    return ALEXNET_OK;
}

alexnet_status an_lmdb_writer_open(an_lmdb_writer *writer, const char *path, alexnet_error *error) {
    *writer = (an_lmdb_writer){.path = path, .descriptor = -1, .buffer = malloc(BUFFER)};
    if (!writer->buffer)
        return an_fail(error, ALEXNET_NO_MEMORY, "%s: no memory to write it", path);
    writer->descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (writer->descriptor >= 0 && flock(writer->descriptor, LOCK_EX | LOCK_NB) == 0)
        return ALEXNET_OK;
    const bool locked = writer->descriptor >= 0 && errno == EWOULDBLOCK;
    (void)an_fail(error, ALEXNET_IO,
                  locked ? "%s: another process is writing it; wait for that one"
                         : "%s: cannot be written: %s",
                  path, strerror(errno));
    an_lmdb_writer_close(writer);
    return ALEXNET_IO;
}

void an_lmdb_writer_close(an_lmdb_writer *writer) {
    if (writer->buffer && writer->descriptor >= 0)
        close(writer->descriptor);
    free(writer->buffer);
    *writer = (an_lmdb_writer){0};
}

/* --- pages --------------------------------------------------------------------------------- */

static void store_u16(uint8_t *at, size_t value) {
    const uint16_t stored = (uint16_t)value;
    memcpy(at, &stored, sizeof stored);
}

static void store_u32(uint8_t *at, uint32_t value) {
    memcpy(at, &value, sizeof value);
}

static void store_u64(uint8_t *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}

static void begin_page(uint8_t *page, unsigned kind) {
    memset(page, 0, AN_LMDB_PAGE);
    store_u16(page + AN_LMDB_PAGE_FLAGS, kind);
    store_u16(page + AN_LMDB_PAGE_LOWER, AN_LMDB_PAGE_HEADER);
    store_u16(page + AN_LMDB_PAGE_UPPER, AN_LMDB_PAGE);
}

static size_t node_count(const uint8_t *page) {
    return (an_lmdb_u16(page + AN_LMDB_PAGE_LOWER) - (size_t)AN_LMDB_PAGE_HEADER) / 2;
}

static const uint8_t *node_at(const uint8_t *page, size_t i) {
    return page + an_lmdb_u16(page + AN_LMDB_PAGE_HEADER + 2 * i);
}

/* Makes room for a node behind the others of a page; NULL where there is none. */
static uint8_t *add_node(uint8_t *page, const void *key, size_t key_size, size_t value_size) {
    const size_t lower = an_lmdb_u16(page + AN_LMDB_PAGE_LOWER);
    const size_t upper = an_lmdb_u16(page + AN_LMDB_PAGE_UPPER);
    const size_t size = (AN_LMDB_NODE_HEADER + key_size + value_size + 1) & ~(size_t)1;
    if (size + sizeof(uint16_t) > upper - lower)
        return NULL;
    uint8_t *node = page + upper - size;
    store_u16(page + lower, upper - size);
    store_u16(page + AN_LMDB_PAGE_LOWER, lower + sizeof(uint16_t));
    store_u16(page + AN_LMDB_PAGE_UPPER, upper - size);
    store_u16(node + AN_LMDB_NODE_KEY_SIZE, key_size);
    memcpy(node + AN_LMDB_NODE_HEADER, key, key_size);
    return node;
}

static bool add_child(uint8_t *page, const void *key, size_t key_size, uint64_t child) {
    uint8_t *node = add_node(page, key, key_size, 0);
    if (node) {
        store_u32(node, (uint32_t)child);
        store_u16(node + AN_LMDB_NODE_FLAGS, child >> 32);
    }
    return node != NULL;
}

/* Takes the last node away from a page, and copies it. */
static void take_last(uint8_t *page, uint8_t *node) {
    const size_t last = node_count(page) - 1;
    const uint8_t *at = node_at(page, last);
    const size_t key_size = an_lmdb_u16(at + AN_LMDB_NODE_KEY_SIZE);
    const size_t size = (AN_LMDB_NODE_HEADER + key_size + 1) & ~(size_t)1;
    const size_t upper = an_lmdb_u16(page + AN_LMDB_PAGE_UPPER);
    memcpy(node, at, size);
    memset(page + upper, 0, size);
    store_u16(page + AN_LMDB_PAGE_HEADER + 2 * last, 0);
    store_u16(page + AN_LMDB_PAGE_LOWER, AN_LMDB_PAGE_HEADER + 2 * last);
    store_u16(page + AN_LMDB_PAGE_UPPER, upper + size);
}

/* --- the tree ------------------------------------------------------------------------------ */

/* Writes the open page of a level, which is then the last page of the file. */
static alexnet_status write_page(an_lmdb_writer *writer, uint64_t level, alexnet_error *error) {
    an_lmdb_tree *tree = &writer->tree;
    store_u64(tree->open[level], tree->pages++);
    *(level == 0 ? &tree->leaves : &tree->branches) += 1;
    return append(writer, tree->open[level], AN_LMDB_PAGE, error);
}

/* Makes a page that has been written known to the level above, which may be full, too. */
static alexnet_status add_to_level(an_lmdb_writer *writer, uint64_t level, const uint8_t *first,
                                   uint64_t child, alexnet_error *error);

/* Writes the open page of a level, and has the level above know it. */
static alexnet_status close_page(an_lmdb_writer *writer, uint64_t level, alexnet_error *error) {
    AN_TRY(write_page(writer, level, error));
    return add_to_level(writer, level + 1, node_at(writer->tree.open[level], 0),
                        writer->tree.pages - 1, error);
}

static alexnet_status add_to_level(an_lmdb_writer *writer, uint64_t level, const uint8_t *first,
                                   uint64_t child, alexnet_error *error) {
    an_lmdb_tree *tree = &writer->tree;
    const uint8_t *key = first + AN_LMDB_NODE_HEADER;
    const size_t key_size = an_lmdb_u16(first + AN_LMDB_NODE_KEY_SIZE);
    if (level == AN_LMDB_LEVELS)
        return an_fail(error, ALEXNET_INVALID, "%s: more records than an index of %d levels holds",
                       writer->path, AN_LMDB_LEVELS);
    uint8_t *page = tree->open[level];
    if (level == tree->levels) {
        begin_page(page, AN_LMDB_BRANCH);
        tree->levels++;
    }
    if (add_child(page, key, key_size, child))
        return ALEXNET_OK;
    /* The next page begins with the last node of this one: a branch of one child is none. */
    uint8_t last[AN_LMDB_NODE_HEADER + AN_LMDB_MOST_KEY + 1];
    take_last(page, last);
    AN_TRY(close_page(writer, level, error));
    begin_page(page, AN_LMDB_BRANCH);
    const uint64_t before = an_lmdb_u32(last) | (uint64_t)an_lmdb_u16(last + AN_LMDB_NODE_FLAGS)
                                                    << 32;
    (void)add_child(page, last + AN_LMDB_NODE_HEADER, an_lmdb_u16(last + AN_LMDB_NODE_KEY_SIZE),
                    before);
    (void)add_child(page, key, key_size, child);
    return ALEXNET_OK;
}

alexnet_status an_lmdb_writer_begin(an_lmdb_writer *writer, const an_lmdb_tree *tree,
                                    alexnet_error *error) {
    static const uint8_t nothing[META_PAGES * AN_LMDB_PAGE];
    if (tree) {
        writer->tree = *tree;
    } else {
        writer->tree = (an_lmdb_tree){.levels = 1};
        begin_page(writer->tree.open[0], AN_LMDB_LEAF);
    }
    const off_t size = (off_t)(writer->tree.pages * AN_LMDB_PAGE);
    writer->buffered = 0;
    if (lseek(writer->descriptor, 0, SEEK_END) < size)
        return an_fail(error, ALEXNET_FORMAT, "%s: is shorter than what has been written to it",
                       writer->path);
    if (ftruncate(writer->descriptor, size) != 0 || lseek(writer->descriptor, size, SEEK_SET) < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be cut to %lld bytes: %s", writer->path,
                       (long long)size, strerror(errno));
    if (!tree) {
        writer->tree.pages = META_PAGES;
        return append(writer, nothing, sizeof nothing, error);
    }
    return ALEXNET_OK;
}

/* Writes a value to pages of its own. */
static alexnet_status write_overflow(an_lmdb_writer *writer, const uint8_t *value, size_t size,
                                     alexnet_error *error) {
    static const uint8_t nothing[AN_LMDB_PAGE];
    uint8_t header[AN_LMDB_PAGE_HEADER] = {0};
    const size_t pages = (AN_LMDB_PAGE_HEADER + size + AN_LMDB_PAGE - 1) / AN_LMDB_PAGE;
    store_u64(header, writer->tree.pages);
    store_u16(header + AN_LMDB_PAGE_FLAGS, AN_LMDB_OVERFLOW);
    store_u32(header + AN_LMDB_OVERFLOW_PAGES, (uint32_t)pages);
    writer->tree.pages += pages;
    writer->tree.overflows += pages;
    AN_TRY(append(writer, header, sizeof header, error));
    AN_TRY(append(writer, value, size, error));
    return append(writer, nothing, pages * AN_LMDB_PAGE - size - sizeof header, error);
}

alexnet_status an_lmdb_put(an_lmdb_writer *writer, const void *key, size_t key_size,
                           const uint8_t *value, size_t value_size, alexnet_error *error) {
    an_lmdb_tree *tree = &writer->tree;
    const bool big = AN_LMDB_NODE_HEADER + key_size + value_size > MOST_NODE;
    const size_t inside = big ? sizeof(uint64_t) : value_size;
    uint8_t *node = add_node(tree->open[0], key, key_size, inside);
    if (!node) {
        AN_TRY(close_page(writer, 0, error));
        begin_page(tree->open[0], AN_LMDB_LEAF);
        node = add_node(tree->open[0], key, key_size, inside);
    }
    store_u32(node, (uint32_t)value_size);
    tree->records++;
    if (!big) {
        memcpy(node + AN_LMDB_NODE_HEADER + key_size, value, value_size);
        return ALEXNET_OK;
    }
    store_u16(node + AN_LMDB_NODE_FLAGS, AN_LMDB_NODE_BIG);
    store_u64(node + AN_LMDB_NODE_HEADER + key_size, tree->pages);
    return write_overflow(writer, value, value_size, error);
}

alexnet_status an_lmdb_writer_sync(an_lmdb_writer *writer, alexnet_error *error) {
    AN_TRY(flush(writer, error));
    if (fdatasync(writer->descriptor) == 0)
        return ALEXNET_OK;
    return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s" STAYS, writer->path,
                   strerror(errno));
}

/* Writes a meta page: of an empty database, as liblmdb begins with, or of this one. */
static alexnet_status write_meta(an_lmdb_writer *writer, uint64_t number, alexnet_error *error) {
    const an_lmdb_tree *tree = &writer->tree;
    uint8_t page[AN_LMDB_PAGE] = {0};
    uint8_t *free = page + AN_LMDB_META_FREE, *main = page + AN_LMDB_META_MAIN;
    store_u64(page, number);
    store_u16(page + AN_LMDB_PAGE_FLAGS, AN_LMDB_META);
    store_u32(page + AN_LMDB_META_MAGIC, AN_LMDB_MAGIC);
    store_u32(page + AN_LMDB_META_VERSION, AN_LMDB_VERSION);
    store_u64(page + AN_LMDB_META_MAP_SIZE, tree->pages * AN_LMDB_PAGE);
    store_u32(free, AN_LMDB_PAGE);
    store_u16(free + AN_LMDB_DB_FLAGS, AN_LMDB_INTEGER_KEYS);
    store_u64(free + AN_LMDB_DB_ROOT, AN_LMDB_NO_PAGE);
    store_u64(main + AN_LMDB_DB_ROOT, AN_LMDB_NO_PAGE);
    store_u64(page + AN_LMDB_META_LAST_PAGE, META_PAGES - 1);
    if (number == 1 && tree->records > 0) {
        store_u16(main + AN_LMDB_DB_DEPTH, tree->levels);
        store_u64(main + AN_LMDB_DB_BRANCHES, tree->branches);
        store_u64(main + AN_LMDB_DB_LEAVES, tree->leaves);
        store_u64(main + AN_LMDB_DB_OVERFLOWS, tree->overflows);
        store_u64(main + AN_LMDB_DB_RECORDS, tree->records);
        store_u64(main + AN_LMDB_DB_ROOT, tree->pages - 1);
        store_u64(page + AN_LMDB_META_LAST_PAGE, tree->pages - 1);
        store_u64(page + AN_LMDB_META_TRANSACTION, 1);
    }
    return append(writer, page, sizeof page, error);
}

alexnet_status an_lmdb_writer_finish(an_lmdb_writer *writer, alexnet_error *error) {
    an_lmdb_tree *tree = &writer->tree;
    for (uint64_t level = 0; tree->records > 0 && level + 1 < tree->levels; level++)
        AN_TRY(close_page(writer, level, error)); /* which may add a level */
    if (tree->records > 0)
        AN_TRY(write_page(writer, tree->levels - 1, error));
    AN_TRY(an_lmdb_writer_sync(writer, error)); /* before the pages that point to all others */
    if (lseek(writer->descriptor, 0, SEEK_SET) < 0)
        return an_fail(error, ALEXNET_IO, "%s: cannot be written: %s" STAYS, writer->path,
                       strerror(errno));
    for (uint64_t number = 0; number < META_PAGES; number++)
        AN_TRY(write_meta(writer, number, error));
    return an_lmdb_writer_sync(writer, error);
}
