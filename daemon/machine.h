/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a reader of a trace has to know of the machine that it was made on: board and firmware, processors, memory, and how
 * the kernel was started. Serial numbers are not read at all.
 *
 *      { "cmdline", "taint", "lockdown", "memory_bytes", "uptime_sec",
 *        "cpus": { "model_name", "vendor_id", "family", "model", "stepping", "microcode", "present" },
 *        "dmi": { "sys_vendor", "product_name", "product_version", "board_vendor", "board_name", "board_version",
 *                 "bios_vendor", "bios_version", "bios_date" } }
 *
 * What cannot be read is a text "unavailable: REASON", also where else a number would be. */

#include "context.h"
#include "json.h"

int machine_collect(const Context *context, struct json_object **ret);

/* What the kernel keeps in /sys/module of a loaded module, added to an object: "parameters" and "sections", each an object
 * of texts, or a text "unavailable: REASON". Without a module, or before it is loaded, both are empty. */
int machine_add_module(const Context *context, const char *module, struct json_object *o);

/* "BOARD, BIOS VERSION", for people; NULL if the firmware says nothing. */
int machine_describe(struct json_object *machine, char **ret);
