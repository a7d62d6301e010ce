/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Manager's method Check on the bus: calls that wait for what a worker finds. Translation, and how many at a time. */

#include "auth.h"
#include "manager.h"

typedef struct CheckBus CheckBus;

int check_bus_new(Manager *manager, Auth *auth, CheckBus **ret);
/* Gives up what is still being looked at. */
CheckBus *check_bus_free(CheckBus *checks);
DEFINE_CLEANUP(CheckBus *, check_bus_free)

/* The method's body: answers later. */
int check_bus_method(CheckBus *checks, sd_bus_message *message, sd_bus_error *ret_error);
