/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-daemon.h>

#include "audit-bus.h"
#include "boot-bus.h"
#include "bound-bus.h"
#include "caller-bus.h"
#include "check-bus.h"
#include "config-bus.h"
#include "job-bus.h"
#include "log-bus.h"
#include "log.h"
#include "manager-bus.h"
#include "names.h"
#include "options-bus.h"
#include "quota.h"
#include "session-bus.h"
#include "submission-bus.h"
#include "unit-bus.h"

/* A call whose answer comes later. */
typedef enum WaitingFor {
        WAITING_FOR_START,
        WAITING_FOR_STOP,
        WAITING_FOR_REMOVAL,
        WAITING_FOR_RECOVERY,   /* session_id is 0 */
        WAITING_FOR_CALLER,     /* likewise: it is found out where the caller sits */
} WaitingFor;

typedef struct Waiting {
        unsigned session_id;
        WaitingFor event;
        uid_t uid;
        sd_bus_message *message;
} Waiting;

#define WAITING_ALL 256U
#define WAITING_ROOT 64U
static const Quota waiting_quota = { .all = WAITING_ALL, .user = 16, .root = WAITING_ROOT };

typedef struct PendingStart PendingStart;

struct Bus {
        sd_bus *connection;
        Manager *manager;
        Auth *auth;
        CheckBus *checks;
        Waiting waiting[WAITING_ALL + WAITING_ROOT];
        size_t n_waiting;
        PendingStart *starts;   /* of WAITING_FOR_CALLER */
        sd_bus_track *bound;    /* who the active session ends with */
};

Manager *bus_manager(Bus *bus) {
        return bus->manager;
}

Auth *bus_auth(Bus *bus) {
        return bus->auth;
}

int bus_check_waiting(Bus *bus, sd_bus_message *m, sd_bus_error *ret_error) {
        QuotaUse use = {};
        uid_t uid;
        int r;

        r = auth_caller_uid(m, &uid);
        if (r < 0)
                return r;
        for (size_t i = 0; i < bus->n_waiting; i++)
                quota_count(&use, uid, bus->waiting[i].uid);
        if (!quota_allows(&waiting_quota, &use, uid))
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "Too many calls are waiting for an answer; try again when one of them has it.");
        return 0;
}

static int wait_for(Bus *bus, unsigned session_id, sd_bus_message *m, WaitingFor event) {
        uid_t uid;
        int r;

        if (bus->n_waiting == ELEMENTS(bus->waiting))
                return -ENOBUFS;
        r = auth_caller_uid(m, &uid);
        if (r < 0)
                return r;
        bus->waiting[bus->n_waiting++] = (Waiting) { session_id, event, uid, sd_bus_message_ref(m) };
        return 1;
}

int bus_answer_when_started(Bus *bus, Session *s, sd_bus_message *m) {
        return wait_for(bus, s->id, m, WAITING_FOR_START);
}

int bus_answer_when_stopped(Bus *bus, Session *s, sd_bus_message *m) {
        return wait_for(bus, s->id, m, WAITING_FOR_STOP);
}

int bus_answer_when_removed(Bus *bus, Session *s, sd_bus_message *m) {
        return wait_for(bus, s->id, m, WAITING_FOR_REMOVAL);
}

static sd_bus_message *take_nth_waiting(Bus *bus, size_t i) {
        sd_bus_message *m = bus->waiting[i].message;

        bus->n_waiting--;
        memmove(bus->waiting + i, bus->waiting + i + 1, (bus->n_waiting - i) * sizeof(Waiting));
        return m;
}

/* The next call that waits for that, or NULL. The message is the caller's. */
static sd_bus_message *take_waiting(Bus *bus, unsigned session_id, WaitingFor event) {
        for (size_t i = 0; i < bus->n_waiting; i++)
                if (bus->waiting[i].session_id == session_id && bus->waiting[i].event == event)
                        return take_nth_waiting(bus, i);
        return NULL;
}

/* That it waits for that; the same call can wait for what comes next. */
static void forget_waiting(Bus *bus, const sd_bus_message *m, WaitingFor event) {
        for (size_t i = 0; i < bus->n_waiting; i++)
                if (bus->waiting[i].message == m && bus->waiting[i].event == event) {
                        sd_bus_message_unref(take_nth_waiting(bus, i));
                        return;
                }
}

static void answer_error(sd_bus_message *m, const Error *error) {
        sd_bus_error e = SD_BUS_ERROR_NULL;

        (void) bus_error_from(&e, -EIO, error);
        (void) sd_bus_reply_method_error(m, &e);
        sd_bus_error_free(&e);
}

