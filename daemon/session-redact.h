/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is taken out of the archive of one session: session is what its session.json holds. */

#include "redact.h"

/* One that knows the machine of the session, by the file in its metadata folder; NULL for a session that is to tell
 * everything. */
int session_redactor(struct json_object *session, int metadata_fd, Redactor **ret);

/* Takes it out of what the daemon has said of the session. What the user has said is the user's own. */
int session_redact(struct json_object *session, Redactor *redactor);
