/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "audit-bus.h"
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
        r = auth_check(bus_auth(bus), m, AUTH_MANAGE,
                        &(AuthDetails) { .purpose = "have mmiotraced read its configuration again" }, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = config_reload(bus_manager(bus), &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, 0, 0, "had the configuration read again");
        return sd_bus_reply_method_return(m, NULL);
}

static int append_setting(sd_bus_message *reply, const Setting *s) {
        return sd_bus_message_append(reply, "(ssssu)", s->section, s->key, s->value, strempty(s->file), (uint32_t) s->line);
}

/* Of the targets only what the property Targets tells everybody, too. */
static int append_targets(sd_bus_message *reply, const Config *c) {
        int r = 0;

        for (size_t i = 0; i < c->n_targets && r >= 0; i++) {
                const Target *t = c->targets[i];
                _cleanup_free_ char *section = NULL;
                const Setting *line;

                if (asprintf(&section, "Target %s", t->name) < 0) {
                        section = NULL;
                        return -ENOMEM;
                }
                line = settings_find(&c->settings, section, "Method");
                r = append_setting(reply, line ?: &(Setting) { section, (char *) "Method",
                                (char *) target_method_to_string(t->method), NULL, 0 });
        }
        return r;
}

int config_bus_get(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_settings_ SettingList l = {};
        const Config *c = &bus_manager(userdata)->context->config;
        _cleanup_error_ Error error = {};
        bool in_full;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check_quietly(bus_auth(userdata), m, AUTH_MANAGE);
        if (r == 0)
                return 1;
        in_full = r > 0;
        r = config_list(c, &l);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssu)");
        for (size_t i = 0; i < l.n_items && r >= 0; i++)
                if (in_full || !startswith(l.items[i].section, "Target "))
                        r = append_setting(reply, l.items + i);
        if (r >= 0 && !in_full)
                r = append_targets(reply, c);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