static void answer(Bus *bus, unsigned session_id, WaitingFor event, const Error *error) {
        _cleanup_free_ char *path = NULL;
        sd_bus_message *m;

        if (bus_path_new(BUS_PATH_SESSION, session_id, &path) < 0)
                return;
        while ((m = take_waiting(bus, session_id, event))) {
                if (error)
                        answer_error(m, error);
                else if (event == WAITING_FOR_START)
                        (void) sd_bus_reply_method_return(m, "o", path);
                else
                        (void) sd_bus_reply_method_return(m, NULL);
                sd_bus_message_unref(m);
        }
}

static void tell_status(const Manager *m) {
        const Session *shown = m->active;

        for (size_t i = 0; i < m->n_sessions && !shown; i++)
                if (m->sessions[i]->state == SESSION_SEALING)
                        shown = m->sessions[i];
        if (shown)
                (void) sd_notifyf(false, "STATUS=Session %u is %s%s%s", shown->id, session_state_to_string(shown->state),
                                shown->options.driver ? ": " : "", strempty(shown->options.driver));
        else
                (void) sd_notify(false, "STATUS=Idle");
}

static void emit_manager_changed(Bus *bus) {
        tell_status(bus->manager);
        (void) sd_bus_emit_properties_changed(bus->connection, BUS_PATH, BUS_INTERFACE_MANAGER, "State", "ActiveSession", NULL);
}

static void emit_object(Bus *bus, const char *signal, const char *path) {
        (void) sd_bus_emit_signal(bus->connection, BUS_PATH, BUS_INTERFACE_MANAGER, signal, "o", path);
}

static void on_session_added(Session *s, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Bus *bus = userdata;
        int r;

        if (session_bus_path(s, &path) < 0)
                return;
        (void) sd_bus_emit_object_added(bus->connection, path);
        emit_object(bus, "SessionNew", path);
        emit_manager_changed(bus);
        r = bound_bus_watch(bus->connection, s, &bus->bound);
        if (r < 0)
                log_send(LOG_WARNING, "MESSAGE=Session %u: cannot watch the program that it is bound to: %s", s->id,
                                strerrordesc_np(-r), FIELD_SESSION "=%u", s->id);
}

static void on_session_changed(Session *s, void *userdata) {
        Bus *bus = userdata;

        session_bus_emit_changed(bus->connection, s);
        emit_manager_changed(bus);
}

static void on_session_removed(Session *s, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Bus *bus = userdata;

        if (session_bus_path(s, &path) < 0)
                return;
        /* It lists what it finds at the path: so while the session can still be found. */
        (void) sd_bus_emit_object_removed(bus->connection, path);
        emit_object(bus, "SessionRemoved", path);
        emit_manager_changed(bus);
}

static void on_started(Session *s, const Error *error, void *userdata) {
        answer(userdata, s->id, WAITING_FOR_START, error);
}

static void on_stopped(Session *s, const Error *error, void *userdata) {
        answer(userdata, s->id, WAITING_FOR_STOP, error);
}

static void on_removed(unsigned session_id, const Error *error, void *userdata) {
        answer(userdata, session_id, WAITING_FOR_REMOVAL, error);
}

static int reply_recovered(sd_bus_message *m, const Session *s, char *const *done) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = s ? session_bus_path(s, &path) : 0;
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "o", path ?: "/");
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, (char **) done);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void on_recovered(Session *s, char *const *done, const Error *error, void *userdata) {
        sd_bus_message *m;

        while ((m = take_waiting(userdata, 0, WAITING_FOR_RECOVERY))) {
                if (error)
                        answer_error(m, error);
                else
                        (void) reply_recovered(m, s, done);
                sd_bus_message_unref(m);
        }
}

static void on_job_added(Job *job, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Bus *bus = userdata;

        if (job_bus_path(job, &path) < 0)
                return;
        (void) sd_bus_emit_object_added(bus->connection, path);
        emit_object(bus, "JobNew", path);
        session_bus_emit_changed(bus->connection, job->session);
        tell_status(bus->manager);
}

static void on_job_changed(Job *job, void *userdata) {
        job_bus_emit_changed(((Bus *) userdata)->connection, job);
}

static void on_job_removed(Job *job, const char *result, const char *detail, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Bus *bus = userdata;

        if (job_bus_path(job, &path) < 0)
                return;
        (void) sd_bus_emit_signal(bus->connection, BUS_PATH, BUS_INTERFACE_MANAGER, "JobRemoved", "oss", path, result, detail);
        (void) sd_bus_emit_object_removed(bus->connection, path);
        session_bus_emit_changed(bus->connection, job->session);
        emit_manager_changed(bus);
}

