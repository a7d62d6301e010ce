/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two hundred clients who all want the same at once, of one user or of ten: each user gets what one user may have, and
 * everybody else is served as if there were no such clients. */

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "fixture.h"
#include "tool.h"
#include "users.h"

#define NOBODY 65534
#define OTHER 1
#define CLIENTS 200
#define WAITING 16      /* calls of one user that are answered later */
#define QUESTIONS 4     /* of one user to polkit */
#define SESSION BUS_PATH_SESSION "/_1"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(limits, .init = setup, .fini = teardown, .timeout = 120);

/* What the clients of a user do: a call each, many times. */
typedef struct Crowd {
        uid_t uid;
        unsigned n_clients;
        const char *path, *interface, *method, *text;
        unsigned n_calls;               /* of each client */
        unsigned n_hold;                /* how many of them stay without an answer until the others have theirs */
} Crowd;

typedef struct Tally {
        unsigned n_done, n_refused, n_other;
        char other[128];
} Tally;

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Tally *t = userdata;

        if (!e)
                t->n_done++;
        else if (streq(e->name, SD_BUS_ERROR_LIMITS_EXCEEDED) || streq(e->name, BUS_ERROR_PREFIX "MarkRefused") ||
                 streq(e->name, BUS_ERROR_PREFIX "AlreadyRunning"))
                t->n_refused++;
        else {
                t->n_other++;
                (void) snprintf(t->other, sizeof t->other, "%s", e->name);
        }
        return 0;
}

_noreturn_ static void be_crowd(const char *address, const Crowd *c, int out_fd) {
        unsigned n = c->n_clients * c->n_calls, n_begun = 0;
        sd_bus *clients[CLIENTS] = {};
        sd_event *event = NULL;
        Tally t = {};
        bool told = false;

        if (!become_user(c->uid) || sd_event_new(&event) < 0)
                _exit(EXIT_FAILURE);
        for (size_t i = 0; i < c->n_clients; i++)
                if (sd_bus_new(clients + i) < 0 || sd_bus_set_address(clients[i], address) < 0 ||
                    sd_bus_set_bus_client(clients[i], true) < 0 || sd_bus_start(clients[i]) < 0 ||
                    sd_bus_attach_event(clients[i], event, 0) < 0)
                        _exit(EXIT_FAILURE);
        while (t.n_done + t.n_refused + t.n_other < n) {
                /* Not more at a time than dbus-daemon allows. */
                while (n_begun < n && n_begun - t.n_done - t.n_refused - t.n_other < 10 * c->n_clients) {
                        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                        sd_bus *client = clients[n_begun++ % c->n_clients];

                        if (sd_bus_message_new_method_call(client, &m, BUS_NAME, c->path, c->interface, c->method) < 0 ||
                            (c->text && sd_bus_message_append(m, "s", c->text) < 0) || sd_bus_message_append(m, "a{sv}", 0) < 0 ||
                            sd_bus_message_set_allow_interactive_authorization(m, true) < 0 ||
                            sd_bus_call_async(client, NULL, m, on_reply, &t, UINT64_MAX) < 0)
                                _exit(EXIT_FAILURE);
                }
                if (sd_event_run(event, UINT64_MAX) < 0)
                        _exit(EXIT_FAILURE);
                if (!told && t.n_done + t.n_refused + t.n_other >= n - c->n_hold) {
                        dprintf(out_fd, "%u done %u refused %u other %s\n", t.n_done, t.n_refused, t.n_other, t.other);
                        told = true;
                }
        }
        dprintf(out_fd, "%u done %u refused %u other %s\n", t.n_done, t.n_refused, t.n_other, t.other);
        _exit(EXIT_SUCCESS);
}

static pid_t crowd_begin(Fixture *f, const Crowd *c, FILE **ret) {
        int fds[2];
        pid_t pid;

        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                be_crowd(f->address, c, fds[1]);
        }
        safe_close(fds[1]);
        *ret = fdopen(fds[0], "re");
        cr_assert_not_null(*ret);
        return pid;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        *(bool *) userdata = true;
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* The next line of what it tells; polkit answers meanwhile. */
static void expect_line(Fixture *f, FILE *in, const char *expected) {
        sd_event_source *source = NULL;
        char line[256] = "";
        bool ready = false;

        cr_assert_geq(sd_event_add_io(f->event, &source, fileno(in), EPOLLIN | EPOLLHUP, on_readable, &ready), 0);
        wait_until(f, ready);
        sd_event_source_unref(source);
        (void) fgets(line, sizeof line, in);
        cr_assert(startswith(line, expected), "\"%s\" instead of \"%s\"", line, expected);
}

