/*
 * The file of an LMDB database, version 1 on machines of 64 bits, as the reader walks it.
 * Numbers are little-endian. Source: liblmdb 0.9's mdb.c, where the structures are MDB_page,
 * MDB_node, MDB_meta and MDB_db.
 *
 * The file is a row of pages, numbered from 0; a B+ tree of pages leads from the root to the leaves
 * by the keys in byte order.
 *
 *   page      u64 number, u16 0, u16 flags, u16 lower, u16 upper, then u16 places of nodes up to
 *             `lower`, and the nodes themselves from `upper` to the page's end
 *   overflow  a value that is too large for a leaf: u64 number, u16 0, u16 flags, u32 pages, and
 *             behind these 16 bytes the value, over so many pages
 *   node      u16 a, u16 b, u16 c, u16 size of the key, the key; in a leaf a and b are the value's
 *             size (low half first), c its flags, and behind the key lies the value, or the number
 *             of its overflow page; in a branch a, b and c are the number of the page below, whose
 *             keys are no less than this one. The first key of a branch does not count
 *   meta      pages 0 and 1, of which the one with the larger transaction counts: behind the
 *             page's header the fields of AN_LMDB_META_...
 *   database  u32 0 (of the list of free pages: the size of a page), u16 flags, u16 depth,
 *             u64 branch pages, u64 leaf pages, u64 overflow pages, u64 records, u64 root
 */
#ifndef AN_DATA_LMDB_FORMAT_H
#define AN_DATA_LMDB_FORMAT_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are used as they lie there");

#define AN_LMDB_MAGIC UINT32_C(0xBEEFC0DE)
#define AN_LMDB_NO_PAGE UINT64_MAX /* the root of a database without records */

enum {
    AN_LMDB_VERSION = 1,

    AN_LMDB_PAGE_HEADER = 16, /* bytes; and where its fields are: */
    AN_LMDB_PAGE_FLAGS = 10,
    AN_LMDB_PAGE_LOWER = 12,

    AN_LMDB_BRANCH = 0x01, /* kinds of pages */
    AN_LMDB_LEAF = 0x02,
    AN_LMDB_OVERFLOW = 0x04,
    AN_LMDB_META = 0x08,

    AN_LMDB_NODE_HEADER = 8,
    AN_LMDB_NODE_FLAGS = 4,
    AN_LMDB_NODE_KEY_SIZE = 6,
    AN_LMDB_NODE_BIG = 0x01, /* the value lies in overflow pages */

    AN_LMDB_META_MAGIC = 16, /* from the page's begin */
    AN_LMDB_META_VERSION = 20,
    AN_LMDB_META_FREE = 40, /* the database of free pages */
    AN_LMDB_META_MAIN = 88, /* and that of the records */
    AN_LMDB_META_TRANSACTION = 144,
    AN_LMDB_META_END = 152,

    AN_LMDB_DB_FLAGS = 4,
    AN_LMDB_DB_RECORDS = 32,
    AN_LMDB_DB_ROOT = 40
};

static inline uint16_t an_lmdb_u16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t an_lmdb_u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t an_lmdb_u64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

#endif
