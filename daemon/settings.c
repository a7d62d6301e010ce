/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "settings.h"

static void setting_done(Setting *s) {
        free(s->section);
        free(s->key);
        free(s->value);
        free(s->file);
}

int settings_add(SettingList *l, const Setting *s) {
        Setting copy = {
                .section = strdup(s->section),
                .key = strdup(s->key),
                .value = strdup(s->value),
                .file = s->file ? strdup(s->file) : NULL,
                .line = s->line,
        }, *grown = NULL;

        if (copy.section && copy.key && copy.value && (copy.file || !s->file))
                grown = reallocarray(l->items, l->n_items + 1, sizeof(Setting));
        if (!grown) {
                setting_done(&copy);
                return -ENOMEM;
        }
        l->items = grown;
        l->items[l->n_items++] = copy;
        return 0;
}

static bool is_it(const Setting *s, const char *section, const char *key) {
        return streq(s->section, section) && (!key || streq(s->key, key));
}

void settings_remove(SettingList *l, const char *section, const char *key) {
        size_t n = 0;

        for (size_t i = 0; i < l->n_items; i++)
                if (is_it(l->items + i, section, key))
                        setting_done(l->items + i);
                else
                        l->items[n++] = l->items[i];
        l->n_items = n;
}

const Setting *settings_find(const SettingList *l, const char *section, const char *key) {
        for (size_t i = 0; i < l->n_items; i++)
                if (is_it(l->items + i, section, key))
                        return l->items + i;
        return NULL;
}

void settings_done(SettingList *l) {
        for (size_t i = 0; i < l->n_items; i++)
                setting_done(l->items + i);
        free(l->items);
        *l = (SettingList) {};
}
