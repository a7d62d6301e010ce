/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "page-builder.h"
#include "ring.h"
#include "test-util.h"

TestSuite(ring, .fini = test_done);

static RingFormat format_6_1(void) {
        _cleanup_close_ int fd = test_open_formats("e1000e-6.1");
        RingFormat format;

        cr_assert_eq(ring_format_load(fd, &format), 0);
        return format;
}

static void assert_event(RingPage *page, uint64_t time_ns, const void *payload, size_t bytes) {
        RingEvent event;

        cr_assert_eq(ring_page_next(page, &event), 1);
        cr_assert_eq(event.time_ns, time_ns, "time %" PRIu64 " instead of %" PRIu64, event.time_ns, time_ns);
        cr_assert_eq(event.payload_bytes, bytes, "%zu bytes instead of %zu", event.payload_bytes, bytes);
        cr_assert_eq(memcmp(event.payload, payload, bytes), 0);
}

/* The end stays the end, and gives no event. */
static void assert_end(RingPage *page, int expected) {
        static const RingEvent untouched = { .time_ns = 99, .payload_bytes = 98 };
        RingEvent event = untouched;

        cr_assert_eq(ring_page_next(page, &event), expected);
        cr_assert_eq(ring_page_next(page, &event), expected);
        cr_assert_eq(event.time_ns, untouched.time_ns);
        cr_assert_eq(event.payload_bytes, untouched.payload_bytes);
        cr_assert_null(event.payload);
}

/* Opens what has been built so far in a block that ends where the data ends. */
static uint8_t *open_built(const PageBuilder *b, RingPage *ret) {
        const RingFormat f = format_6_1();
        uint8_t *copy = page_copy(b, PAGE_DATA_OFFSET + b->length_bytes);

        cr_assert_eq(ring_page_open(&f, copy, PAGE_DATA_OFFSET + b->length_bytes, ret), 1);
        return copy;
}

static void fill_pattern(uint8_t *payload, size_t bytes) {
        for (size_t i = 0; i < bytes; i++)
                payload[i] = (uint8_t) (i * 7 + bytes);
}

Test(ring, data_of_every_length) {
        _cleanup_free_ uint8_t *copy = NULL;
        uint8_t payload[112];
        uint64_t time_ns = 1000000;
        PageBuilder b;
        RingPage page;

        page_begin(&b, time_ns);
        for (uint32_t type = 1; type <= 28; type++) {
                fill_pattern(payload, type * 4);
                page_put_event(&b, type * 100, payload, type * 4);
        }
        copy = open_built(&b, &page);
        for (uint32_t type = 1; type <= 28; type++) {
                fill_pattern(payload, type * 4);
                time_ns += type * 100;
                assert_event(&page, time_ns, payload, type * 4);
        }
        assert_end(&page, 0);
}

Test(ring, data_with_length_word) {
        static const size_t lengths[] = { 116, 0, 4, 1044, 112, 2000 };
        _cleanup_free_ uint8_t *copy = NULL;
        uint8_t payload[2000];
        PageBuilder b;
        RingPage page;

        page_begin(&b, 5);
        for (size_t i = 0; i < ELEMENTS(lengths); i++) {
                fill_pattern(payload, lengths[i]);
                page_put_long(&b, 10, payload, lengths[i]);
        }
        copy = open_built(&b, &page);
        for (size_t i = 0; i < ELEMENTS(lengths); i++) {
                fill_pattern(payload, lengths[i]);
                assert_event(&page, 15 + 10 * i, payload, lengths[i]);
        }
        assert_end(&page, 0);
}

Test(ring, time_of_page_and_deltas) {
        _cleanup_free_ uint8_t *copy = NULL;
        PageBuilder b;
        RingPage page;

        /* The largest delta has 27 bits; no delta at all repeats the time. */
        page_begin(&b, UINT64_C(0x123456789abcdef));
        page_put_event(&b, 0x7ffffff, "aaaa", 4);
        page_put_event(&b, 0, "bbbb", 4);
        copy = open_built(&b, &page);
        cr_assert_eq(page.time_ns, UINT64_C(0x123456789abcdef));
        assert_event(&page, UINT64_C(0x123456789abcdef) + 0x7ffffff, "aaaa", 4);
        assert_event(&page, UINT64_C(0x123456789abcdef) + 0x7ffffff, "bbbb", 4);
        assert_end(&page, 0);
}