static void on_config_changed(void *userdata) {
        (void) sd_bus_emit_properties_changed(((Bus *) userdata)->connection, BUS_PATH, BUS_INTERFACE_MANAGER, "Targets", NULL);
}

static int on_load_module(Session *s, const char *module, void *userdata) {
        return unit_bus_load(((Bus *) userdata)->connection, s, module);
}

/* A start with rebind waits for logind to say where the caller sits. */
struct PendingStart {
        Bus *bus;
        PendingStart *next;
        sd_bus_message *message;
        CallerLookup *lookup;
        SessionOptions options;
        uid_t uid;
};

static void pending_start_free(PendingStart *p) {
        for (PendingStart **q = &p->bus->starts; *q; q = &(*q)->next)
                if (*q == p) {
                        *q = p->next;
                        break;
                }
        forget_waiting(p->bus, p->message, WAITING_FOR_CALLER);
        caller_lookup_free(p->lookup);
        sd_bus_message_unref(p->message);
        session_options_done(&p->options);
        free(p);
}
DEFINE_CLEANUP(PendingStart *, pending_start_free)

/* Returns 1: the answer comes later. */
static int start(Bus *bus, sd_bus_message *m, SessionOptions *options, uid_t uid, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Session *s;
        int r;

        r = bus_check_waiting(bus, m, ret_error);
        if (r < 0)
                return r;
        if (options->buffer_bytes == 0 && options->n_expected == 0)
                options->buffer_bytes = bus->manager->context->config.buffer_bytes;
        r = manager_start_session(bus->manager, options, uid, &s, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        return bus_answer_when_started(bus, s, m);
}

static void on_caller_found(const char *address, void *userdata) {
        _cleanup_(pending_start_freep) PendingStart *p = userdata;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = 0;

        forget_waiting(p->bus, p->message, WAITING_FOR_CALLER);
        if (address)
                r = (p->options.caller_address = strdup(address)) ? 0 : -ENOMEM;
        if (r >= 0)
                r = start(p->bus, p->message, &p->options, p->uid, &error);
        if (r < 0)
                (void) sd_bus_reply_method_errno(p->message, r, &error);
        sd_bus_error_free(&error);
}

static void on_caller_gone(void *userdata) {
        pending_start_free(userdata);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_session_options_ SessionOptions options = {};
        _cleanup_(pending_start_freep) PendingStart *p = NULL;
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        uid_t uid;
        int r;

        r = options_bus_read(m, false, &options, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check(bus->auth, m, AUTH_CAPTURE,
                        &(AuthDetails) {
                                .purpose = options.driver && auth_is_plain(options.driver)
                                                ? "trace the driver $(driver), which leaves this machine one CPU meanwhile"
                                                : NULL,
                                .driver = options.driver,
                        },
                        ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = auth_caller_uid(m, &uid);
        if (r < 0)
                return r;
        if (!options.rebind)
                return start(bus, m, &options, uid, ret_error);

        r = bus_check_waiting(bus, m, ret_error);
        if (r < 0)
                return r;
        p = calloc(1, sizeof(PendingStart));
        if (!p)
                return -ENOMEM;
        *p = (PendingStart) { .bus = bus, .next = bus->starts, .message = sd_bus_message_ref(m), .options = options, .uid = uid };
        bus->starts = p;
        options = (SessionOptions) {};
        r = wait_for(bus, 0, m, WAITING_FOR_CALLER);
        if (r >= 0)
                r = caller_find_address(m, on_caller_found, on_caller_gone, p, &p->lookup);
        if (r < 0)
                return r;
        (void) TAKE_PTR(p);
        return 1;
}

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return check_bus_method(((Bus *) userdata)->checks, m, ret_error);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;

        return session_bus_stop(bus, bus->manager->active, m, ret_error);
}

static int method_mark(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;

        return session_bus_mark(bus, bus->manager->active, m, ret_error);
}

static int method_recover(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        uid_t uid;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check(bus->auth, m, AUTH_MANAGE,
                        &(AuthDetails) { .purpose = "put this machine back from a trace that something "
                                                    "else has begun" },
                        ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = auth_caller_uid(m, &uid);
        if (r < 0)
                return r;
        r = bus_check_waiting(bus, m, ret_error);
        if (r < 0)
                return r;
        r = leftovers_recover(bus->manager, uid, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, 0, 0, "had the machine put back");
        return wait_for(bus, 0, m, WAITING_FOR_RECOVERY);
}

static int method_list_sessions(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "o");
        for (size_t i = 0; i < bus->manager->n_sessions && r >= 0; i++) {
                _cleanup_free_ char *path = NULL;

                r = session_bus_path(bus->manager->sessions[i], &path);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "o", path);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int property_version(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", PROJECT_VERSION);
}

static int property_api_version(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "u", (uint32_t) BUS_API_VERSION);
}

static int property_state(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Manager *m = ((Bus *) userdata)->manager;

        return sd_bus_message_append(reply, "s", m->active ? session_state_to_string(m->active->state) : "idle");
}

static int property_active_session(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Manager *m = ((Bus *) userdata)->manager;
        _cleanup_free_ char *session = NULL;
        int r;

        if (!m->active)
                return sd_bus_message_append(reply, "o", "/");
        r = session_bus_path(m->active, &session);
        return r < 0 ? r : sd_bus_message_append(reply, "o", session);
}

static int property_disk_usage(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "t", manager_disk_usage_bytes(((Bus *) userdata)->manager));
}

/* Without SD_BUS_VTABLE_UNPRIVILEGED sd-bus itself refuses everybody but root; with it, the method asks auth.h. */
const sd_bus_vtable bus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", property_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("APIVersion", "u", property_api_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ActiveSession", "o", property_active_session, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Armed", "s", boot_bus_property_armed, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DiskUsage", "t", property_disk_usage, 0, 0),
        SD_BUS_PROPERTY("Targets", "a(sss)", submission_bus_targets, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(ssss)", findings), method_check,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", session), method_start,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_stop,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Mark", SD_BUS_ARGS("s", text, "a{sv}", options), SD_BUS_RESULT("t", time_usec), method_mark,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Recover", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", session, "as", done),
                        method_recover, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListSessions", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("ao", sessions),
                        method_list_sessions, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Arm", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("as", notes), boot_bus_arm,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Disarm", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, boot_bus_disarm,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetConfig", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(ssssu)", settings), config_bus_get,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, config_bus_reload,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetTarget", SD_BUS_ARGS("s", name, "a{sv}", options), SD_BUS_RESULT("s", method, "s", address),
                        submission_bus_get_target, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Submit", SD_BUS_ARGS("o", session, "a{sv}", options), SD_BUS_RESULT("o", job),
                        submission_bus_submit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("SessionNew", SD_BUS_ARGS("o", session), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SessionRemoved", SD_BUS_ARGS("o", session), 0),
        SD_BUS_SIGNAL_WITH_ARGS("JobNew", SD_BUS_ARGS("o", job), 0),
        SD_BUS_SIGNAL_WITH_ARGS("JobRemoved", SD_BUS_ARGS("o", job, "s", result, "s", detail), 0),
        SD_BUS_VTABLE_END,
};

