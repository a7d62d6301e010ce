/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks among the values of a trace for what was taken out of the other files of its archive: the address that a network
 * driver reads from its card and writes to a filter, the serial number of a device. The trace is what the archive is for,
 * and is never changed; so whoever gives it away has to be told what is in it, and where.
 *
 * A value is found whatever it was read by: whole or in words of two bytes in any order, so in four and two bytes, too,
 * as long as they are close together in time; and byte by byte in a row. */

#include "json.h"
#include "record.h"

typedef struct Leak Leak;

int leak_new(Leak **ret);
Leak *leak_free(Leak *leak);
DEFINE_CLEANUP(Leak *, leak_free)
#define _cleanup_leak_ _cleanup_(leak_freep)

/* Of 6 to 16 bytes, an even number; others are passed over. what and of are for the list: "mac", "0000:00:02.0". */
int leak_add_value(Leak *leak, const char *what, const char *of, const uint8_t *value, size_t bytes);

/* How registers from start to end are called: by their offset in this. */
int leak_add_region(Leak *leak, const char *name, uint64_t start, uint64_t end);

/* What the files of a session tell of its machine: the addresses of its interfaces, serial numbers of the traced devices
 * and of monitors, and the BARs. In leak-machine.c. */
int leak_add_machine(Leak *leak, int metadata_fd);

/* Looks at the next record. */
void leak_record(Leak *leak, const Record *record);

/* A sentence for each value that was found. */
void leak_warn(const Leak *leak, void (*warn)(const char *text, void *userdata), void *userdata);

/* The same as an array of { "what", "of", "registers", "count" }. */
int leak_to_json(const Leak *leak, struct json_object **ret);
