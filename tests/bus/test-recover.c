/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done without the daemon, when that is gone for good. */

#include "fixture.h"

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

/* The machine comes back whatever the session is like. */
Test(recover, session_that_cannot_be_read) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);

        free(capture_and_die(f));
        fake_file(&f->machine.tree, "state/sessions/1/session.json", "{ \"version\": 1, \"sta");
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