Test(ring, padding_ends_the_page) {
        _cleanup_free_ uint8_t *copy = NULL;
        PageBuilder b;
        RingPage page;

        page_begin(&b, 100);
        page_put_event(&b, 1, "aaaa", 4);
        page_put_header(&b, TYPE_PAD, 0);
        page_put_event(&b, 1, "bbbb", 4);
        copy = open_built(&b, &page);
        assert_event(&page, 101, "aaaa", 4);
        assert_end(&page, 0);
}

Test(ring, padding_as_last_word) {
        _cleanup_free_ uint8_t *copy = NULL;
        PageBuilder b;
        RingPage page;

        page_begin(&b, 100);
        page_put_header(&b, TYPE_PAD, 0);
        copy = open_built(&b, &page);
        assert_end(&page, 0);
}

Test(ring, discarded_event_is_skipped) {
        _cleanup_free_ uint8_t *copy = NULL;
        PageBuilder b;
        RingPage page;

        page_begin(&b, 100);
        page_put_event(&b, 1, "aaaa", 4);
        page_put_header(&b, TYPE_PAD, 5000);
        page_put32(&b, 12);
        page_put(&b, "discards", 8);
        page_put_event(&b, 2, "bbbb", 4);
        page_put_header(&b, TYPE_PAD, 1);
        page_put32(&b, 4);
        page_put_event(&b, 3, "cccc", 4);
        copy = open_built(&b, &page);
        assert_event(&page, 101, "aaaa", 4);
        assert_event(&page, 103, "bbbb", 4);
        assert_event(&page, 106, "cccc", 4);
        assert_end(&page, 0);
}

Test(ring, time_extend) {
        _cleanup_free_ uint8_t *copy = NULL;
        PageBuilder b;
        RingPage page;

        page_begin(&b, 100);
        page_put_extend(&b, UINT64_C(1) << 27);
        page_put_event(&b, 1, "aaaa", 4);
        page_put_extend(&b, UINT64_C(0x7ffffffffffffff));
        page_put_extend(&b, 7);
        page_put_event(&b, 2, "bbbb", 4);
        page_put_extend(&b, 1);
        copy = open_built(&b, &page);
        assert_event(&page, 101 + (UINT64_C(1) << 27), "aaaa", 4);
        assert_event(&page, 110 + (UINT64_C(1) << 27) + UINT64_C(0x7ffffffffffffff), "bbbb", 4);
        assert_end(&page, 0);
}

static void check_stamp(uint64_t before, uint64_t stamp, uint64_t expected) {
        _cleanup_free_ uint8_t *copy = NULL;
        PageBuilder b;
        RingPage page;

        page_begin(&b, before);
        page_put_stamp(&b, stamp);
        page_put_event(&b, 3, "aaaa", 4);
        copy = open_built(&b, &page);
        assert_event(&page, expected + 3, "aaaa", 4);
        assert_end(&page, 0);
}

Test(ring, absolute_stamp) {
        const uint64_t bit59 = UINT64_C(1) << 59;

        check_stamp(100, 5000, 5000);
        check_stamp(1, bit59 - 10, bit59 - 10);
        /* Backwards, where nothing stands in the top bits: as it is said. */
        check_stamp(5000, 100, 100);
        /* The top five bits come from the time before. */
        check_stamp(bit59 + 100, 5000, bit59 + 5000);
        check_stamp(31 * bit59 + 100, 5000, 31 * bit59 + 5000);
        check_stamp(bit59 + 100, 100, bit59 + 100);
        /* The 59 bits have wrapped in between. */
        check_stamp(bit59 + 5000, 100, 2 * bit59 + 100);
        check_stamp(2 * bit59 - 1, 0, 2 * bit59);
}

