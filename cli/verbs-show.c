/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "show": everything that is known about one session. "status" is about what goes on; this is for who looks at a trace,
 * or decides whether to send it. */

#include "archive-view.h"
#include "pager.h"
#include "session-page.h"
#include "verbs.h"

/* That the archive cannot be read takes nothing away from the rest; so nobody is asked for a password for it. */
static int get_archive(const Client *c, const char *path, const SessionView *v, ArchiveView *ret) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r;

        if (isempty(v->archive))
                return 0;
        if (c->host) {
                client_say(c, "What the archive tells is shown on %s only.", c->host);
                return 0;
        }
        r = client_open_archive(c, path, false, &error, &name, &fd);
        if (r >= 0)
                r = archive_view_read(fd, ret);
        if (r < 0 && client_error_is_refusal(&error))
                client_say(c, "What the archive tells is shown to root only, and to whom polkit lets read it.");
        else if (r < 0)
                client_complain(NULL, "What the archive tells is left out: %s",
                                error.message ?: strerrordesc_np(-r) ?: "unknown error");
        return r < 0 ? 0 : 1;
}

static int print_json(const Client *c, const SessionView *v, const ArchiveView *archive) {
        _cleanup_json_ json_object *o = NULL;
        int r;

        r = session_view_to_json(v, &o);
        if (r >= 0 && archive)
                r = archive_view_to_json(archive, o);
        return r < 0 ? r : client_print_json(c, o);
}

static int print_page(const Client *c, const SessionView *v, const ArchiveView *archive) {
        int r;

        r = session_page_print(v,
                        SESSION_PAGE_STATE | SESSION_PAGE_COUNTS | SESSION_PAGE_DETAILS | SESSION_PAGE_FULL |
                                        SESSION_PAGE_ARCHIVE,
                        stdout, &c->terminal);
        if (r >= 0 && archive)
                r = archive_view_print(archive, v->keep_raw, stdout, &c->terminal);
        return r < 0 ? r : session_page_print(v, SESSION_PAGE_WARNINGS, stdout, &c->terminal);
}

int verb_show(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_archive_view_ ArchiveView archive = {};
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_free_ char *path = NULL;
        bool has_archive;
        int r;

        r = client_find_session(c, argc > 1 ? argv[1] : NULL, &path);
        if (r != EXIT_SUCCESS)
                return r;
        r = session_view_get(c->bus, path, &error, &v);
        if (r < 0)
                return client_fail_session(c, strrchr(path, '_') + 1, r, &error);
        if (v->mark_count > v->n_marks) {
                r = session_view_get_marks(c->bus, path, &error, v);
                /* The page says that they are not for everybody. */
                if (r < 0 && !client_error_is_refusal(&error))
                        client_complain(NULL, "Not all marks are shown: %s", error.message ?: strerrordesc_np(-r) ?: "unknown error");
        }
        has_archive = get_archive(c, path, v, &archive) > 0;
        name_devices(c, v);
        pager_open(c);
        if (c->json != JSON_OFF)
                r = print_json(c, v, has_archive ? &archive : NULL);
        else
                r = print_page(c, v, has_archive ? &archive : NULL);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the session") : EXIT_SUCCESS;
}
