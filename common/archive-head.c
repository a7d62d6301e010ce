/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive-head.h"
#include "tar.h"
#include "xz.h"

/* xz -9 needs 65 MiB to be read. */
#define READER_MEMORY_MAX_BYTES (128 * MIB)

void archive_head_done(ArchiveHead *h) {
        for (size_t i = 0; i < h->n_files; i++) {
                free(h->files[i].name);
                free(h->files[i].data);
        }
        free(h->files);
        *h = (ArchiveHead) {};
}

static int read_exact(XzReader *x, void *buf, size_t bytes, ArchiveHead *h) {
        size_t n;
        int r;

        r = xz_reader_read(x, buf, bytes, &n);
        if (r < 0)
                return r;
        if (n < bytes)
                return -EBADMSG;
        h->log_offset += bytes;
        return 0;
}

/* Its content, and the padding behind that. */
static int read_file(XzReader *x, const TarEntry *entry, ArchiveHead *h) {
        ArchiveHeadFile *grown = reallocarray(h->files, h->n_files + 1, sizeof *grown), *f;
        uint8_t padding[TAR_BLOCK_BYTES];
        int r;

        if (!grown)
                return -ENOMEM;
        h->files = grown;
        f = grown + h->n_files++;
        *f = (ArchiveHeadFile) {
                .name = strdup(entry->name),
                .bytes = (size_t) entry->size_bytes,
        };
        f->data = malloc(f->bytes + 1);
        if (!f->name || !f->data)
                return -ENOMEM;
        r = read_exact(x, f->data, f->bytes, h);
        if (r < 0)
                return r;
        f->data[f->bytes] = 0;
        return read_exact(x, padding, tar_padding_bytes(entry->size_bytes), h);
}

int archive_head_read(int fd, ArchiveHead *ret) {
        _cleanup_archive_head_ ArchiveHead h = {};
        _cleanup_(xz_reader_freep) XzReader *x = NULL;
        int r;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        r = xz_reader_new(fd, READER_MEMORY_MAX_BYTES, &x);
        if (r < 0)
                return r;
        for (;;) {
                uint8_t block[TAR_BLOCK_BYTES];
                TarEntry entry;

                r = read_exact(x, block, sizeof block, &h);
                if (r >= 0)
                        r = tar_header_parse(block, &entry);
                if (r < 0)
                        return r;
                /* Its end, before the log has come. */
                if (r == 0 || entry.folder)
                        return -EBADMSG;
                h.mtime_sec = entry.mtime_sec;
                if (streq(entry.name, ARCHIVE_LOG_NAME)) {
                        h.log_bytes = entry.size_bytes;
                        *ret = h;
                        h = (ArchiveHead) {};
                        return 0;
                }
                if (entry.size_bytes > ARCHIVE_HEAD_MAX_BYTES - MIN(h.log_offset, ARCHIVE_HEAD_MAX_BYTES))
                        return -EFBIG;
                r = read_file(x, &entry, &h);
                if (r < 0)
                        return r;
        }
}

ArchiveHeadFile *archive_head_find(const ArchiveHead *h, const char *name) {
        for (size_t i = 0; i < h->n_files; i++)
                if (streq(h->files[i].name, name))
                        return h->files + i;
        return NULL;
}
