/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the daemon shows, what it refuses, and that a refusal changes nothing. */

#include <poll.h>

#include "fixture.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(manager, .init = setup, .fini = teardown, .timeout = 60);

Test(manager, interface) {
        Fixture *f = &fixture;
        _cleanup_free_ char *xml = NULL;

        daemon_start(f);
        xml = introspect(f, BUS_PATH);
        cr_assert(strstr(xml, "<interface name=\"" BUS_INTERFACE_MANAGER "\">"));
        cr_assert(strstr(xml, "<arg type=\"a{sv}\" name=\"options\" direction=\"in\"/>"));
        cr_assert(strstr(xml, "<arg type=\"o\" name=\"session\" direction=\"out\"/>"));
        cr_assert(strstr(xml, "<arg type=\"s\" name=\"text\" direction=\"in\"/>"));
        cr_assert(strstr(xml, "<interface name=\"org.freedesktop.DBus.ObjectManager\">"));
        assert_manager(f, "Version", PROJECT_VERSION);
        assert_manager(f, "State", "idle");
        assert_manager(f, "ActiveSession", "/");
        cr_assert_eq(get_number(f, BUS_PATH, BUS_INTERFACE_MANAGER, "APIVersion"), BUS_API_VERSION);
        cr_assert_eq(get_number(f, BUS_PATH, BUS_INTERFACE_MANAGER, "DiskUsage"), 0);
        daemon_stop(f);
}

/* Every argument of ours has a name. */
Test(manager, arguments_have_names) {
        static const char *const paths[] = { BUS_PATH, BUS_PATH_SESSION "/_1" };
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                _cleanup_free_ char *xml = introspect(f, paths[i]);
                char *ours = strstr(xml, "<interface name=\"org.freedesktop.MmioTrace1."), *state = NULL;

                cr_assert_not_null(ours);
                for (char *line = strtok_r(ours, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                        cr_assert(!strstr(line, "<arg ") || strstr(line, " name=\""), "%s", line);
        }
        daemon_stop(f);
}

/* What "systemctl service-log-level" reads and writes. */
Test(manager, log_control) {
        static const char path[] = "/org/freedesktop/LogControl1", interface[] = "org.freedesktop.LogControl1";
        Fixture *f = &fixture;
        _cleanup_free_ char *text = NULL;

        daemon_start(f);
        assert_string(f, path, interface, "LogTarget", "journal");
        assert_string(f, path, interface, "SyslogIdentifier", "test-daemon");
        expect_ok(call(f, path, "org.freedesktop.DBus.Properties", "Set", "ssv", interface, "LogLevel", "s", "warning"));
        assert_string(f, path, interface, "LogLevel", "warning");
        text = expect_error(call(f, path, "org.freedesktop.DBus.Properties", "Set", "ssv", interface, "LogLevel", "s", "loud"),
                        SD_BUS_ERROR_INVALID_ARGS);
        cr_assert(strstr(text, "notice"), "%s", text);
        assert_string(f, path, interface, "LogLevel", "warning");
        assert_error(call(f, path, "org.freedesktop.DBus.Properties", "Set", "ssv", interface, "LogTarget", "s", "kmsg"),
                        SD_BUS_ERROR_PROPERTY_READ_ONLY);
        daemon_stop(f);
}

/* After a Start that was refused: the machine is as before, no session is left. */
static void assert_unchanged(Fixture *f, const char *before) {
        _cleanup_strv_ char **sessions = list_sessions(f);

        machine_assert_settings(&f->machine, before);
        cr_assert_null(sessions);
        assert_manager(f, "State", "idle");
        assert_manager(f, "ActiveSession", "/");
        cr_assert_not(machine_has(&f->machine, "state/sessions/1"));
}

Test(manager, start_with_bad_options) {
        static const char *const drivers[] = { "../e1000e", "e1000e ", "e1000e\n", "-\x01", "a/b", "ä",
                        "\u202egnp",
                "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee" };
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *description = NULL;

        daemon_start(f);
        before = machine_settings(&f->machine);
        assert_error(session_start(f, 1, "colour", "s", "red"), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "driver", "u", 7), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "description", "b", 1), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "load", "s", "yes"), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "rebind", "u", 1), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "buffer-size", "s", "64M"), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "load", "b", 1), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "rebind", "b", 1), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 3, "driver", "s", "e1000e", "load", "b", 1, "rebind", "b", 1),
                        SD_BUS_ERROR_INVALID_ARGS);
        for (size_t i = 0; i < ELEMENTS(drivers); i++)
                assert_error(session_start(f, 1, "driver", "s", drivers[i]), SD_BUS_ERROR_INVALID_ARGS);

        description = calloc(1, DESCRIPTION_MAX_BYTES + 2);
        memset(description, 'x', DESCRIPTION_MAX_BYTES + 1);
        assert_error(session_start(f, 1, "description", "s", description), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(session_start(f, 1, "description", "s", "red \033[31m"), SD_BUS_ERROR_INVALID_ARGS);
        assert_unchanged(f, before);
        /* The longest one is taken. */
        description[DESCRIPTION_MAX_BYTES] = 0;
        free(expect_path(session_start(f, 1, "description", "s", description)));
        daemon_stop(f);
}

