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

/* What its owner has written, and what shows the trace or the way to it, is for the owner and root, and for also_uid:
 * others have to ask for the permission to read, which only a method can. What goes to everybody, as a
 * signal does, comes from other calls than those for properties, or from none. The loop waits for the bus to say who asks: so
 * this is to be asked only where there is something to be seen. */
bool session_bus_caller_may_see(sd_bus *connection, const Session *session, uid_t also_uid);
