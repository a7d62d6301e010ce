/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What becomes of a session: captured, stopped, cut short, found again. */

#include <poll.h>

#include <fcntl.h>

#include "fixture.h"
#include "tool.h"
#include "users.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(session, .init = setup, .fini = teardown, .timeout = 60);

static void assert_file(const Machine *m, const char *path, const char *expected) {
        _cleanup_free_ char *text = machine_read(m, path);

        cr_assert_str_eq(text, expected, "%s is \"%s\" instead of \"%s\"", path, text, expected);
}

/* Starts a session without a driver, which has to succeed. */
static char *capture(Fixture *f) {
        return expect_path(session_start(f, 0));
}

/* The pages of the ring are on disk. */
static void wait_until_drained(Fixture *f, const char *session) {
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;

        /* No signal tells of a counter. */
        while (get_number(f, session, BUS_INTERFACE_SESSION, "BytesRaw") < SAMPLE_BYTES) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                (void) poll(NULL, 0, 10);
        }
}

static void assert_unpacked_log(Fixture *f) {
        _cleanup_free_ char *log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log"),
                        *expected = machine_expected_log();

        cr_assert(streq(log, expected), "The log is not the kernel's text.");
}

Test(session, whole) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL, *list = NULL;
        uint64_t started_usec = now_realtime_usec();

        daemon_start(f);
        session = expect_path(session_start(f, 1, "description", "s", "two\nlines"));
        cr_assert_str_eq(session, BUS_PATH_SESSION "/_1");
        assert_manager(f, "State", "capturing");
        assert_manager(f, "ActiveSession", session);
        assert_session(f, session, "State", "capturing");
        assert_session(f, session, "Result", "");
        assert_session(f, session, "Driver", "");
        assert_session(f, session, "Description", "two\nlines");
        assert_session(f, session, "Archive", "");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Id"), 1);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Owner"), geteuid());
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "CPU"), 0);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "BufferSize"), 97559 * KIB);
        cr_assert_geq(get_number(f, session, BUS_INTERFACE_SESSION, "StartTimestamp"), started_usec);

        assert_file(&f->machine, "tracing/current_tracer", "mmiotrace");
        assert_file(&f->machine, "tracing/trace_clock", "mono");
        assert_file(&f->machine, "tracing/tracing_on", "1");
        assert_file(&f->machine, "tracing/options/overwrite", "1");
        assert_file(&f->machine, "tracing/tracing_cpumask", "f");
        assert_file(&f->machine, "tracing/per_cpu/cpu0/buffer_size_kb", "97559");
        assert_file(&f->machine, "tracing/buffer_size_kb", "1408");

        assert_error(session_start(f, 0), "AlreadyRunning");
        assert_error(session_call(f, session, "OpenArchive", "a{sv}", 0), "NoArchive");
        expect_ok(manager_call(f, "Mark", "sa{sv}", "good", 0));
        assert_file(&f->machine, "tracing/trace_marker", "good");
        machine_record(&f->machine);

        session_stop(f);
        machine_assert_settings(&f->machine, before);
        assert_manager(f, "State", "idle");
        assert_manager(f, "ActiveSession", "/");

        wait_for_session(f, session, "sealed");
        wait_until(f, strv_contains(f->signals, "JobRemoved " BUS_PATH_JOB "/_1 done"));
        cr_assert(strv_contains(f->signals, "SessionNew " BUS_PATH_SESSION "/_1"));
        cr_assert(strv_contains(f->signals, "State " BUS_PATH_SESSION "/_1 capturing"));
        cr_assert(strv_contains(f->signals, "State " BUS_PATH " capturing"));
        cr_assert(strv_contains(f->signals, "State " BUS_PATH_SESSION "/_1 restoring"));
        cr_assert(strv_contains(f->signals, "State " BUS_PATH_SESSION "/_1 sealing"));
        cr_assert(strv_contains(f->signals, "JobNew " BUS_PATH_JOB "/_1"));
        cr_assert(strv_contains(f->signals, "State " BUS_PATH_SESSION "/_1 sealed"));
        cr_assert(strv_contains(f->signals, "State " BUS_PATH " idle"));
        assert_session(f, session, "Result", "success");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Events"), SAMPLE_EVENTS);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "LostEvents"), 0);
        cr_assert_gt(get_number(f, session, BUS_INTERFACE_SESSION, "Reads"), 0);
        cr_assert_gt(get_number(f, session, BUS_INTERFACE_SESSION, "BytesArchive"), 0);
        cr_assert_geq(get_number(f, session, BUS_INTERFACE_SESSION, "StopTimestampMonotonic"),
                        get_number(f, session, BUS_INTERFACE_SESSION, "StartTimestampMonotonic"));

        list = fixture_unpack(f, session);
        cr_assert_str_eq(list, "description.txt\nmetadata.json\nuname.txt\nlspci.txt\nlspci-xxxx.txt\ndisplays.txt\nmodules.txt\nkernel.log\nmmiotrace.log\n");
        assert_unpacked_log(f);
        free(tool_output(VALIDATE_METADATA " %s/unpacked/metadata.json", f->machine.tree.root));

        assert_error(manager_call(f, "Stop", "a{sv}", 0), "NotRunning");
        assert_error(session_call(f, session, "Stop", "a{sv}", 0), "NotRunning");
        assert_error(manager_call(f, "Mark", "sa{sv}", "late", 0), "NotRunning");
        assert_error(session_call(f, session, "Mark", "sa{sv}", "late", 0), "NotRunning");
        assert_error(session_call(f, BUS_PATH_SESSION "/_2", "Stop", "a{sv}", 0),
                        "org.freedesktop.DBus.Error.UnknownObject");
        daemon_stop(f);
}

