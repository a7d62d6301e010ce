/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "page-builder.h"
#include "test-util.h"
#include "trace.h"

TestSuite(trace, .fini = test_done);

static Trace *new_trace(const char *sample) {
        _cleanup_close_ int fd = test_open_formats(sample);
        RingFormat format;
        Trace *trace;

        cr_assert_eq(ring_format_load(fd, &format), 0);
        cr_assert_eq(trace_new(&format, &trace), 0);
        /* It has a copy. */
        memset(&format, 0xff, sizeof format);
        return trace;
}

/* Decodes all of it. The text is NUL-terminated, and freed by the caller. */
static void decode(Trace *trace, char **ret, size_t *ret_bytes) {
        FILE *f = open_memstream(ret, ret_bytes);
        Record record;
        int r;

        cr_assert_not_null(f);
        while ((r = trace_next(trace, &record)) > 0) {
                char line[RECORD_LINE_MAX + PAGE_BYTES];
                size_t n = record_format(&record, line, sizeof line);

                cr_assert_neq(n, 0);
                cr_assert_eq(fwrite(line, 1, n, f), n);
        }
        cr_assert_eq(r, 0, "%s", strerror(-r));
        cr_assert_eq(trace_next(trace, &record), 0);
        cr_assert_eq(fclose(f), 0);
}

static void assert_text(Trace *trace, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;

        decode(trace, &text, &bytes);
        cr_assert_str_eq(text, expected);
}

typedef struct Sample {
        const char *name, *first;
        uint64_t n_raw_bytes, n_events, n_read, n_write, n_map, n_unmap, n_mark, n_other, n_lost, n_gaps;
        uint64_t first_usec, last_usec;
} Sample;

static void check_sample(const Sample *sample) {
        _cleanup_free_ char *raw_path = NULL, *text_path = NULL, *text = NULL;
        _cleanup_free_ uint8_t *raw = NULL, *kernel = NULL;
        _cleanup_(trace_freep) Trace *trace = new_trace(sample->name);
        size_t raw_bytes, kernel_bytes, bytes, l = strlen(sample->first);
        const TraceTotals *t;

        cr_assert_geq(asprintf(&raw_path, "samples/%s/cpu0.raw.xz", sample->name), 0);
        cr_assert_geq(asprintf(&text_path, "samples/%s/kernel-text.log.xz", sample->name), 0);
        test_data_xz(raw_path, &raw, &raw_bytes);
        test_data_xz(text_path, &kernel, &kernel_bytes);
        test_file("cpu0.raw", raw, raw_bytes);

        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "cpu0.raw"), 0);
        decode(trace, &text, &bytes);
        cr_assert_eq(bytes, l + kernel_bytes);
        cr_assert_eq(memcmp(text, sample->first, l), 0);
        cr_assert_eq(memcmp(text + l, kernel, kernel_bytes), 0, "%s is not what the kernel printed",
                        sample->name);

        t = trace_totals(trace);
        cr_expect_eq(t->n_raw_bytes, sample->n_raw_bytes);
        cr_expect_eq(t->n_raw_bytes, raw_bytes);
        cr_expect_eq(t->n_events, sample->n_events);
        cr_expect_eq(t->n_by_type[RECORD_READ], sample->n_read);
        cr_expect_eq(t->n_by_type[RECORD_WRITE], sample->n_write);
        cr_expect_eq(t->n_by_type[RECORD_UNKNOWN], 0);
        cr_expect_eq(t->n_by_type[RECORD_MAP], sample->n_map);
        cr_expect_eq(t->n_by_type[RECORD_UNMAP], sample->n_unmap);
        cr_expect_eq(t->n_by_type[RECORD_MARK], sample->n_mark);
        cr_expect_eq(t->n_by_type[RECORD_LOST], sample->n_gaps);
        cr_expect_eq(t->n_by_type[RECORD_LOST_REPORT], 0);
        cr_expect_eq(t->n_other, sample->n_other);
        cr_expect_eq(t->n_lost, sample->n_lost);
        cr_expect_eq(t->n_gaps, sample->n_gaps);
        cr_expect_eq(t->n_gaps_uncounted, 0);
        cr_expect_eq(t->n_torn_pages, 0);
        cr_expect_eq((t->first_ns + 500) / 1000, sample->first_usec);
        cr_expect_eq((t->last_ns + 500) / 1000, sample->last_usec);
}

