/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The undo journal: what the machine was like before a session changed it. Each old value is on file before its
 * change is made, in the order of the changes; undoing goes backwards, can be done again after it was cut short, and
 * removes the journal when everything is as it was. It lies in the runtime directory, as kernel settings do not
 * outlive a boot either.
 *
 * Beside it, undo.bad keeps what nobody undoes any more, for a person to look at: lines that this version does not
 * understand, and what the kernel has refused too often. */

#include "error.h"

typedef enum UndoKind {
        UNDO_CONTROL,   /* name: a tracefs file; value: what to write to it */
        UNDO_TRACER,    /* the tracer goes back to nop */
        UNDO_CPUS,      /* value: the CPU list that was online */
        UNDO_BIND,      /* name: PCI driver; value: device */
        UNDO_SYSCTL,    /* name: a file below /proc/sys; value: what to write to it */
        _UNDO_KIND_MAX,
} UndoKind;

typedef struct UndoEntry {
        UndoKind kind;
        char *name, *value;
        unsigned n_tries;       /* how often it could not be undone */
} UndoEntry;

typedef struct Undo {
        UndoEntry *entries;
        size_t n_entries;
        char **unknown;         /* lines that are not understood: of another version, or not ours */
        size_t n_stale;         /* lines of other boots, whose settings ended with those */
} Undo;

/* What the entries of this boot are stamped with. The string is the caller's. */
int undo_boot_id(const char *proc_root, char **ret);

/* Appends one entry and waits until it is on file. name may be NULL. */
int undo_add(int runtime_fd, const char *boot_id, UndoKind kind, const char *name, const char *value);

/* Reads the journal. -ENOENT: there is none. Lines cut short by a crash are left out: the change behind such a line was
 * never made. */
int undo_load(int runtime_fd, const char *boot_id, Undo *ret);

/* Replaces the journal by these entries; none: removes it. */
int undo_keep(int runtime_fd, const char *boot_id, const UndoEntry *entries, size_t n_entries);

/* Puts entries and lines where they are not undone any more. */
int undo_set_aside(int runtime_fd, const char *boot_id, const UndoEntry *entries, size_t n_entries, char *const *lines);

/* Whoever changes the machine, or undoes that, holds this for as long as it may: the daemon for its life. With wait, waits
 * for the one who holds it; without, -EWOULDBLOCK. It ends with the descriptor or with the process, and its children
 * do not have it. */
int undo_lock(int runtime_fd, bool wait, int *ret_fd);

/* Held by who adds to the journal or works it off, and waited for: a worker may outlive its daemon for a moment, and be at
 * it still when the next one comes to it. */
int undo_lock_journal(int runtime_fd, int *ret_fd);

bool undo_exists(int runtime_fd);
int undo_remove(int runtime_fd);

void undo_done(Undo *undo);
#define _cleanup_undo_ _cleanup_(undo_done)
