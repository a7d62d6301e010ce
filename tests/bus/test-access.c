/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may call what: every method, called by everybody there is. A method that is added has to be in the table. */

#include <fcntl.h>
#include <sys/prctl.h>

#include "auth.h"
#include "fixture.h"
#include "users.h"

/* daemon and nobody: dbus-daemon lets no one in who is not in /etc/passwd. */
#define OWNER 1
#define OTHER 65534

#define GROWTH_MAX_BYTES (256 * KIB)

/* The first one is being sealed all the time, so that there is a job. */
#define ACTIVE_SESSION BUS_PATH_SESSION "/_2"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(access, .init = setup, .fini = teardown, .timeout = 120);

/* In an order in which a session can go through all of them. */
static const struct {
        const char *interface, *method, *path;
        const char *types;              /* arguments: "s" is the text "text", "a{sv}" is empty, or what Start is to have */
        const char *action;             /* that polkit is asked for; NULL: everybody may */
        bool owner_may;                 /* the session's owner is not asked for */
        const char *second;             /* that polkit is asked for when that was permitted: with a URL, in the place of a target */
        bool quiet;                     /* everybody may, and those with that permission get more; nobody is asked for a password */
} methods[] = {
        { BUS_INTERFACE_MANAGER, "ListSessions", BUS_PATH, "a{sv}", NULL, false },
        { BUS_INTERFACE_MANAGER, "Arm", BUS_PATH, "a{sv}", AUTH_MANAGE, false },
        { BUS_INTERFACE_MANAGER, "Disarm", BUS_PATH, "a{sv}", AUTH_MANAGE, false },
        { BUS_INTERFACE_MANAGER, "GetConfig", BUS_PATH, "a{sv}", AUTH_MANAGE, false, NULL, true },
        { BUS_INTERFACE_MANAGER, "Reload", BUS_PATH, "a{sv}", AUTH_MANAGE, false },
        { BUS_INTERFACE_MANAGER, "Check", BUS_PATH, "a{sv}", AUTH_CAPTURE, false },
        { BUS_INTERFACE_MANAGER, "Start", BUS_PATH, "a{sv}", AUTH_CAPTURE, false },
        { BUS_INTERFACE_MANAGER, "Mark", BUS_PATH, "sa{sv}", AUTH_MARK, true },
        { BUS_INTERFACE_SESSION, "Mark", ACTIVE_SESSION, "sa{sv}", AUTH_MARK, true },
        { BUS_INTERFACE_SESSION, "ListMarks", ACTIVE_SESSION, "a{sv}", AUTH_READ, true },
        { BUS_INTERFACE_SESSION, "OpenArchive", ACTIVE_SESSION, "a{sv}", AUTH_READ, false },
        { BUS_INTERFACE_SESSION, "ConfirmExport", ACTIVE_SESSION, "a{sv}", AUTH_READ, false },
        { BUS_INTERFACE_SESSION, "Seal", ACTIVE_SESSION, "a{sv}", AUTH_MANAGE, true },
        { BUS_INTERFACE_SESSION, "SetProtected", ACTIVE_SESSION, "ba{sv}", AUTH_MANAGE, true },
        { BUS_INTERFACE_SESSION, "Describe", ACTIVE_SESSION, "sa{sv}", AUTH_MANAGE, true },
        { BUS_INTERFACE_MANAGER, "GetTarget", BUS_PATH, "sa{sv}", AUTH_SUBMIT, false },
        { BUS_INTERFACE_MANAGER, "Submit", BUS_PATH, "oa{sv}", AUTH_SUBMIT, false },
        { BUS_INTERFACE_MANAGER, "Submit", BUS_PATH, "oa{sv}", AUTH_SUBMIT_ANYWHERE, false, AUTH_READ },
        { BUS_INTERFACE_JOB, "Cancel", BUS_PATH_JOB "/_1", "a{sv}", AUTH_MANAGE, true },
        { BUS_INTERFACE_SESSION, "Remove", ACTIVE_SESSION, "a{sv}", AUTH_MANAGE, true },
        { BUS_INTERFACE_MANAGER, "Recover", BUS_PATH, "a{sv}", AUTH_MANAGE, false },
        { BUS_INTERFACE_MANAGER, "Stop", BUS_PATH, "a{sv}", AUTH_MANAGE, true },
        { BUS_INTERFACE_SESSION, "Stop", ACTIVE_SESSION, "a{sv}", AUTH_MANAGE, true },
};

