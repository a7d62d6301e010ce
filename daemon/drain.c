/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <tracefs/tracefs.h>

#include "drain.h"
#include "names.h"
#include "ring.h"
#include "tracer.h"

#define SEGMENT_MAX_BYTES (64 * MIB)
#define BATCH_PAGES 64

/* The kernel does not wake poll() when the ring is less than buffer_percent full, nor when it is switched off: so a
 * timer. 10 MB/s, the busiest driver on record, make 1 MB in this time. */
#define WAKE_MSEC 100
#define STATS_USEC USEC_PER_SEC

/* Writers that were in the middle of an event when recording went off: another CPU's, a few microseconds. */
#define SETTLE_MSEC 5
#define SETTLE_ROUNDS 20

typedef struct Source {
        unsigned cpu;
        int pipe_fd, segment_fd;
        unsigned n_segments;
        uint64_t segment_bytes;
} Source;

typedef struct Drain {
        const DrainRequest *request;
        Error *error;
        Source *sources;
        size_t n_sources;
        uint8_t *batch;
        size_t subbuf_bytes;
} Drain;

static void drain_done(Drain *d) {
        for (size_t i = 0; i < d->n_sources; i++) {
                safe_close(d->sources[i].pipe_fd);
                safe_close(d->sources[i].segment_fd);
        }
        free(d->sources);
        free(d->batch);
}

