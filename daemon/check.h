/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A look at the machine before a session, for somebody who asks: preflight.h in a worker. */

#include "finding.h"
#include "manager.h"
#include "session-options.h"

typedef struct Check Check;

/* Looks at what would be in the way of a session with these options, of that user. done is called once, later, from the loop: with
 * all that was found, or with an error (findings NULL) where nothing could be looked at. It may free the check. */
int check_start(Manager *manager, const SessionOptions *options, uid_t owner_uid,
        void (*done)(const Findings *findings, const Error *error, void *userdata), void *userdata, Check **ret);

/* One that is not over is given up: done is not called any more. */
Check *check_free(Check *check);
DEFINE_CLEANUP(Check *, check_free)
