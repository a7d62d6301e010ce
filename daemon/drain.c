/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tracefs/tracefs.h>

#include "drain.h"
#include "names.h"
#include "raw-segment.h"
#include "reserve.h"
#include "syncer.h"
#include "text-source.h"
#include "tracer-watch.h"
#include "tracer.h"

/* As much as goes through the pipe at once; the kernel's limit for a pipe of root is higher. */
#define PIPE_BYTES (1 * MIB)
/* Then the other rings and the control descriptor get their turn, also when a driver on another CPU is faster. */
#define ROUND_MAX_PIPES 256

/* poll() wakes when the ring is as full as buffer_percent says, which arming sets, and never for less: so a timer for
 * what trickles. Two wake-ups a second for a quiet driver, if the disk may wait so long. */
#define WAKE_USEC (500 * USEC_PER_MSEC)
#define STATS_USEC USEC_PER_SEC

/* Writers that were in the middle of an event when recording went off: another CPU's, a few microseconds. */
#define SETTLE_MSEC 5
#define SETTLE_ROUNDS 20

typedef struct Source {
        const DrainPipe *pipe;
        int ring_fd, stats_fd;
        RawSegment *segment;    /* NULL: the text source has its own */
        TracerStats stats;
} Source;

typedef struct Drain {
        const DrainRequest *request;
        Error *error;
        Source *sources;
        size_t n_sources;
        TextSource *text;
        TracerWatch *watch;
        uint64_t subbuf_bytes;
        uint64_t wake_usec;
        uint64_t stats_usec, n_stats_events;
        uint64_t synced_usec, synced_bytes; /* when the syncer was last asked, and for how much */
        char *clocks, *cpumask;
        uint64_t ring_bytes;
        bool warned_off, warned_clock, warned_size, warned_wiped, warned_cpumask, warned_online, told_enough;
        bool finishing;         /* it was told to stop */
        bool ending;            /* the disk is full already */
} Drain;

static void drain_done(Drain *d) {
        for (size_t i = 0; i < d->n_sources; i++) {
                safe_close(d->sources[i].ring_fd);
                safe_close(d->sources[i].stats_fd);
                raw_segment_free(d->sources[i].segment);
        }
        free(d->sources);
        text_source_free(d->text);
        tracer_watch_free(d->watch);
        free(d->clocks);
        free(d->cpumask);
}

static int fail_write(Drain *d, int r) {
        return error_set_errno(d->error, errno_is_no_space(r) ? ERROR_NO_SPACE : ERROR_FAILED, r,
                        "Cannot write the captured pages to disk");
}

/* Without room even for that, the session is ending, and what is kept for its end is there for this as well. */
static int open_segment(const Drain *d, Source *s) {
        const DrainRequest *q = d->request;
        int r;

        r = raw_segment_open(q->raw_fd, s->pipe->cpu, d->subbuf_bytes, q->segment_bytes, s->pipe->read_fd, &s->segment);
        if (!errno_is_no_space(r))
                return r;
        r = reserve_release_pages(q->raw_fd);
        return r < 0 ? r : raw_segment_open(q->raw_fd, s->pipe->cpu, d->subbuf_bytes, q->segment_bytes, s->pipe->read_fd,
                                        &s->segment);
}

