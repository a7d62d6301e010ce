/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text source against a trace_pipe that the test writes, and the key that chooses it. */

#include <tracefs/tracefs.h>

#include "config.h"
#include "test-util.h"
#include "text-source.h"
#include "text-trace.h"

TestSuite(text_source, .fini = test_done);

#define HEAD "VERSION 20070824\n"
#define READ_LINE(time) "R 4 1." time " 3 0xfeb80008 0xabcd 0x0 0\n"

static int pipe_fd = -EBADF, raw_fd = -EBADF;
static const DrainPipe pipes[] = { { 0, -EBADF, -EBADF } };

static void set_stats(unsigned entries, unsigned dropped, unsigned n_read) {
        char text[256];

        (void) snprintf(text, sizeof text,
                        "entries: %u\noverrun: 0\ncommit overrun: 0\nbytes: 44\noldest event ts:     1.000000\n"
                        "now ts:     2.000000\ndropped events: %u\nread events: %u\n", entries, dropped, n_read);
        test_file("per_cpu/cpu0/stats", text, strlen(text));
}

static void setup(void) {
        cr_assert_geq(mkdirat(test_dir(), "per_cpu", 0700), 0);
        cr_assert_geq(mkdirat(test_dir(), "per_cpu/cpu0", 0700), 0);
        cr_assert_geq(mkdirat(test_dir(), "raw", 0700), 0);
        cr_assert_geq(mkfifoat(test_dir(), "trace_pipe", 0600), 0);
        /* For writing too, so that an empty pipe is not at its end. */
        pipe_fd = openat(test_dir(), "trace_pipe", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        raw_fd = openat(test_dir(), "raw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert(pipe_fd >= 0 && raw_fd >= 0);
        cr_assert_eq(tracefs_set_tracing_dir(test_dir_path), 0);
        set_stats(0, 0, 0);
}

static void done(void) {
        pipe_fd = safe_close(pipe_fd);
        raw_fd = safe_close(raw_fd);
        (void) tracefs_set_tracing_dir(NULL);
        test_done();
}

static TextSource *open_source(bool keep_oldest) {
        static DrainRequest request;
        TextSource *source;
        int r;

        request = (DrainRequest) { .pipes = pipes, .n_pipes = 1, .raw_fd = raw_fd, .segment_bytes = 64 * MIB, .text = true,
                .keep_oldest = keep_oldest };
        r = text_source_open(&request, &source, NULL);
        cr_assert_eq(r, 0, "%s", strerror(-r));
        return source;
}

static void take(TextSource *source, const char *text) {
        cr_assert_eq(write_all(pipe_fd, text, strlen(text)), 0);
        cr_assert_eq(text_source_take(source, NULL), 0);
}

static void assert_file(const char *name, const char *expected) {
        _cleanup_free_ char *text = NULL;

        cr_assert_eq(read_file_at(raw_fd, name, MIB, &text, NULL), 0, "%s", name);
        cr_assert_str_eq(text, expected);
}

static void assert_log(const char *expected, uint64_t n_lost) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);
        Record record;

        cr_assert_not_null(f);
        cr_assert_eq(text_trace_new(raw_fd, false, &trace), 0);
        while (text_trace_next(trace, &record) > 0) {
                char line[2 * RECORD_LINE_MAX];

                cr_assert_eq(fwrite(line, 1, record_format(&record, line, sizeof line), f) > 0, 1);
        }
        cr_assert_eq(fclose(f), 0);
        cr_assert_str_eq(text, expected);
        cr_assert_eq(text_trace_totals(trace)->n_lost, n_lost);
}

