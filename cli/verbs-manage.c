/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can be done to sessions that are over: remove them, protect them from that, make the archive that is missing. */

#include "names.h"
#include "session-page.h"
#include "verbs.h"
#include "wait.h"

/* All of them are there, or nothing is done. Returns EXIT_SUCCESS with their paths, or the exit status. */
static int find_sessions(const Client *c, char *const *ids, char ***ret_paths) {
        _cleanup_strv_ char **paths = NULL;
        int r;

        STRV_FOREACH(id, ids) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_session_view_ SessionView *v = NULL;
                _cleanup_free_ char *path = NULL;

                r = client_session_path(c, *id, &path);
                if (r != EXIT_SUCCESS)
                        return r;
                r = session_view_get(c->bus, path, &error, &v);
                if (r < 0)
                        return client_fail_session(c, *id, r, &error);
                r = strv_extend(&paths, path);
                if (r < 0)
                        return client_fail_errno(c, r, "Cannot remember the sessions");
        }
        *ret_paths = TAKE_PTR(paths);
        return EXIT_SUCCESS;
}

/* Without a limit of time: how long it takes to free some gigabytes is the file system's affair. */
static int remove_session(const Client *c, const char *path, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, path, BUS_INTERFACE_SESSION, "Remove");
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 0);
        return r < 0 ? r : sd_bus_call(c->bus, m, UINT64_MAX, error, &reply);
}

/* One that stays has the reason. */
static int add_session(json_object *array, const char *path, int result, const sd_bus_error *error) {
        _cleanup_json_ json_object *o = json_object_new_object();
        uint32_t id = 0;
        int r;

        if (!o)
                return -ENOMEM;
        (void) session_path_to_id(path, &id);
        r = json_add(o, "session", json_object_new_uint64(id));
        if (r >= 0)
                r = json_add(o, "removed", json_object_new_boolean(result >= 0));
        if (r >= 0 && result < 0)
                r = json_add(o, "error",
                                json_object_new_string(sd_bus_error_is_set(error) ? client_error_name(error) : "Failed"));
        if (r >= 0 && result < 0)
                r = json_add(o, "message", json_object_new_string(error->message ?: strerrordesc_np(-result) ?: "unknown error"));
        return r < 0 ? r : json_append(array, TAKE_PTR(o));
}

int verb_remove(Client *c, int argc, char *argv[]) {
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_strv_ char **paths = NULL;
        int status = EXIT_SUCCESS, r;
        Client talk = *c;

        r = find_sessions(c, argv + 1, &paths);
        if (r != EXIT_SUCCESS)
                return r;
        /* The document is about all of them. */
        talk.json = JSON_OFF;
        for (size_t i = 0; paths[i]; i++) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                r = remove_session(c, paths[i], &error);
                if (r < 0) {
                        (void) client_fail_session(&talk, argv[i + 1], r, &error);
                        status = EXIT_FAILURE;
                } else
                        client_say(c, "Session %s is removed.", argv[i + 1]);
                r = array ? add_session(array, paths[i], r, &error) : -ENOMEM;
                if (r < 0)
                        return client_fail_errno(c, r, "Cannot show the result");
        }
        r = c->json != JSON_OFF ? client_print_json(c, array) : 0;
        return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : status;
}

int verb_protect(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        bool protect = argc < 3 || streq(argv[2], "yes");
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ char *path = NULL;
        uint32_t id = 0;
        int r;

        if (!protect && !streq(argv[2], "no"))
                return client_fail_usage(c, NULL, "'protect' takes yes or no behind the ID, not '%s'.", argv[2]);
        r = client_session_path(c, argv[1], &path);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_call_method(c->bus, BUS_NAME, path, BUS_INTERFACE_SESSION, "SetProtected", &error, NULL,
                        "ba{sv}", protect, 0);
        if (r < 0)
                return client_fail_session(c, argv[1], r, &error);
        if (c->json == JSON_OFF) {
                client_say(c, protect ? "Session %s is protected: it cannot be removed." :
                                        "Session %s is not protected any more.",
                                argv[1]);
                return EXIT_SUCCESS;
        }
        (void) session_path_to_id(path, &id);
        o = json_object_new_object();
        r = o ? json_add(o, "session", json_object_new_uint64(id)) : -ENOMEM;
        if (r >= 0)
                r = json_add(o, "protected", json_object_new_boolean(protect));
        if (r >= 0)
                r = client_print_json(c, o);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : EXIT_SUCCESS;
}

static int print_sealed(const Client *c, const char *id, SessionView *v) {
        _cleanup_json_ json_object *o = NULL;
        int r;

        if (c->json != JSON_OFF) {
                r = session_view_to_json(v, &o);
                return r < 0 ? r : client_print_json(c, o);
        }
        if (session_view_is_final(v) && c->quiet)
                return 0;
        if (session_view_is_final(v)) {
                name_devices(c, v);
                return session_page_print(v,
                                SESSION_PAGE_STATE | SESSION_PAGE_COUNTS | SESSION_PAGE_ARCHIVE | SESSION_PAGE_WARNINGS, stdout,
                                &c->terminal);
        }
        client_say(c, "The archive is being made. How far it is: mmiotracectl status %s", id);
        return 0;
}

int verb_seal(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_wait_ Wait *w = NULL;
        int r;

        r = client_session_path(c, argv[1], &path);
        if (r != EXIT_SUCCESS)
                return r;
        r = wait_new(c->bus, &w);
        if (r >= 0)
                r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, path, BUS_INTERFACE_SESSION, "Seal");
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 0);
        if (r >= 0)
                r = wait_call(w, m, &error, &reply);
        if (r >= 0)
                r = c->wait ? wait_session_final(w, path, &error, &v) : session_view_get(c->bus, path, &error, &v);
        w = wait_free(w);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", NULL, "Interrupted; the archive is still being made.");
        if (r < 0)
                return client_fail_session(c, argv[1], r, &error);
        r = print_sealed(c, argv[1], v);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot show the session");
        return session_view_is_final(v) && isempty(v->archive) ? EXIT_FAILURE : EXIT_SUCCESS;
}