Test(trace, sample_6_1) {
        check_sample(&(Sample) {
                .name = "e1000e-6.1", .first = "", .n_raw_bytes = 196608, .n_events = 4353,
                .n_read = 1878, .n_write = 2468, .n_map = 2, .n_unmap = 2, .n_mark = 3,
                .first_usec = 3402933, .last_usec = 8040740,
        });
}

Test(trace, sample_6_1_lossy) {
        check_sample(&(Sample) {
                .name = "e1000e-6.1-lossy", .first = "CPU:0 [LOST 2852 EVENTS]\n", .n_raw_bytes = 69632,
                .n_events = 1501, .n_read = 633, .n_write = 864, .n_unmap = 2, .n_mark = 2, .n_lost = 2852,
                .n_gaps = 1, .first_usec = 2722813, .last_usec = 6908468,
        });
}

Test(trace, sample_6_12_stack) {
        check_sample(&(Sample) {
                .name = "e1000e-6.12-stack", .first = "", .n_raw_bytes = 1118208, .n_events = 4351,
                .n_read = 1878, .n_write = 2466, .n_map = 2, .n_unmap = 2, .n_mark = 3, .n_other = 4348,
                .first_usec = 2555762, .last_usec = 7128563,
        });
}

/* A segment of pages, some of which may be empty; the last one may be cut. */
static void write_segment(const char *name, const PageBuilder *pages, size_t n, size_t cut_bytes) {
        _cleanup_free_ uint8_t *all = malloc(n * PAGE_BYTES);

        cr_assert_not_null(all);
        for (size_t i = 0; i < n; i++)
                memcpy(all + i * PAGE_BYTES, pages[i].page, PAGE_BYTES);
        test_file(name, all, n * PAGE_BYTES - cut_bytes);
}

#define READ_LINE(time, phys) "R 4 0." time " 3 " phys " 0xabcd 0x0 0\n"

Test(trace, cpus_are_merged_by_time) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder pages[2];

        page_begin(&pages[0], 1000);
        page_put_read(&pages[0], 1000, 0xa);
        page_put_mark(&pages[0], 2000, "from zero\n");
        page_begin(&pages[1], 7000);
        page_put_read(&pages[1], 0, 0xb);
        page_put_read(&pages[1], 2000, 0xc);
        write_segment("zero", pages, 2, 0);

        page_begin(&pages[0], 2000);
        page_put_read(&pages[0], 1000, 0x1a);
        page_put_mark(&pages[0], 2000, "from seven\n");
        page_put_read(&pages[0], 3000, 0x1b);
        page_put_read(&pages[0], 2000, 0x1c);
        write_segment("seven", pages, 1, 0);

        cr_assert_eq(trace_add_segment(trace, 7, test_dir(), "seven"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "zero"), 0);
        assert_text(trace,
                        READ_LINE("000002", "0xa")
                        READ_LINE("000003", "0x1a")
                        "MARK 0.000004 from zero\n"
                        "MARK 0.000005 from seven\n"
                        READ_LINE("000007", "0xb")
                        READ_LINE("000008", "0x1b")
                        READ_LINE("000009", "0xc")
                        READ_LINE("000010", "0x1c"));
        cr_assert_eq(trace_totals(trace)->n_events, 8);
        cr_assert_eq(trace_totals(trace)->first_ns, 2000);
        cr_assert_eq(trace_totals(trace)->last_ns, 10000);
        cr_assert_eq(trace_totals(trace)->n_raw_bytes, 3 * PAGE_BYTES);
}

Test(trace, records_bear_cpu_and_pid) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder page;
        Record r;

        page_begin(&page, 1000);
        page_put_read(&page, 500, 0xa);
        page_set_missed(&page, 4);
        write_segment("a", &page, 1, 0);
        cr_assert_eq(trace_add_segment(trace, 5, test_dir(), "a"), 0);
        cr_assert_eq(trace_next(trace, &r), 1);
        cr_assert_eq(r.type, RECORD_LOST);
        cr_assert_eq(r.cpu, 5);
        cr_assert_eq(r.lost, 4);
        cr_assert_eq(r.time_ns, 1500);
        cr_assert_eq(trace_next(trace, &r), 1);
        cr_assert_eq(r.type, RECORD_READ);
        cr_assert_eq(r.cpu, 5);
        cr_assert_eq(r.pid, 77);
        cr_assert_eq(r.time_ns, 1500);
        cr_assert_eq(trace_next(trace, &r), 0);
}

