/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>

#include "fixture.h"
#include "tool.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define LOAD_JOB "/org/freedesktop/systemd1/job/77"

static const char bus_config[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <type>system</type>\n"
        "  <listen>unix:path=%s/bus</listen>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <policy context=\"default\">\n"
        "    <allow user=\"*\"/>\n"
        "    <allow own=\"*\"/>\n"
        "    <allow send_destination=\"*\"/>\n"
        "    <allow receive_sender=\"*\"/>\n"
        "  </policy>\n"
        "</busconfig>\n";

pid_t program_start(char *const argv[]) {
        pid_t parent = getpid(), pid = fork();

        cr_assert_geq(pid, 0);
        if (pid > 0) {
                (void) setpgid(pid, pid);
                return pid;
        }
        (void) setpgid(0, 0);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* Standard output is the report of the test. */
        if (getppid() != parent || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
                _exit(127);
        execvp(argv[0], argv);
        _exit(127);
}

/* Waits for the end of a child, up to the deadline. */
static int wait_for_exit(pid_t pid) {
        _cleanup_close_ int fd = pidfd_open(pid, 0);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int status;

        cr_assert_geq(fd, 0, "%m");
        cr_assert_eq(poll(&p, 1, (int) (WAIT_USEC / USEC_PER_MSEC)), 1, "The process does not end.");
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        return status;
}

/* What is left of a group whose leader has ended: its children are ours then (PR_SET_CHILD_SUBREAPER). */
static void wait_for_group(pid_t group) {
        while (waitpid(-group, NULL, 0) > 0 || errno == EINTR)
                ;
}

static void start_bus(Fixture *f) {
        _cleanup_free_ char *text = NULL, *config = below(f->machine.tree.root, "bus.conf"), *option = NULL;
        char address[256] = {}, print[32];
        int fds[2];
        ssize_t n;

        cr_assert(asprintf(&text, bus_config, f->machine.tree.root) > 0);
        fake_file(&f->machine.tree, "bus.conf", text);
        cr_assert(asprintf(&option, "--config-file=%s", config) > 0);
        cr_assert_eq(pipe(fds), 0);
        (void) snprintf(print, sizeof print, "--print-address=%d", fds[1]);
        f->bus_pid = program_start((char *[]) { (char *) "dbus-daemon", (char *) "--nofork", option, print,
                        NULL });
        safe_close(fds[1]);
        /* It prints once it listens. */
        n = read(fds[0], address, sizeof address - 1);
        safe_close(fds[0]);
        cr_assert_gt(n, 0, "dbus-daemon does not run");
        address[strcspn(address, "\n")] = 0;
        f->address = strdup(address);
        cr_assert_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", f->address, 1), 0);
}

static sd_bus *connect_bus(Fixture *f) {
        sd_bus *connection = NULL;

        cr_assert_geq(sd_bus_new(&connection), 0);
        cr_assert_geq(sd_bus_set_address(connection, f->address), 0);
        cr_assert_geq(sd_bus_set_bus_client(connection, true), 0);
        cr_assert_geq(sd_bus_negotiate_fds(connection, true), 0);
        cr_assert_geq(sd_bus_start(connection), 0);
        cr_assert_geq(sd_bus_attach_event(connection, f->event, 0), 0);
        return connection;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *name, *before, *now;
        Fixture *f = userdata;

        cr_assert_geq(sd_bus_message_read(m, "sss", &name, &before, &now), 0);
        f->daemon_is_there = *now;
        return 0;
}

static int on_manager_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *member = sd_bus_message_get_member(m), *path, *result = "", *detail = "";
        Fixture *f = userdata;

        f->n_changes++;
        cr_assert_geq(sd_bus_message_read(m, "o", &path), 0);
        if (streq(member, "JobRemoved"))
                cr_assert_geq(sd_bus_message_read(m, "ss", &result, &detail), 0);
        cr_assert_eq(strv_extendf(&f->signals, "%s %s%s%s", member, path, *result ? " " : "", result), 0);
        return 0;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *interface, *property, *state;
        Fixture *f = userdata;

        f->n_changes++;
        cr_assert_geq(sd_bus_message_read(m, "s", &interface), 0);
        cr_assert_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                cr_assert_geq(sd_bus_message_read(m, "s", &property), 0);
                if (streq(property, "State")) {
                        cr_assert_geq(sd_bus_message_read(m, "v", "s", &state), 0);
                        cr_assert_eq(strv_extendf(&f->signals, "State %s %s", sd_bus_message_get_path(m),
                                        state), 0);
                } else
                        cr_assert_geq(sd_bus_message_skip(m, "v"), 0);
                cr_assert_geq(sd_bus_message_exit_container(m), 0);
        }
        return 0;
}

