/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sessions that end with the program that asked for them: one that has left the bus, killed maybe, stops nothing any
 * more, and the machine would stay on one CPU. The caller is known by its unique name on the bus, which is on disk with
 * the session: it is watched by the next daemon, too. */

#include "bus-util.h"
#include "manager.h"

/* Watches the caller that the session is bound to; nothing to do for one that is not. The one that was watched before
 * in *track is forgotten. */
int bound_bus_watch(sd_bus *connection, Session *session, sd_bus_track **track);
