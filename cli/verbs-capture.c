/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "desktop.h"
#include "names.h"
#include "session-page.h"
#include "text.h"
#include "verbs.h"
#include "wait.h"

static int append_option(sd_bus_message *m, const char *key, const char *type, const void *value) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", key);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'v', type);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, type[0], value);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

int start_check(const Client *c) {
        int r;

        r = client_check_text(c, "The driver's name", strempty(c->driver));
        if (r == EXIT_SUCCESS)
                r = client_check_text(c, "The description", strempty(c->description));
        if (r == EXIT_SUCCESS)
                r = client_check_text(c, "The mark to stop at", strempty(c->stop_on_mark));
        return r;
}

int start_request(const Client *c, const char *member, sd_bus_message **ret) {
        _cleanup_message_ sd_bus_message *m = NULL;
        const int yes = true;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, member);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && c->driver)
                r = append_option(m, "driver", "s", c->driver);
        if (r >= 0 && c->description)
                r = append_option(m, "description", "s", c->description);
        if (r >= 0 && c->load)
                r = append_option(m, "load", "b", &yes);
        if (r >= 0 && c->force)
                r = append_option(m, "force", "b", &yes);
        if (r >= 0 && c->rebind)
                r = append_option(m, "rebind", "b", &yes);
        if (r >= 0 && c->stacks)
                r = append_option(m, "stacks", "b", &yes);
        if (r >= 0 && c->keep_raw)
                r = append_option(m, "keep-raw", "b", &yes);
        if (r >= 0 && c->no_redact)
                r = append_option(m, "no-redact", "b", &yes);
        if (r >= 0 && c->buffer_size_bytes > 0)
                r = append_option(m, "buffer-size", "t", &c->buffer_size_bytes);
        if (r >= 0 && c->n_expected_events > 0)
                r = append_option(m, "expect-events", "t", &c->n_expected_events);
        if (r >= 0 && c->stop_after.usec > 0)
                r = append_option(m, "stop-after", "t", &c->stop_after.usec);
        if (r >= 0 && c->stop_after.bytes > 0)
                r = append_option(m, "stop-after-bytes", "t", &c->stop_after.bytes);
        if (r >= 0 && c->stop_after.n_events > 0)
                r = append_option(m, "stop-after-events", "t", &c->stop_after.n_events);
        if (r >= 0 && c->stop_on_mark)
                r = append_option(m, "stop-on-mark", "s", c->stop_on_mark);
        if (r >= 0 && c->keep)
                r = append_option(m, "keep", "s", c->keep);
        if (r >= 0 && c->bound)
                r = append_option(m, "bound", "b", &yes);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/* A module name as modprobe takes it: only then it is shown as a part of a command to type. */
static bool is_plain_word(const char *s) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

        return !isempty(s) && s[0] != '-' && s[strspn(s, letters)] == 0;
}

static int say_started(const Client *c, const SessionView *v) {
        Page page = { .f = stdout, .terminal = &c->terminal, .key_columns = 11 };
        const char *module = isempty(v->module) ? v->driver : v->module;

        if (c->quiet)
                return 0;
        client_say(c, "Session %" PRIu32 " is %s; this machine runs on one CPU until it is stopped.", v->id, v->state);
        puts("");
        if (isempty(v->cpus_offline))
                page_add(&page, "CPUs", STYLE_NONE, "CPU %" PRIu32 " records; none was taken offline",
                                v->cpu);
        else
                page_add(&page, "CPUs", STYLE_NONE, "CPU %" PRIu32 " records; off until the stop: %s",
                                v->cpu, v->cpus_offline);
        if (v->buffer_size_bytes > 0)
                page_add(&page, "Buffer", STYLE_NONE, "%s", FORMAT_BYTES(v->buffer_size_bytes));
        page_add(&page, "Log", STYLE_NONE,
                        "will hold the accesses of every driver that maps device memory meanwhile%s%s",
                        isempty(v->driver) ? "" : ", not only those of ", v->driver);
        if (streq(v->keep, "oldest"))
                page_add(&page, "Keep", STYLE_NONE, "oldest: when the buffer is full, new events are lost");
        session_page_add_end(&page, v);
        if (page.r >= 0)
                page.r = session_page_print(v, SESSION_PAGE_WARNINGS, stdout, &c->terminal);
        puts("");
        puts("What to do next:");
        if (c->load || c->rebind)
                puts("  use the device, so that its driver works");
        else if (is_plain_word(module))
                printf("  modprobe %s, and use the device\n", module);
        else
                puts("  load the driver, and use the device");
        puts("  mmiotracectl mark \"TEXT\"    writes into the log what you are doing");
        puts("  mmiotracectl stop           ends the capture and restores the machine");
        return page.r;
}

