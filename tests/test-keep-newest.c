/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "early-seal.h"
#include "kept.h"
#include "page-builder.h"
#include "raw-segment.h"
#include "segment-name.h"
#include "test-util.h"
#include "trace.h"

TestSuite(keep_newest, .fini = test_done, .timeout = 150);

#define SEGMENT_PAGES 24
#define READS_MAX 90
#define RECORDS_MAX 400000

static RingFormat format;

static void load_format(void) {
        _cleanup_close_ int fd = test_open_formats("e1000e-6.1");

        cr_assert_eq(ring_format_load(fd, &format), 0);
}

/* What pages are made of: each page is later than the one before, and the kernel's counts of loss only grow. */
typedef struct Writer {
        unsigned cpu, number;
        unsigned reads_max;
        uint64_t time_ns, phys;
        uint64_t n_overrun, n_dropped;
        FILE *loss;
} Writer;

static void put_map(PageBuilder *b, uint32_t map_id) {
        const MapPayload payload = { .type = EVENT_MAP, .pid = 77, .phys = 0xfeb00000, .length = 0x1000, .map_id = (int) map_id, .opcode = 3 };

        page_put_event(b, 1000, &payload, sizeof payload);
}

/* A page that the kernel has lost events in front of now and then, with or without a count. */
static void make_page(Writer *w, PageBuilder *b, bool lossy) {
        unsigned n = 1 + (unsigned) rand() % w->reads_max;

        page_begin(b, w->time_ns);
        for (unsigned i = 0; i < n; i++)
                page_put_read(b, 1000, w->phys++);
        if (rand() % 9 == 0) {
                page_put_mark(b, 1000, "here\n");
                put_map(b, (uint32_t) rand() % 100);
        }
        if (rand() % 4 == 0)
                page_put_stack(b, 1);
        w->time_ns += 1000 * 100;
        if (!lossy || rand() % 5 != 0)
                return;
        n = 1 + (unsigned) rand() % 50;
        w->n_overrun += n;
        if (rand() % 2 == 0)
                page_set_missed(b, n);
        else
                page_set_commit(b, b->length_bytes | PAGE_MISSED);
}

static void note_loss(const Writer *w, unsigned n_pages) {
        (void) fprintf(w->loss, "%u %u %" PRIu64 " %" PRIu64 "\n", w->number, n_pages * PAGE_BYTES, w->n_overrun, w->n_dropped);
}

static void write_segment(Writer *w, bool lossy) {
        _cleanup_free_ uint8_t *all = malloc(SEGMENT_PAGES * PAGE_BYTES);
        char name[SEGMENT_NAME_MAX];

        cr_assert_not_null(all);
        for (unsigned i = 0; i < SEGMENT_PAGES; i++) {
                PageBuilder b;

                make_page(w, &b, lossy);
                memcpy(all + i * PAGE_BYTES, b.page, PAGE_BYTES);
                if (lossy && rand() % 6 == 0)
                        w->n_dropped += (unsigned) rand() % 30;
                note_loss(w, i + 1);
        }
        segment_name_format(name, w->cpu, w->number, false);
        test_file(name, all, SEGMENT_PAGES * PAGE_BYTES);
        w->number++;
}

static void write_row(unsigned cpu, unsigned n_segments, unsigned reads_max, bool lossy) {
        Writer w = { .cpu = cpu, .reads_max = reads_max, .time_ns = 1000000 + cpu, .phys = 0x1000 };
        _cleanup_free_ char *text = NULL;
        char name[32];
        size_t bytes;

        w.loss = open_memstream(&text, &bytes);
        cr_assert_not_null(w.loss);
        for (unsigned i = 0; i < n_segments; i++)
                write_segment(&w, lossy);
        cr_assert_eq(fclose(w.loss), 0);
        (void) snprintf(name, sizeof name, "cpu%u.loss", cpu);
        test_file(name, text, bytes);
}

/* What a reader gets of one CPU. */
typedef struct Read {
        size_t n;
        Record records[RECORDS_MAX];
        TraceTotals totals;
} Read;