Test(ring, missed_events) {
        static const struct {
                const char *what;
                uint64_t commit_flags;
                bool lost;
                uint64_t n_lost;
        } table[] = {
                { "none", 0, false, 0 },
                { "counted, as 6.12 writes it", PAGE_MISSED | PAGE_MISSED_STORED, true, 2852 },
                { "counted, as 6.1 writes it", UINT64_C(0xffffffffc0000000), true, 2852 },
                { "not counted", PAGE_MISSED, true, 0 },
                { "not counted, sign-extended", UINT64_C(0xffffffff80000000), true, 0 },
                { "a count of nothing missed", PAGE_MISSED_STORED, false, 0 },
                { "junk above", UINT64_C(0x1234567800000000), false, 0 },
        };
        const RingFormat f = format_6_1();

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_free_ uint8_t *copy = NULL;
                RingPage page;
                PageBuilder b;

                page_begin(&b, 100);
                page_put_read(&b, 1, 0x1000);
                page_set_missed(&b, 2852);
                page_set_commit(&b, table[i].commit_flags | b.length_bytes);
                /* The count is the last of the block. */
                copy = page_copy(&b, PAGE_DATA_OFFSET + b.length_bytes + 8);
                cr_assert_eq(ring_page_open(&f, copy, PAGE_DATA_OFFSET + b.length_bytes + 8, &page), 1, "%s",
                                table[i].what);
                cr_expect_eq(page.lost, table[i].lost, "%s", table[i].what);
                cr_expect_eq(page.n_lost, table[i].n_lost, "%s", table[i].what);
                assert_event(&page, 101, b.page + PAGE_DATA_OFFSET + 4, 40);
                assert_end(&page, 0);
        }
}

/* The page of kernel 6.1 that the notes on its flag are about: commit ffffffff c0000fd0, 92 accesses. */
Test(ring, missed_events_of_a_full_page) {
        _cleanup_free_ uint8_t *copy = NULL;
        const RingFormat f = format_6_1();
        PageBuilder b;
        RingPage page;

        page_begin(&b, 1000);
        for (unsigned i = 0; i < 92; i++)
                page_put_read(&b, 1, i);
        cr_assert_eq(b.length_bytes, 0xfd0);
        page_set_missed(&b, 7);
        page_set_commit(&b, UINT64_C(0xffffffffc0000fd0));
        copy = page_copy(&b, PAGE_BYTES);
        cr_assert_eq(ring_page_open(&f, copy, PAGE_BYTES, &page), 1);
        cr_assert(page.lost);
        cr_assert_eq(page.n_lost, 7);
        for (unsigned i = 0; i < 92; i++)
                assert_event(&page, 1001 + i, b.page + PAGE_DATA_OFFSET + i * 44 + 4, 40);
        assert_end(&page, 0);
}

Test(ring, limits_of_the_page) {
        static const struct {
                const char *what;
                uint64_t time_ns, commit;
                size_t bytes;
                int expected;
        } table[] = {
                { "no bytes", 1, 0, 0, -EBADMSG },
                { "half a header", 1, 0, 8, -EBADMSG },
                { "a header but one byte", 1, 0, 15, -EBADMSG },
                { "a header alone", 1, 0, 16, 1 },
                { "a header that says more", 1, 1, 16, -EBADMSG },
                { "all of the block", 1, 84, 100, 1 },
                { "one byte too long", 1, 85, 100, -EBADMSG },
                { "all of the page", 1, 4080, 4096, 1 },
                { "one byte more than the page", 1, 4081, 4096, -EBADMSG },
                { "the longest length", 1, 0x3fffffff, 4096, -EBADMSG },
                { "the longest length, missed", 1, UINT64_C(0xffffffffffffffff), 4096, -EBADMSG },
                { "the count fits", 1, PAGE_MISSED | PAGE_MISSED_STORED | 4072, 4096, 1 },
                { "the count does not fit", 1, PAGE_MISSED | PAGE_MISSED_STORED | 4073, 4096, -EBADMSG },
                { "no room for a count", 1, PAGE_MISSED | PAGE_MISSED_STORED | 4080, 4096, -EBADMSG },
                { "no count, no room needed", 1, PAGE_MISSED | 4080, 4096, 1 },
                { "never written", 0, 0, 4096, 0 },
                { "never written, header alone", 0, 0, 16, 0 },
                { "never written, cut", 0, 0, 15, -EBADMSG },
                { "time only", 1, 0, 4096, 1 },
                { "length only", 0, 44, 4096, 1 },
                { "missed only", 0, PAGE_MISSED, 4096, 1 },
        };
        const RingFormat f = format_6_1();

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_free_ uint8_t *copy = NULL;
                RingPage page = { .n_lost = 12345 };
                PageBuilder b;

                page_begin(&b, table[i].time_ns);
                page_set_commit(&b, table[i].commit);
                copy = page_copy(&b, table[i].bytes);
                cr_expect_eq(ring_page_open(&f, copy, table[i].bytes, &page), table[i].expected, "%s",
                                table[i].what);
                if (table[i].expected <= 0)
                        cr_expect_eq(page.n_lost, 12345, "%s", table[i].what);
        }
}