Test(manager, options_where_there_are_none) {
        Fixture *f = &fixture;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        assert_error(manager_call(f, "ListSessions", "a{sv}", 1, "x", "s", ""), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(manager_call(f, "Mark", "sa{sv}", "text", 1, "x", "s", ""), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(manager_call(f, "Stop", "a{sv}", 1, "x", "s", ""), SD_BUS_ERROR_INVALID_ARGS);
        assert_manager(f, "State", "capturing");
        daemon_stop(f);
}

static void assert_given_twice(sd_bus_message *reply) {
        _cleanup_free_ char *text = expect_error(reply, SD_BUS_ERROR_INVALID_ARGS);

        cr_assert(strstr(text, "more than once"), "%s", text);
}

/* Which is what bounds a call: each may hold so much, and there is one of each. */
Test(manager, options_come_once) {
        Fixture *f = &fixture;

        daemon_start(f);
        assert_given_twice(session_start(f, 2, "driver", "s", "e1000e", "driver", "s", "e1000e"));
        assert_given_twice(session_start(f, 3, "stacks", "b", 1, "keep", "s", "newest", "stacks", "b", 1));
        assert_given_twice(manager_call(f, "Check", "a{sv}", 2, "description", "s", "", "description", "s", ""));
        assert_given_twice(manager_call(f, "Arm", "a{sv}", 2, "bound", "b", 0, "bound", "b", 1));
        free(expect_path(session_start(f, 0)));
        assert_given_twice(manager_call(f, "Mark", "sa{sv}", "text", 2, "time", "t", UINT64_C(1), "time", "t", UINT64_C(1)));
        assert_given_twice(manager_call(f, "Stop", "a{sv}", 2, "displays", "s", "", "displays", "s", ""));
        assert_given_twice(manager_call(f, "Submit", "oa{sv}", BUS_PATH_SESSION "/_1", 2, "url", "s", "https://a.example/", "url", "s",
                        "https://b.example/"));
        assert_manager(f, "State", "capturing");
        daemon_stop(f);
}

/* Starts once, and wants to hear why not. */
static char *refused(Fixture *f, const char *error) {
        _cleanup_free_ char *before = NULL;
        char *text;

        daemon_start(f);
        before = machine_settings(&f->machine);
        text = expect_error(session_start(f, 0), error);
        assert_unchanged(f, before);
        daemon_stop(f);
        return text;
}

Test(manager, kernel_without_mmiotrace) {
        fake_file(&fixture.machine.tree, "tracing/available_tracers", "blk mmiotracer function nop\n");
        free(refused(&fixture, "NotSupported"));
}

Test(manager, another_tracer) {
        _cleanup_free_ char *text = NULL;

        fake_file(&fixture.machine.tree, "tracing/current_tracer", "function_graph\n");
        text = refused(&fixture, "TracerBusy");
        cr_assert(strstr(text, "function_graph"), "%s", text);
}

Test(manager, mmiotrace_of_somebody_else) {
        fake_file(&fixture.machine.tree, "tracing/current_tracer", "mmiotrace\n");
        free(refused(&fixture, "TracerBusy"));
}

Test(manager, no_tracefs) {
        fake_remove(&fixture.machine.tree, "tracing/available_tracers");
        free(refused(&fixture, "NoTracefs"));
}

Test(manager, lockdown) {
        fake_remove(&fixture.machine.tree, "tracing/available_tracers");
        fake_file(&fixture.machine.tree, "sys/kernel/security/lockdown",
                        "none integrity [confidentiality]\n");
        free(refused(&fixture, "Lockdown"));
}

Test(manager, start_with_unknown_driver) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *text = NULL;

        daemon_start(f);
        before = machine_settings(&f->machine);
        text = expect_error(session_start(f, 1, "driver", "s", "nosuchdriver"), "NoSuchDriver");
        cr_assert(strstr(text, "nosuchdriver"), "%s", text);
        assert_unchanged(f, before);
        daemon_stop(f);
}

Test(manager, start_with_bad_ring_size) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *large = NULL, *small = NULL;

        daemon_start(f);
        before = machine_settings(&f->machine);
        large = expect_error(session_start(f, 1, "buffer-size", "t", 3072 * MIB), "NoMemory");
        /* What was asked for, and what there is. */
        cr_assert(strstr(large, "3.0G") && strstr(large, "4.0G"), "%s", large);
        assert_unchanged(f, before);
        machine_list_clocks(&f->machine);
        small = expect_error(session_start(f, 1, "buffer-size", "t", 4 * KIB), SD_BUS_ERROR_INVALID_ARGS);
        cr_assert(strstr(small, "4.0K") && strstr(small, "64.0K"), "%s", small);
        assert_unchanged(f, before);
        daemon_stop(f);
}

