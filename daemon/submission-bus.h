/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Manager and Session objects have on the bus about submissions. Translation only. */

#include "manager-bus.h"

/* Manager: Submit(o session, a{sv} options) → o job. Options: target s, the name of one, or url s. */
int submission_bus_submit(sd_bus_message *message, void *bus, sd_bus_error *ret_error);

/* Manager: GetTarget(s name, a{sv} options) → s method, s address: all of the address that is no secret, for who may submit. */
int submission_bus_get_target(sd_bus_message *message, void *bus, sd_bus_error *ret_error);

/* Manager: Targets, a(sss) of name, method, and what everybody may see of the address. */
int submission_bus_targets(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *bus, sd_bus_error *ret_error);

/* Session: Submission, (ssotus) of state ("" for none), target, job, time of the next attempt (0: now), attempts so far, and
 * why the last one failed. Who may not see what the session's owner may, nor has submitted it, gets of an address only
 * scheme and host, and no reason. */
int submission_bus_submission(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *session, sd_bus_error *ret_error);

/* Session: SubmitError. */
int submission_bus_error(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *session, sd_bus_error *ret_error);

/* Session: Receipts, a(ssstt) of target, address there or id of the mail, SHA-256, time, and bytes. The address of a paste is
 * all that one needs to read it: others get neither that nor the hash. */
int submission_bus_receipts(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *session, sd_bus_error *ret_error);
