/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done without the daemon, when that is gone for good, and what the daemon does by request. */

#include <poll.h>

#include "ctl.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(recover, .init = setup, .fini = teardown, .timeout = 60);

static void assert_unpacked_log(Fixture *f, const char *session) {
        _cleanup_free_ char *list = fixture_unpack(f, session), *log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log"),
                        *expected = machine_expected_log();

        cr_assert(streq(log, expected), "The log is not the kernel's text.");
}

static char *capture_and_die(Fixture *f) {
        char *session;

        daemon_start(f);
        session = expect_path(session_start(f, 0));
        daemon_kill(f, true);
        cr_assert(machine_has(&f->machine, "run/undo"));
        return session;
}

Test(recover, session_of_a_dead_daemon) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL, *text = NULL;

        session = capture_and_die(f);
        /* Nobody has taken it from the ring. */
        machine_record(&f->machine);
        cr_assert_eq(daemon_recover(f), 0);
        machine_assert_settings(&f->machine, before);
        text = machine_read(&f->machine, "state/sessions/1/session.json");
        cr_assert(strstr(text, "\"sealing\"") && strstr(text, "\"interrupted\""), "%s", text);
        cr_assert_not(machine_has(&f->machine, "state/sessions/1/archive.tar.xz"));

        /* Once more is fine. */
        cr_assert_eq(daemon_recover(f), 0);
        machine_assert_settings(&f->machine, before);

        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        assert_unpacked_log(f, session);
        daemon_stop(f);
}

/* What the pipes held is lost with the service manager's copies of them, and told. */
Test(recover, what_was_on_its_way) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *warnings = NULL;

        session = capture_and_die(f);
        machine_record(&f->machine);
        fake_file(&f->machine.tree, "tracing/per_cpu/cpu0/stats", "entries: 0\noverrun: 0\ncommit overrun: 0\nbytes: 0\n"
                        "dropped events: 0\nread events: 4400\n");
        cr_assert_eq(daemon_recover(f), 0);
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "LostEvents"), 4400 - SAMPLE_EVENTS);
        warnings = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(warnings, "47 events that the kernel recorded are missing"), "%s", warnings);
        daemon_stop(f);
}

Test(recover, leaves_a_daemon_alone) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        cr_assert_eq(daemon_recover(f), 0);
        daemon_start(f);
        cr_assert_eq(daemon_recover(f), 0);
        session = expect_path(session_start(f, 0));
        cr_assert_eq(daemon_recover(f), 0);
        assert_session(f, session, "State", "capturing");
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        assert_unpacked_log(f, session);
        daemon_stop(f);
}

/* The copy of the file that is on the disk: nobody waits for it otherwise. */
static void wait_for_copy(Fixture *f, const char *state) {
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;
        _cleanup_free_ char *expected = NULL;

        cr_assert_gt(asprintf(&expected, "\"state\":\"%s\"", state), 0);
        for (;;) {
                _cleanup_free_ char *text = NULL;

                if (machine_has(&f->machine, "state/sessions/1/session.durable.json"))
                        text = machine_read(&f->machine, "state/sessions/1/session.durable.json");
                if (text && strstr(text, expected))
                        return;
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                (void) poll(NULL, 0, 10);
        }
}

/* What a power cut makes of a file that took the place of another and had not reached the disk; or it is the older one. */
Test(recover, session_file_that_was_not_on_disk) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *file = NULL, *marks = NULL;

        daemon_start(f);
        session = expect_path(session_start(f, 0));
        wait_for_copy(f, "capturing");
        expect_ok(session_call(f, session, "Mark", "sa{sv}", "one", 0));
        daemon_kill(f, true);
        file = machine_read(&f->machine, "state/sessions/1/session.json");
        daemon_start(f);
        assert_session(f, session, "State", "capturing");
        marks = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(marks, "MarkCount"), "%s", marks);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "MarkCount"), 1);
        daemon_kill(f, true);
        fake_file(&f->machine.tree, "state/sessions/1/session.json", "");
        daemon_start(f);
        assert_session(f, session, "State", "capturing");
        daemon_kill(f, true);
        machine_record(&f->machine);
        cr_assert_eq(daemon_recover(f), 0);
        fake_file(&f->machine.tree, "state/sessions/1/session.json", file);
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        daemon_stop(f);
}