/* A gap stands in front of what comes behind it on its CPU, and behind what others did before that. */
Test(trace, gaps_are_merged_by_time) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder page;

        page_begin(&page, 1000);
        for (unsigned i = 0; i < 5; i++)
                page_put_read(&page, 1000, i);
        write_segment("a", &page, 1, 0);
        page_begin(&page, 1000);
        page_put_extend(&page, 1200);
        page_put_read(&page, 1300, 0x10);
        page_set_missed(&page, 12);
        write_segment("b", &page, 1, 0);

        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);
        cr_assert_eq(trace_add_segment(trace, 1, test_dir(), "b"), 0);
        assert_text(trace,
                        READ_LINE("000002", "0x0")
                        READ_LINE("000003", "0x1")
                        "CPU:1 [LOST 12 EVENTS]\n"
                        READ_LINE("000004", "0x10")
                        READ_LINE("000004", "0x2")
                        READ_LINE("000005", "0x3")
                        READ_LINE("000006", "0x4"));
}

Test(trace, segments_follow_each_other) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder pages[2];

        page_begin(&pages[0], 1000);
        page_put_read(&pages[0], 0, 1);
        page_begin(&pages[1], 3000);
        page_put_read(&pages[1], 0, 3);
        write_segment("first", pages, 2, 0);
        write_segment("empty", pages, 0, 0);
        page_begin(&pages[0], 5000);
        page_put_mark(&pages[0], 0, "five\n");
        write_segment("third", pages, 1, 0);
        page_begin(&pages[0], 2000);
        page_put_read(&pages[0], 0, 2);
        write_segment("other", pages, 1, 0);
        page_begin(&pages[0], 4000);
        page_put_read(&pages[0], 0, 4);
        write_segment("other-second", pages, 1, 0);

        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "first"), 0);
        cr_assert_eq(trace_add_segment(trace, 1, test_dir(), "other"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "empty"), 0);
        cr_assert_eq(trace_add_segment(trace, 1, test_dir(), "other-second"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "third"), 0);
        assert_text(trace,
                        READ_LINE("000001", "0x1")
                        READ_LINE("000002", "0x2")
                        READ_LINE("000003", "0x3")
                        READ_LINE("000004", "0x4")
                        "MARK 0.000005 five\n");
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 0);
        cr_assert_eq(trace_totals(trace)->n_raw_bytes, 5 * PAGE_BYTES);
}

Test(trace, empty_segments) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder page;

        page_begin(&page, 1000);
        page_put_read(&page, 0, 1);
        write_segment("one", &page, 1, 0);
        write_segment("empty", &page, 0, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "empty"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "empty"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "one"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "empty"), 0);
        assert_text(trace, READ_LINE("000001", "0x1"));
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 0);
}

/* What was held back for the merge stays readable while other CPUs go from segment to segment. */
Test(trace, held_marks_stay_valid) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder page;

        page_begin(&page, 9000);
        page_put_mark(&page, 0, "held\n");
        write_segment("held", &page, 1, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "held"), 0);
        for (unsigned i = 1; i <= 3; i++) {
                char name[8];

                (void) snprintf(name, sizeof name, "%u", i);
                page_begin(&page, i * 1000);
                page_put_mark(&page, 0, "other\n");
                write_segment(name, &page, 1, 0);
                cr_assert_eq(trace_add_segment(trace, 1, test_dir(), name), 0);
        }
        assert_text(trace,
                        "MARK 0.000001 other\n"
                        "MARK 0.000002 other\n"
                        "MARK 0.000003 other\n"
                        "MARK 0.000009 held\n");
}

#define GAP_LINE "CPU:0 [LOST EVENTS]\n"

/* A last one is what the drain had prepared. Others are what a crash left: the file had become longer, and its pages had
 * not reached the disk. */
