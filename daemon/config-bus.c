/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "config-bus.h"
#include "session-bus.h"

int config_reload(Manager *manager, Error *error) {
        int r;

        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_monotonic_usec());
        r = manager_reload(manager, error);
        (void) sd_notify(false, "READY=1");
        return r;
}

int config_bus_reload(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check(bus_auth(bus), m, AUTH_MANAGE, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = config_reload(bus_manager(bus), &error);
        return r < 0 ? bus_error_from(ret_error, r, &error) : sd_bus_reply_method_return(m, NULL);
}

int config_bus_get(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_settings_ SettingList l = {};
        _cleanup_error_ Error error = {};
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = config_list(&bus_manager(userdata)->context->config, &l);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssu)");
        for (size_t i = 0; i < l.n_items && r >= 0; i++)
                r = sd_bus_message_append(reply, "(ssssu)", l.items[i].section, l.items[i].key, l.items[i].value,
                                strempty(l.items[i].file), (uint32_t) l.items[i].line);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
