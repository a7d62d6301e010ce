/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's side of a session: checks what can be wrong, arms the tracer, puts everything back.
 *
 * All of this blocks, up to seconds, and so does every open of a tracefs file meanwhile (the kernel holds
 * trace_types_lock): call it in a worker, never in the loop. The order of the steps is the one that loses nothing
 * and that the kernel accepts: kernel/trace/trace.c, tracing_set_tracer(), refuses a change while a pipe is open;
 * kernel/trace/trace_mmiotrace.c, mmio_trace_reset(), wipes what was not drained. */

#include "context.h"
#include "error.h"

/* Finds where tracefs is mounted, and makes libtracefs use that. The string is the caller's. */
int tracer_find_dir(const Context *context, char **ret, Error *error);

/* The tracers that this kernel has; what keeps the list from being read keeps everything else in tracefs from it, too.
 * -ENODEV: the kernel has switched all tracing off. */
int tracer_list(const Context *context, char **ret, Error *error);

typedef struct TracerArmed {
        unsigned cpu;                   /* the one that records */
        char *online;                   /* CPU lists: what is online now, and what the tracer took down */
        char *offline;
        uint64_t buffer_bytes;          /* of the recording CPU's ring */
        char *clock;                    /* of the times; NULL: "mono" */
        char **warnings;
} TracerArmed;
void tracer_armed_done(TracerArmed *armed);
#define _cleanup_tracer_armed_ _cleanup_(tracer_armed_done)

typedef struct TracerOptions {
        uint64_t buffer_bytes;          /* 0: from n_expected, else a default that fits the memory */
        uint64_t n_expected;            /* events; 0: not known */
        bool keep_oldest;               /* the full ring refuses events instead of overwriting */
        bool stacks;                    /* each access and map is followed by its call stack */
} TracerOptions;

/* Sizes the rings and switches the tracer on, with every old value in the undo journal first. After an error the
 * caller has to tracer_restore(). */
int tracer_arm(const Context *context, int runtime_fd, const char *boot_id, const TracerOptions *options,
        TracerArmed *ret, Error *error);

/* The same for a capture that another program has begun and left: only looks, as nothing has to be changed. Error
 * NotRunning: mmiotrace is not on. */
int tracer_adopt(const Context *context, TracerArmed *ret, Error *error);
/* Puts into the journal whether it records now, before the end of the drain switches that off. That the tracer is to go off
 * as well comes into the journal only when everything is on disk: undoing that wipes the ring. */
int tracer_note_recording(int runtime_fd, const char *boot_id, Error *error);

/* Brings all CPUs online that neither maxcpus= nor SMT control keeps off, with a sentence in done for each. For where it is
 * not known which were on before: one that was off on purpose comes back as well, which the finding "cpus-offline" says. */
int tracer_bring_cpus_online(const Context *context, char ***done);

/* Below /proc/sys. */
#define TRACER_OOPS_DUMP "kernel/ftrace_dump_on_oops"

typedef struct TracerRestored {
        char **done;            /* a sentence for each thing that was changed */
        char **warnings;        /* and for what is not as before, but is no error, or not one of this session */
} TracerRestored;
void tracer_restored_done(TracerRestored *restored);
#define _cleanup_tracer_restored_ _cleanup_(tracer_restored_done)

/* So often is tried what the kernel refuses and nobody can be waited for; then it is set aside, with a warning. */
#define TRACER_TRIES_MAX 6

/* Undoes what the journal says, and looks whether it is so. What the kernel refuses as busy is tried for up to five
 * seconds. Goes on after a step that fails, and keeps that one in the journal, so that it can be tried again; what is as
 * it was is left alone. What the user has overtaken (a device that is unplugged, a driver that is unloaded) counts as
 * undone. Where the journal has something that was not tried before, what remains of earlier attempts is no error:
 * that was another session's. What there is to tell comes in ret (may be NULL), after an error, too.
 *
 * While mmiotrace cannot be switched off for want of a free pipe, nothing else is undone: the kernel brings the CPUs
 * back with it. Where it refuses for another reason, all that needs no tracefs is undone.
 *
 * Returns 1 if there was a journal, 0 if not, and TRACER_JOURNAL_DROPPED for one of another boot: the settings that it
 * would undo have ended with that. -ENOTRECOVERABLE: mmiotrace stays on until the machine is booted again. */
#define TRACER_JOURNAL_DROPPED 2
int tracer_restore(const Context *context, int runtime_fd, const char *boot_id, TracerRestored *ret, Error *error);

/* Copies the files that describe this kernel's ring-buffer pages into a folder. */
int tracer_copy_formats(int dir_fd, Error *error);

int tracer_set_recording(bool on);

/* Whether mmiotrace is on: a session whose daemon died may go on. */
int tracer_is_on(void);

/* The value in brackets of a tracefs list such as trace_clock ("[local] global mono"). */
int tracer_parse_selected(const char *list, char **ret);
