/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "mmiotracectl run": the program itself, with the daemon on a machine that is a folder. */

#include <fcntl.h>
#include <signal.h>

#include "ctl.h"

#define SESSION BUS_PATH_SESSION "/_1"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(run, .init = setup, .fini = teardown, .timeout = 60);

static char *_printf_(1, 2) print(const char *format, ...) {
        va_list ap;
        char *s;

        va_start(ap, format);
        cr_assert_gt(vasprintf(&s, format, ap), 0);
        va_end(ap);
        return s;
}

static void assert_no_session(Fixture *f) {
        _cleanup_strv_ char **sessions = list_sessions(f);

        cr_assert_eq(strv_length(sessions), 0);
}

/* The marks of the session, a line each. */
static char *read_marks(Fixture *f, const char *session) {
        sd_bus_message *reply = call(f, session, "org.freedesktop.DBus.Properties", "Get", "ss",
                        BUS_INTERFACE_SESSION, "Marks");
        _cleanup_strv_ char **lines = NULL;
        char *text = strdup("");
        const char *mark;
        uint64_t usec;

        cr_assert_gt(sd_bus_message_enter_container(reply, 'v', "a(tts)"), 0);
        cr_assert_gt(sd_bus_message_enter_container(reply, 'a', "(tts)"), 0);
        while (sd_bus_message_read(reply, "(tts)", &usec, &usec, &mark) > 0) {
                char *longer;

                longer = print("%s%s\n", text, mark);
                free(text);
                text = longer;
        }
        sd_bus_message_unref(reply);
        return text;
}

/* A FIFO by which the command of a test tells that it runs: opening it for reading waits for that. */
static char *make_signal(Fixture *f) {
        char *path = below(f->machine.tree.root, "signal");

        cr_assert_eq(mkfifo(path, 0666), 0);
        return path;
}

static void wait_for_signal(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char line[16];

        cr_assert_geq(fd, 0, "%m");
        /* Whoever still writes when nobody reads is ended by SIGPIPE. */
        while (read(fd, line, sizeof line) > 0)
                ;
}

Test(run, around_a_command) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *marks = NULL,
                            *command = print("cat %s/tracing/current_tracer; exit 7", f->machine.tree.root),
                            *expected = NULL;
        _cleanup_ctl_ Ctl ctl = {};

        daemon_start(f);
        ctl = CTL(f, "run", "--description", "what it is for", "sh", "-c", command);
        assert_ended(&ctl, 7);
        /* Standard output is the command's alone. */
        cr_assert_str_eq(ctl.out, "mmiotrace");
        assert_contains(ctl.err, "Session 1 is capturing");
        assert_contains(ctl.err, "Lost: none");
        assert_session(f, SESSION, "State", "sealed");
        assert_session(f, SESSION, "Result", "success");
        assert_session(f, SESSION, "Description", "what it is for");
        machine_assert_settings(&f->machine, before);
        marks = read_marks(f, SESSION);
        expected = print("begin: sh -c %s\nend: sh -c %s (exit status 7)\n", command, command);
        cr_assert_str_eq(marks, expected);
        daemon_stop(f);
}

Test(run, options_behind_the_command_are_its_own) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl plain = {}, dashes = {}, quiet = {};

        daemon_start(f);
        plain = CTL(f, "run", "-q", "printf", "%s,", "-v", "--load", "--", "x");
        assert_ended(&plain, 0);
        cr_assert_str_eq(plain.out, "-v,--load,--,x,");
        cr_assert_str_eq(plain.err, "");
        machine_list_clocks(&f->machine);
        dashes = CTL(f, "-q", "run", "--", "printf", "%s,", "--quiet", "--");
        assert_ended(&dashes, 0);
        cr_assert_str_eq(dashes.out, "--quiet,--,");
        machine_list_clocks(&f->machine);
        /* Before the verb, too, "--" ends them. */
        quiet = CTL(f, "-q", "--", "run", "printf", "%s,", "-v");
        assert_ended(&quiet, 0);
        cr_assert_str_eq(quiet.out, "-v,");
        daemon_stop(f);
}

Test(run, command_that_cannot_be_run) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *plain = below(f->machine.tree.root, "plain");
        _cleanup_ctl_ Ctl missing = {}, folder = {}, file = {}, none = {};

        fake_file(&f->machine.tree, "plain", "#!/bin/sh\n");
        daemon_start(f);
        missing = CTL(f, "run", "nosuchcommand-at-all");
        assert_ended(&missing, 127);
        assert_contains(missing.err, "nosuchcommand-at-all");
        folder = CTL(f, "run", "--", f->machine.tree.root);
        assert_ended(&folder, 126);
        file = CTL(f, "run", "--", plain);
        assert_ended(&file, 126);
        none = CTL(f, "run");
        assert_ended(&none, 2);
        assert_no_session(f);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

