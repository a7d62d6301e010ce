/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's command line, read the way the kernel reads it (lib/cmdline.c, next_arg(); kernel/params.c, parameq()):
 * "-" and "_" are the same in a name, quotes hold blanks together, and of several the last one counts. */

#include "util.h"

/* Returns 1 if the argument is there, with the text behind its "=" ("" without one), 0 if it is not. */
int boot_argument_get(const char *cmdline, const char *name, char **ret_value);

/* Whether a word is in the comma-separated lists of every argument of that name: modprobe.blacklist=a,b. "-" and "_" are
 * the same there, too. -ENOMEM. */
int boot_argument_lists(const char *cmdline, const char *name, const char *word);

/* What a bool parameter makes of its value (lib/kstrtox.c, kstrtobool()); none is a yes. */
bool boot_argument_is_true(const char *value);
