/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reader unit's search for who holds files of the main ring buffer open: as long as one is, the kernel refuses to
 * change the tracer (trace_pipe and the raw pipes: kernel/trace/trace.c, tracing_set_tracer(), trace_ref) or to size
 * the ring (trace, snapshot: kernel/trace/ring_buffer.c, ring_buffer_resize(), resize_disabled). Those of instances
 * have rings of their own and do not count. */

#include "error.h"

/* Writes a line "PID FILE NAME" for each file and process. FILE is relative to tracefs ("per_cpu/cpu0/trace_pipe_raw").
 * NAME is what the process calls itself, blanks and all; it is missing where that is no clean text. */
int holders_scan(const char *proc_root, const char *sys_root, FILE *out, Error *error);