/* Two devices of one driver, of which the second was used. */
Test(session, named_after_the_busiest_device) {
        _cleanup_free_ char *session = NULL, *name = NULL;
        Fixture *f = &fixture;

        fake_pci_device(&f->machine.tree, "0000:00:01.0", "8086:10d5", "020000");
        fake_pci_device(&f->machine.tree, "0000:00:02.0", "8086:10d3", "020000");
        fake_file(&f->machine.tree, "sys/devices/pci0000:00/0000:00:01.0/resource",
                  "0x00000000fea80000 0x00000000fea9ffff 0x0000000000040200\n");
        fake_file(&f->machine.tree, "sys/devices/pci0000:00/0000:00:02.0/resource",
                  "0x00000000feb80000 0x00000000feb9ffff 0x0000000000040200\n");
        fake_module_file(&f->machine.tree, "e1000e", "name=e1000e\nversion=3.2.6-k\nalias=pci:v00008086d000010D3sv*sd*bc*sc*i*\n"
                                                     "alias=pci:v00008086d000010D5sv*sd*bc*sc*i*");
        if (!fake_depmod(&f->machine.tree, "", ""))
                cr_skip_test("needs depmod");
        daemon_start(f);
        session = expect_path(session_start(f, 1, "driver", "s", "e1000e"));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        name = get_string(f, session, BUS_INTERFACE_SESSION, "Archive");
        cr_assert(startswith(name, "mmiotrace-808610d3-") && strstr(name, "-e1000e_3.2.6-k-2"), "%s", name);
        daemon_stop(f);
}

/* Wherever and whenever it is made: of the same session it is the same archive. */
Test(session, same_bytes) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;
        const char *root = f->machine.tree.root;

        f->seal_program = "/bin/false";
        daemon_start(f);
        session = expect_path(session_start(f, 2, "description", "s", "what", "keep-raw", "b", 1));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "failed");
        daemon_stop(f);
        free(tool_output("cd %s && cp -a state/sessions/1 one && cp -r state/sessions/1 other && cd one && %s 6", root, SEAL_PROGRAM));
        free(tool_output("cd %s/other && touch raw/* && umask 0 && TZ=Asia/Tokyo LANG=C.UTF-8 HOME=/x %s 6 && cmp archive.tar.xz "
                         "../one/archive.tar.xz", root, SEAL_PROGRAM));
}

