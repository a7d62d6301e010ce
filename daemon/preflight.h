/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Everything that can be known beforehand to go wrong with a session: the one place where each of these is found, for
 * "mmiotracectl check" and for each start. Nothing is changed.
 *
 * It reads tracefs, asks the reader unit and looks through modules, disk and initramfs: for workers, some seconds. */

#include "context.h"
#include "driver.h"
#include "finding.h"
#include "session-options.h"

typedef struct Preflight {
        const Context *context;
        const SessionOptions *options;  /* of the session that is to begin */
        int sessions_fd;                /* where its files will be; -EBADF: that is not there yet */
        uint64_t spare_bytes;           /* of sessions that a start would remove to make room */
        const char *removable;          /* the sessions that could be removed, as vacuum_list_removable() says it */
        const Error *busy;              /* why the daemon itself starts nothing now; NULL: it would */
        bool start;                     /* leave out what takes seconds and stands in nobody's way */
        /* Made by preflight_run(): */
        Findings *findings;
        const char *cmdline;            /* the kernel's */
} Preflight;

/* ret_driver: what is known of the driver, NULL if none was named or it was not found; may be NULL. An error is only for
 * what keeps all of it from being done: what cannot be found out is a finding. */
int preflight_run(const Preflight *preflight, Findings *ret, Driver **ret_driver, Error *error);

/* The parts of it. They return nothing, as the findings keep the first error there was. */
void preflight_kernel(const Preflight *p);
void preflight_readers(const Preflight *p);
void preflight_boot(const Preflight *p);
void preflight_cpus(const Preflight *p);
void preflight_room(const Preflight *p);
void preflight_driver(const Preflight *p, Driver **ret);
void preflight_devices(const Preflight *p, const Driver *driver);
void preflight_display(const Preflight *p, const Driver *driver, char *const *addresses);

/* "A, B", with notes "A (a), B (b)"; of many the first few, "and N more". NULL, with the error in the findings, where memory is
 * short. */
char *preflight_list(const Preflight *p, char *const *list, char *const *notes);

/* A line of a file below proc_root or sys_root; NULL where it cannot be read. */
char *preflight_read(const char *root, const char *path);
