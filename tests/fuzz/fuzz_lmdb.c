/*
 * A libFuzzer target for databases: the pages of LMDB, and the Datums in them. Every byte that is
 * given out is read, which AddressSanitizer refuses where it lies outside.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/datum.h"
#include "data/lmdb_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const uint8_t *bytes, size_t size) {
    static volatile uint8_t seen;
    for (size_t i = 0; i < size; i++)
        seen = bytes[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[32];
    an_lmdb database;
    an_datum datum;
    alexnet_error error;
    const int descriptor = memfd_create("input", 0);
    if (descriptor < 0 || write(descriptor, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    if (an_lmdb_open(path, &database, &error) == ALEXNET_OK) {
        for (size_t i = 0; i < database.count; i++) {
            const an_lmdb_record *record = &database.records[i];
            touch(record->key, record->key_size);
            touch(record->value, record->value_size);
            if (an_datum_parse(record->value, record->value_size, &datum))
                touch(datum.data, datum.size);
        }
        an_lmdb_close(&database);
    }
    close(descriptor);
    return 0;
}
