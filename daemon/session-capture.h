/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of a session between its start and the restored machine: arming, the driver, drain and tally, restoring.
 * What it needs of the rest of the session, and the other way round, is here and for these two only; session.h is for
 * everybody else. */

#include "session.h"

/* In session.c: what both parts do to a session. */
void session_set_state(Session *session, SessionState state);
void session_set_result(Session *session, SessionResult result, const char *text);
void session_warn(Session *session, const char *text);
void session_replace(char **p, const char *value);
void session_log_failure(const Session *session, int r, const char *what);
void session_stop_watching_counters(Session *session);

/* In session-space.c: from now on, compresses what is captured if the disk gets short of space. */
void session_watch_space(Session *session);

/* In session-describe.c: begins to make an archive anew that is older than its description. */
int session_renew_archive(Session *session, Error *error);
/* In session.c: the same, and says in the journal what has gone wrong. */
void session_renew_archive_or_log(Session *session);

/* In session-seal.c: has the archive made. */
void session_seal(Session *session);

/* In session-stop.c: the time that it was begun for is counted from its start on, also where the daemon was not there then;
 * the drain says that enough is captured; a mark was taken. */
void session_set_end_timer(Session *session);
void session_stop_by_drain(Session *session, const char *reason);
void session_stop_for_room(Session *session, bool disk_full);
void session_stop_at_mark(Session *session, const char *text);

/* In session-capture.c: whoever waits for the start is told that it has failed once the machine is restored. */
void session_fail_start(Session *session, const Error *error);
/* Has the drain take what is left, and end. */
void session_end_drain(Session *session);
/* Opens pipes and ring, and goes on where an earlier daemon ended, if there was one. */
void session_begin_draining(Session *session);
/* Puts the machine back, and then has the session sealed. */
void session_restore(Session *session);
/* Saves what is left of the boot that the session died with, and then has it sealed. */
void session_post_mortem(Session *session);