/* Calls a method of the table; prints the name of the error, "" without one. */
_noreturn_ static void call_as(uid_t uid, const char *address, size_t i, bool interactive, int out_fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus *connection = connect_as(uid, address);
        int r;

        if (!connection)
                _exit(EXIT_FAILURE);
        r = sd_bus_message_new_method_call(connection, &m, BUS_NAME, methods[i].path, methods[i].interface,
                        methods[i].method);
        for (const char *type = methods[i].types; r >= 0 && *type; type++) {
                if (*type == 's')
                        r = sd_bus_message_append(m, "s", "text");
                else if (*type == 'o')
                        r = sd_bus_message_append(m, "o", ACTIVE_SESSION);
                else if (*type == 'b')
                        r = sd_bus_message_append(m, "b", false);
                else if (startswith(type, "a{sv}")) {
                        if (streq(methods[i].method, "Start"))
                                r = sd_bus_message_append(m, "a{sv}", 1, "stop-on-mark", "s", "a private end");
                        else if (methods[i].second)
                                r = sd_bus_message_append(m, "a{sv}", 1, "url", "s", "https://drop.example/private/");
                        else
                                r = sd_bus_message_append(m, "a{sv}", 0);
                        type += strlen("a{sv}") - 1;
                } else
                        r = -EOPNOTSUPP; /* teach this function the new argument */
        }
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, interactive);
        if (r >= 0)
                r = sd_bus_call(connection, m, WAIT_USEC, &e, NULL);
        dprintf(out_fd, "%s\n", r < 0 ? e.name ?: strerrordesc_np(-r) : "");
        _exit(EXIT_SUCCESS);
}

static pid_t call_begin_as(Fixture *f, uid_t uid, size_t i, bool interactive, int *ret_fd) {
        pid_t pid;
        int fds[2];

        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                call_as(uid, f->address, i, interactive, fds[1]);
        }
        safe_close(fds[1]);
        *ret_fd = fds[0];
        return pid;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        *(bool *) userdata = true;
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* The name of the error that somebody gets, "" without one. The fixture's polkit answers meanwhile. */
static const char *result_as(Fixture *f, uid_t uid, size_t i, bool interactive, char *buf, size_t size) {
        sd_event_source *source = NULL;
        bool done = false;
        int fd, status;
        ssize_t n;
        pid_t pid;

        pid = call_begin_as(f, uid, i, interactive, &fd);
        cr_assert_geq(sd_event_add_io(f->event, &source, fd, EPOLLIN | EPOLLHUP, on_output, &done), 0);
        wait_until(f, done);
        sd_event_source_unref(source);
        n = read(fd, buf, size - 1);
        cr_assert_gt(n, 0, "%s cannot be called as %u", methods[i].method, uid);
        buf[n] = 0;
        buf[strcspn(buf, "\n")] = 0;
        safe_close(fd);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert_eq(status, 0);
        return buf;
}

static bool is_refusal(const char *error) {
        return streq(error, SD_BUS_ERROR_ACCESS_DENIED) || streq(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
}

static size_t n_polkit_calls(const Fixture *f) {
        size_t n = 0;

        STRV_FOREACH(call, f->polkit_calls)
                n++;
        return n;
}

static void start_as_owner(Fixture *f) {
        char error[128];

        for (size_t i = 0; i < ELEMENTS(methods); i++)
                if (streq(methods[i].method, "Start"))
                        cr_assert_str_eq(result_as(f, OWNER, i, false, error, sizeof error), "");
}

/* Begins a session whose owner is OWNER. */
static void begin_session(Fixture *f) {
        _cleanup_free_ char *program = below(f->machine.tree.root, "seal");

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        fake_file(&f->machine.tree, "seal",
                        "#!/bin/sh\ncase $(pwd) in */1) exec tail -f /dev/null ;; *) exec " SEAL_PROGRAM " \"$@\" ;; esac\n");
        cr_assert_eq(chmod(program, 0755), 0);
        f->seal_program = program;
        daemon_start(f);
        fixture_be_polkit(f);
        start_as_owner(f);
        session_stop(f);
        wait_for_session(f, BUS_PATH_SESSION "/_1", "sealing");
        machine_list_clocks(&f->machine);
        start_as_owner(f);
        cr_assert_eq(get_number(f, ACTIVE_SESSION, BUS_INTERFACE_SESSION, "Owner"), OWNER);
        strv_free(f->polkit_calls);
        f->polkit_calls = NULL;
}

static void assert_unchanged(Fixture *f, const char *before, size_t i) {
        _cleanup_free_ char *now = snapshot(f->client);

        cr_assert(streq_ptr(now, before), "%s.%s has changed something: %s\nwas: %s", methods[i].interface, methods[i].method, now, before);
}

/* All of these are refused with this error, and nothing has changed. */
static void expect_refusals(Fixture *f, bool interactive, const char *expected, bool asked) {
        char error[128];

        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                _cleanup_free_ char *was = snapshot(f->client);
                size_t before = n_polkit_calls(f);

                (void) result_as(f, OTHER, i, interactive, error, sizeof error);
                assert_unchanged(f, was, i);
                cr_assert_str_eq(error, methods[i].action && !methods[i].quiet ? expected : "", "%s.%s: \"%s\"", methods[i].interface,
                                methods[i].method, error);
                cr_assert_eq(n_polkit_calls(f) - before, asked && methods[i].action ? 1 : 0);
                if (asked && methods[i].action)
                        cr_assert_str_eq(f->polkit_calls[before], methods[i].action, "%s", methods[i].method);
        }
        session_stop(f);
}

