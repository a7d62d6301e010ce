/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whatever can block runs in a child process: writes to tracefs (seconds, and every open of a tracefs file waits for
 * them), sysfs binds, draining, sealing. The child reports KEY=VALUE lines over a pipe; the loop never waits for it. */

#include <systemd/sd-event.h>

#include "error.h"

typedef struct Worker Worker;

typedef struct WorkerSpec {
        const char *name;
        /* Runs in the child; its result becomes the exit status. It must not log, and may exec. */
        int (*run)(FILE *out, void *arg);
        void *arg;
        const int *keep_fds;    /* besides out and standard streams; everything else is closed in the child */
        size_t n_keep_fds;
        bool dies_with_daemon;  /* by SIGKILL: for what the next daemon starts anew */

        /* Run in the loop. error is what the child reported, or says how it died; NULL: it went well. done is
         * called once, last, and may free the worker. */
        void (*line)(const char *key, const char *value, void *userdata);
        void (*done)(const Error *error, void *userdata);
        void *userdata;
} WorkerSpec;

int worker_start(sd_event *event, const WorkerSpec *spec, Worker **ret);

/* Kills a child that is still there and forgets it: done is not called any more. */
Worker *worker_free(Worker *worker);
DEFINE_CLEANUP(Worker *, worker_free)

void worker_kill(Worker *worker, int signal);
