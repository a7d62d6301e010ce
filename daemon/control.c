/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <tracefs/tracefs.h>

#include "control.h"

int control_read(const char *name, char **ret) {
        _cleanup_free_ char *text = NULL;
        int size = 0;

        text = tracefs_instance_file_read(NULL, name, &size);
        if (!text)
                return errno > 0 ? -errno : -EIO;
        text[strcspn(text, "\n")] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

int control_write(const char *name, const char *value) {
        int n = tracefs_instance_file_write(NULL, name, value);

        if (n < 0)
                return errno > 0 ? -errno : -EIO;
        return (size_t) n == strlen(value) ? 0 : -EIO;
}

int sysctl_read(const char *proc_root, const char *name, char **ret) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/sys/%s", proc_root, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return read_line_at(AT_FDCWD, path, ret);
}

int sysctl_write(const char *proc_root, const char *name, const char *value) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/sys/%s", proc_root, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return write_control_at(AT_FDCWD, path, value);
}

int read_online_cpus(const char *sys_root, char **ret, CpuSet *ret_set) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        int r;

        if (asprintf(&path, "%s/devices/system/cpu/online", sys_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_line_at(AT_FDCWD, path, &line);
        if (r < 0)
                return r;
        r = ret_set ? cpu_set_parse(line, ret_set) : 0;
        if (r < 0)
                return r;
        if (ret)
                *ret = TAKE_PTR(line);
        return 0;
}

int format_missing_cpus(const CpuSet *before, const CpuSet *now, char **ret) {
        _cleanup_free_ char *list = NULL;
        size_t bytes;
        FILE *f;

        f = open_memstream(&list, &bytes);
        if (!f)
                return -ENOMEM;
        for (unsigned i = 0; i < CPUS_MAX; i++) {
                unsigned first = i;

                if (!cpu_set_has(before, i) || cpu_set_has(now, i))
                        continue;
                while (cpu_set_has(before, i + 1) && !cpu_set_has(now, i + 1))
                        i++;
                fprintf(f, "%s%u", ftell(f) > 0 ? "," : "", first);
                if (i > first)
                        fprintf(f, "-%u", i);
        }
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(list);
        return 0;
}