void fixture_make(Fixture *f) {
        *f = (Fixture) { .daemon_program = TEST_DAEMON, .seal_program = SEAL_PROGRAM, .load_result = "done" };
        (void) unsetenv("NOTIFY_SOCKET");
        (void) unsetenv("WATCHDOG_USEC");
        cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        machine_make(&f->machine);
        /* Other users have to reach the socket. */
        cr_assert_eq(chmod(f->machine.tree.root, 0711), 0);
        cr_assert_geq(sd_event_new(&f->event), 0);
        start_bus(f);
        f->client = connect_bus(f);
        cr_assert_geq(sd_bus_add_match(f->client, NULL,
                                      "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" BUS_NAME "'",
                                      on_owner_changed, f),
                        0);
        cr_assert_geq(sd_bus_add_match(f->client, NULL,
                                      "type='signal',sender='" BUS_NAME "',interface='" BUS_INTERFACE_MANAGER "'",
                                      on_manager_signal, f),
                        0);
        cr_assert_geq(sd_bus_add_match(f->client, NULL,
                                      "type='signal',sender='" BUS_NAME "',interface='org.freedesktop.DBus.Properties'",
                                      on_changed, f),
                        0);
}

void fixture_done(Fixture *f) {
        const pid_t pids[] = { f->daemon_pid, f->bus_pid };

        sd_bus_flush_close_unref(f->client);
        sd_bus_flush_close_unref(f->systemd);
        for (size_t i = 0; i < f->n_polkit_held; i++)
                sd_bus_message_unref(f->polkit_held[i]);
        sd_bus_flush_close_unref(f->polkit);
        sd_event_unref(f->event);
        for (size_t i = 0; i < ELEMENTS(pids); i++) {
                if (pids[i] <= 0)
                        continue;
                (void) kill(-pids[i], SIGKILL);
                wait_for_group(pids[i]);
        }
        free(f->address);
        strv_free(f->signals);
        strv_free(f->units);
        strv_free(f->polkit_calls);
        strv_free(f->polkit_details);
        machine_done(&f->machine);
}

void daemon_start(Fixture *f) {
        f->daemon_pid = program_start((char *[]) { (char *) f->daemon_program, f->machine.tree.root,
                        f->machine.tree.modules,
                        (char *) f->seal_program, NULL });
        wait_until(f, f->daemon_is_there);
}

void daemon_stop(Fixture *f) {
        int status;

        cr_assert_eq(kill(f->daemon_pid, SIGTERM), 0);
        status = wait_for_exit(f->daemon_pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
        wait_for_group(f->daemon_pid);
        f->daemon_pid = 0;
        wait_until(f, !f->daemon_is_there);
}

void daemon_kill(Fixture *f, bool with_workers) {
        cr_assert_eq(kill(with_workers ? -f->daemon_pid : f->daemon_pid, SIGKILL), 0);
        (void) wait_for_exit(f->daemon_pid);
        wait_for_group(f->daemon_pid);
        f->daemon_pid = 0;
        wait_until(f, !f->daemon_is_there);
}

static int recover(Fixture *f, const char *option) {
        pid_t pid = program_start((char *[]) { (char *) TEST_DAEMON, f->machine.tree.root, f->machine.tree.modules,
                        (char *) f->seal_program, (char *) option, NULL });
        int status = wait_for_exit(pid);

        cr_assert(WIFEXITED(status), "status %d", status);
        return WEXITSTATUS(status);
}

int daemon_recover(Fixture *f) {
        return recover(f, "--recover");
}

int daemon_ended(Fixture *f, const char *service_result, const char *exit_status) {
        int status;

        cr_assert_eq(setenv("SERVICE_RESULT", service_result, true), 0);
        cr_assert_eq(setenv("EXIT_STATUS", exit_status, true), 0);
        status = recover(f, "--if-stopped");
        (void) unsetenv("SERVICE_RESULT");
        (void) unsetenv("EXIT_STATUS");
        return status;
}

uint64_t daemon_rss_bytes(Fixture *f) {
        _cleanup_free_ char *line = NULL;
        unsigned long pages = 0;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/statm", f->daemon_pid);
        cr_assert(read_line_at(AT_FDCWD, path, &line) >= 0 && sscanf(line, "%*u %lu", &pages) == 1, "The daemon is gone.");
        return pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

static pid_t find_worker(const Fixture *f, const char *name) {
        _cleanup_closedir_ DIR *d = opendir("/proc");
        struct dirent *entry;

        cr_assert_not_null(d);
        while ((entry = readdir(d))) {
                _cleanup_free_ char *line = NULL;
                char path[64], comm[32];
                int parent, pid;
                uint64_t number;

                if (parse_u64(entry->d_name, &number) < 0)
                        continue;
                (void) snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long) number);
                if (read_line_at(AT_FDCWD, path, &line) >= 0 &&
                    sscanf(line, "%d (%31[^)]) %*c %d", &pid, comm, &parent) == 3 && parent == f->daemon_pid &&
                    streq(comm, name))
                        return pid;
        }
        cr_assert_fail("the daemon has no worker %s", name);
        return 0;
}