static void crowd_end(pid_t pid, FILE *in) {
        int status;

        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert_eq(status, 0);
        (void) fclose(in);
}

/* NOBODY begins it, and so may mark and stop it. */
static void begin(Fixture *f) {
        const Crowd one = { NOBODY, CLIENTS, BUS_PATH, BUS_INTERFACE_MANAGER, "Start", NULL, 1, 0 };
        FILE *in;
        pid_t pid;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        daemon_start(f);
        fixture_be_polkit(f);
        /* The limit of questions is met as well: of those who ask all at once, some get to the start. */
        pid = crowd_begin(f, &one, &in);
        expect_line(f, in, "1 done 199 refused 0 other");
        expect_line(f, in, "1 done 199 refused 0 other");
        crowd_end(pid, in);
        assert_session(f, SESSION, "State", "capturing");
        cr_assert_eq(get_number(f, SESSION, BUS_INTERFACE_SESSION, "Owner"), NOBODY);
}

/* Copies of the session that is there, which have that owner. */
static void copy_sessions(Fixture *f, unsigned first, unsigned last, uid_t owner) {
        const char *root = f->machine.tree.root;

        free(tool_output("cd %s/state/sessions && sed 's/\"owner_uid\":[0-9]*/\"owner_uid\":%u/' 1/session.json >%s/session.json && "
                         "for i in $(seq %u %u); do mkdir -p $i/log && cp %s/session.json $i/; done && echo %u >last-id",
                        root, owner, root, first, last, root, last));
}

static const char *result_as(Fixture *f, uid_t uid, const char *method) {
        static char name[128];
        int fds[2];
        ssize_t n;
        pid_t pid;

        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                sd_bus *connection = connect_as(uid, f->address);
                sd_bus_error e = SD_BUS_ERROR_NULL;

                if (!connection)
                        _exit(EXIT_FAILURE);
                (void) sd_bus_call_method(connection, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, method, &e, NULL, "a{sv}", 0);
                dprintf(fds[1], "%s", e.name ? startswith(e.name, BUS_ERROR_PREFIX) ?: e.name : "none");
                _exit(EXIT_SUCCESS);
        }
        safe_close(fds[1]);
        wait_for_child(f, pid);
        n = read(fds[0], name, sizeof name - 1);
        cr_assert_gt(n, 0);
        name[n] = 0;
        safe_close(fds[0]);
        return name;
}

static void stop_and_remove(Fixture *f, const char *session) {
        session_stop(f);
        wait_for_session(f, session, "sealed");
        machine_list_clocks(&f->machine);
        expect_ok(session_call(f, session, "Remove", "a{sv}", 0));
}

Test(limits, sessions) {
        Fixture *f = &fixture;
        const struct rlimit files = { 4096, 4096 };     /* as the unit has it */

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
        daemon_start(f);
        fixture_be_polkit(f);
        cr_assert_str_eq(result_as(f, NOBODY, "Start"), "none");
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        machine_list_clocks(&f->machine);
        daemon_stop(f);

        /* One user has as many as there may be of one: neither others nor root are in the way of that. */
        copy_sessions(f, 2, 100, NOBODY);
        daemon_start(f);
        cr_assert_str_eq(result_as(f, NOBODY, "Start"), "TooMany");
        assert_manager(f, "State", "idle");
        cr_assert_str_eq(result_as(f, OTHER, "Start"), "none");
        stop_and_remove(f, BUS_PATH_SESSION "/_101");
        cr_assert_str_eq(result_as(f, 0, "Start"), "none");
        stop_and_remove(f, BUS_PATH_SESSION "/_102");
        expect_ok(session_call(f, BUS_PATH_SESSION "/_50", "Remove", "a{sv}", 0));
        cr_assert_str_eq(result_as(f, NOBODY, "Start"), "none");
        stop_and_remove(f, BUS_PATH_SESSION "/_103");
        daemon_stop(f);

        /* All of them together have as many as there may be: root still has room, up to the last. */
        copy_sessions(f, 101, 991, 2);
        daemon_start(f);
        cr_assert_str_eq(result_as(f, OTHER, "Start"), "TooMany");
        cr_assert_str_eq(result_as(f, 0, "Start"), "none");
        stop_and_remove(f, BUS_PATH_SESSION "/_992");
        daemon_stop(f);
        copy_sessions(f, 992, 1001, 2);
        daemon_start(f);
        cr_assert_str_eq(result_as(f, 0, "Start"), "TooMany");
        daemon_stop(f);
}

Test(limits, one_session_for_all) {
        begin(&fixture);
        session_stop(&fixture);
}

