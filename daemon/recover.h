/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is left to do when the daemon is gone for good ("mmiotraced --recover", which systemd starts then): the session
 * that it leaves is ended, with everything that is still in the ring, and the machine is put back. No bus is needed for
 * that, and no daemon: it may be the daemon that cannot be started any more. What the session needs beyond, its archive,
 * is the next daemon's work. */

#include "context.h"
#include "error.h"

/* Returns 1 if there was something to do, 0 if not, or if a daemon is there, whose work it is. if_stopped: only if this
 * runs for a unit that is being stopped, and not in between two starts of it. Logs what it does, and its errors. */
int recover_run(Context *context, bool if_stopped);