/* The machine comes back whatever the session is like. */
Test(recover, session_that_cannot_be_read) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);

        free(capture_and_die(f));
        fake_file(&f->machine.tree, "state/sessions/1/session.json", "{ \"version\": 1, \"sta");
        fake_file(&f->machine.tree, "state/sessions/1/session.durable.json", "");
        cr_assert_eq(daemon_recover(f), 0);
        machine_assert_settings(&f->machine, before);
}

Test(recover, no_state_directory) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);

        free(capture_and_die(f));
        fake_remove(&f->machine.tree, "state");
        fake_file(&f->machine.tree, "state", "");
        cr_assert_eq(daemon_recover(f), 0);
        machine_assert_settings(&f->machine, before);
}

/* What could not be undone is an error, and can be tried again. */
Test(recover, setting_that_is_refused) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);

        free(capture_and_die(f));
        machine_refuse(&f->machine, "tracing/options/overwrite");
        cr_assert_eq(daemon_recover(f), EXIT_FAILURE);
        cr_assert(machine_has(&f->machine, "run/undo"));
        fake_file(&f->machine.tree, "tracing/options/overwrite", "1\n");
        cr_assert_eq(daemon_recover(f), 0);
        machine_assert_settings(&f->machine, before);
}

/* Nothing more comes out of the ring: the machine does not wait for that. */
Test(recover, drain_that_hangs) {
        static const char *const stats = "tracing/per_cpu/cpu0/stats";
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *content = fake_read(&f->machine.tree, stats);
        uint64_t start_usec;

        free(capture_and_die(f));
        machine_block(&f->machine, stats);
        start_usec = now_monotonic_usec();
        cr_assert_eq(daemon_recover(f), 0);
        cr_assert_lt(now_monotonic_usec() - start_usec, 15 * USEC_PER_SEC);
        fake_file(&f->machine.tree, stats, content);
        machine_assert_settings(&f->machine, before);
}

static void assert_given_up(Fixture *f, const char *session) {
        _cleanup_free_ char *text = NULL;

        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        text = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(text, "hung or crashed again and again"), "%s", text);
}

/* Each daemon that takes it up hangs: the third time, the session is ended. */
Test(recover, daemon_that_hangs_again_and_again) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL;

        session = capture_and_die(f);
        machine_record(&f->machine);
        cr_assert_eq(daemon_ended(f, "watchdog", "ABRT"), 0);
        cr_assert_eq(daemon_ended(f, "timeout", "TERM"), 0);
        cr_assert_eq(daemon_ended(f, "success", "0"), 0);
        cr_assert_eq(daemon_ended(f, "signal", "KILL"), 0);
        cr_assert(machine_has(&f->machine, "run/undo"));
        /* As if it had taken minutes. */
        fake_file(&f->machine.tree, "run/takeovers", "41 1\n");
        cr_assert_eq(daemon_ended(f, "timeout", "TERM"), 0);
        machine_assert_settings(&f->machine, before);
        daemon_start(f);
        assert_given_up(f, session);
        assert_unpacked_log(f, session);
        daemon_stop(f);
}

/* Where that could not be done, the next daemon leaves the session alone, and only restores the machine. */
Test(recover, session_that_is_not_taken_up_any_more) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL;

        session = capture_and_die(f);
        fake_file(&f->machine.tree, "run/takeovers", "60 1\n");
        daemon_start(f);
        assert_given_up(f, session);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* It goes on, however often its daemon is killed. */
