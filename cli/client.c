/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>

#include "client.h"
#include "error.h"
#include "names.h"
#include "session-view.h"
#include "text.h"

/* The machine may be busy on its only CPU, in a driver that is being traced: sd-bus's 25 seconds are too
 * short even for questions that are answered from memory. And somebody may have to find a password, even two of them one
 * after the other: the daemon waits two minutes for each, and says so then. */
#define CALL_TIMEOUT_USEC (300 * USEC_PER_SEC)

#define BUS_ERROR_GENERIC "org.freedesktop.DBus.Error."

int client_connect(Client *c) {
        sd_bus *bus = NULL;
        int r;

        r = c->host ? sd_bus_open_system_remote(&bus, c->host) : sd_bus_open_system(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT_USEC);
        if (r >= 0)
                r = sd_bus_set_allow_interactive_authorization(bus, c->ask_password);
        if (r < 0) {
                sd_bus_flush_close_unref(bus);
                return r;
        }
        c->bus = bus;
        return 0;
}

void client_done(Client *c) {
        c->bus = sd_bus_flush_close_unref(c->bus);
}

static void print_line(FILE *f, const char *prefix, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL, *escaped = NULL;

        if (vasprintf(&text, format, ap) < 0) {
                text = NULL;
                return;
        }
        if (text_escape(text, &escaped) >= 0)
                fprintf(f, "%s%s\n", prefix, escaped);
}

void client_say(const Client *c, const char *format, ...) {
        va_list ap;

        if (c->quiet || c->json != JSON_OFF)
                return;
        va_start(ap, format);
        print_line(c->talk, "", format, ap);
        va_end(ap);
}

int client_print_table(const Client *c, const Table *t) {
        Terminal terminal = c->terminal;

        if (c->full)
                terminal.columns = 0;
        return table_print(t, stdout, &terminal, c->legend);
}

/* json-c leaves DEL and the C1 control characters as they are, and some terminals obey those. They can
 * stand in strings only, where a \u escape says the same. */
static void print_json_text(FILE *f, const char *s) {
        for (; *s; s++) {
                const unsigned char *p = (const unsigned char *) s;

                if (p[0] == 0x7f)
                        fputs("\\u007f", f);
                else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
                        fprintf(f, "\\u%04x", (unsigned) p[1]);
                        s++;
                } else
                        fputc(*s, f);
        }
        fputc('\n', f);
}

int client_print_json(const Client *c, json_object *o) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        const char *s;

        if (c->json == JSON_PRETTY)
                flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        s = json_object_to_json_string_ext(o, flags);
        if (!s)
                return -ENOMEM;
        print_json_text(stdout, s);
        return 0;
}

static int print_json_error(const Client *c, const char *name, const char *message) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add(o, "error", json_object_new_string(name));
        if (r < 0)
                return r;
        r = json_add(o, "message", json_object_new_string(message));
        if (r < 0)
                return r;
        return client_print_json(c, o);
}

void client_complain(const char *hint, const char *format, ...) {
        Terminal terminal;
        char prefix[64];
        va_list ap;

        /* What was said before comes out before, also when both go into the same file. */
        fflush(stdout);
        terminal = terminal_detect(STDERR_FILENO);
        (void) snprintf(prefix, sizeof prefix, "%smmiotracectl:%s ", terminal_style(&terminal, STYLE_BAD),
                        terminal_style_end(&terminal, STYLE_BAD));
        va_start(ap, format);
        print_line(stderr, prefix, format, ap);
        va_end(ap);
        if (hint)
                fprintf(stderr, "%s\n", hint);
}

static void fail(const Client *c, const char *name, const char *hint, const char *format, va_list ap) {
        _cleanup_free_ char *message = NULL;

        if (vasprintf(&message, format, ap) < 0)
                message = NULL;
        client_complain(hint, "%s", message ?: "Out of memory.");
        if (c->json != JSON_OFF)
                (void) print_json_error(c, name, message ?: "Out of memory.");
}

int client_fail(const Client *c, int status, const char *name, const char *hint, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        fail(c, name, hint, format, ap);
        va_end(ap);
        return status;
}

int client_fail_usage(const Client *c, const char *hint, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        fail(c, "InvalidArgs", hint, format, ap);
        va_end(ap);
        return EXIT_USAGE;
}