Test(trace, pages_never_written) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1"), *holes = new_trace("e1000e-6.1");
        PageBuilder pages[7] = {};

        page_begin(&pages[0], 500);
        page_put_read(&pages[0], 0, 0);
        write_segment("a", pages, 2, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);
        assert_text(trace, READ_LINE("000001", "0x0"));
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 0);

        page_begin(&pages[1], 1000);
        page_put_read(&pages[1], 0, 1);
        page_begin(&pages[3], 2000);
        page_put_read(&pages[3], 0, 2);
        write_segment("b", pages, 7, 0);
        cr_assert_eq(trace_add_segment(holes, 0, test_dir(), "b"), 0);
        assert_text(holes, READ_LINE("000001", "0x0") READ_LINE("000001", "0x1") GAP_LINE READ_LINE("000002", "0x2"));
        cr_assert_eq(trace_totals(holes)->n_torn_pages, 3);
        cr_assert_eq(trace_totals(holes)->n_gaps, 1);
        cr_assert_eq(trace_totals(holes)->n_gaps_uncounted, 1);
        cr_assert_eq(trace_totals(holes)->n_raw_bytes, 7 * PAGE_BYTES);
}

/* Over the end of a segment, too; and a page that lacks only its start is no empty one. */
Test(trace, holes_between_segments) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder pages[2] = {};

        page_begin(&pages[0], 1000);
        page_put_read(&pages[0], 0, 1);
        write_segment("a", pages, 2, 0);
        page_begin(&pages[0], 2000);
        for (unsigned i = 0; i < 92; i++)
                page_put_read(&pages[0], 1000, 0xbad);
        memset(pages[0].page, 0, 512);
        page_begin(&pages[1], 3000);
        page_put_read(&pages[1], 0, 3);
        write_segment("b", pages, 2, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "b"), 0);
        assert_text(trace, READ_LINE("000001", "0x1") GAP_LINE READ_LINE("000003", "0x3"));
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 2);
        cr_assert_eq(trace_totals(trace)->n_gaps, 1);
}

/* Whatever is on disk in place of the last sectors of a page, it is never taken for an event, and what is in the sectors
 * before is: a page of reads, of which each is told by its place, with 44 bytes for one. */
Test(trace, pages_with_a_torn_end) {
        static const struct {
                const char *name;
                uint8_t least, steps; /* of the bytes */
        } fills[] = { { "zeros", 0, 1 }, { "ones", 0xff, 1 }, { "es", 'e', 1 }, { "text", 'a', 26 }, { "anything", 0, 251 } };
        uint64_t random = 4711;

        for (size_t i = 0; i < ELEMENTS(fills); i++)
                for (size_t good_bytes = 512; good_bytes < PAGE_BYTES; good_bytes += 512) {
                        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
                        PageBuilder pages[2];
                        uint64_t n = 0;
                        Record r;

                        page_begin(&pages[0], 1000);
                        for (unsigned j = 0; j < 92; j++)
                                page_put_read(&pages[0], 1000, j);
                        for (size_t j = good_bytes; j < PAGE_BYTES; j++) {
                                random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                                pages[0].page[j] = (uint8_t) (fills[i].least + (random >> 33) % fills[i].steps);
                        }
                        page_begin(&pages[1], 1000000);
                        page_put_read(&pages[1], 0, 0x1000);
                        write_segment("torn", pages, 2, 0);
                        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "torn"), 0);
                        while (trace_next(trace, &r) > 0 && r.type == RECORD_READ) {
                                cr_assert_eq(r.phys, n, "%s from %zu: read %" PRIu64 " is of 0x%" PRIx64, fills[i].name,
                                                good_bytes, n, r.phys);
                                cr_assert_eq(r.value, 0xabcd);
                                n++;
                        }
                        cr_assert_eq(n, (good_bytes - PAGE_DATA_OFFSET) / 44, "%s from %zu: %" PRIu64 " events", fills[i].name,
                                        good_bytes, n);
                        cr_assert_eq(r.type, RECORD_LOST);
                        cr_assert_eq(trace_next(trace, &r), 1);
                        cr_assert_eq(r.phys, 0x1000);
                        cr_assert_eq(trace_next(trace, &r), 0);
                        cr_assert_eq(trace_totals(trace)->n_torn_pages, 1);
                        cr_assert_eq(trace_totals(trace)->n_other, 0);
                }
}

/* A mark that goes over a sector that was not written would be shorter than it was, with nothing to show it. */
Test(trace, mark_over_a_torn_sector) {
        for (size_t l = 500; l < 1600; l += 7) {
                _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
                char text[1600] = {};
                PageBuilder page;
                Record r;

                memset(text, 'm', l);
                page_begin(&page, 1000);
                page_put_read(&page, 0, 1);
                page_put_mark(&page, 1000, text);
                page_put_read(&page, 1000, 2);
                memset(page.page + 512, 0, PAGE_BYTES - 512);
                write_segment("torn", &page, 1, 0);
                cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "torn"), 0);
                cr_assert_eq(trace_next(trace, &r), 1);
                cr_assert_eq(r.phys, 1);
                cr_assert_eq(trace_next(trace, &r), 0, "a mark of %zu bytes", l);
                cr_assert_eq(trace_totals(trace)->n_torn_pages, 1);
        }
}

