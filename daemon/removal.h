/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Takes a session away, with its files: that can take as long as the disk likes, so a worker does it. The folder loses
 * its name first, so that no start of the daemon ever finds a session of which half is gone; what is left of it then
 * is swept up at the next start. */

#include "error.h"
#include "worker.h"

typedef struct Manager Manager;
typedef struct Session Session;

typedef struct Removal {
        Manager *manager;
        Session *session;       /* NULL: it is gone, and only its files are left */
        unsigned id;            /* of the session */
        char *why;              /* for the journal */
        Worker *worker;
} Removal;

/* Refuses one that is not over, is protected or is being removed already. The hook "removed" tells of the end. why: an
 * end of the sentence "Session N was removed …". */
int removal_start(Session *session, const char *why, Error *error);
Removal *removal_free(Removal *removal);
DEFINE_CLEANUP(Removal *, removal_free)

/* Begins to remove what removals that were cut short have left. */
int removal_sweep(Manager *manager);
