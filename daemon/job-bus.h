/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Job objects on the bus. Translation only. */

#include "manager-bus.h"

extern const sd_bus_vtable job_bus_vtable[];

int job_bus_add(sd_bus *connection, Manager *manager);
void job_bus_emit_changed(sd_bus *connection, Job *job);
int job_bus_path(const Job *job, char **ret);