Test(manager, marks) {
        static const char *const bad[] = { "", "two\nlines", "esc \033[31m", "tab\there", "del \x7f",
                        "\u202egnp" };
        Fixture *f = &fixture;
        _cleanup_free_ char *text = NULL, *xml = NULL;
        char longest[MARK_MAX_BYTES + 2] = "";
        sd_bus_message *reply;
        uint64_t usec, before_usec = now_monotonic_usec();

        daemon_start(f);
        assert_error(manager_call(f, "Mark", "sa{sv}", "early", 0), "NotRunning");
        free(expect_path(session_start(f, 0)));
        reply = manager_call(f, "Mark", "sa{sv}", "first \"ä\" 100%", 0);
        cr_assert_geq(sd_bus_message_read(reply, "t", &usec), 0);
        sd_bus_message_unref(reply);
        cr_assert(usec >= before_usec && usec <= now_monotonic_usec());

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_error(manager_call(f, "Mark", "sa{sv}", bad[i], 0), "MarkInvalid");
        memset(longest, 'm', MARK_MAX_BYTES + 1);
        assert_error(manager_call(f, "Mark", "sa{sv}", longest, 0), "MarkInvalid");
        text = fake_read(&f->machine.tree, "tracing/trace_marker");
        cr_assert_str_eq(text, "first \"ä\" 100%\n");

        longest[MARK_MAX_BYTES] = 0;
        expect_ok(session_call(f, BUS_PATH_SESSION "/_1", "Mark", "sa{sv}", longest, 0));
        free(text);
        text = fake_read(&f->machine.tree, "tracing/trace_marker");
        cr_assert_eq(strlen(text), strlen("first \"ä\" 100%\n") + MARK_MAX_BYTES + 1);
        daemon_stop(f);
}