Test(access, polkit_says_no) {
        begin_session(&fixture);
        fixture.polkit_answer = POLKIT_NO;
        expect_refusals(&fixture, true, SD_BUS_ERROR_ACCESS_DENIED, true);
}

Test(access, a_person_has_to_be_asked) {
        begin_session(&fixture);
        fixture.polkit_answer = POLKIT_PASSWORD;
        expect_refusals(&fixture, false, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, true);
}

/* Each permission counts for itself: of two, neither is enough. */
Test(access, first_yes_second_no) {
        static const struct {
                PolkitAnswer answer;
                const char *error;
        } answers[] = {
                { POLKIT_NO, SD_BUS_ERROR_ACCESS_DENIED },
                { POLKIT_PASSWORD, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED },
        };
        Fixture *f = &fixture;
        char error[128];
        unsigned n = 0;

        begin_session(f);
        for (size_t k = 0; k < ELEMENTS(answers); k++)
                for (size_t i = 0; i < ELEMENTS(methods); i++) {
                        _cleanup_free_ char *was = NULL;

                        if (!methods[i].second)
                                continue;
                        n++;
                        was = snapshot(f->client);
                        strv_free(f->polkit_calls);
                        f->polkit_calls = NULL;
                        f->polkit_exception = methods[i].second;
                        f->polkit_exception_answer = answers[k].answer;
                        cr_assert_str_eq(result_as(f, OTHER, i, false, error, sizeof error), answers[k].error);
                        cr_assert_eq(n_polkit_calls(f), 2);
                        cr_assert_str_eq(f->polkit_calls[0], methods[i].action);
                        cr_assert_str_eq(f->polkit_calls[1], methods[i].second);
                        assert_unchanged(f, was, i);
                }
        cr_assert_eq(n, 2);
        session_stop(f);
}

static bool has_detail(const Fixture *f, const char *start) {
        bool found = false;

        STRV_FOREACH(detail, f->polkit_details)
                found = found || startswith(*detail, start);
        return found;
}

/* Whoever is asked for a password reads what it is for, and so can a rule. */
Test(access, questions_say_what_they_are_about) {
        Fixture *f = &fixture;
        char error[128];

        fake_file(&f->machine.tree, "mmiotraced.conf", "[Target lab]\nURL=https://traces.example/\n");
        begin_session(f);
        f->polkit_answer = POLKIT_NO;
        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                const char *name = methods[i].method;
                bool session = !streq(methods[i].interface, BUS_INTERFACE_MANAGER) || streq(name, "Mark") || streq(name, "Stop") ||
                                streq(name, "Submit");

                if (!methods[i].action || methods[i].quiet)
                        continue;
                (void) result_as(f, OTHER, i, true, error, sizeof error);
                cr_assert_str_eq(error, SD_BUS_ERROR_ACCESS_DENIED);
                /* Of all drivers, and of a target that there is not, the policy says it. */
                cr_assert_eq(has_detail(f, "polkit.message=Authentication is required to "), !streq(name, "Start") && !streq(name, "GetTarget"),
                                "%s", name);
                cr_assert_eq(has_detail(f, streq(methods[i].interface, BUS_INTERFACE_JOB) ? "session=1" : "session=2"), session, "%s", name);
                cr_assert_eq(has_detail(f, "target=lab"), streq(name, "Submit") && !methods[i].second, "%s", name);
                cr_assert_eq(has_detail(f, "url="), !!methods[i].second, "%s", name);
                cr_assert_eq(has_detail(f, "url=https://drop.example") && !has_detail(f, "url=https://drop.example/"), !!methods[i].second);
        }
        session_stop(f);
}