/* A ring that was never used: such a one cannot be had again, and becomes what the kernel gives at the first use. */
Test(session, ring_never_sized) {
        Fixture *f = &fixture;

        fake_file(&f->machine.tree, "tracing/buffer_size_kb", "7 (expanded: 1408)\n");
        fake_file(&f->machine.tree, "tracing/per_cpu/cpu0/buffer_size_kb", "7 (expanded: 1408)\n");
        daemon_start(f);
        free(expect_path(session_start(f, 1, "buffer-size", "t", 2 * MIB)));
        assert_file(&f->machine, "tracing/per_cpu/cpu0/buffer_size_kb", "2048");
        /* As the kernel tells of rings that differ. */
        fake_file(&f->machine.tree, "tracing/buffer_size_kb", "X\n");
        session_stop(f);
        assert_file(&f->machine, "tracing/buffer_size_kb", "1408");
        daemon_stop(f);
}

Test(session, ids_are_not_reused) {
        Fixture *f = &fixture;
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL, *gone = NULL;

        daemon_start(f);
        first = capture(f);
        session_stop(f);
        /* What is refused was never a session. */
        assert_error(session_start(f, 1, "driver", "s", "nosuchdriver"), "NoSuchDriver");
        cr_assert_not(strv_contains(f->signals, "SessionNew " BUS_PATH_SESSION "/_2"));
        machine_list_clocks(&f->machine);
        second = capture(f);
        session_stop(f);
        daemon_stop(f);

        /* Gone with all that it had, and its id with it. */
        gone = below(f->machine.tree.root, "state/sessions/2");
        cr_assert_eq(remove_tree_at(AT_FDCWD, gone), 0);
        daemon_start(f);
        machine_list_clocks(&f->machine);
        third = capture(f);
        cr_assert_str_eq(first, BUS_PATH_SESSION "/_1");
        cr_assert_str_eq(second, BUS_PATH_SESSION "/_2");
        cr_assert_str_eq(third, BUS_PATH_SESSION "/_3");
        daemon_stop(f);
}

Test(session, is_listed_after_restart) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *before = NULL, *after = NULL, *list = NULL;
        _cleanup_strv_ char **sessions = NULL;

        daemon_start(f);
        session = expect_path(session_start(f, 1, "description", "s", "what it is for"));
        expect_ok(session_call(f, session, "Mark", "sa{sv}", "here", 0));
        machine_record(&f->machine);
        expect_ok(session_call(f, session, "Stop", "a{sv}", 0));
        wait_for_session(f, session, "sealed");
        before = get_all(f, session, BUS_INTERFACE_SESSION);
        daemon_stop(f);

        daemon_start(f);
        sessions = list_sessions(f);
        cr_assert_eq(strv_length(sessions), 1);
        cr_assert_str_eq(sessions[0], session);
        after = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert_str_eq(after, before);
        cr_assert(strstr(after, "what it is for") && strstr(after, "here"));
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        daemon_stop(f);
}

Test(session, outlives_death_of_daemon) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL, *list = NULL;

        daemon_start(f);
        session = capture(f);
        daemon_kill(f, true);
        assert_file(&f->machine, "tracing/current_tracer", "mmiotrace");
        cr_assert(machine_has(&f->machine, "run/undo"));

        /* The next one goes on under the same path: what comes now is in the same log. */
        daemon_start(f);
        assert_manager(f, "ActiveSession", session);
        assert_session(f, session, "State", "capturing");
        expect_ok(session_call(f, session, "Mark", "sa{sv}", "still there", 0));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        machine_assert_settings(&f->machine, before);
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        /* And the next one can begin. */
        machine_list_clocks(&f->machine);
        free(capture(f));
        daemon_stop(f);
}

/* Somebody has written "nop" while no daemon was there: the session cannot go on, and what there is of it is kept. */
Test(session, tracer_gone_with_daemon) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL;

        daemon_start(f);
        session = capture(f);
        machine_record(&f->machine);
        wait_until_drained(f, session);
        daemon_kill(f, true);
        fake_file(&f->machine.tree, "tracing/current_tracer", "nop\n");
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        cr_assert_not(machine_has(&f->machine, "run/undo"));
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        daemon_stop(f);
}

