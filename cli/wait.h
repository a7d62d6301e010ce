/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waiting for what takes the daemon long: a call that arms or restores the machine, and a session that is
 * being sealed. Shows on a terminal how far it is, notices Ctrl-C, and notices when the daemon leaves the
 * bus. */

#include "session-view.h"

typedef struct Wait Wait;

/* From here on no signal of the daemon is missed, so this comes before the call that is to be waited for.
 * SIGINT and SIGTERM are taken over until wait_free(). */
int wait_new(sd_bus *bus, Wait **ret);
Wait *wait_free(Wait *w);
DEFINE_CLEANUP(Wait *, wait_free)
#define _cleanup_wait_ _cleanup_(wait_freep)

/* Sends a method call and waits for its reply without a limit. -EINTR after SIGINT or SIGTERM: the daemon
 * goes on with what it was asked for. Otherwise the failure is in error, too. */
int wait_call(Wait *w, sd_bus_message *m, sd_bus_error *error, sd_bus_message **ret_reply);

/* The same for a call that begins something with a session, but only until that has begun: the session at that path is no
 * longer capturing; or, without a path, there is a new session of that owner. Returns what the session is then. owner is
 * UID_INVALID where nobody knows who that is on the other machine. */
#define UID_INVALID ((uid_t) -1)
int wait_call_begun(Wait *w, sd_bus_message *m, const char *path, uid_t owner, sd_bus_error *error, SessionView **ret);

/* Waits until the session at that path is sealed or has failed, and returns what it is then. Errors like
 * those of wait_call(). */
int wait_session_final(Wait *w, const char *path, sd_bus_error *error, SessionView **ret);

/* Waits until that job is done. If it fails, that is the error. Errors like those of wait_call(); it comes right behind
 * the call that has started the job. */
int wait_job(Wait *w, const char *job, sd_bus_error *error);

/* Waits until the submission of the session at that path is over, or, unless to_the_end, an attempt at it has failed; job
 * is what Submit has returned. Otherwise like wait_session_final(). */
int wait_submission(Wait *w, const char *path, const char *job, bool to_the_end, uint64_t archive_bytes, sd_bus_error *error,
                SessionView **ret);

/* Waits until at_usec (CLOCK_MONOTONIC) and reads the session at that path then. Nothing is shown meanwhile.
 * That the daemon leaves the bus is no error before it is asked: a session outlives its daemon, and the
 * question starts the next one. Errors like those of wait_call(). */
int wait_session_at(Wait *w, const char *path, uint64_t at_usec, sd_bus_error *error, SessionView **ret);
