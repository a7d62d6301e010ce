/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an earlier daemon, or another program, has left changed on the machine: undone at a start of the daemon, after a
 * session that could not undo it, and by request. */

#include "worker.h"

typedef struct Manager Manager;
typedef struct Session Session;

typedef struct Leftovers {
        Worker *restorer;       /* works off an undo journal that no session is behind */
        sd_event_source *retry; /* when it does so again */
        uint64_t retry_usec;    /* how long that waits, more each time */
        bool wanted;            /* somebody waits for the hook "recovered" */
        char **done;            /* what to tell then */
} Leftovers;
void leftovers_done(Leftovers *leftovers);

/* Undoes what the journal says, if there is one and no session is behind it; goes on trying. */
void leftovers_undo(Manager *manager);
/* The same for what could not be undone just now: first in seconds, then in minutes. */
void leftovers_retry(Manager *manager);

/* The same by request; and where there is no journal, ends an mmiotrace that another program has left on: what is still
 * in the ring becomes a session of its own, which belongs to the caller. The hook "recovered" answers, once for all who
 * have asked by then. */
int leftovers_recover(Manager *manager, uid_t uid, Error *error);

/* Of those who do the work: one thing that was done (tell: and is told to the log), and the end of it. */
void leftovers_note(Manager *manager, const char *text);
void leftovers_tell(Manager *manager, const char *text);
void leftovers_recovered(Manager *manager, Session *session, const Error *error);

void leftovers_log_dropped_journal(void);
