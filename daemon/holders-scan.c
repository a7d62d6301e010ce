/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#include "holders-scan.h"
#include "sysfs.h"

/* A process can call its files as it likes, in a mount namespace of its own: so they are told by their inodes. */
typedef struct File {
        dev_t device;
        ino_t inode;
        char *name;
} File;

typedef struct Files {
        File *files;
        size_t n_files;
} Files;

static void files_done(Files *files) {
        for (size_t i = 0; i < files->n_files; i++)
                free(files->files[i].name);
        free(files->files);
}

/* What is not there is not held open: which files there are depends on how the kernel was built. */
static int files_add(Files *files, int tracing_fd, const char *folder, const char *file) {
        _cleanup_free_ char *name = NULL;
        struct stat st;
        File *grown;

        if (asprintf(&name, "%s%s", folder, file) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        if (fstatat(tracing_fd, name, &st, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        grown = reallocarray(files->files, files->n_files + 1, sizeof(File));
        if (!grown)
                return -ENOMEM;
        files->files = grown;
        files->files[files->n_files++] = (File) { st.st_dev, st.st_ino, TAKE_PTR(name) };
        return 0;
}

static int files_collect(Files *files, int tracing_fd) {
        static const char *const of_all[] = { "trace", "trace_pipe", "snapshot" };
        static const char *const of_cpu[] = { "trace", "trace_pipe", "trace_pipe_raw", "snapshot", "snapshot_raw" };
        _cleanup_strv_ char **cpus = NULL;
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(of_all) && r >= 0; i++)
                r = files_add(files, tracing_fd, "", of_all[i]);
        if (r >= 0)
                r = sysfs_list_at(tracing_fd, "per_cpu", &cpus);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        STRV_FOREACH(cpu, cpus) {
                char folder[NAME_MAX + 16];

                (void) snprintf(folder, sizeof folder, "per_cpu/%s/", *cpu);
                for (size_t i = 0; i < ELEMENTS(of_cpu) && r >= 0; i++)
                        r = files_add(files, tracing_fd, folder, of_cpu[i]);
        }
        return r;
}

static const char *files_find(const Files *files, const struct stat *st) {
        for (size_t i = 0; i < files->n_files; i++)
                if (files->files[i].device == st->st_dev && files->files[i].inode == st->st_ino)
                        return files->files[i].name;
        return NULL;
}

static int print_holder(FILE *out, int proc_fd, const char *pid, const char *file) {
        _cleanup_free_ char *path = NULL, *name = NULL;
        int r;

        if (asprintf(&path, "%s/comm", pid) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_line_at(proc_fd, path, &name);
        if (r == -ENOMEM)
                return r;
        if (name && text_is_clean(name, false))
                fprintf(out, "%s %s %s\n", pid, file, name);
        else
                fprintf(out, "%s %s\n", pid, file);
        return 0;
}

/* A process that ends meanwhile holds nothing any more. */
static int scan_process(FILE *out, const Files *files, int proc_fd, const char *pid) {
        _cleanup_strv_ char **fds = NULL, **found = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int dir_fd = -EBADF;
        int r;

        if (asprintf(&path, "%s/fd", pid) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        dir_fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return errno == ENOENT || errno == ESRCH ? 0 : -errno;
        r = sysfs_list_at(dir_fd, ".", &fds);
        if (r < 0)
                return r == -ENOENT || r == -ESRCH ? 0 : r;
        STRV_FOREACH(fd, fds) {
                char target[PATH_MAX];
                const char *file;
                struct stat st;
                ssize_t n;

                /* To stat what lies on a dead server would hang: so only what is called like one of them. */
                n = readlinkat(dir_fd, *fd, target, sizeof target - 1);
                if (n < 0)
                        continue;
                target[n] = 0;
                if ((!strstr(target, "trace") && !strstr(target, "snapshot")) || fstatat(dir_fd, *fd, &st, 0) < 0)
                        continue;
                file = files_find(files, &st);
                if (!file || strv_contains(found, file))
                        continue;
                r = strv_extend(&found, file);
                if (r >= 0)
                        r = print_holder(out, proc_fd, pid, file);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int scan(FILE *out, int proc_fd, int tracing_fd) {
        _cleanup_(files_done) Files files = {};
        _cleanup_strv_ char **entries = NULL;
        int r;

        r = files_collect(&files, tracing_fd);
        if (r >= 0)
                r = sysfs_list_at(proc_fd, ".", &entries);
        if (r < 0)
                return r;
        STRV_FOREACH(entry, entries) {
                uint64_t pid;

                if (parse_u64(*entry, &pid) < 0)
                        continue;
                r = scan_process(out, &files, proc_fd, *entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

int holders_scan(const char *proc_root, const char *sys_root, FILE *out, Error *error) {
        static const char *const places[] = { "kernel/tracing", "kernel/debug/tracing" };
        _cleanup_close_ int proc_fd = -EBADF, sys_fd = -EBADF, tracing_fd = -EBADF;
        int r;

        proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        sys_fd = open(sys_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (proc_fd < 0 || sys_fd < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot look at the processes");
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                tracing_fd = openat(sys_fd, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (tracing_fd >= 0 && faccessat(tracing_fd, "trace_pipe", F_OK, 0) >= 0)
                        break;
                tracing_fd = safe_close(tracing_fd);
        }
        /* Without tracefs there is nothing to hold. */
        if (tracing_fd < 0)
                return 0;
        r = scan(out, proc_fd, tracing_fd);
        if (r == -EACCES || r == -EPERM)
                return error_set(error, ERROR_KERNEL, "A process without CAP_SYS_PTRACE is not shown the files of others.");
        return r < 0 ? error_set_errno(error, ERROR_FAILED, r, "Cannot look at the files of the processes") : 0;
}
