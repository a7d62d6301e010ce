/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "command.h"
#include "text.h"

#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND 127

static int check_executable(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return errno == ENOTDIR ? -ENOENT : -errno;
        return !S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -EACCES : 0;
}

int command_find(const char *name, char **ret_path) {
        const char *folders = getenv("PATH") ?: _PATH_STDPATH;
        int result = -ENOENT, r;

        if (isempty(name))
                return -ENOENT;
        if (strchr(name, '/')) {
                r = check_executable(name);
                if (r < 0)
                        return r;
                *ret_path = strdup(name);
                return *ret_path ? 0 : -ENOMEM;
        }
        for (;;) {
                size_t l = strcspn(folders, ":");
                _cleanup_free_ char *path = NULL;

                /* An empty one is the current folder. */
                if (asprintf(&path, "%.*s/%s", l > 0 ? (int) l : 1, l > 0 ? folders : ".", name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = check_executable(path);
                if (r >= 0) {
                        *ret_path = TAKE_PTR(path);
                        return 0;
                }
                /* One that can be run may be further on. */
                if (r == -EACCES)
                        result = r;
                if (!folders[l])
                        return result;
                folders += l + 1;
        }
}

_noreturn_ static void execute(const char *path, char *const argv[], const sigset_t *mask) {
        int error;

        (void) sigprocmask(SIG_SETMASK, mask, NULL);
        /* With a slash in it, nothing is searched again; and as in a shell, a file without "#!" is a script of sh. */
        (void) execvp(path, argv);
        error = errno;
        (void) dprintf(STDERR_FILENO, "mmiotracectl: Cannot run %s: %s.\n", path, strerrordesc_np(error));
        _exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

static int wait_for(pid_t pid, const sigset_t *mask, int *ret_status) {
        for (;;) {
                siginfo_t info;
                int signal = sigwaitinfo(mask, &info);

                if (signal < 0 && errno != EINTR)
                        return -errno;
                if (signal == SIGCHLD) {
                        pid_t ended = waitpid(pid, ret_status, WNOHANG);

                        if (ended != 0)
                                return ended < 0 ? -errno : 0;
                } else if (signal > 0 && info.si_code != SI_KERNEL)
                        /* The kernel's are the terminal's, which sends them to every process in its foreground. */
                        (void) kill(pid, signal);
        }
}

int command_run(const char *path, char *const argv[], int *ret_status) {
        sigset_t mask, old_mask;
        int status, r = 0;
        pid_t pid;

        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGQUIT);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGHUP);
        sigaddset(&mask, SIGCHLD);
        /* Whoever started us may have ignored it, and then nobody can wait for a child. */
        (void) signal(SIGCHLD, SIG_DFL);
        if (sigprocmask(SIG_BLOCK, &mask, &old_mask) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                execute(path, argv, &old_mask);
        r = pid < 0 ? -errno : wait_for(pid, &mask, &status);
        /* Those that came with the command's end were meant for it. */
        while (sigtimedwait(&mask, NULL, &(struct timespec) {}) > 0)
                ;
        (void) sigprocmask(SIG_SETMASK, &old_mask, NULL);
        if (r < 0)
                return r;
        *ret_status = status;
        return 0;
}

int command_exit_status(int status) {
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int command_to_text(char *const argv[], size_t max_bytes, char **ret) {
        _cleanup_free_ char *line = NULL, *escaped = NULL;
        size_t bytes = 0;
        FILE *f = open_memstream(&line, &bytes);
        int r;

        if (!f)
                return -errno;
        STRV_FOREACH(word, argv)
                fprintf(f, "%s%s", word == argv ? "" : " ", *word);
        if (fclose(f) != 0)
                return -ENOMEM;
        r = text_escape(line, &escaped);
        if (r < 0)
                return r;
        if (strlen(escaped) > max_bytes) {
                size_t end = max_bytes - strlen("...");

                /* Not in the middle of a character. */
                while (end > 0 && ((unsigned char) escaped[end] & 0xc0) == 0x80)
                        end--;
                (void) strcpy(escaped + end, "...");
        }
        *ret = TAKE_PTR(escaped);
        return 0;
}
