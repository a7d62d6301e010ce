/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "audit-bus.h"
#include "boot-bus.h"
#include "boot-steps.h"
#include "log.h"
#include "manager-boot.h"
#include "names.h"
#include "options-bus.h"
#include "session-bus.h"
#include "unit-bus.h"

static void emit_changed(sd_bus *connection) {
        (void) sd_bus_emit_properties_changed(connection, BUS_PATH, BUS_INTERFACE_MANAGER, "Armed", NULL);
}

/* The caller's message is all that is needed for the answer. */
static void on_armed(char *const *notes, const Error *error, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = userdata, *reply = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        if (error) {
                (void) bus_error_from(&e, -EIO, error);
                (void) sd_bus_reply_method_error(m, &e);
                sd_bus_error_free(&e);
                return;
        }
        emit_changed(sd_bus_message_get_bus(m));
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, (char **) notes);
        if (r >= 0)
                (void) sd_bus_send(NULL, reply, NULL);
}

int boot_bus_arm(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_session_options_ SessionOptions options = {};
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        Manager *manager = bus_manager(bus);
        uid_t uid;
        int r;

        r = options_bus_read(m, true, &options, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check(bus_auth(bus), m, AUTH_MANAGE,
                        &(AuthDetails) {
                                .purpose = "trace a driver from the next boot on, which leaves this machine "
                                           "one CPU until that ends",
                                .driver = options.driver,
                        },
                        ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = auth_caller_uid(m, &uid);
        if (r < 0)
                return r;
        if (options.buffer_bytes == 0 && options.n_expected == 0)
                options.buffer_bytes = manager->context->config.buffer_bytes;
        r = manager_arm(manager, &options, uid, on_armed, m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        (void) sd_bus_message_ref(m);
        return 1;
}

int boot_bus_disarm(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check(bus_auth(bus), m, AUTH_MANAGE,
                        &(AuthDetails) {
                                .purpose = "take back that the next boot is traced",
                                .driver = bus_manager(bus)->armed,
                        },
                        ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = manager_disarm(bus_manager(bus), &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, 0, 0, "taken back that the next boot is traced");
        emit_changed(sd_bus_message_get_bus(m));
        return sd_bus_reply_method_return(m, NULL);
}

int boot_bus_property_armed(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", strempty(bus_manager(userdata)->armed));
}

int boot_run(const Context *context) {
        _cleanup_free_ char *module = NULL;
        _cleanup_error_ Error error = {};
        int r;

        r = boot_begin(context, &module, &error);
        if (r < 0) {
                log_send(LOG_ERR, "MESSAGE=No session begins at this boot: %s", error.text ?: strerrordesc_np(-r),
                                "MESSAGE_ID=" MESSAGE_BOOT_FAILED);
                return r;
        }
        if (r == 0)
                return 0;
        log_send(LOG_NOTICE, "MESSAGE=The kernel traces for a session from here on; this machine runs on one CPU until it ends",
                        "MESSAGE_ID=" MESSAGE_BOOT_BEGUN, FIELD_DRIVER "=%s", module);
        r = unit_bus_load_early(module, &error);
        /* The daemon will try it again. */
        if (r < 0)
                log_send(LOG_WARNING, "MESSAGE=Cannot load %s yet: %s", module, error.text ?: strerrordesc_np(-r));
        return 0;
}
