/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

#include "machine.h"
#include "metadata.h"
#include "names.h"
#include "summary.h"

/* What metadata.json takes over from session.json as it is. */
static const char *const session_members[] = {
        "id", "result", "result_text", "stop_reason", "driver", "module", "driver_version", "load", "rebind", "description", "devices",
        "source", "keep", "stacks", "keep_raw", "cpu", "cpus_online", "cpus_offline", "buffer_bytes", "boot_id",
        "start_realtime_usec", "start_monotonic_usec", "stop_realtime_usec", "stop_monotonic_usec",
        "compressed_bytes", "marks", "printed_events", "log_segments", "warnings",
};

static int add_session(struct json_object *root, struct json_object *session) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(session_members); i++) {
                struct json_object *v;

                if (!json_object_object_get_ex(session, session_members[i], &v))
                        continue;
                r = json_add(o, session_members[i], json_object_get(v));
                if (r < 0)
                        return r;
        }
        return json_add(root, "session", TAKE_PTR(o));
}

static int add_events(struct json_object *root, const TraceTotals *t) {
        const struct {
                const char *key;
                uint64_t value;
        } members[] = {
                { "total", t->n_events },
                { "reads", t->n_by_type[RECORD_READ] },
                { "writes", t->n_by_type[RECORD_WRITE] },
                { "unknown", t->n_by_type[RECORD_UNKNOWN] },
                { "maps", t->n_by_type[RECORD_MAP] },
                { "unmaps", t->n_by_type[RECORD_UNMAP] },
                { "marks", t->n_by_type[RECORD_MARK] },
                { "first_ns", t->first_ns },
                { "last_ns", t->last_ns },
        };
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(members); i++) {
                r = json_add_u64(o, members[i].key, members[i].value);
                if (r < 0)
                        return r;
        }
        return json_add(root, "events", TAKE_PTR(o));
}

static int add_loss(struct json_object *root, const TraceTotals *t, uint64_t n_lost, const Gaps *gaps) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_u64(o, "events", n_lost);
        if (r >= 0)
                r = json_add_u64(o, "events_placed_in_log", t->n_lost);
        if (r >= 0)
                r = json_add_u64(o, "gaps", t->n_gaps);
        if (r >= 0)
                r = json_add_u64(o, "gaps_without_count", t->n_gaps_uncounted);
        if (r >= 0)
                r = json_add_u64(o, "events_given_up", t->n_given_up);
        if (r >= 0)
                r = json_add_u64(o, "torn_pages", t->n_torn_pages);
        if (r >= 0)
                r = gaps_to_json(gaps, o);
        if (r >= 0)
                r = json_add_u64(o, "damaged_segments", t->n_damaged_segments);
        return r < 0 ? r : json_add(root, "loss", TAKE_PTR(o));
}

/* A file of the metadata folder as it was written during the session; a null where there is none. */
static int add_file(struct json_object *root, const char *key, const char *path, Privacy *privacy) {
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        if (read_file_at(AT_FDCWD, path, 1 * MIB, &text, NULL) >= 0)
                o = json_tokener_parse(text);
        if (!o)
                return json_object_object_add(root, key, NULL) < 0 ? -ENOMEM : 0;
        r = privacy_apply_json(privacy, o);
        return r < 0 ? r : json_add(root, key, TAKE_PTR(o));
}

static int add_privacy(struct json_object *root, const Privacy *privacy) {
        struct json_object *list = NULL, *leaks = NULL;
        int r;

        r = json_add(root, "redacted", json_object_new_boolean(privacy->redactor != NULL));
        if (r >= 0 && privacy->redactor)
                r = redactor_to_json(privacy->redactor, &list);
        if (r >= 0)
                r = json_add(root, "redactions", list ?: json_object_new_array());
        if (r >= 0)
                r = leak_to_json(privacy->leak, &leaks);
        return r < 0 ? r : json_add(root, "leaks", leaks);
}

