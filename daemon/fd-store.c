/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include "fd-store.h"

int fd_store_init(FdStore *ret) {
        char **names = NULL;
        int n;

        n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return n;
        *ret = (FdStore) { .names = names, .fds = calloc(MAX((size_t) n, (size_t) 1), sizeof(int)), .n_fds = (size_t) n };
        if (!ret->fds)
                return -ENOMEM;
        for (int i = 0; i < n; i++)
                ret->fds[i] = SD_LISTEN_FDS_START + i;
        return 0;
}

void fd_store_done(FdStore *store) {
        for (size_t i = 0; i < store->n_fds; i++) {
                if (store->fds[i] < 0)
                        continue;
                fd_store_forget(store->names[i]);
                safe_close(store->fds[i]);
        }
        strv_free(store->names);
        free(store->fds);
        *store = (FdStore) {};
}

int fd_store_take(FdStore *store, const char *name, int *ret) {
        for (size_t i = 0; i < store->n_fds; i++)
                if (store->fds[i] >= 0 && streq(store->names[i], name)) {
                        *ret = TAKE_FD(store->fds[i]);
                        return 0;
                }
        return -ENOENT;
}

int fd_store_park(const char *name, int fd) {
        _cleanup_free_ char *state = NULL;
        int r;

        if (asprintf(&state, "FDSTORE=1\nFDNAME=%s", name) < 0) {
                state = NULL;
                return -ENOMEM;
        }
        r = sd_pid_notify_with_fds(0, false, state, &fd, 1);
        return r < 0 ? r : 0;
}

void fd_store_forget(const char *name) {
        (void) sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}