/* A driver's name comes from the caller: what is none is not shown as if it were. */
Test(access, questions_show_names_only) {
        static const char *const drivers[] = { "e1000e", "e1000e, which is harmless" };
        Fixture *f = &fixture;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        daemon_start(f);
        fixture_be_polkit(f);
        f->polkit_answer = POLKIT_NO;
        for (size_t i = 0; i < ELEMENTS(drivers); i++) {
                pid_t pid = fork();

                cr_assert_geq(pid, 0);
                if (pid == 0) {
                        sd_bus *connection = connect_as(OTHER, f->address);

                        (void) sd_bus_call_method(connection, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Start", NULL, NULL, "a{sv}", 1,
                                        "driver", "s", drivers[i]);
                        _exit(EXIT_SUCCESS);
                }
                wait_for_child(f, pid);
                cr_assert_eq(has_detail(f, "driver=e1000e"), i == 0);
                cr_assert_eq(has_detail(f, "polkit.message="), i == 0);
        }
        daemon_stop(f);
}

Test(access, without_polkit) {
        Fixture *f = &fixture;

        begin_session(f);
        f->polkit = sd_bus_flush_close_unref(f->polkit);
        expect_refusals(f, true, SD_BUS_ERROR_ACCESS_DENIED, false);
}

/* With an editor that leaves everything as it is. */
static int edit_as(uid_t uid) {
        char *const argv[] = { (char *) "mmiotracectl", (char *) "--quiet", (char *) "describe", (char *) "2", (char *) "--edit", NULL };
        /* The folder that it was built in may be closed to that user. */
        _cleanup_close_ int fd = open(CTL_PROGRAM, O_RDONLY | O_CLOEXEC);
        pid_t pid = fork();
        int status;

        cr_assert_geq(pid, 0);
        if (pid == 0) {
                if (!become_user(uid) || unsetenv("TMPDIR") < 0 || setenv("SYSTEMD_EDITOR", "true", 1) < 0)
                        _exit(127);
                fexecve(fd, argv, environ);
                _exit(127);
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What the owner has written is not for everybody, whichever way it is asked for, and is not broadcast. */
Test(access, texts_are_the_owners) {
        static const char *const ways[] = { "GetAll", "GetManagedObjects" };
        Fixture *f = &fixture;
        sd_bus_message *reply;
        _cleanup_free_ char *heard = NULL;

        hear_begin(f);
        begin_session(f);
        expect_ok(session_call(f, ACTIVE_SESSION, "Mark", "sa{sv}", "a private mark", 0));
        free(expect_path(session_call(f, ACTIVE_SESSION, "Describe", "sa{sv}", "a private description", 0)));
        for (size_t i = 0; i < ELEMENTS(ways); i++) {
                _cleanup_free_ char *text = see_as(f, OTHER, ACTIVE_SESSION, ways[i]);

                cr_assert(strstr(text, "MarkCount") && !strstr(text, "a private"), "%s", text);
                free(text);
                text = see_as(f, OWNER, ACTIVE_SESSION, ways[i]);
                cr_assert(strstr(text, "a private mark") && strstr(text, "a private description") && strstr(text, "a private end"), "%s", text);
        }
        cr_assert_eq(edit_as(OWNER), EXIT_SUCCESS);
        cr_assert_eq(edit_as(OTHER), EXIT_FAILURE);
        session_stop(f);
        wait_for_session(f, ACTIVE_SESSION, "sealed");
        heard = hear_end(f);
        cr_assert(strstr(heard, "\"Description\""), "%s", heard);
        cr_assert_not(strstr(heard, "a private"), "%s", heard);

        reply = session_call(f, ACTIVE_SESSION, "ListMarks", "a{sv}", 0);
        cr_assert_gt(sd_bus_message_enter_container(reply, 'a', "(tts)"), 0);
        cr_assert_gt(sd_bus_message_skip(reply, "(tts)"), 0);
        sd_bus_message_unref(reply);
}

/* Goes through all methods; those that need no permission do not ask for one. */
static void expect_permitted(Fixture *f, uid_t uid, bool interactive) {
        char error[128];

        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                bool asks = uid != 0 && methods[i].action && !(uid == OWNER && methods[i].owner_may);
                size_t before = n_polkit_calls(f);

                (void) result_as(f, uid, i, interactive, error, sizeof error);
                cr_assert(!is_refusal(error), "%s.%s: \"%s\"", methods[i].interface, methods[i].method, error);
                cr_assert_eq(n_polkit_calls(f) - before, asks ? methods[i].second ? 2 : 1 : 0, "%s.%s", methods[i].interface, methods[i].method);
        }
        wait_for_session(f, ACTIVE_SESSION, "sealed");
}

Test(access, root) {
        begin_session(&fixture);
        fixture.polkit_answer = POLKIT_NO;
        expect_permitted(&fixture, 0, false);
}

Test(access, owner) {
        begin_session(&fixture);
        expect_permitted(&fixture, OWNER, false);
}

Test(access, owner_against_polkit) {
        Fixture *f = &fixture;
        char error[128];

        begin_session(f);
        f->polkit_answer = POLKIT_NO;
        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                (void) result_as(f, OWNER, i, false, error, sizeof error);
                cr_assert_eq(is_refusal(error), methods[i].action && !methods[i].owner_may && !methods[i].quiet, "%s.%s: \"%s\"",
                                methods[i].interface, methods[i].method, error);
        }
        assert_session(f, ACTIVE_SESSION, "Driver", "");
}