Test(session, drain_outlives_daemon) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL;

        daemon_start(f);
        session = capture(f);
        machine_record(&f->machine);
        daemon_kill(f, false);
        daemon_start(f);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        daemon_stop(f);
}

/* The undo journal of another boot is of settings that are gone. But the kernel's log of that boot still says what
 * happened in it. */
Test(session, cut_by_reboot) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL, *kernel_log = NULL;
        _cleanup_free_ char *journal = below(f->machine.tree.root, "journal/kernel.journal");
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes;

        test_data_xz("journal/kernel.journal.xz", &bytes, &n_bytes);
        write_bytes(journal, bytes, n_bytes);
        fake_file(&f->machine.tree, "proc/sys/kernel/random/boot_id", "11111111-1111-1111-1111-111111111111\n");
        daemon_start(f);
        session = capture(f);
        daemon_kill(f, true);
        fake_file(&f->machine.tree, "proc/sys/kernel/random/boot_id",
                        "e2f93b5f-10f6-4f5e-8d3c-5a9f1f0b8a11\n");
        fake_file(&f->machine.tree, "tracing/current_tracer", "nop\n");
        fake_file(&f->machine.tree, "tracing/per_cpu/cpu0/buffer_size_kb", "4711\n");
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        assert_file(&f->machine, "tracing/per_cpu/cpu0/buffer_size_kb", "4711");
        cr_assert_not(machine_has(&f->machine, "run/undo"));
        list = fixture_unpack(f, session);
        kernel_log = machine_read(&f->machine, "unpacked/kernel.log");
        cr_assert_not_null(strstr(kernel_log, "Linux version 6.1.0 of the boot that died\n"));
        cr_assert_not_null(strstr(kernel_log, "Call Trace:\n"));
        cr_assert_null(strstr(kernel_log, "of the next boot"));
        daemon_stop(f);
}

static bool has_warning(Fixture *f, const char *session, const char *text) {
        _cleanup_free_ char *all = get_all(f, session, BUS_INTERFACE_SESSION);

        return strstr(all, text);
}

/* What the kernel says while the session captures is told at once, and is on file; the end does not tell it again. */
Test(session, kernel_in_trouble) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *before = NULL, *after = NULL, *file = NULL, *heard = NULL;
        _cleanup_free_ char *folder = below(f->machine.tree.root, "journal"), *path = below(folder, "trouble.journal");
        _cleanup_free_ char *temporary = below(folder, "trouble");
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes;

        cr_assert_eq(mkdir(folder, 0700), 0);
        test_data_xz("journal/trouble.journal.xz", &bytes, &n_bytes);
        fake_file(&f->machine.tree, "proc/sys/kernel/random/boot_id", "44444444-4444-4444-4444-444444444444\n");
        daemon_start(f);
        session = capture(f);
        hear_begin(f);
        write_bytes(temporary, bytes, n_bytes);
        cr_assert_eq(rename(temporary, path), 0);
        /* Of a session without a driver each warning counts. */
        wait_until(f, has_warning(f, session, "A CPU was locked up at 7.000000"));
        before = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert(strstr(before, "The kernel oopsed at 0.000000: BUG: unable to handle page fault"), "%s", before);
        cr_assert(strstr(before, "The kernel warned at 6.000000"), "%s", before);
        cr_assert_null(strstr(before, "by a program"));
        assert_session(f, session, "State", "capturing");
        file = machine_read(&f->machine, "state/sessions/1/session.json");
        cr_assert_not_null(strstr(file, "A CPU was locked up"));

        session_stop(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        after = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert_eq(strstr(strstr(after, "was locked up") + 1, "was locked up"), NULL, "%s", after);
        cr_assert_gt(get_number(f, session, BUS_INTERFACE_SESSION, "WarningCount"), 0);

        /* Not everybody may read the kernel's log. */
        heard = hear_end(f);
        cr_assert(strstr(heard, "\"WarningCount\"") && strstr(heard, "\"Warnings\""), "%s", heard);
        cr_assert_not(strstr(heard, "page fault"), "%s", heard);
        if (geteuid() == 0) {
                _cleanup_free_ char *root = see_as(f, 0, session, "GetAll"), *other = see_as(f, 65534, session, "GetAll");

                cr_assert(strstr(root, "page fault"), "%s", root);
                cr_assert_not(strstr(other, "page fault"), "%s", other);
        }
        daemon_stop(f);
}

