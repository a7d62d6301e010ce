/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is left to do when the daemon is gone for good ("mmiotraced --recover", which systemd starts then): the session
 * that it leaves is ended, with everything that is still in the ring, and the machine is put back. No bus is needed for
 * that, and no daemon: it may be the daemon that cannot be started any more. What the session needs beyond, its archive,
 * is the next daemon's work. */

#include "context.h"
#include "error.h"

typedef enum RecoverWhen {
        RECOVER_NOW,            /* whatever becomes of the service: by hand, and at a boot to which it has not come in time */
        RECOVER_IF_STOPPED,     /* for a unit that is being stopped, and in between two starts only if it fails too often */
        RECOVER_IF_GONE,        /* no daemon is on its way, as after a crash */
} RecoverWhen;

/* service_result, exit_status: how the daemon ended, as systemd says it; NULL: it does not (see takeovers.h). -ENOTRECOVERABLE:
 * trying again is of no use. Returns 1 if there was something to do, 0 if not, or if a daemon is there, whose work it is. Logs what it does, and its
 * errors. */
int recover_run(Context *context, RecoverWhen when, const char *service_result, const char *exit_status);
