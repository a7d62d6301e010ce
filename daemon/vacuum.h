/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keeps the sessions within what they may take of the disk: removes the oldest ones that can be had again, because
 * somebody has a copy of their archives. One that nobody has fetched, or that is protected, is never removed by itself:
 * then it is the next session that does not begin, or the running one that ends. */

#include "storage.h"
#include "worker.h"

typedef struct Manager Manager;
typedef struct Session Session;

typedef struct Vacuum {
        Manager *manager;
        uint64_t wanted_bytes;
        unsigned last_id;       /* of the session that was tried last; its removal may have failed */
        bool removing;
        StorageSpace space;
        Worker *worker;         /* looks at the disk */

        /* error: the disk could not be looked at. There may be less room than was wanted. */
        void (*done)(const Error *error, void *userdata);
        void *userdata;
} Vacuum;

/* Makes room for so many bytes, as far as that is possible. done (NULL: nobody waits) is called later; at most one waits
 * at a time. */
int vacuum_begin(Manager *manager, uint64_t wanted_bytes, void (*done)(const Error *error, void *userdata), void *userdata);

/* The same for nobody. */
void vacuum_make_room(Manager *manager, uint64_t wanted_bytes);

/* Holds the sessions to the limits, after they have grown. */
void vacuum_tidy(Manager *manager);

Vacuum *vacuum_free(Vacuum *vacuum);
DEFINE_CLEANUP(Vacuum *, vacuum_free)

/* The manager tells: the removal of that session has ended, which may be one that somebody asked for. */
void vacuum_removed(Manager *manager, unsigned id);

/* What it could remove in all. */
uint64_t vacuum_spare_bytes(const Manager *manager);

/* The sessions that a person could remove, the largest first, as text: "4 (60.2M), 2 (30.1M)". Not all, if they are many;
 * empty if there are none. */
int vacuum_list_removable(const Manager *manager, char **ret);
