/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>

#include "kept.h"
#include "segment-file.h"
#include "segment-name.h"
#include "trace.h"

/* Of a segment, in memory at a time: a whole number of sub-buffers, one at least. */
#define WINDOW_BYTES (256 * KIB)

typedef struct Segment {
        int dir_fd;
        char *name;             /* without the ".xz" that it may have on disk */
        unsigned number;
} Segment;

/* How many events the kernel had counted as lost when the pages up to a place had been taken. */
typedef struct LossNote {
        KeptPlace place;
        uint64_t n_overrun, n_dropped;
} LossNote;

/* How far one CPU's segments have been read. */
typedef struct Stream {
        unsigned cpu;
        LossNote *notes;
        size_t n_notes, next_note;
        uint64_t n_dropped;     /* of these, how many have been told */
        uint64_t *counts;       /* of the gaps whose pages have none, in order */
        size_t n_counts, next_count;
        bool resolved;
        uint64_t last_ns;
        Segment *segments;
        size_t n_segments, next_segment;
        unsigned first_number;  /* segments before it do not count */

        SegmentFile *file;
        uint8_t *window;
        size_t window_bytes, window_offset; /* what is read, and of that, what is used up */
        KeptPlace window_place; /* of the first page in it that is not used up, in the segments as they were written */
        KeptPlace page_place;   /* of the open page */
        bool is_gap;            /* the open page stands for others, */
        KeptGap gap;            /* which were these */
        uint64_t n_given_up;    /* by the pages before, and not told yet */

        bool in_page, gap_told, refused_told, torn_told;
        bool hole;              /* a page before the open one was torn */
        uint64_t n_empty;       /* pages that were never written, and have none behind them so far */
        RingPage page;
        bool pending;           /* record is the next one of this CPU */
        Record record;
        uint64_t *frames;       /* of record; room for RING_FRAMES_MAX, once one was found */
} Stream;

struct Trace {
        RingFormat format;
        Stream *streams;
        size_t n_streams;
        bool stacks;
        TraceTotals totals;
};

int trace_new(const RingFormat *format, Trace **ret) {
        Trace *t = calloc(1, sizeof(Trace));

        if (!t)
                return -ENOMEM;
        t->format = *format;
        *ret = t;
        return 0;
}

static void stream_close_segment(Stream *s) {
        s->file = segment_file_free(s->file);
        s->window_bytes = s->window_offset = 0;
}

Trace *trace_free(Trace *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_streams; i++) {
                Stream *s = t->streams + i;

                stream_close_segment(s);
                for (size_t j = 0; j < s->n_segments; j++)
                        free(s->segments[j].name);
                free(s->segments);
                free(s->window);
                free(s->notes);
                free(s->counts);
                free(s->frames);
        }
        free(t->streams);
        free(t);
        return NULL;
}

const TraceTotals *trace_totals(const Trace *t) {
        return &t->totals;
}

void trace_set_stacks(Trace *t, bool stacks) {
        t->stacks = stacks;
}

static int find_stream(Trace *t, unsigned cpu, Stream **ret) {
        Stream *grown;

        for (size_t i = 0; i < t->n_streams; i++)
                if (t->streams[i].cpu == cpu) {
                        *ret = t->streams + i;
                        return 0;
                }
        grown = reallocarray(t->streams, t->n_streams + 1, sizeof(Stream));
        if (!grown)
                return -ENOMEM;
        t->streams = grown;
        t->streams[t->n_streams] = (Stream) { .cpu = cpu };
        *ret = t->streams + t->n_streams++;
        return 0;
}

static char *copy_without_suffix(const char *name) {
        size_t l = strlen(name), suffix = strlen(SEGMENT_FILE_SUFFIX);

        return strndup(name, l > suffix && streq(name + l - suffix, SEGMENT_FILE_SUFFIX) ? l - suffix : l);
}

static int add_segment(Trace *t, unsigned cpu, int dir_fd, const char *name, const unsigned *number) {
        _cleanup_free_ char *copy = copy_without_suffix(name);
        Segment *grown;
        Stream *s;
        int r;

        if (!copy)
                return -ENOMEM;
        r = find_stream(t, cpu, &s);
        if (r < 0)
                return r;
        /* In both forms: their names follow each other. */
        if (s->n_segments > 0 && s->segments[s->n_segments - 1].dir_fd == dir_fd &&
            streq(s->segments[s->n_segments - 1].name, copy))
                return 0;
        grown = reallocarray(s->segments, s->n_segments + 1, sizeof(Segment));
        if (!grown)
                return -ENOMEM;
        s->segments = grown;
        s->segments[s->n_segments] = (Segment) { dir_fd, TAKE_PTR(copy), number ? *number : (unsigned) s->n_segments };
        s->n_segments++;
        return 0;
}

