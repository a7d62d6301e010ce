/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test-util.h"
#include "text-trace.h"

TestSuite(text_trace, .fini = test_done);

#define HEAD "VERSION 20070824\nPCIDEV 0008 808610d3 a feb80000 0 0 0 0 0 0 20000 0 0 0 0 0 0 e1000e\n"
#define READ_LINE(time) "R 4 1." time " 3 0xfeb80008 0xabcd 0x0 0\n"
#define FALSE_REPORT "MARK 0.000000 Lost 17 events.\n"

static void put(const char *name, const char *text) {
        test_file(name, text, strlen(text));
}

static TextTrace *open_trace(bool follow) {
        TextTrace *trace;
        int r;

        r = text_trace_new(test_dir(), follow, &trace);
        cr_assert_eq(r, 0, "%s", strerror(-r));
        return trace;
}

/* Reads up to the end. The text is NUL-terminated, and freed by the caller. */
static char *read_on(TextTrace *trace, size_t *ret_bytes) {
        static char line[RECORD_LINE_MAX + 128 * KIB];
        char *text = NULL;
        size_t bytes = 0;
        FILE *f = open_memstream(&text, &bytes);
        Record record;
        int r;

        cr_assert_not_null(f);
        while ((r = text_trace_next(trace, &record)) > 0) {
                size_t n = record_format(&record, line, sizeof line);

                cr_assert_neq(n, 0);
                cr_assert_eq(fwrite(line, 1, n, f), n);
        }
        cr_assert_eq(r, 0, "%s", strerror(-r));
        cr_assert_eq(text_trace_next(trace, &record), 0);
        cr_assert_eq(fclose(f), 0);
        if (ret_bytes)
                *ret_bytes = bytes;
        return text;
}

static void assert_read(TextTrace *trace, const char *expected) {
        _cleanup_free_ char *text = read_on(trace, NULL);

        cr_assert_str_eq(text, expected);
}

Test(text_trace, nothing) {
        _cleanup_(text_trace_freep) TextTrace *trace = open_trace(false);

        assert_read(trace, "");
        cr_assert_eq(text_trace_totals(trace)->n_events, 0);
}

/* What the kernel printed comes out as it was, and is counted as its pages are. */
Test(text_trace, sample) {
        static const struct {
                const char *name;
                uint64_t n_events, n_read, n_write, n_map, n_unmap, n_mark;
        } samples[] = {
                { "e1000e-6.1", 4353, 1878, 2468, 2, 2, 3 },
                { "e1000e-6.1-lossy", 1501, 633, 864, 0, 2, 2 },
                { "e1000e-6.12-stack", 4351, 1878, 2466, 2, 2, 3 },
        };

        for (size_t i = 0; i < ELEMENTS(samples); i++) {
                _cleanup_(text_trace_freep) TextTrace *trace = NULL;
                _cleanup_free_ char *path = NULL, *text = NULL;
                _cleanup_free_ uint8_t *kernel = NULL;
                size_t bytes, kernel_bytes;
                const TraceTotals *t;

                cr_assert_geq(asprintf(&path, "samples/%s/kernel-text.log.xz", samples[i].name), 0);
                test_data_xz(path, &kernel, &kernel_bytes);
                test_file("text-000000.log", kernel, kernel_bytes);
                trace = open_trace(false);
                text = read_on(trace, &bytes);
                cr_assert_eq(bytes, kernel_bytes);
                cr_assert_eq(memcmp(text, kernel, bytes), 0, "%s is not what the kernel printed", samples[i].name);

                t = text_trace_totals(trace);
                cr_expect_eq(t->n_raw_bytes, kernel_bytes);
                cr_expect_eq(t->n_events, samples[i].n_events);
                cr_expect_eq(t->n_by_type[RECORD_READ], samples[i].n_read);
                cr_expect_eq(t->n_by_type[RECORD_WRITE], samples[i].n_write);
                cr_expect_eq(t->n_by_type[RECORD_MAP], samples[i].n_map);
                cr_expect_eq(t->n_by_type[RECORD_UNMAP], samples[i].n_unmap);
                cr_expect_eq(t->n_by_type[RECORD_MARK], samples[i].n_mark);
                cr_expect_eq(t->n_by_type[RECORD_OTHER], 0);
        }
}

