/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Notices that the program of this process is removed from the disk. A daemon that runs does not need the file, but nothing
 * that depends on being started again, or on the recover program, can be relied on from then on. */

#include <systemd/sd-event.h>

#include "util.h"

typedef struct ProgramWatch ProgramWatch;

/* gone is called each time that the file has been missing for a second; one that is replaced is not. */
int program_watch_new(sd_event *event, void (*gone)(void *userdata), void *userdata, ProgramWatch **ret);
ProgramWatch *program_watch_free(ProgramWatch *watch);
DEFINE_CLEANUP(ProgramWatch *, program_watch_free)
