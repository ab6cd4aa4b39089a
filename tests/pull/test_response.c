/* Heads of answers, good and bad, and the digests against the examples of FIPS 180. */
#include "pull/digest.h"
#include "pull/response.h"
#include "testing.h"

static an_response read_head(const char *lines) {
    an_response response;
    memset(&response, 0x55, sizeof response); /* a status line begins anew */
    while (*lines) {
        const size_t size = strcspn(lines, "\n") + 1;
        an_response_line(&response, lines, size);
        lines += size;
    }
    return response;
}

static void test_heads(void **state) {
    (void)state;
    an_response r = read_head("HTTP/1.1 302 Found\r\nETag: \"a\"\r\nContent-Length: 3\r\n\r\n"
                              "HTTP/1.1 206 Partial Content\r\ncontent-length:  100 \r\n"
                              "Content-Range: bytes 100-199/200\r\nETAG: \"b c\"\r\n"
                              "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n");
    assert_int_equal(r.code, 206);
    assert_int_equal(r.length, 100);
    assert_int_equal(r.begin, 100);
    assert_int_equal(r.all, 200);
    assert_true(r.framed);
    assert_string_equal(an_response_validator(&r), "\"b c\"");

    r = read_head("HTTP/1.0 200 OK\n");
    assert_int_equal(r.code, 200);
    assert_false(r.framed);
    assert_true(r.length == AN_UNKNOWN_LENGTH && r.all == AN_UNKNOWN_LENGTH);
    assert_null(an_response_validator(&r));
    assert_true(read_head("HTTP/2 200 \r\n").framed);
    assert_true(read_head("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n").framed);

    r = read_head("HTTP/1.1 416 No\r\nContent-Range: bytes */77\r\n");
    assert_int_equal(r.all, 77);
    assert_true(r.begin == AN_UNKNOWN_LENGTH);
    r = read_head("HTTP/1.1 206 Yes\r\nContent-Range: bytes 5-9/*\r\n");
    assert_int_equal(r.begin, 5);
    assert_true(r.all == AN_UNKNOWN_LENGTH);
    /* A weak tag promises only likeness; the date is then the better one. */
    r = read_head("HTTP/1.1 200 OK\r\nETag: W/\"b\"\r\nLast-Modified: today\r\n");
    assert_string_equal(an_response_validator(&r), "today");
}

static void test_nonsense(void **state) {
    (void)state;
    static const char *const lines[] = {
        "Content-Length: -5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length:\r\n",
        "Content-Length\r\n",
        "Content-Range: bytes\r\n",
        "Content-Range: bytes \r\n",
        "Content-Range: bytes -/-\r\n",
        "Content-Range: lines 5-9/10\r\n",
        "ETag: unquoted\r\n",
        "ETag: \"a\x01\"\r\n",
        "ETag: \"\xff\"\r\n",
        ":\r\n",
        "\r\n",
        "",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        an_response r = read_head("HTTP/1.1 200 OK\r\n");
        an_response_line(&r, lines[i], strlen(lines[i]));
        assert_true(r.length == AN_UNKNOWN_LENGTH && r.all == AN_UNKNOWN_LENGTH &&
                    r.begin == AN_UNKNOWN_LENGTH);
        assert_false(r.framed);
        assert_null(an_response_validator(&r));
    }
    static const char begin[] = {'E', 'T', 'a', 'g', ':', ' ', '"'};
    char line[2000];
    an_response r = read_head("HTTP/1.1 200 OK\r\n");
    memset(line, 'a', sizeof line);
    memcpy(line, begin, sizeof begin);
    for (size_t size = 0; size <= sizeof line; size++)
        an_response_line(&r, line, size); /* of every length, without an end */
    assert_true(strlen(r.etag) < sizeof r.etag);
    assert_int_equal(read_head("HTTP/\r\n").code, 0);
    assert_int_equal(read_head("HTTP/1.1\r\n").code, 0);
}

static void test_digests(void **state) {
    (void)state;
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    an_digest digest = an_digest_begin();
    an_digest_text text = an_digest_of(&digest);
    assert_string_equal(text.sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    an_digest_add(&digest, two_blocks, 3);
    text = an_digest_of(&digest);
    assert_string_equal(text.sha256,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(text.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    an_digest_add(&digest, two_blocks + 3, strlen(two_blocks) - 3); /* goes on after being asked */
    text = an_digest_of(&digest);
    assert_string_equal(text.sha256,
                        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_string_equal(text.sha1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    assert_true(an_digest_matches(NULL, text.sha1));
    assert_true(an_digest_matches("84983E44", text.sha1));
    assert_false(an_digest_matches("84983e45", text.sha1));
    assert_false(an_digest_matches("84983e441c3bd26ebaae4aa1f95129e5e54670f10", text.sha1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
