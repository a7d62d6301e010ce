/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "metadata.h"
#include "names.h"
#include "raw-files.h"
#include "ring.h"
#include "segment-file.h"
#include "segment-name.h"

bool raw_file_is_compressed(const char *name) {
        size_t l = strlen(name), suffix = strlen(SEGMENT_FILE_SUFFIX);

        return l > suffix && streq(name + l - suffix, SEGMENT_FILE_SUFFIX);
}

int raw_file_held_bytes(int raw_fd, const char *name, uint64_t *ret_bytes) {
        _cleanup_free_ char *plain = strndup(name, strlen(name) - strlen(SEGMENT_FILE_SUFFIX));
        int r;

        if (!plain)
                return -ENOMEM;
        if (faccessat(raw_fd, plain, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return 0;
        r = segment_file_size(raw_fd, plain, ret_bytes);
        return r < 0 ? r : 1;
}

void raw_files_done(RawFiles *l) {
        for (size_t i = 0; i < l->n_files; i++) {
                free(l->files[i].name);
                free(l->files[i].path);
        }
        free(l->files);
}

static int add_raw_file(RawFiles *l, int dir_fd, const char *path, const char *name) {
        ArchiveFile *grown = reallocarray(l->files, l->n_files + 1, sizeof(ArchiveFile)), *f;

        if (!grown)
                return -ENOMEM;
        l->files = grown;
        f = grown + l->n_files;
        *f = (ArchiveFile) { .dir_fd = dir_fd, .path = strdup(path) };
        if (asprintf(&f->name, SESSION_RAW_DIR "/%s", name) < 0)
                f->name = NULL;
        l->n_files++;
        return f->path && f->name ? 0 : -ENOMEM;
}

static int add_raw_file_if_there(RawFiles *l, int dir_fd, const char *path, const char *name) {
        return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : add_raw_file(l, dir_fd, path, name);
}

static int is_segment(const struct dirent *entry) {
        const char *end = strchr(entry->d_name, '.');
        SegmentName ignored;

        return segment_name_parse(entry->d_name, &ignored) >= 0 ||
                (startswith(entry->d_name, "cpu") && end && streq(end, ".loss"));
}

/* Compressed ones are unpacked into the archive, unless one of them is damaged: then they are kept as they are. */
static int add_segment(RawFiles *l, int raw_fd, char *name, bool as_they_are) {
        if (raw_file_is_compressed(name)) {
                uint64_t bytes;
                int r;

                r = raw_file_held_bytes(raw_fd, name, &bytes);
                if (r == 0)
                        return 0;
                if (r < 0 && r != -EBADMSG)
                        return r;
                if (!as_they_are)
                        name[strlen(name) - strlen(SEGMENT_FILE_SUFFIX)] = 0;
        }
        return add_raw_file(l, raw_fd, name, name);
}

int raw_files_find(int dir_fd, int raw_fd, bool damaged, RawFiles *l) {
        struct dirent **entries = NULL;
        int r = 0, n;

        for (size_t i = 0; i < n_ring_format_files && r >= 0; i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "formats/%s", ring_format_files[i].name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = add_raw_file_if_there(l, raw_fd, path, path);
        }
        if (r >= 0)
                r = add_raw_file_if_there(l, dir_fd, SESSION_METADATA_DIR "/" METADATA_PCI_DEVICES,
                                METADATA_PCI_DEVICES);
        if (r >= 0)
                r = add_raw_file_if_there(l, raw_fd, RAW_KALLSYMS, RAW_KALLSYMS);
        if (r >= 0)
                r = add_raw_file_if_there(l, raw_fd, RAW_MODULES, RAW_MODULES);
        if (r < 0)
                return r;
        /* In the order of names, which is that of time, and not that of the file system. */
        n = scandirat(raw_fd, ".", &entries, is_segment, alphasort);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = add_segment(l, raw_fd, entries[i]->d_name, damaged);
                free(entries[i]);
        }
        free(entries);
        return r;
}
