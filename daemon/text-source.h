/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Takes the trace as text from trace_pipe, one reader for all CPUs, into the segments that text-trace.h describes. It is
 * for kernels whose ring pages are not understood, and for whoever wants to compare. The kernel formats the text on the
 * CPU that the driver runs on, and what is read is in private memory until it is written: a kill at the wrong moment
 * loses it, a few kilobytes at most, which the notes of loss then tell. */

#include "drain.h"

typedef struct TextSource TextSource;

/* Begins a new segment behind those there are. */
int text_source_open(const DrainRequest *request, TextSource **ret, Error *error);
TextSource *text_source_free(TextSource *source);
DEFINE_CLEANUP(TextSource *, text_source_free)

/* Takes what is there, but for no longer than a quarter of a second. Returns 1 if there is more. */
int text_source_take(TextSource *source, Error *error);

uint64_t text_source_total_bytes(const TextSource *source);
