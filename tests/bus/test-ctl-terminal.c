/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What mmiotracectl does on a terminal and not elsewhere: colours, the pager, the line that says that it waits. */

#include <poll.h>
#include <sys/stat.h>

#include "ctl.h"

#define SESSION BUS_PATH_SESSION "/_1"
#define STRANGER 65534  /* the bus takes only whom the system knows */

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(terminal, .init = setup, .fini = teardown, .timeout = 60);

static void seal(Fixture *f) {
        free(expect_path(session_start(f, 0)));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
}

/* Colours only where there is somebody to see them, or where they were asked for. */
Test(terminal, colours) {
        Fixture *f = &fixture;
        static const struct {
                const char *systemd_colors, *no_color;
                bool on_terminal, elsewhere;
        } table[] = {
                { NULL, NULL, true, false },
                { NULL, "1", false, false },
                { "0", NULL, false, false },
                { "1", NULL, true, true },
                { "1", "1", true, true },
        };

        daemon_start(f);
        seal(f);
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                cr_assert_eq(table[i].systemd_colors ? setenv("SYSTEMD_COLORS", table[i].systemd_colors, 1) :
                                                       unsetenv("SYSTEMD_COLORS"), 0);
                cr_assert_eq(table[i].no_color ? setenv("NO_COLOR", table[i].no_color, 1) : unsetenv("NO_COLOR"), 0);
                _cleanup_ctl_ Ctl terminal = CTL_BEGIN_ON_TERMINAL(f, "status", "1", "--no-pager"), pipe = CTL(f, "status", "1"),
                                  failed = CTL_BEGIN_ON_TERMINAL(f, "mark", "x"), in_pipe = CTL(f, "mark", "x");

                ctl_end(&terminal);
                ctl_end(&failed);
                cr_assert_eq(startswith(failed.out, "\033[1;31mmmiotracectl:\033[0m No session is running") != NULL,
                                table[i].on_terminal, "%zu: %s", i, failed.out);
                cr_assert_eq(startswith(in_pipe.err, "\033[1;31mmmiotracectl:\033[0m No session is running") != NULL,
                                table[i].elsewhere, "%zu: %s", i, in_pipe.err);
                cr_assert_eq(strstr(terminal.out, "\033[1;32msealed\033[0m") != NULL, table[i].on_terminal, "%zu: %s", i,
                                terminal.out);
                cr_assert_eq(strstr(pipe.out, "\033[1;32msealed\033[0m") != NULL, table[i].elsewhere, "%zu", i);
                /* What they say the words say, too. */
                assert_contains(terminal.out, "sealed");
                assert_contains(pipe.out, "sealed");
        }
        daemon_stop(f);
}

/* A pager that keeps what it gets and what it was told, besides showing it. */
static void set_pager(Fixture *f, const char *variable) {
        _cleanup_free_ char *text = NULL, *path = below(f->machine.tree.root, "pager"), *value = NULL;

        cr_assert_gt(asprintf(&text, "#!/bin/sh\necho \"$*|$LESS|$LESSSECURE\" >%s/told\ntee %s/paged\n",
                                      f->machine.tree.root, f->machine.tree.root), 0);
        fake_file(&f->machine.tree, "pager", text);
        cr_assert_eq(chmod(path, 0755), 0);
        cr_assert_gt(asprintf(&value, "%s -x  -y", path), 0);
        cr_assert_eq(unsetenv("SYSTEMD_PAGER"), 0);
        cr_assert_eq(unsetenv("SYSTEMD_LESS"), 0);
        cr_assert_eq(unsetenv("LESS"), 0);
        cr_assert_eq(setenv("PAGER", "/bin/false", 1), 0);
        /* Of root's that is what says that these are meant. */
        cr_assert_eq(setenv("SYSTEMD_PAGERSECURE", "1", 1), 0);
        cr_assert_eq(setenv(variable, value, 1), 0);
}

