/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of a capture in both forms, as written and compressed, and the traces that are read from them. */

#include <inttypes.h>

#include "segment-file.h"
#include "test-util.h"
#include "text-trace.h"
#include "trace.h"
#include "xz.h"

TestSuite(segment_file, .fini = test_done);

#define SAMPLE "e1000e-6.12-stack"
#define SUBBUF_BYTES 4096
/* More than is in memory at a time. */
#define SEGMENT_PAGES 90

static void compress(const char *name, const void *data, size_t bytes) {
        _cleanup_close_ int fd = openat(test_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        XzWriter *w;

        cr_assert_geq(fd, 0, "%s: %m", name);
        cr_assert_eq(xz_writer_new(fd, &(XzOptions) { .level = 0, .threads = 1 }, &w), 0);
        cr_assert_eq(xz_writer_write(w, data, bytes), 0);
        cr_assert_eq(xz_writer_finish(w, NULL, NULL), 0);
        xz_writer_free(w);
}

static void cut(const char *name, off_t bytes) {
        _cleanup_close_ int fd = openat(test_dir(), name, O_WRONLY | O_CLOEXEC);
        struct stat st;

        cr_assert_eq(fstat(fd, &st), 0);
        cr_assert_eq(ftruncate(fd, st.st_size - bytes), 0);
}

static SegmentFile *open_segment(const char *name) {
        SegmentFile *f;
        int r;

        r = segment_file_open(test_dir(), name, &f);
        cr_assert_eq(r, 0, "%s: %s", name, strerror(-r));
        return f;
}

static void assert_content(const char *name, const char *expected) {
        _cleanup_(segment_file_freep) SegmentFile *f = open_segment(name);
        char text[64];
        uint64_t size;
        size_t n;

        cr_assert(segment_file_exists(test_dir(), name));
        cr_assert_eq(segment_file_size(test_dir(), name, &size), 0);
        cr_assert_eq(size, strlen(expected));
        cr_assert_eq(segment_file_read(f, text, 3, &n), 0);
        cr_assert_eq(n, MIN(strlen(expected), (size_t) 3));
        cr_assert_eq(segment_file_read(f, text + n, sizeof text - n, &size), 0);
        cr_assert_eq(n + size, strlen(expected));
        cr_assert_eq(memcmp(text, expected, strlen(expected)), 0);
        cr_assert_eq(segment_file_read(f, text, sizeof text, &n), 0);
        cr_assert_eq(n, 0);
}

Test(segment_file, forms) {
        _cleanup_(segment_file_freep) SegmentFile *f = NULL;
        uint64_t size;

        test_file("plain", "as written", 10);
        compress("compressed.xz", "and smaller", 11);
        test_file("empty", "", 0);
        compress("nothing.xz", "", 0);
        assert_content("plain", "as written");
        assert_content("compressed", "and smaller");
        assert_content("empty", "");
        assert_content("nothing", "");
        f = open_segment("plain");
        cr_assert_geq(segment_file_fd(f), 0);
        segment_file_free(f);
        f = open_segment("compressed");
        cr_assert_eq(segment_file_fd(f), -EBADF);

        /* The one as written is whole for certain. */
        test_file("both", "first", 5);
        test_file("both.xz", "damaged", 7);
        assert_content("both", "first");

        cr_assert_not(segment_file_exists(test_dir(), "missing"));
        cr_assert_eq(segment_file_size(test_dir(), "missing", &size), -ENOENT);
        cr_assert_null(segment_file_free(NULL));
}

Test(segment_file, refused) {
        SegmentFile *f = NULL;
        char path[8192];
        uint64_t size;

        cr_assert_eq(segment_file_open(test_dir(), "missing", &f), -ENOENT);
        cr_assert_eq(mkdirat(test_dir(), "folder", 0700), 0);
        cr_assert_eq(segment_file_open(test_dir(), "folder", &f), -EINVAL);
        cr_assert_eq(mkfifoat(test_dir(), "fifo.xz", 0600), 0);
        cr_assert_eq(segment_file_open(test_dir(), "fifo", &f), -EINVAL);
        cr_assert_eq(segment_file_size(test_dir(), "fifo", &size), -EINVAL);

        /* A link in a folder of ours is nobody's wish; on the command line it is somebody's. */
        test_file("target", "x", 1);
        cr_assert_eq(symlinkat("target", test_dir(), "link"), 0);
        cr_assert_eq(segment_file_open(test_dir(), "link", &f), -ELOOP);
        (void) snprintf(path, sizeof path, "%s/link", test_dir_path);
        cr_assert_eq(segment_file_open(AT_FDCWD, path, &f), 0);
        segment_file_free(f);
}

/* What stands in front of the damage comes first. */
Test(segment_file, damaged) {
        _cleanup_(segment_file_freep) SegmentFile *f = NULL, *none = NULL;
        _cleanup_free_ uint8_t *raw = NULL, *read = NULL;
        size_t bytes, n = 0;
        uint64_t size;

        test_data_xz("samples/" SAMPLE "/cpu0.raw.xz", &raw, &bytes);
        compress("cut.xz", raw, bytes);
        cut("cut.xz", 4000);
        f = open_segment("cut");
        read = malloc(bytes);
        cr_assert_not_null(read);
        cr_assert_eq(segment_file_read(f, read, bytes, &n), 0);
        cr_assert(n > 0 && n < bytes, "%zu", n);
        cr_assert_eq(memcmp(read, raw, n), 0);
        cr_assert_eq(segment_file_read(f, read, bytes, &n), -EBADMSG);
        cr_assert_eq(segment_file_size(test_dir(), "cut", &size), -EBADMSG);

        test_file("none.xz", "", 0);
        none = open_segment("none");
        cr_assert_eq(segment_file_read(none, read, bytes, &n), -EBADMSG);
}

/* The text of the folder's trace, and how much of it there was. */
static char *decode(TraceTotals *ret) {
        _cleanup_close_ int formats_fd = test_open_formats(SAMPLE);
        _cleanup_(trace_freep) Trace *trace = NULL;
        char *text = NULL, line[RECORD_LINE_MAX + SUBBUF_BYTES];
        size_t bytes = 0;
        RingFormat format;
        Record record;
        FILE *f;
        int r;

        cr_assert_eq(ring_format_load(formats_fd, &format), 0);
        cr_assert_eq(trace_new(&format, &trace), 0);
        cr_assert_geq(trace_add_folder(trace, test_dir()), 0);
        f = open_memstream(&text, &bytes);
        cr_assert_not_null(f);
        while ((r = trace_next(trace, &record)) > 0)
                cr_assert_gt(fwrite(line, record_format(&record, line, sizeof line), 1, f), 0);
        cr_assert_eq(r, 0, "%s", strerror(-r));
        cr_assert_eq(fclose(f), 0);
        *ret = *trace_totals(trace);
        return text;
}

typedef enum Form {
        FORM_PLAIN = 1,
        FORM_COMPRESSED = 2,
        FORM_BOTH = 3,
} Form;

/* The sample as three segments, each in a form of its own. Returns how many pages there are. */
static size_t put_segments(Form first, Form second, Form third) {
        const Form forms[] = { first, second, third };
        _cleanup_free_ uint8_t *raw = NULL;
        size_t bytes;

        test_data_xz("samples/" SAMPLE "/cpu0.raw.xz", &raw, &bytes);
        cr_assert_gt(bytes, 2 * SEGMENT_PAGES * SUBBUF_BYTES);
        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                size_t start = i * SEGMENT_PAGES * SUBBUF_BYTES;
                size_t n = i + 1 < ELEMENTS(forms) ? SEGMENT_PAGES * SUBBUF_BYTES : bytes - start;
                char name[32];

                (void) snprintf(name, sizeof name, "cpu0-%06zu.raw.xz", i);
                (void) unlinkat(test_dir(), name, 0);
                if (forms[i] & FORM_COMPRESSED)
                        compress(name, raw + start, n);
                name[strlen(name) - 3] = 0;
                (void) unlinkat(test_dir(), name, 0);
                if (forms[i] & FORM_PLAIN)
                        test_file(name, raw + start, n);
        }
        return bytes / SUBBUF_BYTES;
}

