/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Manager.Check, "mmiotracectl check", and what a start makes of the same findings. */

#include <fcntl.h>

#include "ctl.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(check, .init = setup, .fini = teardown, .timeout = 60);

#define check_begin(fixture, ...) \
        call_begin(fixture, BUS_PATH, BUS_INTERFACE_MANAGER, "Check", "a{sv}", __VA_ARGS__)
#define check(fixture, ...) call_end(fixture, check_begin(fixture, __VA_ARGS__))

/* "LEVEL FOUND TO-DO" of one finding, NULL if it is not there. Consumes the reply. */
static char *finding(sd_bus_message *reply, const char *wanted) {
        const char *id, *level, *found, *to_do;
        char *text = NULL;

        cr_assert_gt(sd_bus_message_enter_container(reply, 'a', "(ssss)"), 0, "%s", sd_bus_message_get_signature(reply, true));
        while (sd_bus_message_read(reply, "(ssss)", &id, &level, &found, &to_do) > 0)
                if (streq(id, wanted))
                        cr_assert_gt(asprintf(&text, "%s %s %s", level, found, to_do), 0);
        sd_bus_message_unref(reply);
        return text;
}

static void assert_lacks(const char *text, const char *part) {
        cr_assert_null(strstr(strempty(text), part), "\"%s\" in: %s", part, strempty(text));
}

Test(check, findings) {
        Fixture *f = &fixture;
        _cleanup_free_ char *before = NULL, *tracer = NULL, *session = NULL, *driver = NULL, *none = NULL;

        daemon_start(f);
        before = machine_settings(&f->machine);
        tracer = finding(check(f, 0), "tracer");
        cr_assert_str_eq(tracer, "ok No tracer is in use. ");
        none = finding(check(f, 0), "driver");
        cr_assert_null(none);
        driver = finding(check(f, 1, "driver", "s", "nosuchdriver"), "driver");
        assert_contains(driver, "blocker No module, alias or driver is called \"nosuchdriver\"");
        machine_assert_settings(&f->machine, before);

        free(expect_path(session_start(f, 0)));
        session = finding(check(f, 0), "session");
        cr_assert_str_eq(session, "blocker Session 1 is capturing, and the kernel can trace for one at a time. "
                         "End it with \"mmiotracectl stop\".");
        daemon_stop(f);
}

Test(check, options) {
        Fixture *f = &fixture;
        _cleanup_free_ char *text = NULL, *ring = NULL;

        daemon_start(f);
        text = expect_error(check(f, 1, "colour", "s", "red"), SD_BUS_ERROR_INVALID_ARGS);
        assert_contains(text, "Check has no option \"colour\"");
        assert_error(check(f, 1, "load", "b", true), SD_BUS_ERROR_INVALID_ARGS);
        ring = finding(check(f, 1, "buffer-size", "t", 3072 * MIB), "ring-memory");
        assert_contains(ring, "blocker A ring of 3.0G does not fit");
        assert_contains(ring, ". Ask for less with --buffer-size.");
        daemon_stop(f);
}

/* So many at a time, while everybody else is answered. */
Test(check, limits) {
        Fixture *f = &fixture;
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL,
                            *path = below(f->machine.tree.root, "tracing/available_tracers");
        Call *a, *b;
        int fd;

        /* Whoever reads it waits for more until the other end is closed. */
        machine_block(&f->machine, "tracing/available_tracers");
        fd = open(path, O_RDWR | O_CLOEXEC);
        cr_assert_geq(fd, 0);
        daemon_start(f);
        a = check_begin(f, 0);
        b = check_begin(f, 0);
        assert_error(check(f, 0), SD_BUS_ERROR_LIMITS_EXCEEDED);
        assert_manager(f, "State", "idle");
        cr_assert(!a->reply && !b->reply);
        fake_file(&f->machine.tree, "tracing/available_tracers", "nop mmiotrace\n");
        safe_close(fd);
        first = finding(call_end(f, a), "session");
        second = finding(call_end(f, b), "session");
        assert_contains(first, "ok ");
        assert_contains(second, "ok ");
        third = finding(check(f, 0), "kernel-support");
        assert_contains(third, "ok ");
        daemon_stop(f);
}

/* The daemon does not wait for a check when it is to end. */
Test(check, daemon_ends_meanwhile) {
        Fixture *f = &fixture;
        Call *c;

        machine_block(&f->machine, "tracing/available_tracers");
        daemon_start(f);
        c = check_begin(f, 0);
        assert_manager(f, "State", "idle");
        daemon_stop(f);
        assert_error(call_end(f, c), SD_BUS_ERROR_NO_REPLY);
}

