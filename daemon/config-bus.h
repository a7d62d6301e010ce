/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the Manager object has on the bus about settings. Translation only. */

#include "manager-bus.h"

/* For the manager's vtable; userdata is the Bus. */
int config_bus_get(sd_bus_message *m, void *userdata, sd_bus_error *ret_error);
int config_bus_reload(sd_bus_message *m, void *userdata, sd_bus_error *ret_error);

/* manager_reload(), with the notifications that the service manager waits for. */
int config_reload(Manager *manager, Error *error);
