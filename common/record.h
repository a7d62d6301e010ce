/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One record of an mmiotrace log: the model that everything else speaks, and its text line, both ways.
 *
 * The text is the kernel's own, to the byte (kernel/trace/trace_mmiotrace.c: mmio_print_rw, mmio_print_map,
 * mmio_print_mark; kernel/trace/trace.c: print_trace_line for gaps), so that every tool that reads a log saved
 * from trace_pipe reads ours. */

#include "util.h"

typedef enum RecordType {
        RECORD_READ,
        RECORD_WRITE,
        RECORD_UNKNOWN,     /* an instruction that the kernel could not decode: no value, width or direction */
        RECORD_MAP,
        RECORD_UNMAP,       /* map_id -1: the mapping was made before the tracer was on */
        RECORD_MARK,
        RECORD_LOST,        /* "CPU:n [LOST n EVENTS]": a gap at its place; lost == 0: count not known */
        RECORD_LOST_REPORT, /* "MARK 0.000000 Lost n events.": the kernel's late report of a loss somewhere before */
        RECORD_VERSION,
        RECORD_PCIDEV,
        RECORD_OTHER,       /* a line of a text source that is none of these; never parsed as such */
        _RECORD_TYPE_MAX,
        _RECORD_TYPE_INVALID = -EINVAL,
} RecordType;

typedef struct Record {
        RecordType type;
        uint8_t width_bytes;    /* read, write */
        int map_id;             /* read, write, unknown, map, unmap */
        int pid;                /* raw source only, else 0 */
        unsigned cpu;           /* raw source and gaps only, else 0 */
        uint64_t time_ns;       /* of the tracer's clock; from text: whole microseconds */
        uint64_t phys;          /* read, write, unknown, map */
        uint64_t value;         /* read, write: as the kernel prints it, not masked; unknown: 3 instruction bytes */
        uint64_t pc;            /* read, write, unknown: 0 unless booted with mmiotrace.trace_pc=1 */
        uint64_t virt;          /* map */
        uint64_t length_bytes;  /* map */
        uint64_t lost;          /* gaps */
        bool given_up;          /* gaps: the events had been recorded, and made way for newer ones (kept.h) */
        const char *text;       /* mark: its text with its own newline; version, pcidev: behind the keyword; other: the
                                 * line. Borrowed */
        size_t text_bytes;
        const uint64_t *frames; /* the call stack of an access or a map, innermost first, where the source has one and
                                 * was asked for it (trace_set_stacks()). Borrowed */
        size_t n_frames;
} Record;

/* Enough for the line of any record but a mark. */
#define RECORD_LINE_MAX 512

/* Writes the record's line, newline included, without a terminating NUL. Returns its length, or 0 if it does not
 * fit into size bytes. */
size_t record_format(const Record *record, char *buf, size_t size);

/* Reads one line (bytes counts its newline, which may be missing at the end of a file). ret->text points into line.
 * -EBADMSG: not a line of the format. */
int record_parse(const char *line, size_t bytes, Record *ret);

/* True for the records that the kernel counts as trace events: accesses, maps and marks. */
static inline bool record_is_event(const Record *record) {
        return record->type <= RECORD_MARK;
}

static inline bool record_is_access(const Record *record) {
        return record->type <= RECORD_UNKNOWN;
}
