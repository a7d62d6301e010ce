/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "printed.h"
#include "test-util.h"

static Printed *printed;

static void setup(void) {
        cr_assert_eq(printed_new(40 * USEC_PER_SEC, &printed), 0);
}

static void teardown(void) {
        printed = printed_free(printed);
        test_done();
}

TestSuite(printed, .init = setup, .fini = teardown);

static void assert_lines(const char *expected, size_t expected_n, uint64_t expected_first_ns) {
        _cleanup_free_ char *lines = NULL;
        uint64_t first_ns;
        size_t n;

        cr_assert_eq(printed_lines(printed, &lines, &n, &first_ns), 0);
        cr_assert_str_eq(lines, expected);
        cr_assert_eq(n, expected_n);
        cr_assert_eq(first_ns, expected_first_ns);
}

static int drop(const char *line) {
        Record record;

        cr_assert_eq(record_parse(line, strlen(line), &record), 0, "%s", line);
        /* As the ring has it, in nanoseconds. */
        if (record.time_ns % 1000 == 0)
                record.time_ns -= 400;
        return printed_drop(printed, &record);
}

#define A "W 4 41.000001 1 0xfea00000 0x1 0x0 0\n"
#define B "R 4 41.000002 1 0xfea00004 0x2 0x0 0\n"
#define C "MARK 41.000003 here\n"
#define D "UNKNOWN 41.000004 1 0xfea00008 f3,a5,48 0x0 0\n"

/* As the journal has it, and as pstore does, whose first part begins in the middle of the dump. */
Test(printed, found_in_logs) {
        cr_assert_eq(printed_find(printed,
                                     "[   41.500000] Kernel panic - not syncing: sysrq triggered crash\n"
                                     "[   41.500001] Dumping ftrace buffer:\n"
                                     "[   41.500002] ---------------------------------\n"
                                     "[   41.500003] W 4 41.000001 1 0xfea00000 0x1 0x0 0\n"
                                     "[   41.500004] CPU:0 [LOST 12 EVENTS]\n"
                                     "[   41.500005] R 4 41.000002 1 0xfea00004 0x2 0x0 0\n"),
                        0);
        assert_lines(A B, 2, 41000001000);
        cr_assert_eq(printed_find(printed,
                                     "== /var/lib/systemd/pstore/dmesg-ramoops-0 ==\n"
                                     "Panic#1 Part1\n"
                                     "<0>[   41.500005] R 4 41.000002 1 0xfea00004 0x2 0x0 0\n"
                                     "<0>[   41.500006] MARK 41.000003 here\n"
                                     "<0>[   41.500007][    T1] UNKNOWN 41.000004 1 0xfea00008 f3,a5,48 0x0 0\n"
                                     "<0>[   41.500008] ---------------------------------"),
                        0);
        assert_lines(A B C D, 4, 41000001000);
}

/* Two equal events at one time are two. */
Test(printed, each_counts_once) {
        cr_assert_eq(printed_find(printed, A A B), 0);
        cr_assert_eq(printed_find(printed, A A B), 0);
        assert_lines(A A B, 3, 41000001000);
        cr_assert_eq(drop(A), 1);
        assert_lines(A B, 2, 41000001000);
        cr_assert_eq(drop(B), 1);
        cr_assert_eq(drop(B), 0);
        cr_assert_eq(drop(A), 1);
        cr_assert_eq(drop(A), 0);
        assert_lines("", 0, 0);
}

Test(printed, what_does_not_count) {
        cr_assert_eq(printed_find(printed,
                                     /* of a session before; by a program; only something like it; cut off */
                                     "[   41.5] W 4 39.999999 1 0xfea00000 0x1 0x0 0\n"
                                     "<12>[   41.5] W 4 41.000001 1 0xfea00000 0x1 0x0 0\n"
                                     "[   41.5] said W 4 41.000001 1 0xfea00000 0x1 0x0 0\n"
                                     "[   41.5] W 4 41.000001 1 0xfea0\n"
                                     "[   41.5\n"
                                     "<0\n<\n[\n\n"
                                     "[   41.5] VERSION 20070824\n"),
                        0);
        assert_lines("", 0, 0);
        cr_assert_eq(drop(A), 0);
        cr_assert_null(printed_free(NULL));
}

Test(printed, many) {
        _cleanup_free_ char *log = NULL, *lines = NULL;
        uint64_t first_ns;
        size_t bytes, n;
        FILE *f = open_memstream(&log, &bytes);

        for (unsigned i = 0; i < 10000; i++)
                fprintf(f, "[   50.000000] W 4 41.%06u 1 0xfea00000 0x%x 0x0 0\n", i * 3, i);
        cr_assert_eq(fclose(f), 0);
        cr_assert_eq(printed_find(printed, log), 0);
        cr_assert_eq(printed_find(printed, log), 0);
        for (unsigned i = 0; i < 9999; i++) {
                char line[64];

                (void) snprintf(line, sizeof line, "W 4 41.%06u 1 0xfea00000 0x%x 0x0 0\n", i * 3, i);
                cr_assert_eq(drop(line), 1, "%s", line);
        }
        cr_assert_eq(printed_lines(printed, &lines, &n, &first_ns), 0);
        cr_assert_eq(n, 1);
        cr_assert_str_eq(lines, "W 4 41.029997 1 0xfea00000 0x270f 0x0 0\n");
}
