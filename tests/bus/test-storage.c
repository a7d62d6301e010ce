/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What sessions take of the disk: removed, protected, exported. */

#include "fixture.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(storage, .init = setup, .fini = teardown, .timeout = 60);

/* A session that is sealed. */
static char *seal_one(Fixture *f) {
        char *session;

        machine_list_clocks(&f->machine);
        session = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        return session;
}

Test(storage, remove_with_files) {
        Fixture *f = &fixture;
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL;
        _cleanup_strv_ char **sessions = NULL;

        daemon_start(f);
        first = seal_one(f);
        second = seal_one(f);
        expect_ok(session_call(f, first, "Remove", "a{sv}", 0));
        cr_assert(strv_contains(f->signals, "SessionRemoved " BUS_PATH_SESSION "/_1"));
        /* Answered when all is gone. */
        cr_assert_not(machine_has(&f->machine, "state/sessions/1"));
        cr_assert_not(machine_has(&f->machine, "state/sessions/.gone-1"));
        cr_assert(machine_has(&f->machine, "state/sessions/2/archive.tar.xz"));
        assert_error(session_call(f, first, "Remove", "a{sv}", 0), "org.freedesktop.DBus.Error.UnknownObject");
        sessions = list_sessions(f);
        cr_assert_eq(strv_length(sessions), 1);
        cr_assert_str_eq(sessions[0], second);

        /* The last one's number is not given out again. */
        expect_ok(session_call(f, second, "Remove", "a{sv}", 0));
        daemon_stop(f);
        daemon_start(f);
        third = seal_one(f);
        cr_assert_str_eq(third, BUS_PATH_SESSION "/_3");
        daemon_stop(f);
}

Test(storage, remove_refuses) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *text = NULL, *stuck = below(f->machine.tree.root, "stuck");

        fake_file(&f->machine.tree, "stuck", "#!/bin/sh\nexec tail -f /dev/null\n");
        cr_assert_eq(chmod(stuck, 0755), 0);
        f->seal_program = stuck;
        daemon_start(f);
        session = expect_path(session_start(f, 0));
        text = expect_error(session_call(f, session, "Remove", "a{sv}", 0), "WrongState");
        cr_assert(strstr(text, "Session 1 is capturing; it can be removed when it is sealed."), "%s", text);
        session_stop(f);
        wait_for_session(f, session, "sealing");
        assert_error(session_call(f, session, "Remove", "a{sv}", 0), "WrongState");
        assert_error(session_call(f, session, "Remove", "a{sv}", 1, "force", "b", 1),
                        "org.freedesktop.DBus.Error.InvalidArgs");
        assert_error(session_call(f, session, "ConfirmExport", "a{sv}", 0), "NoArchive");
        assert_session(f, session, "State", "sealing");
        cr_assert(machine_has(&f->machine, "state/sessions/1/session.json"));
        daemon_kill(f, true);
}

Test(storage, protection_outlives_daemon) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *text = NULL;

        daemon_start(f);
        session = seal_one(f);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Protected"), 0);
        expect_ok(session_call(f, session, "SetProtected", "ba{sv}", 1, 0));
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Protected"), 1);
        assert_error(session_call(f, session, "Remove", "a{sv}", 0), "Protected");
        daemon_stop(f);

        daemon_start(f);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Protected"), 1);
        text = expect_error(session_call(f, session, "Remove", "a{sv}", 0), "Protected");
        cr_assert(strstr(text, "mmiotracectl protect 1 no"), "%s", text);
        cr_assert(machine_has(&f->machine, "state/sessions/1/archive.tar.xz"));
        expect_ok(session_call(f, session, "SetProtected", "ba{sv}", 0, 0));
        expect_ok(session_call(f, session, "Remove", "a{sv}", 0));
        cr_assert_not(machine_has(&f->machine, "state/sessions/1"));
        daemon_stop(f);
}

Test(storage, export_is_remembered) {
        Fixture *f = &fixture;
        uint64_t before_usec = now_realtime_usec(), exported_usec;
        _cleanup_free_ char *session = NULL, *list = NULL;

        daemon_start(f);
        session = seal_one(f);
        /* To have opened it is not to have it. */
        list = fixture_unpack(f, session);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "ExportTimestamp"), 0);
        expect_ok(session_call(f, session, "ConfirmExport", "a{sv}", 0));
        exported_usec = get_number(f, session, BUS_INTERFACE_SESSION, "ExportTimestamp");
        cr_assert_geq(exported_usec, before_usec);
        daemon_stop(f);
        daemon_start(f);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "ExportTimestamp"), exported_usec);
        daemon_stop(f);
}

/* A daemon that dies in the middle of a removal leaves no half of a session. */
Test(storage, cut_while_removing) {
        Fixture *f = &fixture;
        _cleanup_strv_ char **sessions = NULL;
        _cleanup_free_ char *session = NULL, *gone = below(f->machine.tree.root, "state/sessions/.gone-7"),
                            *raw = below(f->machine.tree.root, "state/sessions/.gone-7/raw");
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;

        daemon_start(f);
        session = seal_one(f);
        daemon_stop(f);
        cr_assert_eq(mkdir(gone, 0700), 0);
        cr_assert_eq(mkdir(raw, 0700), 0);
        fake_file(&f->machine.tree, "state/sessions/.gone-7/raw/cpu0-000000.raw", "x");
        daemon_start(f);
        sessions = list_sessions(f);
        cr_assert_eq(strv_length(sessions), 1);
        /* Nothing tells of it. */
        while (machine_has(&f->machine, "state/sessions/.gone-7")) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                free(get_string(f, BUS_PATH, BUS_INTERFACE_MANAGER, "State"));
        }
        daemon_stop(f);
}