void daemon_kill_worker(Fixture *f, const char *name) {
        cr_assert_eq(kill(find_worker(f, name), SIGKILL), 0);
}

/* The state of a process that is not a child is nowhere to be waited for. */
pid_t daemon_stop_worker(Fixture *f, const char *name) {
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;
        pid_t pid = find_worker(f, name);
        char path[64], state = 0;

        cr_assert_eq(kill(pid, SIGSTOP), 0);
        (void) snprintf(path, sizeof path, "/proc/%d/stat", pid);
        do {
                _cleanup_free_ char *line = NULL;

                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                cr_assert(read_line_at(AT_FDCWD, path, &line) >= 0 && sscanf(line, "%*d (%*[^)]) %c", &state) == 1);
        } while (state != 'T');
        return pid;
}

bool boot(Fixture *f) {
        int status = wait_for_exit(program_start((char *[]) { (char *) TEST_DAEMON, f->machine.tree.root,
                        f->machine.tree.modules, (char *) f->seal_program, (char *) "--boot", NULL }));

        cr_assert(WIFEXITED(status), "status %d", status);
        return WEXITSTATUS(status) == EXIT_SUCCESS;
}

static int emit_job_removed(Fixture *f, const char *unit, const char *result) {
        return sd_bus_emit_signal(f->systemd, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "JobRemoved",
                        "uoss",
                        (uint32_t) 77, LOAD_JOB, unit, result);
}