Test(terminal, pager) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl paged = {}, plain = {}, no_pager = {}, cat = {};
        _cleanup_free_ char *text = NULL, *told = NULL;

        daemon_start(f);
        seal(f);
        set_pager(f, "SYSTEMD_PAGER");
        paged = CTL_BEGIN_ON_TERMINAL(f, "list");
        ctl_end(&paged);
        assert_ended(&paged, 0);
        text = fake_read(&f->machine.tree, "paged");
        assert_contains(text, "STARTED");
        /* Or some seconds ago, on a machine that has much to do. */
        if (!strstr(text, "s ago"))
                assert_contains(text, "just now");
        assert_contains(paged.out, "STARTED");
        told = fake_read(&f->machine.tree, "told");
        cr_assert_str_eq(told, "-x -y|FRXMK|1\n");
        /* What fits 80 columns is not wider because of it. */
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
                cr_assert_leq(strcspn(line, "\n"), 80 + strlen("\033[1;32m\033[0m") * 8);

        fake_remove(&f->machine.tree, "paged");
        plain = CTL(f, "list");
        assert_contains(plain.out, "STARTED");
        no_pager = CTL_BEGIN_ON_TERMINAL(f, "list", "--no-pager");
        ctl_end(&no_pager);
        assert_contains(no_pager.out, "STARTED");
        cr_assert_eq(setenv("SYSTEMD_PAGER", "", 1), 0);
        cat = CTL_BEGIN_ON_TERMINAL(f, "list");
        ctl_end(&cat);
        assert_contains(cat.out, "STARTED");
        cr_assert_not(machine_has(&f->machine, "paged"));

        set_pager(f, "PAGER");
        ctl_done(&cat);
        cat = CTL_BEGIN_ON_TERMINAL(f, "show", "1");
        ctl_end(&cat);
        assert_ended(&cat, 0);
        cr_assert(machine_has(&f->machine, "paged"));
        daemon_stop(f);
}

/* Whatever can be longer than a screen; how long it is only the pager knows. */
Test(terminal, pager_of_what) {
        static const char *const paged[][4] = {
                { "help" }, { "--help" }, { "list", "--help" }, { "check" }, { "check", "--all" }, { "status" }, { "status", "1" },
                { "list" }, { "show", "1" }, { "config" }, { "check", "--json=pretty" }, { "status", "--json=pretty" },
        };
        static const char *const plain[][4] = {
                { "--version" }, { "help", "--no-pager" }, { "check", "--no-pager" }, { "status", "--no-pager" }, { "protect", "1" },
                { "status", "9" }, { "mark", "x" },
        };
        Fixture *f = &fixture;

        daemon_start(f);
        seal(f);
        set_pager(f, "SYSTEMD_PAGER");
        for (size_t i = 0; i < ELEMENTS(paged) + ELEMENTS(plain); i++) {
                const char *const *argv = i < ELEMENTS(paged) ? paged[i] : plain[i - ELEMENTS(paged)];
                _cleanup_ctl_ Ctl ctl = ctl_begin_on_terminal(f, argv);

                ctl_end(&ctl);
                cr_assert_eq(machine_has(&f->machine, "paged"), i < ELEMENTS(paged), "%s %s: %s", argv[0], strempty(argv[1]),
                                ctl.out);
                if (i < ELEMENTS(paged))
                        fake_remove(&f->machine.tree, "paged");
        }
        daemon_stop(f);
}

/* One that is left before it has seen all of it. */
Test(terminal, pager_that_is_left) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl ctl = {};

        daemon_start(f);
        seal(f);
        cr_assert_eq(setenv("SYSTEMD_PAGER", "true", 1), 0);
        cr_assert_eq(setenv("SYSTEMD_PAGERSECURE", "1", 1), 0);
        ctl = CTL_BEGIN_ON_TERMINAL(f, "show", "1");
        ctl_end(&ctl);
        assert_ended(&ctl, 0);
        cr_assert_str_eq(ctl.out, "");
        daemon_stop(f);
}

