/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "takeovers.h"
#include "test-util.h"

TestSuite(takeovers, .fini = test_done);

/* So long ago that time is no reason to wait. */
static void begin_count(const char *points) {
        _cleanup_free_ char *line = NULL;

        cr_assert(asprintf(&line, "%s 1\n", points) > 0);
        cr_assert_eq(replace_file_at(test_dir(), "takeovers", line, strlen(line)), 0);
}

static void assert_enough_after(unsigned n, const char *result, const char *status) {
        begin_count("0");
        for (unsigned i = 1; i < n; i++)
                cr_assert_eq(takeovers_count(test_dir(), result, status), 0, "%s after %u", result, i);
        cr_assert_not(takeovers_are_enough(test_dir()));
        cr_assert_eq(takeovers_count(test_dir(), result, status), 1, "%s", result);
        cr_assert(takeovers_are_enough(test_dir()));
}

Test(takeovers, causes) {
        assert_enough_after(3, "timeout", "TERM");
        assert_enough_after(3, "watchdog", "ABRT");
        assert_enough_after(5, "core-dump", "SEGV");
        assert_enough_after(5, "exit-code", "1");
        assert_enough_after(5, "protocol", NULL);
        assert_enough_after(5, "signal", "TERM");
        assert_enough_after(60, "signal", "KILL");
        assert_enough_after(60, "oom-kill", "KILL");
}

/* A restart hands the session over, and none is to blame for a call without a cause. */
Test(takeovers, no_bad_end) {
        for (unsigned i = 0; i < 100; i++) {
                cr_assert_eq(takeovers_count(test_dir(), "success", "0"), 0);
                cr_assert_eq(takeovers_count(test_dir(), NULL, NULL), 0);
        }
        cr_assert_lt(faccessat(test_dir(), "takeovers", F_OK, 0), 0);
        begin_count("60");
        cr_assert_eq(takeovers_count(test_dir(), "success", "0"), 0);
}

/* What passes by itself has twenty seconds for it, as often as the daemon fails meanwhile. */
Test(takeovers, not_at_once) {
        cr_assert_not(takeovers_are_enough(test_dir()));
        for (unsigned i = 0; i < 50; i++)
                cr_assert_eq(takeovers_count(test_dir(), "exit-code", "1"), 0);
}

Test(takeovers, forgotten) {
        begin_count("59");
        takeovers_forget(test_dir());
        cr_assert_eq(takeovers_count(test_dir(), "signal", "KILL"), 0);
        takeovers_forget(test_dir());
        takeovers_forget(test_dir());
}

Test(takeovers, file_of_no_sense) {
        static const char *const texts[] = { "", "\n", "60", "60 x\n", "x 1\n", "{}" };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                cr_assert_eq(replace_file_at(test_dir(), "takeovers", texts[i], strlen(texts[i])), 0);
                cr_assert_not(takeovers_are_enough(test_dir()));
                cr_assert_eq(takeovers_count(test_dir(), "signal", "KILL"), 0);
        }
        /* More than a number takes of it. */
        begin_count("18446744073709551615");
        cr_assert_eq(takeovers_count(test_dir(), "watchdog", "ABRT"), 1);
}