static int open_sources(Drain *d) {
        const DrainRequest *q = d->request;
        int r;

        d->sources = calloc(q->n_pipes, sizeof(Source));
        if (!d->sources)
                return -ENOMEM;
        for (size_t i = 0; i < q->n_pipes; i++) {
                Source *s = d->sources + i;
                char name[64];

                *s = (Source) { .pipe = q->pipes + i, .ring_fd = -EBADF, .stats_fd = -EBADF };
                d->n_sources++;
                s->stats_fd = tracer_stats_open(s->pipe->cpu);
                if (s->stats_fd < 0)
                        return error_set_errno(d->error, ERROR_KERNEL, s->stats_fd, "Cannot open the ring buffer's statistics");
                (void) snprintf(name, sizeof name, "per_cpu/cpu%u/trace_pipe_raw", s->pipe->cpu);
                s->ring_fd = tracefs_instance_file_open(NULL, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
                if (s->ring_fd < 0)
                        return error_set_errno(d->error, ERROR_READER_BUSY, -errno, "Cannot open %s", name);
                /* Then it is only asked how full it is. */
                if (q->text)
                        continue;
                /* Smaller pipes work as well. */
                (void) fcntl(s->pipe->write_fd, F_SETPIPE_SZ, (int) PIPE_BYTES);
                r = open_segment(d, s);
                if (r < 0)
                        return fail_write(d, r);
                /* What an earlier drain had taken from the ring and not yet written. */
                r = raw_segment_take_pipe(s->segment, s->pipe->read_fd);
                if (errno_is_no_space(r))
                        d->ending = true;
                else if (r < 0)
                        return fail_write(d, r);
        }
        return 0;
}

static int note_loss(Drain *d, Source *s) {
        int r;

        if (!s->segment)
                return 0;
        r = raw_segment_note_loss(s->segment, s->stats.n_overrun, s->stats.n_dropped);
        return r < 0 ? fail_write(d, r) : 0;
}

static void warn_once(Drain *d, bool *warned, const char *text) {
        if (!*warned)
                d->request->warn(text, d->request->userdata);
        *warned = true;
}

static int read_source_stats(Drain *d, Source *s) {
        uint64_t n_read = s->stats.n_read;
        int r;

        r = tracer_stats_read(s->stats_fd, &s->stats);
        if (r < 0)
                return error_set_errno(d->error, ERROR_KERNEL, r, "Cannot read the ring buffer's statistics");
        if (s->stats.n_read < n_read)
                warn_once(d, &d->warned_wiped, "Somebody has wiped the ring buffer during the session (by writing to "
                                "\"trace\" or \"snapshot\", or by changing a setting that does): events are missing without a count.");
        return 0;
}

static int drain_source(Drain *d, Source *s) {
        ssize_t n = 0;
        int r;

        /* A full ring refuses events in the time before the batch, and may while it is taken: behind the last one that
         * it held, and before the next one that it took. The page boundary at the end of the batch lies there. */
        for (unsigned i = 0; i < ROUND_MAX_PIPES; i++) {
                n = splice(s->ring_fd, NULL, s->pipe->write_fd, NULL, PIPE_BYTES, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                r = raw_segment_take_pipe(s->segment, s->pipe->read_fd);
                if (r < 0)
                        return fail_write(d, r);
        }
        if (n < 0 && errno != EAGAIN)
                return error_set_errno(d->error, ERROR_KERNEL, -errno, "Cannot take pages from the ring buffer of CPU %u",
                                s->pipe->cpu);
        /* What is left is less than a sub-buffer, unless the driver has gone on: then the next round takes it. */
        r = raw_segment_read_tail(s->segment, s->ring_fd);
        if (r < 0 && r != -EAGAIN)
                return error_set_errno(d->error, errno_is_no_space(r) ? ERROR_NO_SPACE : ERROR_KERNEL, r,
                                "Cannot read the ring buffer of CPU %u", s->pipe->cpu);
        if (d->request->keep_oldest) {
                r = read_source_stats(d, s);
                return r < 0 ? r : note_loss(d, s);
        }
        return 0;
}

/* Returns 1 if there is more at once. */
static int drain_all(Drain *d) {
        uint64_t bytes = 0;
        int r;

        if (d->text) {
                r = text_source_take(d->text, d->error);
                atomic_store(&d->request->counters->n_raw_bytes, text_source_total_bytes(d->text));
                return r;
        }
        for (size_t i = 0; i < d->n_sources; i++) {
                r = drain_source(d, d->sources + i);
                if (r < 0)
                        return r;
                bytes += raw_segment_total_bytes(d->sources[i].segment);
        }
        atomic_store(&d->request->counters->n_raw_bytes, bytes);
        return 0;
}

/* Has what was written since the last time brought to the disk, if it is much or has waited long: what came right after
 * the last time, and waited in the ring before, waits for one more wake-up at most. Half of what is allowed, as the disk
 * takes its time, and the other half comes meanwhile. */
static void request_sync(Drain *d, bool now) {
        const DrainRequest *q = d->request;
        uint64_t bytes = atomic_load(&q->counters->n_raw_bytes), usec = now_monotonic_usec();

        if (bytes == d->synced_bytes)
                return;
        if (!now && bytes - d->synced_bytes < q->sync_bytes / 2 &&
            usec - d->synced_usec < MAX(q->sync_usec - 2 * d->wake_usec, d->wake_usec))
                return;
        d->synced_bytes = bytes;
        d->synced_usec = usec;
        (void) eventfd_write(q->sync_fd, 1);
}

/* A note that finds no room fails it, but the counters have the loss all the same. */
static int read_stats(Drain *d, uint64_t *ret_n_entries) {
        uint64_t n_events = 0, n_lost = 0, n_entries = 0, ring_bytes = 0, usec;
        DrainCounters *c = d->request->counters;
        int r, noted = 0;

        for (size_t i = 0; i < d->n_sources; i++) {
                Source *s = d->sources + i;

                r = read_source_stats(d, s);
                if (r < 0)
                        return r;
                r = note_loss(d, s);
                noted = r < 0 ? r : noted;
                n_events += s->stats.n_entries + s->stats.n_read;
                n_lost += s->stats.n_overrun + s->stats.n_commit_overrun + s->stats.n_dropped;
                n_entries += s->stats.n_entries;
                ring_bytes = MAX(ring_bytes, s->stats.n_bytes);
        }
        atomic_store(&c->n_recorded, n_events);
        /* To the kernel an access and its stack are two. Marks have none, but these few do not matter. */
        if (d->request->stacks)
                n_events /= 2;
        usec = now_monotonic_usec();
        if (d->stats_usec > 0 && usec > d->stats_usec && n_events >= d->n_stats_events)
                atomic_store(&c->n_rate, (n_events - d->n_stats_events) * USEC_PER_SEC / (usec - d->stats_usec));
        d->stats_usec = usec;
        d->n_stats_events = n_events;
        atomic_store(&c->n_events, n_events);
        atomic_store(&c->n_lost, n_lost);
        atomic_store(&c->n_ring_bytes, ring_bytes);
        if (noted >= 0 && ret_n_entries)
                *ret_n_entries = n_entries;
        return noted;
}

/* Those that the tracer left online have a pipe. What was seen first here would not do instead: a session at boot has
 * been armed for seconds by then, and udev rules that switch on each CPU they see are common in virtual machines. */
static bool are_those_of_pipes(const Drain *d, const char *online) {
        CpuSet cpus;

        if (cpu_set_parse(online, &cpus) < 0)
                return true;
        for (size_t i = 0; i < d->request->n_pipes; i++)
                if (!cpu_set_has(&cpus, d->request->pipes[i].cpu))
                        return false;
        return cpu_set_count(&cpus) == d->request->n_pipes;
}

/* Another program may turn what the session has set: that cannot be prevented, but it is told. */
static void watch_settings(Drain *d) {
        TracerSettings now;

        if (!d->watch && tracer_watch_new(d->request->sys_root, d->sources[0].pipe->cpu, &d->watch) < 0)
                return;
        if (tracer_watch_read(d->watch, &now) < 0)
                return;
        if (!now.recording)
                warn_once(d, &d->warned_off, "Somebody has switched the recording off during the session (tracing_on): "
                                "accesses after that are missing without a count.");
        if (!streq_ptr(now.clocks, d->clocks) && d->clocks)
                warn_once(d, &d->warned_clock, "Somebody has changed the trace clock during the session, which wiped the ring "
                                "buffer: events are missing, and times before and after cannot be compared.");
        if (now.ring_bytes != d->ring_bytes && d->ring_bytes > 0)
                warn_once(d, &d->warned_size, "Somebody has changed the size of the ring buffer during the session: accesses "
                                "meanwhile are missing without a count.");
        if (d->cpumask && !streq(now.cpumask, d->cpumask))
                warn_once(d, &d->warned_cpumask, "Somebody has changed which CPUs are traced during the session (tracing_cpumask): "
                                "accesses can be missing without a count.");
        if (!are_those_of_pipes(d, now.online))
                warn_once(d, &d->warned_online, "CPUs came or went during the session: accesses of one that came are not "
                                "recorded, and those that two make at the same time can be lost without any trace of it.");
        if (!d->clocks)
                d->clocks = TAKE_PTR(now.clocks);
        if (!d->cpumask)
                d->cpumask = TAKE_PTR(now.cpumask);
        d->ring_bytes = now.ring_bytes;
        tracer_settings_done(&now);
}

/* The losses are read while nothing can be recorded any more, and before the kernel clears them with the tracer. */
static int take_rest(Drain *d) {
        uint64_t n_entries = 1;
        int r;

        r = tracer_set_recording(false);
        if (r < 0)
                return error_set_errno(d->error, ERROR_KERNEL, r, "Cannot switch the recording off");
        for (unsigned i = 0; i < SETTLE_ROUNDS && n_entries > 0; i++) {
                if (i > 0)
                        (void) poll(NULL, 0, SETTLE_MSEC);
                while ((r = drain_all(d)) > 0)
                        ;
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
        return 0;
}

/* Brings everything to the disk, now that there is nothing to drain any more. Most of it is there already. */
static int close_sources(Drain *d) {
        int r = 0;

        for (size_t i = 0; i < d->n_sources && !d->text && r >= 0; i++)
                r = raw_segment_finish(d->sources[i].segment);
        if (r >= 0)
                r = syncer_run_once(&(SyncerRequest) {
                                .raw_fd = d->request->raw_fd,
                                .text = d->request->text,
                                .pipes = d->request->pipes,
                                .n_pipes = d->request->n_pipes,
                });
        return r < 0 ? fail_write(d, r) : 0;
}

static int finish(Drain *d) {
        int r;

        d->finishing = true;
        r = take_rest(d);
        if (r >= 0)
                r = close_sources(d);
        if (r >= 0)
                (void) reserve_remove(d->request->raw_fd);
        return r;
}

static void forget_error(Drain *d) {
        if (d->error)
                error_done(d->error);
}

/* What did not find room before: it comes before what is in the ring. */
static int take_pipes(Drain *d) {
        for (size_t i = 0; i < d->n_sources && !d->text; i++) {
                int r = raw_segment_take_pipe(d->sources[i].segment, d->sources[i].pipe->read_fd);

                if (r < 0)
                        return fail_write(d, r);
        }
        return 0;
}

/* The disk is full. What is recorded by now gets the room that was kept for it; what does not find any stays behind, and
 * is missing from what the kernel has counted as recorded. */
static int end_on_full_disk(Drain *d) {
        const DrainRequest *q = d->request;
        bool all;
        int r;

        forget_error(d);
        /* In this order: a successor knows by it that nothing is recorded any more. */
        r = reserve_release_pages(q->raw_fd);
        if (r < 0)
                return fail_write(d, r);
        (void) tracer_set_recording(false);
        r = take_pipes(d);
        if (r >= 0)
                r = take_rest(d);
        all = r >= 0;
        if (errno_is_no_space(r)) {
                r = read_stats(d, NULL);
                r = errno_is_no_space(r) ? 0 : r;
                if (r >= 0)
                        forget_error(d);
        }
        if (r >= 0)
                r = close_sources(d);
        if (r < 0)
                return r;
        if (all && d->finishing) {
                q->warn("The disk was full when the session was stopped. What it had recorded is in the log all the same.",
                        q->userdata);
                return 0;
        }
        return error_set(d->error, ERROR_NO_SPACE, RESERVE_DISK_FULL_TEXT " %s",
                        all ? "All that was recorded until then is in the log."
                            : "Not all that was recorded until then could be written.");
}

/* As far as it is known here: the compression tells behind each segment. */
static uint64_t disk_bytes(const DrainCounters *c) {
        uint64_t raw_bytes = atomic_load(&c->n_raw_bytes);

        raw_bytes -= MIN(raw_bytes, atomic_load(&c->n_given_up_bytes));
        return raw_bytes - MIN(raw_bytes, atomic_load(&c->n_compressed_bytes)) + atomic_load(&c->n_compressed_disk_bytes);
}

static void look_whether_enough(Drain *d) {
        const DrainRequest *q = d->request;
        const char *what = NULL;

        if (q->max_disk_bytes > 0 && disk_bytes(q->counters) >= q->max_disk_bytes)
                what = "limit";
        else if (q->stop_after_bytes > 0 && atomic_load(&q->counters->n_raw_bytes) >= q->stop_after_bytes)
                what = "size";
        else if (q->stop_after_events > 0 && atomic_load(&q->counters->n_events) >= q->stop_after_events)
                what = "events";
        if (!what || d->told_enough)
                return;
        d->told_enough = true;
        q->enough(what, q->userdata);
}

static int drain_until_stopped(Drain *d) {
        enum { CONTROL, MARK, SOURCES };
        _cleanup_free_ struct pollfd *fds = calloc(SOURCES + d->n_sources, sizeof(struct pollfd));
        bool marked = false;
        int r;

        if (!fds)
                return -ENOMEM;
        fds[CONTROL] = (struct pollfd) { .fd = d->request->control_fd, .events = POLLIN };
        fds[MARK] = (struct pollfd) { .fd = d->request->mark_fd, .events = POLLIN };
        for (size_t i = 0; i < d->n_sources; i++)
                fds[SOURCES + i] = (struct pollfd) { .fd = d->sources[i].ring_fd, .events = POLLIN };

        for (;;) {
                eventfd_t ignored;
                char byte;
                bool more;

                r = drain_all(d);
                if (r < 0)
                        return r;
                more = r > 0;
                request_sync(d, marked);
                if (now_monotonic_usec() - d->stats_usec >= STATS_USEC) {
                        if (!d->request->stopping)
                                watch_settings(d);
                        r = read_stats(d, NULL);
                        if (r < 0)
                                return r;
                }
                look_whether_enough(d);
                if (poll(fds, SOURCES + d->n_sources, more ? 0 : (int) (d->wake_usec / USEC_PER_MSEC)) < 0 && errno != EINTR)
                        return -errno;
                marked = fds[MARK].revents != 0 && eventfd_read(fds[MARK].fd, &ignored) >= 0;
                if (fds[CONTROL].revents == 0)
                        continue;
                if (read(fds[CONTROL].fd, &byte, 1) == 1 && byte == DRAIN_STOP)
                        return finish(d);
                /* The daemon is gone: its successor begins with a drain of its own. */
                return 0;
        }
}

static int load_subbuf_size(Drain *d) {
        _cleanup_close_ int formats_fd = -EBADF;
        RingFormat format;
        int r;

        formats_fd = openat(d->request->raw_fd, RAW_FORMATS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (formats_fd < 0)
                return -errno;
        r = ring_format_load(formats_fd, &format);
        if (r < 0)
                return error_set_errno(d->error, ERROR_KERNEL, r, "The kernel describes its ring buffer in an unknown way");
        d->subbuf_bytes = format.subbuf_bytes;
        return 0;
}

/* As open_segment() does. */
static int open_text(Drain *d) {
        int r;

        r = text_source_open(d->request, &d->text, d->error);
        if (!errno_is_no_space(r) || reserve_release_pages(d->request->raw_fd) < 0)
                return r;
        forget_error(d);
        return text_source_open(d->request, &d->text, d->error);
}

int drain_run(const DrainRequest *request, Error *error) {
        _cleanup_(drain_done) Drain d = {
                .request = request,
                .error = error,
                .wake_usec = MIN(request->sync_usec / 2, WAKE_USEC),
                .synced_usec = now_monotonic_usec(),
        };
        int r;

        r = request->text ? open_text(&d) : load_subbuf_size(&d);
        if (r < 0)
                return r;
        r = open_sources(&d);
        if (r < 0)
                return r;
        d.ending = d.ending || reserve_is_released(request->raw_fd);
        request->ready(request->userdata);
        r = d.ending ? -ENOSPC : drain_until_stopped(&d);
        if (errno_is_no_space(r))
                r = end_on_full_disk(&d);
        if (r < 0) {
                /* How many there were, so that it can be told how many of them are not on disk. */
                (void) tracer_set_recording(false);
                (void) read_stats(&d, NULL);
        }
        return r;
}
