/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Asks again and again, until it is killed, what "mmiotracectl status" asks (cli/verbs-session.c), and prints a line for
 * each time:
 *
 *     MANAGER-STATE SESSION-STATE STATUS SLOWEST EMPTY BASE BASE-SLOWEST PROGRAM PROGRAM-BASE
 *
 * STATUS: milliseconds (CLOCK_MONOTONIC) from the first of these calls to the answer to the last; SLOWEST: of the slowest
 * one of them. EMPTY: of one empty call to the daemon. BASE and BASE-SLOWEST are what STATUS and SLOWEST would be if the
 * calls were empty ones, to a program that does nothing else and has the daemon's priority: what the bus and the machine
 * take of it. PROGRAM: of "mmiotracectl status" from fork to end; PROGRAM-BASE: of "mmiotracectl --version", which calls
 * nobody. Both are "-" but each so many times. */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "names.h"
#include "util.h"

/* As the cli has it: what takes longer is measured, not given up. */
#define CALL_TIMEOUT_USEC (120 * USEC_PER_SEC)
#define DAEMON_NICE (-10)
/* Whoever runs this has to allow it in the policy of the bus. */
#define PEER_NAME "org.freedesktop.MmioTrace.Bench"
#define STATE_MAX_BYTES 32

/* One time through all calls. */
typedef struct Round {
        char manager_state[STATE_MAX_BYTES], session_state[STATE_MAX_BYTES];
        unsigned n_calls;
        double whole_msec, slowest_msec;
} Round;

static double msec_since(uint64_t usec) {
        return (double) (now_monotonic_usec() - usec) / 1000;
}

/* Returns NULL if the object is not there: it may go between two calls. */
static sd_bus_message *call(sd_bus *bus, Round *r, const char *destination, const char *path, const char *interface,
        const char *member, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        uint64_t call_usec;
        va_list ap;
        int n;

        n = sd_bus_message_new_method_call(bus, &m, destination, path, interface, member);
        va_start(ap, types);
        if (n >= 0)
                n = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (n < 0)
                errx(EXIT_FAILURE, "cannot make a call: %s", strerrordesc_np(-n));
        call_usec = now_monotonic_usec();
        n = sd_bus_call(bus, m, CALL_TIMEOUT_USEC, &error, &reply);
        r->slowest_msec = MAX(r->slowest_msec, msec_since(call_usec));
        r->n_calls++;
        if (n < 0 && !sd_bus_error_has_names(&error, SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_UNKNOWN_INTERFACE))
                errx(EXIT_FAILURE, "%s failed: %s", member, error.message ?: strerrordesc_np(-n));
        sd_bus_error_free(&error);
        return reply;
}

static sd_bus_message *get(sd_bus *bus, Round *r, const char *path, const char *interface, const char *property) {
        return call(bus, r, BUS_NAME, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, property);
}

/* Text of a property, or of a variant that is next; "" if there is none. */
static void copy_text(sd_bus_message *m, const char *type, char *buffer, size_t bytes) {
        const char *s;

        if (m && sd_bus_message_read(m, "v", type, &s) > 0)
                (void) snprintf(buffer, bytes, "%s", s);
}

static void read_session(sd_bus_message *m, Round *r, char *job, size_t job_bytes) {
        const char *name;

        if (!m || sd_bus_message_enter_container(m, 'a', "{sv}") <= 0)
                return;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &name) <= 0)
                        return;
                if (streq(name, "State"))
                        copy_text(m, "s", r->session_state, sizeof r->session_state);
                else if (streq(name, "Job"))
                        copy_text(m, "o", job, job_bytes);
                else if (sd_bus_message_skip(m, "v") < 0)
                        return;
                (void) sd_bus_message_exit_container(m);
        }
}

static void find_last_session(sd_bus *bus, Round *r, char *path, size_t path_bytes) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = call(bus, r, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER,
                        "ListSessions", "a{sv}", 0);
        const char *s;

        if (sd_bus_message_enter_container(reply, 'a', "o") <= 0)
                return;
        while (sd_bus_message_read(reply, "o", &s) > 0)
                (void) snprintf(path, path_bytes, "%s", s);
}

