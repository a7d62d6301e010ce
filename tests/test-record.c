/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "record.h"
#include "test-util.h"

TestSuite(record, .fini = test_done);

/* Where a record and its line stand for each other. */
static const struct {
        const char *line;
        Record record;
} pairs[] = {
        { "R 4 3.487431 1 0xfeb80010 0xdeadbeef 0x0 0\n",
          { .type = RECORD_READ, .width_bytes = 4, .time_ns = 3487431000, .map_id = 1, .phys = 0xfeb80010,
            .value = 0xdeadbeef } },
        { "W 1 0.000001 0 0x0 0x0 0x0 0\n", { .type = RECORD_WRITE, .width_bytes = 1, .time_ns = 1000 } },
        { "W 8 10.000010 12 0xfedcba9876543210 0xffffffffffffffff 0xffffffffc0123456 0\n",
          { .type = RECORD_WRITE, .width_bytes = 8, .time_ns = 10000010000, .map_id = 12,
            .phys = UINT64_C(0xfedcba9876543210), .value = UINT64_MAX,
            .pc = UINT64_C(0xffffffffc0123456) } },
        /* The value is wider than the access, as after movsx; and the mapping is older than the tracing. */
        { "R 1 100.100000 -1 0xf 0xffffffff 0x1 0\n",
          { .type = RECORD_READ, .width_bytes = 1, .time_ns = 100100000000, .map_id = -1, .phys = 0xf,
            .value = 0xffffffff, .pc = 1 } },
        { "R 255 0.999999 2147483647 0x10 0x1 0x0 0\n",
          { .type = RECORD_READ, .width_bytes = 255, .time_ns = 999999000, .map_id = INT32_MAX, .phys = 0x10,
            .value = 1 } },
        { "UNKNOWN 12.345678 3 0xfd000000 f3,a5,0f 0x0 0\n",
          { .type = RECORD_UNKNOWN, .time_ns = 12345678000, .map_id = 3, .phys = 0xfd000000,
            .value = 0xf3a50f } },
        { "UNKNOWN 12.345678 -1 0x0 00,01,e0 0xffffffffc0123456 0\n",
          { .type = RECORD_UNKNOWN, .time_ns = 12345678000, .map_id = -1, .value = 0x0001e0,
            .pc = UINT64_C(0xffffffffc0123456) } },
        { "MAP 3.487431 1 0xfeb80000 0xff4bb22980400000 0x20000 0x0 0\n",
          { .type = RECORD_MAP, .time_ns = 3487431000, .map_id = 1, .phys = 0xfeb80000,
            .virt = UINT64_C(0xff4bb22980400000), .length_bytes = 0x20000 } },
        { "UNMAP 8.100001 1 0x0 0\n", { .type = RECORD_UNMAP, .time_ns = 8100001000, .map_id = 1 } },
        { "UNMAP 8.100001 -1 0x0 0\n", { .type = RECORD_UNMAP, .time_ns = 8100001000, .map_id = -1 } },
        { "MARK 3.402933 load e1000e\n",
          { .type = RECORD_MARK, .time_ns = 3402933000, .text = "load e1000e\n", .text_bytes = 12 } },
        { "MARK 3.402933 \n",
          { .type = RECORD_MARK, .time_ns = 3402933000, .text = "\n", .text_bytes = 1 } },
        { "MARK 3.402933 ", { .type = RECORD_MARK, .time_ns = 3402933000, .text = "", .text_bytes = 0 } },
        /* A mark that was cut at a NUL has no newline. */
        { "MARK 3.402933 cut",
          { .type = RECORD_MARK, .time_ns = 3402933000, .text = "cut", .text_bytes = 3 } },
        { "MARK 3.402933 one\nR 4 two\n",
          { .type = RECORD_MARK, .time_ns = 3402933000, .text = "one\nR 4 two\n", .text_bytes = 12 } },
        { "CPU:0 [LOST 2852 EVENTS]\n", { .type = RECORD_LOST, .lost = 2852 } },
        { "CPU:4294967295 [LOST 18446744073709551615 EVENTS]\n",
          { .type = RECORD_LOST, .cpu = UINT32_MAX, .lost = UINT64_MAX } },
        { "CPU:12 [LOST EVENTS]\n", { .type = RECORD_LOST, .cpu = 12 } },
        { "MARK 0.000000 Lost 31 events.\n", { .type = RECORD_LOST_REPORT, .lost = 31 } },
        { "VERSION 20070824\n", { .type = RECORD_VERSION, .text = "20070824\n", .text_bytes = 9 } },
        { "PCIDEV 0010 808610d3 16 feb80000 0 e1000e\n",
          { .type = RECORD_PCIDEV, .text = "0010 808610d3 16 feb80000 0 e1000e\n", .text_bytes = 35 } },
};

