/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <tracefs/tracefs.h>

#include "tracer-watch.h"

/* A page of the kernel's, which no file here exceeds. */
#define TEXT_MAX_BYTES 4096

static int open_control(const char *name) {
        int fd = tracefs_instance_file_open(NULL, name, O_RDONLY | O_CLOEXEC);

        return fd >= 0 ? fd : errno > 0 ? -errno : -EIO;
}

/* All of the file as it is now. */
static int read_again(int fd, char text[static TEXT_MAX_BYTES]) {
        size_t bytes = 0;

        /* Tests stand a pipe in for a file of a kernel that takes its time. */
        if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
                return -errno;
        for (;;) {
                ssize_t n = read(fd, text + bytes, TEXT_MAX_BYTES - 1 - bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                bytes += (size_t) n;
                if (bytes == TEXT_MAX_BYTES - 1)
                        return -EFBIG;
        }
        text[bytes] = 0;
        return 0;
}

static int read_line_again(int fd, char **ret) {
        char text[TEXT_MAX_BYTES];
        int r;

        r = read_again(fd, text);
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = 0;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

int tracer_stats_parse(const char *text, TracerStats *ret) {
        static const struct {
                const char *name;
                size_t offset;
        } fields[] = {
                { "entries: ", offsetof(TracerStats, n_entries) },
                { "bytes: ", offsetof(TracerStats, n_bytes) },
                { "overrun: ", offsetof(TracerStats, n_overrun) },
                { "commit overrun: ", offsetof(TracerStats, n_commit_overrun) },
                { "dropped events: ", offsetof(TracerStats, n_dropped) },
                { "read events: ", offsetof(TracerStats, n_read) },
        };
        TracerStats stats = {};

        for (size_t i = 0; i < ELEMENTS(fields); i++) {
                const char *p = text;

                /* At the start of a line: "commit overrun:" ends in the name of another field. */
                while ((p = strstr(p, fields[i].name)) && p != text && p[-1] != '\n')
                        p++;
                if (!p || sscanf(p + strlen(fields[i].name), "%" SCNu64, (uint64_t *) ((char *) &stats + fields[i].offset)) != 1)
                        return -EBADMSG;
        }
        *ret = stats;
        return 0;
}

int tracer_stats_open(unsigned cpu) {
        char name[64];

        (void) snprintf(name, sizeof name, "per_cpu/cpu%u/stats", cpu);
        return open_control(name);
}

int tracer_stats_read(int fd, TracerStats *ret) {
        char text[TEXT_MAX_BYTES];
        int r;

        r = read_again(fd, text);
        return r < 0 ? r : tracer_stats_parse(text, ret);
}

void tracer_settings_done(TracerSettings *settings) {
        free(settings->clocks);
        free(settings->cpumask);
        free(settings->online);
        *settings = (TracerSettings) {};
}

enum { ON, CLOCK, SIZE, CPUMASK, ONLINE, N_FILES };

struct TracerWatch {
        int fds[N_FILES];
};

TracerWatch *tracer_watch_free(TracerWatch *w) {
        if (!w)
                return NULL;
        for (size_t i = 0; i < N_FILES; i++)
                safe_close(w->fds[i]);
        free(w);
        return NULL;
}

static int open_online(const char *sys_root) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/devices/system/cpu/online", sys_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? -errno : fd;
}

int tracer_watch_new(const char *sys_root, unsigned cpu, TracerWatch **ret) {
        _cleanup_(tracer_watch_freep) TracerWatch *w = malloc(sizeof(TracerWatch));
        char size_name[64];

        if (!w)
                return -ENOMEM;
        (void) snprintf(size_name, sizeof size_name, "per_cpu/cpu%u/buffer_size_kb", cpu);
        *w = (TracerWatch) { .fds = {
                [ON] = open_control("tracing_on"),
                [CLOCK] = open_control("trace_clock"),
                [SIZE] = open_control(size_name),
                [CPUMASK] = open_control("tracing_cpumask"),
                [ONLINE] = open_online(sys_root),
        } };
        for (size_t i = 0; i < N_FILES; i++)
                if (w->fds[i] < 0)
                        return w->fds[i];
        *ret = TAKE_PTR(w);
        return 0;
}

int tracer_watch_read(const TracerWatch *w, TracerSettings *ret) {
        _cleanup_(tracer_settings_done) TracerSettings settings = {};
        _cleanup_free_ char *on = NULL, *size = NULL;
        uint64_t kb;
        int r;

        r = read_line_again(w->fds[ON], &on);
        if (r >= 0)
                r = read_line_again(w->fds[CLOCK], &settings.clocks);
        if (r >= 0)
                r = read_line_again(w->fds[SIZE], &size);
        if (r >= 0)
                r = parse_u64(size, &kb);
        if (r >= 0)
                r = read_line_again(w->fds[CPUMASK], &settings.cpumask);
        if (r >= 0)
                r = read_line_again(w->fds[ONLINE], &settings.online);
        if (r < 0)
                return r;
        settings.recording = !streq(on, "0");
        settings.ring_bytes = kb * KIB;
        *ret = settings;
        settings = (TracerSettings) {};
        return 0;
}

int tracer_read_settings(const char *sys_root, unsigned cpu, TracerSettings *ret) {
        _cleanup_(tracer_watch_freep) TracerWatch *w = NULL;
        int r;

        r = tracer_watch_new(sys_root, cpu, &w);
        return r < 0 ? r : tracer_watch_read(w, ret);
}
