/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What goes into the journal: every line through here, so that "systemctl service-log-level" counts for all of them. The
 * level is the C library's own, setlogmask(3), which workers inherit. */

#include <syslog.h>
#include <systemd/sd-journal.h>

/* Names of levels as in org.freedesktop.LogControl1(5). -EINVAL: there is no such level. */
int log_level_from_string(const char *name, int *ret);
const char *log_level_to_string(int level);

/* From now on nothing below this level. */
void log_set_level(int level);
int log_level(void);

/* log_send(LOG_…, "MESSAGE=…", …, "FIELD=…", …) as sd_journal_send(), without the NULL. Failing is no news that anybody
 * could be told. */
#define log_send(priority, ...)                                                                         \
        do {                                                                                            \
                if ((priority) <= log_level())                                                          \
                        (void) sd_journal_send("PRIORITY=%i", (priority), __VA_ARGS__, NULL);            \
        } while (false)
