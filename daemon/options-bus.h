/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of a session as they come over the bus: read, checked, and refused with the reason. */

#include "bus-util.h"
#include "session-options.h"

/* Reads the a{sv} that follows in the message. at_boot: for a session at the next boot, which has other defaults. */
int options_bus_read(sd_bus_message *m, bool at_boot, SessionOptions *ret, Error *error);

/* Those of Stop: what the caller's desktop tells of the displays, NULL if it does not. Borrowed from the message. */
int options_bus_read_stop(sd_bus_message *m, const char **ret_displays, Error *error);
