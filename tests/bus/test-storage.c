/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What sessions take of the disk: removed, protected, exported. */

#include <inttypes.h>

#include "fixture.h"
#include "tool.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(storage, .init = setup, .fini = teardown, .timeout = 120);

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

static void limit_use(Fixture *f, uint64_t max_use_bytes) {
        char text[128];

        (void) snprintf(text, sizeof text, "[Storage]\nMaxUse=%" PRIu64 "\nKeepFree=0\n", max_use_bytes);
        fake_file(&f->machine.tree, "mmiotraced.conf", text);
}

static uint64_t used_bytes(Fixture *f, const char *folder) {
        _cleanup_free_ char *text = tool_output("du -s --block-size=1 %s/state/sessions/%s", f->machine.tree.root, folder);
        uint64_t bytes;

        text[strcspn(text, "\t")] = 0;
        cr_assert_eq(parse_u64(text, &bytes), 0, "%s", text);
        return bytes;
}

static size_t signal_index(const Fixture *f, const char *signal) {
        size_t i = 0;

        while (f->signals[i] && !streq(f->signals[i], signal))
                i++;
        cr_assert_not_null(f->signals[i], "%s", signal);
        return i;
}

/* Some that may go and some that may not, beyond what all may take. */
Test(storage, oldest_exported_go_first) {
        Fixture *f = &fixture;
        _cleanup_strv_ char **sessions = NULL;
        char *paths[5];
        uint64_t bytes;

        daemon_start(f);
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                paths[i] = seal_one(f);
                if (i != 1)
                        expect_ok(session_call(f, paths[i], "ConfirmExport", "a{sv}", 0));
        }
        expect_ok(session_call(f, paths[0], "SetProtected", "ba{sv}", 1, 0));
        daemon_stop(f);

        /* Nothing of it has to go, */
        bytes = used_bytes(f, "");
        limit_use(f, bytes + 64 * KIB);
        daemon_start(f);
        sessions = list_sessions(f);
        cr_assert_eq(strv_length(sessions), 5);
        daemon_stop(f);

        /* then two of them, */
        bytes -= used_bytes(f, "3") + used_bytes(f, "4") / 2;
        limit_use(f, bytes);
        daemon_start(f);
        wait_until(f, strv_contains(f->signals, "SessionRemoved " BUS_PATH_SESSION "/_4"));
        cr_assert_lt(signal_index(f, "SessionRemoved " BUS_PATH_SESSION "/_3"),
                        signal_index(f, "SessionRemoved " BUS_PATH_SESSION "/_4"));
        assert_session(f, paths[4], "State", "sealed");
        daemon_stop(f);

        /* and more than there is that may go. */
        limit_use(f, 1);
        daemon_start(f);
        wait_until(f, strv_contains(f->signals, "SessionRemoved " BUS_PATH_SESSION "/_5"));
        assert_error(session_start(f, 0), "NoSpace");
        assert_session(f, paths[0], "State", "sealed");
        assert_session(f, paths[1], "State", "sealed");
        daemon_stop(f);
        for (size_t i = 0; i < ELEMENTS(paths); i++)
                free(paths[i]);
}

/* The limit counts after a seal, too: what was exported makes room for what comes. */
Test(storage, goes_after_a_seal) {
        Fixture *f = &fixture;
        _cleanup_free_ char *first = NULL, *second = NULL;

        daemon_start(f);
        first = seal_one(f);
        expect_ok(session_call(f, first, "ConfirmExport", "a{sv}", 0));
        daemon_stop(f);
        limit_use(f, 256 * MIB + used_bytes(f, "") * 3 / 2);
        daemon_start(f);
        second = seal_one(f);
        cr_assert_not(strv_contains(f->signals, "SessionRemoved " BUS_PATH_SESSION "/_1"));
        /* Before the next one begins there has to be more room than is left now. */
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
        cr_assert(strv_contains(f->signals, "SessionRemoved " BUS_PATH_SESSION "/_1"));
        session_stop(f);
        assert_session(f, second, "State", "sealed");
        daemon_stop(f);
}