Test(run, without_a_session_the_command_is_not_run) {
        Fixture *f = &fixture;
        _cleanup_free_ char *touched = below(f->machine.tree.root, "touched");
        _cleanup_ctl_ Ctl ctl = {};

        daemon_start(f);
        ctl = CTL(f, "run", "--driver", "nosuchdriver", "touch", touched);
        assert_ended(&ctl, 125);
        cr_assert_not(machine_has(&f->machine, "touched"));
        assert_no_session(f);
        daemon_stop(f);
}

Test(run, command_ended_by_a_signal) {
        Fixture *f = &fixture;
        _cleanup_free_ char *marks = NULL;
        _cleanup_ctl_ Ctl ctl = {};

        daemon_start(f);
        ctl = CTL(f, "run", "sh", "-c", "kill -KILL $$");
        assert_ended(&ctl, 128 + SIGKILL);
        marks = read_marks(f, SESSION);
        assert_contains(marks, "(ended by SIGKILL)");
        assert_session(f, SESSION, "State", "sealed");
        daemon_stop(f);
}

/* What is sent to mmiotracectl alone goes to the command, and what that makes of it counts. */
Test(run, signals_are_passed_on) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = make_signal(f),
                            *command = print("trap 'kill $!; exit 9' TERM HUP INT; sleep 1000 & echo >%s; wait", path);
        const int signals[] = { SIGTERM, SIGHUP, SIGINT };

        daemon_start(f);
        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                _cleanup_ctl_ Ctl ctl = CTL_BEGIN(f, "run", "sh", "-c", command);

                wait_for_signal(path);
                cr_assert_eq(kill(ctl.pid, signals[i]), 0);
                ctl_end(&ctl);
                assert_ended(&ctl, 9);
                machine_list_clocks(&f->machine);
        }
        assert_session(f, BUS_PATH_SESSION "/_3", "State", "sealed");
        daemon_stop(f);
}

/* A terminal sends it to both. */
Test(run, control_c) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = make_signal(f), *command = print("echo >%s; exec sleep 1000", path), *marks = NULL;
        _cleanup_ctl_ Ctl ctl = {};

        daemon_start(f);
        ctl = CTL_BEGIN_ON_TERMINAL(f, "run", "sh", "-c", command);
        wait_for_signal(path);
        cr_assert_eq(write(ctl.terminal_fd, "\003", 1), 1);
        ctl_end(&ctl);
        assert_ended(&ctl, 128 + SIGINT);
        assert_contains(ctl.out, "Session 1 is capturing");
        assert_contains(ctl.out, "sealed");
        assert_session(f, SESSION, "State", "sealed");
        marks = read_marks(f, SESSION);
        assert_contains(marks, "(ended by SIGINT)");
        daemon_stop(f);
}

/* The terminal's signals are not passed on a second time. */
Test(run, control_c_that_the_command_survives) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = make_signal(f), *command = NULL;
        _cleanup_ctl_ Ctl ctl = {};

        command = print("n=0; trap 'n=$((n + 1)); echo >%s' INT; echo >%s; "
                                        "while [ ! -e %s/end ]; do sleep 0.05; done; exit $n",
                                      path, path, f->machine.tree.root);
        daemon_start(f);
        ctl = CTL_BEGIN_ON_TERMINAL(f, "run", "sh", "-c", command);
        wait_for_signal(path);
        cr_assert_eq(write(ctl.terminal_fd, "\003", 1), 1);
        wait_for_signal(path);
        assert_session(f, SESSION, "State", "capturing");
        fake_file(&f->machine.tree, "end", "");
        ctl_end(&ctl);
        assert_ended(&ctl, 1);
        daemon_stop(f);
}

static void assert_ended_with_caller(Fixture *f) {
        _cleanup_free_ char *all = NULL;

        wait_for_session(f, SESSION, "sealed");
        all = get_all(f, SESSION, BUS_INTERFACE_SESSION);
        assert_contains(all, "ended without stopping it");
        assert_manager(f, "State", "idle");
}

