/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the log of a session has gaps, for those who want to know without reading all of it. */

#include "json.h"
#include "record.h"

/* A trace that loses all the time has more of them than anybody looks at. */
#define GAPS_MAX 1000

typedef struct Gap {
        uint64_t after_ns;      /* of the event before it, in the clock of the log; 0: there is none */
        uint64_t n_lost;        /* 0: not known */
        bool given_up;          /* for newer events */
} Gap;

typedef struct Gaps {
        uint64_t last_ns;
        Gap gaps[GAPS_MAX];
        size_t n_gaps;
        uint64_t n_left_out;    /* that are more than that */
} Gaps;

/* Takes the records of the log one after the other. */
void gaps_record(Gaps *gaps, const Record *record);

/* Adds "places" and "places_left_out" to the object. */
int gaps_to_json(const Gaps *gaps, struct json_object *o);
