/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Verbs of mmiotracectl: the program itself, with the daemon on a machine that is a folder. */

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "ctl.h"
#include "device-names.h"

#define SESSION BUS_PATH_SESSION "/_1"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(ctl, .init = setup, .fini = teardown, .timeout = 60);

static void seal(Fixture *f) {
        _cleanup_free_ char *session = expect_path(session_start(f, 1, "description", "s", "before"));

        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealed");
}

/* An editor that puts this in the place of the text. */
static void set_editor(Fixture *f, const char *script) {
        _cleanup_free_ char *text = NULL, *path = below(f->machine.tree.root, "editor");

        cr_assert_gt(asprintf(&text, "#!/bin/sh\n%s\n", script), 0);
        fake_file(&f->machine.tree, "editor", text);
        cr_assert_eq(chmod(path, 0755), 0);
        cr_assert_eq(setenv("VISUAL", path, 1), 0);
        cr_assert_eq(setenv("EDITOR", "/bin/false", 1), 0);
        cr_assert_eq(unsetenv("SYSTEMD_EDITOR"), 0);
        cr_assert_eq(setenv("TMPDIR", f->machine.tree.root, 1), 0);
}

static void assert_no_temporary_file(Fixture *f) {
        _cleanup_closedir_ DIR *d = opendir(f->machine.tree.root);
        struct dirent *entry;

        cr_assert_not_null(d);
        while ((entry = readdir(d)))
                cr_assert_not(startswith(entry->d_name, "mmiotracectl-"), "%s", entry->d_name);
}

Test(ctl, describe) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl by_id = {}, last = {}, json = {}, empty = {}, unknown = {}, both = {}, neither = {};
        _cleanup_free_ char *names = NULL, *text = NULL;

        daemon_start(f);
        unknown = CTL(f, "describe", "--text", "x");
        assert_ended(&unknown, 4);
        seal(f);
        by_id = CTL(f, "describe", "1", "--text", "first\nsecond line");
        assert_ended(&by_id, 0);
        assert_contains(by_id.out, "described, in its archive, too");
        /* When it comes back the archive has it. */
        names = fixture_unpack(f, SESSION);
        text = fake_read(&f->machine.tree, "unpacked/description.txt");
        cr_assert(startswith(text, "As reported by the user:\n\nfirst\nsecond line\n\n"), "%s", text);
        last = CTL(f, "describe", "--text=last", "-q");
        assert_ended(&last, 0);
        cr_assert_str_eq(last.out, "");
        assert_session(f, SESSION, "Description", "last");
        json = CTL(f, "describe", "--text=json", "--json=short");
        assert_contains(json.out, "\"description\":\"json\"");
        empty = CTL(f, "describe", "--text", "");
        assert_ended(&empty, 0);
        assert_session(f, SESSION, "Description", "");
        both = CTL(f, "describe", "--text=x", "--edit");
        assert_ended(&both, 2);
        neither = CTL(f, "describe");
        assert_ended(&neither, 2);
        daemon_stop(f);
}

/* A terminal of 80 columns shows it as it is. */
Test(ctl, help) {
        _cleanup_ctl_ Ctl help = CTL(&fixture, "help"), option = CTL(&fixture, "-h", "frobnicate"), wrong = {};
        unsigned columns = 0;

        assert_ended(&help, 0);
        cr_assert_str_eq(help.err, "");
        for (const char *p = help.out; *p; p++) {
                if (*p == '\n')
                        columns = 0;
                /* Each character once. */
                else if (((unsigned char) *p & 0xc0) != 0x80)
                        cr_assert_leq(++columns, 80, "%.*s", 100, p - columns + 1);
        }
        assert_ended(&option, 0);
        cr_assert_str_eq(option.out, help.out);
        wrong = CTL(&fixture, "list", "--follow");
        assert_ended(&wrong, 2);
        cr_assert_str_eq(wrong.out, "");
        assert_contains(wrong.err, "'list' has no option --follow.");
}

