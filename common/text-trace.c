/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>

#include "segment-file.h"
#include "text-trace.h"

/* Far more than the longest line, a mark of one page: one that does not fit is in no way a line. */
#define BUFFER_BYTES (64 * KIB)

/* A line of text.loss, and what it adds to the one of its kind and CPU before. */
typedef struct Note {
        unsigned segment, cpu;
        uint64_t offset;
        bool is_read;           /* else: dropped */
        uint64_t count, added;
} Note;

struct TextTrace {
        int dir_fd;             /* borrowed */
        bool follow;
        SegmentFile *file;
        unsigned number;        /* of the segment */
        uint64_t offset;        /* of the next line in it */
        bool damage_told;       /* of this segment */
        bool in_head;           /* nothing in this segment so far but what the kernel prints at each open */
        char *buffer;
        size_t start, end;      /* what is read and not yet given out */
        Note *notes;
        size_t n_notes, next_note;
        uint64_t n_given;       /* events that the kernel had given out at the opens so far */
        TraceTotals totals;
};

static int add_note(TextTrace *t, const Note *note) {
        /* Before the first open nobody has read for us. */
        uint64_t before = note->is_read ? note->count : 0;
        Note *grown;

        for (size_t i = t->n_notes; i-- > 0;)
                if (t->notes[i].cpu == note->cpu && t->notes[i].is_read == note->is_read) {
                        before = t->notes[i].count;
                        break;
                }
        grown = reallocarray(t->notes, t->n_notes + 1, sizeof(Note));
        if (!grown)
                return -ENOMEM;
        t->notes = grown;
        /* A count that has gone back was wiped by somebody, and began at zero again. */
        t->notes[t->n_notes] = *note;
        t->notes[t->n_notes++].added = note->count - (note->count >= before ? before : 0);
        return 0;
}

static int load_notes(TextTrace *t) {
        _cleanup_free_ char *text = NULL;
        char *state = NULL;
        int r;

        r = read_file_at(t->dir_fd, "text.loss", 64 * MIB, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                char kind[8];
                Note note = {};

                /* The last line may have been cut by a crash. */
                if (sscanf(line, "%u %" SCNu64 " %u %7s %" SCNu64, &note.segment, &note.offset, &note.cpu, kind,
                                    &note.count) != 5)
                        continue;
                note.is_read = streq(kind, "read");
                if (!note.is_read && !streq(kind, "dropped"))
                        continue;
                r = add_note(t, &note);
                if (r < 0)
                        return r;
        }
        return 0;
}

