/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How often in a row the daemon has come to a bad end during a session.
 *
 * A session outlives its daemon, and that is right as often as somebody kills it: what is captured goes on, and nothing is
 * lost. But a session that brings down each daemon that takes it up, or a daemon that cannot start, keeps the machine on
 * one CPU for nothing. systemd's limit of starts finds that only where each takes less than two seconds. So what counts
 * is the cause, as systemd tells it to ExecStopPost= (systemd.exec(5), $SERVICE_RESULT), which runs also where the
 * daemon itself never comes to do anything. A daemon that hangs or crashes is at fault itself. One that is killed by
 * SIGKILL is not, unless that goes on and on: whoever kills it twenty times, at whatever moment, has a session that
 * captures. It is not asked how far each one got, as the one that does harm may well get as far as to capture before it
 * dies, and the one that is killed by others may not.
 *
 * A minute of capture without such an end begins the count anew, and so does the next session. It is in the runtime
 * directory, as it has to outlive the daemon, and does not have to outlive the boot. */

#include "util.h"

/* Counts one end. Returns 1 if there have been enough of them: three that hang, five that crash, sixty that are killed, or
 * a mixture, over no less than 20 seconds, as a cause that passes by itself has to get its chance. 0: not yet, or it was no
 * bad end. service_result, exit_status: as systemd gives them; NULL: it does not. */
int takeovers_count(int runtime_fd, const char *service_result, const char *exit_status);

/* Whether there were enough, for the next daemon, should the machine not have come back then. */
bool takeovers_are_enough(int runtime_fd);

/* How long a session has to capture until they are forgotten. */
#define TAKEOVERS_STABLE_USEC (60 * USEC_PER_SEC)
void takeovers_forget(int runtime_fd);
