/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "caller-bus.h"

#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER LOGIND ".Manager"
#define LOGIND_SESSION LOGIND ".Session"

typedef struct Lookup {
        void (*found)(const char *address, void *userdata);
        void *userdata;
} Lookup;

static void lookup_end(Lookup *l, const char *address) {
        l->found(isempty(address) ? NULL : address, l->userdata);
        free(l);
}

static int on_host(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const char *host = NULL;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "v", "s", &host) < 0)
                host = NULL;
        lookup_end(userdata, host);
        return 0;
}

static int on_session(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const char *path;

        /* No session: a service, a console without logind. Such a caller has no connection to lose. */
        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "o", &path) < 0 ||
            sd_bus_call_method_async(sd_bus_message_get_bus(reply), NULL, LOGIND, path, "org.freedesktop.DBus.Properties",
                            "Get", on_host, userdata, "ss", LOGIND_SESSION, "RemoteHost") < 0)
                lookup_end(userdata, NULL);
        return 0;
}

int caller_find_address(sd_bus_message *m, void (*found)(const char *address, void *userdata), void *userdata) {
        _cleanup_free_ Lookup *l = NULL;
        sd_bus_creds *creds = NULL;
        pid_t pid;
        int r;

        l = malloc(sizeof(Lookup));
        if (!l)
                return -ENOMEM;
        *l = (Lookup) { found, userdata };
        r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_PID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_pid(creds, &pid);
        sd_bus_creds_unref(creds);
        if (r >= 0)
                r = sd_bus_call_method_async(sd_bus_message_get_bus(m), NULL, LOGIND, LOGIND_PATH, LOGIND_MANAGER,
                                "GetSessionByPID", on_session, l, "u", (uint32_t) pid);
        if (r < 0)
                return r;
        (void) TAKE_PTR(l);
        return 0;
}