Test(recover, daemon_that_is_killed_again_and_again) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL;

        session = capture_and_die(f);
        for (unsigned i = 0; i < 25; i++)
                cr_assert_eq(daemon_ended(f, "signal", "KILL"), 0);
        cr_assert(machine_has(&f->machine, "run/undo"));
        machine_record(&f->machine);
        daemon_start(f);
        assert_session(f, session, "State", "capturing");
        session_stop(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        assert_unpacked_log(f, session);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

#define recover(fixture) call_begin(fixture, BUS_PATH, BUS_INTERFACE_MANAGER, "Recover", "a{sv}", 0)

/* What was done, a sentence a line; the path of the session, which is the caller's, in ret_session. */
static char *recovered(Fixture *f, Call *c, char **ret_session) {
        sd_bus_message *reply = call_end(f, c);
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        _cleanup_strv_ char **done = NULL;
        const char *path;
        char *text = NULL;
        size_t bytes;
        FILE *out;

        cr_assert_null(e, "%s: %s", e->name, e->message);
        cr_assert_geq(sd_bus_message_read(reply, "o", &path), 0);
        cr_assert_geq(sd_bus_message_read_strv(reply, &done), 0);
        *ret_session = strdup(path);
        sd_bus_message_unref(reply);
        out = open_memstream(&text, &bytes);
        cr_assert_not_null(out);
        STRV_FOREACH(sentence, done)
                fprintf(out, "%s\n", *sentence);
        cr_assert_eq(fclose(out), 0);
        return text;
}

Test(recover, nothing_to_do) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL, *done = NULL;
        _cleanup_strv_ char **sessions = NULL;

        daemon_start(f);
        done = recovered(f, recover(f), &session);
        cr_assert_str_eq(done, "");
        cr_assert_str_eq(session, "/");
        machine_assert_settings(&f->machine, before);
        sessions = list_sessions(f);
        cr_assert_null(sessions);
        cr_assert_null(f->signals);
        daemon_stop(f);
}

Test(recover, refused_during_a_session) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *text = NULL;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        before = machine_settings(&f->machine);
        text = expect_error(call_end(f, recover(f)), "AlreadyRunning");
        cr_assert(strstr(text, "mmiotracectl stop"), "%s", text);
        machine_assert_settings(&f->machine, before);
        assert_manager(f, "State", "capturing");
        daemon_stop(f);
}

/* As a script leaves it that was killed; nobody knows what the other settings were before it. */
static void leave_mmiotrace_on(Fixture *f) {
        fake_file(&f->machine.tree, "tracing/current_tracer", "mmiotrace\n");
        fake_file(&f->machine.tree, "tracing/tracing_on", "1\n");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/present", "0-1\n");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/cpu1/online", "0");
}

static void assert_recovered(Fixture *f, const char *session) {
        _cleanup_free_ char *warnings = NULL, *metadata = NULL;

        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Owner"), geteuid());
        warnings = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(warnings, "Another program had switched mmiotrace on"), "%s", warnings);
        cr_assert(strstr(warnings, "trace clock \"local\""), "%s", warnings);
        assert_unpacked_log(f, session);
        metadata = fake_read(&f->machine.tree, "unpacked/metadata.json");
        cr_assert(strstr(metadata, "\"trace_clock\": \"local\"") || strstr(metadata, "\"trace_clock\":\"local\""), "%s", metadata);
}

Test(recover, left_by_another_program) {
        Fixture *f = &fixture;
        _cleanup_free_ char *expected = NULL, *session = NULL, *done = NULL;
        Call *first, *second;

        fake_file(&f->machine.tree, "tracing/tracing_on", "1\n");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/present", "0-1\n");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/cpu1/online", "1");
        expected = machine_settings(&f->machine);
        leave_mmiotrace_on(f);
        machine_record(&f->machine);
        daemon_start(f);
        assert_error(session_start(f, 0), "TracerBusy");
        first = recover(f);
        /* Both have the same answer. */
        second = recover(f);
        done = recovered(f, first, &session);
        cr_assert(strstr(done, "mmiotrace is off.\n") && strstr(done, "tracing_on is 1 again.\n") &&
                  strstr(done, "CPU 1 was still offline, and was brought online by hand.\n"), "%s", done);
        cr_assert_str_eq(session, BUS_PATH_SESSION "/_1");
        machine_assert_settings(&f->machine, expected);
        free(session);
        free(done);
        done = recovered(f, second, &session);
        cr_assert_str_eq(session, BUS_PATH_SESSION "/_1");
        assert_recovered(f, session);
        daemon_stop(f);
}

