/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "audit-bus.h"
#include "job-bus.h"
#include "names.h"
#include "options-bus.h"
#include "reported.h"
#include "session-bus.h"
#include "submission-bus.h"

/* In the property, which every look at a session reads. There can be ten thousand, of half a kilobyte each. */
#define MARKS_SHOWN 64

int session_bus_path(const Session *s, char **ret) {
        return bus_path_new(BUS_PATH_SESSION, s->id, ret);
}

static int no_session(Error *error) {
        return error_set(error, ERROR_NOT_RUNNING, "No session is running; \"mmiotracectl start\" begins one.");
}

/* Whether the caller may, who need not be the owner for that; polkit is told which session it is. */
static int check_owner(Bus *bus, const Session *s, sd_bus_message *m, const char *action, const char *purpose, sd_bus_error *ret_error) {
        return auth_check_owner(bus_auth(bus), m, action, s->owner_uid,
                        &(AuthDetails) { .purpose = purpose, .session_id = s->id, .driver = s->options.driver }, ret_error);
}

/* The same, and the owner is no other than everybody else. */
static int check_all(Bus *bus, const Session *s, sd_bus_message *m, const char *action, const char *purpose, sd_bus_error *ret_error) {
        return auth_check(bus_auth(bus), m, action,
                        &(AuthDetails) { .purpose = purpose, .session_id = s->id, .driver = s->options.driver }, ret_error);
}

