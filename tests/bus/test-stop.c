/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sessions that end by themselves, and what is said about the end of all others. */

#include "fixture.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(stop, .init = setup, .fini = teardown, .timeout = 60);

#define SESSION BUS_PATH_SESSION "/_1"
#define INVALID "org.freedesktop.DBus.Error.InvalidArgs"

/* It is over, well, for that reason, and its archive says the same. */
static void expect_end(Fixture *f, const char *reason) {
        _cleanup_free_ char *list = NULL, *metadata = NULL, *expected = NULL;

        wait_for_session(f, SESSION, "sealed");
        assert_session(f, SESSION, "Result", "success");
        assert_session(f, SESSION, "StopReason", reason);
        list = fixture_unpack(f, SESSION);
        metadata = fake_read(&f->machine.tree, "unpacked/metadata.json");
        cr_assert(asprintf(&expected, "\"stop_reason\":\"%s\"", reason) > 0);
        cr_assert(strstr(metadata, expected), "%s", metadata);
}

Test(stop, time_is_up) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);

        daemon_start(f);
        free(expect_path(session_start(f, 1, "stop-after", "t", 200 * USEC_PER_MSEC)));
        cr_assert_eq(get_number(f, SESSION, BUS_INTERFACE_SESSION, "StopAfter"), 200 * USEC_PER_MSEC);
        expect_end(f, "time");
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* The time is counted from the start of the session, not from that of the daemon. */
Test(stop, time_is_up_without_daemon) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 1, "stop-after", "t", USEC_PER_SEC)));
        daemon_kill(f, true);
        daemon_start(f);
        cr_assert_eq(get_number(f, SESSION, BUS_INTERFACE_SESSION, "StopAfter"), USEC_PER_SEC);
        expect_end(f, "time");
        daemon_stop(f);
}

Test(stop, so_many_bytes) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 1, "stop-after-bytes", "t", (uint64_t) SAMPLE_BYTES)));
        assert_session(f, SESSION, "State", "capturing");
        machine_record(&f->machine);
        expect_end(f, "size");
        cr_assert_eq(get_number(f, SESSION, BUS_INTERFACE_SESSION, "Events"), SAMPLE_EVENTS);
        daemon_stop(f);
}

Test(stop, so_many_events) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 1, "stop-after-events", "t", (uint64_t) SAMPLE_EVENTS + 1)));
        machine_record(&f->machine);
        expect_ok(manager_call(f, "Mark", "sa{sv}", "not yet", 0));
        fake_file(&f->machine.tree, "tracing/per_cpu/cpu0/stats",
                        "entries: 0\noverrun: 0\ncommit overrun: 0\nbytes: 0\ndropped events: 0\nread events: 4354\n");
        expect_end(f, "events");
        daemon_stop(f);
}

Test(stop, at_a_mark) {
        Fixture *f = &fixture;
        _cleanup_free_ char *written = NULL;

        daemon_start(f);
        free(expect_path(session_start(f, 1, "stop-on-mark", "s", "that was it")));
        expect_ok(manager_call(f, "Mark", "sa{sv}", "that was it not", 0));
        assert_session(f, SESSION, "State", "capturing");
        expect_ok(manager_call(f, "Mark", "sa{sv}", "that was it", 0));
        written = machine_read(&f->machine, "tracing/trace_marker");
        cr_assert(startswith(written, "that was it"), "%s", written);
        expect_end(f, "mark");
        daemon_stop(f);
}

/* What comes first counts. */
Test(stop, one_of_several) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 4, "stop-after", "t", 3600 * USEC_PER_SEC, "stop-after-bytes", "t", UINT64_C(4096),
                        "stop-after-events", "t", UINT64_MAX, "stop-on-mark", "s", "end")));
        machine_record(&f->machine);
        expect_end(f, "size");
        daemon_stop(f);
}

Test(stop, on_request) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 1, "stop-after", "t", 3600 * USEC_PER_SEC)));
        assert_session(f, SESSION, "StopReason", "");
        session_stop(f);
        expect_end(f, "request");
        daemon_stop(f);
}

Test(stop, with_service) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        daemon_stop(f);
        daemon_start(f);
        expect_end(f, "service");
        daemon_stop(f);
}

Test(stop, with_a_failure) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        fake_file(&f->machine.tree, "tracing/per_cpu/cpu0/stats", "nothing that is known\n");
        wait_for_session(f, SESSION, "failed");
        assert_session(f, SESSION, "StopReason", "failure");
        daemon_stop(f);
}

Test(stop, bad_conditions) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);

        daemon_start(f);
        assert_error(session_start(f, 1, "stop-after", "t", UINT64_C(0)), INVALID);
        assert_error(session_start(f, 1, "stop-after", "t", UINT64_MAX), INVALID);
        assert_error(session_start(f, 1, "stop-after", "s", "5min"), INVALID);
        assert_error(session_start(f, 1, "stop-after-bytes", "t", UINT64_C(0)), INVALID);
        assert_error(session_start(f, 1, "stop-after-events", "t", UINT64_C(0)), INVALID);
        assert_error(session_start(f, 1, "stop-on-mark", "s", ""), INVALID);
        assert_error(session_start(f, 1, "stop-on-mark", "s", "two\nlines"), INVALID);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}
