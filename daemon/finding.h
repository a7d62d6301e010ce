/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One thing that was looked at before a session: how it is, whether that stands in the way, and what to do about it. */

#include "error.h"

typedef enum FindingLevel {
        FINDING_OK,
        FINDING_NOTE,           /* good to know */
        FINDING_WARNING,        /* a session can go on with it, and will have it among its warnings */
        FINDING_BLOCKER,        /* a session does not begin */
        _FINDING_LEVEL_MAX,
} FindingLevel;

const char *finding_level_to_string(FindingLevel level);
/* -EINVAL */
int finding_level_from_string(const char *s, FindingLevel *ret);

typedef struct Finding {
        char *id;               /* for programs: never changes its meaning */
        FindingLevel level;
        char *found, *to_do;    /* see findings_add(); to_do is "" where there is nothing to do */
        ErrorCode code;         /* of a blocker */
        bool forcible;          /* a blocker that counts as a warning for whoever insists */
} Finding;

/* The list grows by the functions below, which fail together: r is the first error there was. */
typedef struct Findings {
        Finding *findings;
        size_t n_findings;
        int r;
} Findings;
void findings_done(Findings *findings);
#define _cleanup_findings_ _cleanup_(findings_done)

/* The text is "What is found\nwhat to do about it": the parts of a sentence, so without full stops. */
void findings_add(Findings *f, const char *id, FindingLevel level, const char *format, ...) _printf_(4, 5);
void findings_block(Findings *f, const char *id, ErrorCode code, bool forcible, const char *format, ...) _printf_(5, 6);

/* The same from an error's sentence, which has the same two parts around its last semicolon. */
void findings_block_error(Findings *f, const char *id, bool forcible, const Error *error);

/* An error's sentence as a part of another: without its full stop. r speaks for one without text. */
const char *finding_phrase(Error *error, int r);

/* As it came over a pipe, in two parts. */
void findings_take(Findings *f, const char *id, FindingLevel level, const char *found, const char *to_do);

/* What to do, and for a blocker that can be forced, that it can. */
int finding_advice(const Finding *finding, char **ret);

/* "What is found; what to do about it.", as an error or a warning says it. */
int finding_sentence(const Finding *finding, char **ret);
/* "What is found." and "What to do about it.", for a table. */
int finding_cells(const Finding *finding, char **ret_found, char **ret_to_do);

/* The worst of all; FINDING_OK for none. */
FindingLevel findings_worst(const Findings *findings);