Test(trace, other_events_are_counted) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder page;

        page_begin(&page, 1000);
        page_put_stack(&page, 0);
        page_put_read(&page, 1000, 1);
        page_put_stack(&page, 1000);
        page_put_read(&page, 1000, 2);
        page_put_stack(&page, 1000);
        write_segment("a", &page, 1, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);
        assert_text(trace, READ_LINE("000002", "0x1") READ_LINE("000004", "0x2"));
        cr_assert_eq(trace_totals(trace)->n_other, 3);
        cr_assert_eq(trace_totals(trace)->n_events, 2);
        cr_assert_eq(trace_totals(trace)->last_ns, 4000);
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 0);
}

/* What page_put_stack_of() needs: the sample's format has stacks of eight frames, as events have more. */
static Trace *new_stack_trace(void) {
        Trace *trace = new_trace("e1000e-6.12-stack");

        trace_set_stacks(trace, true);
        return trace;
}

static void assert_stack(Trace *trace, uint64_t phys, uint64_t first_frame, size_t n_frames) {
        Record record;

        cr_assert_eq(trace_next(trace, &record), 1);
        cr_assert_eq(record.phys, phys);
        cr_assert_eq(record.n_frames, n_frames, "0x%" PRIx64 " has %zu frames", phys, record.n_frames);
        for (size_t i = 0; i < n_frames; i++)
                cr_assert_eq(record.frames[i], first_frame + i);
}

Test(trace, stacks_belong_to_the_record_before) {
        _cleanup_(trace_freep) Trace *trace = new_stack_trace();
        Record record;
        PageBuilder pages[3];

        page_begin(&pages[0], 1000);
        page_put_stack_of(&pages[0], 0, 77, 0x10, 3);
        page_put_read(&pages[0], 0, 1);
        page_put_stack_of(&pages[0], 0, 77, 0x100, 12);
        page_put_read(&pages[0], 0, 2);
        page_put_read(&pages[0], 0, 3);
        page_put_stack_of(&pages[0], 0, 76, 0x300, 2);
        page_put_read(&pages[0], 0, 4);
        /* On the page behind it, and behind a gap. */
        page_begin(&pages[1], 2000);
        page_put_stack_of(&pages[1], 0, 77, 0x400, 1);
        page_put_read(&pages[1], 0, 5);
        page_begin(&pages[2], 3000);
        page_put_stack_of(&pages[2], 0, 77, 0x500, 4);
        page_put_mark(&pages[2], 0, "a mark\n");
        page_put_stack_of(&pages[2], 0, 77, 0x600, 4);
        page_put_read(&pages[2], 0, 6);
        page_set_missed(&pages[2], 7);
        write_segment("a", pages, 3, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);

        assert_stack(trace, 1, 0x100, 12);
        assert_stack(trace, 2, 0, 0);
        assert_stack(trace, 3, 0, 0);
        assert_stack(trace, 4, 0x400, 1);
        assert_stack(trace, 5, 0, 0);
        cr_assert_eq(trace_next(trace, &record), 1);
        cr_assert_eq(record.type, RECORD_LOST);
        cr_assert_eq(record.n_frames, 0);
        cr_assert_eq(trace_next(trace, &record), 1);
        cr_assert_eq(record.type, RECORD_MARK);
        cr_assert_eq(record.n_frames, 0);
        cr_assert_eq(memcmp(record.text, "a mark\n", record.text_bytes), 0);
        assert_stack(trace, 6, 0, 0);
        cr_assert_eq(trace_next(trace, &record), 0);
        cr_assert_eq(trace_totals(trace)->n_stacks, 2);
        cr_assert_eq(trace_totals(trace)->n_other, 4);
}

