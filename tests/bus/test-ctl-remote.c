/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mmiotracectl with the daemon of another machine: what comes over ssh, and what does not. */

#include <sys/stat.h>

#include "ctl.h"

#define SESSION BUS_PATH_SESSION "/_1"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

/* What has a descriptor in it never arrives, and a call has two minutes: so none may be made. */
TestSuite(remote, .init = setup, .fini = teardown, .timeout = 60);

Test(remote, session) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl start = {}, mark = {}, stop = {}, list = {}, show = {}, export = {}, run = {};
        _cleanup_free_ char *told = NULL;

        daemon_start(f);
        ctl_set_ssh(f);
        start = CTL(f, "-H", "user@lab", "start");
        assert_ended(&start, 0);
        assert_session(f, SESSION, "State", "capturing");
        told = fake_read(&f->machine.tree, "told");
        assert_contains(told, "lab");
        assert_contains(told, "user");
        mark = CTL(f, "--host=lab", "mark", "there");
        assert_ended(&mark, 0);
        stop = CTL(f, "--host=lab", "stop", "--wait");
        assert_ended(&stop, 0);
        list = CTL(f, "list", "-H", "lab");
        assert_ended(&list, 0);
        assert_contains(list.out, "sealed");
        show = CTL(f, "-H", "lab", "show", "1");
        assert_ended(&show, 0);
        assert_contains(show.out, " there\n");

        /* What cannot be done from here is said before anything is asked. */
        export = CTL(f, "-H", "lab", "export", "1");
        assert_ended(&export, 2);
        assert_contains(export.err, "ssh HOST mmiotracectl export");
        run = CTL(f, "-H", "lab", "run", "true");
        assert_ended(&run, 2);
        daemon_stop(f);
}

/* What ssh says is said by ssh; what that means, and what to do, is not. */
Test(remote, nobody_there) {
        static const char *const table[][5] = { { "-H", "nosuchhost", "status" }, { "-H", "nosuchhost", "list", "--json=short" },
                { "-H", "nosuchhost", "stop" }, { "-H", "nosuchhost", "start" }, { "-H", "nosuchhost", "check" } };
        Fixture *f = &fixture;
        _cleanup_free_ char *path = below(f->machine.tree.root, "bin/ssh");

        ctl_set_ssh(f);
        fake_file(&f->machine.tree, "bin/ssh", "#!/bin/sh\necho \"ssh: Could not resolve hostname nosuchhost\" >&2\nexit 255\n");
        cr_assert_eq(chmod(path, 0755), 0);
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_ctl_ Ctl ctl = ctl_begin(f, table[i]);

                ctl_end(&ctl);
                assert_ended(&ctl, 1);
                assert_contains(ctl.err, "ssh: Could not resolve hostname nosuchhost\n");
                assert_contains(ctl.err, "mmiotracectl: There is no connection to the daemon of nosuchhost.\n"
                                         "See whether this works: ssh nosuchhost mmiotracectl status; ");
        }
}

/* The archive cannot be looked into from here; that it is sent is the other machine's affair. */
Test(remote, submit) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl stop = {}, dry = {}, begun = {}, cancelled = {};

        fake_file(&f->machine.tree, "mmiotraced.conf",
                        "[Submit]\nRetrySec=1h\n[Target lab]\nURL=https://traces.example/{archive}\n");
        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        ctl_set_ssh(f);
        stop = CTL(f, "-H", "lab", "stop", "--wait");
        assert_ended(&stop, 0);
        dry = CTL(f, "-H", "lab", "submit", "--dry-run");
        assert_ended(&dry, 0);
        assert_contains(dry.out, "What is in the archive is shown on lab only: ssh lab mmiotracectl submit --dry-run 1\n");
        assert_contains(dry.out, "Target: lab: https://traces.example/{archive}\n");
        cr_assert_str_eq(dry.err, "");
        begun = CTL(f, "-H", "lab", "submit", "1", "--yes", "--no-block");
        assert_ended(&begun, 0);
        cancelled = CTL(f, "-H", "lab", "submit", "1", "--cancel");
        assert_ended(&cancelled, 0);
        daemon_stop(f);
}

Test(remote, submit_by_hand) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl stop = {}, submit = {}, json = {};

        /* Where a file would be put. */
        cr_assert_eq(chdir(f->machine.tree.root), 0);
        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        ctl_set_ssh(f);
        stop = CTL(f, "-H", "lab", "stop", "--wait");
        assert_ended(&stop, 0);
        submit = CTL(f, "-H", "lab", "submit", "1");
        assert_ended(&submit, 1);
        cr_assert_str_eq(submit.out, "");
        assert_contains(submit.err, "No target is configured on lab, and an archive does not come over --host");
        assert_contains(submit.err, "ssh lab mmiotracectl export 1 - > FILE\n");
        json = CTL(f, "-H", "lab", "submit", "1", "--json=short");
        assert_ended(&json, 1);
        assert_contains(json.out, "{\"error\":\"NoSuchTarget\"");
        cr_assert_eq(chdir("/"), 0);
        daemon_stop(f);
}
