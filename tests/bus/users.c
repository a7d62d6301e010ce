/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "users.h"

bool become_user(uid_t uid) {
        return uid == geteuid() || (setgroups(0, NULL) >= 0 && setresgid(uid, uid, uid) >= 0 && setresuid(uid, uid, uid) >= 0);
}

sd_bus *connect_as(uid_t uid, const char *address) {
        sd_bus *connection = NULL;

        if (become_user(uid) && sd_bus_new(&connection) >= 0 && sd_bus_set_address(connection, address) >= 0 &&
            sd_bus_set_bus_client(connection, true) >= 0 && sd_bus_negotiate_fds(connection, true) >= 0 &&
            sd_bus_start(connection) >= 0)
                return connection;
        return sd_bus_unref(connection);
}

_noreturn_ static void print_as(uid_t uid, const char *address, const char *path, const char *interface, const char *method, int out_fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        sd_bus *connection = connect_as(uid, address);
        FILE *out = fdopen(out_fd, "w");
        int r;

        if (!connection || !out)
                _exit(EXIT_FAILURE);
        if (streq(method, "GetAll"))
                r = sd_bus_call_method(connection, BUS_NAME, path, interface, method, NULL, &reply, "s", BUS_INTERFACE_SESSION);
        else if (streq(method, "GetManagedObjects"))
                r = sd_bus_call_method(connection, BUS_NAME, path, interface, method, NULL, &reply, "");
        else
                r = sd_bus_call_method(connection, BUS_NAME, path, interface, method, NULL, &reply, "a{sv}", 0);
        if (r < 0 || sd_bus_message_dump(reply, out, 0) < 0 || fflush(out) != 0)
                _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
}

void wait_for_child(Fixture *f, pid_t pid) {
        uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC;
        int status = -1;

        while (waitpid(pid, &status, WNOHANG) == 0) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                cr_assert_geq(sd_event_run(f->event, 10 * USEC_PER_MSEC), 0);
        }
        cr_assert_eq(status, 0);
}

char *ask_as(Fixture *f, uid_t uid, const char *path, const char *interface, const char *method) {
        _cleanup_fclose_ FILE *in = NULL;
        int fd = memfd_create("answer", MFD_CLOEXEC);
        char *text = NULL;
        size_t size = 0;
        pid_t pid;

        cr_assert_geq(fd, 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                print_as(uid, f->address, path, interface, method, fd);
        }
        wait_for_child(f, pid);
        cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
        in = fdopen(fd, "r");
        cr_assert_not_null(in);
        cr_assert_gt(getdelim(&text, &size, 0, in), 0);
        return text;
}

char *see_as(Fixture *f, uid_t uid, const char *session, const char *method) {
        bool all = streq(method, "GetAll");

        return ask_as(f, uid, all ? session : BUS_PATH,
                        all ? "org.freedesktop.DBus.Properties" : "org.freedesktop.DBus.ObjectManager", method);
}