int session_bus_mark(Bus *bus, Session *s, sd_bus_message *m, sd_bus_error *ret_error) {
        /* When the caller saw what it marks (CLOCK_MONOTONIC, µs). */
        static const BusOption options[] = { { "time", bus_read_number, 0 } };
        uint64_t usec, caller_usec = 0;
        _cleanup_error_ Error error = {};
        const char *text;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        r = bus_read_options(m, options, ELEMENTS(options), &caller_usec, &error);
        if (r >= 0 && !s)
                r = no_session(&error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_owner(bus, s, m, AUTH_MARK,
                        "write a mark into the trace of session $(session)", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = session_mark(s, text, caller_usec, &usec, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        return sd_bus_reply_method_return(m, "t", usec);
}

int session_bus_stop(Bus *bus, Session *s, sd_bus_message *m, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        const char *displays = NULL;
        uid_t owner_uid;
        unsigned id;
        int r;

        r = options_bus_read_stop(m, &displays, &error);
        if (r >= 0 && !s)
                r = no_session(&error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_owner(bus, s, m, AUTH_MANAGE,
                        "end session $(session) of another user", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_check_waiting(bus, m, ret_error);
        /* A help to the reader, no more: without it, it is a stop all the same. */
        if (r >= 0 && displays && session_is_active(s))
                (void) reported_save(s->dir_fd, displays);
        /* Before the stop, which can end at once. */
        if (r >= 0 && session_is_active(s))
                r = bus_answer_when_stopped(bus, s, m);
        if (r < 0)
                return r;
        /* It can be gone then. */
        id = s->id;
        owner_uid = s->owner_uid;
        r = session_stop(s, STOP_REQUEST, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, id, owner_uid, "ended it");
        return 1;
}

static Bus *session_bus(const Session *s) {
        return s->manager->hooks.userdata;
}

static int method_mark(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return session_bus_mark(session_bus(userdata), userdata, m, ret_error);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return session_bus_stop(session_bus(userdata), userdata, m, ret_error);
}

static int method_open_archive(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        _cleanup_close_ int fd = -EBADF;
        Session *s = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_all(session_bus(s), s, m, AUTH_READ,
                        "read the trace of session $(session), which shows kernel addresses and the state of devices", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = session_open_archive(s, &fd, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, s->id, s->owner_uid, "opened its archive");
        return sd_bus_reply_method_return(m, "sh", s->archive, fd);
}

static int method_confirm_export(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Session *s = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_all(session_bus(s), s, m, AUTH_READ,
                        "say that there is a copy of session $(session), after which it may be removed to make room", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = session_confirm_export(s, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, s->id, s->owner_uid, "said that there is a copy of its archive");
        return sd_bus_reply_method_return(m, NULL);
}

static int method_seal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        _cleanup_free_ char *path = NULL;
        Session *s = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_owner(session_bus(s), s, m, AUTH_MANAGE,
                        "make the archive of session $(session) of another user", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = session_seal_again(s, &error);
        if (r >= 0)
                r = job_bus_path(s->job, &path);
        return r < 0 ? bus_error_from(ret_error, r, &error) : sd_bus_reply_method_return(m, "o", path);
}

static int method_set_protected(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Session *s = userdata;
        int protect, r;

        r = sd_bus_message_read(m, "b", &protect);
        if (r < 0)
                return r;
        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_owner(session_bus(s), s, m, AUTH_MANAGE,
                        "change whether session $(session) of another user may be removed", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = session_protect(s, protect, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, s->id, s->owner_uid, protect ? "protected it" : "taken its protection away");
        return sd_bus_reply_method_return(m, NULL);
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        _cleanup_free_ char *job = NULL;
        Session *s = userdata;
        const char *text;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_owner(session_bus(s), s, m, AUTH_MANAGE,
                        "describe session $(session) of another user", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = session_describe(s, text, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = s->job ? job_bus_path(s->job, &job) : 0;
        return r < 0 ? r : sd_bus_reply_method_return(m, "o", job ?: "/");
}

static int method_remove(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = {};
        Session *s = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_owner(session_bus(s), s, m, AUTH_MANAGE,
                        "remove session $(session) of another user with its trace", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_check_waiting(session_bus(s), m, ret_error);
        if (r < 0)
                return r;
        r = removal_start(s, "on request", &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        audit_bus_log(m, s->id, s->owner_uid, "had it removed");
        return bus_answer_when_removed(session_bus(s), s, m);
}

static int property_state(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;

        return sd_bus_message_append(reply, "s", session_state_to_string(s->state));
}

static int property_result(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;

        return sd_bus_message_append(reply, "s", session_shown_result(s));
}

static int property_stop_reason(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;

        return sd_bus_message_append(reply, "s", stop_reason_to_string(s->stop_reason));
}

static int property_result_text(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = session_shown_result_text(userdata, &text);
        return r < 0 ? r : sd_bus_message_append(reply, "s", text);
}

/* While capturing, the counters are where the drain has them. */
static int property_counter(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        static const struct {
                const char *property;
                size_t offset;
        } counters[] = {
                { "Events", offsetof(Session, n_events) },
                { "LostEvents", offsetof(Session, n_lost) },
                { "EventRate", offsetof(Session, n_rate) },
                { "Reads", offsetof(Session, n_reads) },
                { "Writes", offsetof(Session, n_writes) },
                { "Unknown", offsetof(Session, n_unknown) },
                { "Maps", offsetof(Session, n_maps) },
                { "BytesRaw", offsetof(Session, raw_bytes) },
                { "BufferFill", offsetof(Session, ring_bytes) },
        };
        Session *s = userdata;

        (void) session_update_counters(s);
        for (size_t i = 0; i < ELEMENTS(counters); i++)
                if (streq(property, counters[i].property))
                        return sd_bus_message_append(reply, "t", *(uint64_t *) ((char *) s + counters[i].offset));
        return -ENOENT;
}

static int property_keep(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;

        return sd_bus_message_append(reply, "s", s->options.keep_oldest ? "oldest" : "newest");
}

static int property_flag(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;

        return sd_bus_message_append(reply, "b", streq(property, "Stacks")     ? s->options.stacks :
                                                 streq(property, "KeepRaw")    ? s->options.keep_raw :
                                                 streq(property, "SpaceShort") ? s->space_short :
                                                                                 s->protected);
}

static int property_devices(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append_strv(reply, ((const Session *) userdata)->devices);
}

bool session_bus_caller_may_see(sd_bus *connection, const Session *s, uid_t also_uid) {
        sd_bus_message *m = sd_bus_get_current_message(connection);
        const char *interface = m ? sd_bus_message_get_interface(m) : NULL;
        uid_t uid;

        if (!streq_ptr(interface, "org.freedesktop.DBus.Properties") && !streq_ptr(interface, "org.freedesktop.DBus.ObjectManager"))
                return false;
        return auth_caller_uid(m, &uid) >= 0 && (uid == 0 || uid == getuid() || uid == s->owner_uid || uid == also_uid);
}

static bool caller_may_see(sd_bus *connection, const Session *s) {
        return session_bus_caller_may_see(connection, s, s->owner_uid);
}

/* Lines of the kernel's log are among them, with addresses, which not everybody may read (kernel.dmesg_restrict). */
static int property_warnings(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;

        return sd_bus_message_append_strv(reply, caller_may_see(connection, s) ? s->warnings : NULL);
}

static int property_warning_count(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "u", (uint32_t) strv_length(((const Session *) userdata)->warnings));
}

static int append_marks(sd_bus_message *reply, const Session *s, size_t first) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(tts)");
        for (size_t i = first; i < s->n_marks && r >= 0; i++)
                r = sd_bus_message_append(reply, "(tts)", s->marks[i].realtime_usec, s->marks[i].monotonic_usec, s->marks[i].text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_marks(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;
        size_t n = s->n_marks > 0 && caller_may_see(connection, s) ? MIN(s->n_marks, (size_t) MARKS_SHOWN) : 0;

        return append_marks(reply, s, s->n_marks - n);
}

static int property_mark_count(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "u", (uint32_t) ((const Session *) userdata)->n_marks);
}

static int property_owners_text(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;
        const char *text = streq(property, "Description") ? s->options.description : s->options.stop_on_mark;

        return sd_bus_message_append(reply, "s", !isempty(text) && caller_may_see(connection, s) ? text : "");
}

static int method_list_marks(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_error_ Error error = {};
        const Session *s = userdata;
        int r;

        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_owner(session_bus(userdata), s, m, AUTH_READ,
                        "read the marks of session $(session)", ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_marks(reply, s, 0);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int property_archive_path(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;
        _cleanup_free_ char *file = NULL;

        if (isempty(s->archive))
                return sd_bus_message_append(reply, "s", "");
        if (asprintf(&file, "%s/sessions/%u/" SESSION_ARCHIVE, s->manager->context->state_dir, s->id) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        return sd_bus_message_append(reply, "s", file);
}

static int property_job(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;
        _cleanup_free_ char *job = NULL;
        int r;

        if (!s->job)
                return sd_bus_message_append(reply, "o", "/");
        r = job_bus_path(s->job, &job);
        return r < 0 ? r : sd_bus_message_append(reply, "o", job);
}

const sd_bus_vtable session_bus_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "u", NULL, offsetof(Session, id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Result", "s", property_result, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ResultText", "s", property_result_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StopReason", "s", property_stop_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StopAfter", "t", NULL, offsetof(Session, options.stop_after_usec), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StopAfterBytes", "t", NULL, offsetof(Session, options.stop_after_bytes), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StopAfterEvents", "t", NULL, offsetof(Session, options.n_stop_after_events), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StopOnMark", "s", property_owners_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Driver", "s", NULL, offsetof(Session, options.driver), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Module", "s", NULL, offsetof(Session, module), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DriverVersion", "s", NULL, offsetof(Session, driver_version), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Devices", "as", property_devices, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Description", "s", property_owners_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Owner", "u", NULL, offsetof(Session, owner_uid), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StartTimestamp", "t", NULL, offsetof(Session, start_realtime_usec), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StartTimestampMonotonic", "t", NULL, offsetof(Session, start_monotonic_usec), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StopTimestamp", "t", NULL, offsetof(Session, stop_realtime_usec), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StopTimestampMonotonic", "t", NULL, offsetof(Session, stop_monotonic_usec), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CPU", "u", NULL, offsetof(Session, cpu), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CPUsOffline", "s", NULL, offsetof(Session, offline), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BufferSize", "t", NULL, offsetof(Session, buffer_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BufferFill", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("Source", "s", NULL, offsetof(Session, source), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Keep", "s", property_keep, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Stacks", "b", property_flag, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("KeepRaw", "b", property_flag, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("EventRate", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("Events", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("LostEvents", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("Reads", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("Writes", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("Unknown", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("Maps", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("BytesRaw", "t", property_counter, 0, 0),
        SD_BUS_PROPERTY("GivenUpEvents", "t", NULL, offsetof(Session, n_given_up), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesGivenUp", "t", NULL, offsetof(Session, given_up_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesCompressed", "t", NULL, offsetof(Session, compressed_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesCompressedOnDisk", "t", NULL, offsetof(Session, compressed_disk_bytes),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SpaceShort", "b", property_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesLog", "t", NULL, offsetof(Session, log_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesArchive", "t", NULL, offsetof(Session, archive_bytes), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Marks", "a(tts)", property_marks, 0, 0),
        SD_BUS_PROPERTY("MarkCount", "u", property_mark_count, 0, 0),
        SD_BUS_PROPERTY("Archive", "s", NULL, offsetof(Session, archive), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ArchivePath", "s", property_archive_path, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ExportTimestamp", "t", NULL, offsetof(Session, export_realtime_usec), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Protected", "b", property_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Warnings", "as", property_warnings, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("WarningCount", "u", property_warning_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Job", "o", property_job, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Submission", "(ssotus)", submission_bus_submission, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("SubmitError", "s", submission_bus_error, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Receipts", "a(ssstt)", submission_bus_receipts, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_stop,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Mark", SD_BUS_ARGS("s", text, "a{sv}", options), SD_BUS_RESULT("t", time_usec), method_mark,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListMarks", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(tts)", marks), method_list_marks,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenArchive", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", name, "h", archive),
                        method_open_archive, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ConfirmExport", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_confirm_export,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Seal", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job), method_seal,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetProtected", SD_BUS_ARGS("b", protect, "a{sv}", options), SD_BUS_NO_RESULT,
                        method_set_protected, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_ARGS("s", text, "a{sv}", options), SD_BUS_RESULT("o", job), method_describe,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Remove", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_remove,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* Looked up for every call: no pointer outlives the session. */
static int find(sd_bus *connection, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *ret_error) {
        Session *s;
        unsigned id;

        if (bus_path_parse(BUS_PATH_SESSION, path, &id) < 0)
                return 0;
        s = manager_find_session(bus_manager(userdata), id);
        if (!s)
                return 0;
        *ret = s;
        return 1;
}

static int enumerate(sd_bus *connection, const char *prefix, void *userdata, char ***ret, sd_bus_error *ret_error) {
        const Manager *m = bus_manager(userdata);
        _cleanup_strv_ char **nodes = NULL;
        int r;

        for (size_t i = 0; i < m->n_sessions; i++) {
                r = strv_extendf(&nodes, BUS_PATH_SESSION "/_%u", m->sessions[i]->id);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(nodes);
        return 1;
}

int session_bus_add(sd_bus *connection, Bus *bus) {
        int r;

        r = sd_bus_add_fallback_vtable(connection, NULL, BUS_PATH_SESSION, BUS_INTERFACE_SESSION, session_bus_vtable, find, bus);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(connection, NULL, BUS_PATH_SESSION, enumerate, bus);
}

void session_bus_emit_changed(sd_bus *connection, Session *s) {
        _cleanup_free_ char *path = NULL;

        if (session_bus_path(s, &path) < 0)
                return;
        (void) sd_bus_emit_properties_changed(connection, path, BUS_INTERFACE_SESSION, "State", "Result", "ResultText", "StopReason", "StopOnMark",
                        "Module", "DriverVersion", "Devices", "Description", "StartTimestamp", "StartTimestampMonotonic", "StopTimestamp",
                        "StopTimestampMonotonic", "CPU", "CPUsOffline", "BufferSize", "Source", "GivenUpEvents",
                        "BytesGivenUp", "BytesCompressed", "BytesCompressedOnDisk", "SpaceShort", "BytesLog", "BytesArchive",
                        "Archive", "ArchivePath", "ExportTimestamp", "Protected", "Warnings", "WarningCount", "Job", "Submission",
                        "SubmitError", "Receipts", NULL);
}