/* What arming writes, in its order, and what a refusal says of it. */
static const struct {
        const char *path, *refused;
} settings[] = {
        { "proc/sys/kernel/ftrace_dump_on_oops", "Cannot set kernel.ftrace_dump_on_oops, which DumpOnOops= " },
        { "tracing/tracing_on", "The kernel refused to switch the recording on" },
        { "tracing/trace_clock", "The kernel refused \"mono\" for trace_clock" },
        { "tracing/options/overwrite", "The kernel refused \"1\" for options/overwrite" },
        { "tracing/buffer_percent", "The kernel refused \"1\" for buffer_percent" },
        { "tracing/options/stacktrace", "The kernel refused \"1\" for options/stacktrace" },
        { "tracing/tracing_cpumask", "The kernel refused \"f\" for tracing_cpumask" },
        { "tracing/per_cpu/cpu0/buffer_size_kb", "Cannot size the ring buffer" },
        { "tracing/current_tracer", "The kernel refused to switch mmiotrace on" },
};

/* A machine on which a session has to change each of them. */
static void want_every_setting(Fixture *f) {
        fake_file(&f->machine.tree, "mmiotraced.conf", "[Capture]\nDumpOnOops=yes\n[Storage]\nMaxUse=infinity\nKeepFree=0\n");
        fake_file(&f->machine.tree, "tracing/options/stacktrace", "0\n");
}

/* Each refuses what is written to it, in turn; what was changed before it is undone. */
Test(manager, kernel_refuses_a_setting) {
        Fixture *f = &fixture;

        want_every_setting(f);
        daemon_start(f);
        for (size_t i = 0; i < ELEMENTS(settings); i++) {
                _cleanup_free_ char *text = NULL, *before = NULL, *content = NULL;

                machine_list_clocks(&f->machine);
                content = fake_read(&f->machine.tree, settings[i].path);
                machine_refuse(&f->machine, settings[i].path);
                before = machine_settings(&f->machine);
                text = expect_error(session_start(f, 1, "stacks", "b", 1), "Kernel");
                cr_assert(startswith(text, settings[i].refused), "%s", text);
                assert_unchanged(f, before);
                cr_assert_not(machine_has(&f->machine, "run/undo"));
                fake_file(&f->machine.tree, settings[i].path, content);
        }
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 1, "stacks", "b", 1)));
        daemon_stop(f);
}

/* Each is not there, in turn. */
Test(manager, kernel_lacks_a_setting) {
        Fixture *f = &fixture;

        want_every_setting(f);
        daemon_start(f);
        for (size_t i = 0; i < ELEMENTS(settings); i++) {
                _cleanup_free_ char *text = NULL, *before = NULL, *content = NULL;
                sd_bus_message *reply;

                machine_list_clocks(&f->machine);
                content = fake_read(&f->machine.tree, settings[i].path);
                fake_remove(&f->machine.tree, settings[i].path);
                before = machine_settings(&f->machine);
                reply = session_start(f, 1, "stacks", "b", 1);
                cr_assert(sd_bus_message_is_method_error(reply, NULL), "%s", settings[i].path);
                text = strdup(strempty(sd_bus_message_get_error(reply)->message));
                sd_bus_message_unref(reply);
                cr_assert_gt(strlen(text), 20, "%s: %s", settings[i].path, text);
                assert_unchanged(f, before);
                cr_assert_not(machine_has(&f->machine, "run/undo"));
                fake_file(&f->machine.tree, settings[i].path, content);
        }
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 1, "stacks", "b", 1)));
        daemon_stop(f);
}

