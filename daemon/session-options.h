/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a session was asked to be: by its caller, and on file in session.json. */

#include "json.h"

typedef struct SessionOptions {
        char *driver;           /* NULL: every driver */
        char *description;
        bool load, rebind;
        bool adopt;             /* not begun by us: take what another program has left in the ring, and end it */
        bool force;             /* begin also with those blockers that somebody may insist on */
        uint64_t buffer_bytes;  /* 0: from n_expected, else a default that fits the memory */
        uint64_t n_expected;    /* events; 0: not known */
        bool keep_oldest;       /* of what does not fit into the ring, instead of the newest */
        bool stacks;            /* record the call stack of each access; implies keep_raw */
        bool keep_raw;          /* the raw segments go into the archive, beside the log */
        bool no_redact;         /* the archive tells who and where: see redact.h */
        uint64_t stop_after_usec; /* it ends so long after its start; 0: when it is stopped */
        uint64_t stop_after_bytes; /* once so much is captured; 0: no limit */
        uint64_t n_stop_after_events;
        char *stop_on_mark;     /* once this mark is taken; NULL: none */
        bool at_boot;           /* armed before the daemon was there, see boot-steps.h */
        char *caller_address;   /* of a caller who is logged in from elsewhere, else NULL; not on file */
        char *bound_to;         /* the name of the program that it ends with; NULL: it outlives every other */
} SessionOptions;
void session_options_done(SessionOptions *options);
#define _cleanup_session_options_ _cleanup_(session_options_done)

int session_options_copy(const SessionOptions *options, SessionOptions *ret);

/* Into the members of an object that may have others, and back. */
int session_options_to_json(const SessionOptions *options, struct json_object *o);
int session_options_from_json(struct json_object *o, SessionOptions *ret);