static Round ask_status(sd_bus *bus) {
        static const char *const others[] = { "Version", "Armed", "DiskUsage" };
        char path[128] = "/", job[128] = "/";
        uint64_t start_usec = now_monotonic_usec();
        sd_bus_message *reply;
        Round r = { .manager_state = "-", .session_state = "-" };

        reply = get(bus, &r, BUS_PATH, BUS_INTERFACE_MANAGER, "State");
        copy_text(reply, "s", r.manager_state, sizeof r.manager_state);
        sd_bus_message_unref(reply);
        for (size_t i = 0; i < ELEMENTS(others); i++)
                sd_bus_message_unref(get(bus, &r, BUS_PATH, BUS_INTERFACE_MANAGER, others[i]));
        reply = get(bus, &r, BUS_PATH, BUS_INTERFACE_MANAGER, "ActiveSession");
        copy_text(reply, "o", path, sizeof path);
        sd_bus_message_unref(reply);
        if (streq(path, "/"))
                find_last_session(bus, &r, path, sizeof path);
        if (!streq(path, "/")) {
                reply = call(bus, &r, BUS_NAME, path, "org.freedesktop.DBus.Properties", "GetAll", "s", BUS_INTERFACE_SESSION);
                read_session(reply, &r, job, sizeof job);
                sd_bus_message_unref(reply);
        }
        if (!streq(job, "/"))
                sd_bus_message_unref(get(bus, &r, job, BUS_INTERFACE_JOB, "Progress"));
        r.whole_msec = msec_since(start_usec);
        return r;
}

static Round ask_nothing(sd_bus *bus, const char *destination, unsigned n_calls) {
        uint64_t start_usec = now_monotonic_usec();
        Round r = {};

        while (r.n_calls < n_calls)
                sd_bus_message_unref(call(bus, &r, destination, BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", ""));
        r.whole_msec = msec_since(start_usec);
        return r;
}

static sd_bus *connect_bus(void) {
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                errx(EXIT_FAILURE, "no bus: %s", strerrordesc_np(-r));
        return bus;
}

/* Answers empty calls, which sd-bus does by itself, and nothing else. */
_noreturn_ static void be_peer(int ready_fd) {
        sd_bus *bus;
        int r;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setpriority(PRIO_PROCESS, 0, DAEMON_NICE);
        bus = connect_bus();
        if (sd_bus_request_name(bus, PEER_NAME, 0) < 0 || write_all(ready_fd, "1", 1) < 0)
                _exit(EXIT_FAILURE);
        safe_close(ready_fd);
        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        _exit(EXIT_FAILURE);
        }
}

static void start_peer(void) {
        int fds[2];
        pid_t pid;
        char c;

        if (pipe2(fds, O_CLOEXEC) < 0)
                err(EXIT_FAILURE, "no pipe");
        pid = fork();
        if (pid < 0)
                err(EXIT_FAILURE, "no second process");
        if (pid == 0)
                be_peer(fds[1]);
        safe_close(fds[1]);
        if (read(fds[0], &c, 1) != 1)
                errx(EXIT_FAILURE, "the second process does not get the name " PEER_NAME);
        safe_close(fds[0]);
}

static double program_msec(const char *program, const char *argument) {
        char *words[] = { (char *) program, (char *) argument, NULL };
        uint64_t start_usec = now_monotonic_usec();
        posix_spawn_file_actions_t actions;
        int status;
        pid_t pid;

        if (posix_spawn_file_actions_init(&actions) != 0 ||
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0 ||
            posix_spawnp(&pid, program, &actions, NULL, words, environ) != 0 || waitpid(pid, &status, 0) != pid)
                errx(EXIT_FAILURE, "cannot run %s", program);
        (void) posix_spawn_file_actions_destroy(&actions);
        /* It tells by its status as well whether a session is running. */
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3))
                errx(EXIT_FAILURE, "%s %s has failed", program, argument);
        return msec_since(start_usec);
}

int main(int argc, char *argv[]) {
        uint64_t pause_msec, program_period;
        sd_bus *bus;

        if (argc != 4 || parse_u64(argv[1], &pause_msec) < 0 || parse_u64(argv[2], &program_period) < 0)
                errx(EXIT_FAILURE, "usage: status-bench PAUSE-MSEC PROGRAM-PERIOD MMIOTRACECTL");
        start_peer();
        bus = connect_bus();
        /* A line is whole, whenever the end comes. */
        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        for (uint64_t i = 1;; i++) {
                Round status, base, empty;

                /* As a person does it: the daemon has gone to sleep in between. */
                (void) poll(NULL, 0, (int) pause_msec);
                status = ask_status(bus);
                (void) poll(NULL, 0, (int) pause_msec);
                base = ask_nothing(bus, PEER_NAME, status.n_calls);
                (void) poll(NULL, 0, (int) pause_msec);
                empty = ask_nothing(bus, BUS_NAME, 1);
                printf("%s %s %.3f %.3f %.3f %.3f %.3f", status.manager_state, status.session_state, status.whole_msec,
                                status.slowest_msec, empty.whole_msec, base.whole_msec, base.slowest_msec);
                if (program_period > 0 && i % program_period == 0)
                        printf(" %.3f %.3f\n", program_msec(argv[3], "status"), program_msec(argv[3], "--version"));
                else
                        printf(" - -\n");
        }
}
