/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Submissions, with an upload program that does as the test says. What the real one does, tests/upload/ shows. */

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl.h"
#include "users.h"

#define JOB BUS_PATH_JOB "/_2"  /* the one after the seal */
#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static Fixture fixture;
static pid_t socket_pid;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        if (socket_pid > 0)
                (void) kill(-socket_pid, SIGKILL);
        fixture_done(&fixture);
}

TestSuite(submit, .init = setup, .fini = teardown, .timeout = 60);

/* Listens as systemd would, and starts the program for each connection. */
static void listen_with(Fixture *f, const char *program) {
        _cleanup_free_ char *path = below(f->machine.tree.root, "upload.socket");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;

        if (socket_pid > 0) {
                (void) kill(-socket_pid, SIGKILL);
                cr_assert_eq(waitpid(socket_pid, NULL, 0), socket_pid);
        }
        (void) unlink(path);
        socket_pid = program_start((char *[]) { (char *) "systemd-socket-activate", (char *) "--accept", (char *) "--seqpacket",
                        (char *) "--inetd", (char *) "-l", path, (char *) program, NULL });
        (void) snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        /* It is there before it listens. A connection that sends nothing is one that the program ends by itself. */
        while (access(path, F_OK) < 0) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                (void) poll(NULL, 0, 10);
        }
}

/* The program is a shell script, in the folder of the machine, after it has put what it got into job.1, job.2, … */
static void upload_does(Fixture *f, const char *script) {
        _cleanup_free_ char *text = NULL, *path = below(f->machine.tree.root, "upload");

        cr_assert(asprintf(&text,
                                  "#!/bin/sh\ncd %s\nn=$(($(cat count) + 1))\necho $n >count\n"
                                  "dd bs=131072 count=1 of=job.$n 2>/dev/null\n%s\n",
                                  f->machine.tree.root, script) > 0);
        fake_file(&f->machine.tree, "upload", text);
        cr_assert_eq(chmod(path, 0755), 0);
        if (!machine_has(&f->machine, "count"))
                fake_file(&f->machine.tree, "count", "0\n");
        if (socket_pid == 0)
                listen_with(f, path);
}

static void configure(Fixture *f, const char *more) {
        _cleanup_free_ char *text = NULL;

        cr_assert(asprintf(&text,
                                  "[Submit]\nAttempts=3\nRetrySec=100ms\nRetryMaxSec=1s\n"
                                  "[Target lab]\nURL=https://traces.example/{vendor}/{driver}/{archive}?key=secret\n%s",
                                  more) > 0);
        fake_file(&f->machine.tree, "mmiotraced.conf", text);
}

/* A session that is sealed. */
static char *seal_one(Fixture *f) {
        char *session;

        machine_list_clocks(&f->machine);
        session = expect_path(session_start(f, 0));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, session, "sealed");
        return session;
}

#define submit(f, session, ...) expect_path(manager_call(f, "Submit", "oa{sv}", session, __VA_ARGS__))

static void wait_for_end(Fixture *f, const char *job, const char *result) {
        _cleanup_free_ char *signal = NULL;

        cr_assert(asprintf(&signal, "JobRemoved %s %s", job, result) > 0);
        wait_until(f, strv_contains(f->signals, signal));
}

static bool session_has(Fixture *f, const char *session, const char *text) {
        _cleanup_free_ char *all = get_all(f, session, BUS_INTERFACE_SESSION);

        return strstr(all, text);
}

#define assert_has(f, session, text) cr_assert(session_has(f, session, text), "%s", text)

#define SUCCEED "echo BYTES=1; echo SHA256=" HASH "; echo RECEIPT=https://traces.example/8086/1.tar.xz"

