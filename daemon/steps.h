/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The steps of a session that block, each run in a worker: arm, bind, drain, restore. They report to the session by
 * lines (see worker.h); the session knows nothing of how they do it, and they know nothing of its state. */

#include "context.h"
#include "drain.h"
#include "error.h"

typedef struct StepRequest {
        const Context *context;
        const char *boot_id;
        int runtime_fd, session_fd;
        const char *driver;             /* as asked for; NULL: every driver */
        bool load, rebind;
        const char *caller_address;     /* where a remote caller comes from; NULL: local, or not known */
        uint64_t buffer_bytes;          /* 0: default */
        uint64_t started_usec;
        char *const *devices;           /* bind */
        const char *pci_driver;         /* bind */
        const char *online;             /* drain */
        DrainCounters *counters;
        int control_fd;
} StepRequest;

/* Bodies for WorkerSpec.run, with a StepRequest.
 *
 * step_arm: checks everything, then changes the machine; undoes it all if it fails.
 *   Lines: STATE=arming, MODULE, VERSION, PCI_DRIVER, DEVICE (each), CPU, ONLINE, OFFLINE, BUFFER, WARNING (each),
 *   ARCHIVE_NAME.
 * step_bind: gives the devices that were unbound back to their driver.
 * step_drain: see drain.h. Line: READY.
 * step_restore: puts the machine back, and collects the metadata once more, now that the driver is loaded.
 *   Lines: MODULE, VERSION, DEVICE, ARCHIVE_NAME, WARNING. */
int step_arm(FILE *out, void *request);
int step_bind(FILE *out, void *request);
int step_drain(FILE *out, void *request);
int step_restore(FILE *out, void *request);
