/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "members.h"
#include "metadata.h"

/* In the archive they are called as they are in the folder. */
static const struct {
        const char *name;
        size_t max_bytes;
        bool optional;          /* most sessions have none */
} members[] = {
        { METADATA_UNAME, 64 * KIB, false },
        { METADATA_LSPCI, 16 * MIB, false },
        { METADATA_LSPCI_XXXX, 32 * MIB, false },
        { METADATA_KERNEL_LOG, 32 * MIB, false },
        { METADATA_PSTORE, 64 * MIB, true },
};

static int load(int metadata_fd, const char *name, size_t max_bytes, char **ret, size_t *ret_bytes) {
        static const char none[] = "unavailable: it was not saved\n";
        int r;

        r = read_file_at(metadata_fd, name, max_bytes, ret, ret_bytes);
        if (r != -ENOENT)
                return r;
        *ret = strdup(none);
        *ret_bytes = strlen(none);
        return *ret ? 0 : -ENOMEM;
}

static int add(ArchiveHead *h, int metadata_fd, const char *name, size_t max_bytes) {
        ArchiveHeadFile *grown = reallocarray(h->files, h->n_files + 1, sizeof *grown), *f;

        if (!grown)
                return -ENOMEM;
        h->files = grown;
        f = grown + h->n_files++;
        *f = (ArchiveHeadFile) { .name = strdup(name) };
        if (!f->name)
                return -ENOMEM;
        return load(metadata_fd, name, max_bytes, &f->data, &f->bytes);
}

int members_load(int metadata_fd, ArchiveHead *ret) {
        _cleanup_archive_head_ ArchiveHead h = {};
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(members) && r >= 0; i++)
                if (!members[i].optional || faccessat(metadata_fd, members[i].name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        r = add(&h, metadata_fd, members[i].name, members[i].max_bytes);
        if (r < 0)
                return r;
        *ret = h;
        h = (ArchiveHead) {};
        return 0;
}