Test(submit, done) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL, *sent = NULL, *before = NULL, *after = NULL, *targets = NULL;

        configure(f, "");
        upload_does(f, SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "ExportTimestamp"), 0);
        job = submit(f, session, 1, "target", "s", "lab");
        cr_assert_str_eq(job, JOB);
        wait_for_end(f, job, "done");
        cr_assert(strv_contains(f->signals, "JobNew " JOB));
        assert_has(f, session, "\"https://traces.example/8086/1.tar.xz\"");
        assert_has(f, session, "\"" HASH "\"");
        cr_assert_gt(get_number(f, session, BUS_INTERFACE_SESSION, "ExportTimestamp"), 0);
        assert_session(f, session, "SubmitError", "");

        /* What the program got: the address of this archive and what the archive says, but no name of a file. */
        sent = machine_read(&f->machine, "job.1");
        cr_assert(strstr(sent, "\"https:\\/\\/traces.example\\/none\\/all\\/mmiotrace-all-") && strstr(sent, ".tar.xz?key=secret\""),
                        "%s", sent);
        cr_assert(strstr(sent, "\"method\":\"put\"") && strstr(sent, "\"has_secret\":false"), "%s", sent);
        cr_assert(strstr(sent, "Session 1") || strstr(sent, "description\":\""), "%s", sent);

        /* Nobody is told what may open a door. */
        targets = get_all(f, BUS_PATH, BUS_INTERFACE_MANAGER);
        cr_assert(strstr(targets, "\"https://traces.example\"") && !strstr(targets, "secret"), "%s", targets);

        before = get_all(f, session, BUS_INTERFACE_SESSION);
        daemon_stop(f);
        daemon_start(f);
        after = get_all(f, session, BUS_INTERFACE_SESSION);
        cr_assert_str_eq(after, before);
        daemon_stop(f);
}

/* Without a name it goes to the only target; and again, as often as one likes. */
Test(submit, again) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        configure(f, "");
        upload_does(f, SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        for (unsigned i = 2; i < 5; i++) {
                _cleanup_free_ char *job = submit(f, session, 0), *expected = NULL;

                cr_assert(asprintf(&expected, BUS_PATH_JOB "/_%u", i) > 0);
                cr_assert_str_eq(job, expected);
                wait_for_end(f, job, "done");
        }
        daemon_stop(f);
}

Test(submit, refused_requests) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *before = NULL, *text = NULL;

        configure(f, "[Target mail]\nURL=smtps://mail.example\nFrom=a@b.example\nTo=c@d.example\n");
        upload_does(f, SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        before = get_all(f, session, BUS_INTERFACE_SESSION);
        text = expect_error(manager_call(f, "Submit", "oa{sv}", session, 0), "NoSuchTarget");
        cr_assert(strstr(text, "lab"), "%s", text);
        assert_error(manager_call(f, "Submit", "oa{sv}", session, 1, "target", "s", "elsewhere"), "NoSuchTarget");
        assert_error(manager_call(f, "Submit", "oa{sv}", BUS_PATH_SESSION "/_9", 1, "target", "s", "lab"), "NoSuchSession");
        assert_error(manager_call(f, "Submit", "oa{sv}", BUS_PATH, 1, "target", "s", "lab"), "NoSuchSession");
        assert_error(manager_call(f, "Submit", "oa{sv}", session, 1, "colour", "s", "red"), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(manager_call(f, "Submit", "oa{sv}", session, 1, "target", "b", true), SD_BUS_ERROR_INVALID_ARGS);
        assert_error(manager_call(f, "Submit", "oa{sv}", session, 2, "target", "s", "lab", "url", "s", "https://a.example/"),
                        SD_BUS_ERROR_INVALID_ARGS);
        for (size_t i = 0; i < 6; i++) {
                static const char *const urls[] = {
                        "http://a.example/", "smtp://a.example", "file:///etc/", "https://me:secret@a.example/",
                        "https://a.example/{what}", "https://a.example/\n",
                };

                assert_error(manager_call(f, "Submit", "oa{sv}", session, 1, "url", "s", urls[i]), SD_BUS_ERROR_INVALID_ARGS);
        }
        text = (free(text), get_all(f, session, BUS_INTERFACE_SESSION));
        cr_assert_str_eq(text, before);

        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
        assert_error(manager_call(f, "Submit", "oa{sv}", BUS_PATH_SESSION "/_2", 1, "target", "s", "lab"), "NoArchive");
        session_stop(f);
        cr_assert_not(machine_has(&f->machine, "job.1"));
        daemon_stop(f);
}

/* All of an address is for who may submit. */
Test(submit, addresses_of_targets) {
        static const char *const expected[][3] = {
                { "lab", "put", "https://traces.example/{vendor}/{driver}/{archive}" },
                { "mail", "mail", "c@d.example, e@f.example, g@d.example" },
        };
        _cleanup_free_ char *targets = NULL;
        Fixture *f = &fixture;

        configure(f, "[Target mail]\nURL=smtps://mail.example\nFrom=a@b.example\nTo=c@d.example, e@f.example, g@d.example\n");
        daemon_start(f);
        targets = get_all(f, BUS_PATH, BUS_INTERFACE_MANAGER);
        cr_assert(strstr(targets, "\"https://traces.example\"") && strstr(targets, "\"d.example, f.example\""), "%s", targets);
        cr_assert(!strstr(targets, "archive}") && !strstr(targets, "c@"), "%s", targets);
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = manager_call(f, "GetTarget", "sa{sv}", expected[i][0], 0);
                const char *method, *address;

                cr_assert_gt(sd_bus_message_read(reply, "ss", &method, &address), 0);
                cr_assert_str_eq(method, expected[i][1]);
                cr_assert_str_eq(address, expected[i][2]);
        }
        assert_error(manager_call(f, "GetTarget", "sa{sv}", "elsewhere", 0), "NoSuchTarget");
        daemon_stop(f);
}