/* What the kernel has printed of the ring when it died stands at the end, behind a mark, and counts as nothing. */
Test(session, ring_printed_by_panic) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL, *log = NULL, *expected = NULL, *whole = NULL, *dump = NULL, *store = NULL,
                            *again = NULL;
        const char *last;

        daemon_start(f);
        session = capture(f);
        machine_record(&f->machine);
        wait_until_drained(f, session);
        daemon_kill(f, true);
        expected = machine_expected_log();
        /* Later than what a session of this machine can begin with; one that the trace has, and two that it has not. */
        cr_assert_gt(strlen(expected), 2);
        for (last = expected + strlen(expected) - 2; last[-1] != '\n';)
                last--;
        cr_assert(asprintf(&dump, "Panic#1 Part1\n<0>[   41.5] Dumping ftrace buffer:\n<0>[   41.5] %s"
                                  "<0>[   41.5] W 4 4000000000.000001 1 0xfea00000 0x1 0x0 0\n"
                                  "<0>[   41.5] W 4 4000000000.000002 1 0xfea00000 0x2 0x0 0\n", last) > 0);
        fake_file(&f->machine.tree, "pstore/1/dmesg-ramoops-0", dump);
        fake_file(&f->machine.tree, "proc/sys/kernel/random/boot_id", "e2f93b5f-10f6-4f5e-8d3c-5a9f1f0b8a11\n");
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Events"), SAMPLE_EVENTS);
        cr_assert(has_warning(f, session, "the last 2 lines of the log"));
        list = fixture_unpack(f, session);
        cr_assert_not_null(strstr(list, "kernel.log\npstore.txt\nmmiotrace.log\n"), "%s", list);
        store = machine_read(&f->machine, "unpacked/pstore.txt");
        cr_assert_not_null(strstr(store, "Dumping ftrace buffer"));
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        cr_assert(asprintf(&whole, "%sMARK 4000000000.000001 mmiotraced: the 2 records below were printed by the kernel when it oopsed\n"
                                   "W 4 4000000000.000001 1 0xfea00000 0x1 0x0 0\nW 4 4000000000.000002 1 0xfea00000 0x2 0x0 0\n",
                                   expected) > 0);
        cr_assert(streq(log, whole), "%s", log + (strlen(log) > 500 ? strlen(log) - 500 : 0));
        again = machine_read(&f->machine, "unpacked/metadata.json");
        cr_assert_not_null(strstr(again, "\"printed_events\":2"), "%s", again);
        daemon_stop(f);
}

/* Nobody was there to follow it: it is told when what is left of the session is collected. */
Test(session, kernel_in_trouble_before_reboot) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *path = below(f->machine.tree.root, "journal/trouble.journal");
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes;

        fake_file(&f->machine.tree, "proc/sys/kernel/random/boot_id", "44444444-4444-4444-4444-444444444444\n");
        daemon_start(f);
        session = capture(f);
        daemon_kill(f, true);
        test_data_xz("journal/trouble.journal.xz", &bytes, &n_bytes);
        write_bytes(path, bytes, n_bytes);
        fake_file(&f->machine.tree, "proc/sys/kernel/random/boot_id", "e2f93b5f-10f6-4f5e-8d3c-5a9f1f0b8a11\n");
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        cr_assert(has_warning(f, session, "A CPU was locked up at 7.000000"));
        daemon_stop(f);
}

Test(session, cut_while_sealing) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL, *stuck = below(f->machine.tree.root, "stuck");

        fake_file(&f->machine.tree, "stuck", "#!/bin/sh\nexec tail -f /dev/null\n");
        cr_assert_eq(chmod(stuck, 0755), 0);
        f->seal_program = stuck;
        daemon_start(f);
        session = capture(f);
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealing");
        assert_session(f, session, "Job", BUS_PATH_JOB "/_1");
        assert_string(f, BUS_PATH_JOB "/_1", BUS_INTERFACE_JOB, "Session", session);
        daemon_kill(f, true);

        f->seal_program = SEAL_PROGRAM;
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        daemon_stop(f);
}