Test(text_source, each_open_begins_a_segment, .init = setup, .fini = done) {
        TextSource *source = open_source(false);

        take(source, HEAD);
        take(source, READ_LINE("000001"));
        take(source, "");
        cr_assert_eq(text_source_total_bytes(source), strlen(HEAD READ_LINE("000001")));
        text_source_free(source);

        set_stats(0, 0, 3);
        source = open_source(false);
        take(source, HEAD);
        take(source, READ_LINE("000002"));
        cr_assert_eq(text_source_total_bytes(source), 2 * strlen(HEAD READ_LINE("000001")));
        text_source_free(source);

        assert_file("text-000000.log", HEAD READ_LINE("000001"));
        assert_file("text-000001.log", HEAD READ_LINE("000002"));
        assert_file("text.loss", "0 0 0 read 0\n1 0 0 read 3\n");
        assert_log(READ_LINE("000001") "CPU:0 [LOST 2 EVENTS]\n" READ_LINE("000002"), 2);
}

/* Behind what the ring held when it was full, before what came when there was room again. */
Test(text_source, refused_events_stand_behind_a_full_ring, .init = setup, .fini = done) {
        TextSource *source = open_source(true);

        take(source, HEAD);
        set_stats(2, 7, 0);
        take(source, READ_LINE("000001") READ_LINE("000002") READ_LINE("000003"));
        /* The ring is empty by now: so in front of what comes. */
        set_stats(0, 9, 3);
        take(source, READ_LINE("000004"));
        /* Fewer than it should be: at the end. The kernel's own report is no event. */
        set_stats(5, 10, 4);
        take(source, "MARK 0.000000 Lost 10 events.\n");
        take(source, READ_LINE("000005"));
        text_source_free(source);
        assert_log(READ_LINE("000001") READ_LINE("000002") "CPU:0 [LOST 7 EVENTS]\n" READ_LINE("000003")
                        "CPU:0 [LOST 2 EVENTS]\n" READ_LINE("000004") "CPU:0 [LOST 1 EVENTS]\n" READ_LINE("000005"), 10);
}

/* A count that the reader before had noted is not noted as new by the next. */
Test(text_source, refused_events_are_told_once, .init = setup, .fini = done) {
        TextSource *source = open_source(true);

        set_stats(1, 7, 0);
        take(source, READ_LINE("000001"));
        text_source_free(source);
        set_stats(1, 7, 1);
        source = open_source(true);
        take(source, READ_LINE("000002"));
        set_stats(0, 8, 2);
        take(source, "");
        text_source_free(source);
        assert_log(READ_LINE("000001") "CPU:0 [LOST 7 EVENTS]\n" READ_LINE("000002") "CPU:0 [LOST 1 EVENTS]\n", 8);
}

Test(text_source, nothing_is_noted_where_the_kernel_does, .init = setup, .fini = done) {
        TextSource *source = open_source(false);

        set_stats(1, 7, 0);
        take(source, READ_LINE("000001"));
        text_source_free(source);
        assert_file("text.loss", "0 0 0 read 0\n");
}

static CaptureSource load_source(const char *text) {
        _cleanup_free_ char *path = NULL;
        _cleanup_config_ Config config = {};

        test_file("mmiotraced.conf", text, strlen(text));
        cr_assert_geq(asprintf(&path, "%s/mmiotraced.conf", test_dir_path), 0);
        cr_assert_eq(config_load(&(ConfigPlaces) { .file = path }, &config, NULL), 0);
        return config.source;
}

Test(text_source, configuration) {
        cr_assert_eq(load_source(""), SOURCE_AUTO);
        cr_assert_eq(load_source("[Capture]\nSource=auto\n"), SOURCE_AUTO);
        cr_assert_eq(load_source("[Capture]\nSource=raw\n"), SOURCE_RAW);
        cr_assert_eq(load_source("[Capture]\nSource=text\n"), SOURCE_TEXT);
        cr_assert_eq(load_source("[Capture]\nSource=text\nSource=\n"), SOURCE_AUTO);
        cr_assert_eq(load_source("[Capture]\nSource=Text\n"), SOURCE_AUTO);
        cr_assert_eq(load_source("[Seal]\nSource=text\n"), SOURCE_AUTO);
}
