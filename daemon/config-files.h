/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which files the settings are in: the main one, and drop-ins as systemd's programs have them (systemd-system.conf(5)). */

#include "error.h"

typedef struct ConfigPlaces {
        const char *file;
        const char *const *dropin_dirs; /* the strongest first, NULL at the end; NULL: there are none */
} ConfigPlaces;

/* The paths of all drop-ins, in the order in which they are read: by name over all folders, and of those with the same
 * name only the one in the strongest folder. Free with strv_free(). */
int config_dropins(const ConfigPlaces *places, char ***ret_paths, Error *error);

/* Opens one for reading. NULL: there is nothing to read; it is not there, or a link to /dev/null, which hides others. */
int config_open(const char *path, FILE **ret, Error *error);
