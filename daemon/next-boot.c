/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "names.h"
#include "next-boot.h"

#define NEXT_BOOT_VERSION 1
#define FILE_MAX_BYTES (256 * KIB)

void next_boot_done(NextBoot *boot) {
        session_options_done(&boot->options);
}

bool next_boot_is_possible(const SessionOptions *o) {
        return o->at_boot && o->driver && o->load && !o->rebind && !o->bound_to && o->stop_after_usec > 0;
}

static int open_folder(const Context *context, int *ret) {
        int fd = open(context->config_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

int next_boot_save(const Context *context, const NextBoot *boot) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_close_ int dir_fd = -EBADF;
        const char *text;
        int r;

        r = open_folder(context, &dir_fd);
        if (r < 0)
                return r;
        if (!o)
                return -ENOMEM;
        r = json_add_u64(o, "version", NEXT_BOOT_VERSION);
        if (r >= 0)
                r = json_add_u64(o, "owner_uid", boot->owner_uid);
        if (r >= 0)
                r = session_options_to_json(&boot->options, o);
        if (r < 0)
                return r;
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return -ENOMEM;
        return write_file_atomic_at(dir_fd, NEXT_BOOT_FILE, text, strlen(text));
}

/* It says what a root process will do: so nobody else may have had a hand in it. In a folder that only its owner can
 * change, what is looked at is what is read afterwards. */
static int check_owner(int dir_fd, const char *name) {
        struct stat dir, file;

        if (fstat(dir_fd, &dir) < 0 || fstatat(dir_fd, name, &file, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return dir.st_uid == geteuid() && (dir.st_mode & 022) == 0 && S_ISREG(file.st_mode) &&
                                        file.st_uid == geteuid() && (file.st_mode & 077) == 0 ? 0 : -EPERM;
}

int next_boot_load(const Context *context, const char *name, NextBoot *ret) {
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_next_boot_ NextBoot boot = {};
        _cleanup_close_ int dir_fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        int r;

        r = open_folder(context, &dir_fd);
        if (r >= 0)
                r = check_owner(dir_fd, name);
        if (r >= 0)
                r = read_file_at(dir_fd, name, FILE_MAX_BYTES, &text, NULL);
        if (r < 0)
                return r;
        o = json_tokener_parse(text);
        if (!json_object_is_type(o, json_type_object) || json_get_u64(o, "version") != NEXT_BOOT_VERSION)
                return -EBADMSG;
        boot.owner_uid = (uid_t) json_get_u64(o, "owner_uid");
        r = session_options_from_json(o, &boot.options);
        if (r < 0)
                return r;
        if (!next_boot_is_possible(&boot.options) || !text_is_clean(boot.options.driver, false) ||
            !text_is_clean(strempty(boot.options.description), true))
                return -EBADMSG;
        *ret = boot;
        boot = (NextBoot) {};
        return 0;
}

int next_boot_begin(const Context *context) {
        _cleanup_close_ int dir_fd = -EBADF;
        int r;

        r = open_folder(context, &dir_fd);
        if (r < 0)
                return r;
        if (renameat(dir_fd, NEXT_BOOT_FILE, dir_fd, BEGUN_BOOT_FILE) < 0)
                return -errno;
        return fsync(dir_fd) < 0 ? -errno : 0;
}

int next_boot_remove(const Context *context, const char *name) {
        _cleanup_close_ int dir_fd = -EBADF;
        int r;

        r = open_folder(context, &dir_fd);
        if (r < 0)
                return r;
        if (unlinkat(dir_fd, name, 0) < 0)
                return -errno;
        return fsync(dir_fd) < 0 ? -errno : 0;
}
