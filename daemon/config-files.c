/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config-files.h"

static const char *file_name(const char *path) {
        return strrchr(path, '/') + 1;
}

static bool has_name(char *const *paths, const char *name) {
        STRV_FOREACH(path, paths)
                if (streq(file_name(*path), name))
                        return true;
        return false;
}

/* The journal and the bus take text only. */
static bool is_dropin(const char *name) {
        const char *end = strrchr(name, '.');

        return *name != '.' && end && streq(end, ".conf") && text_is_clean(name, false);
}

static int add_folder(char ***paths, const char *folder, Error *error) {
        _cleanup_closedir_ DIR *d = opendir(folder);
        struct dirent *entry;
        int r = 0;

        if (!d)
                return errno == ENOENT ? 0 : error_set_errno(error, ERROR_FAILED, -errno, "Cannot read the folder %s", folder);
        while (r >= 0 && (errno = 0, entry = readdir(d)))
                if (is_dropin(entry->d_name) && !has_name(*paths, entry->d_name))
                        r = strv_extendf(paths, "%s/%s", folder, entry->d_name);
        if (r < 0)
                return r;
        return errno > 0 ? error_set_errno(error, ERROR_FAILED, -errno, "Cannot read the folder %s", folder) : 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(file_name(*(char *const *) a), file_name(*(char *const *) b));
}

int config_dropins(const ConfigPlaces *places, char ***ret_paths, Error *error) {
        _cleanup_strv_ char **paths = NULL;
        int r;

        for (const char *const *folder = places->dropin_dirs; folder && *folder; folder++) {
                r = add_folder(&paths, *folder, error);
                if (r < 0)
                        return r;
        }
        if (paths)
                qsort(paths, strv_length(paths), sizeof *paths, compare_names);
        *ret_paths = TAKE_PTR(paths);
        return 0;
}

int config_open(const char *path, FILE **ret, Error *error) {
        /* A pipe in its place must not stop the daemon. */
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        FILE *file;

        *ret = NULL;
        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot read %s", path);
        if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
                return 0;
        if (!S_ISREG(st.st_mode))
                return error_set(error, ERROR_FAILED, "%s is not a file.", path);
        file = fdopen(fd, "r");
        if (!file)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot read %s", path);
        (void) TAKE_FD(fd);
        *ret = file;
        return 0;
}