Test(submit, no_target) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        daemon_start(f);
        session = seal_one(f);
        assert_error(manager_call(f, "Submit", "oa{sv}", session, 0), "NoSuchTarget");
        daemon_stop(f);
}

/* What passes is tried again, each time as the same submission. */
Test(submit, failures_that_pass) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL, *waiting = NULL, *first = NULL, *third = NULL;
        const char *id;

        configure(f, "");
        upload_does(f, "[ $n = 3 ] || { echo ERROR=SubmitFailed the server is down; exit 1; }; " SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_for_end(f, job, "done");
        cr_assert(asprintf(&waiting, "State %s waiting", job) > 0);
        cr_assert(strv_contains(f->signals, waiting));
        cr_assert_not(session_has(f, session, "the server is down"));
        first = machine_read(&f->machine, "job.1");
        third = machine_read(&f->machine, "job.3");
        id = strstr(first, "\"id\":\"");
        cr_assert(id && strncmp(id, strstr(third, "\"id\":\""), 40) == 0);
        daemon_stop(f);
}

Test(submit, gives_up) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL, *text = NULL;

        configure(f, "");
        upload_does(f, "exit 1");
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_for_end(f, job, "failed");
        text = get_string(f, session, BUS_INTERFACE_SESSION, "SubmitError");
        cr_assert(strstr(text, "3 attempts") && strstr(text, "mmiotraced-upload@"), "%s", text);
        cr_assert(machine_has(&f->machine, "job.3") && !machine_has(&f->machine, "job.4"));
        /* The archive is as it was, and can be sent. */
        upload_does(f, SUCCEED);
        free(job);
        job = submit(f, session, 0);
        wait_for_end(f, job, "done");
        assert_session(f, session, "SubmitError", "");
        daemon_stop(f);
}

Test(submit, refusals_are_final) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL;

        configure(f, "");
        upload_does(f, "echo ERROR=SubmitRefused it is too large; exit 1");
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_for_end(f, job, "failed");
        assert_session(f, session, "SubmitError", "it is too large");
        cr_assert_not(machine_has(&f->machine, "job.2"));
        daemon_stop(f);

        daemon_start(f);
        assert_session(f, session, "SubmitError", "it is too large");
        daemon_stop(f);
}

/* What the program says comes from a process that talks to strangers. */
Test(submit, junk_from_the_program) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL;

        configure(f, "");
        upload_does(f, "case $n in 1) echo no line of ours ;; 2) printf 'RECEIPT=a\\033[2Jb\\n' ;; 3) " SUCCEED
                       "; echo EVENTS=77; echo STATE=failed ;; esac");
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_for_end(f, job, "done");
        assert_session(f, session, "State", "sealed");
        cr_assert_eq(get_number(f, session, BUS_INTERFACE_SESSION, "Events"), SAMPLE_EVENTS);
        daemon_stop(f);
}