Test(segment_file, trace_is_the_same_in_every_form) {
        static const Form forms[][3] = {
                { FORM_COMPRESSED, FORM_PLAIN, FORM_PLAIN },
                { FORM_COMPRESSED, FORM_BOTH, FORM_PLAIN },
                { FORM_BOTH, FORM_COMPRESSED, FORM_COMPRESSED },
        };
        _cleanup_free_ char *expected = NULL;
        TraceTotals plain, totals;
        size_t n_pages;

        n_pages = put_segments(FORM_PLAIN, FORM_PLAIN, FORM_PLAIN);
        expected = decode(&plain);
        cr_assert_eq(plain.n_events, 4351);
        cr_assert_eq(plain.n_raw_bytes, n_pages * SUBBUF_BYTES);
        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                _cleanup_free_ char *text = NULL;

                (void) put_segments(forms[i][0], forms[i][1], forms[i][2]);
                /* What a compression that was cut off leaves has another name. */
                test_file(".#cpu0-000000.raw.xz", "x", 1);
                text = decode(&totals);
                cr_assert_str_eq(text, expected);
                cr_assert_eq(memcmp(&totals, &plain, sizeof totals), 0);
        }
}

/* A gap's place is an offset in the pages, whatever they take on disk. */
Test(segment_file, gaps_stand_at_their_place) {
        static const char notes[] = "1 327680 0 7\n"; /* 80 pages */
        _cleanup_free_ char *expected = NULL, *text = NULL;
        TraceTotals plain, totals, before;
        const char *gap;
        size_t n = 0;

        (void) put_segments(FORM_PLAIN, FORM_PLAIN, FORM_PLAIN);
        test_file("cpu0.loss", notes, strlen(notes));
        expected = decode(&plain);
        cr_assert_eq(plain.n_lost, 7);
        (void) put_segments(FORM_COMPRESSED, FORM_COMPRESSED, FORM_COMPRESSED);
        text = decode(&totals);
        cr_assert_str_eq(text, expected);
        cr_assert_eq(memcmp(&totals, &plain, sizeof totals), 0);

        /* In front of it are the events of the pages in front of it. */
        gap = strstr(text, "CPU:0 [LOST 7 EVENTS]\n");
        cr_assert_not_null(gap);
        for (const char *p = text; p < gap; p = strchr(p, '\n') + 1)
                n++;
        (void) put_segments(FORM_PLAIN, FORM_PLAIN, FORM_PLAIN);
        cr_assert_eq(unlinkat(test_dir(), "cpu0-000002.raw", 0), 0);
        cut("cpu0-000001.raw", (SEGMENT_PAGES - 80) * SUBBUF_BYTES);
        free(decode(&before));
        cr_assert_eq(before.n_events, n);
}