/* What is heard of an ssh that has failed: what it said itself stands above. */
static int fail_host(const Client *c) {
        _cleanup_free_ char *hint = NULL;

        if (asprintf(&hint, "See whether this works: ssh %s mmiotracectl status; it takes systemd-stdio-bridge there as well.",
                            c->host) < 0)
                hint = NULL;
        return client_fail(c, EXIT_FAILURE, "Disconnected", hint, "There is no connection to the daemon of %s.", c->host);
}

static bool is_no_connection(int r) {
        return r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE;
}

int client_fail_connect(const Client *c, int r) {
        if (c->host && is_no_connection(r))
                return fail_host(c);
        return client_fail_errno(c, r, "Cannot connect to the system bus");
}

int client_fail_errno(const Client *c, int r, const char *what) {
        /* A pipe can be another one. */
        if (c->host && is_no_connection(r) && r != -EPIPE)
                return fail_host(c);
        return client_fail(c, EXIT_FAILURE, "Failed", NULL, "%s: %s.", what,
                        strerrordesc_np(-r) ?: "unknown error");
}

/* The errors that are about the way to the daemon rather than from it. The text of the bus helps nobody
 * in them. */
static const struct {
        const char *name;
        const char *message;            /* NULL: the error's own */
        const char *hint;
} advice[] = {
        { BUS_ERROR_GENERIC "ServiceUnknown", "The capture daemon cannot be reached.",
                        "mmiotraced is not installed or its D-Bus activation is disabled: "
                        "systemctl status mmiotraced" },
        { BUS_ERROR_GENERIC "NoReply", "The capture daemon ended before it answered.",
                        "See what became of it: systemctl status mmiotraced; mmiotracectl status" },
        { BUS_ERROR_GENERIC "Timeout", "The capture daemon gave no answer.",
                        "See what it is doing: systemctl status mmiotraced" },
        { BUS_ERROR_GENERIC "TimedOut", "The capture daemon could not be started in time.",
                        "See why: systemctl status mmiotraced" },
        { BUS_ERROR_GENERIC "InteractiveAuthorizationRequired",
                        "An administrator has to permit this, and nobody could be asked for a password.",
                        "Run it on a terminal without --no-ask-password, or as root." },
        { BUS_ERROR_GENERIC "UnknownMethod", NULL,
                        "mmiotraced is of another version than mmiotracectl: systemctl restart mmiotraced" },
        { "org.freedesktop.systemd1.NoSuchUnit", "The capture daemon cannot be started.",
                        "mmiotraced is not installed or its D-Bus activation is disabled: "
                        "systemctl status mmiotraced" },
};

const char *client_error_name(const sd_bus_error *error) {
        return startswith(error->name, BUS_ERROR_PREFIX) ?: startswith(error->name, BUS_ERROR_GENERIC) ?: error->name;
}

bool client_error_is_no_object(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, BUS_ERROR_GENERIC "UnknownObject") ||
                        sd_bus_error_has_name(error, BUS_ERROR_GENERIC "UnknownInterface") ||
                        sd_bus_error_has_name(error, BUS_ERROR_PREFIX "NoSuchSession");
}

int client_fail_bus(const Client *c, int r, const sd_bus_error *error) {
        const char *name, *own;
        int status = EXIT_FAILURE;

        if (c->host && is_no_connection(sd_bus_error_is_set(error) ? -sd_bus_error_get_errno(error) : r))
                return fail_host(c);
        if (!sd_bus_error_is_set(error))
                return client_fail_errno(c, r, "The call to the capture daemon failed");

        own = startswith(error->name, BUS_ERROR_PREFIX);
        name = client_error_name(error);

        if (streq(name, "AccessDenied")) {
                /* This is the bus itself, whose policy ends at the door; its text lists the message's
                 * fields. */
                const char *text = error->message;

                if (isempty(text) || startswith(text, "Rejected send message") ||
                    startswith(text, "Sender is not authorized"))
                        text = "You are not allowed to control the capture daemon.";
                return client_fail(c, EXIT_FAILURE, name, geteuid() == 0 ? NULL : "Run it as root.", "%s",
                                text);
        }
        for (size_t i = 0; i < ELEMENTS(advice); i++)
                if (streq(advice[i].name, error->name))
                        return client_fail(c, EXIT_FAILURE, name, advice[i].hint, "%s",
                                        advice[i].message ?: error->message);
        if (!own && startswith(name, "Spawn."))
                return client_fail(c, EXIT_FAILURE, name, "See why: systemctl status mmiotraced",
                                "The capture daemon cannot be started: %s", strempty(error->message));
        if (own && error_from_name(own) == ERROR_NO_SUCH_SESSION)
                status = EXIT_NO_SESSION;
        return client_fail(c, status, name, NULL, "%s",
                        isempty(error->message) ? error->name : error->message);
}

