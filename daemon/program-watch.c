/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <sys/inotify.h>

#include "program-watch.h"

/* An installation that is no package manager's may take the old file away before it brings the new one. */
#define GRACE_USEC USEC_PER_SEC

struct ProgramWatch {
        char *path;
        sd_event_source *folder, *timer;
        void (*gone)(void *userdata);
        void *userdata;
};

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        ProgramWatch *w = userdata;

        if (access(w->path, F_OK) < 0 && errno == ENOENT)
                w->gone(w->userdata);
        return 0;
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        ProgramWatch *w = userdata;
        int r;

        r = sd_event_source_set_time_relative(w->timer, GRACE_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

int program_watch_new(sd_event *event, void (*gone)(void *userdata), void *userdata, ProgramWatch **ret) {
        _cleanup_(program_watch_freep) ProgramWatch *w = calloc(1, sizeof(ProgramWatch));
        _cleanup_free_ char *folder = NULL;
        ssize_t n;
        int r;

        if (!w)
                return -ENOMEM;
        w->gone = gone;
        w->userdata = userdata;
        w->path = calloc(1, PATH_MAX);
        if (!w->path)
                return -ENOMEM;
        n = readlink("/proc/self/exe", w->path, PATH_MAX - 1);
        if (n < 0)
                return -errno;
        folder = strndup(w->path, (size_t) (strrchr(w->path, '/') - w->path));
        if (!folder)
                return -ENOMEM;
        r = sd_event_add_time_relative(event, &w->timer, CLOCK_MONOTONIC, 0, 0, on_timer, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_inotify(event, &w->folder, folder, IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR, on_change, w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

ProgramWatch *program_watch_free(ProgramWatch *w) {
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->folder);
        sd_event_source_disable_unref(w->timer);
        free(w->path);
        free(w);
        return NULL;
}
