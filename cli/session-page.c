/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <pwd.h>

#include "session-page.h"
#include "text.h"

#define KEY_COLUMNS 11          /* "Description" */
#define MARKS_SHOWN 5
#define DESCRIPTION_LINES_SHOWN 5
#define RING_ALARM_PERCENT 80

Style session_state_style(const SessionView *v) {
        if (session_view_is_failure(v))
                return STYLE_BAD;
        if (!session_view_is_incomplete(v) && (streq(v->state, "capturing") || streq(v->state, "sealed")))
                return STYLE_GOOD;
        return STYLE_ATTENTION;
}

/* For how long it has been capturing, or did; 0 if it never began. */
static uint64_t capture_usec(const SessionView *v) {
        uint64_t now_usec = now_realtime_usec();

        if (v->start_monotonic_usec == 0)
                return 0;
        if (v->stop_monotonic_usec > 0)
                return v->stop_monotonic_usec - MIN(v->start_monotonic_usec, v->stop_monotonic_usec);
        /* The other clock is another one on every machine, and this may be the session of another. */
        return now_usec - MIN(v->start_usec, now_usec);
}

static void add_driver(Page *p, const SessionView *v) {
        _cleanup_free_ char *line = NULL;

        if (isempty(v->driver)) {
                page_add(p, "Driver", STYLE_NONE, "none named");
                return;
        }
        if (asprintf(&line, "%s%s%s", v->driver, isempty(v->driver_version) ? "" : " ",
                            v->driver_version) < 0) {
                line = NULL;
                p->r = -ENOMEM;
                return;
        }
        if (isempty(v->module) || streq(v->module, v->driver))
                page_add(p, "Driver", STYLE_NONE, "%s", line);
        else
                page_add(p, "Driver", STYLE_NONE, "%s, module %s", line, v->module);
}

/* Behind the time of the stop; nothing where a person stopped it, or where the result says it. */
static const char *stop_reason_text(const SessionView *v) {
        static const struct {
                const char *reason, *text;
        } reasons[] = {
                { "time", ": its time was up" },
                { "size", ": so much was to be captured" },
                { "events", ": so many events were to be captured" },
                { "mark", ": at the mark for that" },
                { "caller", ": with the program that began it" },
                { "service", ": with the service" },
                { "limit", ": at the limit of its size" },
        };

        for (size_t i = 0; i < ELEMENTS(reasons); i++)
                if (streq(v->stop_reason, reasons[i].reason))
                        return reasons[i].text;
        return "";
}

static void add_state(Page *p, const SessionView *v) {
        uint64_t now_usec = now_realtime_usec();

        page_add(p, "Session", STYLE_NONE, "%" PRIu32, v->id);
        if (v->seal_progress > 0)
                page_add(p, "State", session_state_style(v), "%s, %.0f%% of the archive is made", v->state, v->seal_progress * 100);
        else if (isempty(v->result) || streq(v->result, "success") || streq(v->result, v->state))
                page_add(p, "State", session_state_style(v), "%s", v->state);
        else
                page_add(p, "State", session_state_style(v), "%s (%s)", v->state, v->result);
        if (!isempty(v->result_text))
                page_add(p, "Reason", STYLE_NONE, "%s", v->result_text);
        add_driver(p, v);
        page_add_strv(p, "Devices", STYLE_NONE, v->device_names ?: v->devices);
        if (v->start_usec > 0)
                page_add(p, "Since", STYLE_NONE, "%s (%s)", FORMAT_TIMESTAMP(v->start_usec),
                                FORMAT_RELATIVE(v->start_usec, now_usec));
        if (v->stop_usec > 0)
                page_add(p, "Stopped", STYLE_NONE, "%s (%s), after %s%s", FORMAT_TIMESTAMP(v->stop_usec),
                                FORMAT_RELATIVE(v->stop_usec, now_usec), FORMAT_DURATION(capture_usec(v)),
                                stop_reason_text(v));
}

static void add_counts(Page *p, const SessionView *v) {
        uint64_t usec = capture_usec(v), n_counted = v->reads + v->writes + v->unknown + v->maps;
        char first[48] = "";

        /* What kind they are is found out later, so that the traced driver is not slowed down; marks are of none. */
        if (n_counted + v->n_marks < v->events && !streq(v->state, "sealed"))
                (void) snprintf(first, sizeof first, "of the first %" PRIu64 ": ", n_counted);
        if (v->events > 0)
                page_add(p, "Events", STYLE_NONE,
                                "%" PRIu64 " (%s%" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
                                " unknown, %" PRIu64 " maps)",
                                v->events, first, v->reads, v->writes, v->unknown, v->maps);
        else
                page_add(p, "Events", STYLE_NONE, "none");
        if (streq(v->state, "capturing") && usec >= USEC_PER_SEC)
                page_add(p, "Rate", STYLE_NONE, "%" PRIu64 "/s now, %.0f/s on average", v->event_rate,
                                (double) v->events * USEC_PER_SEC / (double) usec);

        /* Nothing here may be read as if a trace with gaps were whole. */
        if (v->lost_events > 0)
                page_add(p, "LOST", STYLE_BAD, "%" PRIu64 " event%s; the trace is not complete",
                                v->lost_events, v->lost_events == 1 ? "" : "s");
        else
                page_add(p, "Lost", STYLE_NONE, "none");
        if (v->given_up_events > 0)
                page_add(p, "Given up", STYLE_ATTENTION, "%" PRIu64 " of the oldest accesses (%s), to stay within the limit",
                                v->given_up_events, FORMAT_BYTES(v->given_up_bytes));
}

