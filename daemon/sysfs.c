/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>

#include "sysfs.h"

static size_t count_hex(const char *s) {
        return strspn(s, "0123456789abcdef");
}

bool pci_address_is_valid(const char *s) {
        size_t domain = count_hex(s);

        if (domain < 4 || domain > 8)
                return false;
        s += domain;
        if (s[0] != ':' || count_hex(s + 1) != 2 || s[3] != ':' || count_hex(s + 4) != 2)
                return false;
        return s[6] == '.' && s[7] >= '0' && s[7] <= '7' && s[8] == 0;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

void strv_sort(char **l) {
        if (l)
                qsort(l, strv_length(l), sizeof *l, compare_strings);
}

int sysfs_list_at(int dir_fd, const char *path, char ***ret) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_closedir_ DIR *dir = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void) TAKE_FD(fd);

        for (;;) {
                const struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        if (errno > 0)
                                return -errno;
                        break;
                }
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                r = strv_extend(&names, entry->d_name);
                if (r < 0)
                        return r;
        }
        strv_sort(names);
        *ret = TAKE_PTR(names);
        return 0;
}

int sysfs_link_name_at(int dir_fd, const char *path, char **ret) {
        char target[PATH_MAX];
        const char *name;
        ssize_t n;
        char *copy;

        n = readlinkat(dir_fd, path, target, sizeof target);
        if (n < 0)
                return -errno;
        if ((size_t) n >= sizeof target)
                return -ENAMETOOLONG;
        target[n] = 0;
        name = strrchr(target, '/');
        copy = strdup(name ? name + 1 : target);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int sysfs_real_path(const char *sys_root, char **ret, const char *format, ...) {
        _cleanup_free_ char *below = NULL, *path = NULL;
        char *real;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&below, format, ap);
        va_end(ap);
        if (r < 0) {
                below = NULL;
                return -ENOMEM;
        }
        if (asprintf(&path, "%s/%s", sys_root, below) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        real = realpath(path, NULL);
        if (!real)
                return -errno;
        *ret = real;
        return 0;
}

bool path_is_below(const char *path, const char *root) {
        const char *rest = startswith(path, root);

        return rest && (*rest == 0 || *rest == '/');
}
