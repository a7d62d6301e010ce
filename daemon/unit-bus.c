/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "manager.h"
#include "names.h"
#include "unit-bus.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD ".Manager"

#define LINES_SHOWN 4

/* One load that is going on. It refers to its session by id: that may be gone when PID 1 answers. */
typedef struct Load {
        Manager *manager;
        unsigned session_id;
        char *unit, *module;
        sd_bus_slot *match, *call;
} Load;

static void load_free(Load *l) {
        sd_bus_slot_unref(l->match);
        sd_bus_slot_unref(l->call);
        free(l->unit);
        free(l->module);
        free(l);
}
DEFINE_CLEANUP(Load *, load_free)

/* The unit has its standard error there. */
static int error_file_name(const Load *l, char **ret) {
        if (asprintf(ret, "load-%s.err", l->module) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

static void load_end(Load *l, const Error *error) {
        Session *s = manager_find_session(l->manager, l->session_id);
        _cleanup_free_ char *name = NULL;

        if (error_file_name(l, &name) >= 0)
                (void) unlinkat(l->manager->runtime_fd, name, 0);
        if (s)
                session_load_done(s, error);
        load_free(l);
}

/* The last lines as one: where an install command failed, the reason stands before the last. */
static int join_last_lines(const char *text, char **ret) {
        _cleanup_free_ char *joined = NULL;
        const char *start = text + strlen(text);
        unsigned n_lines = 0;
        size_t bytes;
        FILE *f;

        while (start > text && (start[-1] != '\n' || ++n_lines < LINES_SHOWN))
                start--;
        f = open_memstream(&joined, &bytes);
        if (!f)
                return -ENOMEM;
        for (; *start; start++)
                if (*start == '\n')
                        fputs("; ", f);
                else
                        fputc(*start, f);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(joined);
        return 0;
}

static void fail_by_modprobe(Load *l, const char *result) {
        _cleanup_free_ char *name = NULL, *text = NULL, *said = NULL;
        _cleanup_error_ Error error = {};
        size_t n;

        if (error_file_name(l, &name) >= 0 && read_file_at(l->manager->runtime_fd, name, 64 * KIB, &text, &n) >= 0)
                while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '.'))
                        text[--n] = 0;
        if (!isempty(text) && text_is_clean(text, true) && join_last_lines(text, &said) >= 0)
                (void) error_set(&error, ERROR_LOAD_FAILED, "Loading %s failed: %s.", l->module, said);
        else
                (void) error_set(&error, ERROR_LOAD_FAILED, "Loading %s failed (%s); see \"journalctl -u %s\".",
                                l->module, result, l->unit);
        load_end(l, &error);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *job, *unit, *result;
        Load *l = userdata;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) < 0 || !streq(unit, l->unit))
                return 0;
        if (streq(result, "done"))
                load_end(l, NULL);
        else
                fail_by_modprobe(l, result);
        return 0;
}

static int on_started(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        _cleanup_error_ Error error = {};
        Load *l = userdata;

        if (!e)
                return 0; /* the end of the job is what counts */
        (void) error_set(&error, ERROR_LOAD_FAILED, "systemd did not start %s: %s", l->unit, strempty(e->message));
        load_end(l, &error);
        return 0;
}

int unit_bus_load(sd_bus *connection, Session *s, const char *module) {
        _cleanup_(load_freep) Load *l = NULL;
        int r;

        l = calloc(1, sizeof(Load));
        if (!l)
                return -ENOMEM;
        l->manager = s->manager;
        l->session_id = s->id;
        l->module = strdup(module);
        if (!l->module || asprintf(&l->unit, UNIT_LOAD_PREFIX "%s.service", module) < 0) {
                l->unit = NULL;
                return -ENOMEM;
        }
        /* PID 1 sends the signals of jobs only while somebody has subscribed. */
        r = sd_bus_call_method_async(connection, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe", NULL, NULL, NULL);
        if (r >= 0)
                r = sd_bus_match_signal_async(connection, &l->match, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved",
                                on_job_removed, NULL, l);
        if (r >= 0) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

                r = sd_bus_message_new_method_call(connection, &call, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "StartUnit");
                if (r >= 0)
                        r = sd_bus_message_append(call, "ss", l->unit, "replace");
                /* No time limit: while a driver probes under the tracer, PID 1 hardly runs. */
                if (r >= 0)
                        r = sd_bus_call_async(connection, &l->call, call, on_started, l, UINT64_MAX);
        }
        if (r < 0)
                return r;
        (void) TAKE_PTR(l);
        return 0;
}

