/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "kernel-log.h"
#include "pstore.h"

/* systemd puts the parts of one crash into a folder, and that in one for the time. */
#define DEPTH_MAX 3
#define RECORDS_MAX 512
#define RECORD_MAX_BYTES MIB
#define ALL_MAX_BYTES (8 * MIB)
/* The clock of the firmware may have whole seconds only. */
#define CLOCK_SLACK_USEC (2 * USEC_PER_SEC)

typedef struct PstoreRecord {
        char *path, *text;
        char *crash;            /* "Panic#2": what the first line begins with; "" where it is none */
        unsigned part;          /* of it; the first one was printed last */
        int error;              /* why there is no text */
} PstoreRecord;

typedef struct Records {
        PstoreRecord *records;
        size_t n_records;
        uint64_t bytes;
        uint64_t from_usec, until_usec;
} Records;

static void record_done(PstoreRecord *r) {
        free(r->path);
        free(r->text);
        free(r->crash);
}

static void records_done(Records *l) {
        for (size_t i = 0; i < l->n_records; i++)
                record_done(l->records + i);
        free(l->records);
}

/* "Panic#2 Part3" (fs/pstore/platform.c, pstore_dump()). */
static int parse_head(PstoreRecord *r) {
        size_t l = strcspn(r->text, "\n");
        const char *part = memmem(r->text, l, " Part", 5);
        unsigned number = 0;

        for (const char *p = part ? part + 5 : NULL; p && *p >= '0' && *p <= '9' && number < 100000; p++)
                number = number * 10 + (unsigned) (*p - '0');
        r->part = number;
        r->crash = strndup(r->text, part && memchr(r->text, '#', l) ? (size_t) (part - r->text) : 0);
        return r->crash ? 0 : -ENOMEM;
}

static int add_record(Records *l, int dir_fd, const char *folder, const char *name) {
        PstoreRecord *grown, r = {};
        struct stat st;
        uint64_t mtime_usec;
        int k = 0;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return 0;
        mtime_usec = (uint64_t) st.st_mtim.tv_sec * USEC_PER_SEC + (uint64_t) st.st_mtim.tv_nsec / 1000;
        if (mtime_usec + CLOCK_SLACK_USEC < l->from_usec || mtime_usec > l->until_usec || l->n_records >= RECORDS_MAX ||
            l->bytes > ALL_MAX_BYTES)
                return 0;
        r.error = read_file_at(dir_fd, name, RECORD_MAX_BYTES, &r.text, NULL);
        if (r.error == -ENOMEM)
                return r.error;
        if (r.error < 0)
                r.text = strdup("");
        if (asprintf(&r.path, "%s/%s", folder, name) < 0)
                r.path = NULL;
        grown = reallocarray(l->records, l->n_records + 1, sizeof(PstoreRecord));
        if (grown)
                l->records = grown;
        if (!grown || !r.path || !r.text || (k = parse_head(&r)) < 0) {
                record_done(&r);
                return -ENOMEM;
        }
        l->records[l->n_records++] = r;
        l->bytes += strlen(r.text);
        return k;
}

static int add_folder(Records *l, int parent_fd, const char *name, const char *path, unsigned depth) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int r;

        r = dir_open_at(parent_fd, name, &d);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while (r >= 0 && (entry = readdir(d))) {
                _cleanup_free_ char *below = NULL;

                if (startswith(entry->d_name, "dmesg-") || startswith(entry->d_name, "console-")) {
                        r = add_record(l, dirfd(d), path, entry->d_name);
                        continue;
                }
                if (*entry->d_name == '.' || entry->d_type != DT_DIR || depth == DEPTH_MAX)
                        continue;
                if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
                        below = NULL;
                        return -ENOMEM;
                }
                r = add_folder(l, dirfd(d), entry->d_name, below, depth + 1);
        }
        return r;
}

static int compare_records(const void *a, const void *b) {
        const PstoreRecord *x = a, *y = b;
        int c = strverscmp(x->crash, y->crash);

        if (c != 0)
                return c;
        if (x->part != y->part)
                return x->part < y->part ? 1 : -1;
        return strverscmp(x->path, y->path);
}

static void print_record(FILE *f, const PstoreRecord *r) {
        const char *line = r->text;

        fprintf(f, "== %s ==\n", r->path);
        if (r->error < 0)
                fprintf(f, "unavailable: %s\n", strerrordesc_np(-r->error));
        while (*line) {
                size_t l = strcspn(line, "\n");

                kernel_log_print_text(f, line, l);
                fputc('\n', f);
                line += l + (line[l] == '\n');
        }
}

int pstore_collect(char *const *folders, uint64_t from_usec, uint64_t until_usec, char **ret) {
        _cleanup_(records_done) Records records = { .from_usec = from_usec, .until_usec = until_usec };
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f;
        int r;

        STRV_FOREACH(folder, folders) {
                r = add_folder(&records, AT_FDCWD, *folder, *folder, 0);
                /* A store that does not let itself be read is as good as none, and the other one may do. */
                if (r == -ENOMEM)
                        return r;
        }
        if (records.n_records == 0)
                return -ENODATA;
        qsort(records.records, records.n_records, sizeof(PstoreRecord), compare_records);
        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < records.n_records; i++)
                print_record(f, records.records + i);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