static int method_start_unit(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *unit, *mode;
        Fixture *f = userdata;
        int r;

        r = sd_bus_message_read(m, "ss", &unit, &mode);
        if (r < 0)
                return r;
        cr_assert_eq(strv_extend(&f->units, unit), 0);
        if (streq(f->load_result, "no-such-unit"))
                return sd_bus_error_setf(ret_error, "org.freedesktop.systemd1.NoSuchUnit",
                                "Unit %s not found.", unit);
        r = sd_bus_reply_method_return(m, "o", LOAD_JOB);
        if (r < 0 || isempty(f->load_result))
                return r;
        return emit_job_removed(f, unit, f->load_result);
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable systemd_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Subscribe", NULL, NULL, method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartUnit", "ss", "o", method_start_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

void fixture_be_systemd(Fixture *f) {
        f->systemd = connect_bus(f);
        cr_assert_geq(sd_bus_add_object_vtable(f->systemd, NULL, "/org/freedesktop/systemd1",
                        SYSTEMD ".Manager",
                                      systemd_vtable, f),
                        0);
        cr_assert_geq(sd_bus_request_name(f->systemd, SYSTEMD, 0), 0);
}

void systemd_end_job(Fixture *f, const char *unit, const char *result) {
        cr_assert_geq(emit_job_removed(f, unit, result), 0);
        cr_assert_geq(sd_bus_call_method(f->systemd, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", "GetId", NULL, NULL, NULL),
                        0);
}

/* polkit puts the details in the place of "$(KEY)" in the message: so each of them has to be there. */
static void read_details(Fixture *f, sd_bus_message *m) {
        const char *key, *value;

        strv_free(f->polkit_details);
        f->polkit_details = NULL;
        cr_assert_gt(sd_bus_message_enter_container(m, 'a', "{ss}"), 0);
        while (sd_bus_message_read(m, "{ss}", &key, &value) > 0)
                cr_assert_eq(strv_extendf(&f->polkit_details, "%s=%s", key, value), 0);
        cr_assert_geq(sd_bus_message_exit_container(m), 0);
        STRV_FOREACH(message, f->polkit_details) {
                if (!startswith(*message, "polkit.message="))
                        continue;
                for (const char *p = *message; (p = strstr(p, "$(")); p++) {
                        bool found = false;

                        STRV_FOREACH(detail, f->polkit_details)
                                found = found || (strncmp(*detail, p + 2, strcspn(p, ")") - 2) == 0 && (*detail)[strcspn(p, ")") - 2] == '=');
                        cr_assert(found, "%s", *message);
                }
        }
}

static int method_check_authorization(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *kind, *action, *cancellation;
        Fixture *f = userdata;
        PolkitAnswer answer;
        uint32_t flags;
        bool yes;

        cr_assert_geq(sd_bus_message_enter_container(m, 'r', "sa{sv}"), 0);
        cr_assert_geq(sd_bus_message_read(m, "s", &kind), 0);
        cr_assert_str_eq(kind, "system-bus-name");
        cr_assert_geq(sd_bus_message_skip(m, "a{sv}"), 0);
        cr_assert_geq(sd_bus_message_exit_container(m), 0);
        cr_assert_geq(sd_bus_message_read(m, "s", &action), 0);
        read_details(f, m);
        cr_assert_geq(sd_bus_message_read(m, "us", &flags, &cancellation), 0);
        cr_assert(!isempty(cancellation));
        cr_assert_eq(strv_extend(&f->polkit_calls, action), 0);
        answer = streq_ptr(f->polkit_exception, action) ? f->polkit_exception_answer : f->polkit_answer;
        switch (answer == POLKIT_RANDOM ? rand_r(&f->polkit_seed) % 8 : 8) {
        case 0:
                return sd_bus_reply_method_errorf(m, "org.freedesktop.PolicyKit1.Error.Failed", "Failed.");
        case 1:
                return sd_bus_reply_method_return(m, "s", "yes");
        case 2:
        case 3:
                answer = POLKIT_NO;
                break;
        case 4:
                answer = POLKIT_PASSWORD;
                break;
        default:
                answer = answer == POLKIT_RANDOM ? POLKIT_YES : answer;
        }
        if (answer == POLKIT_NOTHING) {
                cr_assert_lt(f->n_polkit_held, ELEMENTS(f->polkit_held));
                f->polkit_held[f->n_polkit_held++] = sd_bus_message_ref(m);
                return 1;
        }
        yes = answer == POLKIT_YES || (answer == POLKIT_PASSWORD && (flags & 1));
        return sd_bus_reply_method_return(m, "(bba{ss})", yes, !yes && answer == POLKIT_PASSWORD, 0);
}

/* As the real one does: that is the answer to what was asked. */
static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *cancelled, *id;
        Fixture *f = userdata;

        cr_assert_geq(sd_bus_message_read(m, "s", &cancelled), 0);
        for (size_t i = 0; i < f->n_polkit_held; i++) {
                sd_bus_message *held = f->polkit_held[i];

                cr_assert_geq(sd_bus_message_rewind(held, true), 0);
                cr_assert_geq(sd_bus_message_skip(held, "(sa{sv})sa{ss}u"), 0);
                cr_assert_geq(sd_bus_message_read(held, "s", &id), 0);
                if (!streq(id, cancelled))
                        continue;
                (void) sd_bus_reply_method_errorf(held, "org.freedesktop.PolicyKit1.Error.Cancelled", "Cancelled.");
                sd_bus_message_unref(held);
                f->polkit_held[i] = f->polkit_held[--f->n_polkit_held];
                break;
        }
        cr_assert_eq(strv_extend(&f->polkit_calls, "cancel"), 0);
        return sd_bus_reply_method_return(m, NULL);
}

void polkit_permit_held(Fixture *f) {
        while (f->n_polkit_held > 0) {
                sd_bus_message *held = f->polkit_held[--f->n_polkit_held];

                cr_assert_geq(sd_bus_reply_method_return(held, "(bba{ss})", 1, 0, 0), 0);
                sd_bus_message_unref(held);
        }
}

static const sd_bus_vtable polkit_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", method_check_authorization,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelCheckAuthorization", "s", NULL, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

void fixture_be_polkit(Fixture *f) {
        f->polkit = connect_bus(f);
        cr_assert_geq(sd_bus_add_object_vtable(f->polkit, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                      "org.freedesktop.PolicyKit1.Authority", polkit_vtable, f),
                        0);
        cr_assert_geq(sd_bus_request_name(f->polkit, "org.freedesktop.PolicyKit1", 0), 0);
}

static int on_program_end(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        *(bool *) userdata = true;
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

void program_await(Fixture *f, pid_t pid) {
        _cleanup_close_ int pid_fd = pidfd_open(pid, 0);
        sd_event_source *source = NULL;
        bool ended = false;

        cr_assert_geq(pid_fd, 0, "%m");
        cr_assert_geq(sd_event_add_io(f->event, &source, pid_fd, EPOLLIN, on_program_end, &ended), 0);
        wait_until(f, ended);
        sd_event_source_unref(source);
}

void fixture_run(Fixture *f, uint64_t deadline_usec, const char *what) {
        uint64_t now_usec = now_monotonic_usec();

        cr_assert_lt(now_usec, deadline_usec, "Waited in vain: %s", what);
        cr_assert_geq(sd_event_run(f->event, deadline_usec - now_usec), 0);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Call *c = userdata;

        c->reply = sd_bus_message_ref(reply);
        return 0;
}

Call *call_begin(Fixture *f, const char *path, const char *interface, const char *member, const char *types,
                ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Call *c = calloc(1, sizeof(Call));
        va_list ap;

        cr_assert_not_null(c);
        cr_assert_geq(sd_bus_message_new_method_call(f->client, &m, BUS_NAME, path, interface, member), 0);
        va_start(ap, types);
        cr_assert_geq(sd_bus_message_appendv(m, types, ap), 0, "%s: the arguments do not fit \"%s\"",
                        member, types);
        va_end(ap);
        cr_assert_geq(sd_bus_call_async(f->client, &c->slot, m, on_reply, c, UINT64_MAX), 0);
        return c;
}

sd_bus_message *call_end(Fixture *f, Call *c) {
        sd_bus_message *reply;

        wait_until(f, c->reply);
        reply = c->reply;
        sd_bus_slot_unref(c->slot);
        free(c);
        return reply;
}

void expect_ok(sd_bus_message *reply) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);

        cr_assert_null(e, "%s: %s", e->name, e->message);
        sd_bus_message_unref(reply);
}

