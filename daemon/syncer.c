/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "segment-file.h"
#include "syncer.h"

/* A row of segments, PREFIX-NNNNNN.SUFFIX, and what is noted of lost events beside them, PREFIX.loss. */
typedef struct Row {
        char prefix[16];
        const char *suffix;
        unsigned number;
        int fd, loss_fd;
        off_t loss_bytes;
} Row;

typedef struct Syncer {
        const SyncerRequest *request;
        Row *rows;
        size_t n_rows;
        bool warned;
} Syncer;

static void syncer_done(Syncer *s) {
        for (size_t i = 0; i < s->n_rows; i++) {
                safe_close(s->rows[i].fd);
                safe_close(s->rows[i].loss_fd);
        }
        free(s->rows);
}

static int open_at(int dir_fd, const char *name) {
        int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static void segment_name(const Row *row, unsigned number, char ret[static 48]) {
        (void) snprintf(ret, 48, "%s-%06u.%s", row->prefix, number, row->suffix);
}

/* Opens the row's segment of that number. Its name has to be on disk as well, or the data is lost with it. */
static int open_segment(const Syncer *s, Row *row) {
        char name[48];
        int fd;

        segment_name(row, row->number, name);
        fd = open_at(s->request->raw_fd, name);
        if (fd < 0)
                return fd;
        if (fsync(s->request->raw_fd) < 0) {
                safe_close(fd);
                return -errno;
        }
        row->fd = fd;
        return 0;
}

/* The row's first segment that is there, from its number on: those that are compressed are on disk. */
static int find_segment(const Syncer *s, Row *row) {
        _cleanup_closedir_ DIR *d = NULL;
        unsigned first = UINT_MAX;
        struct dirent *entry;
        int r;

        r = dir_open_at(s->request->raw_fd, ".", &d);
        if (r < 0)
                return r;
        while ((entry = readdir(d))) {
                const char *number = startswith(entry->d_name, row->prefix);
                char name[48];
                unsigned n;

                if (!number || sscanf(number, "-%06u.", &n) != 1)
                        continue;
                segment_name(row, n, name);
                if (streq(name, entry->d_name) && n >= row->number)
                        first = MIN(first, n);
        }
        if (first == UINT_MAX)
                return -ENOENT;
        row->number = first;
        return 0;
}

static bool next_exists(const Syncer *s, const Row *row) {
        char name[48];

        segment_name(row, row->number + 1, name);
        return segment_file_exists(s->request->raw_fd, name);
}

static int sync_segments(const Syncer *s, Row *row) {
        for (;;) {
                bool complete;
                int r;

                if (row->fd < 0) {
                        r = find_segment(s, row);
                        if (r >= 0)
                                r = open_segment(s, row);
                        if (r < 0)
                                return r == -ENOENT ? 0 : r;
                }
                /* Asked first: what is written until then belongs to this one. */
                complete = next_exists(s, row);
                if (fdatasync(row->fd) < 0)
                        return -errno;
                if (!complete)
                        return 0;
                row->fd = safe_close(row->fd);
                row->number++;
        }
}

/* Few and small, and mostly none. Without a change there is nothing to wait for, which fdatasync() does not know: it has
 * the disk write its own cache back in any case. */
static int sync_loss(const Syncer *s, Row *row) {
        struct stat st;
        char name[32];

        if (row->loss_fd < 0) {
                (void) snprintf(name, sizeof name, "%s.loss", row->prefix);
                row->loss_fd = open_at(s->request->raw_fd, name);
                if (row->loss_fd < 0)
                        return row->loss_fd == -ENOENT ? 0 : row->loss_fd;
        }
        if (fstat(row->loss_fd, &st) < 0)
                return -errno;
        if (st.st_size == row->loss_bytes)
                return 0;
        row->loss_bytes = st.st_size;
        return fdatasync(row->loss_fd) < 0 ? -errno : 0;
}

static int sync_all(const Syncer *s) {
        int result = 0;

        for (size_t i = 0; i < s->n_rows; i++) {
                int r = sync_segments(s, s->rows + i);

                if (r >= 0)
                        r = sync_loss(s, s->rows + i);
                if (r < 0)
                        result = r;
        }
        return result;
}

static void warn_once(Syncer *s, int r) {
        _cleanup_free_ char *text = NULL;

        if (s->warned)
                return;
        s->warned = true;
        if (asprintf(&text, "What is captured cannot be brought to the disk while the session runs, so that a crash of the "
                            "machine would lose it: %s.", strerrordesc_np(-r)) < 0) {
                text = NULL;
                return;
        }
        s->request->warn(text, s->request->userdata);
}

static int make_rows(Syncer *s) {
        const SyncerRequest *q = s->request;
        size_t n = q->text ? 1 : q->n_pipes;

        s->rows = calloc(n, sizeof(Row));
        if (!s->rows)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                Row *row = s->rows + s->n_rows++;

                *row = (Row) { .suffix = q->text ? "log" : "raw", .fd = -EBADF, .loss_fd = -EBADF };
                if (q->text)
                        strcpy(row->prefix, "text");
                else
                        (void) snprintf(row->prefix, sizeof row->prefix, "cpu%u", q->pipes[i].cpu);
        }
        return 0;
}

int syncer_run(const SyncerRequest *request) {
        _cleanup_(syncer_done) Syncer s = { .request = request };
        eventfd_t ignored;
        int r;

        r = make_rows(&s);
        if (r < 0)
                return r;
        /* First what an earlier one has left. */
        do {
                r = sync_all(&s);
                if (r < 0)
                        warn_once(&s, r);
        } while (eventfd_read(request->wake_fd, &ignored) >= 0 || errno == EINTR);
        return -errno;
}

int syncer_run_once(const SyncerRequest *request) {
        _cleanup_(syncer_done) Syncer s = { .request = request };
        int r;

        r = make_rows(&s);
        return r < 0 ? r : sync_all(&s);
}
