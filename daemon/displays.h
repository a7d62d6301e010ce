/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is connected to the graphics cards, as their drivers tell it in /sys/class/drm: connectors, monitors, modes, and
 * the framebuffers. Nothing is asked of a monitor for this: the kernel shows what it read last. */

#include "context.h"

/* The EDID of a connector is kept as it is, in a file of its own: "edid-card0-HDMI-A-1.bin". */
#define DISPLAYS_EDID_PREFIX "edid-"
#define DISPLAYS_EDID_SUFFIX ".bin"
#define DISPLAYS_EDID_MAX_BYTES 32768

/* Writes the EDIDs into a folder, in the place of all that are there, and returns the rest as text. -ENODATA: there are no
 * connectors. */
int displays_collect(int dir_fd, const Context *context, char **ret);

/* The names of the files with EDIDs in a folder, sorted. */
int displays_list_edids(int dir_fd, char ***ret);
