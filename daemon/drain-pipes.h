/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The pipes that a session's pages pass through, one for each CPU that may record. They are parked with the service
 * manager, so that what is in them outlives the daemon; its successor gets the same ones. */

#include "drain.h"
#include "fd-store.h"

typedef struct DrainPipes {
        DrainPipe *pipes;
        size_t n_pipes;
} DrainPipes;

/* The pipes of the CPUs in the list online: those that an earlier daemon parked for the session, else new ones, parked. */
int drain_pipes_open(FdStore *store, unsigned session_id, const char *online, DrainPipes *ret);

/* Closes them here; a successor still finds them. */
void drain_pipes_done(DrainPipes *pipes);

/* Closes them for good. */
void drain_pipes_close(DrainPipes *pipes, unsigned session_id);
