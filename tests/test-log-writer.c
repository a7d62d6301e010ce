/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log-writer.h"
#include "tool.h"

TestSuite(log_writer, .init = tool_init, .fini = test_done, .timeout = 60);

#define LINES 60000

static LogWriter *writer(uint64_t segment_max_bytes) {
        const LogWriterOptions options = {
                .level = 0,
                .threads = 1,
                .memory_max_bytes = 64 * MIB,
                .segment_max_bytes = segment_max_bytes,
        };
        LogWriter *w;

        cr_assert_eq(log_writer_new(test_dir(), &options, &w), 0);
        return w;
}

static Record record(unsigned i) {
        return (Record) {
                .type = i % 2 ? RECORD_READ : RECORD_WRITE,
                .width_bytes = 4,
                .map_id = 2,
                .time_ns = i * UINT64_C(1234567),
                .phys = 0xfebd0000 + i % 64 * 4,
                .value = i,
        };
}

/* Writes that many records, after a head of text, to a writer and to the file "expected". */
static void write_log(LogWriter *w, unsigned n_lines) {
        static const char head[] = "VERSION 20070824\nPCIDEV 0010 808610d3 0\n";
        _cleanup_fclose_ FILE *expected = fopen("expected", "we");

        cr_assert_not_null(expected);
        cr_assert_eq(log_writer_text(w, head, strlen(head)), 0);
        fputs(head, expected);
        for (unsigned i = 0; i < n_lines; i++) {
                const Record r = record(i);
                char line[RECORD_LINE_MAX];
                size_t n = record_format(&r, line, sizeof line);

                cr_assert_eq(log_writer_record(w, &r), 0);
                cr_assert_eq(fwrite(line, 1, n, expected), n);
        }
}

Test(log_writer, segments) {
        _cleanup_(log_writer_freep) LogWriter *w = writer(600 * KIB);
        _cleanup_strv_ char **segments = NULL;
        uint64_t bytes, total_bytes = 0;
        size_t n;

        write_log(w, LINES);
        cr_assert_eq(log_writer_finish(w, &segments, &bytes), 0);
        n = strv_length(segments);
        cr_assert_gt(n, 2);
        for (size_t i = 0; i < n; i++) {
                struct stat st;
                char name[64];

                (void) snprintf(name, sizeof name, "mmiotrace-%06zu.log.xz", i);
                cr_assert_str_eq(segments[i], name);
                cr_assert_eq(stat(name, &st), 0);
                cr_assert_eq(st.st_mode & 07777, 0600);
                total_bytes += (uint64_t) st.st_size;
                /* Each is whole by itself, is within its limit and ends with a line. */
                free(tool_output("xz -t %s && test $(xz -dc %s | wc -c) -le %llu && test -z \"$(xz -dc %s | tail -c 1)\"",
                                name, name, (unsigned long long) (600 * KIB), name));
        }
        cr_assert_eq(total_bytes, bytes);
        free(tool_output("xz -dc mmiotrace-*.log.xz | cmp - expected"));
}

Test(log_writer, one_segment) {
        _cleanup_(log_writer_freep) LogWriter *w = writer(UINT64_MAX);
        _cleanup_strv_ char **segments = NULL;
        uint64_t bytes;

        write_log(w, LINES);
        cr_assert_eq(log_writer_finish(w, &segments, &bytes), 0);
        cr_assert_eq(strv_length(segments), 1);
        free(tool_output("xz -dc %s | cmp - expected", segments[0]));
}

/* Whatever fits into a segment's limit, what was written before the end is readable. */
Test(log_writer, earlier_segments_are_complete_before_the_end) {
        _cleanup_(log_writer_freep) LogWriter *w = writer(300 * KIB);

        write_log(w, LINES);
        free(tool_output("xz -t mmiotrace-000000.log.xz mmiotrace-000001.log.xz"));
        free(tool_output("xz -dc mmiotrace-000000.log.xz | cmp -n $(xz -dc mmiotrace-000000.log.xz | wc -c) - expected"));
}

Test(log_writer, empty) {
        _cleanup_(log_writer_freep) LogWriter *w = writer(MIB);
        _cleanup_strv_ char **segments = NULL;
        _cleanup_free_ char *output = NULL;
        uint64_t bytes;

        cr_assert_eq(log_writer_finish(w, &segments, &bytes), 0);
        cr_assert_eq(strv_length(segments), 1);
        cr_assert_gt(bytes, 0);
        output = tool_output("xz -t %s && xz -dc %s", segments[0], segments[0]);
        cr_assert_str_eq(output, "");
}

Test(log_writer, text_longer_than_the_buffer) {
        _cleanup_(log_writer_freep) LogWriter *w = writer(UINT64_MAX);
        _cleanup_fclose_ FILE *expected = fopen("expected", "we");
        _cleanup_strv_ char **segments = NULL;
        _cleanup_free_ char *text = NULL;
        size_t text_bytes = 0;
        uint64_t bytes;

        text = malloc(2 * MIB);
        while (text_bytes < MIB)
                text_bytes += (size_t) sprintf(text + text_bytes, "PCIDEV %zu\n", text_bytes);
        cr_assert_eq(fwrite(text, 1, text_bytes, expected), text_bytes);
        cr_assert_eq(fflush(expected), 0);
        cr_assert_eq(log_writer_text(w, text, text_bytes), 0);
        cr_assert_eq(log_writer_finish(w, &segments, &bytes), 0);
        free(tool_output("xz -dc %s | cmp - expected", segments[0]));
}

Test(log_writer, segment_that_is_there) {
        _cleanup_(log_writer_freep) LogWriter *w = writer(MIB);
        _cleanup_strv_ char **segments = NULL;
        uint64_t bytes;

        test_file("mmiotrace-000000.log.xz", "precious", 8);
        cr_assert_eq(log_writer_finish(w, &segments, &bytes), -EEXIST);
        cr_assert_null(segments);
}
