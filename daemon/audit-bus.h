/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who did what: a line of the journal, with the caller's uid in a field, for calls that leave no other trace of who made
 * them. What was refused, auth.h tells. */

#include "bus-util.h"

/* To be called once it is done: "User 1000 has WHAT". Of what is about a session, its id and owner; without one 0 and 0. What
 * an owner does with what is his is less of a notice. */
void audit_bus_log(sd_bus_message *message, unsigned session_id, uid_t owner_uid, const char *what);