Test(access, other_with_password) {
        begin_session(&fixture);
        fixture.polkit_answer = POLKIT_PASSWORD;
        expect_permitted(&fixture, OTHER, true);
}

/* Nothing is done for somebody who is not there any more, and nobody is asked for a password for it. */
Test(access, caller_is_gone) {
        Fixture *f = &fixture;

        begin_session(f);
        f->polkit_answer = POLKIT_NOTHING;
        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                size_t before = n_polkit_calls(f);
                pid_t pid;
                int fd;

                if (!methods[i].action)
                        continue;
                pid = call_begin_as(f, OTHER, i, true, &fd);
                wait_until(f, n_polkit_calls(f) == before + 1);
                cr_assert_eq(kill(pid, SIGKILL), 0);
                cr_assert_eq(waitpid(pid, NULL, 0), pid);
                wait_until(f, n_polkit_calls(f) == before + 2);
                cr_assert_str_eq(f->polkit_calls[before + 1], "cancel", "%s", methods[i].method);
                safe_close(fd);
        }
        assert_session(f, ACTIVE_SESSION, "State", "capturing");
        session_stop(f);
}

/* Who is refused is told of, and cannot fill the journal by trying again. */
Test(access, refusals_are_told_of) {
        Fixture *f = &fixture;
        char error[128];

        begin_session(f);
        f->polkit_answer = POLKIT_NO;
        for (unsigned i = 0; i < 20; i++)
                (void) result_as(f, OTHER, 1, true, error, sizeof error);
        cr_assert_eq(machine_count_messages(&f->machine, "MESSAGE_ID=" MESSAGE_REFUSED, "MMIOTRACED_CALLER_UID=65534"), 5);
        cr_assert_eq(machine_count_messages(&f->machine, "User 65534 wanted to manage, and was refused", "PRIORITY=5"), 5);
        (void) result_as(f, OWNER, 1, true, error, sizeof error);
        cr_assert_eq(machine_count_messages(&f->machine, "MESSAGE_ID=" MESSAGE_REFUSED, "MMIOTRACED_CALLER_UID=1"), 1);
        session_stop(f);
}