char *expect_error(sd_bus_message *reply, const char *name) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        const char *short_name;
        char *text;

        cr_assert_not_null(e, "no error, instead of %s", name);
        short_name = startswith(e->name, BUS_ERROR_PREFIX) ?: e->name;
        cr_assert_str_eq(short_name, name, "%s instead of %s: %s", e->name, name, e->message);
        cr_assert(!isempty(e->message));
        text = strdup(e->message);
        sd_bus_message_unref(reply);
        return text;
}

char *expect_path(sd_bus_message *reply) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        const char *path;
        char *copy;

        cr_assert_null(e, "%s: %s", e->name, e->message);
        cr_assert_geq(sd_bus_message_read(reply, "o", &path), 0);
        copy = strdup(path);
        sd_bus_message_unref(reply);
        return copy;
}

static sd_bus_message *get(Fixture *f, const char *path, const char *interface, const char *property,
                const char **ret_type) {
        sd_bus_message *reply = call(f, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface,
                        property);
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        char type;

        cr_assert_null(e, "%s of %s: %s: %s", property, path, e->name, e->message);
        cr_assert_gt(sd_bus_message_peek_type(reply, &type, ret_type), 0);
        cr_assert_gt(sd_bus_message_enter_container(reply, 'v', *ret_type), 0);
        return reply;
}

char *get_string(Fixture *f, const char *path, const char *interface, const char *property) {
        const char *type, *value;
        sd_bus_message *reply = get(f, path, interface, property, &type);
        char *copy;

        cr_assert_geq(sd_bus_message_read(reply, type, &value), 0);
        copy = strdup(value);
        sd_bus_message_unref(reply);
        return copy;
}

uint64_t get_number(Fixture *f, const char *path, const char *interface, const char *property) {
        const char *type;
        sd_bus_message *reply = get(f, path, interface, property, &type);
        uint64_t number = 0;
        uint32_t small;
        int flag;

        if (streq(type, "u")) {
                cr_assert_geq(sd_bus_message_read(reply, "u", &small), 0);
                number = small;
        } else if (streq(type, "b")) {
                cr_assert_geq(sd_bus_message_read(reply, "b", &flag), 0);
                number = (uint64_t) flag;
        } else
                cr_assert_geq(sd_bus_message_read(reply, "t", &number), 0);
        sd_bus_message_unref(reply);
        return number;
}

