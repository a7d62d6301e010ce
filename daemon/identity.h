/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tells this machine from others, and who uses it: its name, the names of the people with an account, the addresses
 * of its network interfaces and the serial numbers of its firmware. It is asked for while the machine is at hand, and kept
 * with the session, so that it can be taken out of the archive (redact.h) wherever that is made. The file itself never
 * goes into an archive.
 *
 *      { "hosts": [...], "users": [...], "macs": [ { "address", "of" } ], "serials": [...] }
 *
 * "of" is the PCI address of the interface's device, or else the interface's name. */

#include "context.h"
#include "json.h"
#include "redact.h"

#define IDENTITY_FILE "identity.json"

/* What is in the file already stays: an interface can be gone by the end of a session. dir_fd is the metadata folder. */
int identity_collect(int dir_fd, const Context *context);

/* NULL where there is no such file. */
int identity_load(int dir_fd, struct json_object **ret);

/* Tells the redactor all of it; identity may be NULL. */
int identity_tell(struct json_object *identity, Redactor *redactor);
