/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A trace that was captured as text: what the kernel's trace_pipe gave, read back as records, with the same gaps and
 * sums as a trace of ring pages (trace.h).
 *
 * In the folder are text-NNNNNN.log, whole lines as the kernel printed them, and text.loss. Each time that trace_pipe
 * is opened a new segment begins, because the kernel then prints the head of a log again
 * (kernel/trace/trace_mmiotrace.c, mmio_pipe_open()): at the beginning of a segment, and only there, it is left out.
 * So are its "MARK 0.000000 Lost n events." everywhere (mmio_read()): each loss that they report is told elsewhere, at
 * its place, and while nothing is recorded they report what is none.
 *
 * text.loss has a line for each CPU and each time that the kernel's count of refused events had changed,
 * "SEGMENT OFFSET CPU dropped COUNT", where SEGMENT and OFFSET say behind which place in the text it had; and one for
 * each CPU when a pipe was opened, "SEGMENT 0 CPU read COUNT", with the events that had been given out until then. These
 * are more than the text shows if the reader before was killed with some in its hands. */

#include "trace.h"

typedef struct TextTrace TextTrace;

/* The folder's fd is borrowed. follow: the segments may still be growing, the reader may go on behind their end, and
 * no gaps are told. */
int text_trace_new(int dir_fd, bool follow, TextTrace **ret);
TextTrace *text_trace_free(TextTrace *trace);
DEFINE_CLEANUP(TextTrace *, text_trace_free)

/* Returns 1 with the next record, 0 at the end. Its text is valid until the next call. A line that is none of the
 * format comes as RECORD_OTHER, and is no event; one that is cut at its end gets a newline. */
int text_trace_next(TextTrace *trace, Record *ret);

const TraceTotals *text_trace_totals(const TextTrace *trace);