Test(trace, stacks_go_over_segments) {
        _cleanup_(trace_freep) Trace *trace = new_stack_trace();
        Record record;
        PageBuilder page;

        page_begin(&page, 1000);
        page_put_read(&page, 0, 1);
        write_segment("a", &page, 1, 0);
        page_begin(&page, 1000);
        page_put_stack_of(&page, 500, 77, 0x100, 2);
        write_segment("b", &page, 1, 0);
        page_begin(&page, 1100);
        page_put_read(&page, 0, 2);
        page_put_stack_of(&page, 0, 77, 0x200, 3);
        write_segment("c", &page, 1, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "b"), 0);
        cr_assert_eq(trace_add_segment(trace, 1, test_dir(), "c"), 0);
        assert_stack(trace, 1, 0x100, 2);
        assert_stack(trace, 2, 0x200, 3);
        cr_assert_eq(trace_next(trace, &record), 0);
}

/* More frames than the event holds, none, and a negative number, as a torn page may say. */
Test(trace, stacks_are_not_trusted) {
        static const int32_t sizes[] = { 1000, 0, -1, INT32_MIN };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_(trace_freep) Trace *trace = new_stack_trace();
                PageBuilder page;
                size_t at;

                page_begin(&page, 1000);
                page_put_read(&page, 0, 1);
                at = PAGE_DATA_OFFSET + page.length_bytes + 4 + 8;
                page_put_stack_of(&page, 0, 77, 0x100, 3);
                memcpy(page.page + at, sizes + i, sizeof sizes[i]);
                page_put_read(&page, 0, 2);
                write_segment("a", &page, 1, 0);
                cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);
                assert_stack(trace, 1, 0x100, sizes[i] == 0 ? 0 : 3);
                assert_stack(trace, 2, 0, 0);
        }
}

Test(trace, stacks_of_a_sample) {
        _cleanup_(trace_freep) Trace *trace = new_stack_trace();
        _cleanup_free_ uint8_t *raw = NULL;
        size_t raw_bytes, n = 0;
        Record record;

        test_data_xz("samples/e1000e-6.12-stack/cpu0.raw.xz", &raw, &raw_bytes);
        test_file("cpu0.raw", raw, raw_bytes);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "cpu0.raw"), 0);
        while (trace_next(trace, &record) > 0) {
                cr_assert_eq(record.n_frames > 0, record.type != RECORD_MARK);
                cr_assert_leq(record.n_frames, 40);
                n++;
        }
        cr_assert_eq(n, 4351);
        cr_assert_eq(trace_totals(trace)->n_stacks, 4348);
        cr_assert_eq(trace_totals(trace)->n_other, 0);
}

Test(trace, gaps_are_summed) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        const TraceTotals *t;
        PageBuilder pages[4];

        page_begin(&pages[0], 1000);
        page_put_read(&pages[0], 0, 1);
        page_set_missed(&pages[0], 30);
        /* A gap on a page without events, whose time is then the page's. */
        page_begin(&pages[1], 2000);
        page_set_missed(&pages[1], 12);
        page_begin(&pages[2], 3000);
        page_put_read(&pages[2], 0, 3);
        page_set_commit(&pages[2], pages[2].length_bytes | PAGE_MISSED);
        page_begin(&pages[3], 4000);
        page_set_commit(&pages[3], PAGE_MISSED);
        write_segment("a", pages, 4, 0);
        page_begin(&pages[0], 1500);
        page_put_read(&pages[0], 0, 0x15);
        page_put_read(&pages[0], 1000, 0x25);
        page_put_read(&pages[0], 1000, 0x35);
        write_segment("b", pages, 1, 0);

        cr_assert_eq(trace_add_segment(trace, 2, test_dir(), "a"), 0);
        cr_assert_eq(trace_add_segment(trace, 3, test_dir(), "b"), 0);
        assert_text(trace,
                        "CPU:2 [LOST 30 EVENTS]\n"
                        READ_LINE("000001", "0x1")
                        READ_LINE("000002", "0x15")
                        "CPU:2 [LOST 12 EVENTS]\n"
                        READ_LINE("000003", "0x25")
                        "CPU:2 [LOST EVENTS]\n"
                        READ_LINE("000003", "0x3")
                        READ_LINE("000004", "0x35")
                        "CPU:2 [LOST EVENTS]\n");
        t = trace_totals(trace);
        cr_assert_eq(t->n_gaps, 4);
        cr_assert_eq(t->n_by_type[RECORD_LOST], 4);
        cr_assert_eq(t->n_gaps_uncounted, 2);
        cr_assert_eq(t->n_lost, 42);
        /* A gap is no event. */
        cr_assert_eq(t->n_events, 5);
        cr_assert_eq(t->first_ns, 1000);
        cr_assert_eq(t->last_ns, 3500);
}

