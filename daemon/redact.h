/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Takes out of an archive's files what tells one machine, or one person, from another and is of no use to whoever reads
 * a trace: network addresses, serial numbers, ids of disks, secrets, and the names of host, users and wireless networks.
 *
 * A value becomes "[redacted KIND N]". N is the same wherever the value is found in the archive, so that a reader still
 * sees that two lines speak of one thing. What is in binary becomes zeros. The trace itself is never changed: see leak.h.
 *
 * What is found by its form needs nobody to know it (addresses, UUIDs, "password="); names and most serial numbers look
 * like nothing in particular, and are found because the machine has told them (identity.h). */

#include "json.h"

typedef enum RedactKind {
        REDACT_MAC,
        REDACT_SERIAL,
        REDACT_ID,              /* of disks, and every other UUID */
        REDACT_SECRET,
        REDACT_HOST,
        REDACT_USER,
        REDACT_SSID,
        _REDACT_KIND_MAX,
} RedactKind;

typedef struct Redactor Redactor;

int redactor_new(Redactor **ret);
Redactor *redactor_free(Redactor *redactor);
DEFINE_CLEANUP(Redactor *, redactor_free)
#define _cleanup_redactor_ _cleanup_(redactor_freep)

/* A value of this machine, to be taken out wherever it stands as a word. An address is given as 52:54:00:12:34:56, and
 * found in every other form, too. What is too short to mean anything, or the same on every machine ("localhost"), is not
 * taken up: that is no error. */
int redactor_add(Redactor *redactor, RedactKind kind, const char *value);

/* A name that is no secret whoever else bears it: the driver's. To be called before redactor_add(). */
int redactor_keep(Redactor *redactor, const char *name);

/* where is the name of the file, for the list. The text is the caller's. */
int redact_text(Redactor *redactor, const char *where, const char *text, char **ret);
/* The same for the arguments of the kernel: of a text in general, only lines that say that they are such are taken for
 * that. */
int redact_arguments(Redactor *redactor, const char *where, const char *arguments, char **ret);

/* The serial numbers in the hexadecimal form of config-space.h, and what there is of a device's product data. */
int redact_config_space(Redactor *redactor, const char *where, const char *text, char **ret);
/* A text with EDIDs in lines of hexadecimal digits, as xrandr prints them. */
int redact_reported(Redactor *redactor, const char *where, const char *text, char **ret);
/* A monitor's serial numbers, in place; checksums that were right stay so. -EBADMSG: it is no EDID. */
int redact_edid(Redactor *redactor, const char *where, uint8_t *edid, size_t bytes);

/* Notes that something was taken out. */
int redactor_count(Redactor *redactor, RedactKind kind, const char *where);

/* What was done, as an array of { "what", "where", "count" }, in the order of files and kinds. */
int redactor_to_json(const Redactor *redactor, struct json_object **ret);
