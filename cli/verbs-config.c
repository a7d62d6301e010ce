/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "names.h"
#include "pager.h"
#include "session-view.h"
#include "table.h"
#include "verbs.h"

typedef struct SettingView {
        const char *section, *key, *value, *file;       /* the message's; file "": it is the default */
        uint32_t line;
} SettingView;

static int append_json(json_object *array, const SettingView *v) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add(o, "section", json_object_new_string(v->section));
        if (r >= 0)
                r = json_add(o, "key", json_object_new_string(v->key));
        if (r >= 0)
                r = json_add(o, "value", json_object_new_string(v->value));
        if (r >= 0)
                r = json_add(o, "file", json_object_new_string(v->file));
        if (r >= 0)
                r = json_add(o, "line", json_object_new_uint64(v->line));
        return r < 0 ? r : json_append(array, TAKE_PTR(o));
}

/* What nothing means where it is the default. */
static const char *meaning_of_nothing(const SettingView *v) {
        if (streq(v->key, "MaxUse") || streq(v->key, "KeepFree"))
                return "by size of disk";
        return streq(v->key, "MaxSessionSize") ? "no limit" : "-";
}

/* The file comes last: that is what gives way on a narrow terminal, before the value does. */
static void add_row(Table *t, const SettingView *v) {
        table_add(t, STYLE_NONE, "%s", v->section);
        table_add(t, STYLE_NONE, "%s", v->key);
        table_add(t, STYLE_NONE, "%s", isempty(v->value) ? meaning_of_nothing(v) : v->value);
        if (isempty(v->file))
                table_add(t, STYLE_NONE, "default");
        else
                table_add(t, STYLE_NONE, "%s:%" PRIu32, v->file, v->line);
}

int verb_config(Client *c, int argc, char *argv[]) {
        static const TableColumn columns[] = { { "SECTION" }, { "KEY" }, { "VALUE" }, { "FROM", .path = true } };
        _cleanup_table_ Table t = { .columns = columns, .n_columns = ELEMENTS(columns) };
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_message_ sd_bus_message *reply = NULL;
        bool has_target = false, in_full = false;
        SettingView v;
        int r;

        if (!array)
                return client_fail_errno(c, -ENOMEM, "Cannot show the settings");
        r = sd_bus_call_method(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "GetConfig", &error, &reply, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssssu)");
        if (r < 0)
                return client_fail_bus(c, r, &error);
        while ((r = sd_bus_message_read(reply, "(ssssu)", &v.section, &v.key, &v.value, &v.file, &v.line)) > 0) {
                bool is_target = startswith(v.section, "Target ");

                has_target = has_target || is_target;
                in_full = in_full || (is_target && !streq(v.key, "Method"));
                add_row(&t, &v);
                r = append_json(array, &v);
                if (r < 0)
                        break;
        }
        if (r < 0)
                return client_fail_errno(c, r, "Cannot read the settings");
        pager_open(c);
        r = c->json != JSON_OFF ? client_print_json(c, array) : client_print_table(c, &t);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot show the settings");
        /* A target without a URL= is none. */
        if (c->json == JSON_OFF && has_target && !in_full)
                client_say(c, "What else is set of the targets, root sees, and who may manage traces.");
        return EXIT_SUCCESS;
}
