/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine as it should be, by hand. */

#include <inttypes.h>

#include "names.h"
#include "verbs.h"
#include "wait.h"

static int print_json(const Client *c, uint32_t session, char *const *done) {
        _cleanup_json_ json_object *o = json_object_new_object(), *array = json_object_new_array();
        int r = o && array ? 0 : -ENOMEM;

        STRV_FOREACH(sentence, done)
                if (r >= 0)
                        r = json_append(array, json_object_new_string(*sentence));
        /* NULL is null. */
        if (r >= 0 && json_object_object_add(o, "session", session > 0 ? json_object_new_uint64(session) : NULL) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = json_add(o, "done", TAKE_PTR(array));
        return r < 0 ? r : client_print_json(c, o);
}

static void say_recovered(const Client *c, uint32_t session, char *const *done) {
        if (strv_length(done) == 0 && session == 0)
                client_say(c, "There is nothing to recover.");
        STRV_FOREACH(sentence, done)
                client_say(c, "%s", *sentence);
        if (session > 0) {
                client_say(c, "What the ring buffer still held is session %" PRIu32 "; its archive is being made.", session);
                client_say(c, "How far it is: mmiotracectl status %" PRIu32, session);
                client_say(c, "When it is done: mmiotracectl export %" PRIu32, session);
        }
}

int verb_recover(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_strv_ char **done = NULL;
        _cleanup_wait_ Wait *w = NULL;
        uint32_t session = 0;
        const char *path;
        int r;

        r = wait_new(c->bus, &w);
        if (r >= 0)
                r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Recover");
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 0);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot prepare the call");
        r = wait_call(w, m, &error, &reply);
        w = wait_free(w);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", "See it: mmiotracectl status",
                                "Interrupted; the daemon goes on recovering the machine.");
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_message_read_strv(reply, &done);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        /* "/" is none. */
        (void) session_path_to_id(path, &session);

        if (c->json == JSON_OFF)
                say_recovered(c, session, done);
        else
                r = print_json(c, session, done);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : EXIT_SUCCESS;
}
