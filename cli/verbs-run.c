/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "run": a session around one command. Standard output is the command's: what is said here goes to standard error,
 * and only the document of --json behind what the command has printed. */

#include <inttypes.h>
#include <sys/wait.h>

#include "command.h"
#include "error.h"
#include "names.h"
#include "session-page.h"
#include "text.h"
#include "verbs.h"
#include "wait.h"

/* What a mark has besides the command: "begin: ", "end: ", the exit status. */
#define MARK_FRAME_BYTES 48

typedef struct Run {
        Client *client;
        const char *path;       /* of the program */
        char *const *argv;
        char *text;             /* the command for people */
        char *session;          /* object path */
        uint32_t id;
        int status;             /* of the command, as waitpid() gives it */
} Run;

static void run_done(Run *r) {
        free(r->text);
        free(r->session);
}

/* What mmiotracectl itself has to report counts only if the command has nothing to. */
static int run_exit_status(const Run *run, int own_status) {
        int status = command_exit_status(run->status);

        return status != EXIT_SUCCESS ? status : own_status;
}

static int find_program(const Client *c, const char *name, char **ret_path) {
        int r = command_find(name, ret_path);

        if (r == -ENOENT)
                return client_fail(c, EXIT_NOT_FOUND, "NoSuchCommand", NULL,
                                "There is no command '%s'; nothing was started.", name);
        if (r < 0)
                return client_fail(c, EXIT_CANNOT_RUN, "CannotRun", NULL,
                                "'%s' cannot be run: %s; nothing was started.", name, strerrordesc_np(-r));
        return EXIT_SUCCESS;
}

static int start(Run *run) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_wait_ Wait *w = NULL;
        Client *c = run->client;
        const char *path;
        int r;

        r = wait_new(c->bus, &w);
        if (r >= 0)
                r = start_request(c, "Start", &m);
        if (r < 0) {
                (void) client_fail_errno(c, r, "Cannot prepare the call");
                return EXIT_SESSION_FAILED;
        }
        r = wait_call(w, m, &error, &reply);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", NULL,
                                "Interrupted; the command was not run, and the daemon ends the session.");
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 'o', &path);
        if (r >= 0)
                r = session_path_to_id(path, &run->id);
        if (r < 0) {
                (void) start_fail(c, r, &error);
                return EXIT_SESSION_FAILED;
        }
        run->session = strdup(path);
        if (!run->session) {
                (void) client_fail_errno(c, -ENOMEM, "Cannot go on");
                return EXIT_SESSION_FAILED;
        }
        client_say(c, "Session %" PRIu32 " is capturing; this machine runs on one CPU until the command ends.",
                        run->id);
        return EXIT_SUCCESS;
}

/* A mark that is refused leaves the capture as it is; that there is none any more is the failure. */
static int mark(const Run *run, const char *text) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(run->client->bus, BUS_NAME, run->session, BUS_INTERFACE_SESSION, "Mark", &error,
                        NULL, "sa{sv}", text, 0);
        if (r < 0 && !sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NotRunning")) {
                client_complain(NULL, "There is no mark \"%s\" in the log: %s", text,
                                error.message ?: strerrordesc_np(-r));
                return 0;
        }
        return r;
}

static int mark_begin(const Run *run) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "begin: %s", run->text) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return mark(run, text);
}

static int mark_end(const Run *run) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (WIFSIGNALED(run->status))
                r = asprintf(&text, "end: %s (ended by SIG%s)", run->text,
                                sigabbrev_np(WTERMSIG(run->status)) ?: "?");
        else
                r = asprintf(&text, "end: %s (exit status %d)", run->text, WEXITSTATUS(run->status));
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return mark(run, text);
}

