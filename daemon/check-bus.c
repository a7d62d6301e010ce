/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-util.h"
#include "caller-bus.h"
#include "check-bus.h"
#include "check.h"
#include "options-bus.h"
#include "quota.h"

/* Each is a process that reads half of /sys. */
static const Quota calls_quota = { .all = 4, .user = 2, .root = 2 };

typedef struct Call {
        CheckBus *checks;
        struct Call *next;
        sd_bus_message *message;
        SessionOptions options;
        uid_t uid;
        CallerLookup *lookup;   /* where the caller sits, where that counts */
        Check *check;           /* NULL: it is still being found out */
} Call;

struct CheckBus {
        Manager *manager;
        Auth *auth;
        Call *calls;
};

static Call *call_free(Call *call) {
        for (Call **p = &call->checks->calls; *p; p = &(*p)->next)
                if (*p == call) {
                        *p = call->next;
                        break;
                }
        check_free(call->check);
        caller_lookup_free(call->lookup);
        sd_bus_message_unref(call->message);
        session_options_done(&call->options);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(Call *, call_free)

int check_bus_new(Manager *m, Auth *auth, CheckBus **ret) {
        CheckBus *c = calloc(1, sizeof(CheckBus));

        if (!c)
                return -ENOMEM;
        *c = (CheckBus) { .manager = m, .auth = auth };
        *ret = c;
        return 0;
}

CheckBus *check_bus_free(CheckBus *c) {
        if (!c)
                return NULL;
        while (c->calls)
                call_free(c->calls);
        free(c);
        return NULL;
}

static int reply(const Call *call, const Findings *findings) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssss)");
        for (size_t i = 0; i < findings->n_findings && r >= 0; i++) {
                const Finding *f = findings->findings + i;
                _cleanup_free_ char *found = NULL, *to_do = NULL;

                r = finding_cells(f, &found, &to_do);
                if (r >= 0)
                        r = sd_bus_message_append(m, "(ssss)", f->id, finding_level_to_string(f->level), found, to_do);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_send(NULL, m, NULL);
}

static void on_done(const Findings *findings, const Error *error, void *userdata) {
        _cleanup_(call_freep) Call *call = userdata;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        r = findings ? reply(call, findings) : bus_error_from(&e, -EIO, error);
        if (r < 0)
                (void) sd_bus_reply_method_errno(call->message, r, &e);
        sd_bus_error_free(&e);
}

static int start(Call *call) {
        SessionOptions *o = &call->options;

        if (o->buffer_bytes == 0 && o->n_expected == 0)
                o->buffer_bytes = call->checks->manager->context->config.buffer_bytes;
        return check_start(call->checks->manager, o, call->uid, on_done, call, &call->check);
}

static void on_caller_found(const char *address, void *userdata) {
        _cleanup_(call_freep) Call *call = userdata;
        int r = 0;

        if (address)
                r = (call->options.caller_address = strdup(address)) ? 0 : -ENOMEM;
        if (r >= 0)
                r = start(call);
        if (r < 0)
                (void) sd_bus_reply_method_errno(call->message, r, NULL);
        else
                (void) TAKE_PTR(call);
}

static void on_caller_gone(void *userdata) {
        call_free(userdata);
}

static int check_limits(const CheckBus *c, uid_t uid, sd_bus_error *ret_error) {
        QuotaUse use = {};

        for (const Call *call = c->calls; call; call = call->next)
                quota_count(&use, uid, call->uid);
        if (quota_allows(&calls_quota, &use, uid))
                return 0;
        return sd_bus_error_set(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                        "Too many checks are going on already; wait for one of them to end.");
}

int check_bus_method(CheckBus *c, sd_bus_message *m, sd_bus_error *ret_error) {
        _cleanup_session_options_ SessionOptions options = {};
        _cleanup_(call_freep) Call *call = NULL;
        _cleanup_error_ Error error = {};
        uid_t uid;
        int r;

        r = options_bus_read(m, false, &options, &error);
        if (r < 0)
                return bus_error_from(ret_error, r, &error);
        r = auth_check(c->auth, m, AUTH_CAPTURE,
                        &(AuthDetails) {
                                .purpose = "find out what would stand in the way of tracing a driver",
                                .driver = options.driver,
                        },
                        ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = auth_caller_uid(m, &uid);
        if (r >= 0)
                r = check_limits(c, uid, ret_error);
        if (r < 0)
                return r;

        call = calloc(1, sizeof(Call));
        if (!call)
                return -ENOMEM;
        *call = (Call) { .checks = c, .next = c->calls, .message = sd_bus_message_ref(m), .options = options, .uid = uid };
        options = (SessionOptions) {};
        c->calls = call;
        r = call->options.rebind ? caller_find_address(m, on_caller_found, on_caller_gone, call, &call->lookup) : start(call);
        if (r < 0)
                return r;
        (void) TAKE_PTR(call);
        return 1;
}
