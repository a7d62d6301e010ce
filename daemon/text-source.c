/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <tracefs/tracefs.h>

#include "segment-file.h"
#include "text-source.h"
#include "tracer-watch.h"

/* A read() gives whole lines as long as there is room for all that the kernel formats at once, which is 4 KB on 6.1 and
 * 8 KB on 6.12 (kernel/trace/trace.c, tracing_read_pipe()). */
#define BUFFER_BYTES (64 * KIB)

#define TAKE_MAX_USEC (USEC_PER_SEC / 4)

/* The kernel gives each of these in a read() of its own. */
static const char *const no_event[] = { "VERSION ", "PCIDEV ", "MARK 0.000000 Lost " };

struct TextSource {
        const DrainRequest *request;
        int raw_fd;             /* borrowed */
        int pipe_fd, fd, loss_fd;
        unsigned number;
        uint64_t end_bytes;     /* of the segment */
        uint64_t before_bytes;  /* of the segments before */
        int *stats_fds;         /* of each CPU */
        size_t n_stats_fds;
        TracerStats *stats;     /* of each CPU, when last read */
        uint64_t *n_noted;      /* refused events of each CPU, as last noted by this reader */
        /* Refused events that have been seen and not yet noted: they came behind so many lines of the text to come. */
        uint64_t *n_pending;
        uint64_t n_lines_to_pending;
        bool pending;
        char buffer[BUFFER_BYTES];
        size_t buffered_bytes, written_bytes; /* whole lines */
};

static int fail_write(int r, Error *error) {
        return error_set_errno(error, errno_is_no_space(r) ? ERROR_NO_SPACE : ERROR_FAILED, r,
                        "Cannot write the captured text to disk");
}

