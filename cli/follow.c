/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "follow.h"
#include "session-page.h"
#include "text.h"
#include "verbs.h"
#include "wait.h"

/* For so many seconds nobody has to be there who answers: so long takes the restart of a daemon, which its
 * session outlives. */
#define UNANSWERED_MAX 10

typedef struct Follow {
        Client *client;
        Screen screen;
        bool live;              /* a page that changes in its place */
        SessionView *view;      /* the latest, NULL before the first */
} Follow;

static void follow_done(Follow *f) {
        screen_leave(&f->screen);
        session_view_free(f->view);
}

void follow_print_heading(FILE *f) {
        fprintf(f, "%-8s %8s %10s %10s %10s %7s %8s %4s %6s\n", "TIME", "EVENTS/s", "EVENTS", "READS",
                        "WRITES", "UNKNOWN", "LOST", "FILL", "LEFT");
}

void follow_print_line(const SessionView *v, uint64_t realtime_usec, FILE *f) {
        char fill[8] = "-", left[32] = "-";
        uint64_t left_usec;

        if (v->buffer_size_bytes > 0)
                (void) snprintf(fill, sizeof fill, "%u%%", session_view_ring_percent(v));
        if (session_view_ring_left(v, &left_usec))
                (void) format_short_duration(left_usec, left, sizeof left);
        fprintf(f,
                        "%-8s %8" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %7" PRIu64 " %8" PRIu64
                        " %4s %6s\n",
                        FORMAT_TIME_OF_DAY(realtime_usec), v->event_rate, v->events, v->reads, v->writes,
                        v->unknown, v->lost_events, fill, left);
}

static int show_page(Follow *f) {
        _cleanup_free_ char *text = NULL;
        Terminal terminal = terminal_detect(STDOUT_FILENO);
        size_t bytes;
        FILE *file = open_memstream(&text, &bytes);
        int r;

        if (!file)
                return -errno;
        r = session_page_print(f->view,
                        SESSION_PAGE_STATE | SESSION_PAGE_COUNTS | SESSION_PAGE_DETAILS |
                                        SESSION_PAGE_WARNINGS,
                        file, &terminal);
        fputs("\nCtrl-C ends this view; the session goes on.\n", file);
        if (fclose(file) != 0 && r >= 0)
                r = -ENOMEM;
        return r < 0 ? r : screen_draw(&f->screen, text);
}

static int show_json(const Follow *f) {
        _cleanup_json_ json_object *o = NULL;
        int r;

        r = session_view_to_json(f->view, &o);
        if (r >= 0)
                r = json_add(o, "time_usec", json_object_new_uint64(now_monotonic_usec()));
        if (r >= 0)
                r = json_add(o, "timestamp_usec", json_object_new_uint64(now_realtime_usec()));
        return r < 0 ? r : client_print_json(f->client, o);
}

/* Takes v over. */
static int show(Follow *f, SessionView *v) {
        bool first = !f->view;
        int r;

        session_view_free(f->view);
        f->view = v;
        if (f->live) {
                name_devices(f->client, v);
                return show_page(f);
        }
        if (f->client->json != JSON_OFF)
                r = show_json(f);
        else {
                if (first && f->client->legend)
                        follow_print_heading(stdout);
                follow_print_line(v, now_realtime_usec(), stdout);
                r = 0;
        }
        /* Each line is there when it is due, also for a program behind a pipe. */
        if (r >= 0 && fflush(stdout) != 0)
                r = -errno;
        return r;
}

/* Once a second until the session runs no longer. -EINTR after Ctrl-C unless error is set, -ENODATA if the
 * session did not run in the first place. */
static int follow_run(Follow *f, Wait *w, const char *path, sd_bus_error *error) {
        uint64_t at_usec = now_monotonic_usec();
        unsigned unanswered = 0;
        int r;

        for (;;) {
                SessionView *v;

                r = wait_session_at(w, path, at_usec, error, &v);
                at_usec = MAX(at_usec + USEC_PER_SEC, now_monotonic_usec());
                if (r < 0) {
                        if (!f->view || (r == -EINTR && !sd_bus_error_is_set(error)) ||
                            ++unanswered > UNANSWERED_MAX)
                                return r;
                        sd_bus_error_free(error);
                        continue;
                }
                unanswered = 0;
                if (!f->view && !session_view_is_running(v)) {
                        session_view_free(v);
                        return -ENODATA;
                }
                r = show(f, v);
                if (r < 0 || !session_view_is_running(v))
                        return r;
        }
}

static int fail_not_running(const Client *c) {
        return client_fail(c, EXIT_NOT_RUNNING, "NotRunning", "Begin one: mmiotracectl start --driver NAME",
                        "No session is running.");
}

int follow_session(Client *c, const char *id) {
        _cleanup_(follow_done) Follow f = { .client = c };
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_wait_ Wait *w = NULL;
        bool interrupted;
        int r;

        /* A line each, wherever it goes. */
        if (c->json != JSON_OFF)
                c->json = JSON_SHORT;
        f.live = c->json == JSON_OFF && screen_is_possible(&c->terminal);

        if (id) {
                r = client_session_path(c, id, &path);
                if (r != EXIT_SUCCESS)
                        return r;
        } else {
                r = client_active_session(c, &error, &path);
                if (r < 0)
                        return client_fail_bus(c, r, &error);
                if (!path)
                        return fail_not_running(c);
        }
        r = wait_new(c->bus, &w);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot follow the session");

        r = follow_run(&f, w, path, &error);
        interrupted = r == -EINTR && !sd_bus_error_is_set(&error);
        screen_leave(&f.screen);
        if (f.live && f.view && (r >= 0 || interrupted)) {
                c->terminal = terminal_detect(STDOUT_FILENO);
                (void) session_page_print(f.view, SESSION_PAGE_ALL, stdout, &c->terminal);
        }
        if (interrupted)
                return EXIT_INTERRUPTED;
        if (r == -ENODATA && !id)
                return fail_not_running(c);
        if (r == -ENODATA)
                return client_fail(c, EXIT_NOT_RUNNING, "NotRunning", NULL, "Session %s is not running.",
                                id);
        if (r < 0 && !sd_bus_error_is_set(&error))
                return client_fail_errno(c, r, "Cannot follow the session");
        if (r < 0 && id)
                return client_fail_session(c, id, r, &error);
        return r < 0 ? client_fail_bus(c, r, &error) : EXIT_SUCCESS;
}