/* What cannot be undone is said, and tried again until it can; everything else is undone at once. */
Test(manager, kernel_refuses_to_go_back) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *armed = NULL, *text = NULL;

        want_every_setting(f);
        daemon_start(f);
        before = machine_settings(&f->machine);
        free(expect_path(session_start(f, 1, "stacks", "b", 1)));
        armed = fake_read(&f->machine.tree, "tracing/options/stacktrace");
        machine_refuse(&f->machine, "tracing/options/stacktrace");
        text = expect_error(manager_call(f, "Stop", "a{sv}", 0), "Kernel");
        cr_assert(strstr(text, "Cannot set options/stacktrace back to 0"), "%s", text);
        cr_assert(machine_has(&f->machine, "run/undo"));
        free(text);
        text = machine_read(&f->machine, "tracing/current_tracer");
        cr_assert_str_eq(text, "nop");
        wait_for_session(f, BUS_PATH_SESSION "/_1", "failed");
        assert_session(f, BUS_PATH_SESSION "/_1", "Result", "restore-failed");

        /* Nobody tells when the kernel lets it be done: so it is tried now and then. */
        fake_file(&f->machine.tree, "tracing/options/stacktrace", armed);
        for (uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC; machine_has(&f->machine, "run/undo");) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec, "The journal stays.");
                (void) poll(NULL, 0, 20);
        }
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* What one session has left is tried again, and is not the next one's failure. */
Test(manager, next_session_is_not_to_blame) {
        Fixture *f = &fixture;
        _cleanup_free_ char *text = NULL, *warnings = NULL;

        want_every_setting(f);
        daemon_start(f);
        free(expect_path(session_start(f, 1, "stacks", "b", 1)));
        machine_refuse(&f->machine, "tracing/options/stacktrace");
        text = expect_error(manager_call(f, "Stop", "a{sv}", 0), "Kernel");
        wait_for_session(f, BUS_PATH_SESSION "/_1", "failed");

        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 1, "stacks", "b", 1)));
        session_stop(f);
        wait_for_session(f, BUS_PATH_SESSION "/_2", "sealed");
        assert_session(f, BUS_PATH_SESSION "/_2", "Result", "success");
        warnings = get_all(f, BUS_PATH_SESSION "/_2", BUS_INTERFACE_SESSION);
        cr_assert(strstr(warnings, "An earlier session has left something changed"), "%s", warnings);
        cr_assert(machine_has(&f->machine, "run/undo"));
        daemon_stop(f);
}

/* Each file that arming and draining need is missing, in turn. */
/* Without them the pages mean nothing: then it is the kernel's text that is captured. */
Test(manager, kernel_does_not_describe_its_pages) {
        static const char *const files[] = {
                "tracing/events/header_page",
                "tracing/events/ftrace/mmiotrace_rw/format",
                "tracing/events/ftrace/print/format",
        };
        Fixture *f = &fixture;

        daemon_start(f);
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                _cleanup_free_ char *content = fake_read(&f->machine.tree, files[i]), *session = NULL, *before = NULL;

                machine_list_clocks(&f->machine);
                fake_remove(&f->machine.tree, files[i]);
                before = machine_settings(&f->machine);
                session = expect_path(session_start(f, 0));
                assert_session(f, session, "Source", "text");
                session_stop(f);
                machine_assert_settings(&f->machine, before);
                fake_file(&f->machine.tree, files[i], content);
        }
        daemon_stop(f);
}

Test(manager, kernel_lacks_a_file) {
        static const struct {
                const char *name, *error;
        } files[] = {
                { "tracing/current_tracer", "Kernel" },
                { "tracing/tracing_on", "Kernel" },
                { "tracing/trace_clock", "Kernel" },
                { "tracing/options/overwrite", "Kernel" },
                { "tracing/tracing_cpumask", "Kernel" },
                { "tracing/buffer_size_kb", "Kernel" },
                { "tracing/per_cpu/cpu0/buffer_size_kb", "Kernel" },
                { "tracing/per_cpu/cpu0/stats", NULL },
                { "tracing/trace_marker", "Kernel" },
                { "sys/devices/system/cpu/online", "Kernel" },
                { "proc/meminfo", "Kernel" },
        };
        Fixture *f = &fixture;

        daemon_start(f);
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                _cleanup_free_ char *before = NULL, *content = fake_read(&f->machine.tree, files[i].name);

                machine_list_clocks(&f->machine);
                fake_remove(&f->machine.tree, files[i].name);
                before = machine_settings(&f->machine);
                if (files[i].error)
                        assert_error(session_start(f, 0), files[i].error);
                else
                        /* Missed only once it is drained. */
                        sd_bus_message_unref(session_start(f, 0));
                wait_until_idle(f);
                machine_assert_settings(&f->machine, before);
                fake_file(&f->machine.tree, files[i].name, content);
        }
        daemon_stop(f);
}