static Read *read_row(unsigned cpu) {
        _cleanup_(trace_freep) Trace *trace = NULL;
        Read *read = malloc(sizeof(Read));
        Record record;
        int r;

        cr_assert_not_null(read);
        read->n = 0;
        cr_assert_eq(trace_new(&format, &trace), 0);
        cr_assert_geq(trace_add_folder(trace, test_dir()), 0);
        while ((r = trace_next(trace, &record)) > 0) {
                if (record.cpu != cpu)
                        continue;
                cr_assert_lt(read->n, RECORDS_MAX);
                record.text = NULL;
                read->records[read->n++] = record;
        }
        cr_assert_eq(r, 0);
        read->totals = *trace_totals(trace);
        return read;
}

/* The time of a gap is in no line, and is that of the first thing behind it. */
static bool same(const Record *a, const Record *b) {
        return a->type == b->type && (a->time_ns == b->time_ns || a->type == RECORD_LOST) && a->phys == b->phys && a->map_id == b->map_id && a->lost == b->lost &&
                a->given_up == b->given_up && a->text_bytes == b->text_bytes;
}

/* After is before, with accesses given up at their places, and nothing else; events that a full ring had refused in the
 * middle of those that were given up stand behind them. Returns how many. */
static uint64_t assert_given_up(const Read *before, const Read *after) {
        uint64_t n_given_up = 0, n_refused = 0;
        size_t i = 0;

        for (size_t j = 0; j < after->n; j++) {
                const Record *record = after->records + j;

                if (!record->given_up && n_refused > 0) {
                        cr_assert_eq(record->type, RECORD_LOST);
                        cr_assert_leq(record->lost, n_refused);
                        n_refused -= record->lost;
                        continue;
                }
                if (!record->given_up) {
                        cr_assert_lt(i, before->n);
                        cr_assert(same(before->records + i, record), "record %zu, which was %zu: %d, %" PRIu64 " ns, 0x%" PRIx64 ", lost %" PRIu64
                                        "; was %d, %" PRIu64 " ns, 0x%" PRIx64 ", lost %" PRIu64, j, i, record->type, record->time_ns, record->phys,
                                        record->lost, before->records[i].type, before->records[i].time_ns, before->records[i].phys,
                                        before->records[i].lost);
                        i++;
                        continue;
                }
                cr_assert_eq(record->type, RECORD_LOST);
                n_given_up += record->lost;
                for (uint64_t k = 0; k < record->lost; k++, i++) {
                        cr_assert_lt(i, before->n);
                        for (; before->records[i].type == RECORD_LOST; i++)
                                n_refused += before->records[i].lost;
                        cr_assert(record_is_access(before->records + i), "record %zu, given up, is no access", i);
                }
        }
        cr_assert_eq(n_refused, 0);
        cr_assert_eq(i, before->n);
        return n_given_up;
}