/* The server's wish counts for more than the configuration's, but not for more than its limit. */
Test(submit, server_asks_for_a_pause) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL;

        fake_file(&f->machine.tree, "mmiotraced.conf",
                        "[Submit]\nRetrySec=1\nRetryMaxSec=1000\n[Target lab]\nURL=https://traces.example/\n");
        upload_does(f, "echo RETRY_AFTER=900; echo ERROR=SubmitFailed busy; exit 1");
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_until(f, session_has(f, session, "busy"));
        expect_ok(call(f, job, BUS_INTERFACE_JOB, "Cancel", "a{sv}", 0));
        wait_for_end(f, job, "cancelled");
        cr_assert_not(machine_has(&f->machine, "job.2"));
        daemon_stop(f);
}

/* daemon and nobody. Root has the session. */
#define SUBMITTER 1
#define OTHER 65534

static void submit_as(Fixture *f, uid_t uid, const char *session, const char *key, const char *value) {
        pid_t pid = fork();

        cr_assert_geq(pid, 0);
        if (pid == 0) {
                sd_bus *connection = connect_as(uid, f->address);

                _exit(connection && sd_bus_call_method(connection, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Submit", NULL, NULL,
                                                     "oa{sv}", session, 1, key, "s", value) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        wait_for_child(f, pid);
}

/* Whose it is, and root, see all of it; others that there is something. */
static void assert_shown(Fixture *f, const char *session, const char *secret, const char *public) {
        static const char *const ways[] = { "GetAll", "GetManagedObjects" };

        for (size_t i = 0; i < ELEMENTS(ways); i++) {
                _cleanup_free_ char *root = see_as(f, 0, session, ways[i]), *submitter = see_as(f, SUBMITTER, session, ways[i]),
                                    *other = see_as(f, OTHER, session, ways[i]);

                cr_assert(strstr(root, secret), "%s is not in %s", secret, root);
                cr_assert(strstr(submitter, secret), "%s is not in %s", secret, submitter);
                cr_assert_not(strstr(other, secret), "%s is in %s", secret, other);
                cr_assert(strstr(other, public), "%s is not in %s", public, other);
        }
}

/* Who knows where a paste is has the trace: so that is not for everybody, nor told to everybody. */
Test(submit, receipts_are_not_for_everybody) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *heard = NULL;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        fake_file(&f->machine.tree, "mmiotraced.conf",
                        "[Submit]\nAttempts=2\nRetrySec=100ms\n[Target paste]\nURL=https://paste.example/new\nMethod=post\n");
        upload_does(f, "case $n in\n"
                       "1) echo SHA256=" HASH "; echo RECEIPT=https://paste.example/secret-paste ;;\n"
                       "2) echo ERROR=SubmitRefused secret-answer; exit 1 ;;\n"
                       "3) echo ERROR=SubmitFailed secret-reason; exit 1 ;;\n"
                       "4) cat >/dev/null ;;\nesac");
        daemon_start(f);
        fixture_be_polkit(f);
        session = seal_one(f);
        hear_begin(f);
        submit_as(f, SUBMITTER, session, "target", "paste");
        wait_for_end(f, BUS_PATH_JOB "/_2", "done");
        assert_shown(f, session, "secret-paste", "\"paste\"");
        assert_shown(f, session, HASH, "\"paste\"");

        submit_as(f, SUBMITTER, session, "target", "paste");
        wait_for_end(f, BUS_PATH_JOB "/_3", "failed");
        assert_shown(f, session, "secret-answer", "\"SubmitError\"");
        daemon_stop(f);
        daemon_start(f);
        assert_shown(f, session, "secret-paste", "\"paste\"");
        assert_shown(f, session, "secret-answer", "\"SubmitError\"");

        submit_as(f, SUBMITTER, session, "url", "https://drop.example/secret-drop/");
        wait_until(f, session_has(f, session, "secret-reason"));
        assert_shown(f, session, "secret-reason", "\"https://drop.example\"");
        assert_shown(f, session, "secret-drop", "\"https://drop.example\"");
        heard = hear_end(f);
        cr_assert(strstr(heard, "\"done\"") && strstr(heard, "\"Receipts\""), "%s", heard);
        cr_assert_not(strstr(heard, "secret"), "%s", heard);
        daemon_stop(f);
}

/* Runs until nobody listens, and says so. */
#define HOLD_ON "echo BYTES=100; cat >/dev/null; echo $n >left"

static void wait_for_progress(Fixture *f, const char *job) {
        wait_until(f, get_number(f, job, BUS_INTERFACE_JOB, "BytesDone") == 100);
}

static void wait_for_file(Fixture *f, const char *path) {
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;

        while (!machine_has(&f->machine, path)) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec, "%s", path);
                (void) poll(NULL, 0, 10);
        }
}

