/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "drain-pipes.h"

static const char *const ends[] = { "read", "write" };

static int pipe_name(unsigned session_id, unsigned cpu, const char *end, char **ret) {
        char *name;

        if (asprintf(&name, "session-%u-cpu-%u-%s", session_id, cpu, end) < 0)
                return -ENOMEM;
        *ret = name;
        return 0;
}

static int take_end(FdStore *store, unsigned session_id, unsigned cpu, const char *end, int *ret) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = pipe_name(session_id, cpu, end, &name);
        return r < 0 ? r : fd_store_take(store, name, ret);
}

static int park_end(unsigned session_id, unsigned cpu, const char *end, int fd) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = pipe_name(session_id, cpu, end, &name);
        return r < 0 ? r : fd_store_park(name, fd);
}

static void forget(unsigned session_id, unsigned cpu) {
        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                _cleanup_free_ char *name = NULL;

                if (pipe_name(session_id, cpu, ends[i], &name) >= 0)
                        fd_store_forget(name);
        }
}

static void close_ends(DrainPipe *pipe) {
        pipe->read_fd = safe_close(pipe->read_fd);
        pipe->write_fd = safe_close(pipe->write_fd);
}

static int open_pipe(FdStore *store, unsigned session_id, DrainPipe *pipe) {
        int r, fds[2];

        if (take_end(store, session_id, pipe->cpu, ends[0], &pipe->read_fd) >= 0 &&
            take_end(store, session_id, pipe->cpu, ends[1], &pipe->write_fd) >= 0)
                return 0;
        /* One end alone is of no use, and must not be taken for the other end of the new pair. */
        close_ends(pipe);
        forget(session_id, pipe->cpu);
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        pipe->read_fd = fds[0];
        pipe->write_fd = fds[1];
        r = park_end(session_id, pipe->cpu, ends[0], pipe->read_fd);
        return r < 0 ? r : park_end(session_id, pipe->cpu, ends[1], pipe->write_fd);
}

int drain_pipes_open(FdStore *store, unsigned session_id, const char *online, DrainPipes *ret) {
        _cleanup_(drain_pipes_done) DrainPipes p = {};
        CpuSet cpus;
        int r;

        r = cpu_set_parse(online, &cpus);
        if (r < 0)
                return r;
        p.pipes = calloc(MAX(cpu_set_count(&cpus), 1U), sizeof(DrainPipe));
        if (!p.pipes)
                return -ENOMEM;
        for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
                if (!cpu_set_has(&cpus, cpu))
                        continue;
                p.pipes[p.n_pipes] = (DrainPipe) { cpu, -EBADF, -EBADF };
                r = open_pipe(store, session_id, p.pipes + p.n_pipes++);
                if (r < 0)
                        return r;
        }
        *ret = p;
        p = (DrainPipes) {};
        return 0;
}

void drain_pipes_done(DrainPipes *p) {
        for (size_t i = 0; i < p->n_pipes; i++)
                close_ends(p->pipes + i);
        free(p->pipes);
        *p = (DrainPipes) {};
}

void drain_pipes_close(DrainPipes *p, unsigned session_id) {
        for (size_t i = 0; i < p->n_pipes; i++)
                forget(session_id, p->pipes[i].cpu);
        drain_pipes_done(p);
}
