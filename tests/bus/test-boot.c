/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A session that begins at a boot: armed by the daemon, begun without it, taken up by the next one. */

#include <sys/stat.h>

#include "ctl.h"

#define ARMED "etc/next-boot.json"
#define BEGUN "etc/begun-boot.json"

#define SESSION_1 BUS_PATH_SESSION "/_1"

static Fixture fixture;

static void setup(void) {
        _cleanup_free_ char *etc = NULL;

        fixture_make(&fixture);
        etc = below(fixture.machine.tree.root, "etc");
        cr_assert_eq(mkdir(etc, 0755), 0);
        if (!machine_add_driver(&fixture.machine))
                cr_skip_test("Not run: needs depmod.");
        fixture_be_systemd(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(boot, .init = setup, .fini = teardown, .timeout = 60);

#define arm(fixture, ...) manager_call(fixture, "Arm", "a{sv}", __VA_ARGS__)

static void arm_e1000e(Fixture *f) {
        expect_ok(arm(f, 1, "driver", "s", "e1000e"));
}

/* By a daemon that is gone then, as it is when the machine boots. */
static void arm_and_shut_down(Fixture *f) {
        daemon_start(f);
        arm_e1000e(f);
        daemon_stop(f);
}

/* Nothing of it is left but the session. */
static void assert_nothing_pending(const Machine *m) {
        cr_assert_not(machine_has(m, ARMED));
        cr_assert_not(machine_has(m, BEGUN));
        cr_assert_not(machine_has(m, "run/boot"));
}

Test(boot, arm_and_disarm) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *path = below(f->machine.tree.root, ARMED), *text = NULL;
        _cleanup_strv_ char **notes = NULL;
        sd_bus_message *reply;
        struct stat st;

        daemon_start(f);
        before = machine_settings(&f->machine);
        assert_manager(f, "Armed", "");
        assert_error(manager_call(f, "Disarm", "a{sv}", 0), "NotRunning");
        reply = arm(f, 1, "driver", "s", "e1000e");
        cr_assert_geq(sd_bus_message_read_strv(reply, &notes), 0);
        expect_ok(reply);
        /* Nobody can look into an initramfs here; what to do if it is there is the same in any case. */
        cr_assert_eq(strv_length(notes), 1);
        cr_assert(strstr(notes[0], " modprobe.blacklist=e1000e "), "%s", notes[0]);
        assert_manager(f, "Armed", "e1000e");
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode, S_IFREG | 0600);
        text = expect_error(arm(f, 1, "driver", "s", "e1000e"), "WrongState");
        cr_assert(strstr(text, "armed already") && strstr(text, "e1000e"), "%s", text);

        /* It is armed whether there is a daemon or not. */
        daemon_stop(f);
        daemon_start(f);
        assert_manager(f, "Armed", "e1000e");
        machine_assert_settings(&f->machine, before);
        expect_ok(manager_call(f, "Disarm", "a{sv}", 0));
        assert_manager(f, "Armed", "");
        assert_nothing_pending(&f->machine);
        daemon_stop(f);
        cr_assert(boot(f));
        machine_assert_settings(&f->machine, before);
        cr_assert_not(machine_has(&f->machine, "state/sessions/1"));
}

