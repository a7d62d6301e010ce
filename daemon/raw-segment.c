/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kept.h"
#include "raw-segment.h"
#include "segment-file.h"
#include "segment-name.h"

struct RawSegment {
        int raw_fd;             /* borrowed */
        int fd, loss_fd;
        unsigned cpu, number;
        uint64_t subbuf_bytes, segment_bytes;
        uint64_t end_bytes;     /* where the next page goes */
        uint64_t before_bytes;  /* of the segments before */
        uint8_t *tail;          /* the page at end_bytes, mapped and faulted in; NULL: not prepared */
        uint64_t n_overrun, n_dropped;
};

static void drop_tail(RawSegment *s) {
        if (s->tail)
                (void) munmap(s->tail, s->subbuf_bytes);
        s->tail = NULL;
}

static int open_number(const RawSegment *s, unsigned number, int flags) {
        char name[SEGMENT_NAME_MAX];
        int fd;

        segment_name_format(name, s->cpu, number, false);
        fd = openat(s->raw_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
        return fd < 0 ? -errno : fd;
}

/* What the segments held that were given up, and which is the first behind them. */
static int find_first(RawSegment *s) {
        char name[SEGMENT_NAME_MAX];
        KeptTotals totals;
        int r;

        r = segment_find_first(s->raw_fd, s->cpu, &s->number);
        if (r <= 0)
                return r;
        segment_name_format(name, s->cpu, s->number - 1, true);
        r = kept_totals(s->raw_fd, name, s->subbuf_bytes, &totals);
        if (r >= 0)
                s->before_bytes = totals.n_pages * s->subbuf_bytes;
        return r;
}

/* The number of the last segment, and what those before it hold, some of which may be compressed by now. */
static int find_last(RawSegment *s, bool *ret_found) {
        bool found = false;
        int r;

        r = find_first(s);
        if (r < 0)
                return r;
        for (unsigned number = s->number;; number++) {
                char name[SEGMENT_NAME_MAX];
                uint64_t bytes;

                segment_name_format(name, s->cpu, number, false);
                r = segment_file_size(s->raw_fd, name, &bytes);
                if (r == -ENOENT) {
                        *ret_found = found;
                        s->before_bytes -= s->end_bytes;
                        return 0;
                }
                /* What a compressed one holds is wanted for the sum only: its damage is told when it is read. */
                if (r == -EBADMSG)
                        bytes = 0;
                else if (r < 0)
                        return r;
                found = true;
                s->number = number;
                s->end_bytes = bytes;
                s->before_bytes += bytes;
        }
}

/* A tail that was prepared and not read into has a header of zeros, which no page of the kernel has. */
static int skip_empty_tail(RawSegment *s, int pipe_fd) {
        uint64_t header[2];
        int waiting;
        ssize_t n;

        if (ioctl(pipe_fd, FIONREAD, &waiting) < 0)
                return -errno;
        /* A sub-buffer of several pages can have been cut between them: the rest of it comes first out of the pipe. */
        if ((uint64_t) waiting % s->subbuf_bytes != 0)
                return 0;
        /* Cut off by a full disk: what follows begins on a boundary again. */
        s->end_bytes -= s->end_bytes % s->subbuf_bytes;
        if (s->end_bytes == 0)
                return 0;
        n = pread(s->fd, header, sizeof header, (off_t) (s->end_bytes - s->subbuf_bytes));
        if (n < 0)
                return -errno;
        if (n == (ssize_t) sizeof header && header[0] == 0 && header[1] == 0)
                s->end_bytes -= s->subbuf_bytes;
        return 0;
}

/* The counts that were noted last: the kernel's go on from there. */
static int load_loss(RawSegment *s) {
        _cleanup_free_ char *text = NULL;
        const char *line, *end;
        char name[32];
        size_t bytes;
        int r;

        (void) snprintf(name, sizeof name, "cpu%u.loss", s->cpu);
        s->loss_fd = openat(s->raw_fd, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (s->loss_fd < 0)
                return -errno;
        r = read_file_at(s->raw_fd, name, 64 * MIB, &text, &bytes);
        if (r < 0)
                return r;
        for (line = text; (end = strchr(line, '\n')); line = end + 1) {
                uint64_t n_overrun, n_dropped;

                if (sscanf(line, "%*u %*u %" SCNu64 " %" SCNu64, &n_overrun, &n_dropped) == 2) {
                        s->n_overrun = n_overrun;
                        s->n_dropped = n_dropped;
                }
        }
        /* Half a line, of a drain that was cut short: the next one would become a part of it. */
        if (line != text + bytes && ftruncate(s->loss_fd, line - text) < 0)
                return -errno;
        return 0;
}

int raw_segment_open(int raw_fd, unsigned cpu, uint64_t subbuf_bytes, uint64_t segment_bytes, int pipe_fd, RawSegment **ret) {
        _cleanup_(raw_segment_freep) RawSegment *s = calloc(1, sizeof(RawSegment));
        bool found = false;
        int r;

        if (!s)
                return -ENOMEM;
        *s = (RawSegment) {
                .raw_fd = raw_fd,
                .fd = -EBADF,
                .loss_fd = -EBADF,
                .cpu = cpu,
                .subbuf_bytes = subbuf_bytes,
                .segment_bytes = segment_bytes,
        };
        r = find_last(s, &found);
        if (r >= 0)
                r = s->fd = open_number(s, s->number, found ? 0 : O_CREAT | O_EXCL);
        if (r >= 0)
                r = skip_empty_tail(s, pipe_fd);
        if (r >= 0)
                r = load_loss(s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

RawSegment *raw_segment_free(RawSegment *s) {
        if (!s)
                return NULL;
        drop_tail(s);
        safe_close(s->fd);
        safe_close(s->loss_fd);
        free(s);
        return NULL;
}

/* The unused tail: zeros are legal at the end, but nobody has to wonder about them. */
static int cut_tail(RawSegment *s) {
        drop_tail(s);
        return ftruncate(s->fd, (off_t) s->end_bytes) < 0 ? -errno : 0;
}

/* The next one is there before this one is left: where there is no room for it, this one goes on. */
static int rotate_if_full(RawSegment *s) {
        int r, fd;

        if (s->end_bytes < s->segment_bytes)
                return 0;
        r = cut_tail(s);
        if (r < 0)
                return r;
        fd = open_number(s, s->number + 1, O_CREAT | O_EXCL);
        if (fd < 0)
                return errno_is_no_space(fd) ? 0 : fd;
        safe_close(s->fd);
        s->fd = fd;
        s->before_bytes += s->end_bytes;
        s->end_bytes = 0;
        s->number++;
        return 0;
}

int raw_segment_take_pipe(RawSegment *s, int pipe_fd) {
        int waiting;

        /* What comes goes where the prepared tail lies. */
        if (ioctl(pipe_fd, FIONREAD, &waiting) < 0)
                return -errno;
        if (waiting == 0)
                return 0;
        drop_tail(s);
        while (waiting > 0) {
                loff_t offset = (loff_t) s->end_bytes;
                ssize_t n = splice(pipe_fd, NULL, s->fd, &offset, (size_t) waiting, SPLICE_F_MOVE);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        return -EIO;
                s->end_bytes += (uint64_t) n;
                waiting -= (int) n;
        }
        return rotate_if_full(s);
}

static int prepare_tail(RawSegment *s) {
        static const uint8_t zeros[4096];
        void *map;

        if (s->tail)
                return 0;
        /* Written, not just made longer: where the disk is full this fails, and a store to the mapping would kill. */
        for (uint64_t done = 0; done < s->subbuf_bytes; done += sizeof zeros) {
                ssize_t n = pwrite(s->fd, zeros, sizeof zeros, (off_t) (s->end_bytes + done));

                if (n < 0)
                        return -errno;
                if (n != (ssize_t) sizeof zeros)
                        return -ENOSPC;
        }
        map = mmap(NULL, s->subbuf_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t) s->end_bytes);
        if (map == MAP_FAILED)
                return -errno;
        s->tail = map;
        return 0;
}

int raw_segment_read_tail(RawSegment *s, int ring_fd) {
        ssize_t n;
        int r;

        r = prepare_tail(s);
        if (r < 0)
                return r;
        /* Faulted in for writing right before: the kernel has taken the events from the ring when it copies, and a fault
         * that fails then, in a process that is being killed, would lose them. */
        for (uint64_t i = 0; i < s->subbuf_bytes; i += 4096)
                ((volatile uint8_t *) s->tail)[i] = 0;
        do
                n = read(ring_fd, s->tail, s->subbuf_bytes);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -EAGAIN;
        s->end_bytes += s->subbuf_bytes;
        drop_tail(s);
        return rotate_if_full(s);
}

int raw_segment_note_loss(RawSegment *s, uint64_t n_overrun, uint64_t n_dropped) {
        char line[96];
        int l, r;

        if (n_overrun == s->n_overrun && n_dropped == s->n_dropped)
                return 0;
        l = snprintf(line, sizeof line, "%u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->number, s->end_bytes, n_overrun, n_dropped);
        r = append_all(s->loss_fd, line, (size_t) l);
        if (r < 0)
                return r;
        s->n_overrun = n_overrun;
        s->n_dropped = n_dropped;
        return 0;
}

int raw_segment_finish(RawSegment *s) {
        return cut_tail(s);
}

uint64_t raw_segment_total_bytes(const RawSegment *s) {
        return s->before_bytes + s->end_bytes;
}
