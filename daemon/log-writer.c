/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "log-writer.h"
#include "xz.h"

#define BUFFER_BYTES (256 * KIB)

struct LogWriter {
        int dir_fd;             /* borrowed */
        LogWriterOptions options;
        int fd;
        XzWriter *xz;
        uint64_t segment_bytes; /* text in it so far */
        uint64_t written_bytes; /* of complete segments, on disk */
        char **segments;
        size_t n_segments;
        char *buffer;
        size_t buffered_bytes;
        uint64_t skip_bytes;    /* of the text, which the segments of an earlier writer hold */
};

/* Takes over the complete segments of a writer that was cut short, and removes what it left of the next one. */
static int take_over(LogWriter *w) {
        for (;;) {
                _cleanup_close_ int fd = -EBADF;
                char name[32];
                struct stat st;
                uint64_t bytes;
                int r;

                (void) snprintf(name, sizeof name, "mmiotrace-%06zu.log.xz", w->n_segments);
                fd = openat(w->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return errno == ENOENT ? 0 : -errno;
                if (fstat(fd, &st) < 0)
                        return -errno;
                r = xz_uncompressed_size(fd, &bytes);
                if (r < 0)
                        return unlinkat(w->dir_fd, name, 0) < 0 ? -errno : 0;
                r = strv_extend(&w->segments, name);
                if (r < 0)
                        return r;
                w->n_segments++;
                w->skip_bytes += bytes;
                w->written_bytes += (uint64_t) st.st_size;
        }
}

int log_writer_new(int dir_fd, const LogWriterOptions *options, LogWriter **ret) {
        _cleanup_(log_writer_freep) LogWriter *w = calloc(1, sizeof(LogWriter));
        int r;

        if (!w)
                return -ENOMEM;
        w->dir_fd = dir_fd;
        w->options = *options;
        w->fd = -EBADF;
        w->buffer = malloc(BUFFER_BYTES);
        if (!w->buffer)
                return -ENOMEM;
        r = take_over(w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

LogWriter *log_writer_free(LogWriter *w) {
        if (!w)
                return NULL;
        if (w->xz)
                xz_writer_free(w->xz);
        /* Cut short, it is of no use, and takes room. */
        if (w->fd >= 0)
                (void) unlinkat(w->dir_fd, w->segments[w->n_segments - 1], 0);
        safe_close(w->fd);
        strv_free(w->segments);
        free(w->buffer);
        free(w);
        return NULL;
}

static int begin_segment(LogWriter *w) {
        int r;

        r = strv_extendf(&w->segments, "mmiotrace-%06zu.log.xz", w->n_segments);
        if (r < 0)
                return r;
        w->fd = openat(w->dir_fd, w->segments[w->n_segments], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (w->fd < 0)
                return -errno;
        w->n_segments++;
        w->segment_bytes = 0;
        return xz_writer_new(w->fd, &(XzOptions) {
                        .level = w->options.level,
                        .threads = w->options.threads,
                        .memory_max_bytes = w->options.memory_max_bytes,
                        .dictionary_max_bytes = XZ_TRACE_DICTIONARY_BYTES,
                        .text = true,
                }, &w->xz);
}

static int end_segment(LogWriter *w) {
        uint64_t bytes;
        int r;

        r = xz_writer_finish(w->xz, NULL, &bytes);
        if (r < 0)
                return r;
        xz_writer_free(TAKE_PTR(w->xz));
        if (fsync(w->fd) < 0)
                return -errno;
        w->fd = safe_close(w->fd);
        w->written_bytes += bytes;
        return 0;
}

static int flush(LogWriter *w) {
        int r;

        if (w->skip_bytes > 0) {
                size_t skipped_bytes = MIN(w->skip_bytes, w->buffered_bytes);

                w->skip_bytes -= skipped_bytes;
                w->buffered_bytes -= skipped_bytes;
                memmove(w->buffer, w->buffer + skipped_bytes, w->buffered_bytes);
        }
        if (w->buffered_bytes == 0)
                return 0;
        /* The buffer holds whole lines, and goes into one segment. */
        if (w->xz && w->segment_bytes + w->buffered_bytes > w->options.segment_max_bytes) {
                r = end_segment(w);
                if (r < 0)
                        return r;
        }
        if (!w->xz) {
                r = begin_segment(w);
                if (r < 0)
                        return r;
        }
        r = xz_writer_write(w->xz, w->buffer, w->buffered_bytes);
        if (r < 0)
                return r;
        w->segment_bytes += w->buffered_bytes;
        w->buffered_bytes = 0;
        return 0;
}

int log_writer_record(LogWriter *w, const Record *record) {
        size_t n;
        int r;

        n = record_format(record, w->buffer + w->buffered_bytes, BUFFER_BYTES - w->buffered_bytes);
        if (n == 0) {
                r = flush(w);
                if (r < 0)
                        return r;
                n = record_format(record, w->buffer, BUFFER_BYTES);
                if (n == 0)
                        return -EMSGSIZE;
        }
        w->buffered_bytes += n;
        return 0;
}

int log_writer_text(LogWriter *w, const char *text, size_t bytes) {
        int r;

        while (bytes > 0) {
                size_t n = MIN(bytes, (size_t) BUFFER_BYTES);

                if (n > BUFFER_BYTES - w->buffered_bytes) {
                        r = flush(w);
                        if (r < 0)
                                return r;
                }
                memcpy(w->buffer + w->buffered_bytes, text, n);
                w->buffered_bytes += n;
                text += n;
                bytes -= n;
        }
        return 0;
}

int log_writer_finish(LogWriter *w, char ***ret_segments, uint64_t *ret_bytes) {
        int r;

        r = flush(w);
        /* A log without a line is still a log. */
        if (r >= 0 && w->n_segments == 0)
                r = begin_segment(w);
        if (r >= 0 && w->xz)
                r = end_segment(w);
        if (r >= 0 && fsync(w->dir_fd) < 0)
                r = -errno;
        if (r < 0)
                return r;
        *ret_segments = TAKE_PTR(w->segments);
        *ret_bytes = w->written_bytes;
        return 0;
}