/* Of what changes something for others, it can be seen who has done it. */
static void assert_told(Fixture *f, uid_t uid, const char *priority) {
        static const struct {
                const char *method, *text;
                bool of_session;
        } expected[] = {
                { "Disarm", "taken back that the next boot is traced", false },
                { "Reload", "had the configuration read again", false },
                { "SetProtected", "taken its protection away", true },
                { "Stop", "ended it", true },
                { "OpenArchive", "opened its archive", true },
                { "Remove", "had it removed", true },
        };
        char error[128], caller[64], field[64];

        fake_file(&f->machine.tree, "etc/next-boot.json", "{}\n");
        (void) snprintf(field, sizeof field, "MMIOTRACED_CALLER_UID=%u", uid);
        for (size_t i = 0; i < ELEMENTS(expected); i++)
                for (size_t k = 0; k < ELEMENTS(methods); k++) {
                        if (!streq(methods[k].method, expected[i].method) ||
                            streq(methods[k].interface, BUS_INTERFACE_MANAGER) == expected[i].of_session)
                                continue;
                        (void) result_as(f, uid, k, true, error, sizeof error);
                        cr_assert_str_eq(error, "", "%s", methods[k].method);
                        (void) snprintf(caller, sizeof caller, "ser %u has %s", uid, expected[i].text);
                        cr_assert_eq(machine_count_messages(&f->machine, caller, field), 1, "%s", caller);
                        if (expected[i].of_session)
                                cr_assert_eq(machine_count_messages(&f->machine, caller, priority), 1, "%s", caller);
                        if (streq(methods[k].method, "Stop"))
                                wait_for_session(f, ACTIVE_SESSION, "sealed");
                }
}

Test(access, others_are_told_of) {
        begin_session(&fixture);
        assert_told(&fixture, OTHER, "PRIORITY=5");
}

Test(access, owners_are_told_of) {
        begin_session(&fixture);
        assert_told(&fixture, OWNER, "PRIORITY=6");
}

/* A logind that does not answer until it is told to. */
static sd_bus_message *logind_call;

static int method_get_session(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        logind_call = sd_bus_message_ref(m);
        return 1;
}

static const sd_bus_vtable logind_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetSessionByPID", "u", "o", method_get_session, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void logind_answers(void) {
        cr_assert_geq(sd_bus_reply_method_errorf(logind_call, "org.freedesktop.login1.NoSessionForPID", "No session."), 0);
        logind_call = sd_bus_message_unref(logind_call);
}

static int on_name_gone(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        ++*(unsigned *) userdata;
        return 0;
}