int trace_add_segment(Trace *t, unsigned cpu, int dir_fd, const char *name) {
        return add_segment(t, cpu, dir_fd, name, NULL);
}

static int is_segment(const struct dirent *entry) {
        SegmentName ignored;

        return segment_name_parse(entry->d_name, &ignored) >= 0;
}

static int note_kept(Trace *t, const char *name) {
        SegmentName n;
        Stream *s;
        int r;

        r = segment_name_parse(name, &n);
        if (r < 0 || !n.kept)
                return r;
        r = find_stream(t, n.cpu, &s);
        if (r >= 0)
                s->first_number = MAX(s->first_number, n.number + 1);
        return r;
}

/* What a kept file stands for as well is not read twice. */
static int add_if_it_counts(Trace *t, int dir_fd, const char *name) {
        SegmentName n;
        Stream *s;
        int r;

        r = segment_name_parse(name, &n);
        if (r >= 0)
                r = find_stream(t, n.cpu, &s);
        if (r < 0 || n.number + n.kept < s->first_number)
                return r;
        return add_segment(t, n.cpu, dir_fd, name, &n.number);
}

static int load_notes(Stream *s, int dir_fd) {
        _cleanup_free_ char *text = NULL;
        char *state = NULL, name[32];
        int r;

        (void) snprintf(name, sizeof name, "cpu%u.loss", s->cpu);
        r = read_file_at(dir_fd, name, 64 * MIB, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                LossNote *grown, note;

                /* The last line may have been cut by a crash. */
                if (sscanf(line, "%u %" SCNu64 " %" SCNu64 " %" SCNu64, &note.place.number, &note.place.offset_bytes,
                                    &note.n_overrun, &note.n_dropped) != 4)
                        continue;
                grown = reallocarray(s->notes, s->n_notes + 1, sizeof(LossNote));
                if (!grown)
                        return -ENOMEM;
                s->notes = grown;
                s->notes[s->n_notes++] = note;
        }
        return 0;
}

int trace_add_folder(Trace *t, int dir_fd) {
        struct dirent **entries = NULL;
        size_t n_segments = 0;
        int n, r = 0;

        /* The numbers are padded, so that the order of names is the order of time within a CPU. */
        n = scandirat(dir_fd, ".", &entries, is_segment, alphasort);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n && r >= 0; i++)
                r = note_kept(t, entries[i]->d_name);
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = add_if_it_counts(t, dir_fd, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        for (size_t i = 0; i < t->n_streams && r >= 0; i++)
                r = load_notes(t->streams + i, dir_fd);
        if (r < 0)
                return r;
        for (size_t i = 0; i < t->n_streams; i++)
                n_segments += t->streams[i].n_segments;
        return (int) n_segments;
}

/* Returns 1 with some of a segment in the window, 0 if there is nothing left in any. */
static int stream_next_window(Trace *t, Stream *s) {
        size_t bytes = MAX(WINDOW_BYTES / t->format.subbuf_bytes, (size_t) 1) * t->format.subbuf_bytes;
        int r;

        if (!s->window)
                s->window = malloc(bytes);
        if (!s->window)
                return -ENOMEM;
        for (;;) {
                if (!s->file) {
                        const Segment *segment = s->segments + s->next_segment;

                        if (s->next_segment == s->n_segments)
                                return 0;
                        r = segment_file_open(segment->dir_fd, segment->name, &s->file);
                        if (r < 0)
                                return r;
                        s->next_segment++;
                        s->window_place = (KeptPlace) { segment->number, 0 };
                }
                s->window_bytes = s->window_offset = 0;
                r = segment_file_read(s->file, s->window, bytes, &s->window_bytes);
                if (r >= 0 && s->window_bytes > 0)
                        return 1;
                if (r == -EBADMSG) {
                        t->totals.n_damaged_segments++;
                        s->hole = true;
                } else if (r < 0)
                        return r;
                stream_close_segment(s);
        }
}