int start_fail(const Client *c, int r, const sd_bus_error *error) {
        /* What the checks before a start refuse, and may find more of. */
        static const char *const names[] = {
                "NotSupported", "NoTracefs", "Lockdown", "TracerBusy", "ReaderBusy", "NoSuchDriver", "DriverBound",
                "DriverNotBound", "DeviceInUse", "NoMemory", "NoSpace",
        };
        const char *name = sd_bus_error_is_set(error) ? startswith(error->name, BUS_ERROR_PREFIX) : NULL;
        const bool plain = is_plain_word(c->driver);
        int status = client_fail_bus(c, r, error);

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (streq_ptr(name, names[i]))
                        fprintf(stderr, "See all that stands in the way: mmiotracectl check%s%s%s\n", plain ? " --driver " : "",
                                plain ? c->driver : "", !plain ? "" : c->load ? " --load" : c->rebind ? " --rebind" : "");
        return status;
}

int verb_start(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_json_ json_object *o = NULL;
        _cleanup_wait_ Wait *w = NULL;
        const char *path;
        int r;

        r = start_check(c);
        if (r != EXIT_SUCCESS)
                return r;
        if (c->at_next_boot)
                return start_at_next_boot(c);

        r = wait_new(c->bus, &w);
        if (r >= 0)
                r = start_request(c, "Start", &m);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot prepare the call");

        if (c->no_block)
                r = wait_call_begun(w, m, NULL, c->host ? UID_INVALID : getuid(), &error, &v);
        else
                r = wait_call(w, m, &error, &reply);
        w = wait_free(w);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted",
                                "See it: mmiotracectl status; end it: mmiotracectl stop",
                                "Interrupted; the daemon goes on starting the session.");
        if (r < 0)
                return start_fail(c, r, &error);
        if (!v) {
                r = sd_bus_message_read_basic(reply, 'o', &path);
                if (r >= 0)
                        r = session_view_get(c->bus, path, &error, &v);
                if (r < 0)
                        return client_fail_bus(c, r, &error);
        }
        if (c->json != JSON_OFF) {
                r = session_view_to_json(v, &o);
                if (r >= 0)
                        r = client_print_json(c, o);
        } else if (!streq(v->state, "capturing"))
                client_say(c, "Session %" PRIu32 " is %s. See when it captures: mmiotracectl status", v->id, v->state);
        else
                r = say_started(c, v);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the session") : EXIT_SUCCESS;
}

/* A call of a method that sessions have, and that the manager has for the active one. The session is
 * addressed itself, so that what is answered is about that one, whatever happens in between. Without an
 * active session the manager gets it, who knows best how to refuse it. */
static int active_request(const Client *c, const char *member, sd_bus_error *error, char **ret_path,
                sd_bus_message **ret) {
        _cleanup_message_ sd_bus_message *m = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = client_active_session(c, error, &path);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, path ?: BUS_PATH,
                        path ? BUS_INTERFACE_SESSION : BUS_INTERFACE_MANAGER, member);
        if (r < 0)
                return r;
        *ret_path = TAKE_PTR(path);
        *ret = TAKE_PTR(m);
        return 0;
}

int verb_mark(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ char *path = NULL;
        uint64_t time_usec;
        uint32_t id = 0;
        int r;

        r = client_check_text(c, "The mark", argv[1]);
        if (r != EXIT_SUCCESS)
                return r;
        r = active_request(c, "Mark", &error, &path, &m);
        /* What is marked happened before the way to the daemon, which can be long on the one CPU of a busy machine.
         * Another machine has another clock. */
        if (r >= 0)
                r = c->host ? sd_bus_message_append(m, "sa{sv}", argv[1], 0) :
                              sd_bus_message_append(m, "sa{sv}", argv[1], 1, "time", "t", c->begin_usec);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, UINT64_MAX, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 't', &time_usec);
        if (r < 0)
                return client_fail_bus(c, r, &error);

        if (c->json == JSON_OFF) {
                /* A person is told what the number is; a script gets just that. */
                printf("%s%s%s\n", isatty(STDOUT_FILENO) ? "Marked at " : "", FORMAT_LOG_TIME(time_usec),
                        isatty(STDOUT_FILENO) ? "." : "");
                return EXIT_SUCCESS;
        }
        /* Not NULL, unless a session began between the two calls. */
        if (path)
                (void) session_path_to_id(path, &id);
        o = json_object_new_object();
        r = o ? 0 : -ENOMEM;
        if (r >= 0)
                r = json_add(o, "session", json_object_new_uint64(id));
        if (r >= 0)
                r = json_add(o, "time_usec", json_object_new_uint64(time_usec));
        if (r >= 0)
                r = client_print_json(c, o);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the mark") : EXIT_SUCCESS;
}

