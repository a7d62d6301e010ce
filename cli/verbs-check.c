/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "names.h"
#include "pager.h"
#include "text.h"
#include "verbs.h"
#include "wait.h"

/* "blocker" is the longest level; what is found gets a column of its own only where that is worth it. */
#define LEVEL_COLUMNS 8
#define FOUND_COLUMNS_MIN 30

typedef struct FindingView {
        const char *id, *level, *found, *to_do; /* the message's */
} FindingView;

typedef struct FindingList {
        FindingView *findings;
        size_t n_findings;
        size_t n_blockers, n_warnings, n_notes, n_ok;
} FindingList;

static void finding_list_done(FindingList *l) {
        free(l->findings);
}

static int finding_list_read(sd_bus_message *m, FindingList *ret) {
        _cleanup_(finding_list_done) FindingList l = {};
        FindingView v;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ssss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ssss)", &v.id, &v.level, &v.found, &v.to_do)) > 0) {
                FindingView *grown = reallocarray(l.findings, l.n_findings + 1, sizeof *grown);

                if (!grown)
                        return -ENOMEM;
                l.findings = grown;
                l.findings[l.n_findings++] = v;
                l.n_blockers += streq(v.level, "blocker");
                l.n_warnings += streq(v.level, "warning");
                l.n_notes += streq(v.level, "note");
                l.n_ok += streq(v.level, "ok");
        }
        if (r < 0)
                return r;
        *ret = l;
        l = (FindingList) {};
        return 0;
}

static int print_json(const Client *c, const FindingList *l) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < l->n_findings; i++) {
                const FindingView *v = l->findings + i;
                _cleanup_json_ json_object *o = json_object_new_object();
                int r;

                if (!o)
                        return -ENOMEM;
                r = json_add(o, "id", json_object_new_string(v->id));
                if (r >= 0)
                        r = json_add(o, "level", json_object_new_string(v->level));
                if (r >= 0)
                        r = json_add(o, "found", json_object_new_string(v->found));
                if (r >= 0)
                        r = json_add(o, "to_do", json_object_new_string(v->to_do));
                if (r >= 0)
                        r = json_append(array, TAKE_PTR(o));
                if (r < 0)
                        return r;
        }
        return client_print_json(c, array);
}

static Style level_style(const char *level) {
        return streq(level, "blocker") ? STYLE_BAD : streq(level, "warning") ? STYLE_ATTENTION : streq(level, "ok") ? STYLE_GOOD :
                                                                                                                    STYLE_NONE;
}

/* Goes on at that column, on as many lines as it takes. */
static int print_wrapped(const Client *c, const char *text, unsigned column) {
        _cleanup_free_ char *escaped = NULL;
        unsigned columns = c->terminal.columns;
        const char *rest;
        int r;

        r = text_escape(text, &escaped);
        if (r < 0)
                return r;
        for (rest = escaped;;) {
                size_t l = columns > column ? text_wrap(rest, columns - column) : strlen(rest);

                fprintf(c->talk, "%.*s\n", (int) l, rest);
                rest += l + strspn(rest + l, " ");
                if (!*rest)
                        return 0;
                fprintf(c->talk, "%*s", (int) column, "");
        }
}

static unsigned id_columns(const FindingList *l, bool all) {
        unsigned columns = 0;

        for (size_t i = 0; i < l->n_findings; i++)
                if (all || !streq(l->findings[i].level, "ok"))
                        columns = MAX(columns, text_columns(l->findings[i].id));
        return columns;
}

static int print_table(const Client *c, const FindingList *l) {
        unsigned width = id_columns(l, c->all), column = LEVEL_COLUMNS + width + 1;
        bool any = false;
        int r = 0;

        /* Then below the id. */
        if (c->terminal.columns > 0 && c->terminal.columns < column + FOUND_COLUMNS_MIN)
                column = LEVEL_COLUMNS;
        for (size_t i = 0; i < l->n_findings && r >= 0; i++) {
                const FindingView *v = l->findings + i;
                _cleanup_free_ char *id = NULL;

                if (streq(v->level, "ok") && !c->all)
                        continue;
                if (c->legend && !any)
                        fprintf(c->talk, "%s%-*s%-*s%s%s\n", terminal_style(&c->terminal, STYLE_TITLE), LEVEL_COLUMNS, "LEVEL",
                                (int) width + 1, "ID", column > LEVEL_COLUMNS ? "FOUND, AND WHAT TO DO" : "",
                                terminal_style_end(&c->terminal, STYLE_TITLE));
                any = true;
                r = text_escape(v->id, &id);
                if (r < 0)
                        break;
                fprintf(c->talk, "%s%-*s%s%s", terminal_style(&c->terminal, level_style(v->level)), LEVEL_COLUMNS - 1, v->level,
                        terminal_style_end(&c->terminal, level_style(v->level)), " ");
                if (column > LEVEL_COLUMNS)
                        fprintf(c->talk, "%-*s", (int) width + 1, id);
                else
                        fprintf(c->talk, "%s\n%*s", id, (int) column, "");
                r = print_wrapped(c, v->found, column);
                if (r < 0 || isempty(v->to_do) || streq(v->level, "ok"))
                        continue;
                fprintf(c->talk, "%*s", (int) column, "");
                r = print_wrapped(c, v->to_do, column);
        }
        if (any)
                client_say(c, "%s", "");
        return r;
}

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

static void say_summary(const Client *c, const FindingList *l) {
        client_say(c, "%zu blocker%s, %zu warning%s, %zu note%s; %zu of %zu ok%s", l->n_blockers, plural(l->n_blockers), l->n_warnings,
                   plural(l->n_warnings), l->n_notes, plural(l->n_notes), l->n_ok, l->n_findings,
                   c->all || l->n_ok == 0 ? "." : " (--all shows those).");
        client_say(c, "%s", l->n_blockers > 0 ? "A session would not begin." : "A session can begin.");
}

int verb_check(Client *c, int argc, char *argv[]) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(finding_list_done) FindingList l = {};
        _cleanup_wait_ Wait *w = NULL;
        int r;

        r = start_check(c);
        if (r != EXIT_SUCCESS)
                return r;
        r = wait_new(c->bus, &w);
        if (r >= 0)
                r = start_request(c, "Check", &m);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot prepare the call");
        r = wait_call(w, m, &error, &reply);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", NULL, "Interrupted.");
        if (r >= 0)
                r = finding_list_read(reply, &l);
        if (r < 0)
                return client_fail_bus(c, r, &error);

        pager_open(c);
        if (c->json != JSON_OFF)
                r = print_json(c, &l);
        else {
                r = print_table(c, &l);
                say_summary(c, &l);
        }
        if (r < 0)
                return client_fail_errno(c, r, "Cannot show what was found");
        return l.n_blockers > 0 ? EXIT_BLOCKED : EXIT_SUCCESS;
}
