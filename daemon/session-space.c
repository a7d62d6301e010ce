/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a session does when the disk gets short of space while it captures: the oldest sessions that can be had again make
 * way, and what is captured is compressed, see early-seal.h. */

#include <fcntl.h>
#include <inttypes.h>

#include "early-seal.h"
#include "manager.h"
#include "names.h"
#include "priority.h"
#include "report.h"
#include "session-capture.h"

#define DEATHS_MAX 16

static void tell(const EarlySealState *state, void *userdata) {
        worker_send(userdata, "SPACE", "%s", state->is_short ? "short" : "enough");
        worker_send(userdata, "WANTED", "%" PRIu64, state->wanted_bytes);
        worker_send(userdata, "COMPRESSED", "%" PRIu64, state->held_bytes);
        worker_send(userdata, "COMPRESSED_DISK", "%" PRIu64, state->disk_bytes);
        worker_send(userdata, "GIVEN_UP_BYTES", "%" PRIu64, state->given_up.bytes);
        worker_send(userdata, "GIVEN_UP", "%" PRIu64, state->given_up.n_events);
        if (state->no_room)
                worker_send(userdata, "FULL", "%d", state->disk_full);
        worker_send(userdata, "TOLD", "1");
}

/* Lines of text are not given up: what the kernel has printed says too little of how many they are. */
static bool keeps_newest(const Session *s) {
        return s->manager->context->config.when_full == WHEN_FULL_KEEP_NEWEST && !streq_ptr(s->source, "text");
}

static int run(FILE *out, void *userdata) {
        const Session *s = userdata;
        const Config *config = &s->manager->context->config;
        _cleanup_close_ int raw_fd = -EBADF;
        _cleanup_error_ Error error = {};
        int r;

        priority_give_way();
        raw_fd = openat(s->dir_fd, SESSION_RAW_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = raw_fd < 0 ? -errno : early_seal_run(&(EarlySealRequest) {
                        .raw_fd = raw_fd,
                        .sessions_fd = s->manager->sessions_fd,
                        .level = config->fast_level,
                        .keep_raw = s->options.keep_raw,
                        .keep_newest = keeps_newest(s),
                        .storage = &config->storage,
                        .counters = s->counters,
                        .tell = tell,
                        .userdata = out,
        });
        (void) error_set_errno(&error, ERROR_FAILED, r, "What is captured cannot be compressed before the end of the session");
        return worker_send_result(out, r, &error);
}

static void on_line(const char *key, const char *value, void *userdata) {
        Session *s = userdata;
        uint64_t number = 0;

        if (streq(key, "SPACE"))
                s->space_short = streq(value, "short");
        else if (parse_u64(value, &number) < 0)
                return;
        /* Others, of which somebody has a copy, go first. */
        else if (streq(key, "WANTED")) {
                if (s->space_short)
                        vacuum_make_room(s->manager, number);
        } else if (streq(key, "FULL"))
                session_stop_for_room(s, number > 0);
        else if (streq(key, "GIVEN_UP_BYTES"))
                s->given_up_bytes = number;
        else if (streq(key, "GIVEN_UP"))
                s->n_given_up = number;
        else if (streq(key, "COMPRESSED"))
                s->compressed_bytes = number;
        else if (streq(key, "COMPRESSED_DISK"))
                s->compressed_disk_bytes = number;
        else if (streq(key, "TOLD")) {
                if (s->compressed_bytes > 0)
                        session_warn(s, "The disk got short of space during the session: what had been captured was compressed "
                                        "while it went on. Nothing is missing because of that.");
                if (s->n_given_up > 0)
                        session_warn(s, "The session took as much of the disk as it may: so it gave up its oldest accesses while it "
                                        "went on (WhenFull=keep-newest in mmiotraced.conf). Mappings and marks are all there.");
                s->manager->hooks.session_changed(s, s->manager->hooks.userdata);
        }
}

static void on_done(const Error *error, void *userdata) {
        Session *s = userdata;

        s->early_seal = worker_free(s->early_seal);
        s->space_short = false;
        session_log_failure(s, -EIO, error ? strempty(error->text) : "the compression during the session has ended");
        if (s->n_early_seal_deaths++ < DEATHS_MAX && error && error->code == ERROR_PROCESS_DIED)
                session_watch_space(s);
        else
                session_warn(s, error ? strempty(error->text) : "");
}

void session_watch_space(Session *s) {
        const int keep[] = { s->dir_fd, s->manager->sessions_fd };
        int r;

        if (s->manager->context->config.when_full == WHEN_FULL_KEEP_NEWEST && !keeps_newest(s))
                session_warn(s, "What is captured as text cannot give up its oldest accesses (WhenFull=keep-newest in "
                                "mmiotraced.conf): at its limit, the session ends.");

        r = worker_start(s->manager->event,
                        &(WorkerSpec) {
                                .name = "early-seal",
                                .run = run,
                                .arg = s,
                                .keep_fds = keep,
                                .n_keep_fds = ELEMENTS(keep),
                                .dies_with_daemon = true,
                                .line = on_line,
                                .done = on_done,
                                .userdata = s,
                        },
                        &s->early_seal);
        if (r < 0)
                session_log_failure(s, r, "what is captured is not compressed should the disk get short of space");
}