void complain_if_incomplete(const SessionView *v) {
        if (v->lost_events > 0)
                client_complain(NULL, "LOST: %" PRIu64 " event%s; the trace is not complete", v->lost_events,
                                v->lost_events == 1 ? "" : "s");
        if (v->given_up_events > 0)
                client_complain(NULL, "GIVEN UP: %" PRIu64 " of the oldest accesses; the beginning of the trace is not complete",
                                v->given_up_events);
}

/* What is said when "stop" comes back; the status tells apart what went wrong. */
static int say_stopped(const Client *c, SessionView *v) {
        _cleanup_json_ json_object *o = NULL;
        int r = 0;

        if (c->json != JSON_OFF) {
                r = session_view_to_json(v, &o);
                if (r >= 0)
                        r = client_print_json(c, o);
        } else if (!c->quiet && session_view_is_final(v)) {
                name_devices(c, v);
                r = session_page_print(v,
                                SESSION_PAGE_STATE | SESSION_PAGE_COUNTS | SESSION_PAGE_DETAILS |
                                                SESSION_PAGE_WARNINGS | SESSION_PAGE_ARCHIVE |
                                                (geteuid() == 0 ? 0 : SESSION_PAGE_NEXT),
                                stdout, &c->terminal);
        } else if (!c->quiet) {
                client_say(c, "Session %" PRIu32 " is stopped and the machine is restored.", v->id);
                r = session_page_print(v, SESSION_PAGE_COUNTS | SESSION_PAGE_WARNINGS, stdout, &c->terminal);
                if (v->warning_count > 0 || (v->warnings && *v->warnings))
                        puts("");
                client_say(c, "The archive is being made. How far it is: mmiotracectl status %" PRIu32,
                                v->id);
                client_say(c, "When it is done: mmiotracectl export %" PRIu32, v->id);
        }
        if (r < 0)
                return client_fail_errno(c, r, "Cannot show the session");

        /* Also when something else went wrong, which then has the exit status. */
        complain_if_incomplete(v);
        if (session_view_is_failure(v)) {
                client_complain(NULL, "The session did not end well (%s)%s%s",
                                isempty(v->result) ? v->state : v->result,
                                isempty(v->result_text) ? "." : ": ", v->result_text);
                return EXIT_FAILURE;
        }
        return session_view_is_incomplete(v) ? EXIT_EVENTS_LOST : EXIT_SUCCESS;
}

int stop_append_options(const Client *c, sd_bus_message *m) {
        _cleanup_free_ char *displays = NULL;

        /* Of another machine this is not the desktop. */
        if (!c->host && desktop_describe(&displays) >= 0 && displays)
                return sd_bus_message_append(m, "a{sv}", 1, "displays", "s", displays);
        return sd_bus_message_append(m, "a{sv}", 0);
}

static int say_stopping(const Client *c, const SessionView *v) {
        _cleanup_json_ json_object *o = NULL;
        int r = 0;

        if (c->json != JSON_OFF) {
                r = session_view_to_json(v, &o);
                if (r >= 0)
                        r = client_print_json(c, o);
        } else
                client_say(c, "Session %" PRIu32 " is %s. How far it is: mmiotracectl status %" PRIu32, v->id, v->state, v->id);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the session") : EXIT_SUCCESS;
}

int verb_stop(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_wait_ Wait *w = NULL;
        bool stopped = false;
        uint32_t id = 0;
        int r;

        r = wait_new(c->bus, &w);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot prepare the call");
        r = active_request(c, "Stop", &error, &path, &m);
        if (r >= 0)
                r = stop_append_options(c, m);
        if (r >= 0 && c->no_block && path) {
                r = wait_call_begun(w, m, path, UID_INVALID, &error, &v);
                if (r >= 0)
                        return say_stopping(c, v);
        } else if (r >= 0)
                r = wait_call(w, m, &error, &reply);
        if (r >= 0) {
                stopped = true;
                if (!path)
                        return client_fail(c, EXIT_FAILURE, "Failed", "See what it was: mmiotracectl list",
                                        "A session began and was stopped at the same time.");
                (void) session_path_to_id(path, &id);
                r = c->wait ? wait_session_final(w, path, &error, &v) :
                              session_view_get(c->bus, path, &error, &v);
        }
        w = wait_free(w);

        if (r == -EINTR && !sd_bus_error_is_set(&error)) {
                _cleanup_free_ char *hint = NULL;

                if (!stopped)
                        return client_fail(c, EXIT_INTERRUPTED, "Interrupted", "See it: mmiotracectl status",
                                        "Interrupted; the daemon goes on stopping the session.");
                if (asprintf(&hint,
                                    "How far it is: mmiotracectl status %" PRIu32
                                    "; when it is done: mmiotracectl export %" PRIu32,
                                    id, id) < 0)
                        hint = NULL;
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", hint,
                                "Interrupted; the session is stopped, and its archive is still being made.");
        }
        if (r < 0)
                return client_fail_bus(c, r, &error);
        return say_stopped(c, v);
}