static void assert_equal(const Record *a, const Record *b, const char *line) {
        cr_expect_eq(a->type, b->type, "type: %s", line);
        cr_expect_eq(a->width_bytes, b->width_bytes, "width: %s", line);
        cr_expect_eq(a->map_id, b->map_id, "map_id: %s", line);
        cr_expect_eq(a->pid, b->pid, "pid: %s", line);
        cr_expect_eq(a->cpu, b->cpu, "cpu: %s", line);
        cr_expect_eq(a->time_ns, b->time_ns, "time %" PRIu64 ": %s", a->time_ns, line);
        cr_expect_eq(a->phys, b->phys, "phys: %s", line);
        cr_expect_eq(a->value, b->value, "value: %s", line);
        cr_expect_eq(a->pc, b->pc, "pc: %s", line);
        cr_expect_eq(a->virt, b->virt, "virt: %s", line);
        cr_expect_eq(a->length_bytes, b->length_bytes, "length: %s", line);
        cr_expect_eq(a->lost, b->lost, "lost: %s", line);
        cr_assert_eq(a->text_bytes, b->text_bytes, "length of text: %s", line);
        if (b->text_bytes > 0)
                cr_expect_eq(memcmp(a->text, b->text, b->text_bytes), 0, "text: %s", line);
}

/* Formats into a block of exactly the size that is asked for, and compares. */
static void assert_line(const Record *record, const char *line, size_t bytes) {
        size_t size = RECORD_LINE_MAX + record->text_bytes, n;
        _cleanup_free_ char *buf = malloc(size);

        cr_assert_not_null(buf);
        memset(buf, '#', size);
        n = record_format(record, buf, size);
        cr_assert_eq(n, bytes, "%zu bytes instead of %zu: %.*s", n, bytes, (int) n, buf);
        cr_expect_eq(memcmp(buf, line, bytes), 0, "%.*s instead of %.*s", (int) n, buf, (int) bytes, line);
        for (size_t i = n; i < size; i++)
                cr_assert_eq(buf[i], '#', "wrote behind the line: %s", line);
}

Test(record, format) {
        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                assert_line(&pairs[i].record, pairs[i].line, strlen(pairs[i].line));
}

Test(record, parse) {
        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                const char *line = pairs[i].line;
                size_t bytes = strlen(line);
                _cleanup_free_ char *exact = malloc(bytes);
                Record r;

                cr_assert_not_null(exact);
                memcpy(exact, line, bytes);
                cr_assert_eq(record_parse(exact, bytes, &r), 0, "%s", line);
                assert_equal(&r, &pairs[i].record, line);
                if (r.text_bytes > 0)
                        cr_expect(r.text >= exact && r.text + r.text_bytes == exact + bytes, "%s", line);
        }
}

Test(record, parse_without_newline) {
        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                const char *line = pairs[i].line;
                size_t bytes = strlen(line);
                Record r, expected = pairs[i].record;

                if (line[bytes - 1] != '\n')
                        continue;
                if (expected.text)
                        expected.text_bytes--;
                cr_assert_eq(record_parse(line, bytes - 1, &r), 0, "%s", line);
                assert_equal(&r, &expected, line);
        }
}