#define HEADER(type, delta) ((uint32_t) (delta) << 5 | (type))

/* Words behind one good event, at the very end of the page's block. */
Test(ring, malformed_events) {
        static const struct {
                const char *what;
                size_t n_words;
                uint32_t words[8];
                int expected;
        } table[] = {
                { "nothing", 0, {}, 0 },
                { "data, no payload", 1, { HEADER(1, 1) }, -EBADMSG },
                { "data, half its payload", 2, { HEADER(2, 1), 0 }, -EBADMSG },
                { "data, one word missing", 7, { HEADER(7, 1) }, -EBADMSG },
                { "data, longest", 8, { HEADER(28, 1) }, -EBADMSG },
                { "long, no length", 1, { HEADER(0, 1) }, -EBADMSG },
                { "long, length 0", 2, { HEADER(0, 1), 0 }, -EBADMSG },
                { "long, length 3", 3, { HEADER(0, 1), 3 }, -EBADMSG },
                { "long, length 5", 4, { HEADER(0, 1), 5 }, -EBADMSG },
                { "long, length 6", 4, { HEADER(0, 1), 6 }, -EBADMSG },
                { "long, one word missing", 4, { HEADER(0, 1), 16 }, -EBADMSG },
                { "long, one byte missing", 4, { HEADER(0, 1), 13 }, -EBADMSG },
                { "long, far too long", 4, { HEADER(0, 1), 0x7ffffffc }, -EBADMSG },
                { "long, so long that it wraps", 4, { HEADER(0, 1), 0xfffffffc }, -EBADMSG },
                { "long, all ones", 4, { HEADER(0, 1), 0xffffffff }, -EBADMSG },
                { "all zero", 8, {}, -EBADMSG },
                { "discarded, no length", 1, { HEADER(29, 1) }, -EBADMSG },
                { "discarded, length 0", 2, { HEADER(29, 1), 0 }, -EBADMSG },
                { "discarded, length 3", 3, { HEADER(29, 1), 3 }, -EBADMSG },
                { "discarded, length 5", 4, { HEADER(29, 1), 5 }, -EBADMSG },
                { "discarded, one word missing", 4, { HEADER(29, 1), 16 }, -EBADMSG },
                { "discarded, so long that it wraps", 4, { HEADER(29, 1), 0xfffffffc }, -EBADMSG },
                { "discarded, length 0, then an empty event", 3, { HEADER(29, 1), 0, 4 }, -EBADMSG },
                { "discarded, length 5, then an end", 4, { HEADER(29, 1), 5, 0x1d00 }, -EBADMSG },
                { "long, length 5, then an end", 4, { HEADER(0, 1), 5, 0x1d00 }, -EBADMSG },
                { "discarded, up to the end", 4, { HEADER(29, 1), 12 }, 0 },
                { "extend, no second word", 1, { HEADER(30, 1) }, -EBADMSG },
                { "extend, no second word nor delta", 1, { HEADER(30, 0) }, -EBADMSG },
                { "extend at the end", 2, { HEADER(30, 1), 1 }, 0 },
                { "stamp, no second word", 1, { HEADER(31, 1) }, -EBADMSG },
                { "stamp at the end", 2, { HEADER(31, 1), 1 }, 0 },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_free_ uint8_t *copy = NULL;
                static const RingEvent untouched = { .time_ns = 99, .payload_bytes = 98 };
                RingEvent event = untouched;
                PageBuilder b;
                RingPage page;

                page_begin(&b, 100);
                page_put_event(&b, 1, "good", 4);
                for (size_t j = 0; j < table[i].n_words; j++)
                        page_put32(&b, table[i].words[j]);
                copy = open_built(&b, &page);
                assert_event(&page, 101, "good", 4);
                cr_expect_eq(ring_page_next(&page, &event), table[i].expected, "%s", table[i].what);
                cr_expect_eq(ring_page_next(&page, &event), table[i].expected, "%s, again", table[i].what);
                cr_expect_eq(memcmp(&event, &untouched, sizeof event), 0, "%s", table[i].what);
        }
}