Test(limits, calls_that_wait) {
        const Crowd crowd = { NOBODY, CLIENTS, SESSION, BUS_INTERFACE_SESSION, "Stop", NULL, 1, WAITING };
        Fixture *f = &fixture;
        Call *stop;
        FILE *in;
        pid_t pid;

        begin(f);
        machine_block(&f->machine, "tracing/trace_clock");
        pid = crowd_begin(f, &crowd, &in);
        expect_line(f, in, "0 done 184 refused 0 other");
        /* Root's call is one of those that wait, and everything else is answered. */
        stop = call_begin(f, SESSION, BUS_INTERFACE_SESSION, "Stop", "a{sv}", 0);
        wait_for_session(f, SESSION, "restoring");
        strv_free(list_sessions(f));
        cr_assert_null(stop->reply);
        machine_release(&f->machine, "tracing/trace_clock", "[local] mono\n");
        expect_ok(call_end(f, stop));
        expect_line(f, in, "16 done 184 refused 0 other");
        crowd_end(pid, in);
}

Test(limits, marks) {
        const Crowd crowd = { NOBODY, CLIENTS, SESSION, BUS_INTERFACE_SESSION, "Mark", "flood", 60, 2000 };
        _cleanup_free_ char *n_marks = NULL;
        Fixture *f = &fixture;
        FILE *in;
        pid_t pid;

        begin(f);
        pid = crowd_begin(f, &crowd, &in);
        /* Nearly all of them are done, and some are still on their way. */
        expect_line(f, in, "");
        assert_session(f, SESSION, "State", "capturing");
        expect_line(f, in, "10000 done 2000 refused 0 other");
        crowd_end(pid, in);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        free(fixture_unpack(f, SESSION));
        /* Those at the end, too, which are written now and then only. */
        n_marks = tool_output("grep -o \"flood\" %s/unpacked/metadata.json | wc -l", f->machine.tree.root);
        cr_assert_str_eq(n_marks, "10000\n");
}

Test(limits, questions_to_polkit) {
        const Crowd crowd = { NOBODY, CLIENTS, BUS_PATH, BUS_INTERFACE_MANAGER, "Disarm", NULL, 1, QUESTIONS };
        Fixture *f = &fixture;
        size_t n = 0;
        FILE *in;
        pid_t pid;

        begin(f);
        strv_free(f->polkit_calls);
        f->polkit_calls = NULL;
        f->polkit_answer = POLKIT_NOTHING;
        pid = crowd_begin(f, &crowd, &in);
        expect_line(f, in, "0 done 196 refused 0 other");
        STRV_FOREACH(question, f->polkit_calls)
                n++;
        cr_assert_eq(n, QUESTIONS);
        session_stop(f);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        (void) fclose(in);
}

/* While somebody looks for the password, the session ends, and another one begins: the yes was not for that. */
Test(limits, answer_is_for_what_was_asked) {
        const Crowd crowd = { NOBODY, 1, BUS_PATH, BUS_INTERFACE_MANAGER, "Stop", NULL, 1, 0 };
        Fixture *f = &fixture;
        FILE *in;
        pid_t pid;

        begin(f);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
        strv_free(f->polkit_calls);
        f->polkit_calls = NULL;
        f->polkit_answer = POLKIT_NOTHING;
        pid = crowd_begin(f, &crowd, &in);
        wait_until(f, f->n_polkit_held == 1);
        cr_assert(strv_contains(f->polkit_details, "session=2"));
        session_stop(f);
        wait_for_session(f, BUS_PATH_SESSION "/_2", "sealed");
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
        polkit_permit_held(f);
        /* It is asked again. */
        wait_until(f, f->n_polkit_held == 1);
        cr_assert(strv_contains(f->polkit_details, "session=3"));
        assert_session(f, BUS_PATH_SESSION "/_3", "State", "capturing");
        polkit_permit_held(f);
        expect_line(f, in, "1 done 0 refused 0 other");
        crowd_end(pid, in);
        wait_for_session(f, BUS_PATH_SESSION "/_3", "sealed");
}

#define USERS 10        /* of the uids from 1 on, which every system has */

static void crowds_begin(Fixture *f, Crowd crowd, pid_t *pids, FILE **in) {
        for (size_t i = 0; i < USERS; i++) {
                crowd.uid = 1 + (uid_t) i;
                pids[i] = crowd_begin(f, &crowd, in + i);
        }
}

