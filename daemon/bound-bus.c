/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bound-bus.h"

/* Only the active session can be running, and only the last one that was bound is watched. */
static int on_caller_gone(sd_bus_track *track, void *userdata) {
        Manager *m = userdata;

        if (m->active && m->active->options.bound_to)
                session_caller_gone(m->active);
        /* With 0 it would be called again at once, and so for ever (sd-bus, bus_track_dispatch()). */
        return 1;
}

int bound_bus_watch(sd_bus *connection, Session *s, sd_bus_track **track) {
        sd_bus_track *fresh;
        int r;

        if (!s->options.bound_to || !session_is_active(s))
                return 0;
        r = sd_bus_track_new(connection, &fresh, on_caller_gone, s->manager);
        if (r < 0)
                return r;
        sd_bus_track_unref(*track);
        *track = fresh;
        r = sd_bus_track_add_name(fresh, s->options.bound_to);
        /* It has gone already: the handler is called from the loop all the same. */
        return r == -ENXIO ? 0 : r;
}