/* Three pages, of which the last has room behind its two events. */
static void write_cut_segment(size_t cut_bytes) {
        PageBuilder pages[3];

        page_begin(&pages[0], 1000);
        page_put_read(&pages[0], 0, 1);
        page_begin(&pages[1], 2000);
        page_put_read(&pages[1], 0, 2);
        page_begin(&pages[2], 3000);
        page_put_read(&pages[2], 0, 3);
        page_put_read(&pages[2], 1000, 4);
        write_segment("cut", pages, 3, cut_bytes);
}

Test(trace, page_cut_behind_its_data) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");

        write_cut_segment(1000);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "cut"), 0);
        assert_text(trace, READ_LINE("000001", "0x1") READ_LINE("000002", "0x2") READ_LINE("000003", "0x3")
                        READ_LINE("000004", "0x4"));
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 1);
        cr_assert_eq(trace_totals(trace)->n_raw_bytes, 3 * PAGE_BYTES - 1000);
}

Test(trace, page_cut_in_its_header) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");

        write_cut_segment(PAGE_BYTES - 10);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "cut"), 0);
        assert_text(trace, READ_LINE("000001", "0x1") READ_LINE("000002", "0x2"));
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 1);
        cr_assert_eq(trace_totals(trace)->n_events, 2);
}

/* The cut is in the second event: the first one can be read, and is kept. */
Test(trace, page_cut_in_its_data) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");

        write_cut_segment(PAGE_BYTES - PAGE_DATA_OFFSET - 44 - 20);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "cut"), 0);
        assert_text(trace, READ_LINE("000001", "0x1") READ_LINE("000002", "0x2") READ_LINE("000003", "0x3"));
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 1);
}

/* A torn page in the middle, as a crash of the machine leaves it, takes nothing with it but itself. */
Test(trace, torn_page_in_between) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder pages[4];

        page_begin(&pages[0], 1000);
        page_put_read(&pages[0], 0, 1);
        page_begin(&pages[1], 2000);
        page_put_read(&pages[1], 0, 2);
        page_put_header(&pages[1], TYPE_LONG, 1);
        page_put32(&pages[1], 0);
        page_put_read(&pages[1], 0, 0xbad);
        page_begin(&pages[2], 2500);
        page_set_commit(&pages[2], PAGE_BYTES);
        page_begin(&pages[3], 3000);
        page_put_read(&pages[3], 0, 3);
        write_segment("a", pages, 4, 0);
        write_segment("b", pages, 1, 100);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "a"), 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "b"), 0);
        assert_text(trace, READ_LINE("000001", "0x1") READ_LINE("000002", "0x2") GAP_LINE READ_LINE("000003", "0x3")
                        READ_LINE("000001", "0x1"));
        cr_assert_eq(trace_totals(trace)->n_torn_pages, 3);
        cr_assert_eq(trace_totals(trace)->n_events, 4);
        cr_assert_eq(trace_totals(trace)->n_gaps_uncounted, 1);
}

/* However much of a page cannot be read, it is one page. */
Test(trace, torn_page_is_counted_once) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1"), *cut = new_trace("e1000e-6.1");
        const RwPayload bad = { .type = EVENT_RW, .opcode = 9 };
        PageBuilder page;

        page_begin(&page, 1000);
        page_put_event(&page, 0, &bad, sizeof bad);
        page_put_read(&page, 1000, 1);
        page_put_event(&page, 0, &bad, sizeof bad);
        page_put_read(&page, 1000, 2);
        write_segment("bad-events", &page, 1, 0);
        cr_assert_eq(trace_add_segment(trace, 0, test_dir(), "bad-events"), 0);
        assert_text(trace, READ_LINE("000002", "0x1") READ_LINE("000003", "0x2"));
        cr_expect_eq(trace_totals(trace)->n_torn_pages, 1, "%" PRIu64, trace_totals(trace)->n_torn_pages);

        page_begin(&page, 1000);
        page_put_read(&page, 1000, 1);
        page_put_header(&page, 28, 0);
        write_segment("bad-and-cut", &page, 1, 1000);
        cr_assert_eq(trace_add_segment(cut, 0, test_dir(), "bad-and-cut"), 0);
        assert_text(cut, READ_LINE("000002", "0x1"));
        cr_expect_eq(trace_totals(cut)->n_torn_pages, 1, "%" PRIu64, trace_totals(cut)->n_torn_pages);
}

