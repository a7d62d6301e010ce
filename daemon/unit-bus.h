/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Loading a module by a unit of ours: the daemon may not load modules, PID 1 may start the unit that does. */

#include "bus-util.h"
#include "session.h"

/* Starts mmiotraced-load@MODULE.service; session_load_done() hears how it ended. userdata of the hook. */
int unit_bus_load(sd_bus *connection, Session *session, const char *module);

/* To PID 1 itself, which answers where there is no bus as well, as it does when systemctl asks. */
int unit_bus_connect(sd_bus **ret);

/* The first one over that connection, without waiting for the end of the unit. */
int unit_bus_load_early(const char *module, Error *error);

/* Asks PID 1 for the job of the unit that this process belongs to: found is called once with its type ("stop",
 * "restart", …), or with "" if there is none or that cannot be found out. Of the service itself, stop and restart come
 * as the same signal. The connection is the system bus or PID 1's own socket. */
int unit_bus_ask_job(sd_bus *connection, void (*found)(const char *job_type, void *userdata), void *userdata);

/* Whether the unit is there, or on its way without anybody doing anything: active, being started or stopped, waiting for
 * its automatic restart, or with a job to start it. 0 if not. */
int unit_bus_is_alive(const char *unit);