/* The ring that belongs to somebody else, or is not to be had. */
Test(manager, no_pipe) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *text = NULL;

        daemon_start(f);
        fake_remove(&f->machine.tree, "tracing/per_cpu/cpu0/trace_pipe_raw");
        before = machine_settings(&f->machine);
        text = expect_error(session_start(f, 0), "ReaderBusy");
        cr_assert(strstr(text, "trace_pipe_raw"), "%s", text);
        wait_until_idle(f);
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

/* While a write to the kernel takes its time, everybody else is answered. */
Test(manager, answers_while_arming) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);
        Call *start, *stop;

        machine_block(&f->machine, "tracing/options/overwrite");
        daemon_start(f);
        start = session_begin(f, 0);
        wait_for_state(f, BUS_PATH, BUS_INTERFACE_MANAGER, "arming");
        assert_manager(f, "ActiveSession", BUS_PATH_SESSION "/_1");
        free(get_all(f, BUS_PATH_SESSION "/_1", BUS_INTERFACE_SESSION));
        assert_error(session_start(f, 0), "AlreadyRunning");
        assert_error(manager_call(f, "Mark", "sa{sv}", "early", 0), "NotRunning");
        cr_assert_null(start->reply);

        /* It ends as soon as it has begun: the one who started it hears that it did not, once all is as it was. */
        stop = call_begin(f, BUS_PATH, BUS_INTERFACE_MANAGER, "Stop", "a{sv}", 0);
        assert_manager(f, "State", "arming");
        machine_release(&f->machine, "tracing/options/overwrite", "1\n");
        assert_error(call_end(f, start), "WrongState");
        expect_ok(call_end(f, stop));
        fake_file(&f->machine.tree, "tracing/options/overwrite", "0\n");
        machine_assert_settings(&f->machine, before);
        wait_for_session(f, BUS_PATH_SESSION "/_1", "sealed");
        daemon_stop(f);
}

/* Who gets the answer that the start has failed may rely on it that nothing is changed. */
Test(manager, arming_is_killed) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = machine_settings(&f->machine);
        Call *start;
        int fd;

        machine_block(&f->machine, "tracing/options/overwrite");
        daemon_start(f);
        start = session_begin(f, 0);
        wait_for_state(f, BUS_PATH, BUS_INTERFACE_MANAGER, "arming");
        fd = machine_await_stuck(&f->machine, "tracing/options/overwrite");
        /* The way back begins with what was changed last. */
        machine_block(&f->machine, "tracing/trace_clock");
        daemon_kill_worker(f, "arm");
        safe_close(fd);
        wait_for_state(f, BUS_PATH, BUS_INTERFACE_MANAGER, "restoring");
        assert_error(session_start(f, 0), "AlreadyRunning");
        cr_assert_null(start->reply);
        machine_release(&f->machine, "tracing/trace_clock", "[local] mono\n");
        assert_error(call_end(f, start), "ProcessDied");
        machine_list_clocks(&f->machine);
        fake_file(&f->machine.tree, "tracing/options/overwrite", "0\n");
        machine_assert_settings(&f->machine, before);
        assert_manager(f, "State", "idle");
        cr_assert_not(machine_has(&f->machine, "state/sessions/1"));
        daemon_stop(f);
}

