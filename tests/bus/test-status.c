/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "mmiotracectl status" is answered while the daemon waits for something: each time that is still held up when the program
 * has ended. How long it takes is measured by "bench/run status". */

#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>

#include "ctl.h"

#define NOBODY 65534
#define SESSION BUS_PATH_SESSION "/_1"
#define RUNNING 0
#define IDLE 3

static Fixture fixture;
static pid_t helper_pid;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        if (helper_pid > 0)
                (void) kill(-helper_pid, SIGKILL);
        fixture_done(&fixture);
}

TestSuite(status, .init = setup, .fini = teardown, .timeout = 60);

/* For a person and for a program, and of the session. */
static void assert_status(Fixture *f, int status, const char *state) {
        _cleanup_ctl_ Ctl page = CTL(f, "status"), json = CTL(f, "--json=short", "status"), one = CTL(f, "status", "1");
        _cleanup_free_ char *member = NULL;

        cr_assert_gt(asprintf(&member, "\"state\":\"%s\"", state), 0);
        cr_assert_eq(page.status, status, "%s%s", page.out, page.err);
        cr_assert(strstr(page.out, state), "%s", page.out);
        cr_assert_eq(json.status, status, "%s%s", json.out, json.err);
        cr_assert(strstr(json.out, member), "%s", json.out);
        cr_assert_eq(one.status, 0, "%s%s", one.out, one.err);
        cr_assert(strstr(one.out, state), "%s", one.out);
}

static void seal_one(Fixture *f) {
        free(expect_path(session_start(f, 0)));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
}

/* The ring is full of pages, and nobody takes them away. */
Test(status, drain_stands_still) {
        Fixture *f = &fixture;
        pid_t drain;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        drain = daemon_stop_worker(f, "drain");
        machine_record(&f->machine);
        assert_status(f, RUNNING, "capturing");
        cr_assert_eq(kill(drain, SIGCONT), 0);
        session_stop(f);
        daemon_stop(f);
}

Test(status, kernel_holds_up_arming) {
        Fixture *f = &fixture;
        Call *start;
        int fd;

        machine_block(&f->machine, "tracing/options/overwrite");
        daemon_start(f);
        start = session_begin(f, 0);
        wait_for_state(f, BUS_PATH, BUS_INTERFACE_MANAGER, "arming");
        fd = machine_await_stuck(&f->machine, "tracing/options/overwrite");
        assert_status(f, RUNNING, "arming");
        cr_assert_null(start->reply);
        cr_assert_eq(write_all(fd, "1\n", 2), 0);
        safe_close(fd);
        expect_ok(call_end(f, start));
        session_stop(f);
        daemon_stop(f);
}

Test(status, kernel_holds_up_restoring) {
        Fixture *f = &fixture;
        Call *stop;
        int fd;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        /* No file that the drain looks at, which would be the one that is held up. */
        machine_block(&f->machine, "tracing/buffer_percent");
        stop = call_begin(f, BUS_PATH, BUS_INTERFACE_MANAGER, "Stop", "a{sv}", 0);
        wait_for_session(f, SESSION, "restoring");
        fd = machine_await_stuck(&f->machine, "tracing/buffer_percent");
        assert_status(f, RUNNING, "restoring");
        cr_assert_null(stop->reply);
        cr_assert_eq(write_all(fd, "50\n", 3), 0);
        safe_close(fd);
        expect_ok(call_end(f, stop));
        daemon_stop(f);
}

Test(status, seal_never_ends) {
        Fixture *f = &fixture;
        _cleanup_free_ char *stuck = below(f->machine.tree.root, "stuck");
        _cleanup_ctl_ Ctl page = {}, one = {};

        fake_file(&f->machine.tree, "stuck", "#!/bin/sh\nexec tail -f /dev/null\n");
        cr_assert_eq(chmod(stuck, 0755), 0);
        f->seal_program = stuck;
        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        session_stop(f);
        wait_for_session(f, SESSION, "sealing");
        /* There is no active one any more: it is shown as the last one. */
        page = CTL(f, "status");
        cr_assert_eq(page.status, IDLE);
        cr_assert(strstr(page.out, "State: sealing"), "%s", page.out);
        one = CTL(f, "status", "1");
        cr_assert(strstr(one.out, "State: sealing"), "%s", one.out);
        assert_session(f, SESSION, "State", "sealing");
        daemon_kill(f, true);
}

/* Asks for what polkit has to be asked for, and waits. */
_noreturn_ static void be_caller(const char *address) {
        sd_bus *bus = NULL;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
            sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 || sd_bus_set_bus_client(bus, true) < 0 ||
            sd_bus_start(bus) < 0)
                _exit(EXIT_FAILURE);
        (void) sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Start", NULL, NULL, "a{sv}", 0);
        _exit(EXIT_SUCCESS);
}

Test(status, authorization_hangs) {
        Fixture *f = &fixture;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        daemon_start(f);
        fixture_be_polkit(f);
        f->polkit_answer = POLKIT_NOTHING;
        seal_one(f);
        helper_pid = fork();
        cr_assert_geq(helper_pid, 0);
        if (helper_pid == 0)
                be_caller(f->address);
        (void) setpgid(helper_pid, helper_pid);
        wait_until(f, f->polkit_calls);
        assert_status(f, IDLE, "sealed");
        cr_assert_eq(waitpid(helper_pid, NULL, WNOHANG), 0, "It has an answer.");
        cr_assert_eq(kill(helper_pid, SIGKILL), 0);
        cr_assert_eq(waitpid(helper_pid, NULL, 0), helper_pid);
        helper_pid = 0;
        daemon_stop(f);
}

/* The upload unit takes the archive, and says nothing more. */
Test(status, upload_hangs) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = below(f->machine.tree.root, "upload.socket"), *state = NULL;
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;
        _cleanup_free_ char *job = NULL;

        fake_file(&f->machine.tree, "mmiotraced.conf", "[Target lab]\nURL=https://traces.example/\n");
        helper_pid = program_start((char *[]) { (char *) "systemd-socket-activate", (char *) "--accept", (char *) "--seqpacket",
                        (char *) "--inetd", (char *) "-l", path, (char *) "tail", (char *) "-f", (char *) "/dev/null", NULL });
        while (access(path, F_OK) < 0) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                (void) poll(NULL, 0, 10);
        }
        daemon_start(f);
        seal_one(f);
        job = expect_path(manager_call(f, "Submit", "oa{sv}", SESSION, 0));
        wait_for_state(f, job, BUS_INTERFACE_JOB, "running");
        assert_status(f, IDLE, "sealed");
        state = get_string(f, job, BUS_INTERFACE_JOB, "State");
        cr_assert_str_eq(state, "running");
        expect_ok(call(f, job, BUS_INTERFACE_JOB, "Cancel", "a{sv}", 0));
        daemon_stop(f);
}