static bool exists(const char *name) {
        return faccessat(test_dir(), name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static void assert_state(uint64_t n_given_up) {
        KeepNewestState state;

        cr_assert_eq(keep_newest_look(test_dir(), &format, &state), 0);
        cr_assert_eq(state.n_events, n_given_up, "%" PRIu64 ", not %" PRIu64, state.n_events, n_given_up);
}

Test(keep_newest, oldest_first) {
        Read *before, *after;
        unsigned number;
        uint64_t n;

        load_format();
        srand(1);
        write_row(3, 4, READS_MAX, false);
        before = read_row(3);
        cr_assert_eq(segment_find_first(test_dir(), 3, &number), 0);
        for (unsigned i = 0; i < 3; i++) {
                char kept[64], name[64];

                cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
                (void) snprintf(kept, sizeof kept, "cpu3-%06u.kept.xz", i);
                (void) snprintf(name, sizeof name, "cpu3-%06u.raw", i);
                cr_assert(exists(kept));
                cr_assert_not(exists(name));
                (void) snprintf(kept, sizeof kept, "cpu3-%06u.kept.xz", i - 1);
                cr_assert_not(exists(kept));
                after = read_row(3);
                n = assert_given_up(before, after);
                cr_assert_gt(n, (i + 1) * SEGMENT_PAGES * READS_MAX / 4);
                cr_assert_eq(after->totals.n_given_up, n);
                cr_assert_eq(after->totals.n_events + n, before->totals.n_events);
                cr_assert_eq(after->totals.n_other + after->totals.n_given_up_other, before->totals.n_other);
                cr_assert_eq(after->totals.n_lost, 0);
                cr_assert_eq(after->totals.n_gaps, 0);
                cr_assert_eq(after->totals.n_torn_pages, 0);
                assert_state(n);
                free(after);
        }
        /* The last one is being written. */
        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 0);
        cr_assert(exists("cpu3-000003.raw"));
        cr_assert_eq(segment_find_first(test_dir(), 3, &number), 1);
        cr_assert_eq(number, 3);
        free(before);
}

/* What the kernel had lost stays where it was and as much as it was, to the event, whatever was given up around it. */
Test(keep_newest, loss_of_the_kernel_is_kept_apart) {
        load_format();
        for (unsigned seed = 1; seed <= 25; seed++) {
                Read *before, *after;

                srand(seed);
                write_row(0, 5, seed % 2 == 0 ? 3 : READS_MAX, true);
                before = read_row(0);
                for (unsigned i = 0; i < 4; i++) {
                        uint64_t n;

                        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
                        after = read_row(0);
                        n = assert_given_up(before, after);
                        cr_assert_gt(n, 0);
                        cr_assert_eq(after->totals.n_lost, before->totals.n_lost);
                        cr_assert_eq(after->totals.n_gaps, before->totals.n_gaps);
                        assert_state(n);
                        free(after);
                }
                free(before);
                test_dir_fd = safe_close(test_dir_fd);
                cr_assert_eq(nftw(test_dir_path, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
        }
}

/* Of several CPUs the one whose segment is the oldest; compressed ones as well. */
Test(keep_newest, several_cpus) {
        uint64_t held_bytes, disk_bytes;
        Read *before[2], *after;

        load_format();
        srand(5);
        for (unsigned cpu = 0; cpu < 2; cpu++)
                write_row(cpu, 3, READS_MAX, true);
        for (unsigned cpu = 0; cpu < 2; cpu++)
                before[cpu] = read_row(cpu);
        while (early_seal_next(test_dir(), 0, &held_bytes, &disk_bytes) > 0)
                ;
        for (unsigned i = 0; i < 4; i++) {
                char name[64];

                cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
                /* In turn, as they were written at the same time. */
                (void) snprintf(name, sizeof name, "cpu%u-%06u.kept.xz", i % 2, i / 2);
                cr_assert(exists(name), "%s", name);
                for (unsigned cpu = 0; cpu < 2; cpu++) {
                        after = read_row(cpu);
                        (void) assert_given_up(before[cpu], after);
                        free(after);
                }
        }
        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 0);
        for (unsigned cpu = 0; cpu < 2; cpu++)
                free(before[cpu]);
}

/* What is in the way of nothing, and what an earlier one had not removed. */
Test(keep_newest, take_over) {
        static const char *const others[] = { "cpu0-000009.raw~", "cpu0-00008.kept", "cpu1-000000.raw", "kallsyms" };
        _cleanup_free_ char *first = NULL, *kept = NULL;
        Read *before, *after;
        size_t bytes, kept_bytes;
        EarlySealState state;

        load_format();
        srand(2);
        write_row(0, 4, READS_MAX, false);
        before = read_row(0);
        for (size_t i = 0; i < ELEMENTS(others); i++)
                test_file(others[i], "x", 1);
        cr_assert_eq(read_file_at(test_dir(), "cpu0-000000.raw", MIB, &first, &bytes), 0);
        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
        cr_assert_eq(read_file_at(test_dir(), "cpu0-000000.kept.xz", MIB, &kept, &kept_bytes), 0);
        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
        test_file("cpu0-000000.raw", first, bytes);
        test_file("cpu0-000000.kept.xz", kept, kept_bytes);
        test_file(".#cpu0-000002.kept.xz", "begun", 5);
        after = read_row(0);
        (void) assert_given_up(before, after);
        free(after);
        cr_assert_eq(keep_newest_take_over(test_dir()), 0);
        cr_assert_eq(early_seal_take_over(test_dir(), &state), 0);
        cr_assert_not(exists("cpu0-000000.raw"));
        cr_assert_not(exists("cpu0-000000.kept.xz"));
        cr_assert_not(exists(".#cpu0-000002.kept.xz"));
        cr_assert_eq(state.held_bytes, 0);
        for (size_t i = 0; i < ELEMENTS(others); i++)
                cr_assert(exists(others[i]));
        free(before);
}

/* At each moment a reader finds every event, or that it was given up, and never both. */
Test(keep_newest, killed_at_any_moment) {
        const unsigned n = 6;
        unsigned n_kills = 0;
        Read *before, *after;

        load_format();
        srand(3);
        write_row(0, n, READS_MAX, true);
        before = read_row(0);
        for (bool done = false; !done; n_kills++) {
                pid_t pid = fork();
                int status;

                cr_assert_geq(pid, 0);
                if (pid == 0) {
                        while (keep_newest_next(test_dir(), &format, 0) > 0)
                                ;
                        _exit(EXIT_SUCCESS);
                }
                (void) usleep((useconds_t) rand() % (300 * (n_kills + 1)));
                (void) kill(pid, SIGKILL);
                cr_assert_eq(waitpid(pid, &status, 0), pid);
                done = WIFEXITED(status);
                after = read_row(0);
                (void) assert_given_up(before, after);
                free(after);
                cr_assert_lt(n_kills, 3000);
        }
        free(before);
}

/* A drain that begins again knows how much was captured in all, and goes on behind it. */
Test(keep_newest, drain_goes_on_behind) {
        RawSegment *s;
        int fds[2];

        load_format();
        srand(4);
        write_row(0, 3, READS_MAX, false);
        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
        cr_assert_eq(pipe(fds), 0);
        cr_assert_eq(raw_segment_open(test_dir(), 0, PAGE_BYTES, MIB, fds[0], &s), 0);
        cr_assert_eq(raw_segment_total_bytes(s), 3 * SEGMENT_PAGES * PAGE_BYTES);
        raw_segment_free(s);
        cr_assert(exists("cpu0-000002.raw"));
        cr_assert_not(exists("cpu0-000003.raw"));
}

/* A page that is damaged is not given up: what can be read of it has not been counted. */
Test(keep_newest, damaged_page_stays) {
        _cleanup_free_ char *data = NULL;
        Read *before, *after;
        size_t bytes;

        load_format();
        srand(6);
        write_row(0, 2, READS_MAX, false);
        cr_assert_eq(read_file_at(test_dir(), "cpu0-000000.raw", MIB, &data, &bytes), 0);
        memset(data + 5 * PAGE_BYTES + 1024, 0xff, PAGE_BYTES - 1024);
        memset(data + 7 * PAGE_BYTES, 0, PAGE_BYTES);
        test_file("cpu0-000000.raw", data, bytes);
        before = read_row(0);
        cr_assert_eq(before->totals.n_torn_pages, 2);
        cr_assert_eq(keep_newest_next(test_dir(), &format, 0), 1);
        after = read_row(0);
        (void) assert_given_up(before, after);
        cr_assert_eq(after->totals.n_torn_pages, 2);
        free(before);
        free(after);
}

Test(keep_newest, names) {
        static const char *const bad[] = {
                "", "cpu", "cpu0", "cpu0-000000", "cpu0-000000.ra", "cpu0-000000.raw.x", "cpu0-000000.raw.xz.xz", "cpu-000000.raw",
                "cpu0-0000000.raw", "cpu0-00000.raw", "cpu123456-000000.raw", "cpux-000000.kept", "text-000000.log", "cpu0.loss",
        };
        SegmentName n;
        char name[SEGMENT_NAME_MAX];

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                cr_assert_eq(segment_name_parse(bad[i], &n), -EINVAL, "%s", bad[i]);
        cr_assert_eq(segment_name_parse("cpu12-000345.raw", &n), 0);
        cr_assert(n.cpu == 12 && n.number == 345 && !n.kept && !n.compressed);
        cr_assert_eq(segment_name_parse("cpu0-999999.kept.xz", &n), 0);
        cr_assert(n.cpu == 0 && n.number == 999999 && n.kept && n.compressed);
        segment_name_format(name, 12, 345, true);
        cr_assert_str_eq(name, "cpu12-000345.kept");
}

Test(keep_newest, due) {
        /* By what one session may take. */
        cr_assert_not(early_seal_must_give_up(1000 * MIB, 49 * MIB, 49 * MIB, 80 * MIB, false));
        cr_assert(early_seal_must_give_up(1000 * MIB, 50 * MIB, 50 * MIB, 80 * MIB, false));
        cr_assert_not(early_seal_must_give_up(1000 * MIB, 50 * MIB, 50 * MIB, STORAGE_UNLIMITED, false));
        /* By what there is: with a quarter of what is captured set aside for the log. */
        cr_assert_not(early_seal_must_give_up(340 * MIB, 660 * MIB, 660 * MIB, STORAGE_UNLIMITED, false));
        cr_assert(early_seal_must_give_up(200 * MIB, 800 * MIB, 800 * MIB, STORAGE_UNLIMITED, false));
        cr_assert(early_seal_must_give_up(0, 0, 0, STORAGE_UNLIMITED, false) == false);
}

static void tell(const EarlySealState *state, void *userdata) {
        const int *fd = userdata;

        (void) write_all(*fd, state, sizeof *state);
}

/* The process gives up as much as it has to, and no more. */
Test(keep_newest, run) {
        StorageSettings storage = {
                .max_use = { .set = true, .bytes = STORAGE_UNLIMITED }, .keep_free = { .set = true },
                .max_session = { .set = true, .bytes = 8 * SEGMENT_PAGES * PAGE_BYTES },
        };
        DrainCounters *counters = mmap(NULL, sizeof(DrainCounters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        EarlySealState state = {};
        int fds[2], status;
        Read *before, *after;
        pid_t pid;

        load_format();
        srand(7);
        write_row(0, 8, READS_MAX, false);
        before = read_row(0);
        cr_assert_eq(mkdirat(test_dir(), "formats", 0700), 0);
        for (size_t i = 0; i < n_ring_format_files; i++) {
                _cleanup_free_ char *text = NULL;
                char path[128];
                size_t bytes;

                (void) snprintf(path, sizeof path, "samples/e1000e-6.1/formats/%s", ring_format_files[i].name);
                test_data(path, &text, &bytes);
                (void) snprintf(path, sizeof path, "formats/%s", ring_format_files[i].name);
                test_file(path, text, bytes);
        }
        atomic_store(&counters->n_raw_bytes, 8 * SEGMENT_PAGES * PAGE_BYTES);
        cr_assert_eq(pipe(fds), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                (void) early_seal_run(&(EarlySealRequest) {
                                .raw_fd = test_dir(),
                                .sessions_fd = test_dir(),
                                .keep_newest = true,
                                .storage = &storage,
                                .counters = counters,
                                .tell = tell,
                                .userdata = fds + 1,
                });
                _exit(EXIT_FAILURE);
        }
        /* Three of eight would be enough but for what the kept file takes. */
        do
                cr_assert_eq(read(fds[0], &state, sizeof state), sizeof state);
        while (!exists("cpu0-000003.kept.xz"));
        cr_assert(exists("cpu0-000004.raw"));
        cr_assert_eq(atomic_load(&counters->n_given_up_bytes), state.given_up.bytes);
        cr_assert_gt(state.given_up.bytes, 3 * SEGMENT_PAGES * PAGE_BYTES);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        after = read_row(0);
        cr_assert_eq(assert_given_up(before, after), state.given_up.n_events);
        free(before);
        free(after);
        cr_assert_eq(munmap(counters, sizeof(DrainCounters)), 0);
}