static int next_segment(Drain *d, Source *s) {
        char name[32];

        if (s->segment_fd >= 0 && fsync(s->segment_fd) < 0)
                return error_set_errno(d->error, ERROR_NO_SPACE, -errno, "Cannot write the captured pages to disk");
        s->segment_fd = safe_close(s->segment_fd);
        (void) snprintf(name, sizeof name, "cpu%u-%06u.raw", s->cpu, s->n_segments++);
        s->segment_fd = openat(d->request->raw_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (s->segment_fd < 0)
                return error_set_errno(d->error, ERROR_NO_SPACE, -errno, "Cannot create a segment for captured pages");
        s->segment_bytes = 0;
        return 0;
}

static int open_sources(Drain *d) {
        CpuSet cpus;
        int r;

        r = cpu_set_parse(d->request->online, &cpus);
        if (r < 0)
                return r;
        d->sources = calloc(cpu_set_count(&cpus), sizeof(Source));
        if (!d->sources)
                return -ENOMEM;
        for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
                Source *s = d->sources + d->n_sources;
                char name[64];

                if (!cpu_set_has(&cpus, cpu))
                        continue;
                *s = (Source) { .cpu = cpu, .pipe_fd = -EBADF, .segment_fd = -EBADF };
                d->n_sources++;
                (void) snprintf(name, sizeof name, "per_cpu/cpu%u/trace_pipe_raw", cpu);
                s->pipe_fd = tracefs_instance_file_open(NULL, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
                if (s->pipe_fd < 0)
                        return error_set_errno(d->error, ERROR_READER_BUSY, -errno, "Cannot open %s", name);
                r = next_segment(d, s);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int flush_batch(Drain *d, Source *s, size_t bytes) {
        int r;

        if (bytes == 0)
                return 0;
        if (s->segment_bytes + bytes > SEGMENT_MAX_BYTES) {
                r = next_segment(d, s);
                if (r < 0)
                        return r;
        }
        r = write_all(s->segment_fd, d->batch, bytes);
        if (r < 0)
                return error_set_errno(d->error, ERROR_NO_SPACE, r, "Cannot write the captured pages to disk");
        s->segment_bytes += bytes;
        atomic_fetch_add(&d->request->counters->n_raw_bytes, bytes);
        return 0;
}

/* Takes what is there: a read of a whole sub-buffer also gives the page that the kernel is still filling. */
static int drain_source(Drain *d, Source *s) {
        size_t filled_bytes = 0;
        ssize_t n;
        int r;

        for (;;) {
                n = read(s->pipe_fd, d->batch + filled_bytes, d->subbuf_bytes);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                /* A short page would shift every page behind it in the segment. */
                if ((size_t) n < d->subbuf_bytes)
                        memset(d->batch + filled_bytes + n, 0, d->subbuf_bytes - (size_t) n);
                filled_bytes += d->subbuf_bytes;
                if (filled_bytes == BATCH_PAGES * d->subbuf_bytes) {
                        r = flush_batch(d, s, filled_bytes);
                        if (r < 0)
                                return r;
                        filled_bytes = 0;
                }
        }
        if (n < 0 && errno != EAGAIN) {
                r = -errno;
                (void) flush_batch(d, s, filled_bytes);
                return error_set_errno(d->error, ERROR_KERNEL, r, "Cannot read the ring buffer of CPU %u", s->cpu);
        }
        return flush_batch(d, s, filled_bytes);
}

static int drain_all(Drain *d) {
        int r;

        for (size_t i = 0; i < d->n_sources; i++) {
                r = drain_source(d, d->sources + i);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_stats(Drain *d, uint64_t *ret_n_entries) {
        uint64_t n_events = 0, n_lost = 0, n_entries = 0;
        int r;

        for (size_t i = 0; i < d->n_sources; i++) {
                TracerStats stats;

                r = tracer_read_stats(d->sources[i].cpu, &stats);
                if (r < 0)
                        return error_set_errno(d->error, ERROR_KERNEL, r, "Cannot read the ring buffer's statistics");
                n_events += stats.n_entries + stats.n_read;
                n_lost += stats.n_overrun + stats.n_dropped;
                n_entries += stats.n_entries;
        }
        atomic_store(&d->request->counters->n_events, n_events);
        atomic_store(&d->request->counters->n_lost, n_lost);
        if (ret_n_entries)
                *ret_n_entries = n_entries;
        return 0;
}

/* The losses are read while nothing can be recorded any more, and before the kernel clears them with the tracer. */
static int finish(Drain *d) {
        uint64_t n_entries = 1;
        int r;

        r = tracer_set_recording(false);
        if (r < 0)
                return error_set_errno(d->error, ERROR_KERNEL, r, "Cannot switch the recording off");
        for (unsigned i = 0; i < SETTLE_ROUNDS && n_entries > 0; i++) {
                if (i > 0)
                        (void) poll(NULL, 0, SETTLE_MSEC);
                r = drain_all(d);
                if (r < 0)
                        return r;
                r = read_stats(d, &n_entries);
                if (r < 0)
                        return r;
        }
        if (n_entries > 0)
                return error_set(d->error, ERROR_KERNEL,
                                "%" PRIu64 " events are left in the ring buffer, and the kernel does not give them out.",
                                n_entries);
        for (size_t i = 0; i < d->n_sources; i++)
                if (fsync(d->sources[i].segment_fd) < 0)
                        return error_set_errno(d->error, ERROR_NO_SPACE, -errno, "Cannot write the captured pages to disk");
        return 0;
}

static int drain_until_stopped(Drain *d) {
        uint64_t stats_usec = 0;
        int r;

        for (;;) {
                struct pollfd control = { .fd = d->request->control_fd, .events = POLLIN };
                char byte;

                r = drain_all(d);
                if (r < 0)
                        return r;
                if (now_monotonic_usec() - stats_usec >= STATS_USEC) {
                        r = read_stats(d, NULL);
                        if (r < 0)
                                return r;
                        stats_usec = now_monotonic_usec();
                }
                if (poll(&control, 1, WAKE_MSEC) < 0 && errno != EINTR)
                        return -errno;
                if (control.revents == 0)
                        continue;
                if (read(control.fd, &byte, 1) == 1 && byte == DRAIN_STOP)
                        return finish(d);
                /* The daemon died. What was read is in the page cache; whoever comes next goes on from there. */
                return drain_all(d);
        }
}

int drain_run(const DrainRequest *request, Error *error) {
        _cleanup_(drain_done) Drain d = { .request = request, .error = error };
        _cleanup_close_ int formats_fd = -EBADF;
        RingFormat format;
        int r;

        formats_fd = openat(request->raw_fd, "formats", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (formats_fd < 0)
                return -errno;
        r = ring_format_load(formats_fd, &format);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "The kernel describes its ring buffer in an unknown way");
        d.subbuf_bytes = format.subbuf_bytes;
        d.batch = malloc(BATCH_PAGES * d.subbuf_bytes);
        if (!d.batch)
                return -ENOMEM;
        r = open_sources(&d);
        if (r < 0)
                return r;
        request->ready(request->userdata);
        r = drain_until_stopped(&d);
        if (r < 0)
                (void) tracer_set_recording(false);
        return r;
}
