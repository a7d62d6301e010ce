/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "job-bus.h"
#include "names.h"
#include "session-bus.h"
#include "submission-bus.h"
#include "submission.h"

#define URL_MAX_BYTES 2048

/* Borrowed from the message. */
typedef struct Place {
        const char *target, *url;
} Place;

static int read_place(sd_bus_message *m, const char *key, void *ret, Error *error) {
        const char *s;

        if (sd_bus_message_read(m, "v", "s", &s) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a string.", key);
        if (isempty(s) || strlen(s) > URL_MAX_BYTES || !text_is_clean(s, false))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes 1 to %d bytes of text without control "
                                "characters.", key, URL_MAX_BYTES);
        *(const char **) ret = s;
        return 0;
}

static int read_options(sd_bus_message *m, Place *ret, Error *error) {
        static const BusOption options[] = {
                { "target", read_place, offsetof(Place, target) },
                { "url", read_place, offsetof(Place, url) },
        };
        _cleanup_(target_freep) Target *target = NULL;
        Place place = {};
        int r;

        r = bus_read_options(m, options, ELEMENTS(options), &place, error);
        if (r < 0)
                return r;
        if (place.target && place.url)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "Submit takes either a target or a url.");
        /* Before anybody is asked about it. */
        if (place.url) {
                r = target_new_from_url(place.url, &target, error);
                if (r < 0)
                        return r;
        }
        *ret = place;
        return 0;
}

static int find_session(Bus *bus, const char *path, Session **ret, Error *error) {
        Session *s;
        unsigned id;

        if (bus_path_parse(BUS_PATH_SESSION, path, &id) < 0)
                return error_set(error, ERROR_NO_SUCH_SESSION, "%s is no session.", path);
        s = manager_find_session(bus_manager(bus), id);
        if (!s)
                return error_set(error, ERROR_NO_SUCH_SESSION, "There is no session %u.", id);
        *ret = s;
        return 0;
}

/* An address takes two permissions: where it goes then, the caller can have chosen to read it. */
static int check_access(Bus *bus, const Session *s, sd_bus_message *m, const Place *place, sd_bus_error *ret_error) {
        const Config *c = &bus_manager(bus)->context->config;
        const Target *t = place->target ? config_find_target(c, place->target) : c->n_targets == 1 ? c->targets[0] : NULL;
        AuthDetails details = { .session_id = s->id, .driver = s->options.driver, .target = t ? t->name : NULL, .url = place->url };
        int r;

        if (!place->url) {
                details.purpose = t ? "send the trace of session $(session) to $(target), which the "
                                      "administrator has configured" : NULL;
                return auth_check(bus_auth(bus), m, AUTH_SUBMIT, &details, ret_error);
        }
        details.target = NULL;
        details.purpose = "send the trace of session $(session), which shows kernel addresses and the state "
                          "of devices, to $(url), an address that was given now";
        r = auth_check(bus_auth(bus), m, AUTH_SUBMIT_ANYWHERE, &details, ret_error);
        details.purpose = "read the trace of session $(session), which can be read where it is sent";
        return r > 0 ? auth_check(bus_auth(bus), m, AUTH_READ, &details, ret_error) : r;
}

int submission_bus_submit(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *session_path;
        _cleanup_free_ char *job_path = NULL;
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        Session *s = NULL;
        Place place = {};
        uid_t uid;
        int r;

        r = sd_bus_message_read(m, "o", &session_path);
        if (r < 0)
                return r;
        r = read_options(m, &place, &error);
        if (r >= 0)
                r = find_session(bus, session_path, &s, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = check_access(bus, s, m, &place, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = auth_caller_uid(m, &uid);
        if (r < 0)
                return r;
        r = submission_start(s, place.target, place.url, uid, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = job_bus_path(s->submission->job, &job_path);
        return r < 0 ? r : sd_bus_reply_method_return(m, "o", job_path);
}

int submission_bus_targets(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Config *c = &bus_manager(userdata)->context->config;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        for (size_t i = 0; i < c->n_targets && r >= 0; i++) {
                const Target *t = c->targets[i];
                _cleanup_free_ char *address = NULL;

                r = target_public_address(t, &address);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "(sss)", t->name, target_method_to_string(t->method), address);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int submission_bus_get_target(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_free_ char *address = NULL;
        _cleanup_error_ Error error = {};
        Bus *bus = userdata;
        const Target *t;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = bus_read_no_options(m, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        t = config_find_target(&bus_manager(bus)->context->config, name);
        r = auth_check(bus_auth(bus), m, AUTH_SUBMIT,
                        &(AuthDetails) {
                                .purpose = t ? "see the address of $(target), which traces can be sent to" : NULL,
                                .target = t ? t->name : NULL,
                        },
                        ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (!t)
                r = error_set(&error, ERROR_NO_SUCH_TARGET, "There is no target of that name; the property Targets has those that there are.");
        else
                r = target_address(t, &address);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        return sd_bus_reply_method_return(m, "ss", target_method_to_string(t->method), address);
}

int submission_bus_submission(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;
        const Submission *b = s->submission;
        _cleanup_free_ char *address = NULL, *job = NULL;
        bool may_see;
        int r;

        if (!b)
                return sd_bus_message_append(reply, "(ssotus)", "", "", "/", UINT64_C(0), UINT32_C(0), "");
        may_see = session_bus_caller_may_see(connection, s, b->owner_uid);
        r = submission_address(b, &address);
        if (r >= 0 && b->job)
                r = job_bus_path(b->job, &job);
        if (r < 0)
                return r;
        if (!may_see)
                address[target_public_bytes(address)] = 0;
        return sd_bus_message_append(reply, "(ssotus)", submission_state(b), address, job ?: "/", b->next_realtime_usec,
                        (uint32_t) b->n_attempts, may_see ? strempty(b->last_error) : "");
}

int submission_bus_error(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;

        return sd_bus_message_append(reply, "s", session_bus_caller_may_see(connection, s, s->submit_error_uid) ?
                        strempty(s->submit_error) : "");
}

int submission_bus_receipts(sd_bus *connection, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Session *s = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(ssstt)");
        for (size_t i = 0; i < s->n_receipts && r >= 0; i++) {
                const Receipt *receipt = s->receipts + i;
                bool may_see = session_bus_caller_may_see(connection, s, receipt->owner_uid);
                _cleanup_free_ char *target = strdup(strempty(receipt->target));

                if (!target)
                        return -ENOMEM;
                if (!may_see)
                        target[target_public_bytes(target)] = 0;
                r = sd_bus_message_append(reply, "(ssstt)", target, may_see ? strempty(receipt->where) : "",
                                may_see ? strempty(receipt->sha256) : "", receipt->realtime_usec, receipt->bytes);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