Test(boot, arm_what_cannot_be) {
        Fixture *f = &fixture;

        (void) fake_depmod(&f->machine.tree, "kernel/drivers/ahci.ko\n", "ahci.name=ahci\n");
        daemon_start(f);
        assert_error(arm(f, 0), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(arm(f, 2, "driver", "s", "e1000e", "rebind", "b", 1), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(arm(f, 2, "driver", "s", "e1000e", "load", "b", 0), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(arm(f, 2, "driver", "s", "e1000e", "bound", "b", 1), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(arm(f, 2, "driver", "s", "e1000e", "stop-after", "t", UINT64_C(0)), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(arm(f, 2, "driver", "s", "e1000e", "stop-after", "t", UINT64_MAX), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(arm(f, 1, "driver", "s", "../e1000e"), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(arm(f, 1, "driver", "s", "nosuchdriver"), "NoSuchDriver");
        assert_error(arm(f, 1, "driver", "s", "ahci"), "LoadFailed");
        assert_manager(f, "Armed", "");
        assert_nothing_pending(&f->machine);
        daemon_stop(f);
}

Test(boot, begun_and_taken_up) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *text = NULL, *list = NULL, *log = NULL,
                            *expected = NULL;
        uint64_t armed_usec;

        arm_and_shut_down(f);
        armed_usec = now_monotonic_usec();
        cr_assert(boot(f));
        /* The boot after this one is a normal one, whatever happens now. */
        cr_assert_not(machine_has(&f->machine, ARMED));
        cr_assert(machine_has(&f->machine, BEGUN));
        text = machine_read(&f->machine, "tracing/current_tracer");
        cr_assert_str_eq(text, "mmiotrace");
        /* The first events are the most important ones. */
        free(text);
        text = machine_read(&f->machine, "tracing/options/overwrite");
        cr_assert_str_eq(text, "0");
        machine_record(&f->machine);

        daemon_start(f);
        wait_until(f, strv_length(f->units) > 0);
        cr_assert_str_eq(f->units[0], "mmiotraced-load@e1000e.service");
        assert_session(f, SESSION_1, "State", "capturing");
        assert_session(f, SESSION_1, "Driver", "e1000e");
        assert_session(f, SESSION_1, "Module", "e1000e");
        cr_assert_geq(get_number(f, SESSION_1, BUS_INTERFACE_SESSION, "StartTimestampMonotonic"), armed_usec);
        cr_assert_leq(get_number(f, SESSION_1, BUS_INTERFACE_SESSION, "StartTimestampMonotonic"), now_monotonic_usec());
        assert_nothing_pending(&f->machine);
        session_stop(f);
        wait_for_session(f, SESSION_1, "sealed");
        assert_session(f, SESSION_1, "Result", "success");
        machine_assert_settings(&f->machine, before);
        list = fixture_unpack(f, SESSION_1);
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        expected = machine_expected_log();
        cr_assert(streq(log, expected));
        daemon_stop(f);

        /* Once. */
        cr_assert(boot(f));
        machine_assert_settings(&f->machine, before);
        daemon_start(f);
        assert_manager(f, "State", "idle");
        cr_assert_not(machine_has(&f->machine, "state/sessions/2"));
        daemon_stop(f);
}

Test(boot, driver_is_there_already) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *text = NULL;

        arm_and_shut_down(f);
        fake_module_entry(&f->machine.tree, "e1000e", NULL);
        cr_assert_not(boot(f));
        fake_remove(&f->machine.tree, "sys/module");
        cr_assert_not(machine_has(&f->machine, ARMED));
        daemon_start(f);
        wait_for_session(f, SESSION_1, "failed");
        machine_assert_settings(&f->machine, before);
        assert_session(f, SESSION_1, "Result", "arm-failed");
        text = get_string(f, SESSION_1, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(strstr(text, "modprobe.blacklist=e1000e"), "%s", text);
        assert_manager(f, "State", "idle");
        assert_nothing_pending(&f->machine);

        /* It stands in the way of nothing. */
        free(expect_path(session_start(f, 0)));
        session_stop(f);
        daemon_stop(f);
        daemon_start(f);
        assert_session(f, SESSION_1, "State", "failed");
        cr_assert_not(machine_has(&f->machine, "state/sessions/3"));
        daemon_stop(f);
}

static void assert_says(const Ctl *ctl, int status, const char *part) {
        cr_assert_eq(ctl->status, status, "%d instead of %d: %s%s", ctl->status, status, strempty(ctl->out), strempty(ctl->err));
        cr_assert(strstr(strempty(ctl->out), part) || strstr(strempty(ctl->err), part), "no \"%s\" in: %s%s", part,
                        strempty(ctl->out), strempty(ctl->err));
}

Test(boot, command_line) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl nothing = {}, load = {}, rebind = {}, never = {}, start = {}, status = {}, json = {}, list = {}, rows = {},
                        again = {}, disarm = {}, none = {};
        _cleanup_free_ char *text = NULL;

        daemon_start(f);
        nothing = CTL(f, "start", "--at-next-boot");
        assert_says(&nothing, 2, "needs a --driver");
        load = CTL(f, "start", "--at-next-boot", "--driver", "e1000e", "--load");
        assert_says(&load, 2, "leave --load out");
        rebind = CTL(f, "start", "--at-next-boot", "--driver", "e1000e", "--rebind");
        assert_says(&rebind, 2, "leave --rebind out");
        never = CTL(f, "start", "--at-next-boot", "--driver", "e1000e", "--stop-after", "0");
        assert_says(&never, 2, "--stop-after takes a time");
        none = CTL(f, "disarm");
        assert_says(&none, 1, "nothing to take back");
        assert_nothing_pending(&f->machine);

        start = CTL(f, "start", "--at-next-boot", "--driver", "e1000e", "--stop-after", "90s", "--description", "slow");
        assert_says(&start, 0, "1min 30s");
        assert_says(&start, 0, "modprobe.blacklist=e1000e");
        text = machine_read(&f->machine, ARMED);
        cr_assert(strstr(text, "\"stop_after_usec\":90000000") && strstr(text, "\"description\":\"slow\""), "%s", text);
        status = CTL(f, "status");
        assert_says(&status, 3, "The next boot is armed for a session of e1000e.");
        json = CTL(f, "status", "--json=short");
        assert_says(&json, 3, "\"armed\":\"e1000e\"");
        list = CTL(f, "list");
        assert_says(&list, 0, "The next boot is armed for a session of e1000e.");
        /* There is no row. */
        rows = CTL(f, "list", "--no-legend");
        cr_assert_str_eq(rows.out, "");
        again = CTL(f, "start", "--at-next-boot", "--driver", "e1000e");
        assert_says(&again, 1, "mmiotracectl disarm");
        disarm = CTL(f, "disarm");
        assert_says(&disarm, 0, "a normal one");
        assert_nothing_pending(&f->machine);
        daemon_stop(f);
}

/* Counted from the boot on: it may be over before the daemon is there. */
Test(boot, ends_by_itself) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);

        daemon_start(f);
        expect_ok(arm(f, 2, "driver", "s", "e1000e", "stop-after", "t", UINT64_C(1)));
        daemon_stop(f);
        cr_assert(boot(f));
        machine_record(&f->machine);
        daemon_start(f);
        wait_for_session(f, SESSION_1, "sealed");
        assert_session(f, SESSION_1, "Result", "success");
        cr_assert_eq(get_number(f, SESSION_1, BUS_INTERFACE_SESSION, "Events"), SAMPLE_EVENTS);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

Test(boot, load_fails) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *text = NULL;

        arm_and_shut_down(f);
        cr_assert(boot(f));
        f->load_result = "failed";
        fake_file(&f->machine.tree, "run/load-e1000e.err", "modprobe: ERROR: could not insert 'e1000e': No such device\n");
        daemon_start(f);
        wait_for_session(f, SESSION_1, "failed");
        assert_session(f, SESSION_1, "Result", "load-failed");
        text = get_string(f, SESSION_1, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(strstr(text, "could not insert 'e1000e'"), "%s", text);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* The machine went down between the two, or the early program was killed. */
Test(boot, cut_short) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *text = NULL;

        arm_and_shut_down(f);
        cr_assert(boot(f));
        fake_remove(&f->machine.tree, "run/boot");
        daemon_start(f);
        wait_for_session(f, SESSION_1, "failed");
        assert_session(f, SESSION_1, "Result", "arm-failed");
        text = get_string(f, SESSION_1, BUS_INTERFACE_SESSION, "ResultText");
        cr_assert(strstr(text, "cut short"), "%s", text);
        /* What it had changed is in the journal, if it was this boot. */
        wait_until_idle(f);
        daemon_stop(f);
        machine_assert_settings(&f->machine, before);
        assert_nothing_pending(&f->machine);
}

/* Nor beside a daemon, which may have plans of its own. */
Test(boot, daemon_is_there_already) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL;

        arm_and_shut_down(f);
        daemon_start(f);
        before = machine_settings(&f->machine);
        /* It owns its name before it has the lock, and answers after that. */
        assert_manager(f, "State", "idle");
        cr_assert_not(boot(f));
        machine_assert_settings(&f->machine, before);
        cr_assert(machine_has(&f->machine, ARMED));
        daemon_stop(f);
}

/* A file that somebody else may have written begins nothing. */
Test(boot, files_that_are_not_trusted) {
        static const char *const bad[] = { "", "{}", "nonsense", "{ \"version\": 1, \"driver\": \"e1000e\", \"load\": true }",
                "{ \"version\": 1, \"driver\": \"e1000e\", \"load\": true, \"at_boot\": true, \"stop_after_usec\": 0 }" };
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *path = below(f->machine.tree.root, ARMED);

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                fake_file(&f->machine.tree, ARMED, bad[i]);
                cr_assert_eq(chmod(path, 0600), 0);
                cr_assert_not(boot(f), "%s", bad[i]);
                daemon_start(f);
                assert_manager(f, "State", "idle");
                machine_assert_settings(&f->machine, before);
                assert_nothing_pending(&f->machine);
                daemon_stop(f);
        }
        arm_and_shut_down(f);
        cr_assert_eq(chmod(path, 0620), 0);
        cr_assert_not(boot(f));
        daemon_start(f);
        assert_manager(f, "State", "idle");
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* Wherever the daemon dies while it takes the session up: there is one session in the end, and it has everything. */
Test(boot, daemon_dies_while_taking_up) {
        static const char *const blocked = "tracing/events/ftrace/mmiotrace_rw/format";
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine), *format = machine_read(&f->machine, blocked),
                            *list = NULL, *log = NULL, *expected = machine_expected_log();
        _cleanup_strv_ char **sessions = NULL;

        arm_and_shut_down(f);
        cr_assert(boot(f));
        machine_record(&f->machine);
        machine_block(&f->machine, blocked);
        daemon_start(f);
        wait_for_state(f, BUS_PATH, BUS_INTERFACE_MANAGER, "arming");
        daemon_kill(f, true);
        fake_file(&f->machine.tree, blocked, format);

        daemon_start(f);
        wait_until(f, strv_length(f->units) > 0);
        sessions = list_sessions(f);
        cr_assert_eq(strv_length(sessions), 1);
        assert_session(f, sessions[0], "State", "capturing");
        daemon_kill(f, true);
        daemon_start(f);
        assert_session(f, sessions[0], "State", "capturing");
        session_stop(f);
        wait_for_session(f, sessions[0], "sealed");
        machine_assert_settings(&f->machine, before);
        assert_nothing_pending(&f->machine);
        list = fixture_unpack(f, sessions[0]);
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        cr_assert(streq(log, expected));
        daemon_stop(f);
}

/* A session that ran when the machine died is over; what this boot has begun goes on. */
Test(boot, beside_a_session_that_was_cut_short) {
        Fixture *f = &fixture;
        Machine *m = &f->machine;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        arm_e1000e(f);
        daemon_kill(f, true);
        /* Nothing of the kernel's settings outlives a boot, nor the journal that is about them. */
        fake_file(&m->tree, "tracing/current_tracer", "nop\n");
        machine_list_clocks(m);
        fake_remove(&m->tree, "run");
        fake_file(&m->tree, "proc/sys/kernel/random/boot_id", "b1b9a8d2-0f6e-4e6e-8f0c-3d9d4b8f2a11\n");
        cr_assert(boot(f));
        daemon_start(f);
        wait_until(f, strv_length(f->units) > 0);
        wait_for_session(f, SESSION_1, "sealed");
        assert_session(f, SESSION_1, "Result", "interrupted");
        assert_session(f, BUS_PATH_SESSION "/_2", "State", "capturing");
        session_stop(f);
        wait_for_session(f, BUS_PATH_SESSION "/_2", "sealed");
        assert_session(f, BUS_PATH_SESSION "/_2", "Result", "success");
        daemon_stop(f);
}
