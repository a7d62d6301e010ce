/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The drain of the daemon with its syncer, on the ring of a tracefs instance: any event fills that, so no mmiotrace is
 * needed. Runs until a signal ends it, as the other drains that it is compared with. */

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <tracefs/tracefs.h>

#include "config.h"
#include "syncer.h"

static void ready(void *userdata) {
}

static void warn_text(const char *text, void *userdata) {
        warnx("%s", text);
}

int main(int argc, char *argv[]) {
        _cleanup_error_ Error error = {};
        DrainCounters counters = {};
        int pipe_fds[2], control_fds[2], mark_fd, sync_fd, raw_fd, r;
        const Config config = CONFIG_DEFAULT;
        DrainPipe pipe;
        uint64_t cpu;

        if (argc != 4 || parse_u64(argv[3], &cpu) < 0)
                errx(EXIT_FAILURE, "usage: drain-bench INSTANCE RAW-FOLDER CPU");
        if (tracefs_set_tracing_dir(argv[1]) < 0)
                err(EXIT_FAILURE, "cannot use %s", argv[1]);
        raw_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (raw_fd < 0 || pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(control_fds, O_CLOEXEC) < 0)
                err(EXIT_FAILURE, "cannot open %s and pipes", argv[2]);
        mark_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        sync_fd = eventfd(0, EFD_CLOEXEC);
        if (mark_fd < 0 || sync_fd < 0)
                err(EXIT_FAILURE, "cannot make an eventfd");
        pipe = (DrainPipe) { (unsigned) cpu, pipe_fds[0], pipe_fds[1] };
        switch (fork()) {
        case -1:
                err(EXIT_FAILURE, "cannot fork");
        case 0:
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) syncer_run(&(SyncerRequest) {
                                .raw_fd = raw_fd,
                                .wake_fd = sync_fd,
                                .pipes = &pipe,
                                .n_pipes = 1,
                                .warn = warn_text,
                });
                return EXIT_FAILURE;
        }
        r = drain_run(&(DrainRequest) {
                        .pipes = &pipe,
                        .n_pipes = 1,
                        .raw_fd = raw_fd,
                        .segment_bytes = 64 * MIB,
                        .control_fd = control_fds[0],
                        .mark_fd = mark_fd,
                        .sync_fd = sync_fd,
                        .sync_usec = config.sync_usec,
                        .sync_bytes = config.sync_bytes,
                        .sys_root = "/sys",
                        .counters = &counters,
                        .ready = ready,
                        .warn = warn_text,
                }, &error);
        if (r < 0)
                errx(EXIT_FAILURE, "%s", error.text ?: strerrordesc_np(-r));
        return EXIT_SUCCESS;
}
