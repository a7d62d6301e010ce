/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>

#include "report.h"
#include "test-util.h"
#include "worker.h"

typedef struct Heard {
        sd_event *event;
        char **lines;
        bool done;
        ErrorCode code;
        char *text;
        int kept_fd, other_fd;
} Heard;

static void setup(void) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        cr_assert_eq(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
}

TestSuite(worker, .init = setup, .fini = test_done, .timeout = 60);

static void heard_done(Heard *h) {
        sd_event_unref(h->event);
        strv_free(h->lines);
        free(h->text);
}
#define _cleanup_heard_ _cleanup_(heard_done)

static void on_line(const char *key, const char *value, void *userdata) {
        Heard *h = userdata;

        cr_assert_not(h->done);
        cr_assert_eq(strv_extendf(&h->lines, "%s=%s", key, value), 0);
}

static void on_done(const Error *error, void *userdata) {
        Heard *h = userdata;

        cr_assert_not(h->done);
        h->done = true;
        h->code = error ? error->code : ERROR_NONE;
        h->text = error ? strdup(error->text) : NULL;
}

static Worker *start(Heard *h, int (*run)(FILE *out, void *arg)) {
        Worker *worker;

        if (!h->event)
                cr_assert_geq(sd_event_new(&h->event), 0);
        cr_assert_eq(worker_start(h->event,
                                     &(WorkerSpec) {
                                             .name = "test",
                                             .run = run,
                                             .arg = h,
                                             .keep_fds = &h->kept_fd,
                                             .n_keep_fds = h->kept_fd > 0,
                                             .line = on_line,
                                             .done = on_done,
                                             .userdata = h,
                                     },
                                     &worker),
                        0);
        return worker;
}

static void run_to_end(Heard *h, int (*run)(FILE *out, void *arg)) {
        Worker *worker = start(h, run);

        while (!h->done)
                cr_assert_geq(sd_event_run(h->event, UINT64_MAX), 0);
        cr_assert_null(worker_free(worker));
}

static int say_lines(FILE *out, void *arg) {
        worker_send(out, "STATE", "arming");
        worker_send(out, "WARNING", "%s", "first\nsecond\tthird = fourth");
        fputs("a line that is none\n", out);
        worker_send(out, "EMPTY", "%s", "");
        return 0;
}

Test(worker, lines) {
        _cleanup_heard_ Heard h = {};

        run_to_end(&h, say_lines);
        cr_assert_eq(h.code, ERROR_NONE);
        cr_assert_eq(strv_length(h.lines), 3);
        cr_assert_str_eq(h.lines[0], "STATE=arming");
        /* What comes in a value cannot become a line of its own. */
        cr_assert_str_eq(h.lines[1], "WARNING=first second third = fourth");
        cr_assert_str_eq(h.lines[2], "EMPTY=");
}

static int say_many(FILE *out, void *arg) {
        for (unsigned i = 0; i < 20000; i++)
                fprintf(out, "N=%u\n", i);
        fflush(out);
        return 0;
}

Test(worker, more_lines_than_a_pipe_holds) {
        _cleanup_heard_ Heard h = {};

        run_to_end(&h, say_many);
        cr_assert_eq(strv_length(h.lines), 20000);
        for (unsigned i = 0; i < 20000; i++)
                cr_assert_eq(strtoul(h.lines[i] + 2, NULL, 10), i);
}

static int fail_with_reason(FILE *out, void *arg) {
        worker_send(out, "STATE", "arming");
        return worker_send_result(out, -EBUSY, &(Error) { ERROR_TRACER_BUSY,
                        (char *) "The tracer is in use." });
}

Test(worker, error) {
        _cleanup_heard_ Heard h = {};

        run_to_end(&h, fail_with_reason);
        cr_assert_eq(h.code, ERROR_TRACER_BUSY);
        cr_assert_str_eq(h.text, "The tracer is in use.");
        cr_assert_eq(strv_length(h.lines), 1);
}

static int fail_by_errno(FILE *out, void *arg) {
        return worker_send_result(out, -ENOSPC, &(Error) {});
}

Test(worker, errno_only) {
        _cleanup_heard_ Heard h = {};

        run_to_end(&h, fail_by_errno);
        cr_assert_eq(h.code, ERROR_FAILED);
        cr_assert_str_eq(h.text, strerrordesc_np(ENOSPC));
}

static int fail_silently(FILE *out, void *arg) {
        return -EIO;
}

Test(worker, failure_without_a_word) {
        _cleanup_heard_ Heard h = {};

        run_to_end(&h, fail_silently);
        cr_assert_eq(h.code, ERROR_FAILED);
        cr_assert(strstr(h.text, "test"), "%s", h.text);
}

static int die(FILE *out, void *arg) {
        worker_send(out, "STATE", "arming");
        (void) kill(getpid(), SIGKILL);
        return 0;
}

Test(worker, killed) {
        _cleanup_heard_ Heard h = {};

        run_to_end(&h, die);
        cr_assert_eq(strv_length(h.lines), 1);
        cr_assert_eq(h.code, ERROR_FAILED);
        cr_assert(strstr(h.text, "signal 9"), "%s", h.text);
}

static int look_at_descriptors(FILE *out, void *arg) {
        const Heard *h = arg;

        worker_send(out, "KEPT", "%d", fcntl(h->kept_fd, F_GETFD) >= 0);
        worker_send(out, "OTHER", "%d", fcntl(h->other_fd, F_GETFD) >= 0);
        return 0;
}

Test(worker, descriptors) {
        _cleanup_close_ int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = open("/dev/null",
                        O_RDONLY | O_CLOEXEC),
                            c = open("/dev/null", O_RDONLY | O_CLOEXEC);
        /* One above all that the worker opens. */
        _cleanup_close_ int high = fcntl(a, F_DUPFD_CLOEXEC, 500);
        const int kept[] = { a, b, c, high };

        for (size_t i = 0; i < ELEMENTS(kept); i++) {
                _cleanup_heard_ Heard h = { .kept_fd = kept[i], .other_fd = kept[(i + 1) % ELEMENTS(kept)] };

                run_to_end(&h, look_at_descriptors);
                cr_assert_eq(strv_length(h.lines), 2);
                cr_assert_str_eq(h.lines[0], "KEPT=1");
                cr_assert_str_eq(h.lines[1], "OTHER=0");
        }
}

static int look_at_signals(FILE *out, void *arg) {
        sigset_t mask;

        (void) sigprocmask(SIG_SETMASK, NULL, &mask);
        worker_send(out, "BLOCKED", "%d", sigismember(&mask, SIGCHLD));
        return 0;
}

Test(worker, signals) {
        _cleanup_heard_ Heard h = {};

        run_to_end(&h, look_at_signals);
        cr_assert_str_eq(h.lines[0], "BLOCKED=0");
}

static int wait_for_ever(FILE *out, void *arg) {
        worker_send(out, "STATE", "waiting");
        (void) pause();
        return 0;
}

Test(worker, freed_early) {
        _cleanup_close_ int write_fd = -EBADF;
        _cleanup_heard_ Heard h = {};
        int fds[2];
        Worker *worker;
        char byte;

        /* The child holds the pipe's end as long as it lives. */
        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        h.kept_fd = fds[1];
        worker = start(&h, wait_for_ever);
        safe_close(fds[1]);
        while (!h.lines)
                cr_assert_geq(sd_event_run(h.event, UINT64_MAX), 0);
        worker_free(worker);
        cr_assert_eq(read(fds[0], &byte, 1), 0);
        safe_close(fds[0]);
        cr_assert_not(h.done);
}
