/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check.h"
#include "preflight.h"
#include "report.h"
#include "vacuum.h"

struct Check {
        Worker *worker;
        Findings findings;
        char *id, *found;       /* of the one that is coming in */
        FindingLevel level;
        void (*done)(const Findings *findings, const Error *error, void *userdata);
        void *userdata;
};

static int look(FILE *out, void *userdata) {
        _cleanup_findings_ Findings findings = {};
        _cleanup_error_ Error error = {};
        int r;

        r = preflight_run(userdata, &findings, NULL, &error);
        for (size_t i = 0; i < findings.n_findings && r >= 0; i++) {
                const Finding *f = findings.findings + i;
                _cleanup_free_ char *advice = NULL;

                r = finding_advice(f, &advice);
                if (r < 0)
                        break;
                worker_send(out, "ID", "%s", f->id);
                worker_send(out, "LEVEL", "%s", finding_level_to_string(f->level));
                worker_send(out, "FOUND", "%s", f->found);
                worker_send(out, "TO_DO", "%s", advice);
        }
        return worker_send_result(out, r, &error);
}

static void on_line(const char *key, const char *value, void *userdata) {
        Check *c = userdata;

        if (streq(key, "ID")) {
                free(c->id);
                c->id = strdup(value);
        } else if (streq(key, "LEVEL"))
                (void) finding_level_from_string(value, &c->level);
        else if (streq(key, "FOUND")) {
                free(c->found);
                c->found = strdup(value);
        } else if (streq(key, "TO_DO")) {
                if (!c->id || !c->found)
                        c->findings.r = -ENOMEM;
                else
                        findings_take(&c->findings, c->id, c->level, c->found, value);
        }
}

static void on_done(const Error *error, void *userdata) {
        _cleanup_error_ Error failed = {};
        Check *c = userdata;

        c->worker = worker_free(c->worker);
        if (!error && c->findings.r < 0) {
                (void) error_set_errno(&failed, ERROR_FAILED, c->findings.r, "Cannot keep what was found");
                error = &failed;
        }
        c->done(error ? NULL : &c->findings, error, c->userdata);
}

int check_start(Manager *m, const SessionOptions *options, uid_t owner_uid,
        void (*done)(const Findings *findings, const Error *error, void *userdata), void *userdata, Check **ret) {
        _cleanup_(check_freep) Check *c = calloc(1, sizeof(Check));
        _cleanup_error_ Error busy = {};
        _cleanup_free_ char *removable = NULL;
        Preflight preflight;
        int r;

        if (!c)
                return -ENOMEM;
        c->done = done;
        c->userdata = userdata;
        (void) manager_check_idle(m, owner_uid, &busy);
        r = vacuum_list_removable(m, &removable);
        if (r < 0)
                return r;
        preflight = (Preflight) {
                .context = m->context,
                .options = options,
                .sessions_fd = m->sessions_fd,
                .spare_bytes = vacuum_spare_bytes(m),
                .removable = removable,
                .busy = &busy,
        };
        r = worker_start(m->event,
                        &(WorkerSpec) {
                                .name = "check",
                                .run = look,
                                .arg = &preflight,
                                .keep_fds = &m->sessions_fd,
                                .n_keep_fds = 1,
                                .line = on_line,
                                .done = on_done,
                                .userdata = c,
                        },
                        &c->worker);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Check *check_free(Check *c) {
        if (!c)
                return NULL;
        worker_free(c->worker);
        findings_done(&c->findings);
        free(c->id);
        free(c->found);
        free(c);
        return NULL;
}