int client_check_text(const Client *c, const char *what, const char *s) {
        if (text_is_clean(s, true))
                return EXIT_SUCCESS;
        return client_fail_usage(c, NULL,
                        "%s has to be text in UTF-8, without control characters.", what);
}

int session_path_to_id(const char *path, uint32_t *ret) {
        const char *number = startswith(path, BUS_PATH_SESSION "/_");
        uint64_t id;

        if (!number || parse_u64(number, &id) < 0 || id > UINT32_MAX)
                return -EINVAL;
        *ret = (uint32_t) id;
        return 0;
}

int client_active_session(const Client *c, sd_bus_error *error, char **ret_path) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;
        char *copy = NULL;
        int r;

        r = sd_bus_get_property(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "ActiveSession", error,
                        &reply, "o");
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(reply, 'o', &path);
        if (r < 0)
                return r;
        if (!streq(path, "/")) {
                copy = strdup(path);
                if (!copy)
                        return -ENOMEM;
        }
        *ret_path = copy;
        return 0;
}

static int compare_paths(const void *a, const void *b) {
        uint32_t x = UINT32_MAX, y = UINT32_MAX;

        (void) session_path_to_id(*(char *const *) a, &x);
        (void) session_path_to_id(*(char *const *) b, &y);
        return x < y ? -1 : x > y;
}

int client_list_sessions(const Client *c, sd_bus_error *error, char ***ret_paths) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_strv_ char **paths = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "ListSessions", error,
                        &reply, "a{sv}", 0);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "o");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(reply, 'o', &path)) > 0) {
                r = strv_extend(&paths, path);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (paths)
                qsort(paths, strv_length(paths), sizeof *paths, compare_paths);
        *ret_paths = TAKE_PTR(paths);
        return 0;
}

int client_session_path(const Client *c, const char *s, char **ret_path) {
        uint64_t id;

        if (parse_u64(s, &id) < 0 || id == 0 || id > UINT32_MAX)
                return client_fail_usage(c, "See the IDs: mmiotracectl list",
                                "'%s' is not the ID of a session: that is a number.", s);
        if (asprintf(ret_path, BUS_PATH_SESSION "/_%" PRIu64, id) < 0) {
                *ret_path = NULL;
                return client_fail_errno(c, -ENOMEM, "Cannot look for the session");
        }
        return EXIT_SUCCESS;
}

int client_find_session(const Client *c, const char *id, char **ret_path) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_strv_ char **paths = NULL;
        char *path = NULL;
        int r;

        if (id)
                return client_session_path(c, id, ret_path);
        r = client_active_session(c, &error, &path);
        if (r >= 0 && !path)
                r = client_list_sessions(c, &error, &paths);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        if (!path && !paths)
                return client_fail(c, EXIT_NO_SESSION, "NoSuchSession", "Begin one: mmiotracectl start --driver NAME",
                                "There is no session.");
        if (!path) {
                path = strdup(paths[strv_length(paths) - 1]);
                if (!path)
                        return client_fail_errno(c, -ENOMEM, "Cannot look for the session");
        }
        *ret_path = path;
        return EXIT_SUCCESS;
}

int client_fail_session(const Client *c, const char *id, int r, const sd_bus_error *error) {
        if (client_error_is_no_object(error))
                return client_fail(c, EXIT_NO_SESSION, "NoSuchSession",
                                "See which there are: mmiotracectl list", "There is no session %s.", id);
        return client_fail_bus(c, r, error);
}

bool client_error_is_refusal(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, BUS_ERROR_GENERIC "AccessDenied") ||
                        sd_bus_error_has_name(error, BUS_ERROR_GENERIC "InteractiveAuthorizationRequired");
}

int client_open_archive(const Client *c, const char *path, bool ask, sd_bus_error *error, char **ret_name, int *ret_fd) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_free_ char *copy = NULL;
        const char *name;
        int fd, r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, path, BUS_INTERFACE_SESSION, "OpenArchive");
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, ask && c->ask_password);
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, 0, error, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "sh", &name, &fd);
        if (r < 0)
                return r;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        /* The message closes its own. */
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        *ret_name = TAKE_PTR(copy);
        *ret_fd = fd;
        return 0;
}
