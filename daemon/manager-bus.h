/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Manager object on the bus, and the signals and late replies that the manager's hooks ask for. Translation only. */

#include "auth.h"
#include "bus-util.h"
#include "manager.h"

typedef struct Bus Bus;

extern const sd_bus_vtable bus_manager_vtable[];

/* Puts the objects on the connection and sets the manager's hooks. */
int bus_new(sd_bus *connection, Manager *manager, Bus **ret);
Bus *bus_free(Bus *bus);
DEFINE_CLEANUP(Bus *, bus_free)

Auth *bus_auth(Bus *bus);

/* Before anything is begun for a call that is answered later. LimitsExceeded: too many wait already. */
int bus_check_waiting(Bus *bus, sd_bus_message *message, sd_bus_error *ret_error);

/* Answers the call once the session is capturing, or restored, or gone with its files: keeps a reference to it until then. */
int bus_answer_when_started(Bus *bus, Session *session, sd_bus_message *message);
int bus_answer_when_stopped(Bus *bus, Session *session, sd_bus_message *message);
int bus_answer_when_removed(Bus *bus, Session *session, sd_bus_message *message);