/* Of one verb what is its own, and nothing of the others. */
Test(ctl, help_of_a_verb) {
        static const struct {
                const char *verb, *has, *lacks;
        } table[] = {
                { "start", "  start                    Begin a session;", "--all" },
                { "start", "\nOptions of start, run and check:\n     --driver NAME ", "\n  run " },
                { "start", "\nOptions of start:\n     --at-next-boot ", "Exit status:" },
                { "check", "     --driver NAME ", "--force" },
                { "check", "\nExit status:\n    6  check: ", "    0  " },
                { "stop", "\nOptions of stop, seal and export:\n     --wait ", "--force" },
                { "stop", "\nExit status:\n    5  stop, run: ", "125" },
                { "list", "\nOptions of list and config:\n  -l --full ", "Exit status:" },
                { "submit", "\n     --wait                Wait until it is sent, also", "seal" },
                { "run", "  127  run: the command was not found;", "130" },
                { "help", "  help [VERB] ", "Exit status:" },
        };
        _cleanup_ctl_ Ctl unknown = CTL(&fixture, "help", "strat");

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_ctl_ Ctl ctl = CTL(&fixture, "help", table[i].verb);

                assert_ended(&ctl, 0);
                assert_contains(ctl.out, table[i].has);
                cr_assert_not(strstr(ctl.out, table[i].lacks), "%s: %s", table[i].verb, ctl.out);
                assert_contains(ctl.out, "\n\nOptions of all verbs, and what all exit statuses are: mmiotracectl help\n");
        }
        assert_ended(&unknown, 2);
        assert_contains(unknown.err, "Unknown verb 'strat', did you mean 'start'?");
}

/* What was meant is said where it can be guessed. */
Test(ctl, typing_errors) {
        static const struct {
                const char *const argv[4];
                const char *said;
        } table[] = {
                { { "strat" }, "Unknown verb 'strat', did you mean 'start'?" },
                { { "stat" }, "Unknown verb 'stat', did you mean 'status'?" },
                { { "st" }, "Unknown verb 'st'.\nSee the verbs: mmiotracectl help" },
                { { "frobnicate" }, "Unknown verb 'frobnicate'.\nSee the verbs: mmiotracectl help" },
                { { "start", "--drivr=e1000e" }, "Unknown option --drivr, did you mean --driver?" },
                { { "list", "--frobnicate" }, "Unknown option --frobnicate.\nSee: mmiotracectl help" },
                { { "list", "--quiet=yes" }, "The option --quiet takes no value." },
                { { "start", "--driver" }, "The option --driver takes a value." },
                { { "list", "-x" }, "Unknown option -x." },
                { { "list", "-qx" }, "Unknown option -x." },
                { { "start", "--load" }, "To load a driver, name it: --driver NAME --load." },
                { { "start", "--rebind" }, "To rebind a driver, name it: --driver NAME --rebind." },
                { { "run", "--load", "true" }, "To load a driver, name it: --driver NAME --load." },
                { { "check", "--load" }, "To load a driver, name it: --driver NAME --load." },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_ctl_ Ctl ctl = ctl_begin(&fixture, table[i].argv);

                ctl_end(&ctl);
                assert_ended(&ctl, 2);
                cr_assert_str_eq(ctl.out, "");
                assert_contains(ctl.err, table[i].said);
        }
}

/* One that stays keeps none of the others. */
Test(ctl, remove) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl unknown = {}, text = {}, json = {};

        daemon_start(f);
        for (unsigned i = 0; i < 4; i++) {
                machine_list_clocks(&f->machine);
                seal(f);
                wait_until_idle(f);
        }
        expect_ok(session_call(f, BUS_PATH_SESSION "/_2", "SetProtected", "ba{sv}", true, 0));
        unknown = CTL(f, "remove", "1", "9");
        assert_ended(&unknown, 4);
        text = CTL(f, "remove", "1", "2", "3");
        assert_ended(&text, 1);
        cr_assert_str_eq(text.out, "Session 1 is removed.\nSession 3 is removed.\n");
        assert_contains(text.err, "mmiotracectl: Session 2 is protected");
        json = CTL(f, "remove", "2", "4", "--json=short");
        assert_ended(&json, 1);
        cr_assert(startswith(json.out, "[{\"session\":2,\"removed\":false,\"error\":\"Protected\",\"message\":\"Session 2 is protected"),
                        "%s", json.out);
        assert_contains(json.out, "},{\"session\":4,\"removed\":true}]\n");
        assert_contains(json.err, "Session 2 is protected");
        daemon_stop(f);
}

/* A device of the machine that this runs on, and what it is called. */
static bool find_named_device(char **ret_address, char **ret_name) {
        _cleanup_closedir_ DIR *d = opendir("/sys/bus/pci/devices");
        struct dirent *entry;

        while (d && (entry = readdir(d))) {
                _cleanup_strv_ char **names = NULL;

                if (*entry->d_name == '.')
                        continue;
                cr_assert_eq(device_names("/sys", (char *[]) { entry->d_name, NULL }, &names), 0);
                if (streq(*names, entry->d_name))
                        continue;
                *ret_address = strdup(entry->d_name);
                *ret_name = strdup(*names);
                return true;
        }
        return false;
}

