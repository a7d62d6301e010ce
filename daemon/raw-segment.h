/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The raw segments of one CPU, cpuN-NNNNNN.raw, as the drain writes them: whole sub-buffers, one behind the other, and
 * beside them cpuN.loss, which says how far which count of lost events had come. See drain.h for what makes this
 * survive a kill at any time. */

#include "error.h"

typedef struct RawSegment RawSegment;

/* Goes on behind the last page of the last segment there is, or begins the first one. pipe_fd holds what an earlier
 * drain had taken from the ring and not yet written; it is not read here. A segment that has segment_bytes is the last
 * one no longer. Those before it may be compressed, or given up, by others (early-seal.h). */
int raw_segment_open(int raw_fd, unsigned cpu, uint64_t subbuf_bytes, uint64_t segment_bytes, int pipe_fd, RawSegment **ret);
RawSegment *raw_segment_free(RawSegment *segment);
DEFINE_CLEANUP(RawSegment *, raw_segment_free)

/* Writes everything that is in the pipe. */
int raw_segment_take_pipe(RawSegment *segment, int pipe_fd);

/* Reads the sub-buffer that the kernel is still filling. -EAGAIN: there is no event. */
int raw_segment_read_tail(RawSegment *segment, int ring_fd);

/* Notes the kernel's counts of lost events at this place, if they have changed since the last note. */
int raw_segment_note_loss(RawSegment *segment, uint64_t n_overrun, uint64_t n_dropped);

/* Cuts an unused tail off. */
int raw_segment_finish(RawSegment *segment);

uint64_t raw_segment_total_bytes(const RawSegment *segment);
