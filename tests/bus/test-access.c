/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may call what. A method that is added has to be refused to everybody but root, or be named here. */

#include <grp.h>

#include "fixture.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(access, .init = setup, .fini = teardown, .timeout = 60);

/* Methods that everybody may call: they change nothing, and show nothing of what was captured. */
static const char *const for_everybody[] = { BUS_INTERFACE_MANAGER ".ListSessions" };

typedef struct Method {
        const char *path;
        char interface[128], name[64], types[256];
        bool privileged;
} Method;

/* The methods of our interfaces at a path, out of what sd-bus prints: one element a line. */
static size_t parse_methods(const char *path, char *xml, Method *ret, size_t n_max) {
        char interface[128] = "", *state = NULL;
        Method *m = NULL;
        size_t n = 0;

        for (char *line = strtok_r(xml, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                char name[64], type[64];

                (void) sscanf(line, " <interface name=\"%127[^\"]\"", interface);
                if (!startswith(interface, "org.freedesktop.MmioTrace1."))
                        continue;
                if (sscanf(line, " <method name=\"%63[^\"]\"", name) == 1) {
                        cr_assert_lt(n, n_max);
                        m = ret + n++;
                        *m = (Method) { .path = path };
                        memcpy(m->interface, interface, sizeof interface);
                        memcpy(m->name, name, sizeof m->name);
                } else if (m && sscanf(line, " <arg type=\"%63[^\"]\"", type) == 1 && strstr(line,
                                "direction=\"in\""))
                        (void) stpcpy(m->types + strlen(m->types), type);
                else if (m && strstr(line, "org.freedesktop.systemd1.Privileged") && strstr(line,
                                "\"true\""))
                        m->privileged = true;
                else if (strstr(line, "</method>"))
                        m = NULL;
        }
        return n;
}

/* Calls a method as whoever this process is; the error's name is copied, "" without one. */
static void call_method(sd_bus *connection, const Method *m, char *error, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_message_new_method_call(connection, &message, BUS_NAME, m->path, m->interface, m->name);
        if (r >= 0 && streq(m->types, "sa{sv}"))
                r = sd_bus_message_append(message, m->types, "text", 0);
        else if (r >= 0 && streq(m->types, "a{sv}"))
                r = sd_bus_message_append(message, m->types, 0);
        else if (r >= 0)
                r = -EOPNOTSUPP; /* teach this function the new method's arguments */
        if (r >= 0)
                r = sd_bus_call(connection, message, WAIT_USEC, &e, &reply);
        (void) snprintf(error, size, "%s", r < 0 ? e.name ?: strerrordesc_np(-r) : "");
        sd_bus_error_free(&e);
}

/* In a process of its own, which is nobody: prints what was not as it has to be. */
_noreturn_ static void call_as_nobody(const char *address, const Method *methods, size_t n, int out_fd) {
        sd_bus *connection = NULL;

        if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534,
                        65534) < 0 ||
                        sd_bus_new(&connection) < 0 || sd_bus_set_address(connection, address) < 0 ||
                        sd_bus_set_bus_client(connection, true) < 0 || sd_bus_start(connection) < 0) {
                dprintf(out_fd, "cannot connect as nobody: %m\n");
                _exit(EXIT_FAILURE);
        }
        for (size_t i = 0; i < n; i++) {
                const Method *m = methods + i;
                char error[128];

                call_method(connection, m, error, sizeof error);
                if (!streq(error, m->privileged ? SD_BUS_ERROR_ACCESS_DENIED : ""))
                        dprintf(out_fd, "%s.%s: \"%s\"\n", m->interface, m->name, error);
        }
        _exit(EXIT_SUCCESS);
}

Test(access, others_are_refused) {
        static const char *const paths[] = { BUS_PATH, BUS_PATH_SESSION "/_1", BUS_PATH_JOB "/_1" };
        Fixture *f = &fixture;
        _cleanup_free_ char *stuck = below(f->machine.tree.root, "stuck");
        char output[4096] = "";
        Method methods[32];
        size_t n = 0, filled = 0;
        ssize_t l;
        int fds[2];
        pid_t pid;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
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
                n += parse_methods(paths[i], xml, methods + n, ELEMENTS(methods) - n);
        }
        cr_assert_geq(n, 7);
        for (size_t i = 0; i < n; i++) {
                bool known = false;
                char full[256];

                (void) snprintf(full, sizeof full, "%s.%s", methods[i].interface, methods[i].name);
                for (size_t j = 0; j < ELEMENTS(for_everybody); j++)
                        known = known || streq(full, for_everybody[j]);
                cr_assert_eq(methods[i].privileged, !known, "%s", full);
        }

        cr_assert_eq(pipe(fds), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0)
                call_as_nobody(f->address, methods, n, fds[1]);
        safe_close(fds[1]);
        while ((l = read(fds[0], output + filled, sizeof output - filled - 1)) > 0)
                filled += (size_t) l;
        safe_close(fds[0]);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        cr_assert_str_eq(output, "");
}