Test(record, every_type_has_a_pair) {
        /* What is no record is only passed on. */
        bool seen[_RECORD_TYPE_MAX] = { [RECORD_OTHER] = true };

        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                seen[pairs[i].record.type] = true;
        for (size_t i = 0; i < ELEMENTS(seen); i++)
                cr_expect(seen[i], "type %zu", i);
}

Test(record, other_lines_are_printed_as_they_are) {
        const Record r = { .type = RECORD_OTHER, .text = "rw what?\n", .text_bytes = 9 };
        char line[RECORD_LINE_MAX + 9];

        cr_assert_eq(record_format(&r, line, sizeof line), 9);
        cr_assert_eq(memcmp(line, "rw what?\n", 9), 0);
        cr_assert_eq(record_format(&r, line, sizeof line - 1), 0);
}

Test(record, microseconds_are_rounded) {
        static const struct {
                uint64_t time_ns;
                const char *text;
        } table[] = {
                { 0, "0.000000" },
                { 499, "0.000000" },
                { 500, "0.000001" },
                { 1499, "0.000001" },
                { 1500, "0.000002" },
                { 999999499, "0.999999" },
                { 999999500, "1.000000" },
                { 59999999500, "60.000000" },
                { UINT64_C(9999999999999499), "9999999.999999" },
                { UINT64_C(9999999999999500), "10000000.000000" },
                { UINT64_MAX - 500, "18446744073.709551" },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                const Record r = {
                        .type = RECORD_MARK, .time_ns = table[i].time_ns, .text = "x\n", .text_bytes = 2,
                };
                char line[64];

                (void) snprintf(line, sizeof line, "MARK %s x\n", table[i].text);
                assert_line(&r, line, strlen(line));
        }
}

/* What the line does not have does not get in: a pid, a CPU, and of an UNMAP the addresses. */
Test(record, fields_without_a_place) {
        const Record unmap = {
                .type = RECORD_UNMAP, .time_ns = 1000, .map_id = 4, .pid = 77, .cpu = 3, .phys = 1,
                .virt = 2, .length_bytes = 3,
        }, read = {
                .type = RECORD_READ, .time_ns = 1000, .map_id = 4, .pid = 77, .cpu = 3, .width_bytes = 2,
                .virt = 5,
        }, unknown = {
                .type = RECORD_UNKNOWN, .time_ns = 1000, .width_bytes = 4, .value = 0xaabbccddee,
        };

        assert_line(&unmap, "UNMAP 0.000001 4 0x0 0\n", 23);
        assert_line(&read, "R 2 0.000001 4 0x0 0x0 0x0 0\n", 29);
        assert_line(&unknown, "UNKNOWN 0.000001 0 0x0 cc,dd,ee 0x0 0\n", 38);
}

Test(record, hexadecimal_of_every_length) {
        for (unsigned bits = 0; bits < 64; bits++) {
                const Record r = {
                        .type = RECORD_WRITE, .value = UINT64_C(1) << bits, .phys = UINT64_MAX >> bits,
                };
                char line[128];

                (void) snprintf(line, sizeof line, "W 0 0.000000 0 0x%" PRIx64 " 0x%" PRIx64 " 0x0 0\n",
                                r.phys, r.value);
                assert_line(&r, line, strlen(line));
        }
}

Test(record, negative_map_ids) {
        const Record r = { .type = RECORD_UNMAP, .map_id = INT32_MIN };

        assert_line(&r, "UNMAP 0.000000 -2147483648 0x0 0\n", 33);
}

/* A mark may hold anything but its end: what looks like other records, bytes that are no text, and a NUL. */
Test(record, marks_as_they_come) {
        static const char text[] = "\xff\x80 R 4 1.000000 1 0x0 0x0 0x0 0\nCPU:0 [LOST EVENTS]\n\0\n\n";
        const Record r = {
                .type = RECORD_MARK, .time_ns = 5000, .text = text, .text_bytes = sizeof text - 1,
        };
        char line[sizeof text + 32] = "MARK 0.000005 ";
        Record parsed;

        memcpy(line + 14, text, sizeof text - 1);
        assert_line(&r, line, 14 + sizeof text - 1);
        cr_assert_eq(record_parse(line, 14 + sizeof text - 1, &parsed), 0);
        assert_equal(&parsed, &r, "mark");
}