static void spoil_by_power_cut(const char *content) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL;
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;

        daemon_start(f);
        session = capture(f);
        machine_record(&f->machine);
        wait_until_drained(f, session);
        /* The loop does not wait for the copy. */
        while (!machine_has(&f->machine, "state/sessions/1/session.durable.json")) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                (void) poll(NULL, 0, 10);
        }
        daemon_kill(f, true);
        fake_file(&f->machine.tree, "state/sessions/1/session.json", content);
        fake_file(&f->machine.tree, "proc/sys/kernel/random/boot_id", "11111111-1111-1111-1111-111111111111\n");
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        daemon_stop(f);
}

/* There is the name of the file, and nothing in it. */
Test(session, file_emptied_by_power_cut) {
        spoil_by_power_cut("");
}

/* As it was in the beginning, of which nothing would have to be kept. */
Test(session, file_set_back_by_power_cut) {
        spoil_by_power_cut("{ \"version\": 1, \"id\": 1, \"state\": \"checking\", \"revision\": 0 }");
}

/* Whoever stops it does not wait for the disk, but the daemon does before it goes. */
Test(session, copy_is_there_at_the_end) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *file = NULL, *copy = NULL;

        daemon_start(f);
        session = capture(f);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        daemon_stop(f);
        file = machine_read(&f->machine, "state/sessions/1/session.json");
        copy = machine_read(&f->machine, "state/sessions/1/session.durable.json");
        cr_assert_str_eq(copy, file);
}

Test(session, seal_that_fails) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *text = NULL;

        f->seal_program = "/bin/false";
        daemon_start(f);
        session = capture(f);
        session_stop(f);
        wait_for_session(f, session, "failed");
        assert_session(f, session, "Result", "seal-failed");
        wait_until(f, strv_contains(f->signals, "JobRemoved " BUS_PATH_JOB "/_1 failed"));
        assert_error(session_call(f, session, "OpenArchive", "a{sv}", 0), "NoArchive");
        text = get_string(f, session, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(!isempty(text));
        /* What was captured stays. */
        cr_assert(machine_has(&f->machine, "state/sessions/1/raw/cpu0-000000.raw"));
        daemon_stop(f);
}

/* As while a package is replaced: whoever brings it back finds the session sealed. */
Test(session, seal_that_is_not_there) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *list = NULL, *text = NULL;

        f->seal_program = "/nonexistent";
        daemon_start(f);
        session = capture(f);
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "failed");
        assert_session(f, session, "Result", "seal-failed");
        text = get_string(f, session, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(strstr(text, "cannot be run; mmiotraced tries again"), "%s", text);
        daemon_stop(f);

        f->seal_program = SEAL_PROGRAM;
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        daemon_stop(f);
}

Test(session, daemon_told_to_end) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL, *list = NULL;

        daemon_start(f);
        session = capture(f);
        machine_record(&f->machine);
        daemon_stop(f);
        machine_assert_settings(&f->machine, before);

        /* Nobody waits for the archive when the machine goes down: the next one makes it. */
        daemon_start(f);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "success");
        list = fixture_unpack(f, session);
        assert_unpacked_log(f);
        daemon_stop(f);
}

Test(session, drain_that_dies) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *session = NULL;

        daemon_start(f);
        before = machine_settings(&f->machine);
        session = capture(f);
        /* The statistics are read every second. */
        fake_file(&f->machine.tree, "tracing/per_cpu/cpu0/stats", "nothing that is known\n");
        wait_for_session(f, session, "failed");
        assert_session(f, session, "Result", "drain-failed");
        fake_file(&f->machine.tree, "tracing/per_cpu/cpu0/stats",
                        "entries: 0\noverrun: 0\ncommit overrun: 0\nbytes: 0\ndropped events: 0\nread events: 4353\n");
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