Test(ring, less_than_a_word_at_the_end) {
        for (size_t n = 1; n < 4; n++) {
                _cleanup_free_ uint8_t *copy = NULL;
                PageBuilder b;
                RingPage page;

                page_begin(&b, 100);
                page_put_event(&b, 1, "aaaa", 4);
                page_put(&b, "\x01\x02\x03", n);
                copy = open_built(&b, &page);
                assert_event(&page, 101, "aaaa", 4);
                assert_end(&page, 0);
        }
}

/* Reads all of a page that may hold anything. What counts is that no read leaves its block, and that it
 * ends. */
static void walk(const RingFormat *f, const uint8_t *bytes, size_t n) {
        unsigned n_events = 0;
        RingEvent event;
        RingPage page;
        int r;

        r = ring_page_open(f, bytes, n, &page);
        cr_assert(r == 0 || r == 1 || r == -EBADMSG);
        if (r <= 0)
                return;
        while ((r = ring_page_next(&page, &event)) > 0) {
                Record record;

                cr_assert(event.payload >= bytes && event.payload + event.payload_bytes <= bytes + n);
                cr_assert_leq(++n_events, n / 4);
                r = ring_event_to_record(f, &event, &record);
                cr_assert(r == 0 || r == 1 || r == -EBADMSG);
                if (r > 0 && record.type == RECORD_MARK && record.text_bytes > 0)
                        cr_assert_null(memchr(record.text, 0, record.text_bytes));
        }
        cr_assert(r == 0 || r == -EBADMSG);
}

Test(ring, cut_pages) {
        const RingFormat f = format_6_1();
        _cleanup_free_ uint8_t *raw = NULL;
        size_t bytes;

        test_data_xz("samples/e1000e-6.1-lossy/cpu0.raw.xz", &raw, &bytes);
        cr_assert_geq(bytes, PAGE_BYTES);
        for (size_t n = 0; n < PAGE_BYTES; n++) {
                _cleanup_free_ uint8_t *copy = malloc(n);
                uint32_t commit;

                cr_assert_not_null(copy);
                memcpy(copy, raw, n);
                walk(&f, copy, n);
                if (n < PAGE_DATA_OFFSET)
                        continue;
                /* And with a length that goes with the cut, so that an event is cut. */
                commit = (uint32_t) (n - PAGE_DATA_OFFSET);
                memcpy(copy + 8, &commit, sizeof commit);
                walk(&f, copy, n);
        }
}

Test(ring, hostile_pages) {
        static const char *const samples[] = { "e1000e-6.1", "e1000e-6.12-stack" };
        const RingFormat f = format_6_1();
        /* Always the same sequence: a failure has to come again. */
        uint64_t random = 88172645463325252;

        for (size_t i = 0; i < ELEMENTS(samples); i++) {
                _cleanup_free_ char *path = NULL;
                _cleanup_free_ uint8_t *raw = NULL, *copy = malloc(PAGE_BYTES);
                size_t bytes;

                cr_assert_not_null(copy);
                cr_assert_geq(asprintf(&path, "samples/%s/cpu0.raw.xz", samples[i]), 0);
                test_data_xz(path, &raw, &bytes);
                for (size_t round = 0; round < 5000; round++) {
                        memcpy(copy, raw + round % (bytes / PAGE_BYTES) * PAGE_BYTES, PAGE_BYTES);
                        for (unsigned n = 0; n < 1 + round % 8; n++) {
                                random ^= random << 13;
                                random ^= random >> 7;
                                random ^= random << 17;
                                copy[random % PAGE_BYTES] = (uint8_t) (random >> 32);
                        }
                        walk(&f, copy, PAGE_BYTES);
                }
        }
}