Test(record, long_marks) {
        _cleanup_free_ char *line = malloc(14 + 4054);
        Record r = { .type = RECORD_MARK, .time_ns = 5000, .text_bytes = 4054 };
        char small[14 + 4054 - 1];

        cr_assert_not_null(line);
        memcpy(line, "MARK 0.000005 ", 14);
        memset(line + 14, 'x', 4054);
        r.text = line + 14;
        assert_line(&r, line, 14 + 4054);
        cr_assert_eq(record_format(&r, small, sizeof small), 0);
}

Test(record, format_refuses_a_small_buffer) {
        static const Record mark = { .type = RECORD_MARK, .text = "0123456789", .text_bytes = 10 };
        char buf[RECORD_LINE_MAX + 10];

        cr_assert_eq(record_format(&mark, buf, 0), 0);
        cr_assert_eq(record_format(&mark, buf, 23), 0);
        cr_assert_eq(record_format(&mark, buf, sizeof buf), 24);
        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                cr_assert_eq(record_format(&pairs[i].record, buf, strlen(pairs[i].line) - 1), 0, "%s",
                                pairs[i].line);
                cr_assert_leq(strlen(pairs[i].line) - pairs[i].record.text_bytes, RECORD_LINE_MAX);
        }
}

Test(record, format_refuses_other_types) {
        char buf[RECORD_LINE_MAX];

        cr_assert_eq(record_format(&(Record) { .type = _RECORD_TYPE_MAX }, buf, sizeof buf), 0);
        cr_assert_eq(record_format(&(Record) { .type = _RECORD_TYPE_INVALID }, buf, sizeof buf), 0);
}