/* Ten users with twenty clients each: the crowd of one is not at the expense of another. */
Test(limits, questions_of_many_users) {
        const Crowd crowd = { 0, CLIENTS / USERS, BUS_PATH, BUS_INTERFACE_MANAGER, "Disarm", NULL, 1, QUESTIONS };
        Fixture *f = &fixture;
        pid_t pids[USERS];
        FILE *in[USERS];
        size_t n = 0;

        begin(f);
        strv_free(f->polkit_calls);
        f->polkit_calls = NULL;
        f->polkit_answer = POLKIT_NOTHING;
        crowds_begin(f, crowd, pids, in);
        for (size_t i = 0; i < USERS; i++)
                expect_line(f, in[i], "0 done 16 refused 0 other");
        STRV_FOREACH(question, f->polkit_calls)
                n++;
        cr_assert_eq(n, USERS * QUESTIONS);
        /* Root is not asked for, and the owner of the session neither. */
        assert_error(manager_call(f, "Disarm", "a{sv}", 0), "NotRunning");
        cr_assert_str_eq(result_as(f, NOBODY, "Stop"), "none");
        for (size_t i = 0; i < USERS; i++) {
                cr_assert_eq(kill(pids[i], SIGKILL), 0);
                cr_assert_eq(waitpid(pids[i], NULL, 0), pids[i]);
                (void) fclose(in[i]);
        }
}

/* The owner's two hundred clients, and four of each of ten others: all of those have their answer, and root has. */
Test(limits, calls_that_wait_of_many_users) {
        const Crowd crowd = { NOBODY, CLIENTS, SESSION, BUS_INTERFACE_SESSION, "Stop", NULL, 1, WAITING },
                    small = { 0, QUESTIONS, SESSION, BUS_INTERFACE_SESSION, "Stop", NULL, 1, QUESTIONS };
        Fixture *f = &fixture;
        pid_t pid, pids[USERS];
        FILE *in_one, *in[USERS];
        Call *stop;

        begin(f);
        machine_block(&f->machine, "tracing/trace_clock");
        pid = crowd_begin(f, &crowd, &in_one);
        expect_line(f, in_one, "0 done 184 refused 0 other");
        strv_free(f->polkit_calls);
        f->polkit_calls = NULL;
        crowds_begin(f, small, pids, in);
        wait_until(f, strv_length(f->polkit_calls) == USERS * QUESTIONS);
        /* Behind the answers, by the way that they take. */
        cr_assert_geq(sd_bus_call_method(f->polkit, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL), 0);
        stop = call_begin(f, SESSION, BUS_INTERFACE_SESSION, "Stop", "a{sv}", 0);
        strv_free(list_sessions(f));
        cr_assert_null(stop->reply);
        machine_release(&f->machine, "tracing/trace_clock", "[local] mono\n");
        expect_ok(call_end(f, stop));
        for (size_t i = 0; i < USERS; i++) {
                expect_line(f, in[i], "0 done 0 refused 0 other");
                expect_line(f, in[i], "4 done 0 refused 0 other");
                crowd_end(pids[i], in[i]);
        }
        expect_line(f, in_one, "16 done 184 refused 0 other");
        crowd_end(pid, in_one);
}

/* Two users have all the checks that users may have at a time: a third has to wait, and root has not. */
Test(limits, checks) {
        _cleanup_free_ char *path = below(fixture.machine.tree.root, "tracing/available_tracers");
        Fixture *f = &fixture;
        pid_t pids[2];
        FILE *in[2];
        Call *check;
        int fd;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        daemon_start(f);
        fixture_be_polkit(f);
        machine_block(&f->machine, "tracing/available_tracers");
        for (uid_t i = 0; i < ELEMENTS(pids); i++) {
                const Crowd crowd = { 1 + i, 4, BUS_PATH, BUS_INTERFACE_MANAGER, "Check", NULL, 1, 2 };

                pids[i] = crowd_begin(f, &crowd, in + i);
                expect_line(f, in[i], "0 done 2 refused 0 other");
        }
        /* Whoever reads it waits for more until the other end is closed, of which the crowds have no copy. */
        fd = open(path, O_RDWR | O_CLOEXEC);
        cr_assert_geq(fd, 0);
        cr_assert_str_eq(result_as(f, 3, "Check"), SD_BUS_ERROR_LIMITS_EXCEEDED);
        check = call_begin(f, BUS_PATH, BUS_INTERFACE_MANAGER, "Check", "a{sv}", 0);
        strv_free(list_sessions(f));
        cr_assert_null(check->reply);
        fake_file(&f->machine.tree, "tracing/available_tracers", "nop mmiotrace\n");
        safe_close(fd);
        expect_ok(call_end(f, check));
        for (size_t i = 0; i < ELEMENTS(pids); i++) {
                expect_line(f, in[i], "2 done 2 refused 0 other");
                crowd_end(pids[i], in[i]);
        }
        daemon_stop(f);
}
