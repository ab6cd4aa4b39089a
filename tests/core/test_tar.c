/* Tar archives: what is found in them, and what damaged and hostile ones are refused for. */
#include "core/tar_files.h"

enum { BLOCK = AN_TAR_BLOCK, MOST = 64 };

static an_tar reading(const tar_file *self) {
    return (an_tar){.path = "a.tar", .bytes = self->bytes, .size = self->size};
}

/* The archive's files: names and contents, in order. */
static void assert_holds(const tar_file *self, const char *const *names, const char *const *texts) {
    an_tar tar = reading(self);
    an_tar_member member;
    bool found;
    size_t count = 0;
    for (;; count++) {
        assert_ok(an_tar_next(&tar, &member, &found, error));
        if (!found)
            break;
        assert_non_null(names[count]);
        assert_string_equal(member.name, names[count]);
        assert_int_equal(member.size, strlen(texts[count]));
        assert_memory_equal(member.bytes, texts[count], member.size);
        an_tar again = {
            .path = "a.tar", .bytes = self->bytes, .size = self->size, .at = member.place};
        an_tar_member same;
        assert_ok(an_tar_next(&again, &same, &found, error));
        assert_true(found);
        assert_string_equal(same.name, member.name);
        assert_ptr_equal(same.bytes, member.bytes);
        assert_int_equal(again.at, tar.at);
    }
    assert_null(names[count]);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The archive must be refused, and everything in front of what is wrong be found. */
static void assert_refused(tar_file *self, size_t good, alexnet_status status, const char *part) {
    an_tar tar = reading(self);
    an_tar_member member;
    bool found;
    for (size_t i = 0; i < good; i++) {
        assert_ok(an_tar_next(&tar, &member, &found, error));
        assert_true(found);
    }
    assert_fails(an_tar_next(&tar, &member, &found, error), status, part);
    assert_false(found);
    free(self->bytes);
    *self = (tar_file){0};
}

static void test_members(void **state) {
    (void)state;
    tar_file a = {0};
    assert_holds(&a, (const char *const[]){NULL}, NULL);
    tar_put_text(&a, '0', "a.txt", "one");
    tar_put(&a, '5', "folder/", "", 0);
    tar_put_text(&a, '\0', "folder/b.txt", "of the oldest type");
    tar_put_claiming(&a, '1', "link", "", 0, "00000001000"); /* a size without bytes */
    tar_put_text(&a, '7', "empty", "");
    tar_put_text(&a, 'V', "volume", "no file");
    tar_put_claiming(&a, '0', "blanks", "x", 1, "        1 ");
    const char *const *names = LIST("a.txt", "folder/b.txt", "empty", "blanks");
    const char *const *texts = LIST("one", "of the oldest type", "", "x");
    assert_holds(&a, names, texts); /* without blocks that end it */
    tar_append(&a, BLOCK / 2);
    assert_holds(&a, names, texts); /* with a part of one */
    a.size -= BLOCK / 2;
    tar_finish(&a);
    tar_put_text(&a, '0', "behind the end", "?");
    assert_holds(&a, names, texts);
    assert_true(an_tar_recognise(a.bytes, a.size));
    assert_false(an_tar_recognise(a.bytes, BLOCK - 1));
    free(a.bytes);
}

static void test_last_member_without_padding(void **state) {
    (void)state;
    tar_file a = {0};
    tar_put_text(&a, '0', "a", "xyz");
    a.size -= BLOCK - 3;
    a.bytes = realloc(a.bytes, a.size);
    assert_holds(&a, LIST("a"), LIST("xyz"));
    free(a.bytes);
}

static void test_names(void **state) {
    (void)state;
    tar_file a = {0};
    char full[101], whole[300], gnu[1001], pax[1100];
    memset(full, 'n', 100);
    full[100] = '\0';
    tar_put_text(&a, '0', full, "1");
    size_t place = tar_put_text(&a, '0', full, "2");
    memset(a.bytes + place + 345, 'p', 155);
    tar_seal(a.bytes + place);
    memset(whole, 'p', 155);
    snprintf(whole + 155, sizeof whole - 155, "/%s", full);
    place =
        tar_put_text(&a, '0', "of GNU", "3"); /* whose header has times where a prefix would be */
    memcpy(a.bytes + place + 257, "ustar  ", 8);
    memset(a.bytes + place + 345, '7', 24);
    tar_seal(a.bytes + place);
    memset(gnu, 'g', 1000);
    gnu[1000] = '\0';
    tar_put(&a, 'K', "././@LongLink", "far away", 9);
    tar_put(&a, 'L', "././@LongLink", gnu, 1001);
    tar_put_text(&a, '0', "cut off", "4");
    snprintf(pax, sizeof pax, "18 path=of pax/\303\266\n22 mtime=1700000000.5\n");
    tar_put_text(&a, 'x', "PaxHeaders/x", pax);
    tar_put_text(&a, '0', "?", "5");
    tar_put_text(&a, 'g', "global", "20 comment=of all..\n");
    tar_put_text(&a, '0', "last", "6");
    tar_finish(&a);
    assert_holds(&a, LIST(full, whole, "of GNU", gnu, "of pax/\303\266", "last"),
                 LIST("1", "2", "3", "4", "5", "6"));
    free(a.bytes);
}

static void test_sizes(void **state) {
    (void)state;
    tar_file a = {0};
    tar_put_claiming(&a, '0', "base 256", "12345", 5, "\200\0\0\0\0\0\0\0\0\0\0\005");
    size_t place = a.size - (size_t)2 * BLOCK;
    a.bytes[place + 124 + 11] = 5; /* which no string holds */
    tar_seal(a.bytes + place);
    tar_put_text(&a, 'x', "pax", "10 size=3\n");
    tar_put_claiming(&a, '0', "by pax", "123", 3, "00000000000");
    tar_put_text(&a, 'x', "pax", "8 size=\n");
    tar_put_text(&a, '0', "no value", "1234");
    tar_put_text(&a, 'x', "pax", "10 size=3\n");
    tar_put_text(&a, 'L', "an extension between them", "name");
    tar_put_claiming(&a, '0', "?", "123", 3, "00000000001");
    tar_finish(&a);
    assert_holds(&a, LIST("base 256", "by pax", "no value", "name"),
                 LIST("12345", "123", "1234", "123"));
    free(a.bytes);
}

static void test_archive_in_archive(void **state) {
    (void)state;
    tar_file inner = {0}, outer = {0};
    tar_put_text(&inner, '0', "picture", "pixels");
    tar_finish(&inner);
    tar_put_text(&outer, '0', "before", "!");
    tar_put(&outer, '0', "inner.tar", inner.bytes, inner.size);
    tar_finish(&outer);
    an_tar tar = reading(&outer), nested = {.path = "a.tar/inner.tar"};
    an_tar_member member;
    bool found;
    assert_ok(an_tar_next(&tar, &member, &found, error));
    assert_ok(an_tar_next(&tar, &member, &found, error));
    assert_true(found);
    nested.bytes = member.bytes;
    nested.size = member.size;
    assert_ok(an_tar_next(&nested, &member, &found, error));
    assert_true(found);
    assert_string_equal(member.name, "picture");
    assert_ptr_equal(member.bytes, outer.bytes + BLOCK * 2 + BLOCK + BLOCK);
    free(inner.bytes);
    free(outer.bytes);
}

static void test_damage(void **state) {
    (void)state;
    tar_file a = {0};
    tar_put_text(&a, '0', "good", "1");
    size_t place = tar_put_text(&a, '0', "bad", "2");
    a.bytes[place]++;
    assert_refused(&a, 1, ALEXNET_FORMAT, "a.tar: a tar header is damaged at byte 1024;");
    tar_put_text(&a, '0', "good", "1");
    tar_append(&a, 100)[0] = 'x';
    assert_refused(&a, 1, ALEXNET_FORMAT, "the file ends within a header at byte 1024;");
    memset(tar_append(&a, BLOCK), 0xff, BLOCK);
    assert_refused(&a, 0, ALEXNET_FORMAT, "a tar header is damaged");
    tar_put_claiming(&a, '0', "no number", "", 0, "0000x");
    assert_refused(&a, 0, ALEXNET_FORMAT, "a tar header is damaged");
    tar_put_text(&a, 'S', "sparse", "of GNU");
    assert_refused(&a, 0, ALEXNET_UNSUPPORTED, "is sparse");
    tar_put_text(&a, 'x', "pax", "22 GNU.sparse.major=1\n");
    tar_put_text(&a, '0', "sparse", "of pax");
    assert_refused(&a, 0, ALEXNET_UNSUPPORTED, "is sparse");
}

static void test_hostile_sizes(void **state) {
    (void)state;
    static const char larger[] = "a member is larger than what is left at byte 0;";
    tar_file a = {0};
    tar_put_claiming(&a, '0', "by one", "x", 1, "00000001001");
    assert_refused(&a, 0, ALEXNET_FORMAT, larger);
    tar_put_claiming(&a, '0', "to the end exactly", "x", 1, "00000001000");
    an_tar tar = reading(&a);
    an_tar_member member;
    bool found;
    assert_ok(an_tar_next(&tar, &member, &found, error));
    assert_int_equal(member.size, BLOCK);
    assert_ok(an_tar_next(&tar, &member, &found, error));
    assert_false(found);
    free(a.bytes);
    a = (tar_file){0};
    tar_put_claiming(&a, '0', "octal", "x", 1, "777777777777");
    assert_refused(&a, 0, ALEXNET_FORMAT, larger);
    tar_put_claiming(&a, 'L', "a name", "x", 1, "777777777777");
    assert_refused(&a, 0, ALEXNET_FORMAT, larger);
    static const char *const binary[] = {
        "\200\001\001\001\001\001\001\001\001\001\001\001", /* beyond 64 bits */
        "\277\377\377\377\377\377\377\377\377\377\377\377",
        "\377\377\377\377\377\377\377\377\377\377\377\377", /* -1 */
        "\377\001\001\001\001\001\001\001\001\001\376\377",
    };
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++) {
        tar_put_claiming(&a, '0', "base 256", "x", 1, binary[i]);
        assert_refused(&a, 0, ALEXNET_FORMAT, "a tar header is damaged");
    }
    const size_t place = tar_put_text(&a, '0', "the last that 64 bits hold", "x");
    memset(a.bytes + place + 124, 0, 4);
    memset(a.bytes + place + 128, 0xff, 8);
    a.bytes[place + 124] = 0x80;
    tar_seal(a.bytes + place);
    assert_refused(&a, 0, ALEXNET_FORMAT, larger);
}