Test(record, parse_refusals) {
        static const char *const table[] = {
                "",
                "\n",
                " ",
                "R",
                "R ",
                "R \n",
                "r 4 1.000000 1 0x0 0x0 0x0 0\n",
                "X 4 1.000000 1 0x0 0x0 0x0 0\n",
                " R 4 1.000000 1 0x0 0x0 0x0 0\n",
                "R  4 1.000000 1 0x0 0x0 0x0 0\n",
                "R 4 1.000000 1 0x0 0x0 0x0 0 \n",
                "R 4 1.000000 1 0x0 0x0 0x0 0\n\n",
                "R 4 1.000000 1 0x0 0x0 0x0 0\r\n",
                "R 4 1.000000 1 0x0 0x0 0x0 0x\n",
                "R 4 1.000000 1 0x0 0x0 0x0 00\n",
                "R 4 1.000000 1 0x0 0x0 0x0 1\n",
                "R 4 1.000000 1 0x0 0x0 0x0\n",
                "R 4 1.000000 1 0x0 0x0 0\n",
                "R 4 1.000000 1 0x0\n",
                "R 4 1.000000 0x0 0x0 0x0 0\n",
                "R 1.000000 1 0x0 0x0 0x0 0\n",
                "R 4 1 0x0 0x0 0x0 0\n",
                "R 256 1.000000 1 0x0 0x0 0x0 0\n",
                "R -4 1.000000 1 0x0 0x0 0x0 0\n",
                "R 0x4 1.000000 1 0x0 0x0 0x0 0\n",
                "R 4 1.00000 1 0x0 0x0 0x0 0\n",
                "R 4 1.0000000 1 0x0 0x0 0x0 0\n",
                "R 4 1. 1 0x0 0x0 0x0 0\n",
                "R 4 .000000 1 0x0 0x0 0x0 0\n",
                "R 4 1,000000 1 0x0 0x0 0x0 0\n",
                "R 4 1000000 1 0x0 0x0 0x0 0\n",
                "R 4 -1.000000 1 0x0 0x0 0x0 0\n",
                "R 4 1.00000a 1 0x0 0x0 0x0 0\n",
                "R 4 18446744074.000000 1 0x0 0x0 0x0 0\n",
                "R 4 99999999999999999999.000000 1 0x0 0x0 0x0 0\n",
                "R 4 1.000000 2147483648 0x0 0x0 0x0 0\n",
                "R 4 1.000000 -2147483649 0x0 0x0 0x0 0\n",
                "R 4 1.000000 4294967297 0x0 0x0 0x0 0\n",
                "R 4 1.000000 - 0x0 0x0 0x0 0\n",
                "R 4 1.000000 --1 0x0 0x0 0x0 0\n",
                "R 4 1.000000 +1 0x0 0x0 0x0 0\n",
                "R 4 1.000000 0x1 0x0 0x0 0x0 0\n",
                "R 4 1.000000 a 0x0 0x0 0x0 0\n",
                "R 4 1.000000 1 0x 0x0 0x0 0\n",
                "R 4 1.000000 1 0xABC 0x0 0x0 0\n",
                "R 4 1.000000 1 0Xabc 0x0 0x0 0\n",
                "R 4 1.000000 1 abc 0x0 0x0 0\n",
                "R 4 1.000000 1 0xg 0x0 0x0 0\n",
                "R 4 1.000000 1 0x10000000000000000 0x0 0x0 0\n",
                "R 4 1.000000 1 0x0 0x1ffffffffffffffff 0x0 0\n",
                "R 4 1.000000 1 0x0 0x0 0x10000000000000000 0\n",
                "R 4 1.000000 1 0x0 -0x1 0x0 0\n",
                "R 4 1.000000 1 0x0 0x0 0x0 0R 4 1.000000 1 0x0 0x0 0x0 0\n",
                "W 4 1.000000 1 0x0 0x0 0x0 0\nW 4 1.000000 1 0x0 0x0 0x0 0\n",
                "W 4 1.000000\t1 0x0 0x0 0x0 0\n",
                "UNKNOWN 1.000000 1 0x0 f3,a5 0x0 0\n",
                "UNKNOWN 1.000000 1 0x0 f3,a5,f 0x0 0\n",
                "UNKNOWN 1.000000 1 0x0 f3,a5,00f 0x0 0\n",
                "UNKNOWN 1.000000 1 0x0 F3,a5,0f 0x0 0\n",
                "UNKNOWN 1.000000 1 0x0 f3 a5 0f 0x0 0\n",
                "UNKNOWN 1.000000 1 0x0 f3,a5,0f,00 0x0 0\n",
                "UNKNOWN 1.000000 1 0x0 f3,a5,0f 0x0\n",
                "UNKNOWN 4 1.000000 1 0x0 f3,a5,0f 0x0 0\n",
                "MAP 1.000000 1 0x0 0x0 0x0 0\n",
                "MAP 1.000000 1 0x0 0x0 0x0 0x1 0\n",
                "MAP 1.000000 1 0x0 0x0 0x10000000000000000 0x0 0\n",
                "MAP 1.000000 1 0x0 0x0 0x0 0x0 0 0\n",
                "MAP 1.000000 0x0 0x0 0x0 0x0 0\n",
                "UNMAP 1.000000 1 0x0\n",
                "UNMAP 1.000000 1 0x1 0\n",
                "UNMAP 1.000000 -1 0x0 0 0\n",
                "UNMAP 1.000000 0x0 0\n",
                "MARK 1.000000\n",
                "MARK 1.000000",
                "MARK 1.00000 five digits\n",
                "MARK text\n",
                "MARK\n",
                "CPU:0 [LOST 1 EVENTS]]\n",
                "CPU:0 [LOST 1 EVENTS\n",
                "CPU:0 [LOST -1 EVENTS]\n",
                "CPU:0 [LOST 18446744073709551616 EVENTS]\n",
                "CPU:0 [LOST  EVENTS]\n",
                "CPU:0 [LOST 0x1 EVENTS]\n",
                "CPU:-1 [LOST 1 EVENTS]\n",
                "CPU:4294967296 [LOST 1 EVENTS]\n",
                "CPU: [LOST 1 EVENTS]\n",
                "CPU:0 LOST 1 EVENTS\n",
                "VERSION\n",
                "PCIDEV\n",
                "rw what?\n",
                "map what?\n",
                "[LINE TOO BIG]\n",
                "# tracer: mmiotrace\n",
                "LSPCI 00:00.0\n",
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                size_t bytes = strlen(table[i]);
                _cleanup_free_ char *exact = malloc(bytes);
                Record r = { .lost = 4711 };

                cr_assert_not_null(exact);
                memcpy(exact, table[i], bytes);
                cr_expect_eq(record_parse(exact, bytes, &r), -EBADMSG, "\"%s\" was taken", table[i]);
                cr_expect_eq(r.lost, 4711, "\"%s\" left something", table[i]);
        }
}