/* Nobody knows a card by its address. */
Test(ctl, names_of_devices) {
        Fixture *f = &fixture;
        _cleanup_free_ char *address = NULL, *name = NULL, *line = NULL;
        _cleanup_ctl_ Ctl status = {}, show = {}, stop = {}, run = {};

        if (!find_named_device(&address, &name))
                cr_skip_test("Not run: this machine has no PCI device with a name.");
        if (!machine_add_driver(&f->machine))
                cr_skip_test("Not run: there is no depmod.");
        fake_pci_device(&f->machine.tree, address, "8086:10d3", "020000");
        cr_assert_gt(asprintf(&line, " %s\n", name), 0);
        daemon_start(f);
        free(expect_path(session_start(f, 1, "driver", "s", "e1000e")));
        fake_pci_driver(&f->machine.tree, "e1000e", "e1000e");
        fake_pci_bind(&f->machine.tree, address, "e1000e");
        stop = CTL(f, "stop", "--wait");
        assert_contains(stop.out, line);
        status = CTL(f, "status");
        assert_contains(status.out, line);
        show = CTL(f, "show", "1");
        assert_contains(show.out, line);
        machine_list_clocks(&f->machine);
        run = CTL(f, "run", "--driver", "e1000e", "--force", "true");
        assert_ended(&run, 0);
        assert_contains(run.err, line);
        daemon_stop(f);
}

/* What happens to the machine is said once it has happened. */
Test(ctl, start) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl refused = {}, started = {}, running = {};

        daemon_start(f);
        refused = CTL(f, "start", "--driver", "nosuchdriver");
        assert_ended(&refused, 1);
        cr_assert_str_eq(refused.out, "");
        started = CTL(f, "start");
        assert_ended(&started, 0);
        cr_assert(startswith(started.out, "Session 1 is capturing; this machine runs on one CPU until it is stopped.\n\n"), "%s",
                        started.out);
        running = CTL(f, "start");
        assert_ended(&running, 1);
        cr_assert_str_eq(running.out, "");
        daemon_stop(f);
}

Test(ctl, show) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl running = {}, page = {}, json = {}, unknown = {}, damaged = {};

        daemon_start(f);
        unknown = CTL(f, "show", "7");
        assert_ended(&unknown, 4);
        free(expect_path(session_start(f, 1, "description", "s", "1\n2\n3\n4\n5\n6\n7")));
        expect_ok(session_call(f, SESSION, "Mark", "sa{sv}", "here", 0));
        machine_record(&f->machine);
        running = CTL(f, "show", "1");
        assert_ended(&running, 0);
        assert_contains(running.out, "State: capturing");
        assert_contains(running.out, "\n             7\n");
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");

        page = CTL(f, "show");
        assert_ended(&page, 0);
        cr_assert_str_eq(page.err, "");
        assert_contains(page.out, "CPUs: CPU 0 recorded");
        assert_contains(page.out, "Kernel: Linux");
        assert_contains(page.out, "Files: description.txt (");
        assert_contains(page.out, "\n             mmiotrace.log (");
        json = CTL(f, "show", "1", "--json=short");
        assert_ended(&json, 0);
        assert_contains(json.out, "\"files\":[{\"name\":\"description.txt\",\"bytes\":");
        assert_contains(json.out, "\"loss\":{");

        /* What can be said without it is said. */
        fake_file(&f->machine.tree, "state/sessions/1/archive.tar.xz", "no archive");
        damaged = CTL(f, "show", "1");
        assert_ended(&damaged, 0);
        assert_contains(damaged.out, "State: sealed");
        assert_contains(damaged.err, "What the archive tells is left out");
        daemon_stop(f);
}

Test(ctl, describe_what_runs) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl ctl = {};

        daemon_start(f);
        seal(f);
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
        ctl = CTL(f, "describe", "--text", "the second");
        assert_ended(&ctl, 0);
        assert_contains(ctl.out, "its archive will have that");
        assert_session(f, BUS_PATH_SESSION "/_2", "Description", "the second");
        assert_session(f, SESSION, "Description", "before");
        daemon_stop(f);
}