Test(submit, cancel) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL;

        configure(f, "");
        upload_does(f, HOLD_ON);
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_for_progress(f, job);
        assert_string(f, job, BUS_INTERFACE_JOB, "Type", "submit");
        assert_string(f, job, BUS_INTERFACE_JOB, "State", "running");
        assert_string(f, job, BUS_INTERFACE_JOB, "Session", session);
        cr_assert_eq(get_number(f, job, BUS_INTERFACE_JOB, "BytesTotal"),
                        get_number(f, session, BUS_INTERFACE_SESSION, "BytesArchive"));
        /* What is being sent stays. */
        assert_error(manager_call(f, "Submit", "oa{sv}", session, 0), "WrongState");
        assert_error(session_call(f, session, "Remove", "a{sv}", 0), "WrongState");

        expect_ok(call(f, job, BUS_INTERFACE_JOB, "Cancel", "a{sv}", 0));
        wait_for_end(f, job, "cancelled");
        wait_for_file(f, "left");
        assert_session(f, session, "SubmitError", "");
        cr_assert_not(session_has(f, session, "\"running\""));
        daemon_stop(f);

        /* Cancelled is cancelled. */
        daemon_start(f);
        assert_session(f, session, "State", "sealed");
        expect_ok(session_call(f, session, "Remove", "a{sv}", 0));
        cr_assert_not(machine_has(&f->machine, "job.2"));
        daemon_stop(f);
}

Test(submit, seal_cannot_be_cancelled) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *stuck = below(f->machine.tree.root, "stuck");

        fake_file(&f->machine.tree, "stuck", "#!/bin/sh\nexec tail -f /dev/null\n");
        cr_assert_eq(chmod(stuck, 0755), 0);
        f->seal_program = stuck;
        daemon_start(f);
        session = expect_path(session_start(f, 0));
        session_stop(f);
        wait_for_session(f, session, "sealing");
        assert_error(call(f, BUS_PATH_JOB "/_1", BUS_INTERFACE_JOB, "Cancel", "a{sv}", 0), "WrongState");
        daemon_stop(f);
}

static void assert_outlives(Fixture *f, bool killed) {
        _cleanup_free_ char *session = NULL, *job = NULL, *first = NULL, *second = NULL;
        const char *id;

        configure(f, "");
        upload_does(f, HOLD_ON);
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_for_progress(f, job);
        /* A stop does not wait for uploads. */
        if (killed)
                daemon_kill(f, true);
        else
                daemon_stop(f);
        wait_for_file(f, "left");

        /* Jobs are counted anew, and the first one was the seal. */
        strv_free(f->signals);
        f->signals = NULL;
        upload_does(f, SUCCEED);
        daemon_start(f);
        wait_for_end(f, BUS_PATH_JOB "/_1", "done");
        assert_has(f, session, "\"https://traces.example/8086/1.tar.xz\"");
        first = machine_read(&f->machine, "job.1");
        second = machine_read(&f->machine, "job.2");
        id = strstr(first, "\"id\":\"");
        cr_assert(id && strncmp(id, strstr(second, "\"id\":\""), 40) == 0);
        daemon_stop(f);
}

Test(submit, outlives_death_of_daemon) {
        assert_outlives(&fixture, true);
}

