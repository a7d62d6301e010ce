/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two files of an archive that speak of the session: metadata.json for programs, description.txt for people. */

#include "gaps.h"
#include "json.h"
#include "privacy.h"
#include "trace.h"

/* The version of metadata.json: raised when a member changes its meaning or goes, not when one is added. */
#define METADATA_SCHEMA 1

/* session is what session.json holds; n_lost what was lost in all; uname the line of uname.txt; privacy
 * what was taken out of the other files, and found in the log; metadata
 * the text of metadata.json. The text is the
 * caller's. To add a field of the session to the metadata: put it into session.json (session-store.c), and name it in
 * session_members below summary_metadata(). */
int summary_metadata(struct json_object *session, const TraceTotals *totals, uint64_t n_lost, const Gaps *gaps, const char *uname,
        Privacy *privacy, char **ret);
int summary_description(struct json_object *session, const TraceTotals *totals, uint64_t n_lost, const char *uname,
        const char *metadata, char **ret);

/* Both of an archive anew, with another description of the user's and everything else as it was. -EBADMSG: they are not
 * as these functions make them. */
int summary_describe(const char *metadata, const char *description_txt, const char *description, char **ret_metadata,
        char **ret_description_txt);
