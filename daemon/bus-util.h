/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus files share. */

#include <systemd/sd-bus.h>

#include "error.h"

/* Turns what the core said into a bus error, and returns what a method handler has to return. r is the core's result;
 * an error without text is described by it. */
int bus_error_from(sd_bus_error *ret, int r, const Error *error);

/* Reads an a{sv} that must be empty: there are no options yet. */
int bus_read_no_options(sd_bus_message *message, Error *error);

/* Object paths: PREFIX/_N. */
int bus_path_new(const char *prefix, unsigned id, char **ret);
int bus_path_parse(const char *prefix, const char *path, unsigned *ret_id);
