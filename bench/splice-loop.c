/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that a drain can cost: full pages from the ring through a pipe into a file, and nothing else. Its first
 * argument is a per_cpu/cpuN/trace_pipe_raw, the second the file. Runs until a signal ends it. */

#include <err.h>
#include <fcntl.h>
#include <poll.h>

#include "util.h"

#define PIPE_BYTES (1 * MIB)
#define WAKE_MSEC 500

int main(int argc, char *argv[]) {
        int ring_fd, file_fd, pipe_fds[2];
        struct pollfd fd;

        if (argc != 3)
                errx(EXIT_FAILURE, "usage: splice-loop RING FILE");
        ring_fd = open(argv[1], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        file_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (ring_fd < 0 || file_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
                err(EXIT_FAILURE, "cannot open %s, %s and a pipe", argv[1], argv[2]);
        (void) fcntl(pipe_fds[1], F_SETPIPE_SZ, (int) PIPE_BYTES);
        fd = (struct pollfd) { .fd = ring_fd, .events = POLLIN };
        for (;;) {
                ssize_t n = splice(ring_fd, NULL, pipe_fds[1], NULL, PIPE_BYTES, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

                while (n > 0) {
                        ssize_t written = splice(pipe_fds[0], NULL, file_fd, NULL, (size_t) n, SPLICE_F_MOVE);

                        if (written <= 0)
                                err(EXIT_FAILURE, "cannot write %s", argv[2]);
                        n -= written;
                }
                if (n < 0 && errno != EAGAIN)
                        err(EXIT_FAILURE, "cannot read %s", argv[1]);
                if (n < 0)
                        (void) poll(&fd, 1, WAKE_MSEC);
        }
}
