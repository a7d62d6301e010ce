/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "displays.h"
#include "members.h"
#include "metadata.h"

/* In the archive they are called as they are in the folder. */
typedef struct Kind {
        const char *name;
        size_t max_bytes;
        /* NULL: there is nothing in it that could be somebody's. */
        int (*redact)(Redactor *redactor, const char *where, const char *text, char **ret);
        bool optional;          /* most sessions have none */
} Kind;

static const Kind kinds[] = {
        { METADATA_UNAME, 64 * KIB, redact_text },
        { METADATA_LSPCI, 16 * MIB, redact_text },
        { METADATA_LSPCI_XXXX, 32 * MIB, redact_config_space },
        { METADATA_DISPLAYS, 4 * MIB, redact_text },
        { METADATA_REPORTED, 1 * MIB, redact_reported, .optional = true },
        { METADATA_MODULES, 4 * MIB, NULL },
        { METADATA_VBIOS, 16 * MIB, NULL, .optional = true },
        { METADATA_KERNEL_LOG, 32 * MIB, redact_text },
        { METADATA_PSTORE, 64 * MIB, redact_text, .optional = true },
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

static int redact(const Kind *kind, Redactor *redactor, ArchiveHeadFile *f) {
        char *text;
        int r;

        r = kind->redact(redactor, kind->name, f->data, &text);
        if (r < 0)
                return r;
        free(f->data);
        f->data = text;
        f->bytes = strlen(text);
        return 0;
}

static int add_file(ArchiveHead *h, const char *name, ArchiveHeadFile **ret) {
        ArchiveHeadFile *grown = reallocarray(h->files, h->n_files + 1, sizeof *grown), *f;

        if (!grown)
                return -ENOMEM;
        h->files = grown;
        f = grown + h->n_files++;
        *f = (ArchiveHeadFile) { .name = strdup(name) };
        if (!f->name)
                return -ENOMEM;
        *ret = f;
        return 0;
}

static int add(ArchiveHead *h, int metadata_fd, const Kind *kind, Redactor *redactor) {
        ArchiveHeadFile *f;
        int r;

        r = add_file(h, kind->name, &f);
        if (r >= 0)
                r = load(metadata_fd, kind->name, kind->max_bytes, &f->data, &f->bytes);
        return r < 0 || !redactor || !kind->redact ? r : redact(kind, redactor, f);
}

static int add_edid(ArchiveHead *h, int metadata_fd, const char *name, Redactor *redactor) {
        static const char none[] = "unavailable: it is no EDID, so nobody knows what is in it\n";
        ArchiveHeadFile *f;
        int r;

        r = add_file(h, name, &f);
        if (r >= 0)
                r = load(metadata_fd, name, DISPLAYS_EDID_MAX_BYTES, &f->data, &f->bytes);
        if (r >= 0 && redactor)
                r = redact_edid(redactor, name, (uint8_t *) f->data, f->bytes);
        if (r != -EBADMSG)
                return r;
        free(f->data);
        f->data = strdup(none);
        f->bytes = strlen(none);
        return f->data ? 0 : -ENOMEM;
}

int members_load(int metadata_fd, Redactor *redactor, ArchiveHead *ret) {
        _cleanup_archive_head_ ArchiveHead h = {};
        _cleanup_strv_ char **edids = NULL;
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(kinds) && r >= 0; i++)
                if (!kinds[i].optional || faccessat(metadata_fd, kinds[i].name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        r = add(&h, metadata_fd, kinds + i, redactor);
        if (r >= 0)
                r = displays_list_edids(metadata_fd, &edids);
        STRV_FOREACH(name, edids)
                if (r >= 0)
                        r = add_edid(&h, metadata_fd, *name, redactor);
        if (r < 0)
                return r;
        *ret = h;
        h = (ArchiveHead) {};
        return 0;
}
