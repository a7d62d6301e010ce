/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is to be taken out of the archive of one session, and what to look for in its trace, as nothing is taken out of
 * that. session is what its session.json holds. */

#include "leak.h"
#include "redact.h"

typedef struct Privacy {
        Redactor *redactor;     /* NULL: the session is to tell everything */
        Leak *leak;             /* which then looks for nothing */
} Privacy;
void privacy_done(Privacy *privacy);
#define _cleanup_privacy_ _cleanup_(privacy_done)

/* From the files in the session's metadata folder. */
int privacy_load(struct json_object *session, int metadata_fd, Privacy *ret);

/* Takes it out of what the daemon has said of the session. What the user has said is the user's own. */
int privacy_apply(Privacy *privacy, struct json_object *session);

/* Takes it out of all texts in an object of ours, and in what that holds; a member "cmdline" is one of the kernel's
 * arguments. */
int privacy_apply_json(Privacy *privacy, struct json_object *o);
