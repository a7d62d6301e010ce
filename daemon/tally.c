/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#include "blind.h"
#include "names.h"
#include "segment-file.h"
#include "segment-name.h"
#include "tally.h"
#include "text-trace.h"

#define WAKE_MSEC 1000
#define BATCH_PAGES 64
#define BATCH_RECORDS 4096
/* For each millisecond of work so many of sleep: a quarter of a per cent of the CPU. It falls behind a busy driver by that,
 * but what is not yet counted is counted in the end, and the driver pays for every event that is counted now. */
#define REST_FACTOR 399

typedef struct Stream {
        unsigned cpu, number;
        SegmentFile *file;
        uint64_t offset_bytes;
} Stream;

typedef struct Tally {
        int raw_fd;
        RingFormat format;
        DrainCounters *counters;
        Blind *blind;
        Stream *streams;
        size_t n_streams;
        uint8_t *batch;
} Tally;

static void tally_done(Tally *t) {
        blind_free(t->blind);
        for (size_t i = 0; i < t->n_streams; i++)
                segment_file_free(t->streams[i].file);
        free(t->streams);
        free(t->batch);
}

static int count_record(Tally *t, const Record *record) {
        _Atomic uint64_t *const counts[] = {
                [RECORD_READ] = &t->counters->n_reads,
                [RECORD_WRITE] = &t->counters->n_writes,
                [RECORD_UNKNOWN] = &t->counters->n_unknown,
                [RECORD_MAP] = &t->counters->n_maps,
        };

        if ((size_t) record->type < ELEMENTS(counts) && counts[record->type])
                atomic_fetch_add_explicit(counts[record->type], 1, memory_order_relaxed);
        return blind_record(t->blind, record);
}

static int count_page(Tally *t, const uint8_t *page) {
        RingEvent event;
        Record record;
        RingPage p;
        int r;

        r = ring_page_open(&t->format, page, t->format.subbuf_bytes, &p);
        while (r > 0 && (r = ring_page_next(&p, &event)) > 0) {
                if (ring_event_to_record(&t->format, &event, &record) <= 0)
                        continue;
                r = count_record(t, &record);
                if (r < 0)
                        return r;
                r = 1;
        }
        return r == -EBADMSG ? 0 : r;
}

static int open_number(const Tally *t, Stream *s) {
        char name[SEGMENT_NAME_MAX];
        unsigned first;
        int r;

        segment_name_format(name, s->cpu, s->number, false);
        r = segment_file_open(t->raw_fd, name, &s->file);
        if (r != -ENOENT || segment_find_first(t->raw_fd, s->cpu, &first) <= 0 || first <= s->number)
                return r;
        /* It was given up before its turn came. */
        s->number = first;
        segment_name_format(name, s->cpu, s->number, false);
        return segment_file_open(t->raw_fd, name, &s->file);
}

static bool next_exists(const Tally *t, const Stream *s) {
        char name[SEGMENT_NAME_MAX];

        segment_name_format(name, s->cpu, s->number + 1, false);
        return segment_file_exists(t->raw_fd, name);
}

/* How many pages to read at once, and of those written so far: all, or, as the last one may be one that the kernel is
 * copying into at this moment, all but that. */
static int ready_pages(const Tally *t, const Stream *s, bool complete, size_t *ret) {
        uint64_t left_bytes;
        struct stat st;

        *ret = BATCH_PAGES;
        if (complete)
                return 0;
        if (fstat(segment_file_fd(s->file), &st) < 0)
                return -errno;
        left_bytes = (uint64_t) st.st_size > s->offset_bytes ? (uint64_t) st.st_size - s->offset_bytes : 0;
        *ret = left_bytes < t->format.subbuf_bytes ? 0 :
                (size_t) MIN(left_bytes / t->format.subbuf_bytes - 1, (uint64_t) BATCH_PAGES);
        return 0;
}

/* Returns 1 if there may be more at once. */
static int count_batch(Tally *t, Stream *s) {
        size_t subbuf_bytes = t->format.subbuf_bytes, n_pages, bytes = 0;
        bool complete;
        int r;

        if (!s->file) {
                r = open_number(t, s);
                if (r < 0)
                        return r == -ENOENT ? 0 : r;
        }
        complete = next_exists(t, s);
        r = ready_pages(t, s, complete, &n_pages);
        if (r < 0)
                return r;
        r = segment_file_read(s->file, t->batch, n_pages * subbuf_bytes, &bytes);
        if (r < 0 && r != -EBADMSG)
                return r;
        for (size_t done = 0; done + subbuf_bytes <= bytes; done += subbuf_bytes) {
                r = count_page(t, t->batch + done);
                if (r < 0)
                        return r;
                s->offset_bytes += subbuf_bytes;
        }
        if (bytes >= subbuf_bytes || !complete)
                return bytes >= subbuf_bytes;
        s->file = segment_file_free(s->file);
        s->number++;
        s->offset_bytes = 0;
        return 1;
}

static uint64_t work_nsec(void) {
        struct timespec ts;

        return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) < 0 ? 0 :
                (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static void rest(uint64_t worked_nsec) {
        uint64_t nsec = worked_nsec * REST_FACTOR;

        (void) nanosleep(&(struct timespec) { (time_t) (nsec / 1000000000), (long) (nsec % 1000000000) }, NULL);
}

static int tally_text(Tally *t) {
        _cleanup_(text_trace_freep) TextTrace *trace = NULL;
        uint64_t before_nsec = work_nsec();
        Record record;
        int r;

        r = text_trace_new(t->raw_fd, true, &trace);
        for (uint64_t n = 1; r >= 0; n++) {
                r = text_trace_next(trace, &record);
                if (r > 0)
                        r = count_record(t, &record);
                else if (r == 0)
                        (void) poll(NULL, 0, WAKE_MSEC);
                if (n % BATCH_RECORDS != 0)
                        continue;
                rest(work_nsec() - before_nsec);
                before_nsec = work_nsec();
        }
        return r;
}

static int tally_pages(Tally *t, const DrainPipe *pipes, size_t n_pipes) {
        _cleanup_close_ int formats_fd = -EBADF;
        int r;

        formats_fd = openat(t->raw_fd, RAW_FORMATS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (formats_fd < 0)
                return -errno;
        r = ring_format_load(formats_fd, &t->format);
        if (r < 0)
                return r;
        t->batch = malloc(BATCH_PAGES * t->format.subbuf_bytes);
        t->streams = calloc(n_pipes, sizeof(Stream));
        if (!t->batch || !t->streams)
                return -ENOMEM;
        for (size_t i = 0; i < n_pipes; i++)
                t->streams[t->n_streams++] = (Stream) { .cpu = pipes[i].cpu };

        for (;;) {
                for (size_t i = 0; i < t->n_streams; i++)
                        for (;;) {
                                uint64_t before_nsec = work_nsec();

                                r = count_batch(t, t->streams + i);
                                if (r < 0)
                                        return r;
                                if (r == 0)
                                        break;
                                rest(work_nsec() - before_nsec);
                        }
                (void) poll(NULL, 0, WAKE_MSEC);
        }
}

int tally_run(int raw_fd, bool text, const DrainPipe *pipes, size_t n_pipes, DrainCounters *counters,
        void (*warn)(const char *text, void *userdata), void *userdata) {
        _cleanup_(tally_done) Tally t = { .raw_fd = raw_fd, .counters = counters };
        int r;

        r = blind_new(warn, userdata, &t.blind);
        if (r < 0)
                return r;
        return text ? tally_text(&t) : tally_pages(&t, pipes, n_pipes);
}
