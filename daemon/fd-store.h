/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors parked with the service manager (sd_notify(3), FDSTORE=1): they outlive the daemon, and its successor
 * finds them by name. Without a service manager nothing is parked, and nothing found. */

#include "util.h"

typedef struct FdStore {
        char **names;
        int *fds;
        size_t n_fds;
} FdStore;

/* Takes what the predecessor parked, once. */
int fd_store_init(FdStore *ret);
/* Closes what nobody has asked for, and has it forgotten. */
void fd_store_done(FdStore *store);

/* The descriptor of that name, which is the caller's from then on. -ENOENT: there is none. */
int fd_store_take(FdStore *store, const char *name, int *ret);

int fd_store_park(const char *name, int fd);
void fd_store_forget(const char *name);
