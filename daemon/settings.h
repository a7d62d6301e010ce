/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is set by which line of which file: what the administrator asks when a setting is not what was expected. */

#include "util.h"

typedef struct Setting {
        char *section, *key;
        char *value;            /* as it may be shown to everybody: a secret is not in it */
        char *file;             /* NULL: it is the default */
        unsigned line;
} Setting;

typedef struct SettingList {
        Setting *items;
        size_t n_items;
} SettingList;

/* Appends one. The texts are copied. */
int settings_add(SettingList *list, const Setting *setting);
/* Removes those of that section and key; of all keys where that is NULL. */
void settings_remove(SettingList *list, const char *section, const char *key);
/* NULL: there is none; the first of several. */
const Setting *settings_find(const SettingList *list, const char *section, const char *key);

void settings_done(SettingList *list);
#define _cleanup_settings_ _cleanup_(settings_done)