static void tell_torn(Trace *t, Stream *s) {
        if (!s->torn_told)
                t->totals.n_torn_pages++;
        s->torn_told = true;
}

/* What the pages of a CPU say of loss, in order, before anything is told of it. */
typedef struct Survey {
        Stream *stream;
        size_t next_note;
        uint64_t n_overrun;     /* of the last note passed */
        int64_t n_carried;      /* lost according to the notes and in no gap so far; negative: the other way round */
        size_t n_counts_given;
} Survey;

/* At a note, what is not accounted for goes to the last gap before it that has no count. */
static void survey_note(Survey *v, uint64_t n_overrun) {
        Stream *s = v->stream;

        /* Somebody who wipes the ring begins the count anew. */
        v->n_carried += (int64_t) (n_overrun >= v->n_overrun ? n_overrun - v->n_overrun : n_overrun);
        v->n_overrun = n_overrun;
        if (s->n_counts == v->n_counts_given || v->n_carried <= 0)
                return;
        s->counts[s->n_counts - 1] += (uint64_t) v->n_carried;
        v->n_carried = 0;
        v->n_counts_given = s->n_counts;
}

static bool is_behind(KeptPlace place, const LossNote *note) {
        return place.number > note->place.number ||
                (place.number == note->place.number && place.offset_bytes >= note->place.offset_bytes);
}

/* The place of the page in front of which the window is, behind which it is then. Returns whether the page stands for
 * others. */
static bool stream_pass_page(const Trace *t, Stream *s, const uint8_t *page, KeptPlace *ret_place, KeptGap *ret_gap) {
        if (kept_gap_get(page, t->format.subbuf_bytes, ret_gap) > 0) {
                *ret_place = ret_gap->first;
                s->window_place = ret_gap->end;
                return true;
        }
        *ret_place = s->window_place;
        s->window_place.offset_bytes += t->format.subbuf_bytes;
        return false;
}

static int survey_page(Survey *v, KeptPlace place, const RingPage *page) {
        Stream *s = v->stream;
        uint64_t *grown;

        for (; v->next_note < s->n_notes && is_behind(place, s->notes + v->next_note); v->next_note++)
                survey_note(v, s->notes[v->next_note].n_overrun);
        if (!page->lost)
                return 0;
        if (page->n_lost > 0) {
                v->n_carried -= (int64_t) page->n_lost;
                return 0;
        }
        grown = reallocarray(s->counts, s->n_counts + 1, sizeof(uint64_t));
        if (!grown)
                return -ENOMEM;
        s->counts = grown;
        s->counts[s->n_counts++] = 0;
        return 0;
}

static bool any_overrun(const Stream *s) {
        for (size_t i = 0; i < s->n_notes; i++)
                if (s->notes[i].n_overrun > 0)
                        return true;
        return false;
}

/* Finds the counts of the gaps that have none: only where events were overwritten at all, as it looks at every page. */
static int stream_resolve(Trace *t, Stream *s) {
        uint64_t n_damaged = t->totals.n_damaged_segments;
        Survey v = { .stream = s };
        int r;

        s->resolved = true;
        if (!any_overrun(s))
                return 0;
        while ((r = stream_next_window(t, s)) > 0)
                for (size_t offset = 0; offset + t->format.subbuf_bytes <= s->window_bytes; offset += t->format.subbuf_bytes) {
                        KeptPlace place;
                        KeptGap ignored;
                        RingPage page;

                        (void) stream_pass_page(t, s, s->window + offset, &place, &ignored);
                        if (ring_page_open(&t->format, s->window + offset, t->format.subbuf_bytes, &page) <= 0)
                                continue;
                        r = survey_page(&v, place, &page);
                        if (r < 0)
                                return r;
                }
        if (r < 0)
                return r;
        survey_note(&v, s->notes[s->n_notes - 1].n_overrun);
        /* More gaps without a count than notes: all that is left over belongs to one of them. */
        if (s->n_counts > 0 && v.n_carried > 0)
                s->counts[s->n_counts - 1] += (uint64_t) v.n_carried;
        s->next_segment = 0;
        s->hole = false;
        t->totals.n_damaged_segments = n_damaged;
        return 0;
}