static int create_segment(const TextSource *t, unsigned number) {
        char name[32];
        int fd;

        (void) snprintf(name, sizeof name, "text-%06u.log", number);
        fd = openat(t->raw_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

/* Where there is no room for the next one, this one goes on. */
static int rotate_if_full(TextSource *t) {
        int fd;

        if (t->end_bytes < t->request->segment_bytes)
                return 0;
        fd = create_segment(t, t->number + 1);
        if (fd < 0)
                return errno_is_no_space(fd) ? 0 : fd;
        safe_close(t->fd);
        t->fd = fd;
        t->before_bytes += t->end_bytes;
        t->end_bytes = 0;
        t->number++;
        return 0;
}

/* Goes behind the last segment. */
static int find_end(TextSource *t) {
        for (;; t->number++) {
                char name[32];
                uint64_t bytes = 0;
                int r;

                (void) snprintf(name, sizeof name, "text-%06u.log", t->number);
                r = segment_file_size(t->raw_fd, name, &bytes);
                if (r < 0 && r != -EBADMSG)
                        return r == -ENOENT ? 0 : r;
                t->before_bytes += bytes;
        }
}

static int read_stats(TextSource *t, Error *error) {
        for (size_t i = 0; i < t->request->n_pipes; i++) {
                int r = tracer_stats_read(t->stats_fds[i], t->stats + i);

                if (r < 0)
                        return error_set_errno(error, ERROR_KERNEL, r, "Cannot read the ring buffer's statistics");
        }
        return 0;
}

/* One write for all CPUs, so that no kill leaves the note of an open half. */
static int note_open(TextSource *t) {
        _cleanup_free_ char *text = NULL;
        size_t bytes = 0;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < t->request->n_pipes; i++)
                fprintf(f, "%u 0 %u read %" PRIu64 "\n", t->number, t->request->pipes[i].cpu, t->stats[i].n_read);
        if (fclose(f) != 0)
                return -ENOMEM;
        return append_all(t->loss_fd, text, bytes);
}

static int note_dropped(TextSource *t, uint64_t offset, size_t i, uint64_t n_dropped) {
        char line[96];
        int l;

        if (n_dropped == t->n_noted[i])
                return 0;
        l = snprintf(line, sizeof line, "%u %" PRIu64 " %u dropped %" PRIu64 "\n", t->number, offset,
                        t->request->pipes[i].cpu, n_dropped);
        t->n_noted[i] = n_dropped;
        return append_all(t->loss_fd, line, (size_t) l);
}

static int note_pending(TextSource *t, uint64_t offset) {
        int r = 0;

        for (size_t i = 0; i < t->request->n_pipes && r >= 0; i++)
                r = note_dropped(t, offset, i, t->n_pending[i]);
        t->pending = false;
        return r;
}

/* A ring that is full keeps what it has and refuses what comes: so the events refused before a batch came behind
 * everything that is in the ring now, and before everything that finds room once the batch has begun. */
static int look_before(TextSource *t, Error *error) {
        bool any = false;
        int r;

        r = read_stats(t, error);
        if (r < 0 || t->pending)
                return r;
        t->n_lines_to_pending = 0;
        for (size_t i = 0; i < t->request->n_pipes; i++) {
                t->n_pending[i] = t->stats[i].n_dropped;
                t->n_lines_to_pending += t->stats[i].n_entries;
                any |= t->n_pending[i] != t->n_noted[i];
        }
        t->pending = any;
        return 0;
}

/* What was refused while the batch was taken was so somewhere in it; its end is the next place that is known. */
static int look_behind(TextSource *t, bool empty, Error *error) {
        int r = 0;

        if (t->pending && !empty)
                return 0;
        if (t->pending)
                r = note_pending(t, t->end_bytes);
        if (r < 0)
                return fail_write(r, error);
        r = read_stats(t, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < t->request->n_pipes && r >= 0; i++)
                r = note_dropped(t, t->end_bytes, i, t->stats[i].n_dropped);
        return r < 0 ? fail_write(r, error) : 0;
}

int text_source_open(const DrainRequest *q, TextSource **ret, Error *error) {
        _cleanup_(text_source_freep) TextSource *t = calloc(1, sizeof(TextSource));
        int r;

        if (!t)
                return -ENOMEM;
        t->request = q;
        t->raw_fd = q->raw_fd;
        t->pipe_fd = t->fd = t->loss_fd = -EBADF;
        t->stats_fds = calloc(q->n_pipes, sizeof(int));
        t->stats = calloc(q->n_pipes, sizeof(TracerStats));
        t->n_noted = calloc(q->n_pipes, sizeof(uint64_t));
        t->n_pending = calloc(q->n_pipes, sizeof(uint64_t));
        if (!t->stats_fds || !t->stats || !t->n_noted || !t->n_pending)
                return -ENOMEM;
        for (; t->n_stats_fds < q->n_pipes; t->n_stats_fds++) {
                r = tracer_stats_open(q->pipes[t->n_stats_fds].cpu);
                if (r < 0)
                        return error_set_errno(error, ERROR_KERNEL, r, "Cannot open the ring buffer's statistics");
                t->stats_fds[t->n_stats_fds] = r;
        }
        t->pipe_fd = tracefs_instance_file_open(NULL, "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (t->pipe_fd < 0 && errno == EBUSY)
                return error_set(error, ERROR_READER_BUSY,
                                "Another program reads trace_pipe, and the kernel allows one reader; find it with "
                                "\"fuser -v /sys/kernel/tracing/trace_pipe\" and end it.");
        if (t->pipe_fd < 0)
                return error_set_errno(error, ERROR_READER_BUSY, -errno, "Cannot open trace_pipe");
        r = read_stats(t, error);
        if (r < 0)
                return r;
        t->loss_fd = openat(t->raw_fd, "text.loss", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        r = t->loss_fd < 0 ? -errno : find_end(t);
        if (r >= 0)
                r = t->fd = create_segment(t, t->number);
        if (r >= 0)
                r = note_open(t);
        if (r < 0)
                return fail_write(r, error);
        *ret = TAKE_PTR(t);
        return 0;
}

TextSource *text_source_free(TextSource *t) {
        if (!t)
                return NULL;
        safe_close(t->pipe_fd);
        safe_close(t->fd);
        safe_close(t->loss_fd);
        for (size_t i = 0; i < t->n_stats_fds; i++)
                safe_close(t->stats_fds[i]);
        free(t->stats_fds);
        free(t->stats);
        free(t->n_noted);
        free(t->n_pending);
        free(t);
        return NULL;
}

static bool has_events(const TextSource *t, size_t bytes) {
        for (size_t i = 0; i < ELEMENTS(no_event); i++)
                if (bytes >= strlen(no_event[i]) && memcmp(t->buffer, no_event[i], strlen(no_event[i])) == 0)
                        return false;
        return true;
}

/* Notes what is pending if its place is in this text, of which all has been written. */
static int pass_lines(TextSource *t, size_t bytes) {
        const char *p = t->buffer, *end = t->buffer + bytes;

        while (t->n_lines_to_pending > 0 && (p = memchr(p, '\n', (size_t) (end - p)))) {
                p++;
                t->n_lines_to_pending--;
        }
        return t->n_lines_to_pending > 0 ? 0 : note_pending(t, t->end_bytes - (uint64_t) (end - p));
}

/* Writes what is in the buffer. On a full disk that ends with a whole line, and the others wait for the next call. */
static int write_buffered(TextSource *t) {
        while (t->written_bytes < t->buffered_bytes) {
                size_t left_bytes = t->buffered_bytes - t->written_bytes, bytes;
                const char *p = t->buffer + t->written_bytes, *end;
                ssize_t n = write(t->fd, p, left_bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                end = (size_t) n < left_bytes ? memrchr(p, '\n', (size_t) n) : p + n - 1;
                bytes = end ? (size_t) (end + 1 - p) : 0;
                t->end_bytes += bytes;
                t->written_bytes += bytes;
                if (bytes < (size_t) n && ftruncate(t->fd, (off_t) t->end_bytes) < 0)
                        return -errno;
                if (bytes == 0)
                        return -ENOSPC;
        }
        return 0;
}

static int fill_buffer(TextSource *t, Error *error) {
        ssize_t n;

        do
                n = read(t->pipe_fd, t->buffer, sizeof t->buffer);
        while (n < 0 && errno == EINTR);
        if (n == 0 || (n < 0 && errno == EAGAIN))
                return -EAGAIN;
        if (n < 0)
                return error_set_errno(error, ERROR_KERNEL, -errno, "Cannot read trace_pipe");
        t->buffered_bytes = (size_t) n;
        t->written_bytes = 0;
        return 0;
}

/* Returns 1 if there were events, 0 if there was but what the kernel says beside them. -EAGAIN: there is nothing. */
static int take_one(TextSource *t, Error *error) {
        bool events;
        int r;

        if (t->written_bytes == t->buffered_bytes) {
                r = fill_buffer(t, error);
                if (r < 0)
                        return r;
        }
        r = write_buffered(t);
        if (r < 0)
                return fail_write(r, error);
        events = has_events(t, t->buffered_bytes);
        if (events && t->pending)
                r = pass_lines(t, t->buffered_bytes);
        if (r >= 0)
                r = rotate_if_full(t);
        return r < 0 ? fail_write(r, error) : events;
}

int text_source_take(TextSource *t, Error *error) {
        uint64_t end_usec = now_monotonic_usec() + TAKE_MAX_USEC;
        bool empty, events = false;
        int r;

        if (t->request->keep_oldest) {
                r = look_before(t, error);
                if (r < 0)
                        return r;
        }
        do {
                r = take_one(t, error);
                if (r < 0 && r != -EAGAIN)
                        return r;
                empty = r == -EAGAIN;
                events |= r > 0;
        } while (!empty && now_monotonic_usec() < end_usec);
        if (t->request->keep_oldest) {
                r = look_behind(t, empty, error);
                if (r < 0)
                        return r;
        }
        /* A driver that goes on while nothing is recorded can keep the kernel telling of that, with no end. */
        return !empty && events;
}

uint64_t text_source_total_bytes(const TextSource *t) {
        return t->before_bytes + t->end_bytes;
}