/* Every line is refused wherever it is cut, in a block that ends there. Only the newline may be missing; and
 * texts have no end of their own. */
Test(record, parse_refuses_cut_lines) {
        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                size_t bytes = strlen(pairs[i].line);

                if (pairs[i].record.text)
                        continue;
                for (size_t n = 0; n < bytes - 1; n++) {
                        _cleanup_free_ char *exact = malloc(n);
                        Record r;

                        cr_assert_not_null(exact);
                        memcpy(exact, pairs[i].line, n);
                        /* Without "Lost", the rest of the report is a mark. */
                        if (pairs[i].record.type == RECORD_LOST_REPORT && n >= 14 && n < 19)
                                continue;
                        cr_expect_eq(record_parse(exact, n, &r), -EBADMSG, "%.*s", (int) n, pairs[i].line);
                }
        }
}

Test(record, a_nul_is_no_end) {
        Record r;

        cr_assert_eq(record_parse("UNMAP 1.000000 1 0x0 0\0", 23, &r), -EBADMSG);
        cr_assert_eq(record_parse("UNMAP 1.000000 1 0x0 0\0\n", 24, &r), -EBADMSG);
}

Test(record, classes) {
        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                const Record *r = &pairs[i].record;
                char first = pairs[i].line[0];

                bool access = r->type == RECORD_READ || r->type == RECORD_WRITE || r->type == RECORD_UNKNOWN;

                cr_expect_eq(record_is_access(r), access, "%s", pairs[i].line);
                cr_expect_eq(record_is_event(r), strchr("RWUM", first) && r->type != RECORD_LOST_REPORT,
                                "%s", pairs[i].line);
        }
}

static void check_sample(const char *name, size_t n_expected) {
        _cleanup_free_ char *path = NULL;
        _cleanup_free_ uint8_t *text = NULL;
        size_t bytes, n_lines = 0;
        char buf[4096];

        cr_assert_geq(asprintf(&path, "samples/%s/kernel-text.log.xz", name), 0);
        test_data_xz(path, &text, &bytes);
        for (const char *line = (const char *) text, *end = line + bytes; line < end; n_lines++) {
                const char *newline = memchr(line, '\n', (size_t) (end - line));
                size_t l = newline ? (size_t) (newline - line) + 1 : (size_t) (end - line);
                Record r;

                cr_assert_eq(record_parse(line, l, &r), 0, "%.*s", (int) l, line);
                cr_assert_eq(record_format(&r, buf, sizeof buf), l, "%.*s", (int) l, line);
                cr_assert_eq(memcmp(buf, line, l), 0, "%.*s", (int) l, line);
                line += l;
        }
        cr_assert_eq(n_lines, n_expected);
}

Test(record, lines_of_the_captures) {
        check_sample("e1000e-6.1", 4353);
        check_sample("e1000e-6.1-lossy", 1501);
        check_sample("e1000e-6.12-stack", 4351);
}