Test(submit, outlives_stop_of_daemon) {
        assert_outlives(&fixture, false);
}

Test(submit, target_is_gone_after_restart) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL;

        configure(f, "");
        upload_does(f, HOLD_ON);
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_for_progress(f, job);
        daemon_stop(f);
        fake_file(&f->machine.tree, "mmiotraced.conf", "");
        daemon_start(f);
        wait_for_end(f, BUS_PATH_JOB "/_1", "failed");
        cr_assert(session_has(f, session, "no longer in the configuration"));
        daemon_stop(f);
}

/* The network may be what is traced, and there is one CPU. */
Test(submit, waits_for_the_capture) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *other = NULL, *job = NULL;

        configure(f, "");
        upload_does(f, SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        machine_list_clocks(&f->machine);
        other = expect_path(session_start(f, 0));
        job = submit(f, session, 0);
        assert_string(f, job, BUS_INTERFACE_JOB, "State", "waiting");
        expect_ok(manager_call(f, "Mark", "sa{sv}", "meanwhile", 0));
        cr_assert_not(machine_has(&f->machine, "job.1"));
        session_stop(f);
        wait_for_end(f, job, "done");
        daemon_stop(f);
}

Test(submit, limit_for_each_caller) {
        Fixture *f = &fixture;
        char *sessions[5];

        configure(f, "");
        upload_does(f, HOLD_ON);
        daemon_start(f);
        for (size_t i = 0; i < ELEMENTS(sessions); i++)
                sessions[i] = seal_one(f);
        for (size_t i = 0; i < ELEMENTS(sessions) - 1; i++)
                free(submit(f, sessions[i], 0));
        assert_error(manager_call(f, "Submit", "oa{sv}", sessions[4], 0), "TooMany");
        daemon_stop(f);
        for (size_t i = 0; i < ELEMENTS(sessions); i++)
                free(sessions[i]);
}

/* A secret that others can read is not used, and none comes to light. */
Test(submit, secret) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL, *path = below(f->machine.tree.root, "secret"), *more = NULL, *text = NULL;

        cr_assert(asprintf(&more, "[Target locked]\nURL=https://traces.example/\nSecretFile=%s\n", path) > 0);
        configure(f, more);
        fake_file(&f->machine.tree, "secret", "open-sesame\n");
        cr_assert_eq(chmod(path, 0644), 0);
        upload_does(f, "cat <&3 >/dev/null 2>&1; " SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 1, "target", "s", "locked");
        wait_for_end(f, job, "failed");
        cr_assert(session_has(f, session, "mode 0600"));
        cr_assert_not(machine_has(&f->machine, "job.1"));

        cr_assert_eq(chmod(path, 0600), 0);
        free(job);
        job = submit(f, session, 1, "target", "s", "locked");
        wait_for_end(f, job, "done");
        text = machine_read(&f->machine, "job.1");
        cr_assert(strstr(text, "\"has_secret\":true") && !strstr(text, "sesame") && !strstr(text, path), "%s", text);
        text = (free(text), machine_read(&f->machine, "state/sessions/1/session.json"));
        cr_assert_not(strstr(text, "sesame"));
        daemon_stop(f);
}

/* An address that a caller names: by the program itself, which finds nobody there. */
Test(submit, address) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL;

        listen_with(f, UPLOAD_PROGRAM);
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 1, "url", "s", "https://localhost:1/in/trace.tar.xz?key=secret");
        wait_until(f, session_has(f, session, "localhost: "));
        assert_has(f, session, "\"https://localhost:1/in/trace.tar.xz\"");
        cr_assert_not(session_has(f, session, "secret"));
        expect_ok(call(f, job, BUS_INTERFACE_JOB, "Cancel", "a{sv}", 0));
        wait_for_end(f, job, "cancelled");
        daemon_stop(f);
}

/* The unit is not there: it is started by hand, and what was wished happens. */
Test(submit, no_unit) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *job = NULL;

        configure(f, "");
        daemon_start(f);
        session = seal_one(f);
        job = submit(f, session, 0);
        wait_until(f, session_has(f, session, "mmiotraced-upload.socket"));
        upload_does(f, SUCCEED);
        wait_for_end(f, job, "done");
        daemon_stop(f);
}

