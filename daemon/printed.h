/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a kernel that oopsed has printed of the ring buffer (kernel.ftrace_dump_on_oops), among everything else that it has
 * printed: the events that nobody had taken yet. In its log that reaches the journal, a console, or pstore, and so can
 * outlive the machine, in parts or more than once. kernel/trace/trace.c, ftrace_dump(). */

#include "record.h"

typedef struct Printed Printed;

/* from_usec: what the trace clock showed before the session began; older events are of another one. */
int printed_new(uint64_t from_usec, Printed **ret);
Printed *printed_free(Printed *printed);
DEFINE_CLEANUP(Printed *, printed_free)

/* Finds the events in a log of the kernel. What another log has shown before does not count twice. */
int printed_find(Printed *printed, const char *log);

/* A record that the trace has: if it was printed as well, that does not count any more. Returns 1 then, else 0. */
int printed_drop(Printed *printed, const Record *record);

/* What was printed only, by time: lines of a log. How many, and the time of the first. */
int printed_lines(const Printed *printed, char **ret, size_t *ret_n, uint64_t *ret_first_ns);