Test(run, killed) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *path = make_signal(f),
                            *command = print("echo $$ >%s; exec sleep 1000", path);
        _cleanup_ctl_ Ctl ctl = {};
        char text[32] = "";
        pid_t pid;
        int fd;

        daemon_start(f);
        ctl = CTL_BEGIN(f, "run", "sh", "-c", command);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        cr_assert_gt(read(fd, text, sizeof text - 1), 0);
        safe_close(fd);
        pid = (pid_t) strtol(text, NULL, 10);
        cr_assert_eq(kill(ctl.pid, SIGKILL), 0);
        assert_ended_with_caller(f);
        machine_assert_settings(&f->machine, before);
        /* The command goes on: it is nobody's to end but the user's. */
        cr_assert_eq(kill(pid, SIGKILL), 0);
        daemon_stop(f);
}

/* Nobody was there to notice: the next daemon does. */
Test(run, killed_while_no_daemon_was_there) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = make_signal(f), *command = print("echo >%s; exec sleep 1000", path);
        _cleanup_ctl_ Ctl ctl = {};

        daemon_start(f);
        ctl = CTL_BEGIN(f, "run", "sh", "-c", command);
        wait_for_signal(path);
        daemon_kill(f, true);
        cr_assert_eq(kill(ctl.pid, SIGKILL), 0);
        ctl_end(&ctl);
        daemon_start(f);
        assert_ended_with_caller(f);
        daemon_stop(f);
}

/* A session that the next daemon has taken up is still its caller's to end. */
Test(run, daemon_replaced_meanwhile) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = make_signal(f), *command = NULL, *marks = NULL;
        _cleanup_ctl_ Ctl ctl = {};

        command = print("echo >%s; while [ ! -e %s/end ]; do sleep 0.05; done", path,
                                      f->machine.tree.root);
        daemon_start(f);
        ctl = CTL_BEGIN(f, "run", "sh", "-c", command);
        wait_for_signal(path);
        daemon_kill(f, true);
        daemon_start(f);
        assert_session(f, SESSION, "State", "capturing");
        fake_file(&f->machine.tree, "end", "");
        ctl_end(&ctl);
        assert_ended(&ctl, 0);
        assert_session(f, SESSION, "State", "sealed");
        marks = read_marks(f, SESSION);
        assert_contains(marks, "(exit status 0)");
        daemon_stop(f);
}

Test(run, stopped_by_somebody_else) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = make_signal(f), *command = NULL;
        _cleanup_ctl_ Ctl ctl = {};

        command = print("echo >%s; while [ ! -e %s/end ]; do sleep 0.05; done", path,
                                      f->machine.tree.root);
        daemon_start(f);
        ctl = CTL_BEGIN(f, "run", "sh", "-c", command);
        wait_for_signal(path);
        session_stop(f);
        fake_file(&f->machine.tree, "end", "");
        ctl_end(&ctl);
        assert_ended(&ctl, 125);
        assert_contains(ctl.err, "ended before the command did");
        daemon_stop(f);
}

static Ctl run_with_stats(Fixture *f, const char *stats, const char *end) {
        _cleanup_free_ char *command = NULL;

        command = print("printf '%s' >%s/tracing/per_cpu/cpu0/stats; %s", stats,
                                      f->machine.tree.root, end);
        daemon_start(f);
        return CTL(f, "run", "--json=short", "sh", "-c", command);
}

#define LOSSY "entries: 0\\noverrun: 12\\ncommit overrun: 0\\nbytes: 0\\ndropped events: 0\\nread events: 4353\\n"

Test(run, lost_events) {
        _cleanup_ctl_ Ctl ctl = run_with_stats(&fixture, LOSSY, "true");

        assert_ended(&ctl, 5);
        assert_contains(ctl.out, "\"exit_status\":0");
        assert_contains(ctl.out, "\"lost_events\":12");
        assert_contains(ctl.err, "LOST: 12 events");
        daemon_stop(&fixture);
}

/* The command's own failure is what a script looks for; the loss is still said. */
Test(run, lost_events_of_a_command_that_fails) {
        _cleanup_ctl_ Ctl ctl = run_with_stats(&fixture, LOSSY, "exit 3");

        assert_ended(&ctl, 3);
        assert_contains(ctl.err, "LOST: 12 events");
        daemon_stop(&fixture);
}

Test(run, session_that_fails) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl ctl = {};

        f->seal_program = "/bin/false";
        daemon_start(f);
        ctl = CTL(f, "run", "true");
        assert_ended(&ctl, 125);
        assert_contains(ctl.err, "did not end well (seal-failed)");
        daemon_stop(f);
}