/* Sends only what somebody has agreed to. */
Test(submit, ctl_asks_first) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        configure(f, "");
        upload_does(f, SUCCEED);
        daemon_start(f);
        session = seal_one(f);

        _cleanup_ctl_ Ctl nobody = CTL(f, "submit", "1"), dry = CTL(f, "submit", "--dry-run");
        cr_assert_eq(nobody.status, 2);
        assert_contains(nobody.err, "--yes");
        cr_assert_eq(dry.status, 0, "%s", dry.err);
        assert_contains(dry.out, "lab: https://traces.example/{vendor}/{driver}/{archive}");
        assert_contains(dry.out, "mmiotrace-all-");
        assert_contains(dry.out, "metadata.json");
        assert_contains(dry.out, "mmiotrace.log");
        cr_assert_not(strstr(dry.out, "secret"));

        _cleanup_ctl_ Ctl no = CTL_BEGIN_ON_TERMINAL(f, "submit", "1");
        cr_assert_eq(write(no.terminal_fd, "n\n", 2), 2);
        ctl_end(&no);
        cr_assert_eq(no.status, 1);
        assert_contains(no.out, "Send it?");
        assert_contains(no.out, "Nothing was sent.");
        cr_assert_not(machine_has(&f->machine, "job.1"));

        _cleanup_ctl_ Ctl yes = CTL_BEGIN_ON_TERMINAL(f, "submit", "1");
        cr_assert_eq(write(yes.terminal_fd, "y\n", 2), 2);
        ctl_end(&yes);
        cr_assert_eq(yes.status, 0, "%s", yes.out);
        assert_contains(yes.out, "https://traces.example/8086/1.tar.xz");
        cr_assert(machine_has(&f->machine, "job.1"));
        daemon_stop(f);
}

Test(submit, ctl_shows_receipts) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        configure(f, "");
        upload_does(f, SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        _cleanup_ctl_ Ctl sent = CTL(f, "submit", "1", "--yes", "--json=short"), list = CTL(f, "list"), status = CTL(f, "status", "1"),
                          show = CTL(f, "show", "1"), json = CTL(f, "status", "1", "--json=short");
        cr_assert_eq(sent.status, 0, "%s", sent.err);
        assert_contains(sent.out, "\"state\":\"done\"");
        assert_contains(sent.out, "\"sha256\":\"" HASH "\"");
        assert_contains(list.out, "SENT");
        assert_contains(list.out, " lab ");
        assert_contains(status.out, "Submitted: ");
        assert_contains(status.out, "https://traces.example/8086/1.tar.xz");
        cr_assert_not(strstr(status.out, HASH));
        assert_contains(show.out, HASH);
        assert_contains(json.out, "\"receipts\":[{\"target\":\"lab\",\"where\":\"https://traces.example/8086/1.tar.xz\"");
        daemon_stop(f);
}

Test(submit, ctl_tells_failures) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        fake_file(&f->machine.tree, "mmiotraced.conf", "[Submit]\nRetrySec=1h\n[Target lab]\nURL=https://traces.example/\n");
        upload_does(f, "case $n in 1) echo ERROR=SubmitRefused it is too large ;; *) echo ERROR=SubmitFailed it is down ;; esac");
        daemon_start(f);
        session = seal_one(f);
        _cleanup_ctl_ Ctl refused = CTL(f, "submit", "-y"), list = CTL(f, "list"), delayed = CTL(f, "submit", "1", "-y"),
                          status = CTL(f, "status", "1"), again = CTL(f, "submit", "1", "-y"),
                          cancelled = CTL(f, "submit", "1", "--cancel"), nothing = CTL(f, "submit", "1", "--cancel"),
                          unknown = CTL(f, "submit", "1", "-y", "--to", "elsewhere");
        cr_assert_eq(refused.status, 1);
        assert_contains(refused.err, "it is too large");
        assert_contains(list.out, "failed");
        cr_assert_eq(delayed.status, 7);
        assert_contains(delayed.err, "it is down");
        assert_contains(delayed.err, "submit --cancel 1");
        assert_contains(status.out, "Submitting: to lab; attempt 2 in ");
        cr_assert_eq(again.status, 1);
        assert_contains(again.err, "already");
        cr_assert_eq(cancelled.status, 0, "%s", cancelled.err);
        cr_assert_eq(nothing.status, 1);
        cr_assert_eq(unknown.status, 1);
        assert_contains(unknown.err, "there are: lab");
        daemon_stop(f);
}

