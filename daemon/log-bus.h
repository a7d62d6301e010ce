/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.freedesktop.LogControl1, which "systemctl service-log-level" calls. Everybody may read it; sd-bus lets root write. */

#include <systemd/sd-bus.h>

#define LOG_CONTROL_PATH "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"

extern const sd_bus_vtable log_bus_vtable[];

int log_bus_add(sd_bus *connection);
