/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Manager and Session objects have on the bus about submissions. Translation only. */

#include "manager-bus.h"

/* Manager: Submit(o session, a{sv} options) → o job. Options: target s, the name of one, or url s. */
int submission_bus_submit(sd_bus_message *message, void *bus, sd_bus_error *ret_error);

/* Manager: Targets, a(sss) of name, method and address. */
int submission_bus_targets(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *bus, sd_bus_error *ret_error);

/* Session: Submission, (ssotus) of state ("" for none), target, job, time of the next attempt (0: now), attempts so far, and
 * why the last one failed. */
int submission_bus_submission(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *session, sd_bus_error *ret_error);

/* Session: Receipts, a(ssstt) of target, address there or id of the mail, SHA-256, time, and bytes. */
int submission_bus_receipts(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *session, sd_bus_error *ret_error);