static void assert_refused(Fixture *f, const char *configuration, const char *text) {
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL, *error = NULL;
        _cleanup_strv_ char **sessions = NULL;

        daemon_start(f);
        session = seal_one(f);
        daemon_stop(f);
        fake_file(&f->machine.tree, "mmiotraced.conf", configuration);
        daemon_start(f);
        error = expect_error(session_start(f, 0), "NoSpace");
        cr_assert(strstr(error, text), "%s", error);
        cr_assert(strstr(error, "1 ("), "%s", error);
        assert_manager(f, "State", "idle");
        sessions = list_sessions(f);
        cr_assert_eq(strv_length(sessions), 1);
        cr_assert_not(machine_has(&f->machine, "state/sessions/2"));
        machine_list_clocks(&f->machine);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

Test(storage, start_beyond_max_use) {
        assert_refused(&fixture, "[Storage]\nMaxUse=8M\nKeepFree=0\n",
                        "all of them together may take 8.0M of the disk (MaxUse= in mmiotraced.conf)");
}

Test(storage, start_on_full_disk) {
        assert_refused(&fixture, "[Storage]\nMaxUse=infinity\nKeepFree=100%\n", "have to stay free (KeepFree= in mmiotraced.conf)");
}

Test(storage, more_expected_than_there_is_room) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *all = NULL;

        limit_use(f, 64 * MIB);
        daemon_start(f);
        session = expect_path(session_start(f, 1, "expect-events", "t", UINT64_C(2000000)));
        all = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(all, "on the disk, and 2000000 events take "), "%s", all);
        daemon_stop(f);
}

/* It ends by itself, whole. */
Test(storage, session_reaches_limit) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *session = NULL, *list = NULL, *log = NULL, *expected = machine_expected_log();

        fake_file(&f->machine.tree, "mmiotraced.conf", "[Storage]\nMaxUse=infinity\nKeepFree=0\nMaxSessionSize=192K\n");
        daemon_start(f);
        before = machine_settings(&f->machine);
        session = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "limit-reached");
        assert_session(f, session, "StopReason", "limit");
        list = fixture_unpack(f, session);
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        cr_assert(streq(log, expected), "The log is not the kernel's text.");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "LostEvents"), 0);
        machine_list_clocks(&f->machine);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* Nothing can make way: nobody has a copy of the other one. */
Test(storage, sessions_reach_limit_while_capturing) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *first = NULL, *second = NULL, *text = NULL, *list = NULL,
                            *filler = below(f->machine.tree.root, "state/sessions/1/filler");
        _cleanup_close_ int fd = -EBADF;

        limit_use(f, 300 * MIB);
        daemon_start(f);
        before = machine_settings(&f->machine);
        first = seal_one(f);
        machine_list_clocks(&f->machine);
        second = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        cr_assert_eq(posix_fallocate(fd, 0, 301 * MIB), 0);
        wait_for_session(f, second, "sealed");
        assert_session(f, second, "Result", "limit-reached");
        assert_session(f, second, "StopReason", "limit");
        text = get_all(f, second, BUS_INTERFACE_SESSION);
        cr_assert(strstr(text, "sessions may not take more of the disk (MaxUse= and KeepFree= in mmiotraced.conf)"), "%s", text);
        assert_session(f, first, "State", "sealed");
        list = fixture_unpack(f, second);
        machine_list_clocks(&f->machine);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* Text cannot be given up, and says so. */
Test(storage, keep_newest_of_text) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *all = NULL;

        fake_file(&f->machine.tree, "mmiotraced.conf", "[Storage]\nWhenFull=keep-newest\n[Capture]\nSource=text\n");
        daemon_start(f);
        session = expect_path(session_start(f, 0));
        all = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(all, "What is captured as text cannot give up its oldest accesses"), "%s", all);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        daemon_stop(f);
}

/* One that somebody has a copy of makes way for the one that captures, and one that nobody has does not. */
Test(storage, makes_way_while_capturing) {
        Fixture *f = &fixture;
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL,
                            *filler = below(f->machine.tree.root, "state/sessions/2/filler");
        _cleanup_close_ int fd = -EBADF;

        limit_use(f, 300 * MIB);
        daemon_start(f);
        first = seal_one(f);
        second = seal_one(f);
        expect_ok(session_call(f, second, "ConfirmExport", "a{sv}", 0));
        machine_list_clocks(&f->machine);
        third = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        assert_session(f, second, "State", "sealed");
        fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        cr_assert_eq(posix_fallocate(fd, 0, 299 * MIB), 0);
        wait_until(f, strv_contains(f->signals, "SessionRemoved " BUS_PATH_SESSION "/_2"));
        assert_session(f, first, "State", "sealed");
        assert_session(f, third, "State", "capturing");
        session_stop(f);
        wait_for_session(f, third, "sealed");
        daemon_stop(f);
}

