/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A session on a disk that gets full. */

#include "fixture.h"
#include "reserve.h"
#include "small-disk.h"

#define DISK_BYTES (48 * MIB)
#define RAW "state/sessions/1/raw"

static Fixture fixture;
static int state_fd;

static void setup(void) {
        _cleanup_free_ char *state = NULL;

        fixture_make(&fixture);
        state = below(fixture.machine.tree.root, "state");
        cr_assert(mkdir(state, 0700) >= 0 || errno == EEXIST);
        small_disk_mount(state, DISK_BYTES, 4096);
        state_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_geq(state_fd, 0);
}

static void teardown(void) {
        _cleanup_free_ char *state = fixture.machine.tree.root ? below(fixture.machine.tree.root, "state") : NULL;

        state_fd = safe_close(state_fd);
        if (state)
                (void) umount2(state, MNT_DETACH);
        fixture_done(&fixture);
}

TestSuite(full, .init = setup, .fini = teardown, .timeout = 60);

static void fill(uint64_t left_bytes) {
        small_disk_fill(state_fd, "filler", left_bytes);
}

/* All of it is in the ring when the drain finds out. */
static void record_on_full_disk(Fixture *f) {
        pid_t pid = daemon_stop_worker(f, "drain");

        fill(0);
        machine_record(&f->machine);
        cr_assert_eq(kill(pid, SIGCONT), 0);
}

static void make_room(void) {
        cr_assert_eq(unlinkat(state_fd, "filler", 0), 0);
}

static void expect_whole_log(Fixture *f, const char *session) {
        _cleanup_free_ char *list = fixture_unpack(f, session), *log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log"),
                            *expected = machine_expected_log();

        cr_assert(streq(log, expected), "The log is not the kernel's text.");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "LostEvents"), 0);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Events"), SAMPLE_EVENTS);
}

static void expect_ended_by_it(Fixture *f, const char *session) {
        _cleanup_free_ char *text = NULL;

        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "disk-full");
        text = get_string(f, session, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(strstr(text, "The disk got full, which ended the session: make room in /var/lib/mmiotraced."), "%s", text);
}

/* What is kept for that takes all that was recorded. */
Test(full, while_capturing) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *session = NULL;

        daemon_start(f);
        before = machine_settings(&f->machine);
        session = expect_path(session_start(f, 0));
        cr_assert(machine_has(&f->machine, RAW "/reserve"));
        record_on_full_disk(f);
        expect_ended_by_it(f, session);
        expect_whole_log(f, session);
        cr_assert_not(machine_has(&f->machine, RAW "/reserve"));
        machine_list_clocks(&f->machine);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* Nothing tells of it. */
static void wait_until_drained(Fixture *f, const char *session) {
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;

        while (get_number(f, session, BUS_INTERFACE_SESSION, "BytesRaw") < SAMPLE_BYTES)
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
}

static size_t count_events(const char *log) {
        size_t n = 0;

        for (const char *line = log; *line; line = strchr(line, '\n') + 1)
                n += startswith(line, "R ") || startswith(line, "W ") || startswith(line, "MAP ") || startswith(line, "UNMAP ") ||
                        startswith(line, "UNKNOWN ") || startswith(line, "MARK ");
        return n;
}

/* What is kept does not take all of it: the rest is counted, at the end of the log. */
Test(full, not_all_finds_room) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL, *log = NULL, *expected = machine_expected_log(),
                            *reserve = below(f->machine.tree.root, RAW "/reserve");
        size_t n, at;
        char gap[64];

        daemon_start(f);
        session = expect_path(session_start(f, 0));
        cr_assert_eq(truncate(reserve, RESERVE_END_BYTES + 16 * 4096), 0, "%m");
        record_on_full_disk(f);
        expect_ended_by_it(f, session);
        list = fixture_unpack(f, session);
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        n = count_events(log);
        cr_assert(n > SAMPLE_EVENTS / 5 && n < SAMPLE_EVENTS / 2, "%zu", n);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "LostEvents"), SAMPLE_EVENTS - n);
        (void) snprintf(gap, sizeof gap, "CPU:0 [LOST %zu EVENTS]\n", SAMPLE_EVENTS - n);
        at = strlen(log) - strlen(gap);
        cr_assert_str_eq(log + at, gap);
        log[at] = 0;
        cr_assert(startswith(expected, log), "The log is not what the kernel's text begins with.");
        daemon_stop(f);
}

/* One that is killed there has a successor, which knows. */
Test(full, drain_dies_meanwhile) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *reserve = below(f->machine.tree.root, RAW "/reserve");

        daemon_start(f);
        session = expect_path(session_start(f, 0));
        /* What it does first. */
        cr_assert_eq(truncate(reserve, RESERVE_END_BYTES), 0, "%m");
        machine_record(&f->machine);
        wait_until_drained(f, session);
        daemon_kill_worker(f, "drain");
        expect_ended_by_it(f, session);
        expect_whole_log(f, session);
        daemon_stop(f);
}

