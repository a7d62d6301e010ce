/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The steps of a session that block, each run in a worker: arm, bind, drain, restore. They report to the session by
 * lines (see worker.h); the session knows nothing of how they do it, and they know nothing of its state. */

#include "context.h"
#include "drain.h"
#include "error.h"

typedef struct StepRequest {
        const Context *context;
        const char *boot_id;            /* of now */
        const char *session_boot_id;
        int runtime_fd, session_fd;
        uint64_t stop_after_bytes, stop_after_events; /* drain */
        const char *removable;          /* arm: see preflight.h */
        const char *driver;             /* as asked for; NULL: every driver */
        bool load, rebind, force;
        bool at_boot;                   /* arm: neither the disk nor the daemon is there yet */
        bool adopt;                     /* restore: nobody knows what the machine was like before */
        const char *caller_address;     /* where a remote caller comes from; NULL: local, or not known */
        uint64_t buffer_bytes, n_expected; /* 0: default */
        bool keep_oldest;
        bool stopping;                  /* drain: it is to end at once */
        bool text;                      /* drain, tally: the session is captured as text */
        bool stacks;
        uint64_t armed_usec;            /* CLOCK_MONOTONIC */
        uint64_t started_usec;          /* CLOCK_REALTIME */
        char *const *devices;           /* of the driver, as far as they are known */
        const char *pci_driver;         /* bind */
        const DrainPipe *pipes;         /* drain, tally */
        size_t n_pipes;
        DrainCounters *counters;
        int control_fd;                 /* drain */
        int mark_fd;                    /* drain: see there */
        int sync_fd;                    /* drain, syncer */
} StepRequest;

/* Bodies for WorkerSpec.run, with a StepRequest.
 *
 * step_arm: checks everything, then changes the machine. What it had changed when it fails, or is killed, is in the undo
 *   journal.
 *   Lines: SOURCE (raw or text), STATE=arming, MODULE, VERSION, PCI_DRIVER, DEVICE (each), CPU, ONLINE, OFFLINE, BUFFER, WARNING (each),
 *   ARCHIVE_NAME.
 * step_take_up: instead of step_arm, for a session that was armed at boot before the daemon was there: passes on what
 *   that reported, and then describes the machine in the session's own folder. Lines: those, and START_MONOTONIC,
 *   START_REALTIME. Error ProcessDied: there is no report.
 * step_adopt: the same for what another program has begun; see tracer_adopt(). Lines: the same, and CLOCK. Where mmiotrace is
 *   not on (error NotRunning), brings back CPUs that were left offline; line: DONE.
 * step_bind: gives the devices that were unbound back to their driver.
 * step_look: tells what is known of the driver now. Lines: MODULE, VERSION, DEVICE.
 * step_symbols: saves the symbols of the kernel and its modules for the call stacks, once the driver is there. Line:
 *   WARNING.
 * step_drain: see drain.h. Lines: READY, WARNING, STOP (size, events or limit: enough is captured). Error NotRunning: the tracer is not on.
 * step_sync: see syncer.h. Line: WARNING.
 * step_tally: see tally.h. Line: WARNING.
 * step_watch: follows the kernel's log, see kernel-watch.h. Line: WARNING.
 * step_restore: puts the machine back, and collects the metadata once more, now that the driver is loaded; the kernel's
 *   log; the symbols, too, for a session with call stacks.
 *   Lines: DONE (each; a sentence about something that was put back), DROPPED (the undo journal was of another boot),
 *   MODULE, VERSION, DEVICE, ARCHIVE_NAME, WARNING (also for what is not as it was, and is no error: see tracer.h).
 * step_post_mortem: collects what is left of a boot that has died with the session. Line: WARNING. */
int step_arm(FILE *out, void *request);
int step_take_up(FILE *out, void *request);
int step_adopt(FILE *out, void *request);
int step_bind(FILE *out, void *request);
int step_look(FILE *out, void *request);
int step_symbols(FILE *out, void *request);
int step_drain(FILE *out, void *request);
int step_sync(FILE *out, void *request);
int step_tally(FILE *out, void *request);
int step_watch(FILE *out, void *request);
int step_restore(FILE *out, void *request);
int step_post_mortem(FILE *out, void *request);