/* A program that seals where it is let, and finds no room else. */
static char *seal_program_without_room(Fixture *f) {
        char *program = below(f->machine.tree.root, "seal"), script[512];

        (void) snprintf(script, sizeof script,
                        "#!/bin/sh\n[ ! -e %s/room ] || exec " SEAL_PROGRAM " \"$@\"\n"
                        "echo 'ERROR=NoSpace Cannot write the log: No space left on device'\nexit 1\n", f->machine.tree.root);
        fake_file(&f->machine.tree, "seal", script);
        cr_assert_eq(chmod(program, 0755), 0);
        return program;
}

/* Captures, and fails to seal. */
static char *fail_one(Fixture *f) {
        char *session;

        session = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "failed");
        assert_session(f, session, "Result", "seal-failed");
        assert_session(f, session, "ResultText", "Cannot write the log: No space left on device");
        assert_error(session_call(f, session, "OpenArchive", "a{sv}", 0), "NoArchive");
        cr_assert(machine_has(&f->machine, "state/sessions/1/raw/cpu0-000000.raw"));
        return session;
}

static void expect_whole(Fixture *f, const char *session) {
        _cleanup_free_ char *list = NULL, *log = NULL, *metadata = NULL, *expected = machine_expected_log();

        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        assert_session(f, session, "ResultText", "");
        list = fixture_unpack(f, session);
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        cr_assert(streq(log, expected), "The log is not the kernel's text.");
        metadata = fake_read(&f->machine.tree, "unpacked/metadata.json");
        cr_assert_not(strstr(metadata, "No space left"), "%s", metadata);
}

Test(storage, seal_again_by_hand) {
        Fixture *f = &fixture;
        _cleanup_free_ char *program = seal_program_without_room(f), *session = NULL, *job = NULL;

        f->seal_program = program;
        daemon_start(f);
        session = fail_one(f);
        free(expect_path(session_call(f, session, "Seal", "a{sv}", 0)));
        wait_until(f, strv_contains(f->signals, "JobRemoved " BUS_PATH_JOB "/_2 failed"));
        assert_session(f, session, "State", "failed");
        fake_file(&f->machine.tree, "room", "");
        job = expect_path(session_call(f, session, "Seal", "a{sv}", 0));
        cr_assert_str_eq(job, BUS_PATH_JOB "/_3");
        assert_error(session_call(f, session, "Seal", "a{sv}", 0), "WrongState");
        expect_whole(f, session);
        assert_error(session_call(f, session, "Seal", "a{sv}", 0), "WrongState");
        daemon_stop(f);
}

Test(storage, seal_again_at_start) {
        Fixture *f = &fixture;
        _cleanup_free_ char *program = seal_program_without_room(f), *session = NULL;

        f->seal_program = program;
        daemon_start(f);
        session = fail_one(f);
        daemon_stop(f);
        daemon_start(f);
        wait_until(f, strv_contains(f->signals, "JobRemoved " BUS_PATH_JOB "/_1 failed"));
        daemon_stop(f);
        fake_file(&f->machine.tree, "room", "");
        daemon_start(f);
        expect_whole(f, session);
        daemon_stop(f);
}

/* What is removed may be the room that was missing. */
Test(storage, seal_again_after_removal) {
        Fixture *f = &fixture;
        _cleanup_free_ char *program = seal_program_without_room(f), *session = NULL, *other = NULL, *path = NULL;

        f->seal_program = program;
        daemon_start(f);
        session = fail_one(f);
        fake_file(&f->machine.tree, "room", "");
        other = seal_one(f);
        assert_session(f, session, "State", "failed");
        expect_ok(session_call(f, other, "Remove", "a{sv}", 0));
        expect_whole(f, session);
        path = below(f->machine.tree.root, "room");
        cr_assert_eq(unlink(path), 0);
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
