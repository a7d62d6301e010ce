/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Takes a session away, with its files: that can take as long as the disk likes, so a worker does it. The folder loses
 * its name first, so that no start of the daemon ever finds a session of which half is gone. */

#include "error.h"
#include "worker.h"

typedef struct Manager Manager;
typedef struct Session Session;

/* What a session's folder is called then, with its id; no session is called that. */
#define REMOVAL_PREFIX ".gone-"

/* Lives until the worker ends; the manager has the list. */
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

/* Goes on with one that an earlier daemon began. */
int removal_resume(Manager *manager, unsigned id);

Removal *removal_free(Removal *removal);
DEFINE_CLEANUP(Removal *, removal_free)