/* The rest of a damaged segment is missing, and nothing else; it is said. */
Test(segment_file, trace_goes_on_behind_damage) {
        _cleanup_free_ char *whole = NULL, *text = NULL;
        TraceTotals plain, totals;
        size_t l;

        (void) put_segments(FORM_PLAIN, FORM_PLAIN, FORM_PLAIN);
        whole = decode(&plain);
        (void) put_segments(FORM_PLAIN, FORM_COMPRESSED, FORM_PLAIN);
        cut("cpu0-000001.raw.xz", 4000);
        text = decode(&totals);
        cr_assert_eq(totals.n_damaged_segments, 1);
        cr_assert(totals.n_events > 0 && totals.n_events < plain.n_events);
        cr_assert_eq(totals.last_ns, plain.last_ns);
        l = strlen(text);
        for (size_t i = 0; i < l; i++)
                if (text[i] != whole[i]) {
                        const char *behind = startswith(text + i, "CPU:0 [LOST EVENTS]\n");

                        cr_assert_not_null(behind, "no gap is shown");
                        cr_assert_str_eq(behind, whole + strlen(whole) - strlen(behind));
                        return;
                }
        cr_assert_fail("nothing is missing");
}

static char *read_text(TraceTotals *ret) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;
        char *text = NULL, line[RECORD_LINE_MAX + SUBBUF_BYTES];
        size_t bytes = 0;
        Record record;
        FILE *f;
        int r;

        cr_assert_eq(text_trace_new(test_dir(), false, &trace), 0);
        f = open_memstream(&text, &bytes);
        cr_assert_not_null(f);
        while ((r = text_trace_next(trace, &record)) > 0)
                cr_assert_gt(fwrite(line, record_format(&record, line, sizeof line), 1, f), 0);
        cr_assert_eq(r, 0, "%s", strerror(-r));
        cr_assert_eq(fclose(f), 0);
        *ret = *text_trace_totals(trace);
        return text;
}

Test(segment_file, text) {
        _cleanup_free_ char *expected = NULL, *text = NULL, *damaged = NULL;
        _cleanup_free_ uint8_t *kernel = NULL;
        TraceTotals plain, totals;
        size_t bytes;

        test_data_xz("samples/" SAMPLE "/kernel-text.log.xz", &kernel, &bytes);
        test_file("text-000000.log", kernel, bytes);
        test_file("text-000001.log", kernel, bytes);
        expected = read_text(&plain);
        cr_assert_eq(plain.n_events, 2 * 4351);

        compress("text-000000.log.xz", kernel, bytes);
        cr_assert_eq(unlinkat(test_dir(), "text-000000.log", 0), 0);
        compress("text-000001.log.xz", "of no use", 9);
        text = read_text(&totals);
        cr_assert_str_eq(text, expected);
        cr_assert_eq(memcmp(&totals, &plain, sizeof totals), 0);

        cut("text-000000.log.xz", 4000);
        damaged = read_text(&totals);
        cr_assert_eq(totals.n_damaged_segments, 1);
        cr_assert(totals.n_events > 4351 && totals.n_events < plain.n_events);
}
