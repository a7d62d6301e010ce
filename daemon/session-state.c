/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The states of a session, what stopped it and how it ended: their names, and which state may follow which. */

#include "session.h"

static const char *const states[_SESSION_STATE_MAX] = {
        [SESSION_CHECKING] = "checking",
        [SESSION_ARMING] = "arming",
        [SESSION_CAPTURING] = "capturing",
        [SESSION_DRAINING] = "draining",
        [SESSION_RESTORING] = "restoring",
        [SESSION_INTERRUPTED] = "interrupted",
        [SESSION_SEALING] = "sealing",
        [SESSION_SEALED] = "sealed",
        [SESSION_FAILED] = "failed",
};

static const char *const results[_SESSION_RESULT_MAX] = {
        [RESULT_NONE] = "",
        [RESULT_SUCCESS] = "success",
        [RESULT_INTERRUPTED] = "interrupted",
        [RESULT_ARM_FAILED] = "arm-failed",
        [RESULT_LOAD_FAILED] = "load-failed",
        [RESULT_BIND_FAILED] = "bind-failed",
        [RESULT_DRAIN_FAILED] = "drain-failed",
        [RESULT_RESTORE_FAILED] = "restore-failed",
        [RESULT_SEAL_FAILED] = "seal-failed",
        [RESULT_LIMIT_REACHED] = "limit-reached",
        [RESULT_DISK_FULL] = "disk-full",
};

static const char *const reasons[_STOP_REASON_MAX] = {
        [STOP_NONE] = "",
        [STOP_REQUEST] = "request",
        [STOP_TIME] = "time",
        [STOP_SIZE] = "size",
        [STOP_EVENTS] = "events",
        [STOP_MARK] = "mark",
        [STOP_CALLER] = "caller",
        [STOP_SERVICE] = "service",
        [STOP_INTERRUPT] = "interrupt",
        [STOP_LIMIT] = "limit",
        [STOP_FAILURE] = "failure",
};

#define AFTER(state) (1U << (state))
static const unsigned followers[_SESSION_STATE_MAX] = {
        [SESSION_CHECKING] = AFTER(SESSION_ARMING) | AFTER(SESSION_FAILED) | AFTER(SESSION_INTERRUPTED),
        [SESSION_ARMING] = AFTER(SESSION_CAPTURING) | AFTER(SESSION_RESTORING) | AFTER(SESSION_FAILED) |
                AFTER(SESSION_INTERRUPTED),
        [SESSION_CAPTURING] = AFTER(SESSION_DRAINING) | AFTER(SESSION_INTERRUPTED),
        [SESSION_DRAINING] = AFTER(SESSION_RESTORING) | AFTER(SESSION_INTERRUPTED),
        [SESSION_RESTORING] = AFTER(SESSION_SEALING) | AFTER(SESSION_FAILED) | AFTER(SESSION_INTERRUPTED),
        [SESSION_INTERRUPTED] = AFTER(SESSION_RESTORING) | AFTER(SESSION_SEALING) | AFTER(SESSION_INTERRUPTED),
        [SESSION_SEALING] = AFTER(SESSION_SEALED) | AFTER(SESSION_FAILED),
        [SESSION_FAILED] = AFTER(SESSION_SEALING),
};

const char *session_state_to_string(SessionState state) {
        return state >= 0 && state < _SESSION_STATE_MAX ? states[state] : NULL;
}

SessionState session_state_from_string(const char *s) {
        for (SessionState i = 0; i < _SESSION_STATE_MAX; i++)
                if (streq(states[i], s))
                        return i;
        return _SESSION_STATE_INVALID;
}

bool session_state_may_follow(SessionState from, SessionState to) {
        return followers[from] & AFTER(to);
}

const char *session_result_to_string(SessionResult result) {
        return result < _SESSION_RESULT_MAX ? results[result] : NULL;
}

SessionResult session_result_from_string(const char *s) {
        for (SessionResult i = 0; i < _SESSION_RESULT_MAX; i++)
                if (streq(results[i], s))
                        return i;
        return RESULT_NONE;
}

bool session_result_is_good(SessionResult result) {
        return result == RESULT_SUCCESS || result == RESULT_INTERRUPTED || result == RESULT_LIMIT_REACHED ||
                result == RESULT_DISK_FULL;
}

const char *stop_reason_to_string(StopReason reason) {
        return reason < _STOP_REASON_MAX ? reasons[reason] : NULL;
}

StopReason stop_reason_from_string(const char *s) {
        for (StopReason i = 0; i < _STOP_REASON_MAX; i++)
                if (streq(reasons[i], s))
                        return i;
        return STOP_NONE;
}
