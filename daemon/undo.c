/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/file.h>

#include "json.h"
#include "undo.h"

#define UNDO_FILE "undo"
#define BAD_FILE "undo.bad"
#define LOCK_FILE "lock"

static const char *const kinds[_UNDO_KIND_MAX] = {
        [UNDO_CONTROL] = "control",
        [UNDO_TRACER] = "tracer",
        [UNDO_CPUS] = "cpus",
        [UNDO_BIND] = "bind",
        [UNDO_SYSCTL] = "sysctl",
};

int undo_boot_id(const char *proc_root, char **ret) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/sys/kernel/random/boot_id", proc_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return read_line_at(AT_FDCWD, path, ret);
}

/* JSON, so that no value of a kernel file can be taken for two lines. */
static int format_entry(const char *boot_id, const UndoEntry *entry, FILE *out) {
        _cleanup_json_ struct json_object *o = json_object_new_object();

        if (!o || json_add_string(o, "boot", boot_id) < 0 || json_add_string(o, "kind", kinds[entry->kind]) < 0 ||
            json_add_string(o, "name", entry->name) < 0 || json_add_string(o, "value", entry->value) < 0)
                return -ENOMEM;
        if (entry->n_tries > 0 && json_add_u64(o, "tries", entry->n_tries) < 0)
                return -ENOMEM;
        /* The newline before it ends a line that was cut short, which would swallow this one. */
        return fprintf(out, "\n%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) < 0 ? -ENOMEM : 0;
}

static int format_entries(const char *boot_id, const UndoEntry *entries, size_t n_entries, char *const *lines, char **ret,
        size_t *ret_bytes) {
        _cleanup_free_ char *text = NULL;
        size_t bytes = 0;
        FILE *out;
        int r = 0;

        out = open_memstream(&text, &bytes);
        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < n_entries && r >= 0; i++)
                r = format_entry(boot_id, entries + i, out);
        STRV_FOREACH(line, lines)
                fprintf(out, "\n%s\n", *line);
        if (fclose(out) != 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        *ret_bytes = bytes;
        return 0;
}

static int append(int runtime_fd, const char *file, const char *boot_id, const UndoEntry *entries, size_t n_entries,
        char *const *lines) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t bytes;
        int r;

        r = format_entries(boot_id, entries, n_entries, lines, &text, &bytes);
        if (r < 0)
                return r;
        fd = openat(runtime_fd, file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = append_all(fd, text, bytes);
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

int undo_add(int runtime_fd, const char *boot_id, UndoKind kind, const char *name, const char *value) {
        return append(runtime_fd, UNDO_FILE, boot_id, &(UndoEntry) { kind, (char *) name, (char *) value, 0 }, 1, NULL);
}

int undo_set_aside(int runtime_fd, const char *boot_id, const UndoEntry *entries, size_t n_entries, char *const *lines) {
        return append(runtime_fd, BAD_FILE, boot_id, entries, n_entries, lines);
}

int undo_keep(int runtime_fd, const char *boot_id, const UndoEntry *entries, size_t n_entries) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        int r;

        if (n_entries == 0)
                return undo_remove(runtime_fd);
        r = format_entries(boot_id, entries, n_entries, NULL, &text, &bytes);
        return r < 0 ? r : write_file_atomic_at(runtime_fd, UNDO_FILE, text, bytes);
}

/* -ESTALE: it is of another boot. -ENODATA: it was cut short. -EBADMSG: who can say what it is. */
static int parse_entry(const char *line, const char *boot_id, UndoEntry *ret) {
        enum json_tokener_error why = json_tokener_success;
        _cleanup_json_ struct json_object *o = json_tokener_parse_verbose(line, &why);
        UndoEntry e = { .kind = _UNDO_KIND_MAX };

        if ((why == json_tokener_continue || why == json_tokener_error_parse_eof) && *line == '{')
                return -ENODATA;
        if (!json_object_is_type(o, json_type_object) || isempty(json_get_string(o, "boot")))
                return -EBADMSG;
        if (!streq(json_get_string(o, "boot"), boot_id))
                return -ESTALE;
        for (UndoKind k = 0; k < _UNDO_KIND_MAX; k++)
                if (streq(json_get_string(o, "kind"), kinds[k]))
                        e.kind = k;
        if (e.kind == _UNDO_KIND_MAX)
                return -EBADMSG;
        e.n_tries = (unsigned) MIN(json_get_u64(o, "tries"), UINT64_C(1000));
        e.name = strdup(json_get_string(o, "name"));
        e.value = strdup(json_get_string(o, "value"));
        if (!e.name || !e.value) {
                free(e.name);
                free(e.value);
                return -ENOMEM;
        }
        *ret = e;
        return 0;
}

static int take_line(Undo *undo, const char *line, const char *boot_id) {
        UndoEntry *grown, entry;
        int r;

        r = parse_entry(line, boot_id, &entry);
        switch (r) {
        case -ENODATA:
                return 0;
        case -ESTALE:
                undo->n_stale++;
                return 0;
        case -EBADMSG:
                return strv_extend(&undo->unknown, line);
        default:
                if (r < 0)
                        return r;
        }
        grown = reallocarray(undo->entries, undo->n_entries + 1, sizeof(UndoEntry));
        if (!grown) {
                free(entry.name);
                free(entry.value);
                return -ENOMEM;
        }
        undo->entries = grown;
        undo->entries[undo->n_entries++] = entry;
        return 0;
}

int undo_load(int runtime_fd, const char *boot_id, Undo *ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_undo_ Undo undo = {};
        size_t bytes;
        int r;

        r = read_file_at(runtime_fd, UNDO_FILE, 4 * MIB, &text, &bytes);
        if (r < 0)
                return r;
        for (char *line = text, *next; line < text + bytes; line = next) {
                char *end = memchr(line, '\n', (size_t) (text + bytes - line)) ?: text + bytes;

                next = end + 1;
                *end = 0;
                /* A byte that no text has: what is behind it must not get lost. */
                for (char *zero; (zero = memchr(line, 0, (size_t) (end - line)));)
                        *zero = '?';
                if (*line == 0)
                        continue;
                r = take_line(&undo, line, boot_id);
                if (r < 0)
                        return r;
        }
        *ret = undo;
        undo = (Undo) {};
        return 0;
}

int undo_lock(int runtime_fd, bool wait, int *ret_fd) {
        /* Of the process alone (fcntl(2)): a worker that was just forked, and outlives it for a moment, does not have it. */
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        _cleanup_close_ int fd = openat(runtime_fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        while (fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock) < 0)
                if (errno == EACCES || errno == EAGAIN)
                        return -EWOULDBLOCK;
                else if (errno != EINTR)
                        return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int undo_lock_journal(int runtime_fd, int *ret_fd) {
        /* Of the folder: closing a second descriptor of the file above would give up the lock there (fcntl(2)). */
        _cleanup_close_ int fd = openat(runtime_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

bool undo_exists(int runtime_fd) {
        return faccessat(runtime_fd, UNDO_FILE, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

int undo_remove(int runtime_fd) {
        return unlinkat(runtime_fd, UNDO_FILE, 0) < 0 && errno != ENOENT ? -errno : 0;
}

void undo_done(Undo *undo) {
        for (size_t i = 0; i < undo->n_entries; i++) {
                free(undo->entries[i].name);
                free(undo->entries[i].value);
        }
        free(undo->entries);
        strv_free(undo->unknown);
        *undo = (Undo) {};
}