/* Ends the session and waits until it is sealed. */
static int stop(const Run *run, sd_bus_error *error, SessionView **ret) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        sd_bus *bus = run->client->bus;
        _cleanup_wait_ Wait *w = NULL;
        int r;

        r = wait_new(bus, &w);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, run->session, BUS_INTERFACE_SESSION, "Stop");
        if (r >= 0)
                r = stop_append_options(run->client, m);
        if (r >= 0)
                r = wait_call(w, m, error, &reply);
        /* Whatever has ended it, it is to be seen what became of it. */
        if (r < 0 && sd_bus_error_has_name(error, BUS_ERROR_PREFIX "NotRunning")) {
                sd_bus_error_free(error);
                r = 0;
        }
        return r < 0 ? r : wait_session_final(w, run->session, error, ret);
}

static int print_json(const Run *run, const SessionView *v) {
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *session;
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add(o, "exit_status", json_object_new_int(command_exit_status(run->status)));
        if (r >= 0)
                r = session_view_to_json(v, &session);
        if (r >= 0)
                r = json_add(o, "session", session);
        return r < 0 ? r : client_print_json(run->client, o);
}

static int say_ended(const Run *run, SessionView *v, bool early) {
        const Client *c = run->client;
        int r = 0;

        if (c->json != JSON_OFF)
                r = print_json(run, v);
        else if (!c->quiet) {
                name_devices(c, v);
                r = session_page_print(v,
                                SESSION_PAGE_STATE | SESSION_PAGE_COUNTS | SESSION_PAGE_WARNINGS |
                                                SESSION_PAGE_ARCHIVE | (geteuid() == 0 ? 0 : SESSION_PAGE_NEXT),
                                c->talk, &c->terminal);
        }
        if (r < 0)
                (void) client_fail_errno(c, r, "Cannot show the session");

        complain_if_incomplete(v);
        if (early)
                client_complain(NULL, "The session ended before the command did: the trace has only a part of it.");
        if (session_view_is_failure(v))
                client_complain(NULL, "The session did not end well (%s)%s%s",
                                isempty(v->result) ? v->state : v->result,
                                isempty(v->result_text) ? "." : ": ", v->result_text);
        if (r < 0 || early || session_view_is_failure(v))
                return EXIT_SESSION_FAILED;
        return session_view_is_incomplete(v) ? EXIT_EVENTS_LOST : EXIT_SUCCESS;
}

static int run_command(Run *run) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        const Client *c = run->client;
        bool early;
        int r;

        r = mark_begin(run);
        if (r < 0) {
                client_complain(NULL, "The session has ended already; the command was not run.");
                return EXIT_SESSION_FAILED;
        }
        fflush(stdout);
        r = command_run(run->path, run->argv, &run->status);
        if (r < 0) {
                (void) client_fail_errno(c, r, "Cannot run the command");
                run->status = 0;
                return EXIT_SESSION_FAILED;
        }
        early = mark_end(run) < 0;
        r = stop(run, &error, &v);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return client_fail(c, run_exit_status(run, EXIT_INTERRUPTED), "Interrupted",
                                "See it: mmiotracectl status; when it is done: mmiotracectl list",
                                "Interrupted; the daemon ends session %" PRIu32 " and makes its archive.",
                                run->id);
        if (r < 0) {
                (void) client_fail_bus(c, r, &error);
                return run_exit_status(run, EXIT_SESSION_FAILED);
        }
        return run_exit_status(run, say_ended(run, v, early));
}

int verb_run(Client *c, int argc, char *argv[]) {
        _cleanup_(run_done) Run run = { .client = c, .argv = argv + 1 };
        _cleanup_free_ char *path = NULL;
        int r;

        c->talk = stderr;
        c->terminal = terminal_detect(STDERR_FILENO);
        /* Killed, this program can stop nothing any more. */
        c->bound = true;

        r = start_check(c);
        if (r == EXIT_SUCCESS)
                r = find_program(c, argv[1], &path);
        if (r != EXIT_SUCCESS)
                return r;
        run.path = path;
        r = command_to_text(run.argv, MARK_MAX_BYTES - MARK_FRAME_BYTES, &run.text);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot prepare the command");
        r = start(&run);
        return r == EXIT_SUCCESS ? run_command(&run) : r;
}