/* The kernel prints it at each open. What looks like it elsewhere is somebody's mark of several lines. */
Test(text_trace, head_is_left_out_at_each_open) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;

        put("text-000000.log", HEAD READ_LINE("000001") "PCIDEV 0000 forged\n");
        put("text-000001.log", "VERSION 20070824\n" FALSE_REPORT "PCIDEV 0008 808610d3\n" READ_LINE("000002"));
        put("text-000002.log", "");
        put("text-000003.log", READ_LINE("000003"));
        put("text-000004.log", HEAD);
        trace = open_trace(false);
        assert_read(trace, READ_LINE("000001") "PCIDEV 0000 forged\n" READ_LINE("000002") READ_LINE("000003"));
        cr_assert_eq(text_trace_totals(trace)->n_events, 3);
        cr_assert_eq(text_trace_totals(trace)->n_by_type[RECORD_OTHER], 1);
}

Test(text_trace, false_reports_are_left_out) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;

        put("text-000000.log", FALSE_REPORT HEAD FALSE_REPORT READ_LINE("000001") FALSE_REPORT
                        "MARK 1.000002 Lost 17 events.\n" FALSE_REPORT);
        trace = open_trace(false);
        assert_read(trace, READ_LINE("000001") "MARK 1.000002 Lost 17 events.\n");
        cr_assert_eq(text_trace_totals(trace)->n_lost, 0);
        cr_assert_eq(text_trace_totals(trace)->n_gaps, 0);
        cr_assert_eq(text_trace_totals(trace)->n_events, 2);
        cr_assert_eq(text_trace_totals(trace)->n_by_type[RECORD_LOST_REPORT], 0);
}

Test(text_trace, gaps_of_the_kernel) {
        static const char text[] = "CPU:0 [LOST 30 EVENTS]\n" READ_LINE("000001") "CPU:3 [LOST EVENTS]\n" READ_LINE("000002");
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;

        put("text-000000.log", text);
        trace = open_trace(false);
        assert_read(trace, text);
        cr_assert_eq(text_trace_totals(trace)->n_events, 2);
        cr_assert_eq(text_trace_totals(trace)->n_lost, 30);
        cr_assert_eq(text_trace_totals(trace)->n_gaps, 2);
        cr_assert_eq(text_trace_totals(trace)->n_gaps_uncounted, 1);
        cr_assert_eq(text_trace_totals(trace)->first_ns, 1000001000);
        cr_assert_eq(text_trace_totals(trace)->last_ns, 1000002000);
}

Test(text_trace, cut_lines_get_their_newline) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;

        put("text-000000.log", READ_LINE("000001") "MARK 1.000002 cut of");
        put("text-000001.log", HEAD READ_LINE("000003") "R 4 1.0000");
        trace = open_trace(false);
        assert_read(trace, READ_LINE("000001") "MARK 1.000002 cut of\n" READ_LINE("000003") "R 4 1.0000\n");
        cr_assert_eq(text_trace_totals(trace)->n_events, 3);
        cr_assert_eq(text_trace_totals(trace)->n_by_type[RECORD_OTHER], 1);
}

Test(text_trace, other_lines_are_kept_and_counted) {
        static const char text[] = "rw what?\n" READ_LINE("000001") "MARK 1.000002 first\nsecond\n\n[LINE TOO BIG]\n"
                        "R 4 1.5 3 0x0 0x0 0x0 0\n" READ_LINE("000003");
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;

        put("text-000000.log", text);
        trace = open_trace(false);
        assert_read(trace, text);
        cr_assert_eq(text_trace_totals(trace)->n_events, 3);
        cr_assert_eq(text_trace_totals(trace)->n_by_type[RECORD_OTHER], 5);
}

