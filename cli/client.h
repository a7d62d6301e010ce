/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every verb works with: the options, the bus, and the ways to say something: talk, a JSON document,
 * an error. */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "stop-after.h"
#include "table.h"
#include "terminal.h"

/* mmiotracectl's exit status, as --help promises it; 0 and 1 are EXIT_SUCCESS and EXIT_FAILURE. */
enum {
        EXIT_USAGE = 2,                 /* wrong usage; nothing was asked of the daemon */
        EXIT_NOT_RUNNING = 3,           /* "status" without ID: no session is running */
        EXIT_NO_SESSION = 4,            /* there is no session with that ID */
        EXIT_EVENTS_LOST = 5,           /* "stop", "run": it went well, but events were lost */
        EXIT_BLOCKED = 6,               /* "check": a session would not begin */
        EXIT_NOT_SENT = 7,              /* "submit": not yet; the daemon goes on trying */
        EXIT_SESSION_FAILED = 125,      /* "run": the session failed, and the command did not */
        EXIT_CANNOT_RUN = 126,          /* "run": as a shell says it */
        EXIT_NOT_FOUND = 127,
        EXIT_INTERRUPTED = 130,         /* by a signal, while waiting */
};

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,
        JSON_PRETTY,
} JsonMode;

typedef struct Client {
        sd_bus *bus;
        Terminal terminal;              /* of talk */
        FILE *talk;                     /* what is for people: standard output, unless a command needs that */
        JsonMode json;
        bool help, version;
        bool quiet;
        bool legend;
        bool full;                      /* tables as wide as they are */
        bool pager;                     /* where there is a use for one */
        pid_t pager_pid;                /* while it runs, else 0 */
        bool ask_password;
        const char *host;               /* of the daemon; NULL: this one */
        uint64_t begin_usec;            /* CLOCK_MONOTONIC, when the program began */
        /* Of single verbs: */
        const char *driver;
        const char *description;
        const char *keep;
        const char *text;
        uint64_t buffer_size_bytes;     /* 0: the daemon's choice */
        StopAfter stop_after;
        const char *stop_on_mark;
        uint64_t n_expected_events;     /* 0: the daemon's choice */
        bool load, rebind, stacks, keep_raw, no_redact, wait, no_block, force, follow, edit;
        bool all;                       /* what is as it should be, too */
        const char *to;
        bool yes, dry_run, cancel;
        bool at_next_boot;
        bool bound;                     /* the session ends with this program's connection to the bus */
} Client;

/* Opens the system bus. */
int client_connect(Client *c);
void client_done(Client *c);

/* A line of talk for people, escaped: not said with --quiet or --json. */
void client_say(const Client *c, const char *format, ...) _printf_(2, 3);

/* Prints a table on standard output, with the options for that. */
int client_print_table(const Client *c, const Table *t);

/* Prints the one JSON document of a verb. */
int client_print_json(const Client *c, json_object *o);

/* The functions that end a verb with an error. They print it, in JSON mode also as the document on
 * standard output, and return the exit status. name is the error's short name for programs, hint an
 * advice or NULL. */
int client_fail(const Client *c, int status, const char *name, const char *hint, const char *format, ...)
        _printf_(5, 6);
/* The same for wrong usage. */
int client_fail_usage(const Client *c, const char *hint, const char *format, ...) _printf_(3, 4);
/* An error of this program or of its libraries; r is a negative errno. */
int client_fail_errno(const Client *c, int r, const char *what);
/* client_connect() that failed. */
int client_fail_connect(const Client *c, int r);
/* A call that failed; r is what sd-bus returned. */
int client_fail_bus(const Client *c, int r, const sd_bus_error *error);
/* Only the lines on standard error, when the JSON document has been something else already. */
void client_complain(const char *hint, const char *format, ...) _printf_(2, 3);

/* Ends the verb unless s is text. The daemon has the rules for it; but what is not even UTF-8 never gets
 * there, because the bus closes the connection over it. Returns EXIT_SUCCESS or the exit status. */
int client_check_text(const Client *c, const char *what, const char *s);

/* The short name of an error from the bus, as it is in JSON. */
const char *client_error_name(const sd_bus_error *error);

/* The error says that there is no object there. */
bool client_error_is_no_object(const sd_bus_error *error);

/* The path of the session that is active, NULL if none is. The caller frees. */
int client_active_session(const Client *c, sd_bus_error *error, char **ret_path);

/* The paths of all sessions, in the order of their IDs; free with strv_free(). */
int client_list_sessions(const Client *c, sd_bus_error *error, char ***ret_paths);

/* The path of the session with that ID as the user typed it. Ends the verb if it is no ID: returns
 * EXIT_SUCCESS or the exit status. */
int client_session_path(const Client *c, const char *id, char **ret_path);

/* The path of the session with that ID as the user typed it; without one of the session that runs, or else the last.
 * Returns EXIT_SUCCESS or the exit status. */
int client_find_session(const Client *c, const char *id, char **ret_path);

/* The error says that somebody is not permitted to do that, or was not asked for a password. */
bool client_error_is_refusal(const sd_bus_error *error);

/* The archive of the session at that path: what it is called, and a descriptor of our own. Without "ask" nobody is asked for
 * a password. */
int client_open_archive(const Client *c, const char *path, bool ask, sd_bus_error *error, char **ret_name, int *ret_fd);

/* client_fail_bus() for a call to that session. */
int client_fail_session(const Client *c, const char *id, int r, const sd_bus_error *error);

/* The number of a session in an object path; -EINVAL. */
int session_path_to_id(const char *path, uint32_t *ret);

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_ _cleanup_(sd_bus_error_free)