int bus_new(sd_bus *connection, Manager *manager, Bus **ret) {
        _cleanup_(bus_freep) Bus *bus = calloc(1, sizeof(Bus));
        int r;

        if (!bus)
                return -ENOMEM;
        bus->connection = sd_bus_ref(connection);
        bus->manager = manager;
        r = auth_new(connection, &bus->auth);
        if (r >= 0)
                r = check_bus_new(manager, bus->auth, &bus->checks);
        if (r >= 0)
                r = sd_bus_add_object_manager(connection, NULL, BUS_PATH);
        if (r >= 0)
                r = sd_bus_add_object_vtable(connection, NULL, BUS_PATH, BUS_INTERFACE_MANAGER, bus_manager_vtable, bus);
        if (r >= 0)
                r = session_bus_add(connection, bus);
        if (r >= 0)
                r = job_bus_add(connection, manager);
        if (r >= 0)
                r = log_bus_add(connection);
        if (r < 0)
                return r;
        manager->hooks = (ManagerHooks) {
                .session_added = on_session_added,
                .session_changed = on_session_changed,
                .session_removed = on_session_removed,
                .started = on_started,
                .stopped = on_stopped,
                .removed = on_removed,
                .recovered = on_recovered,
                .job_added = on_job_added,
                .job_changed = on_job_changed,
                .job_removed = on_job_removed,
                .load_module = on_load_module,
                .config_changed = on_config_changed,
                .userdata = bus,
        };
        *ret = TAKE_PTR(bus);
        return 0;
}

Bus *bus_free(Bus *bus) {
        if (!bus)
                return NULL;
        while (bus->starts)
                pending_start_free(bus->starts);
        for (size_t i = 0; i < bus->n_waiting; i++)
                sd_bus_message_unref(bus->waiting[i].message);
        check_bus_free(bus->checks);
        auth_free(bus->auth);
        sd_bus_track_unref(bus->bound);
        sd_bus_unref(bus->connection);
        free(bus);
        return NULL;
}