Test(full, at_a_mark) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *all = NULL;

        daemon_start(f);
        session = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        wait_until_drained(f, session);
        fill(0);
        expect_ok(session_call(f, session, "Mark", "sa{sv}", "on a full disk", 0));
        session_stop(f);
        wait_for_session(f, session, "sealed");
        all = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(all, "on a full disk"), "%s", all);
        expect_whole_log(f, session);
        daemon_stop(f);
}

Test(full, start_is_refused) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *text = NULL;
        _cleanup_strv_ char **sessions = NULL;

        daemon_start(f);
        before = machine_settings(&f->machine);
        fill(0);
        text = expect_error(session_start(f, 0), "NoSpace");
        cr_assert(strstr(text, "/var/lib/mmiotraced"), "%s", text);
        sessions = list_sessions(f);
        cr_assert_eq(strv_length(sessions), 0);
        cr_assert_not(machine_has(&f->machine, "state/sessions/1"));
        assert_manager(f, "State", "idle");
        machine_assert_settings(&f->machine, before);
        make_room();
        free(expect_path(session_start(f, 0)));
        session_stop(f);
        daemon_stop(f);
}

/* What was is on file before anything is changed, or nothing is. */
Test(full, no_room_for_the_journal) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *run = below(f->machine.tree.root, "run"), *text = NULL;
        _cleanup_close_ int run_fd = -EBADF;

        cr_assert(mkdir(run, 0700) >= 0 || errno == EEXIST);
        small_disk_mount(run, MIB, 256);
        run_fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        daemon_start(f);
        small_disk_fill(run_fd, "filler", 0);
        before = machine_settings(&f->machine);
        text = expect_error(session_start(f, 0), "NoSpace");
        cr_assert(strstr(text, "Cannot write the undo journal, so nothing was changed"), "%s", text);
        machine_assert_settings(&f->machine, before);
        cr_assert_eq(unlinkat(run_fd, "filler", 0), 0);
        free(expect_path(session_start(f, 0)));
        session_stop(f);
        daemon_stop(f);
        (void) umount2(run, MNT_DETACH);
}

/* The disk gets full when the session is over: what was captured stays, and its archive is made once there is room. */
Test(full, while_sealing) {
        Fixture *f = &fixture;
        _cleanup_free_ char *program = below(f->machine.tree.root, "seal"), *session = NULL, *text = NULL;
        char script[1024];

        (void) snprintf(script, sizeof script,
                        "#!/bin/sh\n[ -e %1$s/room ] || dd if=/dev/zero of=%1$s/state/filler bs=4k 2>/dev/null\n"
                        "exec " SEAL_PROGRAM " \"$@\"\n", f->machine.tree.root);
        fake_file(&f->machine.tree, "seal", script);
        cr_assert_eq(chmod(program, 0755), 0);
        f->seal_program = program;
        daemon_start(f);
        session = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "failed");
        assert_session(f, session, "Result", "seal-failed");
        text = get_string(f, session, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(strstr(text, "make room in /var/lib/mmiotraced, then \"mmiotracectl seal 1\" goes on"), "%s", text);
        cr_assert(machine_has(&f->machine, RAW "/cpu0-000000.raw"));
        fake_file(&f->machine.tree, "room", "");
        make_room();
        free(expect_path(session_call(f, session, "Seal", "a{sv}", 0)));
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        expect_whole_log(f, session);
        daemon_stop(f);
}

/* What the ring has held since early in the boot is worth more than the description of the machine. */
Test(full, begun_at_boot) {
        Fixture *f = &fixture;
        _cleanup_free_ char *etc = below(f->machine.tree.root, "etc"), *list = NULL, *log = NULL, *text = NULL;
        const char *session = BUS_PATH_SESSION "/_1";
        size_t n;

        cr_assert(mkdir(etc, 0755) >= 0 || errno == EEXIST);
        if (!machine_add_driver(&f->machine))
                cr_skip_test("Not run: needs depmod.");
        fixture_be_systemd(f);
        fake_file(&f->machine.tree, "mmiotraced.conf", "[Storage]\nMaxUse=infinity\nKeepFree=0\n");
        daemon_start(f);
        expect_ok(manager_call(f, "Arm", "a{sv}", 1, "driver", "s", "e1000e"));
        daemon_stop(f);
        cr_assert(boot(f));
        machine_record(&f->machine);
        /* For its folder and the formats, and hardly for more. */
        fill(64 * KIB);
        daemon_start(f);
        wait_for_session(f, session, "failed");
        make_room();
        free(expect_path(session_call(f, session, "Seal", "a{sv}", 0)));
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "disk-full");
        list = fixture_unpack(f, session);
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        /* What finds no room is counted. */
        n = count_events(log);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "LostEvents"), SAMPLE_EVENTS - n);
        cr_assert(strstr(log, "EVENTS]"), "%s", log);
        text = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(text, "The disk has no room for the"), "%s", text);
        daemon_stop(f);
}