int text_trace_new(int dir_fd, bool follow, TextTrace **ret) {
        _cleanup_(text_trace_freep) TextTrace *t = calloc(1, sizeof(TextTrace));
        int r;

        if (!t)
                return -ENOMEM;
        *t = (TextTrace) { .dir_fd = dir_fd, .follow = follow, .in_head = true };
        t->buffer = malloc(BUFFER_BYTES + 1);
        if (!t->buffer)
                return -ENOMEM;
        if (!follow) {
                r = load_notes(t);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

TextTrace *text_trace_free(TextTrace *t) {
        if (!t)
                return NULL;
        segment_file_free(t->file);
        free(t->buffer);
        free(t->notes);
        free(t);
        return NULL;
}

const TraceTotals *text_trace_totals(const TextTrace *t) {
        return &t->totals;
}

static void segment_name(unsigned number, char name[static 32]) {
        (void) snprintf(name, 32, "text-%06u.log", number);
}

static int open_segment(TextTrace *t) {
        char name[32];

        segment_name(t->number, name);
        return segment_file_open(t->dir_fd, name, &t->file);
}

static bool segment_exists(const TextTrace *t, unsigned number) {
        char name[32];

        segment_name(number, name);
        return segment_file_exists(t->dir_fd, name);
}

/* Reads on in this segment. Returns 1 with more in the buffer, 0 at its end. */
static int fill(TextTrace *t) {
        size_t n = 0;
        int r;

        memmove(t->buffer, t->buffer + t->start, t->end - t->start);
        t->end -= t->start;
        t->start = 0;
        r = segment_file_read(t->file, t->buffer + t->end, BUFFER_BYTES - t->end, &n);
        if (r == -EBADMSG && !t->damage_told) {
                t->totals.n_damaged_segments++;
                t->damage_told = true;
        } else if (r < 0 && r != -EBADMSG)
                return r;
        t->end += n;
        t->totals.n_raw_bytes += n;
        return n > 0;
}

/* Returns 1 with a line that ends in a newline, 0 if there is none left in this segment; *ret_complete then says whether
 * there never will be. */
static int next_line(TextTrace *t, const char **ret, size_t *ret_bytes, bool *ret_complete) {
        for (;;) {
                const char *line = t->buffer + t->start, *newline = memchr(line, '\n', t->end - t->start);
                size_t bytes = newline ? (size_t) (newline + 1 - line) : t->end - t->start;
                bool complete = false;
                int r;

                if (!newline && bytes < BUFFER_BYTES) {
                        /* Asked first: what came before the next segment was begun is in this one by then. */
                        complete = !t->follow || segment_exists(t, t->number + 1);
                        r = fill(t);
                        if (r < 0)
                                return r;
                        if (r > 0)
                                continue;
                        if (!complete || bytes == 0) {
                                *ret_complete = complete;
                                return 0;
                        }
                        line = t->buffer;
                }
                t->start += bytes;
                t->offset += bytes;
                if (!newline)
                        t->buffer[t->end] = '\n';
                *ret = line;
                *ret_bytes = newline ? bytes : bytes + 1;
                return 1;
        }
}

static bool is_reached(const TextTrace *t, const Note *note) {
        return t->number > note->segment || (t->number == note->segment && t->offset >= note->offset);
}

/* The CPUs' notes of an open are one behind the other, and no two opens share a segment. */
static bool is_last_of_open(const TextTrace *t, const Note *note) {
        return note + 1 == t->notes + t->n_notes || !note[1].is_read || note[1].segment != note->segment;
}

/* Returns 1 with a gap that stands here, 0 if there is none. */
static int next_gap(TextTrace *t, bool at_end, Record *ret) {
        while (t->next_note < t->n_notes && (at_end || is_reached(t, t->notes + t->next_note))) {
                const Note *note = t->notes + t->next_note++;
                uint64_t n_lost = note->added;

                if (note->is_read) {
                        t->n_given += note->added;
                        if (!is_last_of_open(t, note) || t->n_given <= t->totals.n_events + t->totals.n_unwritten)
                                continue;
                        n_lost = t->n_given - t->totals.n_events - t->totals.n_unwritten;
                        t->totals.n_unwritten += n_lost;
                }
                if (n_lost == 0)
                        continue;
                *ret = (Record) { .type = RECORD_LOST, .cpu = note->cpu, .lost = n_lost };
                trace_totals_add(&t->totals, ret);
                return 1;
        }
        return 0;
}

/* Returns 1 with the line's record, 0 if it is one that no log has there. */
static int line_to_record(TextTrace *t, const char *line, size_t bytes, Record *ret) {
        if (record_parse(line, bytes, ret) < 0 ||
            ((ret->type == RECORD_VERSION || ret->type == RECORD_PCIDEV) && !t->in_head))
                *ret = (Record) { .type = RECORD_OTHER, .text = line, .text_bytes = bytes };
        if (ret->type == RECORD_VERSION || ret->type == RECORD_PCIDEV || ret->type == RECORD_LOST_REPORT)
                return 0;
        t->in_head = false;
        if (ret->type == RECORD_OTHER)
                t->totals.n_by_type[RECORD_OTHER]++;
        else
                trace_totals_add(&t->totals, ret);
        return 1;
}

int text_trace_next(TextTrace *t, Record *ret) {
        for (;;) {
                bool complete = true;
                const char *line;
                size_t bytes;
                int r;

                r = next_gap(t, false, ret);
                if (r > 0)
                        return r;
                if (!t->file) {
                        r = open_segment(t);
                        if (r == -ENOENT)
                                return next_gap(t, true, ret);
                        if (r < 0)
                                return r;
                }
                r = next_line(t, &line, &bytes, &complete);
                if (r < 0)
                        return r;
                if (r > 0) {
                        if (line_to_record(t, line, bytes, ret) > 0)
                                return 1;
                        continue;
                }
                if (!complete)
                        return 0;
                t->file = segment_file_free(t->file);
                t->damage_told = false;
                t->number++;
                t->offset = 0;
                t->in_head = true;
        }
}
