/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manager's methods and property for a session at the next boot, and how that begins before there is a bus. */

#include "manager-bus.h"

/* For the manager's vtable; userdata is the Bus. */
int boot_bus_arm(sd_bus_message *m, void *userdata, sd_bus_error *ret_error);
int boot_bus_disarm(sd_bus_message *m, void *userdata, sd_bus_error *ret_error);
int boot_bus_property_armed(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);

/* All that mmiotraced.service's predecessor at boot does: begins what is armed, and has the driver loaded. */
int boot_run(const Context *context);
