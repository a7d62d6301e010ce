/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "session.h"
#include "test-util.h"

TestSuite(session_state, .fini = test_done);

Test(session_state, names) {
        static const char *const names[_SESSION_STATE_MAX] = {
                "checking", "arming", "capturing", "draining", "restoring", "interrupted", "sealing",
                                "sealed", "failed",
        };

        /* They are on the bus and in files: none of them ever changes. */
        for (SessionState i = 0; i < _SESSION_STATE_MAX; i++) {
                cr_assert_str_eq(session_state_to_string(i), names[i]);
                cr_assert_eq(session_state_from_string(names[i]), i);
        }
        cr_assert_null(session_state_to_string(_SESSION_STATE_MAX));
        cr_assert_null(session_state_to_string(_SESSION_STATE_INVALID));
        cr_assert_lt(session_state_from_string(""), 0);
        cr_assert_lt(session_state_from_string("Capturing"), 0);
        cr_assert_lt(session_state_from_string("capturing "), 0);
}

Test(session_state, names_of_results) {
        static const char *const names[_SESSION_RESULT_MAX] = {
                "", "success", "interrupted", "arm-failed", "load-failed", "bind-failed", "drain-failed",
                                "restore-failed", "seal-failed", "limit-reached", "disk-full",
        };

        for (SessionResult i = 0; i < _SESSION_RESULT_MAX; i++) {
                cr_assert_str_eq(session_result_to_string(i), names[i]);
                cr_assert_eq(session_result_from_string(names[i]), i);
        }
        cr_assert_null(session_result_to_string(_SESSION_RESULT_MAX));
        cr_assert_eq(session_result_from_string("something"), RESULT_NONE);
}

Test(session_state, names_of_reasons) {
        static const char *const names[_STOP_REASON_MAX] = {
                "", "request", "time", "size", "events", "mark", "caller", "service", "interrupt", "limit", "failure",
        };

        for (StopReason i = 0; i < _STOP_REASON_MAX; i++) {
                cr_assert_str_eq(stop_reason_to_string(i), names[i]);
                cr_assert_eq(stop_reason_from_string(names[i]), i);
        }
        cr_assert_null(stop_reason_to_string(_STOP_REASON_MAX));
        cr_assert_eq(stop_reason_from_string("something"), STOP_NONE);
}

Test(session_state, followers) {
        static const char *const allowed[] = {
                "checking arming", "checking failed", "checking interrupted",
                "arming capturing", "arming restoring", "arming failed", "arming interrupted",
                "capturing draining", "capturing interrupted",
                "draining restoring", "draining interrupted",
                "restoring sealing", "restoring failed", "restoring interrupted",
                "interrupted restoring", "interrupted sealing", "interrupted interrupted",
                "sealing sealed", "sealing failed", "failed sealing",
        };

        for (SessionState from = 0; from < _SESSION_STATE_MAX; from++)
                for (SessionState to = 0; to < _SESSION_STATE_MAX; to++) {
                        bool expected = false;
                        char pair[64];

                        (void) snprintf(pair, sizeof pair, "%s %s", session_state_to_string(from),
                                        session_state_to_string(to));
                        for (size_t i = 0; i < ELEMENTS(allowed); i++)
                                expected = expected || streq(pair, allowed[i]);
                        cr_assert_eq(session_state_may_follow(from, to), expected, "%s", pair);
                }
}

Test(session_state, kinds) {
        for (SessionState i = 0; i < _SESSION_STATE_MAX; i++) {
                const Session s = { .state = i };

                /* The machine is changed, or about to be. */
                cr_assert_eq(session_is_active(&s), i <= SESSION_RESTORING, "%s",
                                session_state_to_string(i));
                cr_assert_eq(session_is_over(&s), i == SESSION_SEALED || i == SESSION_FAILED, "%s",
                                session_state_to_string(i));
        }
}