int unit_bus_connect(sd_bus **ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *connection = NULL;
        int r;

        r = sd_bus_new(&connection);
        if (r >= 0)
                r = sd_bus_set_address(connection, "unix:path=/run/systemd/private");
        if (r >= 0)
                r = sd_bus_start(connection);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(connection);
        return 0;
}

int unit_bus_load_early(const char *module, Error *error) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *connection = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *unit = NULL;
        int r;

        if (asprintf(&unit, UNIT_LOAD_PREFIX "%s.service", module) < 0) {
                unit = NULL;
                return -ENOMEM;
        }
        r = unit_bus_connect(&connection);
        if (r >= 0)
                r = sd_bus_call_method(connection, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "StartUnit", &e, NULL, "ss", unit,
                                "replace");
        if (r < 0)
                (void) error_set(error, ERROR_LOAD_FAILED, "systemd did not start %s: %s", unit, e.message ?: strerrordesc_np(-r));
        sd_bus_error_free(&e);
        return r;
}

/* The question of unit_bus_ask_job(): our unit, its job, the job's type. */
typedef struct Question {
        void (*found)(const char *job_type, void *userdata);
        void *userdata;
} Question;

static int question_end(Question *q, const char *job_type) {
        q->found(job_type, q->userdata);
        free(q);
        return 0;
}

static int ask(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message_handler_t callback, Question *q) {
        return sd_bus_call_method_async(connection, NULL, SYSTEMD, path, "org.freedesktop.DBus.Properties", "Get", callback, q,
                        "ss", interface, property);
}

static int on_job_type(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const char *type = "";

        if (!sd_bus_message_is_method_error(reply, NULL))
                (void) sd_bus_message_read(reply, "v", "s", &type);
        return question_end(userdata, type);
}

static int on_unit_job(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const char *path;
        uint32_t id;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "v", "(uo)", &id, &path) < 0 || id == 0 ||
            ask(sd_bus_message_get_bus(reply), path, SYSTEMD ".Job", "JobType", on_job_type, userdata) < 0)
                return question_end(userdata, "");
        return 0;
}

static int on_unit(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const char *path;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "o", &path) < 0 ||
            ask(sd_bus_message_get_bus(reply), path, SYSTEMD ".Unit", "Job", on_unit_job, userdata) < 0)
                return question_end(userdata, "");
        return 0;
}

int unit_bus_ask_job(sd_bus *connection, void (*found)(const char *job_type, void *userdata), void *userdata) {
        _cleanup_free_ Question *q = malloc(sizeof(Question));
        int r;

        if (!q)
                return -ENOMEM;
        *q = (Question) { found, userdata };
        r = sd_bus_call_method_async(connection, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnitByPID", on_unit, q,
                        "u", (uint32_t) getpid());
        if (r < 0)
                return r;
        (void) TAKE_PTR(q);
        return 0;
}

static int has_start_job(sd_bus *connection, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *type = NULL;
        const char *job;
        uint32_t id;
        int r;

        r = sd_bus_get_property(connection, SYSTEMD, path, SYSTEMD ".Unit", "Job", NULL, &reply, "(uo)");
        if (r >= 0)
                r = sd_bus_message_read(reply, "(uo)", &id, &job);
        if (r < 0 || id == 0)
                return r < 0 ? r : 0;
        /* It may have ended in between, and then the unit is what it has made of it. */
        if (sd_bus_get_property_string(connection, SYSTEMD, job, SYSTEMD ".Job", "JobType", NULL, &type) < 0)
                return 1;
        return !streq(type, "stop");
}

int unit_bus_is_alive(const char *unit) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *connection = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *state = NULL;
        const char *path;
        int r;

        r = unit_bus_connect(&connection);
        if (r >= 0)
                r = sd_bus_call_method(connection, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "LoadUnit", NULL, &reply, "s", unit);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        /* The job first: one that ends between the two questions leaves the unit in the state that it has led to. */
        if (r >= 0)
                r = has_start_job(connection, path);
        if (r != 0)
                return r;
        r = sd_bus_get_property_string(connection, SYSTEMD, path, SYSTEMD ".Unit", "ActiveState", NULL, &state);
        return r < 0 ? r : !streq(state, "inactive") && !streq(state, "failed");
}
