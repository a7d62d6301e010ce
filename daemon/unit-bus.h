/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Loading a module by a unit of ours: the daemon may not load modules, PID 1 may start the unit that does. */

#include "bus-util.h"
#include "session.h"

/* Starts mmiotraced-load@MODULE.service; session_load_done() hears how it ended. userdata of the hook. */
int unit_bus_load(sd_bus *connection, Session *session, const char *module);

/* Asks why this service is being stopped: found is called once, with true if it is to be started again right after
 * (systemctl restart). Both come as the same signal. */
int unit_bus_is_restarting(sd_bus *connection, void (*found)(bool restarting, void *userdata), void *userdata);
