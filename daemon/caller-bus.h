/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a caller sits: asked from logind, as the daemon cannot look into other users' processes. */

#include "bus-util.h"

/* Finds the remote host of the caller's login session; found is called once, from the loop or at once, with NULL for a
 * local caller, or where there is no logind or no session. */
int caller_find_address(sd_bus_message *message, void (*found)(const char *address, void *userdata), void *userdata);
