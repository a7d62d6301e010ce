/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "command.h"
#include "desktop.h"

#define PART_MAX_BYTES (96 * KIB)
#define ALL_MAX_BYTES (256 * KIB)
/* A display server that does not answer is no reason not to stop. */
#define WAIT_USEC (5 * USEC_PER_SEC)

#define NVIDIA_DIR "/proc/driver/nvidia"

static _noreturn_ void execute(const char *path, char *const argv[], int out_fd) {
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0 || dup2(null_fd, STDERR_FILENO) < 0)
                _exit(127);
        (void) execv(path, argv);
        _exit(127);
}

/* Up to the end of the output, or of the time. What is too much is cut off. */
static size_t read_output(int fd, char *buffer, size_t size) {
        uint64_t end_usec = now_monotonic_usec() + WAIT_USEC;
        size_t n = 0;

        while (n < size) {
                uint64_t now_usec = now_monotonic_usec();
                struct pollfd p = { .fd = fd, .events = POLLIN };
                ssize_t l;

                if (now_usec >= end_usec || poll(&p, 1, (int) ((end_usec - now_usec) / USEC_PER_MSEC) + 1) <= 0)
                        break;
                l = read(fd, buffer + n, size - n);
                if (l <= 0)
                        break;
                n += (size_t) l;
        }
        return n;
}

static int run(const char *path, char *const argv[], char **ret) {
        _cleanup_free_ char *buffer = calloc(1, PART_MAX_BYTES + 1);
        _cleanup_close_ int in_fd = -EBADF, out_fd = -EBADF;
        int fds[2];
        pid_t pid;

        if (!buffer)
                return -ENOMEM;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        in_fd = fds[0];
        out_fd = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                execute(path, argv, out_fd);
        out_fd = safe_close(out_fd);
        (void) read_output(in_fd, buffer, PART_MAX_BYTES);
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        *ret = TAKE_PTR(buffer);
        return 0;
}

static void add_part(FILE *f, const char *title, const char *text) {
        if (!isempty(text) && text_is_clean(text, true))
                fprintf(f, "== %s ==\n%s\n", title, text);
}

/* --current: without it the server asks the monitors, and a trace that runs would show that. */
static int add_xrandr(FILE *f) {
        char *const argv[] = { (char *) "xrandr", (char *) "--current", (char *) "--verbose", NULL };
        _cleanup_free_ char *path = NULL, *text = NULL;
        int r;

        if (isempty(getenv("DISPLAY")) || command_find(argv[0], &path) < 0)
                return 0;
        r = run(path, argv, &text);
        if (r >= 0)
                add_part(f, "xrandr --current --verbose", text);
        return r;
}

static void add_file(FILE *f, const char *path) {
        _cleanup_free_ char *text = NULL;

        if (read_file_at(AT_FDCWD, path, PART_MAX_BYTES, &text, NULL) >= 0)
                add_part(f, path, text);
}

static void add_nvidia(FILE *f) {
        _cleanup_closedir_ DIR *dir = opendir(NVIDIA_DIR "/gpus");
        const struct dirent *entry;

        add_file(f, NVIDIA_DIR "/version");
        while (dir && (entry = readdir(dir)))
                if (*entry->d_name != '.') {
                        char path[sizeof NVIDIA_DIR + 300];

                        (void) snprintf(path, sizeof path, NVIDIA_DIR "/gpus/%s/information", entry->d_name);
                        add_file(f, path);
                }
}

int desktop_describe(char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f;
        int r;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        r = add_xrandr(f);
        add_nvidia(f);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (r < 0)
                return r;
        *ret = bytes > 0 && bytes <= ALL_MAX_BYTES ? TAKE_PTR(text) : NULL;
        return 0;
}