/* No kernel prints it; but nothing that a file holds may stop the reader. */
Test(text_trace, endless_lines_are_cut) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;
        _cleanup_free_ char *text = NULL, *expected = malloc(300001);
        size_t bytes, n = 0;

        cr_assert_not_null(expected);
        memset(expected, 'x', 300000);
        expected[300000] = '\n';
        test_file("text-000000.log", expected, 300001);
        trace = open_trace(false);
        text = read_on(trace, &bytes);
        for (size_t i = 0; i < bytes; i++)
                n += text[i] == 'x';
        cr_assert_eq(n, 300000);
        cr_assert_gt(text_trace_totals(trace)->n_by_type[RECORD_OTHER], 1);
}

Test(text_trace, refused_events_are_told_where_they_were_noted) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;
        _cleanup_free_ char *notes = NULL;
        size_t head = strlen(HEAD), line = strlen(READ_LINE("000001"));

        put("text-000000.log", HEAD READ_LINE("000001") READ_LINE("000002") READ_LINE("000003"));
        put("text-000001.log", READ_LINE("000004"));
        cr_assert_geq(asprintf(&notes,
                                      "0 0 0 read 0\n0 0 1 read 0\n"
                                      "0 %zu 0 dropped 5\n"
                                      "0 %zu 1 dropped 2\n"
                                      "0 %zu 0 dropped 5\n"
                                      "0 %zu 0 dropped 11\n"
                                      "1 %zu 0 dropped 12\n"
                                      "1 9999999 0 dropped 15\n"
                                      "1 9999999 0 drop",
                                      head + line, head + line, head + 2 * line, head + 3 * line, line), 0);
        put("text.loss", notes);
        trace = open_trace(false);
        assert_read(trace,
                        READ_LINE("000001") "CPU:0 [LOST 5 EVENTS]\n" "CPU:1 [LOST 2 EVENTS]\n"
                        READ_LINE("000002") READ_LINE("000003") "CPU:0 [LOST 6 EVENTS]\n"
                        READ_LINE("000004") "CPU:0 [LOST 1 EVENTS]\n" "CPU:0 [LOST 3 EVENTS]\n");
        cr_assert_eq(text_trace_totals(trace)->n_lost, 17);
        cr_assert_eq(text_trace_totals(trace)->n_gaps, 5);
        cr_assert_eq(text_trace_totals(trace)->n_events, 4);
}

/* A reader that was killed leaves fewer events than the kernel gave it; one that ended leaves them all. */
Test(text_trace, what_a_killed_reader_held_is_a_gap) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;

        put("text-000000.log", HEAD READ_LINE("000001") READ_LINE("000002"));
        put("text-000001.log", HEAD READ_LINE("000003"));
        put("text-000002.log", HEAD READ_LINE("000004"));
        put("text-000003.log", HEAD);
        put("text.loss",
            "0 0 0 read 100\n0 0 1 read 0\n"
            "1 0 0 read 101\n1 0 1 read 1\n"
            "2 0 0 read 106\n2 0 1 read 4\n"
            "3 0 0 read 108\n3 0 1 read 4\n");
        trace = open_trace(false);
        assert_read(trace,
                        READ_LINE("000001") READ_LINE("000002") READ_LINE("000003") "CPU:1 [LOST 7 EVENTS]\n"
                        READ_LINE("000004") "CPU:1 [LOST 1 EVENTS]\n");
        cr_assert_eq(text_trace_totals(trace)->n_lost, 8);
        cr_assert_eq(text_trace_totals(trace)->n_unwritten, 8);
}

Test(text_trace, growing_segments_are_followed) {
        _cleanup_(text_trace_freep) TextTrace *trace = open_trace(true);

        assert_read(trace, "");
        put("text-000000.log", HEAD READ_LINE("000001") "R 4 1.0000");
        put("text.loss", "0 0 0 dropped 5\n");
        assert_read(trace, READ_LINE("000001"));
        put("text-000000.log", HEAD READ_LINE("000001") READ_LINE("000002"));
        assert_read(trace, READ_LINE("000002"));
        assert_read(trace, "");
        put("text-000000.log", HEAD READ_LINE("000001") READ_LINE("000002") "R 4");
        put("text-000001.log", HEAD READ_LINE("000003"));
        assert_read(trace, "R 4\n" READ_LINE("000003"));
        cr_assert_eq(text_trace_totals(trace)->n_gaps, 0);
}