/* Before a driver is taken off its device it is found out where the caller sits, who may leave meanwhile. */
Test(access, caller_is_gone_before_it_is_found) {
        /* As many checks as root may have at a time. */
        static const char *const calls[] = { "Start", "Check", "Check" };
        Fixture *f = &fixture;
        unsigned n_gone = 0;
        Call *start, *check;

        cr_assert_geq(sd_bus_add_object_vtable(f->client, NULL, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", logind_vtable, f), 0);
        cr_assert_geq(sd_bus_request_name(f->client, "org.freedesktop.login1", 0), 0);
        cr_assert_geq(sd_bus_add_match(f->client, NULL, "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
                        on_name_gone, &n_gone), 0);
        daemon_start(f);
        /* What begins, stays there. */
        machine_block(&f->machine, "tracing/available_tracers");
        for (size_t i = 0; i < ELEMENTS(calls); i++) {
                pid_t pid = fork();

                cr_assert_geq(pid, 0);
                if (pid == 0) {
                        sd_bus *connection = connect_as(geteuid(), f->address);

                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        (void) sd_bus_call_method(connection, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, calls[i], NULL, NULL, "a{sv}", 2,
                                        "driver", "s", "e1000e", "rebind", "b", 1);
                        _exit(EXIT_FAILURE);
                }
                wait_until(f, logind_call);
                cr_assert_eq(kill(pid, SIGKILL), 0);
                cr_assert_eq(waitpid(pid, NULL, 0), pid);
                /* The daemon hears of it before what is sent after that. */
                wait_until(f, n_gone == i + 1);
                expect_ok(call(f, BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", ""));
                logind_answers();
                assert_manager(f, "State", "idle");
        }
        check = call_begin(f, BUS_PATH, BUS_INTERFACE_MANAGER, "Check", "a{sv}", 0);
        strv_free(list_sessions(f));
        cr_assert_null(check->reply, "A check goes on for nobody.");
        sd_bus_slot_unref(check->slot);
        free(check);
        /* For one who stays it does begin. */
        start = call_begin(f, BUS_PATH, BUS_INTERFACE_MANAGER, "Start", "a{sv}", 2, "driver", "s", "e1000e", "rebind", "b", 1);
        wait_until(f, logind_call);
        logind_answers();
        assert_manager(f, "State", "checking");
        sd_bus_slot_unref(start->slot);
        free(start);
}

/* The first of two answers has waited for the second, and is forgotten with it. */
Test(access, caller_is_gone_between_two_questions) {
        Fixture *f = &fixture;
        uint64_t before_bytes = 0;
        char url[2000] = "https://traces.example/";

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        memset(url + strlen(url), 'x', sizeof url - 1 - strlen(url));
        daemon_start(f);
        fixture_be_polkit(f);
        free(expect_path(session_start(f, 0)));
        f->polkit_exception = AUTH_READ;
        f->polkit_exception_answer = POLKIT_NOTHING;
        for (unsigned i = 0; i < 400; i++) {
                pid_t pid;

                strv_free(f->polkit_calls);
                f->polkit_calls = NULL;
                pid = fork();
                cr_assert_geq(pid, 0);
                if (pid == 0) {
                        sd_bus *connection = connect_as(OTHER, f->address);

                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        (void) sd_bus_call_method(connection, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Submit", NULL, NULL, "oa{sv}",
                                        BUS_PATH_SESSION "/_1", 1, "url", "s", url);
                        _exit(EXIT_FAILURE);
                }
                wait_until(f, n_polkit_calls(f) == 2);
                cr_assert_eq(kill(pid, SIGKILL), 0);
                cr_assert_eq(waitpid(pid, NULL, 0), pid);
                wait_until(f, n_polkit_calls(f) == 3);
                /* What is allocated once for all, is. */
                if (i == 100)
                        before_bytes = daemon_rss_bytes(f);
        }
        if (!SANITIZED)
                cr_assert_leq(daemon_rss_bytes(f), before_bytes + GROWTH_MAX_BYTES);
        session_stop(f);
}

/* So many questions of one user, and the next one is refused without asking. */
Test(access, questions_are_limited) {
        Fixture *f = &fixture;
        pid_t pids[4];
        int fds[ELEMENTS(pids)];
        char error[128];

        begin_session(f);
        f->polkit_answer = POLKIT_NOTHING;
        for (size_t i = 0; i < ELEMENTS(pids); i++)
                pids[i] = call_begin_as(f, OTHER, 1, true, fds + i);
        wait_until(f, n_polkit_calls(f) == ELEMENTS(pids));
        cr_assert_str_eq(result_as(f, OTHER, 1, true, error, sizeof error), SD_BUS_ERROR_LIMITS_EXCEEDED);
        cr_assert_eq(n_polkit_calls(f), ELEMENTS(pids));
        for (size_t i = 0; i < ELEMENTS(pids); i++) {
                cr_assert_eq(kill(pids[i], SIGKILL), 0);
                cr_assert_eq(waitpid(pids[i], NULL, 0), pids[i]);
                safe_close(fds[i]);
        }
        session_stop(f);
}

/* The methods of our interfaces at a path, out of what sd-bus prints: one element a line. */
static size_t count_methods(const char *path, char *xml) {
        char interface[128] = "", name[64], *state = NULL;
        size_t n = 0;

        for (char *line = strtok_r(xml, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                bool known = false;

                (void) sscanf(line, " <interface name=\"%127[^\"]\"", interface);
                if (!startswith(interface, "org.freedesktop.MmioTrace1.") ||
                    sscanf(line, " <method name=\"%63[^\"]\"", name) != 1)
                        continue;
                n++;
                for (size_t i = 0; i < ELEMENTS(methods) && !known; i++)
                        known = streq(methods[i].interface, interface) && streq(methods[i].method, name);
                cr_assert(known, "%s.%s (%s) is not in the table of who may call it", interface, name, path);
        }
        return n;
}

Test(access, table_is_complete) {
        static const char *const paths[] = { BUS_PATH, BUS_PATH_SESSION "/_1", BUS_PATH_JOB "/_1" };
        Fixture *f = &fixture;
        _cleanup_free_ char *stuck = below(f->machine.tree.root, "stuck");
        size_t n = 0, n_methods = 0;

        for (size_t i = 0; i < ELEMENTS(methods); i++)
                n_methods += !methods[i].second;
        /* So that there is a job to look at. */
        fake_file(&f->machine.tree, "stuck", "#!/bin/sh\nexec tail -f /dev/null\n");
        cr_assert_eq(chmod(stuck, 0755), 0);
        f->seal_program = stuck;
        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        session_stop(f);
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                _cleanup_free_ char *xml = introspect(f, paths[i]);

                cr_assert(strstr(xml, "\"org.freedesktop.MmioTrace1."), "%s", paths[i]);
                n += count_methods(paths[i], xml);
        }
        cr_assert_eq(n, n_methods);
}