Test(trace, folder) {
        static const char *const others[] = {
                "cpu0.raw", ".#cpu0-000000.raw.xz", "cpu0-000000.raw.gz", "cpu0-000000.xz", "cpu0-000000.raw~", "cpu0-000000.ra", "cpu0-000000",
                "xcpu0-000000.raw", ".cpu0-000000.raw", "cpu-000000.raw", "cpu0-.raw", "cpux-000000.raw",
                "cpu0_000000.raw", "CPU0-000000.raw", "cpu0-000000.RAW", "cpu0-0000000.raw",
                "cpu0-00000x.raw", "formats", "stats",
        };
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");
        PageBuilder page;

        page_begin(&page, 1000);
        page_put_mark(&page, 0, "not to be read\n");
        for (size_t i = 0; i < ELEMENTS(others); i++)
                write_segment(others[i], &page, 1, 0);
        /* Made in another order than theirs, so that a wrong one shows. */
        page_begin(&page, 3000);
        page_put_mark(&page, 0, "zero, third\n");
        write_segment("cpu0-000010.raw", &page, 1, 0);
        page_begin(&page, 2000);
        page_put_mark(&page, 0, "zero, second\n");
        write_segment("cpu0-000009.raw", &page, 1, 0);
        page_begin(&page, 5000);
        page_put_mark(&page, 0, "ten\n");
        write_segment("cpu10-000000.raw", &page, 1, 0);
        page_begin(&page, 1000);
        page_put_mark(&page, 0, "zero, first\n");
        write_segment("cpu0-000000.raw", &page, 1, 0);
        page_begin(&page, 4000);
        page_put_mark(&page, 0, "two\n");
        page_set_missed(&page, 1);
        write_segment("cpu2-000123.raw", &page, 1, 0);

        cr_assert_eq(trace_add_folder(trace, test_dir()), 5);
        assert_text(trace,
                        "MARK 0.000001 zero, first\n"
                        "MARK 0.000002 zero, second\n"
                        "MARK 0.000003 zero, third\n"
                        "CPU:2 [LOST 1 EVENTS]\n"
                        "MARK 0.000004 two\n"
                        "MARK 0.000005 ten\n");
}

/* Names that sscanf() takes for right: with signs, with blanks, with too few digits, which do not sort. */
Test(trace, folder_with_names_nearly_right) {
        static const char *const others[] = {
                "cpu-1-000000.raw", "cpu+1-000000.raw", "cpu 1-000000.raw", "cpu1--00001.raw",
                "cpu1-+00001.raw", "cpu1- 00001.raw", "cpu1-1.raw", "cpu1-00001.raw",
        };

        for (size_t i = 0; i < ELEMENTS(others); i++) {
                _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");

                test_file(others[i], "", 0);
                cr_expect_eq(trace_add_folder(trace, test_dir()), 0, "\"%s\" was taken", others[i]);
                cr_assert_eq(unlinkat(test_dir(), others[i], 0), 0);
        }
}

Test(trace, folder_without_segments) {
        _cleanup_(trace_freep) Trace *trace = new_trace("e1000e-6.1");

        cr_assert_eq(trace_add_folder(trace, test_dir()), 0);
        cr_assert_eq(trace_add_folder(trace, -EBADF), -EBADF);
        assert_text(trace, "");
        cr_assert_eq(trace_totals(trace)->n_events, 0);
        cr_assert_eq(trace_totals(trace)->n_raw_bytes, 0);
}

Test(trace, segments_that_cannot_be_read) {
        _cleanup_(trace_freep) Trace *missing = new_trace("e1000e-6.1"), *folder = new_trace("e1000e-6.1");
        Record r;

        cr_assert_eq(trace_add_segment(missing, 0, test_dir(), "missing"), 0);
        cr_assert_eq(trace_next(missing, &r), -ENOENT);
        cr_assert_eq(mkdirat(test_dir(), "folder", 0700), 0);
        cr_assert_eq(trace_add_segment(folder, 0, test_dir(), "folder"), 0);
        cr_assert_eq(trace_next(folder, &r), -EINVAL);
        cr_assert_null(trace_free(NULL));
}
