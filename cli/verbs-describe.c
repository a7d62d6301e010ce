/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "description-form.h"
#include "editor.h"
#include "names.h"
#include "session-view.h"
#include "text.h"
#include "verbs.h"
#include "wait.h"

static int get_session(const Client *c, const char *path, SessionView **ret) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *id = strrchr(path, '_') + 1;
        int r;

        r = session_view_get(c->bus, path, &error, ret);
        return r < 0 ? client_fail_session(c, id, r, &error) : EXIT_SUCCESS;
}

static int fail_edit(const Client *c, int r) {
        if (r == -ENOEXEC)
                return client_fail(c, EXIT_FAILURE, "NoEditor", "Name one in the variable EDITOR, or use --text.",
                                "There is no editor.");
        if (r == -ECHILD)
                return client_fail(c, EXIT_FAILURE, "EditorFailed", NULL, "The editor failed; nothing was changed.");
        return client_fail_errno(c, r, "Cannot edit the description");
}

/* Returns EXIT_SUCCESS or the exit status; with EXIT_SUCCESS and no text there is nothing to do. */
static int edit_description(const Client *c, const SessionView *v, Edit *edit, char **ret_text) {
        _cleanup_free_ char *about = NULL, *form = NULL, *text = NULL;
        int r;

        if (asprintf(&about, "Session %" PRIu32 "%s%s", v->id, isempty(v->driver) ? "" : ", ", v->driver) < 0) {
                about = NULL;
                return client_fail_errno(c, -ENOMEM, "Cannot make the form");
        }
        r = description_form_new(about, v->description, &form);
        if (r >= 0)
                r = edit_text(form, edit);
        if (r >= 0)
                r = description_form_read(edit->text, &text);
        if (r < 0)
                return fail_edit(c, r);
        if (streq(text, v->description) || isempty(text)) {
                client_say(c, isempty(text) && !isempty(v->description) ?
                                "Nothing is left of the description, so the one of before stays; --text '' takes it away." :
                                "Nothing was changed.");
                return EXIT_SUCCESS;
        }
        *ret_text = TAKE_PTR(text);
        return EXIT_SUCCESS;
}

static int call_describe(const Client *c, const char *path, const char *text, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_wait_ Wait *w = NULL;
        const char *job;
        int r;

        r = wait_new(c->bus, &w);
        if (r >= 0)
                r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, path, BUS_INTERFACE_SESSION, "Describe");
        if (r >= 0)
                r = sd_bus_message_append(m, "sa{sv}", text, 0);
        if (r >= 0)
                r = wait_call(w, m, error, &reply);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 'o', &job);
        if (r < 0 || streq(job, "/") || c->no_block)
                return r;
        return wait_job(w, job, error);
}

static int describe(const Client *c, const char *path, const char *text) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = client_check_text(c, "The description", text);
        if (r != EXIT_SUCCESS)
                return r;
        r = call_describe(c, path, text, &error);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", NULL,
                                "Interrupted; the daemon goes on with what it was asked for.");
        return r < 0 ? client_fail_bus(c, r, &error) : EXIT_SUCCESS;
}

static int say_described(const Client *c, const char *path) {
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_json_ json_object *o = NULL;
        int r;

        r = get_session(c, path, &v);
        if (r != EXIT_SUCCESS)
                return r;
        if (c->json != JSON_OFF) {
                r = session_view_to_json(v, &o);
                if (r >= 0)
                        r = client_print_json(c, o);
                return r < 0 ? client_fail_errno(c, r, "Cannot show the session") : EXIT_SUCCESS;
        }
        if (isempty(v->archive))
                client_say(c, "Session %" PRIu32 " is described; its archive will have that.", v->id);
        else if (!streq(v->job, "/"))
                client_say(c, "Session %" PRIu32 " is described; its archive is being made anew.", v->id);
        else
                client_say(c, "Session %" PRIu32 " is described, in its archive, too. Copies that were made of it before "
                              "are of before.", v->id);
        return EXIT_SUCCESS;
}

int verb_describe(Client *c, int argc, char *argv[]) {
        _cleanup_free_ char *path = NULL, *edited = NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_edit_ Edit edit = {};
        const char *text = c->text;
        int r;

        if (text && c->edit)
                return client_fail_usage(c, NULL, "--text has the description, --edit asks for it: give one of them.");
        if (!text && !c->edit && !isatty(STDIN_FILENO))
                return client_fail_usage(c, NULL, "There is no terminal to edit the description on; give it with --text.");
        r = client_find_session(c, argc > 1 ? argv[1] : NULL, &path);
        if (r == EXIT_SUCCESS)
                r = get_session(c, path, &v);
        /* Who does not see what is there would wipe it out. */
        if (r == EXIT_SUCCESS && !text && !c->host && geteuid() != 0 && v->owner != geteuid())
                r = client_fail(c, EXIT_FAILURE, "AccessDenied", "Put another one in its place: mmiotracectl describe ID --text TEXT",
                                "Only its owner and root see the description of session %" PRIu32 ", so you cannot edit it.", v->id);
        if (r == EXIT_SUCCESS && !text) {
                r = edit_description(c, v, &edit, &edited);
                text = edited;
        }
        if (r == EXIT_SUCCESS && text)
                r = describe(c, path, text);
        /* Nobody likes to write it twice. */
        if (r != EXIT_SUCCESS && edit.edited)
                client_complain(NULL, "What was written is in %s.", edit.path);
        else if (edit.path)
                (void) unlink(edit.path);
        return r == EXIT_SUCCESS && text ? say_described(c, path) : r;
}