/* Returns 1 with s->record filled if events were refused between the pages before this place and those behind it. */
static int stream_refused(Stream *s, KeptPlace place) {
        while (s->next_note < s->n_notes && is_behind(place, s->notes + s->next_note)) {
                const LossNote *note = s->notes + s->next_note++;

                uint64_t n = note->n_dropped >= s->n_dropped ? note->n_dropped - s->n_dropped : note->n_dropped;

                s->n_dropped = note->n_dropped;
                if (n == 0)
                        continue;
                s->record = (Record) {
                        .type = RECORD_LOST,
                        .cpu = s->cpu,
                        .time_ns = s->last_ns,
                        .lost = n,
                };
                return 1;
        }
        return 0;
}

/* Returns 1 if all of the page can be read, 0 if only some of it, or nothing and *ret_empty. A page with an empty header
 * was not written, unless its end was. */
static int open_page(const Trace *t, uint8_t *page, size_t bytes, RingPage *ret, bool *ret_empty) {
        bool whole = bytes == t->format.subbuf_bytes;
        int r;

        if (!whole)
                ring_page_clip(&t->format, page, bytes);
        r = ring_page_open(&t->format, page, bytes, ret);
        if (r == 0) {
                *ret_empty = memcmp(page, page + 1, bytes - 1) == 0;
                return *ret_empty ? 0 : -EBADMSG;
        }
        *ret_empty = false;
        if (r < 0)
                return r;
        return whole ? ring_page_check(&t->format, ret) : 0;
}

/* The last page of a CPU may have been prepared and not been used. All others that are empty never reached the disk: what
 * a crash leaves of a file that had become longer. */
static void tell_empty(Trace *t, Stream *s, bool at_end) {
        uint64_t n_torn = at_end && s->n_empty > 0 ? s->n_empty - 1 : s->n_empty;

        t->totals.n_torn_pages += n_torn;
        s->hole = s->hole || n_torn > 0;
        s->n_empty = 0;
}

/* Returns 1 with a page open, 0 at the end of the CPU's segments. */
static int stream_next_page(Trace *t, Stream *s) {
        for (;;) {
                size_t left = s->window_bytes - s->window_offset, bytes = MIN(left, t->format.subbuf_bytes);
                uint8_t *page = s->window + s->window_offset;
                bool empty;
                int r;

                if (left == 0) {
                        r = stream_next_window(t, s);
                        if (r == 0)
                                tell_empty(t, s, true);
                        if (r <= 0)
                                return r;
                        continue;
                }
                s->is_gap = bytes == t->format.subbuf_bytes && stream_pass_page(t, s, page, &s->page_place, &s->gap);
                if (bytes < t->format.subbuf_bytes)
                        s->page_place = s->window_place;
                r = open_page(t, page, bytes, &s->page, &empty);
                s->window_offset += bytes;
                t->totals.n_raw_bytes += bytes;
                s->torn_told = false;
                if (empty) {
                        s->n_empty++;
                        continue;
                }
                tell_empty(t, s, false);
                if (r <= 0)
                        tell_torn(t, s);
                if (r < 0) {
                        s->hole = true;
                        continue;
                }
                s->in_page = true;
                s->gap_told = !s->page.lost && !s->hole;
                s->hole = r == 0;
                return 1;
        }
}

/* The stack of the record that was just read is the event behind it, if that is one; perhaps on the next page, but not
 * across a gap. If it is none, the event is left for the next call. */
static int stream_take_stack(Trace *t, Stream *s) {
        RingEvent event;
        RingPage ahead = s->page;
        int r;

        r = ring_page_next(&ahead, &event);
        if (r == 0) {
                s->in_page = false;
                r = stream_next_page(t, s);
                if (r <= 0)
                        return r;
                s->refused_told = false;
                if (!s->gap_told)
                        return 0;
                ahead = s->page;
                r = ring_page_next(&ahead, &event);
        }
        if (r <= 0)
                return 0; /* what is wrong with the page is told when its turn comes */
        if (!s->frames)
                s->frames = calloc(RING_FRAMES_MAX, sizeof(uint64_t));
        if (!s->frames)
                return -ENOMEM;
        s->record.n_frames = ring_event_frames(&t->format, &event, s->record.pid, s->frames);
        if (s->record.n_frames == 0)
                return 0;
        s->record.frames = s->frames;
        s->page = ahead;
        t->totals.n_stacks++;
        return 0;
}

