/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who stands in the way of a change to the tracer, for sentences that people read. The reader unit looks (see
 * holders-scan.h), because the daemon may not. */

#include "context.h"
#include "error.h"

typedef enum HoldersOf {
        HOLDERS_OF_PIPES,       /* the kernel refuses to change the tracer */
        HOLDERS_OF_RING,        /* it refuses to size the ring */
} HoldersOf;

/* Returns 1 and sets ret to "cat (pid 1234), trace-cmd (pid 77)", which is clean text; 0 if nobody does; a negative
 * errno if that cannot be found out, with the reason in error (may be NULL). Blocks, up to seconds: for workers. */
int holders_describe(const Context *context, HoldersOf of, char **ret, Error *error);

/* Refuses with ERROR_READER_BUSY: "WHAT: cat (pid 1234); end it." or, where nobody is found, "WHAT; find it with …". */
int holders_refuse(const Context *context, HoldersOf of, const char *what, Error *error);

/* The same in two steps, for whoever wants to know both: the reader unit's answer, and what it says. */
int holders_ask(const Context *context, char **ret_answer, Error *error);
int holders_parse(const char *answer, HoldersOf of, char **ret);