char *get_all(Fixture *f, const char *path, const char *interface) {
        sd_bus_message *reply = call(f, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface);
        char *text = NULL;
        size_t bytes;
        FILE *out;

        cr_assert_null(sd_bus_message_get_error(reply));
        out = open_memstream(&text, &bytes);
        cr_assert_not_null(out);
        cr_assert_geq(sd_bus_message_dump(reply, out, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY), 0);
        cr_assert_eq(fclose(out), 0);
        sd_bus_message_unref(reply);
        return text;
}

char *snapshot(sd_bus *connection) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *dump = NULL;
        char *text = NULL, *state = NULL;
        size_t dump_bytes, bytes;
        FILE *out;

        out = open_memstream(&dump, &dump_bytes);
        if (!out)
                return NULL;
        if (sd_bus_call_method(connection, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, &reply,
                            NULL) < 0 ||
            sd_bus_message_dump(reply, out, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY) < 0) {
                (void) fclose(out);
                return NULL;
        }
        (void) fclose(out);
        out = open_memstream(&text, &bytes);
        if (!out)
                return NULL;
        for (char *line = strtok_r(dump, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                if (!strstr(line, "UINT64") && !strstr(line, "DOUBLE"))
                        fprintf(out, "%s\n", line);
        (void) fclose(out);
        return text;
}

static int on_any_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_dump(m, userdata, 0);
}

void hear_begin(Fixture *f) {
        f->hearing_file = open_memstream(&f->heard, &f->heard_bytes);
        cr_assert_not_null(f->hearing_file);
        cr_assert_geq(sd_bus_add_match(f->client, &f->hearing, "type='signal',sender='" BUS_NAME "'", on_any_signal, f->hearing_file), 0);
}

char *hear_end(Fixture *f) {
        f->hearing = sd_bus_slot_unref(f->hearing);
        cr_assert_eq(fclose(f->hearing_file), 0);
        return TAKE_PTR(f->heard);
}

char *introspect(Fixture *f, const char *path) {
        sd_bus_message *reply = call(f, path, "org.freedesktop.DBus.Introspectable", "Introspect", "");
        const char *xml;
        char *copy;

        cr_assert_geq(sd_bus_message_read(reply, "s", &xml), 0);
        copy = strdup(xml);
        sd_bus_message_unref(reply);
        return copy;
}

char **list_sessions(Fixture *f) {
        sd_bus_message *reply = manager_call(f, "ListSessions", "a{sv}", 0);
        char **paths = NULL;
        const char *path;

        cr_assert_geq(sd_bus_message_enter_container(reply, 'a', "o"), 0);
        while (sd_bus_message_read(reply, "o", &path) > 0)
                cr_assert_eq(strv_extend(&paths, path), 0);
        sd_bus_message_unref(reply);
        return paths;
}

void assert_string(Fixture *f, const char *path, const char *interface, const char *property,
                const char *expected) {
        _cleanup_free_ char *value = get_string(f, path, interface, property);

        cr_assert_str_eq(value, expected, "%s of %s is \"%s\" instead of \"%s\"", property, path, value,
                        expected);
}

void wait_for_state(Fixture *f, const char *path, const char *interface, const char *state) {
        for (;;) {
                size_t seen = f->n_changes;
                _cleanup_free_ char *now = get_string(f, path, interface, "State");

                if (streq(now, state))
                        return;
                wait_until(f, f->n_changes > seen);
        }
}

char *fixture_unpack(Fixture *f, const char *session) {
        sd_bus_message *reply = session_call(f, session, "OpenArchive", "a{sv}", 0);
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        const char *name, *root = f->machine.tree.root;
        char *list;
        int fd;

        cr_assert_null(e, "%s: %s", e->name, e->message);
        cr_assert_geq(sd_bus_message_read(reply, "sh", &name, &fd), 0);
        cr_assert(startswith(name, "mmiotrace-") && strlen(name) > 7 && streq(name + strlen(name) - 7,
                        ".tar.xz"), "%s", name);
        cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        /* By the descriptor: who may have it need not have a right to the file. */
        cr_assert_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
        sd_bus_message_unref(reply);
        list = tool_output("mkdir -p %s/unpacked && tar -xvJf - -C %s/unpacked", root, root);
        return list;
}
