/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log-bus.h"
#include "log.h"
#include "util.h"

static int property_level(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_level()));
}

static int set_level(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *value, void *userdata, sd_bus_error *ret_error) {
        const char *name;
        int level, r;

        r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;
        if (log_level_from_string(name, &level) < 0)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                "That is no level; there are emerg, alert, crit, err, warning, notice, info and debug.");
        /* Whoever looks for something that is missing in the journal finds this. */
        log_set_level(LOG_DEBUG);
        log_send(LOG_NOTICE, "MESSAGE=The log shows what is %s or worse from here on", log_level_to_string(level));
        log_set_level(level);
        return 0;
}

static int property_text(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", streq(property, "LogTarget") ? "journal" : program_invocation_short_name);
}

/* The target cannot be changed: fields and message ids would get lost in any other. */
const sd_bus_vtable log_bus_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", property_level, set_level, 0, 0),
        SD_BUS_PROPERTY("LogTarget", "s", property_text, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int log_bus_add(sd_bus *connection) {
        return sd_bus_add_object_vtable(connection, NULL, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, log_bus_vtable, NULL);
}