/* The record of a payload in a block of exactly its size, where a text of the record lies as well. */
static int to_record(const void *payload, size_t bytes, Record *ret, uint8_t **ret_block) {
        const RingFormat f = format_6_1();
        uint8_t *block = malloc(bytes);
        int r;

        cr_assert_not_null(block);
        memcpy(block, payload, bytes);
        r = ring_event_to_record(&f,
                        &(RingEvent) { .time_ns = 1234567, .payload = block, .payload_bytes = bytes }, ret);
        *ret_block = block;
        return r;
}

Test(ring, rw_records) {
        static const struct {
                uint8_t opcode;
                RecordType type;
        } table[] = { { 1, RECORD_READ }, { 2, RECORD_WRITE }, { 5, RECORD_UNKNOWN } };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_free_ uint8_t *block = NULL;
                const RwPayload payload = {
                        .type = EVENT_RW,
                        .flags = 0x49,
                        .preempt_count = 2,
                        .pid = 4321,
                        .phys = UINT64_C(0xfedcba9876543210),
                        .value = UINT64_C(0xffffffffcafe1234),
                        .pc = UINT64_C(0xffffffffc0123456),
                        .map_id = -1,
                        .opcode = table[i].opcode,
                        .width = 8,
                        .fill = { 0xff, 0xff },
                };
                Record r;

                cr_assert_eq(to_record(&payload, sizeof payload, &r, &block), 1);
                cr_expect_eq(r.type, table[i].type);
                cr_expect_eq(r.time_ns, 1234567);
                cr_expect_eq(r.pid, 4321);
                cr_expect_eq(r.cpu, 0);
                cr_expect_eq(r.phys, UINT64_C(0xfedcba9876543210));
                cr_expect_eq(r.value, UINT64_C(0xffffffffcafe1234));
                cr_expect_eq(r.pc, UINT64_C(0xffffffffc0123456));
                cr_expect_eq(r.map_id, -1);
                cr_expect_eq(r.width_bytes, 8);
        }
}

Test(ring, map_records) {
        _cleanup_free_ uint8_t *block = NULL, *unmap_block = NULL;
        MapPayload payload = {
                .type = EVENT_MAP,
                .pid = -1,
                .phys = 0xfeb80123,
                .virt = UINT64_C(0xff4bb22980400123),
                .length = 0x20000,
                .map_id = 12,
                .opcode = 3,
        };
        Record r;

        cr_assert_eq(to_record(&payload, sizeof payload, &r, &block), 1);
        cr_expect_eq(r.type, RECORD_MAP);
        cr_expect_eq(r.time_ns, 1234567);
        cr_expect_eq(r.pid, -1);
        cr_expect_eq(r.phys, 0xfeb80123);
        cr_expect_eq(r.virt, UINT64_C(0xff4bb22980400123));
        cr_expect_eq(r.length_bytes, 0x20000);
        cr_expect_eq(r.map_id, 12);

        /* The event has the virtual address, the line has not. */
        payload.opcode = 4;
        payload.map_id = -1;
        cr_assert_eq(to_record(&payload, sizeof payload, &r, &unmap_block), 1);
        cr_expect_eq(r.type, RECORD_UNMAP);
        cr_expect_eq(r.map_id, -1);
        cr_expect_eq(r.phys, 0);
        cr_expect_eq(r.virt, 0);
        cr_expect_eq(r.length_bytes, 0);
}