static void test_pax_lies(void **state) {
    (void)state;
    static const struct {
        const char *records, *part;
    } lies[] = {
        {"14 size=99999\n", "a member is larger than what is left at byte 1024;"},
        {"29 size=18446744073709551615\n", "a member is larger than what is left"},
        {"29 size=18446744073709551616\n", "a pax record of a size is no number"},
        {"11 size=-1\n", "a pax record of a size is no number"},
        {"11 size=3x\n", "a pax record of a size is no number"},
        {"10 size=33\n", "a pax record's length is wrong"},
        {"12 size=3\n", "a pax record's length is wrong"},
        {"99999999999999999999999 size=3\n", "a pax record's length is wrong"},
        {"0 size=3\n", "a pax record's length is wrong"},
        {"2 size=3\n", "a pax record's length is wrong"},
        {"3 \n", "a pax record has no value"},
        {"-5 x=1\n", "a pax record's length is wrong"},
        {"11\tsize=33\n", "a pax record's length is wrong"},
        {"7 size\n", "a pax record has no value"},
        {"8 size3\n", "a pax record has no value"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        tar_file a = {0};
        tar_put_text(&a, 'x', "pax", lies[i].records);
        tar_put_text(&a, '0', "a", "xyz");
        tar_finish(&a);
        assert_refused(&a, 0, ALEXNET_FORMAT, lies[i].part);
    }
    tar_file a = {0};
    char *name = malloc(5000);
    memset(name, 'n', 4999);
    name[4999] = '\0';
    tar_put_text(&a, 'L', "long", name);
    tar_put_text(&a, '0', "a", "xyz");
    assert_refused(&a, 0, ALEXNET_FORMAT, "a name has more than 4095 bytes");
    name[4095] = '\0';
    tar_put_text(&a, 'L', "long", name);
    tar_put_text(&a, '0', "a", "xyz");
    assert_holds(&a, LIST(name), LIST("xyz"));
    free(a.bytes);
    free(name);
}

/* Headers that only announce others, up to the end; and an announcement without a member. */
static void test_nothing_but_extensions(void **state) {
    (void)state;
    tar_file a = {0};
    for (int i = 0; i < 1000; i++)
        tar_put_text(&a, i % 2 ? 'x' : 'L', "more", i % 2 ? "9 path=n\n" : "n");
    assert_holds(&a, (const char *const[]){NULL}, NULL);
    tar_put_text(&a, '0', "a", "xyz");
    assert_holds(&a, LIST("n"), LIST("xyz"));
    free(a.bytes);
}

/* Cut off anywhere, with any byte changed: found whole or refused, and nothing read outside. */
static void test_anything(void **state) {
    (void)state;
    tar_file a = {0};
    tar_put_text(&a, 'x', "pax", "20 path=of pax/name\n10 size=3\n");
    tar_put_text(&a, '0', "one", "abc");
    tar_put_text(&a, 'L', "long", "name");
    tar_put_text(&a, '0', "two", "def");
    tar_finish(&a);
    for (size_t i = 0; i < a.size * 2; i++) {
        const size_t size = i < a.size ? i : a.size;
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, a.bytes, size);
        if (i >= a.size) {
            copy[i - a.size] ^= (uint8_t)(1 + i % 255);
            for (size_t at = 0; at < 6 * BLOCK; at += 2 * BLOCK)
                if (i - a.size >= at && i - a.size < at + BLOCK)
                    tar_seal(copy + at);
        }
        an_tar tar = {.path = "a.tar", .bytes = copy, .size = size};
        an_tar_member member;
        alexnet_error error;
        bool found = true;
        size_t steps = 0;
        while (found && an_tar_next(&tar, &member, &found, &error) == ALEXNET_OK && found) {
            assert_true(member.bytes >= copy && member.size <= size &&
                        (size_t)(member.bytes - copy) <= size - member.size);
            assert_true(++steps < MOST);
        }
        free(copy);
    }
    free(a.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_last_member_without_padding),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_archive_in_archive),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_hostile_sizes),
        cmocka_unit_test(test_pax_lies),
        cmocka_unit_test(test_nothing_but_extensions),
        cmocka_unit_test(test_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
