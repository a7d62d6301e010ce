/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "caller-bus.h"

#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER LOGIND ".Manager"
#define LOGIND_SESSION LOGIND ".Session"

struct CallerLookup {
        void (*found)(const char *address, void *userdata);
        void (*gone)(void *userdata);
        void *userdata;
        sd_bus_track *track;    /* of the caller */
        sd_bus_slot *slot;      /* of the question that is open */
};

static void stop(CallerLookup *l) {
        l->slot = sd_bus_slot_unref(l->slot);
        l->track = sd_bus_track_unref(l->track);
}

CallerLookup *caller_lookup_free(CallerLookup *l) {
        if (!l)
                return NULL;
        stop(l);
        free(l);
        return NULL;
}

/* Whoever is told may free it. */
static void end(CallerLookup *l, const char *address) {
        stop(l);
        l->found(isempty(address) ? NULL : address, l->userdata);
}

static int on_gone(sd_bus_track *track, void *userdata) {
        CallerLookup *l = userdata;

        stop(l);
        l->gone(l->userdata);
        return 0;
}

static int on_host(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const char *host = NULL;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "v", "s", &host) < 0)
                host = NULL;
        end(userdata, host);
        return 0;
}

static int on_session(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        CallerLookup *l = userdata;
        const char *path;

        l->slot = sd_bus_slot_unref(l->slot);
        /* No session: a service, a console without logind. Such a caller has no connection to lose. */
        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "o", &path) < 0 ||
            sd_bus_call_method_async(sd_bus_message_get_bus(reply), &l->slot, LOGIND, path, "org.freedesktop.DBus.Properties",
                            "Get", on_host, l, "ss", LOGIND_SESSION, "RemoteHost") < 0)
                end(l, NULL);
        return 0;
}

int caller_find_address(sd_bus_message *m, void (*found)(const char *address, void *userdata), void (*gone)(void *userdata),
        void *userdata, CallerLookup **ret) {
        _cleanup_(caller_lookup_freep) CallerLookup *l = calloc(1, sizeof(CallerLookup));
        sd_bus *connection = sd_bus_message_get_bus(m);
        sd_bus_creds *creds = NULL;
        pid_t pid;
        int r;

        if (!l)
                return -ENOMEM;
        *l = (CallerLookup) { .found = found, .gone = gone, .userdata = userdata };
        r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_PID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_pid(creds, &pid);
        sd_bus_creds_unref(creds);
        if (r >= 0)
                r = sd_bus_track_new(connection, &l->track, on_gone, l);
        if (r >= 0)
                r = sd_bus_track_add_sender(l->track, m);
        if (r >= 0)
                r = sd_bus_call_method_async(connection, &l->slot, LOGIND, LOGIND_PATH, LOGIND_MANAGER, "GetSessionByPID", on_session, l,
                                "u", (uint32_t) pid);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}