/* Returns 1 with s->record filled if events were given up in front of the open page, or of the end. Those of several pages
 * are one gap, unless the kernel had lost some in between. */
static int stream_given_up(Stream *s) {
        bool refused = s->next_note < s->n_notes && is_behind(s->page_place, s->notes + s->next_note);
        RingPage ahead = s->page;
        RingEvent event;

        if (s->n_given_up == 0 || (s->in_page && s->is_gap && s->gap_told && !refused))
                return 0;
        s->record = (Record) {
                .type = RECORD_LOST,
                .cpu = s->cpu,
                .time_ns = !s->in_page ? s->last_ns : ring_page_next(&ahead, &event) > 0 ? event.time_ns : s->page.time_ns,
                .lost = s->n_given_up,
                .given_up = true,
        };
        s->n_given_up = 0;
        return 1;
}

/* Returns 1 with s->record filled, 0 at the end. */
static int stream_next_record(Trace *t, Stream *s) {
        for (;;) {
                RingEvent event;
                int r;

                if (!s->resolved) {
                        r = stream_resolve(t, s);
                        if (r < 0)
                                return r;
                }
                if (!s->in_page) {
                        r = stream_next_page(t, s);
                        if (r < 0)
                                return r;
                        /* Nothing more: what was given up or refused at the very end is still told. */
                        if (r == 0)
                                return stream_given_up(s) ?: stream_refused(s, (KeptPlace) { UINT_MAX, UINT64_MAX });
                        s->refused_told = false;
                }
                if (!s->refused_told) {
                        r = stream_given_up(s) ?: stream_refused(s, s->page_place);
                        if (r > 0)
                                return r;
                        s->refused_told = true;
                }
                if (!s->gap_told) {
                        RingPage ahead = s->page;

                        /* The gap bears the time of what comes behind it, so that the merge puts it there. */
                        r = ring_page_next(&ahead, &event);
                        s->gap_told = true;
                        s->record = (Record) {
                                .type = RECORD_LOST,
                                .cpu = s->cpu,
                                .time_ns = r > 0 ? event.time_ns : s->page.time_ns,
                                .lost = s->page.n_lost,
                        };
                        if (s->page.lost && s->record.lost == 0 && s->next_count < s->n_counts)
                                s->record.lost = s->counts[s->next_count++];
                        return 1;
                }
                r = ring_page_next(&s->page, &event);
                if (r <= 0)
                        s->in_page = false;
                if (r == 0 && s->is_gap) {
                        s->n_given_up += s->gap.n_events;
                        t->totals.n_given_up_other += s->gap.n_other;
                }
                if (r > 0)
                        r = ring_event_to_record(&t->format, &event, &s->record);
                else if (r == 0)
                        continue;
                if (r == -EBADMSG)
                        tell_torn(t, s);
                if (r == 0)
                        t->totals.n_other++;
                if (r > 0) {
                        s->record.cpu = s->cpu;
                        s->last_ns = s->record.time_ns;
                        /* A mark has no stack, and its text is in the page, which looking ahead may leave. */
                        if (t->stacks && s->record.type != RECORD_MARK) {
                                r = stream_take_stack(t, s);
                                if (r < 0)
                                        return r;
                        }
                        return 1;
                }
        }
}

void trace_totals_add(TraceTotals *totals, const Record *r) {
        if (r->given_up) {
                totals->n_given_up += r->lost;
                totals->n_given_up_gaps++;
                return;
        }
        totals->n_by_type[r->type]++;
        if (r->type == RECORD_LOST) {
                totals->n_gaps++;
                totals->n_lost += r->lost;
                if (r->lost == 0)
                        totals->n_gaps_uncounted++;
                return;
        }
        if (totals->n_events++ == 0)
                totals->first_ns = r->time_ns;
        totals->last_ns = r->time_ns;
}

int trace_next(Trace *t, Record *ret) {
        Stream *first = NULL;
        int r;

        for (size_t i = 0; i < t->n_streams; i++) {
                Stream *s = t->streams + i;

                if (!s->pending) {
                        r = stream_next_record(t, s);
                        if (r < 0)
                                return r;
                        s->pending = r > 0;
                }
                if (s->pending && (!first || s->record.time_ns < first->record.time_ns))
                        first = s;
        }
        if (!first)
                return 0;
        first->pending = false;
        trace_totals_add(&t->totals, &first->record);
        *ret = first->record;
        return 1;
}
