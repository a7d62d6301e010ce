/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A captured trace: the raw segments of every CPU that recorded, read as one stream of records in the order of time,
 * with each gap at its place, and the sums of what went by. */

#include "record.h"
#include "ring.h"

typedef struct TraceTotals {
        uint64_t n_events;      /* reads, writes, unknown, maps, unmaps, marks */
        uint64_t n_by_type[_RECORD_TYPE_MAX];
        uint64_t n_lost;        /* sum of the gaps that have a count */
        uint64_t n_unwritten;   /* of these, what a reader of text had taken from the kernel when it was killed */
        uint64_t n_gaps;
        uint64_t n_gaps_uncounted;
        uint64_t n_given_up;    /* events that made way for newer ones, and are in no other sum here */
        uint64_t n_given_up_gaps;
        uint64_t n_torn_pages;  /* unreadable, or cut by the end of their file; what could be read of them is kept */
        uint64_t n_damaged_segments; /* compressed ones that end in damage; what stands in front of it is kept */
        uint64_t n_other;       /* events of other kinds, which no mmiotrace log shows: stacks too, where not asked for */
        uint64_t n_given_up_other;
        uint64_t n_stacks;      /* that came with their records */
        uint64_t n_raw_bytes;   /* read so far */
        uint64_t first_ns, last_ns;
} TraceTotals;

/* Counts an event or a gap. */
void trace_totals_add(TraceTotals *totals, const Record *record);

typedef struct Trace Trace;

/* The format is copied. */
int trace_new(const RingFormat *format, Trace **ret);
Trace *trace_free(Trace *trace);
DEFINE_CLEANUP(Trace *, trace_free)

/* Adds the next segment of a CPU, in either form (see segment-file.h), and only once if it is given in both, one behind
 * the other; it is opened once its turn comes. The folder's fd is borrowed until trace_free(). */
int trace_add_segment(Trace *trace, unsigned cpu, int dir_fd, const char *name);

/* Adds all pages of a folder (segment-name.h), in order and in either form, with what cpuN.loss says of lost events: a line
 * for each time that the kernel's counts had changed, "SEGMENT OFFSET OVERRUN DROPPED", the place being the end of the
 * pages that had been taken by then. Refused events (dropped) leave no flag in a page, so their gap stands at that place; overwritten ones
 * (overrun) do, but not always their count, which is then what the others leave of the sum. Returns how many segments
 * there are. */
int trace_add_folder(Trace *trace, int dir_fd);

/* Whether records come with their call stacks, where the pages hold any. They do not, until asked for. */
void trace_set_stacks(Trace *trace, bool stacks);

/* Returns 1 with the next record, 0 at the end. A mark's text and a stack's frames are valid until the next call. */
int trace_next(Trace *trace, Record *ret);

const TraceTotals *trace_totals(const Trace *trace);