/* What a user's environment names is not run as root: "sudo" hands it on, and so do many others. */
Test(terminal, pager_of_root) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = below(f->machine.tree.root, "bin/less"), *folders = NULL, *theirs = NULL;
        _cleanup_ctl_ Ctl root = {}, off = {}, trusted = {}, user = {}, no_less = {};

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can tell root from others.");
        fake_file(&f->machine.tree, "bin/less", "#!/bin/sh\necho \"the real one, $LESSSECURE\"\ncat\n");
        fake_file(&f->machine.tree, "theirs", "#!/bin/sh\necho \"the user's own, $LESSSECURE\"\ncat\n");
        theirs = below(f->machine.tree.root, "theirs");
        cr_assert(chmod(path, 0755) == 0 && chmod(theirs, 0755) == 0);
        cr_assert_gt(asprintf(&folders, "%s/bin:%s", f->machine.tree.root, getenv("PATH")), 0);
        cr_assert_eq(setenv("PATH", folders, 1), 0);
        cr_assert_eq(setenv("PAGER", theirs, 1), 0);
        cr_assert(unsetenv("SYSTEMD_PAGER") == 0 && unsetenv("SYSTEMD_PAGERSECURE") == 0 && unsetenv("LESSSECURE") == 0);
        daemon_start(f);
        seal(f);

        root = CTL_BEGIN_ON_TERMINAL(f, "list");
        ctl_end(&root);
        assert_contains(root.out, "the real one, 1");
        assert_contains(root.out, "STARTED");
        cr_assert_not(strstr(root.out, "the user's own"), "%s", root.out);
        user = ctl_begin_on_terminal_as(f, STRANGER, (const char *[]) { "list", NULL });
        ctl_end(&user);
        assert_contains(user.out, "the user's own, 1");
        cr_assert_eq(setenv("SYSTEMD_PAGERSECURE", "0", 1), 0);
        trusted = CTL_BEGIN_ON_TERMINAL(f, "list");
        ctl_end(&trusted);
        assert_contains(trusted.out, "the user's own, \r\n");
        cr_assert_eq(unsetenv("SYSTEMD_PAGERSECURE"), 0);
        cr_assert_eq(setenv("SYSTEMD_PAGER", "cat", 1), 0);
        off = CTL_BEGIN_ON_TERMINAL(f, "list");
        ctl_end(&off);
        assert_contains(off.out, "STARTED");
        cr_assert_not(strstr(off.out, "the real one"), "%s", off.out);

        /* Others can do anything that their user asks them for, so that there is none without less. */
        cr_assert_eq(unsetenv("SYSTEMD_PAGER"), 0);
        free(folders);
        fake_file(&f->machine.tree, "only/more", "#!/bin/sh\necho not this one\n");
        free(path);
        path = below(f->machine.tree.root, "only/more");
        cr_assert_eq(chmod(path, 0755), 0);
        folders = below(f->machine.tree.root, "only");
        cr_assert_eq(setenv("PATH", folders, 1), 0);
        no_less = CTL_BEGIN_ON_TERMINAL(f, "list");
        ctl_end(&no_less);
        assert_contains(no_less.out, "STARTED");
        cr_assert_not(strstr(no_less.out, "not this one"), "%s", no_less.out);
        daemon_stop(f);
}

/* What says that somebody waits is gone before the answer comes. */
Test(terminal, status_line_is_erased) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl ctl = {};
        char seen[4096] = "";
        size_t bytes = 0;

        machine_block(&f->machine, "tracing/available_tracers");
        daemon_start(f);
        cr_assert_eq(setenv("NO_COLOR", "1", 1), 0);
        ctl = CTL_BEGIN_ON_TERMINAL(f, "check", "--all", "--no-pager");
        while (!strstr(seen, "waiting for mmiotraced")) {
                ssize_t n;

                cr_assert_eq(poll(&(struct pollfd) { .fd = ctl.terminal_fd, .events = POLLIN }, 1, (int) (WAIT_USEC / USEC_PER_MSEC)), 1);
                n = read(ctl.terminal_fd, seen + bytes, sizeof seen - 1 - bytes);
                cr_assert_gt(n, 0);
                bytes += (size_t) n;
        }
        machine_release(&f->machine, "tracing/available_tracers", "mmiotrace nop\n");
        ctl_end(&ctl);
        assert_contains(ctl.out, "\r\033[KLEVEL");
        daemon_stop(f);
}