/* As a script leaves it that has got as far as to switch mmiotrace off: there is no session to be made of that. */
Test(recover, cpus_left_offline) {
        Fixture *f = &fixture;
        _cleanup_free_ char *expected = NULL, *session = NULL, *done = NULL;
        _cleanup_strv_ char **sessions = NULL;

        fake_file(&f->machine.tree, "proc/cmdline", "quiet maxcpus=3\n");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/present", "0-3\n");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/cpu1/online", "1");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/cpu2/online", "1");
        /* The kernel was told to leave this one off. */
        fake_file(&f->machine.tree, "sys/devices/system/cpu/cpu3/online", "0");
        expected = machine_settings(&f->machine);
        fake_file(&f->machine.tree, "sys/devices/system/cpu/cpu1/online", "0");
        fake_file(&f->machine.tree, "sys/devices/system/cpu/cpu2/online", "0");
        daemon_start(f);
        done = recovered(f, recover(f), &session);
        cr_assert_str_eq(done, "CPU 1 was still offline, and was brought online by hand.\n"
                               "CPU 2 was still offline, and was brought online by hand.\n");
        cr_assert_str_eq(session, "/");
        machine_assert_settings(&f->machine, expected);
        sessions = list_sessions(f);
        cr_assert_null(sessions);
        cr_assert_null(f->signals);
        daemon_stop(f);
}

static void assert_said(const Ctl *ctl, const char *expected) {
        cr_assert_eq(ctl->status, 0, "%d: %s", ctl->status, strempty(ctl->err));
        cr_assert_str_eq(ctl->out, expected);
}

/* The program, on a machine that somebody has left. */
Test(recover, verb) {
        Fixture *f = &fixture;

        daemon_start(f);
        {
                _cleanup_ctl_ Ctl nothing = CTL(f, "recover"), json = CTL(f, "--json=short", "recover");

                assert_said(&nothing, "There is nothing to recover.\n");
                assert_said(&json, "{\"session\":null,\"done\":[]}\n");
        }
        leave_mmiotrace_on(f);
        {
                _cleanup_ctl_ Ctl ctl = CTL(f, "recover");

                assert_said(&ctl, "mmiotrace is off.\n"
                                  "tracing_on is 1 again.\n"
                                  "CPU 1 was still offline, and was brought online by hand.\n"
                                  "What the ring buffer still held is session 1; its archive is being made.\n"
                                  "How far it is: mmiotracectl status 1\n"
                                  "When it is done: mmiotracectl export 1\n");
        }
        daemon_stop(f);
}

/* The daemon dies in the middle of it, when the session is on file and before anything was taken from the ring. */
Test(recover, goes_on_after_the_death_of_the_daemon) {
        Fixture *f = &fixture;
        Call *call;
        int fd;

        leave_mmiotrace_on(f);
        machine_record(&f->machine);
        machine_block(&f->machine, "tracing/tracing_on");
        daemon_start(f);
        call = recover(f);
        machine_release(&f->machine, "tracing/tracing_on", "1\n");
        wait_for_state(f, BUS_PATH, BUS_INTERFACE_MANAGER, "arming");
        fd = machine_await_stuck(&f->machine, "tracing/tracing_on");
        daemon_kill(f, true);
        safe_close(fd);
        assert_error(call_end(f, call), "org.freedesktop.DBus.Error.NoReply");
        fake_remove(&f->machine.tree, "tracing/tracing_on");
        fake_file(&f->machine.tree, "tracing/tracing_on", "1\n");

        daemon_start(f);
        assert_recovered(f, BUS_PATH_SESSION "/_1");
        cr_assert_not(machine_has(&f->machine, "run/undo"));
        daemon_stop(f);
}