static int print_metadata(struct json_object *root, char **ret) {
        const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        char *copy;

        if (!text || asprintf(&copy, "%s\n", text) < 0)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int summary_metadata(struct json_object *session, const TraceTotals *totals, uint64_t n_lost, const Gaps *gaps, const char *uname,
        Privacy *privacy, char **ret) {
        _cleanup_json_ struct json_object *root = json_object_new_object();
        const char *clock = json_get_string(session, "trace_clock");
        int r;

        if (!root)
                return -ENOMEM;
        r = json_add_u64(root, "schema", METADATA_SCHEMA);
        if (r >= 0)
                r = json_add_string(root, "generator", "mmiotraced " PROJECT_VERSION);
        if (r >= 0)
                r = json_add(root, "uname", json_object_new_string_len(uname, (int) strcspn(uname, "\n")));
        if (r >= 0)
                r = json_add_string(root, "trace_clock", isempty(clock) ? "mono" : clock);
        if (r >= 0)
                r = add_session(root, session);
        if (r >= 0)
                r = add_file(root, "machine", SESSION_METADATA_DIR "/" METADATA_MACHINE, privacy);
        if (r >= 0)
                r = add_file(root, "driver", SESSION_METADATA_DIR "/" METADATA_DRIVER, privacy);
        if (r >= 0)
                r = add_events(root, totals);
        if (r >= 0)
                r = add_loss(root, totals, n_lost, gaps);
        if (r >= 0)
                r = add_privacy(root, privacy);
        return r < 0 ? r : print_metadata(root, ret);
}

static void print_time(FILE *f, const char *what, uint64_t realtime_usec) {
        time_t t = (time_t) (realtime_usec / USEC_PER_SEC);
        char text[32];
        struct tm tm;

        if (realtime_usec == 0 || !gmtime_r(&t, &tm) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                return;
        fprintf(f, "%s %s UTC.\n", what, text);
}

static void print_marks(FILE *f, struct json_object *session) {
        struct json_object *marks;

        if (!json_object_object_get_ex(session, "marks", &marks) || json_object_array_length(marks) == 0)
                return;
        fputs("\nWhat was done, as marked by the user (seconds as in the log):\n", f);
        for (size_t i = 0; i < json_object_array_length(marks); i++) {
                struct json_object *mark = json_object_array_get_idx(marks, i);
                uint64_t usec = json_get_u64(mark, "monotonic_usec");

                fprintf(f, "  %6" PRIu64 ".%06" PRIu64 "  %s\n", usec / USEC_PER_SEC, usec % USEC_PER_SEC,
                        json_get_string(mark, "text"));
        }
}

static void print_warnings(FILE *f, struct json_object *session) {
        struct json_object *warnings;

        if (!json_object_object_get_ex(session, "warnings", &warnings) || json_object_array_length(warnings) == 0)
                return;
        fputs("\nTo be kept in mind:\n", f);
        for (size_t i = 0; i < json_object_array_length(warnings); i++)
                fprintf(f, "  - %s\n", json_object_get_string(json_object_array_get_idx(warnings, i)));
}

static void print_facts(FILE *f, struct json_object *session, const TraceTotals *t, uint64_t n_lost, const char *uname) {
        const char *driver = json_get_string(session, "driver"), *version = json_get_string(session, "driver_version");
        struct json_object *devices;

        if (isempty(driver))
                fputs("No driver was named: everything that was mapped after the start is in the log.\n", f);
        else
                fprintf(f, "Driver: %s%s%s.\n", driver, isempty(version) ? "" : ", version ", version);
        if (json_object_object_get_ex(session, "devices", &devices))
                for (size_t i = 0; i < json_object_array_length(devices); i++)
                        fprintf(f, "Device: %s.\n", json_object_get_string(json_object_array_get_idx(devices, i)));
        fprintf(f, "Kernel: %.*s.\n", (int) strcspn(uname, "\n"), uname);
        print_time(f, "Capture began", json_get_u64(session, "start_realtime_usec"));
        print_time(f, "Capture ended", json_get_u64(session, "stop_realtime_usec"));
        fprintf(f, "%" PRIu64 " events: %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64 " accesses that the kernel could not decode, %"
                PRIu64 " mappings, %" PRIu64 " mark%s.\n", t->n_events, t->n_by_type[RECORD_READ], t->n_by_type[RECORD_WRITE],
                t->n_by_type[RECORD_UNKNOWN], t->n_by_type[RECORD_MAP], t->n_by_type[RECORD_MARK],
                t->n_by_type[RECORD_MARK] == 1 ? "" : "s");
        if (n_lost == 0 && t->n_gaps == 0)
                fputs(t->n_given_up > 0 ? "" : "No event was lost.\n", f);
        else
                fprintf(f, "THE TRACE IS NOT COMPLETE: %" PRIu64 " events were lost; %" PRIu64 " gaps in the log show where.\n",
                        n_lost, t->n_gaps);
        if (t->n_given_up > 0)
                fprintf(f, "THE BEGINNING OF THE TRACE IS NOT COMPLETE: %" PRIu64 " accesses were recorded and made way for newer ones, as "
                        "the session took as much of the disk as it may (WhenFull=keep-newest). Lines of loss in the log show where "
                        "they were; mappings and marks are all there.\n", t->n_given_up);
        if (n_lost > 0 && streq(json_get_string(session, "keep"), "oldest"))
                fputs("The full ring buffer refused them (--keep=oldest): a line of loss stands behind the batch of events in which "
                      "they were refused, so they belong somewhere between it and the line of loss before.\n", f);
        fputs("The log holds the accesses of every driver that mapped something during the session, not of this one only.\n", f);
        if (!isempty(json_get_string(session, "result_text")))
                fprintf(f, "The session did not end as it should: %s\n", json_get_string(session, "result_text"));
}

/* What description.txt begins with: what the user said, and nobody else; "" for nothing. */
static int print_user_part(const char *description, char **ret) {
        char *text;

        if (isempty(description))
                text = strdup("");
        else if (asprintf(&text, "As reported by the user:\n\n%s\n\n", description) < 0)
                text = NULL;
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

/* What metadata.json has of the machine already bears what was redacted. */
static int print_machine(FILE *f, const char *metadata) {
        _cleanup_json_ struct json_object *root = json_tokener_parse(metadata);
        struct json_object *machine, *cpus;
        _cleanup_free_ char *text = NULL;
        int r;

        if (!json_object_object_get_ex(root, "machine", &machine) || !json_object_is_type(machine, json_type_object))
                return 0;
        r = machine_describe(machine, &text);
        if (r < 0)
                return r;
        if (text)
                fprintf(f, "Machine: %s.\n", text);
        if (json_object_object_get_ex(machine, "cpus", &cpus))
                fprintf(f, "Processors: %s, CPUs %s; %s of memory.\n", json_get_string(cpus, "model_name"),
                        json_get_string(cpus, "present"), FORMAT_BYTES(json_get_u64(machine, "memory_bytes")));
        return 0;
}

int summary_description(struct json_object *session, const TraceTotals *totals, uint64_t n_lost, const char *uname,
        const char *metadata, char **ret) {
        _cleanup_free_ char *text = NULL, *user = NULL;
        size_t bytes = 0;
        FILE *f;
        int r;

        r = print_user_part(json_get_string(session, "description"), &user);
        if (r < 0)
                return r;
        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        fputs(user, f);
        print_facts(f, session, totals, n_lost, uname);
        r = print_machine(f, metadata);
        print_marks(f, session);
        print_warnings(f, session);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}

int summary_describe(const char *metadata, const char *description_txt, const char *description, char **ret_metadata,
        char **ret_description_txt) {
        _cleanup_json_ struct json_object *root = json_tokener_parse(metadata);
        _cleanup_free_ char *old_part = NULL, *new_part = NULL, *new_metadata = NULL, *text = NULL;
        struct json_object *session;
        const char *facts;
        int r;

        if (!json_object_is_type(root, json_type_object) || !json_object_object_get_ex(root, "session", &session) ||
            !json_object_is_type(session, json_type_object))
                return -EBADMSG;
        r = print_user_part(json_get_string(session, "description"), &old_part);
        if (r >= 0)
                r = print_user_part(description, &new_part);
        if (r < 0)
                return r;
        facts = startswith(description_txt, old_part);
        if (!facts)
                return -EBADMSG;
        if (asprintf(&text, "%s%s", new_part, facts) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        /* It keeps its place among the others. */
        r = json_add_string(session, "description", description);
        if (r >= 0)
                r = print_metadata(root, &new_metadata);
        if (r < 0)
                return r;
        *ret_metadata = TAKE_PTR(new_metadata);
        *ret_description_txt = TAKE_PTR(text);
        return 0;
}
