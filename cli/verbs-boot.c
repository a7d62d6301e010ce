/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A session at the next boot. */

#include "names.h"
#include "session-page.h"
#include "text.h"
#include "verbs.h"

static int print_json(const Client *c, char *const *notes) {
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *array = json_object_new_array();
        int r = o ? 0 : -ENOMEM;

        if (r >= 0)
                r = json_add(o, "armed", json_object_new_string(c->driver));
        if (r < 0 || !array) {
                json_object_put(array);
                return -ENOMEM;
        }
        r = json_add(o, "notes", array);
        STRV_FOREACH(note, notes)
                if (r >= 0)
                        r = json_append(array, json_object_new_string(*note));
        return r < 0 ? r : client_print_json(c, o);
}

static int say_armed(const Client *c, char *const *notes) {
        Page page = { .f = c->talk, .terminal = &c->terminal, .key_columns = 5 };

        if (c->quiet)
                return 0;
        client_say(c, "The next boot is armed: once, for a session of %s.", c->driver);
        fputc('\n', c->talk);
        page_add(&page, "CPUs", STYLE_NONE, "one from early in that boot on, so that it will be slow");
        page_add(&page, "Until", STYLE_NONE, "the session is stopped, or for %s at most",
                        FORMAT_DURATION(c->stop_after.usec ?: BOOT_STOP_AFTER_USEC));
        STRV_FOREACH(note, notes)
                page_add(&page, "Note", STYLE_ATTENTION, "%s", *note);
        fputs("\n"
              "What to do next:\n"
              "  reboot\n"
              "  mmiotracectl status         then: shows the session, which the boot has begun\n"
              "  mmiotracectl disarm         instead: takes it back\n", c->talk);
        return page.r;
}

int start_at_next_boot(const Client *c) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_strv_ char **notes = NULL;
        int r;

        if (!c->driver)
                return client_fail_usage(c, NULL, "--at-next-boot needs a --driver: the boot loads it.");
        if (c->load || c->rebind)
                return client_fail_usage(c, NULL, "With --at-next-boot the driver is loaded in any case: leave --%s out.",
                                c->load ? "load" : "rebind");
        r = start_request(c, "Arm", &m);
        if (r >= 0)
                /* The daemon looks into the initramfs, which takes some seconds. */
                r = sd_bus_call(c->bus, m, UINT64_MAX, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read_strv(reply, &notes);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        r = c->json == JSON_OFF ? say_armed(c, notes) : print_json(c, notes);
        return r < 0 ? client_fail_errno(c, r, "Cannot show what is armed") : EXIT_SUCCESS;
}

int verb_disarm(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ json_object *o = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Disarm");
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, UINT64_MAX, &error, &reply);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        client_say(c, "The next boot is a normal one.");
        if (c->json == JSON_OFF)
                return EXIT_SUCCESS;
        o = json_object_new_object();
        r = o ? json_add(o, "armed", json_object_new_string("")) : -ENOMEM;
        if (r >= 0)
                r = client_print_json(c, o);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : EXIT_SUCCESS;
}
