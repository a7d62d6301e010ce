/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "device-names.h"
#include "follow.h"
#include "names.h"
#include "pager.h"
#include "session-page.h"
#include "text.h"
#include "verbs.h"

typedef struct SessionList {
        SessionView **views;
        size_t n_views;
} SessionList;

static void session_list_done(SessionList *l) {
        for (size_t i = 0; i < l->n_views; i++)
                session_view_free(l->views[i]);
        free(l->views);
}

/* All sessions, oldest first, or only the last of them. One that is removed at the same moment is left
 * out. */
static int session_list_get(const Client *c, bool last, sd_bus_error *error, SessionList *ret) {
        _cleanup_(session_list_done) SessionList l = {};
        _cleanup_strv_ char **paths = NULL;
        size_t n;
        int r;

        r = client_list_sessions(c, error, &paths);
        if (r < 0)
                return r;
        n = strv_length(paths);
        l.views = calloc(n + 1, sizeof *l.views);
        if (!l.views)
                return -ENOMEM;
        for (size_t i = last && n > 0 ? n - 1 : 0; i < n; i++) {
                r = session_view_get(c->bus, paths[i], error, l.views + l.n_views);
                if (r >= 0)
                        l.n_views++;
                else if (client_error_is_no_object(error))
                        sd_bus_error_free(error);
                else
                        return r;
        }
        *ret = l;
        l = (SessionList) {};
        return 0;
}

void name_devices(const Client *c, SessionView *v) {
        if (!c->host)
                (void) device_names("/sys", v->devices, &v->device_names);
}

/* What a person wants to see besides the properties. That there is none of it takes nothing away from the page. */
static void complete_page(const Client *c, SessionView *v) {
        session_view_get_progress(c->bus, v);
        name_devices(c, v);
}

static int show_session(Client *c, const char *id) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = client_session_path(c, id, &path);
        if (r != EXIT_SUCCESS)
                return r;
        r = session_view_get(c->bus, path, &error, &v);
        if (r < 0)
                return client_fail_session(c, id, r, &error);
        if (c->json == JSON_OFF)
                complete_page(c, v);
        pager_open(c);
        if (c->json != JSON_OFF) {
                r = session_view_to_json(v, &o);
                if (r >= 0)
                        r = client_print_json(c, o);
        } else {
                r = session_page_print(v, SESSION_PAGE_ALL, stdout, &c->terminal);
        }
        return r < 0 ? client_fail_errno(c, r, "Cannot show the session") : EXIT_SUCCESS;
}

typedef struct ManagerView {
        char *state, *version, *armed;
        uint64_t disk_usage_bytes;
} ManagerView;

static void manager_view_done(ManagerView *v) {
        free(v->state);
        free(v->version);
        free(v->armed);
}

static int manager_view_get(const Client *c, sd_bus_error *error, ManagerView *ret) {
        _cleanup_(manager_view_done) ManagerView v = {};
        int r;

        r = sd_bus_get_property_string(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "State", error,
                        &v.state);
        if (r >= 0)
                r = sd_bus_get_property_string(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Version",
                                error, &v.version);
        if (r >= 0)
                r = sd_bus_get_property_string(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Armed", error,
                                &v.armed);
        if (r >= 0)
                r = sd_bus_get_property_trivial(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER,
                                "DiskUsage", error, 't', &v.disk_usage_bytes);
        if (r < 0)
                return r;
        *ret = v;
        v = (ManagerView) {};
        return 0;
}

static int add_session_or_null(json_object *o, const char *key, const SessionView *v) {
        json_object *session;
        int r;

        /* json-c's null is NULL, which json_add() takes for a failed allocation. */
        if (!v)
                return json_object_object_add(o, key, NULL) < 0 ? -ENOMEM : 0;
        r = session_view_to_json(v, &session);
        return r < 0 ? r : json_add(o, key, session);
}

static int print_status_json(const Client *c, const ManagerView *m, const SessionView *active,
                const SessionView *last) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add(o, "state", json_object_new_string(m->state));
        if (r >= 0)
                r = json_add(o, "version", json_object_new_string(m->version));
        if (r >= 0)
                r = json_add(o, "disk_usage_bytes", json_object_new_uint64(m->disk_usage_bytes));
        if (r >= 0)
                r = json_add(o, "armed", json_object_new_string(m->armed));
        if (r >= 0)
                r = add_session_or_null(o, "active_session", active);
        if (r >= 0)
                r = add_session_or_null(o, "last_session", last);
        if (r >= 0)
                r = client_print_json(c, o);
        return r;
}

static void say_armed(const Client *c, const char *driver) {
        if (isempty(driver) || !c->legend || c->quiet || c->json != JSON_OFF)
                return;
        fputc('\n', stdout);
        client_say(c, "The next boot is armed for a session of %s. Take that back: mmiotracectl disarm", driver);
}

