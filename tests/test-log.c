/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <criterion/criterion.h>
#include <stdarg.h>

#include "log.h"
#include "util.h"

static size_t n_sent;

/* Instead of the library's: nothing of a test goes into the journal. */
int sd_journal_send_with_location(const char *file, const char *line, const char *func, const char *format, ...) {
        n_sent++;
        cr_assert_str_eq(format, "PRIORITY=%i");
        return 0;
}

Test(log, what_is_below_the_level_is_not_sent) {
        log_send(LOG_DEBUG, "MESSAGE=%s", "unless somebody says otherwise, all of it is");
        cr_assert_eq(n_sent, 1);
        log_set_level(LOG_WARNING);
        cr_assert_eq(log_level(), LOG_WARNING);
        log_send(LOG_NOTICE, "MESSAGE=not this");
        cr_assert_eq(n_sent, 1);
        log_send(LOG_WARNING, "MESSAGE=but this");
        log_send(LOG_ERR, "MESSAGE=and this", "FIELD=%u", 7U);
        cr_assert_eq(n_sent, 3);
        log_set_level(LOG_EMERG);
        cr_assert_eq(log_level(), LOG_EMERG);
        log_set_level(LOG_DEBUG);
        cr_assert_eq(log_level(), LOG_DEBUG);
}

Test(log, levels_have_names) {
        int level;

        for (int i = LOG_EMERG; i <= LOG_DEBUG; i++) {
                cr_assert_eq(log_level_from_string(log_level_to_string(i), &level), 0);
                cr_assert_eq(level, i);
        }
        cr_assert_eq(log_level_from_string("loud", &level), -EINVAL);
        cr_assert_eq(log_level_from_string("", &level), -EINVAL);
}
