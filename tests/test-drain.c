/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When the drain asks for the disk, and what the syncer finds then; and what others have changed before it came. */

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bus/machine.h"
#include "syncer.h"
#include "tracer.h"

#define HOUR_USEC (3600 * USEC_PER_SEC)
#define LONG_MSEC 60000

typedef struct Rig {
        Machine machine;
        int raw_fd, control_fd, mark_fd, sync_fd;
        DrainCounters *counters;
        pid_t pid;
} Rig;

static void ignore_ready(void *userdata) {
}

/* To whoever has the other end of the control socket. */
static void pass_warning(const char *text, void *userdata) {
        if (write(*(const int *) userdata, text, strlen(text)) < 0)
                _exit(1);
}

static void run_drain(const Rig *rig, int control_fd, uint64_t sync_usec, uint64_t sync_bytes) {
        _cleanup_free_ char *dir = NULL, *tracing = below(rig->machine.tree.root, "tracing");
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0 || tracer_find_dir(&(Context) { .tracing_dir = tracing }, &dir, NULL) < 0)
                _exit(1);
        _exit(drain_run(&(DrainRequest) {
                        .pipes = &(DrainPipe) { 0, fds[0], fds[1] },
                        .n_pipes = 1,
                        .raw_fd = rig->raw_fd,
                        .segment_bytes = 64 * MIB,
                        .control_fd = control_fd,
                        .mark_fd = rig->mark_fd,
                        .sync_fd = rig->sync_fd,
                        .sync_usec = sync_usec,
                        .sync_bytes = sync_bytes,
                        .sys_root = rig->machine.tree.sys,
                        .counters = rig->counters,
                        .ready = ignore_ready,
                        .warn = pass_warning,
                        .userdata = &control_fd,
        }, NULL) < 0);
}

static void rig_make(Rig *rig, const char *online, uint64_t sync_usec, uint64_t sync_bytes) {
        _cleanup_close_ int formats_fd = -EBADF;
        _cleanup_free_ char *dir = NULL, *tracing = NULL;
        int fds[2];

        *rig = (Rig) {};
        machine_make(&rig->machine);
        fake_file(&rig->machine.tree, "sys/devices/system/cpu/online", online);
        cr_assert_eq(mkdirat(test_dir(), "raw", 0700), 0);
        cr_assert_eq(mkdirat(test_dir(), "raw/formats", 0700), 0);
        rig->raw_fd = openat(test_dir(), "raw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        formats_fd = openat(test_dir(), "raw/formats", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        tracing = below(rig->machine.tree.root, "tracing");
        cr_assert_eq(tracer_find_dir(&(Context) { .tracing_dir = tracing }, &dir, NULL), 0);
        cr_assert_eq(tracer_copy_formats(formats_fd, NULL), 0);
        rig->mark_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        rig->sync_fd = eventfd(0, EFD_CLOEXEC);
        rig->counters = mmap(NULL, sizeof(DrainCounters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert(rig->raw_fd >= 0 && rig->mark_fd >= 0 && rig->sync_fd >= 0 && rig->counters != MAP_FAILED);
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        rig->control_fd = fds[0];
        rig->pid = fork();
        cr_assert_geq(rig->pid, 0);
        if (rig->pid == 0)
                run_drain(rig, fds[1], sync_usec, sync_bytes);
        safe_close(fds[1]);
}

static void assert_asked(Rig *rig) {
        eventfd_t n;

        cr_assert_eq(poll(&(struct pollfd) { .fd = rig->sync_fd, .events = POLLIN }, 1, LONG_MSEC), 1);
        cr_assert_eq(eventfd_read(rig->sync_fd, &n), 0);
        cr_assert_gt(atomic_load(&rig->counters->n_raw_bytes), 0);
}

static void rig_done(Rig *rig) {
        int status;

        cr_assert_eq(write(rig->control_fd, (char[]) { DRAIN_STOP }, 1), 1);
        cr_assert_eq(waitpid(rig->pid, &status, 0), rig->pid);
        cr_assert_eq(status, 0);
        cr_assert_eq(atomic_load(&rig->counters->n_raw_bytes), SAMPLE_BYTES);
        safe_close(rig->raw_fd);
        safe_close(rig->control_fd);
        safe_close(rig->mark_fd);
        safe_close(rig->sync_fd);
        cr_assert_eq(munmap(rig->counters, sizeof(DrainCounters)), 0);
        machine_done(&rig->machine);
}

Test(drain, asks_for_what_has_waited_long) {
        Rig rig;

        rig_make(&rig, "0\n", 100 * USEC_PER_MSEC, 1024 * MIB);
        machine_record(&rig.machine);
        assert_asked(&rig);
        rig_done(&rig);
}

Test(drain, asks_for_what_is_much) {
        Rig rig;

        rig_make(&rig, "0\n", HOUR_USEC, SAMPLE_BYTES);
        machine_record(&rig.machine);
        assert_asked(&rig);
        rig_done(&rig);
}

Test(drain, asks_at_a_mark) {
        Rig rig;

        rig_make(&rig, "0\n", HOUR_USEC, 1024 * MIB);
        machine_record(&rig.machine);
        cr_assert_eq(eventfd_write(rig.mark_fd, 1), 0);
        assert_asked(&rig);
        rig_done(&rig);
}

Test(drain, knows_which_cpus_were_left) {
        char text[1024] = {};
        size_t bytes = 0;
        Rig rig;

        rig_make(&rig, "0-1\n", HOUR_USEC, 1024 * MIB);
        machine_record(&rig.machine);
        while (!strstr(text, "CPUs came or went during the session")) {
                ssize_t n;

                cr_assert_eq(poll(&(struct pollfd) { .fd = rig.control_fd, .events = POLLIN }, 1, LONG_MSEC), 1, "%s", text);
                n = read(rig.control_fd, text + bytes, sizeof text - 1 - bytes);
                cr_assert_gt(n, 0, "%s", text);
                bytes += (size_t) n;
        }
        rig_done(&rig);
}

static int sync_once(bool text, unsigned cpu) {
        return syncer_run_once(&(SyncerRequest) {
                        .raw_fd = test_dir(),
                        .text = text,
                        .pipes = &(DrainPipe) { cpu, -EBADF, -EBADF },
                        .n_pipes = 1,
        });
}

/* Every segment up to the last is opened: which one was is seen by a link, which it refuses. */
Test(syncer, goes_through_all, .fini = test_done) {
        cr_assert_eq(sync_once(false, 7), 0);
        cr_assert_eq(sync_once(true, 7), 0);
        for (unsigned i = 3; i < 6; i++) {
                char name[32];

                (void) snprintf(name, sizeof name, "cpu7-%06u.raw", i);
                test_file(name, "x", 1);
        }
        test_file("cpu7.loss", "x", 1);
        cr_assert_eq(sync_once(false, 7), 0);
        cr_assert_eq(symlinkat("cpu7-000003.raw", test_dir(), "cpu7-000006.raw"), 0);
        cr_assert_eq(sync_once(false, 7), -ELOOP);
        cr_assert_eq(sync_once(false, 0), 0);
        cr_assert_eq(symlinkat("cpu7.loss", test_dir(), "cpu0.loss"), 0);
        cr_assert_eq(sync_once(false, 0), -ELOOP);

        test_file("text-000000.log", "x", 1);
        cr_assert_eq(sync_once(true, 0), 0);
        cr_assert_eq(symlinkat("text-000000.log", test_dir(), "text-000001.log"), 0);
        cr_assert_eq(sync_once(true, 0), -ELOOP);
}