Test(submit, ctl_does_not_wait_with_no_block) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        configure(f, "");
        upload_does(f, HOLD_ON);
        daemon_start(f);
        session = seal_one(f);
        _cleanup_ctl_ Ctl begun = CTL(f, "submit", "1", "-y", "--no-block");
        cr_assert_eq(begun.status, 0, "%s", begun.err);
        wait_for_progress(f, JOB);
        daemon_stop(f);
}

Test(submit, ctl_waits_to_the_end) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        configure(f, "");
        upload_does(f, "[ $n = 3 ] || { echo ERROR=SubmitFailed the server is down; exit 1; }; " SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        _cleanup_ctl_ Ctl sent = CTL(f, "submit", "1", "-y", "--wait");
        cr_assert_eq(sent.status, 0, "%s", sent.err);
        assert_contains(sent.out, "is at lab: https://traces.example/8086/1.tar.xz");
        daemon_stop(f);
}

/* Who presses Ctrl-C does not want it to go out. */
Test(submit, ctl_interrupted) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        configure(f, "");
        upload_does(f, HOLD_ON);
        daemon_start(f);
        session = seal_one(f);
        _cleanup_ctl_ Ctl ctl = CTL_BEGIN_ON_TERMINAL(f, "submit", "1", "-y");
        wait_until(f, strv_contains(f->signals, "JobNew " JOB));
        wait_for_progress(f, JOB);
        cr_assert_eq(write(ctl.terminal_fd, "\003", 1), 1);
        ctl_end(&ctl);
        cr_assert_eq(ctl.status, 130, "%s", ctl.out);
        assert_contains(ctl.out, "cancelled");
        wait_for_end(f, JOB, "cancelled");
        wait_for_file(f, "left");
        daemon_stop(f);
}

Test(submit, ctl_several_targets) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL;

        configure(f, "[Target mail]\nURL=smtps://mail.example\nFrom=a@b.example\nTo=c@d.example\n");
        upload_does(f, SUCCEED);
        daemon_start(f);
        session = seal_one(f);
        _cleanup_ctl_ Ctl which = CTL(f, "submit", "-y"), mail = CTL(f, "submit", "-y", "--to", "mail");
        cr_assert_eq(which.status, 2);
        assert_contains(which.err, "lab, mail");
        cr_assert_eq(mail.status, 0, "%s", mail.err);
        assert_contains(mail.out, "mail: c@d.example");
        daemon_stop(f);
}

/* Nothing is configured: a person sends it. */
Test(submit, ctl_by_hand) {
        Fixture *f = &fixture;
        _cleanup_free_ char *session = NULL, *folder = below(f->machine.tree.root, "here"), *name = NULL, *file = NULL;

        cr_assert_eq(mkdir(folder, 0700), 0);
        daemon_start(f);
        session = seal_one(f);
        cr_assert_eq(chdir(folder), 0);
        _cleanup_ctl_ Ctl dry = CTL(f, "submit", "--dry-run"), ctl = CTL(f, "submit");
        name = get_string(f, session, BUS_INTERFACE_SESSION, "Archive");
        cr_assert(asprintf(&file, "here/%s", name) > 0);
        cr_assert_eq(dry.status, 0, "%s", dry.err);
        cr_assert_eq(ctl.status, 0, "%s", ctl.err);
        cr_assert(machine_has(&f->machine, file));
        assert_contains(ctl.out, "No target is configured");
        assert_contains(ctl.out, "mmio.dumps@gmail.com");
        assert_contains(ctl.out, name);
        cr_assert_eq(chdir("/"), 0);
        daemon_stop(f);
}
