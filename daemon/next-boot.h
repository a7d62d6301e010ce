/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session that is to begin at the next boot, on file in the configuration directory: that lies on the root file
 * system, which is the first to be there. Under its first name the file arms; it gets the second one before anything
 * is changed for it, so that a boot that hangs because of it is followed by a normal one. The file of the second name
 * is what the daemon learns of the session by, in that boot or in a later one, and then it is removed. */

#include "context.h"
#include "session-options.h"

#define NEXT_BOOT_FILE "next-boot.json"
#define BEGUN_BOOT_FILE "begun-boot.json"

typedef struct NextBoot {
        SessionOptions options;
        uid_t owner_uid;
} NextBoot;
void next_boot_done(NextBoot *boot);
#define _cleanup_next_boot_ _cleanup_(next_boot_done)

/* Nobody sits before a machine that boots: so the session is for one driver, which it loads, and never without an end. */
bool next_boot_is_possible(const SessionOptions *options);

/* All of these block for as long as the disk takes. */

/* Writes the file that arms; returns once it is on disk. */
int next_boot_save(const Context *context, const NextBoot *boot);

/* Reads the file of either name. -ENOENT: there is none; -EPERM: somebody else can write it; -EBADMSG: it does not
 * hold what next_boot_save() writes. */
int next_boot_load(const Context *context, const char *name, NextBoot *ret);

/* Gives it the second name; returns once that is on disk. -ENOENT: nothing is armed. */
int next_boot_begin(const Context *context);

/* Removes the file of either name, for good. -ENOENT: there is none. */
int next_boot_remove(const Context *context, const char *name);