/* What is in the kernel's buffer, and for how long that can go on. */
static void add_ring(Page *p, const SessionView *v) {
        unsigned percent = session_view_ring_percent(v);
        uint64_t left_usec;

        if (v->buffer_size_bytes == 0)
                return;
        if (!streq(v->state, "capturing"))
                page_add(p, "Buffer", STYLE_NONE, "%s", FORMAT_BYTES(v->buffer_size_bytes));
        else if (session_view_ring_left(v, &left_usec))
                page_add(p, "Buffer", percent >= RING_ALARM_PERCENT ? STYLE_BAD : STYLE_NONE,
                                "%s, %u%% full (%s), %s of ring left at this rate",
                                FORMAT_BYTES(v->buffer_size_bytes), percent,
                                FORMAT_BYTES(v->ring_fill_bytes), FORMAT_SHORT_DURATION(left_usec));
        else
                page_add(p, "Buffer", STYLE_NONE, "%s, %u%% full (%s)", FORMAT_BYTES(v->buffer_size_bytes),
                                percent, FORMAT_BYTES(v->ring_fill_bytes));
}

/* The disk, where it matters: what is compressed already, and what that has brought. */
static void add_space(Page *p, const SessionView *v) {
        const char *state = v->space_short ? "short" : "enough again";

        if (v->compressed_bytes > 0)
                page_add(p, "Space", v->space_short ? STYLE_ATTENTION : STYLE_NONE, "%s; of %s captured, %s lie compressed, in %s",
                                state, FORMAT_BYTES(v->raw_bytes), FORMAT_BYTES(v->compressed_bytes),
                                FORMAT_BYTES(v->compressed_disk_bytes));
        else if (v->space_short)
                page_add(p, "Space", STYLE_ATTENTION, "short; what is captured (%s) gets compressed meanwhile",
                                FORMAT_BYTES(v->raw_bytes));
}

static void add_marks(Page *p, const SessionView *v, bool full) {
        size_t first = !full && v->n_marks > MARKS_SHOWN ? v->n_marks - MARKS_SHOWN : 0;
        size_t count = MAX(v->n_marks, (size_t) v->mark_count);
        const char *key = "Marks";

        if (v->n_marks == 0 && count > 0)
                page_add(p, key, STYLE_NONE, "%zu, which only the owner and root see here", count);
        else if (first > 0 || count > v->n_marks) {
                page_add(p, key, STYLE_NONE, "%zu, the last %zu of them:", count, v->n_marks - first);
                key = NULL;
        }
        for (size_t i = first; i < v->n_marks; i++) {
                page_add(p, key, STYLE_NONE, "%s %s", FORMAT_LOG_TIME(v->marks[i].monotonic_usec),
                                v->marks[i].text);
                key = NULL;
        }
}

static void add_description(Page *p, const SessionView *v, bool full) {
        const char *key = "Description";
        const char *s = v->description;

        for (size_t i = 0; *s; i++) {
                size_t l = strcspn(s, "\n");

                if (i == DESCRIPTION_LINES_SHOWN && !full) {
                        page_add(p, NULL, STYLE_NONE, "(there is more of it)");
                        return;
                }
                page_add(p, key, STYLE_NONE, "%.*s", (int) l, s);
                key = NULL;
                s += l + (s[l] == '\n');
        }
}

static void add_owner(Page *p, uid_t uid) {
        const struct passwd *user = getpwuid(uid);

        if (user)
                page_add(p, "Owner", STYLE_NONE, "%s (%u)", user->pw_name, uid);
        else
                page_add(p, "Owner", STYLE_NONE, "%u", uid);
}

/* How it was captured, once that is over. */
static void add_past(Page *p, const SessionView *v) {
        add_owner(p, v->owner);
        if (!isempty(v->source))
                page_add(p, "Source", STYLE_NONE, "%s%s%s", streq(v->source, "text") ? "the kernel's text" : "pages of the ring",
                                v->stacks ? ", with call stacks" : "", v->keep_raw ? ", kept in the archive" : "");
        if (session_view_is_running(v))
                return;
        if (v->buffer_size_bytes > 0)
                page_add(p, "Buffer", STYLE_NONE, "%s", FORMAT_BYTES(v->buffer_size_bytes));
        page_add(p, "CPUs", STYLE_NONE, "CPU %" PRIu32 " recorded; %s%s", v->cpu,
                        isempty(v->cpus_offline) ? "none was taken offline" : "off meanwhile: ", v->cpus_offline);
}

