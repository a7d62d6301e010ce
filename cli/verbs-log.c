/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "log": what the daemon has written about one session into the journal. */

#include <systemd/sd-journal.h>

#include "names.h"
#include "pager.h"
#include "session-view.h"
#include "text.h"
#include "verbs.h"

typedef struct Entry {
        uint64_t realtime_usec;
        int priority;           /* as in syslog(3) */
        char *message, *message_id;
} Entry;

static void entry_done(Entry *e) {
        free(e->message);
        free(e->message_id);
}

static int get_field(sd_journal *journal, const char *field, char **ret) {
        const char *data;
        size_t bytes;
        int r;

        r = sd_journal_get_data(journal, field, (const void **) &data, &bytes);
        if (r == -ENOENT) {
                *ret = strdup("");
                return *ret ? 0 : -ENOMEM;
        }
        if (r < 0)
                return r;
        /* It comes as FIELD=VALUE. */
        *ret = strndup(data + strlen(field) + 1, bytes - strlen(field) - 1);
        return *ret ? 0 : -ENOMEM;
}

static int get_entry(sd_journal *journal, Entry *ret) {
        _cleanup_(entry_done) Entry e = { .priority = 6 };
        _cleanup_free_ char *priority = NULL;
        uint64_t number;
        int r;

        r = sd_journal_get_realtime_usec(journal, &e.realtime_usec);
        if (r >= 0)
                r = get_field(journal, "PRIORITY", &priority);
        if (r >= 0)
                r = get_field(journal, "MESSAGE", &e.message);
        if (r >= 0)
                r = get_field(journal, "MESSAGE_ID", &e.message_id);
        if (r < 0)
                return r;
        if (parse_u64(priority, &number) >= 0 && number <= 7)
                e.priority = (int) number;
        *ret = e;
        e = (Entry) {};
        return 0;
}

static Style entry_style(const Entry *e) {
        return e->priority <= 3 ? STYLE_BAD : e->priority == 4 ? STYLE_ATTENTION : STYLE_NONE;
}

static int print_entry(const Client *c, const Entry *e) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = text_escape(e->message, &message);
        if (r < 0)
                return r;
        printf("%s  %s%s%s\n", FORMAT_TIMESTAMP(e->realtime_usec), terminal_style(&c->terminal, entry_style(e)), message,
                        terminal_style_end(&c->terminal, entry_style(e)));
        return 0;
}

static int add_entry(json_object *array, const Entry *e) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add(o, "timestamp_usec", json_object_new_uint64(e->realtime_usec));
        if (r >= 0)
                r = json_add(o, "priority", json_object_new_int(e->priority));
        if (r >= 0)
                r = json_add(o, "message", json_object_new_string(e->message));
        if (r >= 0)
                r = json_add(o, "message_id", json_object_new_string(e->message_id));
        return r < 0 ? r : json_append(array, TAKE_PTR(o));
}

/* Positive: there were entries. */
static int print_entries(const Client *c, sd_journal *journal) {
        _cleanup_json_ json_object *array = json_object_new_array();
        bool any = false;
        int r;

        if (!array)
                return -ENOMEM;
        while ((r = sd_journal_next(journal)) > 0) {
                _cleanup_(entry_done) Entry e = {};

                r = get_entry(journal, &e);
                if (r >= 0)
                        r = c->json != JSON_OFF ? add_entry(array, &e) : print_entry(c, &e);
                if (r < 0)
                        return r;
                any = true;
        }
        /* Without entries, the error is the document. */
        if (r >= 0 && any && c->json != JSON_OFF)
                r = client_print_json(c, array);
        return r < 0 ? r : any;
}

static int open_journal(uint32_t id, sd_journal **ret) {
        sd_journal *journal = NULL;
        char match[64];
        int r;

        r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        (void) snprintf(match, sizeof match, FIELD_SESSION "=%u", id);
        if (r >= 0)
                r = sd_journal_add_match(journal, match, 0);
        /* Everybody may write entries with any fields but those with an underscore. */
        if (r >= 0)
                r = sd_journal_add_match(journal, "_UID=0", 0);
        if (r < 0) {
                sd_journal_close(journal);
                return r;
        }
        *ret = journal;
        return 0;
}

int verb_log(Client *c, int argc, char *argv[]) {
        _cleanup_free_ char *path = NULL;
        sd_journal *journal = NULL;
        uint32_t id = 0;
        int r;

        r = client_find_session(c, argc > 1 ? argv[1] : NULL, &path);
        if (r != EXIT_SUCCESS)
                return r;
        (void) session_path_to_id(path, &id);
        r = open_journal(id, &journal);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot open the journal");
        pager_open(c);
        r = print_entries(c, journal);
        sd_journal_close(journal);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot read the journal");
        if (r == 0)
                return client_fail(c, EXIT_FAILURE, "NoEntries",
                                geteuid() == 0 ? NULL : "Who is not in the group systemd-journal or adm sees nothing of it.",
                                "The journal has nothing about session %u.", id);
        return EXIT_SUCCESS;
}