Test(ring, mark_records) {
        static const struct {
                const char *what, *text;
                size_t bytes, text_bytes;
        } table[] = {
                { "a line", "load e1000e\n\0\0\0\0", 16, 12 },
                { "several lines", "one\nR 4 1.000000 1 0x0 0x0 0x0 0\n\0\0\0", 36, 33 },
                { "up to a NUL, without newline", "cut\0behind it\n\0\0", 16, 3 },
                { "nothing but a newline", "\n\0\0\0", 4, 1 },
                { "empty", "\0\0\0\0", 4, 0 },
                { "no room for a text", "", 0, 0 },
                { "no NUL up to the end", "abcdefgh", 8, 8 },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_free_ uint8_t *block = NULL;
                uint8_t payload[64] = { EVENT_PRINT, 0, 0, 0, 9 };
                Record r;

                memcpy(payload + 16, table[i].text, table[i].bytes);
                cr_assert_eq(to_record(payload, 16 + table[i].bytes, &r, &block), 1, "%s", table[i].what);
                cr_expect_eq(r.type, RECORD_MARK, "%s", table[i].what);
                cr_expect_eq(r.pid, 9, "%s", table[i].what);
                cr_expect_eq(r.time_ns, 1234567, "%s", table[i].what);
                cr_expect_eq(r.text_bytes, table[i].text_bytes, "%s: %zu", table[i].what, r.text_bytes);
                cr_expect_eq((const uint8_t *) r.text, block + 16, "%s", table[i].what);
        }
}

Test(ring, other_events_are_none) {
        static const uint16_t others[] = { 0, 1, 2, 3, 4, 6, 9, 12, 14, 18, 0x107, 0x108, 0x105, 0xffff };

        for (size_t i = 0; i < ELEMENTS(others); i++) {
                _cleanup_free_ uint8_t *block = NULL;
                /* As short as an event gets: nothing but the fields that all have may be read. */
                uint8_t payload[8] = {};
                Record r = { .lost = 5 };

                memcpy(payload, &others[i], sizeof others[i]);
                cr_expect_eq(to_record(payload, sizeof payload, &r, &block), 0, "%u", others[i]);
                cr_expect_eq(r.lost, 5);
        }
}

Test(ring, unknown_opcodes_are_refused) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
                _cleanup_free_ uint8_t *rw_block = NULL, *map_block = NULL;
                const RwPayload rw = { .type = EVENT_RW, .opcode = (uint8_t) opcode, .width = 4 };
                const MapPayload map = { .type = EVENT_MAP, .opcode = (uint8_t) opcode };
                bool is_rw = opcode == 1 || opcode == 2 || opcode == 5, is_map = opcode == 3 || opcode == 4;
                Record r;

                cr_expect_eq(to_record(&rw, sizeof rw, &r, &rw_block), is_rw ? 1 : -EBADMSG, "rw %u",
                                opcode);
                cr_expect_eq(to_record(&map, sizeof map, &r, &map_block), is_map ? 1 : -EBADMSG, "map %u",
                                opcode);
        }
}

Test(ring, short_events_are_refused) {
        const RwPayload rw = { .type = EVENT_RW, .opcode = 1, .width = 4 };
        const MapPayload map = { .type = EVENT_MAP, .opcode = 3 };
        const uint8_t print[40] = { EVENT_PRINT }, other[40] = { EVENT_STACK };

        for (size_t n = 0; n <= 40; n++) {
                _cleanup_free_ uint8_t *rw_block = NULL, *map_block = NULL, *print_block = NULL,
                                       *other_block = NULL;
                Record r;

                cr_expect_eq(to_record(&rw, n, &r, &rw_block), n < 38 ? -EBADMSG : 1, "rw of %zu bytes", n);
                cr_expect_eq(to_record(&map, n, &r, &map_block), n < 37 ? -EBADMSG : 1, "map of %zu bytes",
                                n);
                cr_expect_eq(to_record(print, n, &r, &print_block), n < 16 ? -EBADMSG : 1,
                                "print of %zu bytes", n);
                cr_expect_eq(to_record(other, n, &r, &other_block), n < 8 ? -EBADMSG : 0,
                                "other of %zu bytes", n);
        }
}
