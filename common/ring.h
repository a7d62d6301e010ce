/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From sub-buffers of the kernel's ring buffer, as trace_pipe_raw gives them, to records.
 *
 * Layout: kernel/trace/ring_buffer.c (struct buffer_data_page, ring_buffer_event, rb_update_read_stamp,
 * ring_buffer_read_page). Where a field lies in an event is taken from the tracefs format files of the kernel that
 * made the pages; nothing about the events is assumed here but the names of their fields. Nothing in a page is
 * trusted: it may be torn. */

#include "record.h"

typedef struct RingField {
        unsigned offset, bytes;
} RingField;

typedef struct RingFormat {
        size_t subbuf_bytes;            /* a whole sub-buffer with its header */
        size_t data_offset;             /* where events begin in it */
        size_t commit_offset;           /* the word with the length of the data and the flags of loss */
        size_t timestamp_offset;

        RingField type, pid;            /* the same for every event */

        int rw_id;
        RingField rw_phys, rw_value, rw_pc, rw_map_id, rw_opcode, rw_width;
        int map_id;
        RingField map_phys, map_virt, map_length, map_map_id, map_opcode;
        int print_id;
        unsigned print_text_offset;
        int stack_id;                   /* -1: this kernel's pages hold no stacks that can be read */
        RingField stack_size;
        unsigned stack_frames_offset;
} RingFormat;

/* The files that describe a kernel's pages, as they are called in a folder of raw segments; the second name is where
 * tracefs has them, below events/. */
typedef struct RingFormatFile {
        const char *name, *tracefs_path;
        bool required;
} RingFormatFile;
extern const RingFormatFile ring_format_files[];
extern const size_t n_ring_format_files;

/* Reads the format files from a folder. -ENOENT: one is missing; -EBADMSG: one is not understood. */
int ring_format_load(int dir_fd, RingFormat *ret);

typedef struct RingPage {
        const uint8_t *data, *p, *end;
        uint64_t time_ns;
        bool lost;              /* events were lost between the page before and this one */
        uint64_t n_lost;        /* how many; 0: the page does not say */
} RingPage;

/* Begins to read a page; the bytes stay the caller's and must outlive it. Returns 1, or 0 for a page never written
 * (all of its header is zero). -EBADMSG: not a page. */
int ring_page_open(const RingFormat *format, const void *page, size_t bytes, RingPage *ret);

/* Makes a page whose end is missing say that it has no more than the bytes that are there, so that these can be read.
 * A count of lost events is behind the data, and gone. */
void ring_page_clip(const RingFormat *format, void *page, size_t bytes);

/* Takes the events out of a page: what is left is its time and, if wanted, what it says of events lost before it. */
void ring_page_empty(const RingFormat *format, void *page, bool with_loss);

/* Walks through a whole page that was opened, for one of which not all has reached the disk: zeros, or what was there
 * before, begin at the start of a sector then. Returns 1 if all of it makes sense; 0 if not, and the page then ends in
 * front of the first event that is not certain. */
int ring_page_check(const RingFormat *format, RingPage *page);

typedef struct RingEvent {
        uint64_t time_ns;
        const uint8_t *payload;
        size_t payload_bytes;
} RingEvent;

/* Returns 1 with the next event, 0 at the end. -EBADMSG: the rest of the page cannot be read. */
int ring_page_next(RingPage *page, RingEvent *ret);

/* Returns 1 with the record, whose text points into the page, or 0 if the event is none that mmiotrace prints.
 * -EBADMSG: the event is shorter than its format says. */
int ring_event_to_record(const RingFormat *format, const RingEvent *event, Record *ret);

/* More than the kernel ever stores: an event with as many would not fit into its sub-buffer. */
#define RING_FRAMES_MAX 512

/* Copies the return addresses of a call stack out, innermost first; in the page they are not aligned. The kernel writes
 * a stack right behind the event that it belongs to, from the same task (kernel/trace/trace.c,
 * __ftrace_trace_stack()). Returns how many there are, or 0 if the event is no stack of that task. */
size_t ring_event_frames(const RingFormat *format, const RingEvent *event, int pid, uint64_t ret[static RING_FRAMES_MAX]);
