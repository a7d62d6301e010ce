/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "util.h"

static const char *const names[] = {
        [LOG_EMERG] = "emerg",
        [LOG_ALERT] = "alert",
        [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",
        [LOG_WARNING] = "warning",
        [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug",
};

int log_level_from_string(const char *name, int *ret) {
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (streq(name, names[i])) {
                        *ret = (int) i;
                        return 0;
                }
        return -EINVAL;
}

const char *log_level_to_string(int level) {
        return names[level];
}

void log_set_level(int level) {
        (void) setlogmask(LOG_UPTO(level));
}

int log_level(void) {
        /* 0 is not set, only read. */
        unsigned mask = (unsigned) setlogmask(0) & LOG_UPTO(LOG_DEBUG);

        return 31 - __builtin_clz(mask | LOG_MASK(LOG_EMERG));
}
