/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Making the archive of a session, by mmiotraced-seal: a job. */

#include "job.h"
#include "session.h"

/* JOB_SEAL or JOB_DESCRIBE. The job is the session's; session_seal_done() or session_describe_done() tells when. */
int sealing_start(Session *session, JobType type);