static int print_idle(const Client *c, const ManagerView *m, SessionView *last) {
        fputs("No session is running.\n", stdout);
        if (!last) {
                fputs("Begin one: mmiotracectl start --driver NAME\n", stdout);
                return 0;
        }
        fputs("The last one was:\n\n", stdout);
        complete_page(c, last);
        return session_page_print(last,
                        SESSION_PAGE_STATE | SESSION_PAGE_COUNTS | SESSION_PAGE_ARCHIVE | SESSION_PAGE_NEXT,
                        stdout, &c->terminal);
}

int verb_status(Client *c, int argc, char *argv[]) {
        _cleanup_(manager_view_done) ManagerView m = {};
        _cleanup_(session_list_done) SessionList last = {};
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_free_ char *path = NULL;
        bool running;
        int r;

        if (c->follow)
                return follow_session(c, argc > 1 ? argv[1] : NULL);
        if (argc > 1)
                return show_session(c, argv[1]);

        r = manager_view_get(c, &error, &m);
        if (r >= 0)
                r = client_active_session(c, &error, &path);
        if (r >= 0 && path)
                r = session_view_get(c->bus, path, &error, &v);
        if (r < 0 && client_error_is_no_object(&error)) {
                /* It ended between the two questions. */
                sd_bus_error_free(&error);
                r = 0;
        }
        if (r >= 0 && !v)
                r = session_list_get(c, true, &error, &last);
        if (r < 0)
                return client_fail_bus(c, r, &error);

        running = v && session_view_is_running(v);
        pager_open(c);
        if (c->json != JSON_OFF)
                r = print_status_json(c, &m, v, last.n_views > 0 ? last.views[0] : NULL);
        else if (v) {
                complete_page(c, v);
                r = session_page_print(v, SESSION_PAGE_ALL, stdout, &c->terminal);
        } else
                r = print_idle(c, &m, last.n_views > 0 ? last.views[0] : NULL);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot show the status");
        say_armed(c, m.armed);
        return running ? EXIT_SUCCESS : EXIT_NOT_RUNNING;
}

static int print_list_json(const Client *c, const SessionList *l) {
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < l->n_views; i++) {
                json_object *o;

                r = session_view_to_json(l->views[i], &o);
                if (r >= 0)
                        r = json_append(array, o);
                if (r < 0)
                        return r;
        }
        return client_print_json(c, array);
}

/* What is going on counts for more than what was. */
static const char *sent_to(const SessionView *v) {
        const ReceiptView *last = receipt_list_last(&v->receipts);

        if (submission_view_is_there(&v->submission))
                return v->submission.state;
        if (!isempty(v->submit_error))
                return "failed";
        if (!last)
                return "-";
        return strstr(last->target, "://") ? "yes" : last->target;
}

static int print_list(const Client *c, const SessionList *l) {
        static const TableColumn columns[] = {
                { "ID", true }, { "STATE" }, { "DRIVER" }, { "STARTED" }, { "EVENTS", true },
                { "LOST", true }, { "SIZE", true }, { "SENT" }, { "ARCHIVE" },
        };
        _cleanup_table_ Table t = { .columns = columns, .n_columns = ELEMENTS(columns) };
        uint64_t now_usec = now_realtime_usec();

        for (size_t i = 0; i < l->n_views; i++) {
                const SessionView *v = l->views[i];
                uint64_t size_bytes = isempty(v->archive) ? v->raw_bytes : v->archive_bytes;

                table_add(&t, STYLE_NONE, "%" PRIu32, v->id);
                table_add(&t, session_state_style(v), "%s", v->state);
                table_add(&t, STYLE_NONE, "%s", isempty(v->driver) ? "-" : v->driver);
                table_add(&t, STYLE_NONE, "%s", v->start_usec > 0 ? FORMAT_RELATIVE(v->start_usec, now_usec) : "-");
                table_add(&t, STYLE_NONE, "%" PRIu64, v->events);
                table_add(&t, session_view_is_incomplete(v) ? STYLE_BAD : STYLE_NONE, "%" PRIu64,
                                v->lost_events + v->given_up_events);
                table_add(&t, STYLE_NONE, "%s", FORMAT_BYTES(size_bytes));
                table_add(&t, isempty(v->submit_error) ? STYLE_NONE : STYLE_BAD, "%s", sent_to(v));
                table_add(&t, STYLE_NONE, "%s", isempty(v->archive) ? "-" : v->archive);
        }
        return client_print_table(c, &t);
}

int verb_list(Client *c, int argc, char *argv[]) {
        _cleanup_(session_list_done) SessionList l = {};
        _cleanup_(manager_view_done) ManagerView m = {};
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = manager_view_get(c, &error, &m);
        if (r >= 0)
                r = session_list_get(c, false, &error, &l);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        pager_open(c);
        if (c->json != JSON_OFF)
                r = print_list_json(c, &l);
        else if (l.n_views > 0)
                r = print_list(c, &l);
        /* Not for who reads rows. */
        else if (c->legend)
                client_say(c, "There are no sessions.");
        say_armed(c, m.armed);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the sessions") : EXIT_SUCCESS;
}
