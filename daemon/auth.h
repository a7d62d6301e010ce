/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may do what: the one place that asks polkit. The bus policy says who may talk to the daemon at all.
 *
 * A method handler reads and checks its arguments, then calls auth_check(), and has changed nothing before that. Where
 * polkit has to be asked, the handler returns, and the same message is dispatched once more when the answer is there: so
 * the object is looked up anew and the arguments are read anew, and nothing from before the answer is used after it. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

/* By risk, not by method: data/org.freedesktop.MmioTrace.policy. */
#define AUTH_CAPTURE "org.freedesktop.MmioTrace.capture"
#define AUTH_MARK "org.freedesktop.MmioTrace.mark"
#define AUTH_READ "org.freedesktop.MmioTrace.read"
#define AUTH_SUBMIT "org.freedesktop.MmioTrace.submit"
#define AUTH_SUBMIT_ANYWHERE "org.freedesktop.MmioTrace.submit-anywhere"
#define AUTH_MANAGE "org.freedesktop.MmioTrace.manage"

/* What it is about: for the person who is asked, and for polkit's rules (action.lookup("session")). What is not set is left
 * out. Texts of callers are in it only if there is nothing in them that a person could take for ours. */
typedef struct AuthDetails {
        const char *purpose;    /* "Authentication is required to …", with $(session) and so on; NULL: as the policy has it */
        unsigned session_id;
        const char *driver;     /* left out if it is no plain name */
        const char *target;
        const char *url;        /* of which scheme and host are told */
} AuthDetails;

/* Whether a driver's name can be shown to a person as it is. */
bool auth_is_plain(const char *name);

typedef struct Auth Auth;

int auth_new(sd_bus *connection, Auth **ret);
/* Before the connection is closed: takes back what polkit was asked. */
Auth *auth_free(Auth *auth);
static inline void auth_freep(Auth **auth) {
        auth_free(*auth);
}

/* Returns 1 if the sender of the message may do this: root may. 0: polkit is asked, and the handler has to return 1 at
 * once. A negative value, with ret_error set, is the handler's result: AccessDenied; InteractiveAuthorizationRequired,
 * where a person could be asked and the message does not allow it; LimitsExceeded, where too much is asked already.
 * Without polkit only root may do anything.
 *
 * A handler that does two things asks for both, one after the other. */
int auth_check(Auth *auth, sd_bus_message *message, const char *action, const AuthDetails *details, sd_bus_error *ret_error);

/* The same, and the owner of the session that this is about needs no permission. */
int auth_check_owner(Auth *auth, sd_bus_message *message, const char *action, uid_t owner_uid, const AuthDetails *details,
        sd_bus_error *ret_error);

/* The same without a person: what the answer only adds something to is no reason to ask for a password. There is no error to
 * tell, a negative value is a no. */
int auth_check_quietly(Auth *auth, sd_bus_message *message, const char *action);

int auth_caller_uid(sd_bus_message *message, uid_t *ret);