/* A start refuses what the check calls a blocker, unless somebody insists, and takes the warnings along. */
Test(check, start_with_force) {
        Fixture *f = &fixture;
        _cleanup_free_ char *text = NULL, *session = NULL, *warnings = NULL, *before = NULL;

        daemon_start(f);
        fake_file(&f->machine.tree, "tracing/current_tracer", "function\n");
        fake_file(&f->machine.tree, "tracing/events/enable", "X\n");
        before = machine_settings(&f->machine);
        text = expect_error(session_start(f, 0), "TracerBusy");
        assert_contains(text, "\"function\" is in use");
        assert_contains(text, "or insist with --force.");
        machine_assert_settings(&f->machine, before);

        session = expect_path(session_start(f, 1, "force", "b", true));
        warnings = get_all(f, session, BUS_INTERFACE_SESSION);
        assert_contains(warnings, "\"function\" is in use");
        assert_lacks(warnings, "insist");
        assert_contains(warnings, "Trace events are switched on");
        session_stop(f);
        /* Also what was forced out of the way is put back. */
        machine_assert_settings(&f->machine, before);
        daemon_stop(f);
}

Test(check, force_is_no_magic) {
        Fixture *f = &fixture;
        _cleanup_free_ char *text = NULL;

        daemon_start(f);
        fake_file(&f->machine.tree, "tracing/available_tracers", "function nop\n");
        text = expect_error(session_start(f, 1, "force", "b", true), "NotSupported");
        assert_lacks(text, "--force");
        daemon_stop(f);
}

Test(check, program) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl good = {}, all = {}, bad = {}, json = {}, refused = {}, wrong = {};

        daemon_start(f);
        good = CTL(f, "check");
        cr_assert_eq(good.status, 0, "%s%s", good.out, good.err);
        assert_lacks(good.out, "kernel-support");
        assert_contains(good.out, "\n0 blockers, 0 warnings, ");
        assert_contains(good.out, "A session can begin.");
        all = CTL(f, "check", "--all", "-q");
        assert_contains(all.out, "ok      kernel-support");
        assert_lacks(all.out, "A session can begin.");

        fake_file(&f->machine.tree, "tracing/current_tracer", "function\n");
        bad = CTL(f, "check");
        cr_assert_eq(bad.status, 6, "%s%s", bad.out, bad.err);
        assert_contains(bad.out, "\nblocker tracer             The tracer \"function\" is in use, and changing it would wipe its data.\n"
                        "                           End it with \"echo nop > /sys/kernel/tracing/current_tracer\" first, or "
                        "insist with --force.\n");
        assert_contains(bad.out, "\n1 blocker, 0 warnings, ");
        assert_contains(bad.out, "A session would not begin.");
        json = CTL(f, "check", "--json=short");
        cr_assert_eq(json.status, 6);
        assert_contains(json.out, "{\"id\":\"tracer\",\"level\":\"blocker\",\"found\":\"The tracer \\\"function\\\" is in use, ");
        assert_contains(json.out, "{\"id\":\"kernel-support\",\"level\":\"ok\",");

        refused = CTL(f, "start");
        cr_assert_eq(refused.status, 1);
        assert_contains(refused.err, "\nSee all that stands in the way: mmiotracectl check");
        wrong = CTL(f, "list", "--all");
        cr_assert_eq(wrong.status, 2);
        daemon_stop(f);
}

/* Nothing is wider than the terminal, and each level has its colour. */
Test(check, terminal) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl ctl = {};
        char *state = NULL;

        daemon_start(f);
        fake_file(&f->machine.tree, "tracing/current_tracer", "function\n");
        fake_file(&f->machine.tree, "tracing/events/enable", "X\n");
        ctl = CTL_BEGIN_ON_TERMINAL(f, "check", "--all", "--no-pager");
        ctl_end(&ctl);
        cr_assert_eq(ctl.status, 6, "%s", ctl.out);
        for (char *line = strtok_r(ctl.out, "\r\n", &state); line; line = strtok_r(NULL, "\r\n", &state)) {
                unsigned columns = 0;

                for (const char *p = line; *p; p++)
                        if (*p == '\033')
                                while (*p && !strchr("mK", *p))
                                        p++;
                        else
                                columns += (*p & 0xc0) != 0x80;
                cr_expect_leq(columns, 80, "%s", line);
        }
        daemon_stop(f);
}
