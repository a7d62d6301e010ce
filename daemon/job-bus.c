/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "audit-bus.h"
#include "job-bus.h"
#include "names.h"
#include "session-bus.h"
#include "submission.h"

int job_bus_path(const Job *job, char **ret) {
        return bus_path_new(BUS_PATH_JOB, job->id, ret);
}

static int property_text(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Job *job = userdata;

        /* A job is there only until it has a result. */
        return sd_bus_message_append(reply, "s", streq(property, "Type") ? job_type_to_string(job->type) :
                        streq(property, "State") ? job->worker ? "running" : "waiting" : "");
}

static int property_session(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        _cleanup_free_ char *session = NULL;
        const Job *job = userdata;
        int r;

        r = session_bus_path(job->session, &session);
        return r < 0 ? r : sd_bus_message_append(reply, "o", session);
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Job *job = userdata;
        uid_t owner_uid = job->type == JOB_SUBMIT ? job->session->submission->owner_uid : job->session->owner_uid;
        unsigned session_id;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check_owner(bus_auth(job->manager->hooks.userdata), m, AUTH_MANAGE, owner_uid,
                        &(AuthDetails) {
                                .purpose = "end what another user has asked for: the submission of session "
                                           "$(session)",
                                .session_id = job->session->id,
                        },
                        ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        session_id = job->session->id;
        r = job_cancel(job, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, session_id, owner_uid, "ended its submission");
        return sd_bus_reply_method_return(m, NULL);
}

const sd_bus_vtable job_bus_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Type", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Progress", "d", NULL, offsetof(Job, progress), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesDone", "t", NULL, offsetof(Job, done_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesTotal", "t", NULL, offsetof(Job, all_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Rate", "t", NULL, offsetof(Job, rate_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Session", "o", property_session, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Result", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_cancel,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int find(sd_bus *connection, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *ret_error) {
        unsigned id;
        Job *job;

        if (bus_path_parse(BUS_PATH_JOB, path, &id) < 0)
                return 0;
        job = manager_find_job(userdata, id);
        if (!job)
                return 0;
        *ret = job;
        return 1;
}

static int enumerate(sd_bus *connection, const char *prefix, void *userdata, char ***ret, sd_bus_error *ret_error) {
        _cleanup_strv_ char **nodes = NULL;
        const Manager *m = userdata;
        int r;

        for (size_t i = 0; i < m->n_jobs; i++) {
                r = strv_extendf(&nodes, BUS_PATH_JOB "/_%u", m->jobs[i]->id);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(nodes);
        return 1;
}

int job_bus_add(sd_bus *connection, Manager *manager) {
        int r;

        r = sd_bus_add_fallback_vtable(connection, NULL, BUS_PATH_JOB, BUS_INTERFACE_JOB, job_bus_vtable, find, manager);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(connection, NULL, BUS_PATH_JOB, enumerate, manager);
}

void job_bus_emit_changed(sd_bus *connection, Job *job) {
        _cleanup_free_ char *path = NULL;

        if (job_bus_path(job, &path) < 0)
                return;
        (void) sd_bus_emit_properties_changed(connection, path, BUS_INTERFACE_JOB, "State", "Progress", "BytesDone", "BytesTotal",
                        "Rate", NULL);
}
