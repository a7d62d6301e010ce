/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Session objects on the bus. Translation only. */

#include "manager-bus.h"

extern const sd_bus_vtable session_bus_vtable[];

int session_bus_add(sd_bus *connection, Bus *bus);
void session_bus_emit_changed(sd_bus *connection, Session *session);
int session_bus_path(const Session *session, char **ret);

/* The bodies that the Manager's methods of the same name share. session NULL: none is running, which is an error, but
 * after those of the arguments. */
int session_bus_mark(Bus *bus, Session *session, sd_bus_message *message, sd_bus_error *ret_error);
int session_bus_stop(Bus *bus, Session *session, sd_bus_message *message, sd_bus_error *ret_error);
Manager *bus_manager(Bus *bus);
