/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus files share. */

#include <systemd/sd-bus.h>

#include "error.h"

/* Turns what the core said into a bus error, and returns what a method handler has to return. r is the core's result;
 * an error without text is described by it. */
int bus_error_from(sd_bus_error *ret, int r, const Error *error);

/* An option of a method: how its variant is read, checked, and put where it belongs. */
typedef struct BusOption {
        const char *key;
        int (*read)(sd_bus_message *message, const char *key, void *ret, Error *error);
        size_t offset;          /* of ret in the structure that is filled */
} BusOption;

/* Reads an a{sv}. What is not in the table is refused, and so is what comes twice: else a call could be as large as the bus
 * lets through, whatever each option may hold. On an error some of the structure can be filled. */
int bus_read_options(sd_bus_message *message, const BusOption *options, size_t n_options, void *ret, Error *error);
/* The same where there are none yet. */
int bus_read_no_options(sd_bus_message *message, Error *error);

/* Of a BusOption. */
int bus_read_boolean(sd_bus_message *message, const char *key, void *ret, Error *error);
/* Of any number, and of any but 0 (t). */
int bus_read_number(sd_bus_message *message, const char *key, void *ret, Error *error);
int bus_read_limit(sd_bus_message *message, const char *key, void *ret, Error *error);

/* Object paths: PREFIX/_N. */
int bus_path_new(const char *prefix, unsigned id, char **ret);
int bus_path_parse(const char *prefix, const char *path, unsigned *ret_id);
