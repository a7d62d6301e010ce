/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A bus of its own, with the daemon of test-daemon.c on it and a client that listens. Every wait is for an event, up to
 * WAIT_USEC; what takes longer has failed. */

#include <systemd/sd-bus.h>

#include "machine.h"
#include "names.h"

#define WAIT_USEC (20 * USEC_PER_SEC)

/* What fixture_be_polkit() says to everybody. */
typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_NO,
        POLKIT_PASSWORD,        /* yes where a person may be asked, and else that one would have to be */
        POLKIT_RANDOM,          /* any of these, or an answer that is none; by polkit_seed */
        POLKIT_NOTHING,         /* it does not answer until the question is taken back */
} PolkitAnswer;

typedef struct Fixture {
        Machine machine;
        sd_event *event;
        char *address;
        pid_t bus_pid, daemon_pid;
        sd_bus *client;
        sd_bus *systemd;                /* the other end of fixture_be_systemd() */
        bool daemon_is_there;
        size_t n_changes;
        char **signals;                 /* "SessionNew PATH", "JobRemoved PATH RESULT", "State PATH STATE" */

        sd_bus *polkit;                 /* the other end of fixture_be_polkit() */
        PolkitAnswer polkit_answer;
        const char *polkit_exception;   /* an action that gets another answer; NULL: none */
        PolkitAnswer polkit_exception_answer;
        unsigned polkit_seed;
        sd_bus_message *polkit_held[128];
        size_t n_polkit_held;           /* that wait for an answer */
        char **polkit_details;          /* of the last question, "KEY=VALUE" */
        char **polkit_calls;            /* the actions that it was asked for, and "cancel" */

        sd_bus_slot *hearing;
        FILE *hearing_file;
        char *heard;                    /* of hear_begin() */
        size_t heard_bytes;

        const char *daemon_program, *seal_program;
        const char *load_result;        /* what systemd says about a unit; "" while it says nothing */
        char **units;                   /* that it was asked to start */
} Fixture;

/* Builds the machine and starts bus and client; the daemon is the test's to start. */
void fixture_make(Fixture *fixture);
/* For .fini: also ends what a failed test has left. */
void fixture_done(Fixture *fixture);

/* Starts a program of PATH. It leads a process group, by which its children can be ended with it, and dies with the test. */
pid_t program_start(char *const argv[]);

/* Returns once it has ended, and before it is waited for; the loop runs meanwhile. */
void program_await(Fixture *fixture, pid_t pid);

/* What the daemon takes of the memory. It says nothing under a sanitizer, which keeps what was freed to find who uses it
 * all the same. */
uint64_t daemon_rss_bytes(Fixture *fixture);
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Returns once it owns its name. */
void daemon_start(Fixture *fixture);
/* By SIGTERM; it has to exit with 0. */
void daemon_stop(Fixture *fixture);
/* By SIGKILL; returns once its workers have noticed. With them: the workers die with it. */
void daemon_kill(Fixture *fixture, bool with_workers);

/* Runs the program that systemd starts when the daemon is gone for good; returns its exit status. */
int daemon_recover(Fixture *fixture);
/* The one that it starts each time that the daemon has ended, with how that was. */
int daemon_ended(Fixture *fixture, const char *service_result, const char *exit_status);

/* Kills the worker of that name; there has to be one. */
void daemon_kill_worker(Fixture *fixture, const char *name);
/* Stops it; returns once it stands. The test has it go on by SIGCONT. */
pid_t daemon_stop_worker(Fixture *fixture, const char *name);

/* What runs early in a boot, before the daemon. Returns whether it went well. */
bool boot(Fixture *fixture);

/* A service manager, of which the daemon wants modules loaded. */
void fixture_be_systemd(Fixture *fixture);
/* Says how a unit's job ended; returns once the bus has passed it on. */
void systemd_end_job(Fixture *fixture, const char *unit, const char *result);

/* An authority that permits, as polkit_answer says. Root is never asked for. */
void fixture_be_polkit(Fixture *fixture);

/* Says yes to what it holds. */
void polkit_permit_held(Fixture *fixture);

/* All properties of all objects, but those that are numbers, which may be counters; as text. NULL if it cannot be had. */
char *snapshot(sd_bus *connection);

/* All that the daemon tells everybody in between, as text. */
void hear_begin(Fixture *fixture);
char *hear_end(Fixture *fixture);

/* Runs the loop once, or fails at the deadline. */
void fixture_run(Fixture *fixture, uint64_t deadline_usec, const char *what);
#define wait_until(fixture, condition)                                                          \
        do {                                                                                    \
                uint64_t _deadline_usec = now_monotonic_usec() + WAIT_USEC;                     \
                while (!(condition))                                                            \
                        fixture_run(fixture, _deadline_usec, #condition);                       \
        } while (false)

/* Calls a method. The reply, which may be an error, is the caller's. */
typedef struct Call {
        sd_bus_message *reply;
        sd_bus_slot *slot;
} Call;
Call *call_begin(Fixture *fixture, const char *path, const char *interface, const char *member,
                const char *types, ...);
sd_bus_message *call_end(Fixture *fixture, Call *call);
#define call(fixture, ...) call_end(fixture, call_begin(fixture, __VA_ARGS__))
#define manager_call(fixture, ...) call(fixture, BUS_PATH, BUS_INTERFACE_MANAGER, __VA_ARGS__)
#define session_call(fixture, path, ...) call(fixture, path, BUS_INTERFACE_SESSION, __VA_ARGS__)

/* Consume the reply. The error's name is without the prefix of this project; its text is returned. */
void expect_ok(sd_bus_message *reply);
char *expect_error(sd_bus_message *reply, const char *name);
#define assert_error(reply, name) free(expect_error(reply, name))
char *expect_path(sd_bus_message *reply);

/* Starts a session with these options ("a{sv}" behind its type). */
#define session_begin(fixture, ...) \
        call_begin(fixture, BUS_PATH, BUS_INTERFACE_MANAGER, "Start", "a{sv}", __VA_ARGS__)
#define session_start(fixture, ...) call_end(fixture, session_begin(fixture, __VA_ARGS__))
#define session_stop(fixture) expect_ok(manager_call(fixture, "Stop", "a{sv}", 0))

char *get_string(Fixture *fixture, const char *path, const char *interface, const char *property);
uint64_t get_number(Fixture *fixture, const char *path, const char *interface, const char *property);
/* All properties, as text. */
char *get_all(Fixture *fixture, const char *path, const char *interface);
/* The XML of an object, as sd-bus prints it: one element a line. */
char *introspect(Fixture *fixture, const char *path);
char **list_sessions(Fixture *fixture);

void assert_string(Fixture *fixture, const char *path, const char *interface, const char *property,
                const char *expected);
#define assert_manager(fixture, property, expected) \
        assert_string(fixture, BUS_PATH, BUS_INTERFACE_MANAGER, property, expected)
#define assert_session(fixture, path, property, expected) \
        assert_string(fixture, path, BUS_INTERFACE_SESSION, property, expected)

void wait_for_state(Fixture *fixture, const char *path, const char *interface, const char *state);
#define wait_for_session(fixture, path, state) wait_for_state(fixture, path, BUS_INTERFACE_SESSION, state)
#define wait_until_idle(fixture) wait_for_state(fixture, BUS_PATH, BUS_INTERFACE_MANAGER, "idle")

/* Unpacks the archive of a session; returns the names in it, one a line. Its files are in unpacked/ then. */
char *fixture_unpack(Fixture *fixture, const char *session);
