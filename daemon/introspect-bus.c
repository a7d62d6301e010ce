/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "introspect-bus.h"
#include "job-bus.h"
#include "log-bus.h"
#include "manager-bus.h"
#include "names.h"
#include "session-bus.h"

static const struct {
        const char *interface;
        const sd_bus_vtable *vtable;
} interfaces[] = {
        { BUS_INTERFACE_MANAGER, bus_manager_vtable },
        { BUS_INTERFACE_SESSION, session_bus_vtable },
        { BUS_INTERFACE_JOB, job_bus_vtable },
        { LOG_CONTROL_INTERFACE, log_bus_vtable },
};

typedef struct Pair {
        sd_bus *server, *client;
        const char *xml;
        sd_bus_message *reply;
} Pair;

static void pair_done(Pair *p) {
        sd_bus_message_unref(p->reply);
        sd_bus_close_unref(p->client);
        sd_bus_close_unref(p->server);
}

static int open_end(int fd, bool server, sd_bus **ret) {
        static const sd_id128_t id = SD_ID128_MAKE(1d, 0e, 53, 8f, 6a, 93, 4c, 21, b1, 5d, 92, 3f, 0c, 77, e4, 68);
        _cleanup_(sd_bus_close_unrefp) sd_bus *end = NULL;
        int r;

        r = sd_bus_new(&end);
        if (r >= 0)
                r = sd_bus_set_fd(end, fd, fd);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        if (server)
                r = sd_bus_set_server(end, true, id);
        if (r >= 0)
                r = sd_bus_start(end);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(end);
        return 0;
}

static int pair_open(Pair *p) {
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        r = open_end(fds[0], true, &p->server);
        if (r < 0) {
                safe_close(fds[1]);
                return r;
        }
        return open_end(fds[1], false, &p->client);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Pair *p = userdata;

        p->reply = sd_bus_message_ref(reply);
        return 0;
}

/* Both ends are of this process, so one or the other always has something to do. */
static int ask(Pair *p) {
        int r;

        r = sd_bus_call_method_async(p->client, NULL, NULL, BUS_PATH, "org.freedesktop.DBus.Introspectable", "Introspect",
                        on_reply, p, NULL);
        while (r >= 0 && !p->reply) {
                r = sd_bus_process(p->server, NULL);
                if (r >= 0)
                        r = sd_bus_process(p->client, NULL);
        }
        if (r < 0)
                return r;
        if (sd_bus_message_is_method_error(p->reply, NULL))
                return -sd_bus_message_get_errno(p->reply);
        return sd_bus_message_read(p->reply, "s", &p->xml);
}

int introspect_bus_write(const char *interface, FILE *out) {
        _cleanup_(pair_done) Pair p = {};
        bool found = false;
        int r;

        r = pair_open(&p);
        for (size_t i = 0; i < ELEMENTS(interfaces) && r >= 0; i++) {
                if (interface && !streq(interfaces[i].interface, interface))
                        continue;
                found = true;
                r = sd_bus_add_object_vtable(p.server, NULL, BUS_PATH, interfaces[i].interface, interfaces[i].vtable, NULL);
        }
        if (r < 0)
                return r;
        if (!found)
                return -ENOENT;
        r = ask(&p);
        if (r < 0)
                return r;
        return fputs(p.xml, out) < 0 ? -EIO : 0;
}