Test(session, loads_driver) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *name = NULL;

        if (!machine_add_driver(&f->machine))
                cr_skip_test("needs depmod");
        fixture_be_systemd(f);
        daemon_start(f);
        session = expect_path(session_start(f, 2, "driver", "s", "e1000e", "load", "b", 1));
        cr_assert_eq(strv_length(f->units), 1);
        cr_assert_str_eq(f->units[0], "mmiotraced-load@e1000e.service");
        assert_session(f, session, "Driver", "e1000e");
        assert_session(f, session, "Module", "e1000e");
        assert_session(f, session, "DriverVersion", "3.2.6-k");
        session_stop(f);
        wait_for_session(f, session, "sealed");
        name = get_string(f, session, BUS_INTERFACE_SESSION, "Archive");
        cr_assert(startswith(name, "mmiotrace-808610d3-") && strstr(name, "-e1000e_3.2.6-k-"), "%s", name);
        daemon_stop(f);
}

static void assert_load_fails(Fixture *f, const char *result, const char *expected_text) {
        _cleanup_free_ char *before = NULL, *text = NULL;

        if (!machine_add_driver(&f->machine))
                cr_skip_test("needs depmod");
        fixture_be_systemd(f);
        f->load_result = result;
        daemon_start(f);
        before = machine_settings(&f->machine);
        /* The unit's standard error. */
        fake_file(&f->machine.tree, "run/load-e1000e.err",
                        "modprobe: WARNING: something else\n"
                        "modprobe: ERROR: could not insert 'e1000e': No such device\n");
        text = expect_error(session_start(f, 2, "driver", "s", "e1000e", "load", "b", 1), "LoadFailed");
        cr_assert(strstr(text, expected_text), "%s", text);
        /* It had begun: so it is kept, with what was captured of the attempt. */
        wait_for_session(f, BUS_PATH_SESSION "/_1", "failed");
        assert_session(f, BUS_PATH_SESSION "/_1", "Result", "load-failed");
        assert_session(f, BUS_PATH_SESSION "/_1", "ResultText", text);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

Test(session, load_fails_in_modprobe) {
        assert_load_fails(&fixture, "failed", "could not insert 'e1000e': No such device");
}

Test(session, load_fails_in_systemd) {
        assert_load_fails(&fixture, "no-such-unit", "Unit mmiotraced-load@e1000e.service not found.");
}

Test(session, stopped_while_loading) {
        Fixture *f = &fixture;
        Call *start;

        if (!machine_add_driver(&f->machine))
                cr_skip_test("needs depmod");
        fixture_be_systemd(f);
        f->load_result = "";
        daemon_start(f);
        start = session_begin(f, 2, "driver", "s", "e1000e", "load", "b", 1);
        wait_until(f, f->units);
        session_stop(f);
        assert_error(call_end(f, start), "WrongState");
        wait_for_session(f, BUS_PATH_SESSION "/_1", "sealed");

        /* What comes late concerns nobody. */
        systemd_end_job(f, f->units[0], "failed");
        assert_session(f, BUS_PATH_SESSION "/_1", "State", "sealed");
        assert_session(f, BUS_PATH_SESSION "/_1", "Result", "success");
        daemon_stop(f);
}

/* Whoever removes the program and then kills the daemon leaves nothing that could bring the machine back. */
Test(session, program_is_removed) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *session = NULL, *text = NULL;
        _cleanup_free_ char *copy = below(f->machine.tree.root, "mmiotraced"), *program = NULL;
        size_t bytes;

        cr_assert_eq(read_file_at(AT_FDCWD, TEST_DAEMON, 256 * MIB, &program, &bytes), 0);
        write_bytes(copy, program, bytes);
        cr_assert_eq(chmod(copy, 0755), 0);
        f->daemon_program = copy;
        daemon_start(f);
        session = capture(f);
        cr_assert_eq(unlink(copy), 0);
        wait_for_session(f, session, "sealed");
        assert_session(f, session, "Result", "interrupted");
        text = get_string(f, session, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(strstr(text, "removed from the disk"), "%s", text);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}