static void add_details(Page *p, const SessionView *v, bool full) {
        if (full)
                add_past(p, v);
        if (session_view_is_running(v)) {
                session_page_add_end(p, v);
                add_ring(p, v);
                add_space(p, v);
                if (!isempty(v->cpus_offline))
                        page_add(p, "CPUs", STYLE_NONE, "CPU %" PRIu32 " records; off until the stop: %s",
                                        v->cpu, v->cpus_offline);
        }
        if (streq(v->keep, "oldest"))
                page_add(p, "Keep", STYLE_NONE, "oldest: when the buffer is full, new events are lost");
        add_marks(p, v, full);
        add_description(p, v, full);
}

static void add_archive(Page *p, const SessionView *v, bool full) {
        if (isempty(v->archive))
                return;
        page_add(p, "Size", STYLE_NONE, "%s", FORMAT_BYTES(v->archive_bytes));
        page_add(p, "Archive", STYLE_NONE, "%s", v->archive);
        if (geteuid() == 0 && !isempty(v->archive_path))
                page_add(p, "Path", STYLE_NONE, "%s", v->archive_path);
        if (v->export_usec > 0)
                page_add(p, "Exported", STYLE_NONE, "%s (%s)", FORMAT_TIMESTAMP(v->export_usec),
                                FORMAT_RELATIVE(v->export_usec, now_realtime_usec()));
        submission_view_add(p, &v->submission, v->submit_error, &v->receipts, full);
        if (v->is_protected)
                page_add(p, "Protected", STYLE_NONE, "yes: it cannot be removed");
}

static void add_next(Page *p, const SessionView *v) {
        if (streq(v->state, "capturing")) {
                page_add(p, "Next", STYLE_NONE, "mmiotracectl mark \"TEXT\"");
                page_add(p, NULL, STYLE_NONE, "mmiotracectl stop");
        } else if (streq(v->state, "sealing"))
                page_add(p, "Next", STYLE_NONE, "mmiotracectl status %" PRIu32 " (see when it is sealed)",
                                v->id);
        else if (!isempty(v->archive)) {
                page_add(p, "Next", STYLE_NONE, "mmiotracectl export %" PRIu32, v->id);
                if (v->receipts.n_receipts == 0 && !submission_view_is_there(&v->submission))
                        page_add(p, NULL, STYLE_NONE, "mmiotracectl submit %" PRIu32, v->id);
        } else if (streq(v->state, "failed")) {
                page_add(p, "Next", STYLE_NONE, "mmiotracectl log %" PRIu32 " (see what happened)", v->id);
                page_add(p, NULL, STYLE_NONE, "mmiotracectl seal %" PRIu32 " (make an archive of what there is)", v->id);
        }
}

void session_page_add_end(Page *p, const SessionView *v) {
        _cleanup_free_ char *text = NULL;
        const char *key = "Stops";
        int r;

        r = stop_after_format(&v->stop_after, &text);
        if (r < 0) {
                p->r = r;
                return;
        }
        if (*text) {
                page_add(p, key, STYLE_NONE, "by itself %s", text);
                key = NULL;
        }
        if (!isempty(v->stop_on_mark))
                page_add(p, key, STYLE_NONE, "%s the mark \"%s\"", key ? "by itself at" : "or at", v->stop_on_mark);
}

static void add_warnings(Page *p, const SessionView *v) {
        STRV_FOREACH(warning, v->warnings) {
                fputc('\n', p->f);
                page_add(p, "Warning", STYLE_ATTENTION, "%s", *warning);
        }
        if (v->warning_count == 0 || (v->warnings && *v->warnings))
                return;
        fputc('\n', p->f);
        page_add(p, "Warnings", STYLE_ATTENTION, "%" PRIu32 ", for the owner and root", v->warning_count);
}

int session_page_print(const SessionView *v, SessionPagePart parts, FILE *f, const Terminal *terminal) {
        Page p = { .f = f, .terminal = terminal, .key_columns = KEY_COLUMNS };

        if (parts & SESSION_PAGE_STATE)
                add_state(&p, v);
        if (parts & SESSION_PAGE_COUNTS)
                add_counts(&p, v);
        if (parts & SESSION_PAGE_DETAILS)
                add_details(&p, v, parts & SESSION_PAGE_FULL);
        if (parts & SESSION_PAGE_ARCHIVE)
                add_archive(&p, v, parts & SESSION_PAGE_FULL);
        if (parts & SESSION_PAGE_NEXT)
                add_next(&p, v);
        if (parts & SESSION_PAGE_WARNINGS)
                add_warnings(&p, v);
        return p.r;
}