Test(manager, stop_of_a_start_that_fails) {
        Fixture *f = &fixture;
        Call *start, *stop;

        machine_block(&f->machine, "tracing/available_tracers");
        daemon_start(f);
        start = session_begin(f, 0);
        wait_for_state(f, BUS_PATH, BUS_INTERFACE_MANAGER, "checking");
        stop = call_begin(f, BUS_PATH, BUS_INTERFACE_MANAGER, "Stop", "a{sv}", 0);
        assert_manager(f, "State", "checking");
        machine_release(&f->machine, "tracing/available_tracers", "function nop\n");
        assert_error(call_end(f, start), "NotSupported");
        expect_ok(call_end(f, stop));
        assert_manager(f, "State", "idle");
        daemon_stop(f);
}

/* What the introspection promises: sd-bus sends nothing at all when a name in the list of what has changed is not of that
 * kind, and a property that is not in the list is never announced. */
Test(manager, changes_are_announced) {
        Fixture *f = &fixture;
        _cleanup_free_ char *heard = NULL, *xml = NULL, *name = NULL;
        static const char session[] = BUS_PATH_SESSION "/_1";
        const char *flag = NULL;
        char *state = NULL;
        unsigned n = 0;

        daemon_start(f);
        /* Its appearance tells everything there is. */
        free(expect_path(session_start(f, 0)));
        hear_begin(f);
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        heard = hear_end(f);
        xml = introspect(f, session);
        for (char *line = strtok_r(strstr(xml, "<interface name=\"" BUS_INTERFACE_SESSION), "\n", &state);
                        line && !strstr(line, "</interface>"); line = strtok_r(NULL, "\n", &state)) {
                _cleanup_free_ char *told = NULL;
                const char *begin = strstr(line, "<property name=\"");

                if (begin) {
                        free(name);
                        name = strndup(begin + strlen("<property name=\""), strcspn(begin + strlen("<property name=\""), "\""));
                        flag = "true";
                }
                begin = strstr(line, "EmitsChangedSignal\" value=\"");
                if (begin)
                        flag = begin + strlen("EmitsChangedSignal\" value=\"");
                if (!flag || !strstr(line, "</property>"))
                        continue;
                cr_assert(asprintf(&told, "STRING \"%s\";", name) > 0);
                cr_assert_eq(!!strstr(heard, told), startswith(flag, "true") || startswith(flag, "invalidates"),
                                "%s: %.12s\n%s", name, flag, heard);
                n++;
        }
        cr_assert_geq(n, 50);
        /* The last of them is for who shows how it ended. */
        cr_assert(strstr(heard, "STRING \"BytesArchive\";"));
        daemon_stop(f);
}

/* With all of their interfaces, for who has asked for all objects once. */
Test(manager, objects_come_and_go) {
        Fixture *f = &fixture;
        _cleanup_free_ char *came = NULL, *went = NULL, *session = NULL;

        daemon_start(f);
        hear_begin(f);
        session = expect_path(session_start(f, 0));
        session_stop(f);
        wait_for_session(f, session, "sealed");
        came = hear_end(f);
        cr_assert(strstr(came, "MESSAGE \"oa{sa{sv}}\""), "%s", came);
        cr_assert(strstr(came, "OBJECT_PATH \"" BUS_PATH_SESSION "/_1\";\n"), "%s", came);
        cr_assert(strstr(came, "OBJECT_PATH \"" BUS_PATH_JOB "/_1\";\n"), "%s", came);
        hear_begin(f);
        expect_ok(session_call(f, session, "Remove", "a{sv}", 0));
        went = hear_end(f);
        cr_assert(strstr(went, "MESSAGE \"oas\""), "%s", went);
        cr_assert(strstr(went, "STRING \"" BUS_INTERFACE_SESSION "\";"), "%s", went);
        daemon_stop(f);
}