Test(ctl, describe_in_an_editor) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl edited = {}, unchanged = {}, failed = {}, emptied = {};
        _cleanup_free_ char *given = NULL;

        daemon_start(f);
        seal(f);
        /* It is a private file, and many editors put another one in its place. */
        set_editor(f, "cp \"$1\" \"$TMPDIR/given\"; stat -c %a \"$1\" >\"$TMPDIR/mode\"; "
                      "printf '# comment\\nedited\\n' >\"$1.new\" && mv \"$1.new\" \"$1\"");
        edited = CTL(f, "describe", "1", "--edit");
        assert_ended(&edited, 0);
        assert_session(f, SESSION, "Description", "edited");
        given = fake_read(&f->machine.tree, "given");
        assert_contains(given, "# Session 1: ");
        assert_contains(given, "\nbefore\n");
        assert_contains(given, "What happened");
        free(given);
        given = fake_read(&f->machine.tree, "mode");
        cr_assert_str_eq(given, "600\n");
        assert_no_temporary_file(f);

        set_editor(f, "exit 0");
        unchanged = CTL(f, "describe", "--edit");
        assert_ended(&unchanged, 0);
        assert_contains(unchanged.out, "Nothing was changed");
        set_editor(f, ": >\"$1\"");
        emptied = CTL(f, "describe", "--edit");
        assert_ended(&emptied, 0);
        set_editor(f, "echo other >\"$1\"; exit 1");
        failed = CTL(f, "describe", "--edit");
        assert_ended(&failed, 1);
        assert_session(f, SESSION, "Description", "edited");
        assert_no_temporary_file(f);
        daemon_stop(f);
}

/* What was typed is not lost with it. */
Test(ctl, describe_refused_after_editing) {
        Fixture *f = &fixture;
        _cleanup_free_ char *path = NULL, *kept = NULL;
        _cleanup_ctl_ Ctl ctl = {};
        const char *said;

        daemon_start(f);
        seal(f);
        set_editor(f, "printf 'a \\033[31mred text' >\"$1\"");
        ctl = CTL(f, "describe", "--edit");
        assert_ended(&ctl, 2);
        said = strstr(ctl.err, "What was written is in ");
        cr_assert_not_null(said, "%s", ctl.err);
        said += strlen("What was written is in ");
        path = strndup(said, strcspn(said, "\n") - 1);
        cr_assert_eq(read_file_at(AT_FDCWD, path, MIB, &kept, NULL), 0, "%s", path);
        cr_assert_str_eq(kept, "a \033[31mred text");
        assert_session(f, SESSION, "Description", "before");
        daemon_stop(f);
}

/* Where the machine takes its time, nobody has to wait with it. */
Test(ctl, no_block) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl start = {}, other = {}, stop = {}, none = {}, both = {};

        machine_block(&f->machine, "tracing/options/overwrite");
        daemon_start(f);
        start = CTL(f, "start", "--no-block");
        assert_ended(&start, 0);
        assert_contains(start.out, "Session 1 is arming. See when it captures: mmiotracectl status\n");
        other = CTL(f, "start", "--no-block");
        assert_ended(&other, 1);
        cr_assert_not(strstr(other.out, "Session 1"), "%s", other.out);
        machine_release(&f->machine, "tracing/options/overwrite", "1\n");
        fake_file(&f->machine.tree, "tracing/options/overwrite", "0\n");
        wait_for_session(f, SESSION, "capturing");

        machine_block(&f->machine, "tracing/trace_clock");
        stop = CTL(f, "stop", "--no-block");
        assert_ended(&stop, 0);
        assert_contains(stop.out, "How far it is: mmiotracectl status 1\n");
        wait_for_session(f, SESSION, "restoring");
        machine_release(&f->machine, "tracing/trace_clock", "[local] mono\n");
        wait_for_session(f, SESSION, "sealed");
        none = CTL(f, "stop", "--no-block");
        assert_ended(&none, 1);
        both = CTL(f, "stop", "--no-block", "--wait");
        assert_ended(&both, 2);
        daemon_stop(f);
}

/* What every look at a session brings is bounded; who wants all marks asks for them. */
Test(ctl, many_marks) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl status = {}, show = {}, json = {};
        _cleanup_free_ char *all = NULL;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        for (unsigned i = 0; i < 70; i++) {
                char text[16];

                (void) snprintf(text, sizeof text, "mark %u.", i);
                expect_ok(session_call(f, SESSION, "Mark", "sa{sv}", text, 0));
        }
        cr_assert_eq(get_number(f, SESSION, BUS_INTERFACE_SESSION, "MarkCount"), 70);
        all = get_all(f, SESSION, BUS_INTERFACE_SESSION);
        cr_assert(!strstr(all, "mark 5.") && strstr(all, "mark 6.") && strstr(all, "mark 69."), "%s", all);
        status = CTL(f, "status");
        assert_contains(status.out, "Marks: 70, the last 5 of them:\n");
        show = CTL(f, "show", "1");
        assert_contains(show.out, " mark 0.\n");
        assert_contains(show.out, " mark 69.\n");
        json = CTL(f, "show", "1", "--json=short");
        assert_contains(json.out, "\"mark_count\":70");
        assert_contains(json.out, "\"mark 0.\"");
        daemon_stop(f);
}
