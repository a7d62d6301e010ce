/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls a method of the daemon as somebody, and prints the name of the error, or "ok". What busctl cannot: it says the
 * message of an error only, and stays until it has an answer.
 *
 * access-call USER quiet|ask|leave PATH INTERFACE METHOD [TYPE VALUE]…
 *
 * quiet: nobody may be asked for a password; ask: the caller's agent may; leave: the caller leaves the bus as soon as the
 * daemon has the call, without waiting for its answer. TYPE is s, o or b; url, as the last one, is the option of that
 * name, and without it there are no options. */

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "names.h"
#include "util.h"

#define WAIT_USEC (150 * USEC_PER_SEC)

static int become(const char *user) {
        const struct passwd *p = getpwnam(user);

        if (!p)
                return -ENOENT;
        if (p->pw_uid == geteuid())
                return 0;
        if (initgroups(user, p->pw_gid) < 0 || setresgid(p->pw_gid, p->pw_gid, p->pw_gid) < 0 ||
            setresuid(p->pw_uid, p->pw_uid, p->pw_uid) < 0)
                return -errno;
        return 0;
}

static int append(sd_bus_message *m, char **argv, int n) {
        int r = 0;

        for (int i = 0; i + 1 < n && r >= 0; i += 2) {
                if (streq(argv[i], "url"))
                        return sd_bus_message_append(m, "a{sv}", 1, "url", "s", argv[i + 1]);
                r = streq(argv[i], "b") ? sd_bus_message_append(m, "b", streq(argv[i + 1], "true"))
                                        : sd_bus_message_append(m, argv[i], argv[i + 1]);
        }
        return r < 0 ? r : sd_bus_message_append(m, "a{sv}", 0);
}

/* The daemon has taken what came before a question that it has answered. */
static int leave(sd_bus *bus, sd_bus_message *m, sd_bus_error *error) {
        int r;

        r = sd_bus_call_async(bus, NULL, m, NULL, NULL, WAIT_USEC);
        if (r >= 0)
                r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", error, NULL, "");
        return r;
}

static int call(int argc, char *argv[], sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = become(argv[1]);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, argv[3], argv[4], argv[5]);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, !streq(argv[2], "quiet"));
        if (r >= 0)
                r = append(m, argv + 6, argc - 6);
        if (r < 0)
                return r;
        return streq(argv[2], "leave") ? leave(bus, m, error) : sd_bus_call(bus, m, WAIT_USEC, error, NULL);
}

int main(int argc, char *argv[]) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (argc < 6 || argc % 2 != 0) {
                fputs("usage: access-call USER quiet|ask|leave PATH INTERFACE METHOD [TYPE VALUE]...\n", stderr);
                return EXIT_FAILURE;
        }
        r = call(argc, argv, &error);
        if (r < 0 && !error.name)
                fprintf(stderr, "access-call: %s\n", strerrordesc_np(-r));
        puts(r >= 0 ? "ok" : error.name ?: "failed");
        return EXIT_SUCCESS;
}
