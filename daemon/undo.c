/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "json.h"
#include "undo.h"

#define UNDO_FILE "undo"
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
int undo_add(int runtime_fd, const char *boot_id, UndoKind kind, const char *name, const char *value) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_free_ char *line = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!o || json_add_string(o, "boot", boot_id) < 0 || json_add_string(o, "kind", kinds[kind]) < 0 ||
            json_add_string(o, "name", name) < 0 || json_add_string(o, "value", value) < 0)
                return -ENOMEM;
        /* The newline before it ends a line that was cut short, which would swallow this one. */
        if (asprintf(&line, "\n%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        fd = openat(runtime_fd, UNDO_FILE, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = append_all(fd, line, strlen(line));
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

static int parse_entry(const char *line, const char *boot_id, UndoEntry *ret) {
        _cleanup_json_ struct json_object *o = json_tokener_parse(line);
        UndoEntry e = { .kind = _UNDO_KIND_MAX };

        if (!json_object_is_type(o, json_type_object))
                return -EBADMSG;
        if (!streq(json_get_string(o, "boot"), boot_id))
                return -ESTALE;
        for (UndoKind k = 0; k < _UNDO_KIND_MAX; k++)
                if (streq(json_get_string(o, "kind"), kinds[k]))
                        e.kind = k;
        if (e.kind == _UNDO_KIND_MAX)
                return -EBADMSG;
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

int undo_load(int runtime_fd, const char *boot_id, Undo *ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_undo_ Undo undo = {};
        char *state = NULL;
        int r;

        r = read_file_at(runtime_fd, UNDO_FILE, 4 * MIB, &text, NULL);
        if (r < 0)
                return r;
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                UndoEntry *grown, entry;

                r = parse_entry(line, boot_id, &entry);
                if (r == -EBADMSG)
                        continue;
                if (r < 0)
                        return r;
                grown = reallocarray(undo.entries, undo.n_entries + 1, sizeof(UndoEntry));
                if (!grown) {
                        free(entry.name);
                        free(entry.value);
                        return -ENOMEM;
                }
                undo.entries = grown;
                undo.entries[undo.n_entries++] = entry;
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
        *undo = (Undo) {};
}
