/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "keep-newest.h"
#include "kept.h"
#include "segment-file.h"
#include "segment-name.h"
#include "xz.h"

/* Whoever finds such a file removes it, as one of early-seal.c's. */
#define KEEP_NEWEST_TEMPORARY ".#"
#define MEMORY_MAX_BYTES (100 * MIB)

/* One CPU's files, as far as they matter here. */
typedef struct Row {
        unsigned cpu;
        bool has_kept;
        unsigned kept;          /* the highest number of a kept file */
        unsigned n_segments;    /* that are not in it, */
        unsigned first;         /* and of them the lowest number */
} Row;

typedef struct Rows {
        Row *rows;
        size_t n_rows;
} Rows;

static void rows_done(Rows *l) {
        free(l->rows);
}

static int scan(int raw_fd, int (*each)(int raw_fd, const char *file, const SegmentName *name, void *userdata), void *userdata) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int r;

        r = dir_open_at(raw_fd, ".", &d);
        if (r < 0)
                return r;
        while (r >= 0 && (entry = readdir(d))) {
                SegmentName name;

                if (segment_name_parse(entry->d_name, &name) >= 0)
                        r = each(raw_fd, entry->d_name, &name, userdata);
        }
        return r;
}

static int note_kept(int raw_fd, const char *file, const SegmentName *name, void *userdata) {
        Rows *l = userdata;
        Row *grown;

        for (size_t i = 0; i < l->n_rows; i++)
                if (l->rows[i].cpu == name->cpu) {
                        Row *row = l->rows + i;

                        if (name->kept)
                                row->kept = row->has_kept ? MAX(row->kept, name->number) : name->number;
                        row->has_kept = row->has_kept || name->kept;
                        return 0;
                }
        grown = reallocarray(l->rows, l->n_rows + 1, sizeof(Row));
        if (!grown)
                return -ENOMEM;
        l->rows = grown;
        grown[l->n_rows++] = (Row) { .cpu = name->cpu, .has_kept = name->kept, .kept = name->kept ? name->number : 0 };
        return 0;
}

static Row *find_row(const Rows *l, unsigned cpu) {
        for (size_t i = 0; i < l->n_rows; i++)
                if (l->rows[i].cpu == cpu)
                        return l->rows + i;
        return NULL;
}

static bool counts(const Row *row, const SegmentName *name) {
        return !row->has_kept || (name->kept ? name->number == row->kept : name->number > row->kept);
}

/* A segment in both forms counts twice, which does not matter: the last one is never compressed. */
static int note_segment(int raw_fd, const char *file, const SegmentName *name, void *userdata) {
        Row *row = find_row(userdata, name->cpu);

        if (!row || name->kept || !counts(row, name))
                return 0;
        row->first = row->n_segments > 0 ? MIN(row->first, name->number) : name->number;
        row->n_segments++;
        return 0;
}

static int find_rows(int raw_fd, Rows *ret) {
        _cleanup_(rows_done) Rows l = {};
        int r;

        r = scan(raw_fd, note_kept, &l);
        if (r >= 0)
                r = scan(raw_fd, note_segment, &l);
        if (r < 0)
                return r;
        *ret = l;
        l = (Rows) {};
        return 0;
}

static bool next_exists(int raw_fd, const Row *row) {
        char name[SEGMENT_NAME_MAX];

        segment_name_format(name, row->cpu, row->first + 1, false);
        return segment_file_exists(raw_fd, name);
}

static int first_time(int raw_fd, const RingFormat *format, const Row *row, uint64_t *ret_ns) {
        _cleanup_(segment_file_freep) SegmentFile *file = NULL;
        _cleanup_free_ uint8_t *page = malloc(format->subbuf_bytes);
        char name[SEGMENT_NAME_MAX];
        size_t bytes = 0;
        RingPage p;
        int r;

        if (!page)
                return -ENOMEM;
        segment_name_format(name, row->cpu, row->first, false);
        r = segment_file_open(raw_fd, name, &file);
        if (r >= 0)
                r = segment_file_read(file, page, format->subbuf_bytes, &bytes);
        if (r < 0 && r != -EBADMSG)
                return r;
        *ret_ns = r >= 0 && bytes == format->subbuf_bytes && ring_page_open(format, page, bytes, &p) > 0 ? p.time_ns : 0;
        return 0;
}

/* Mostly there is one CPU. Returns NULL in *ret_row if none has a complete segment. */
static int find_oldest(int raw_fd, const RingFormat *format, const Rows *l, const Row **ret_row) {
        const Row *oldest = NULL;
        uint64_t oldest_ns = 0;

        for (size_t i = 0; i < l->n_rows; i++) {
                uint64_t ns;
                int r;

                if (l->rows[i].n_segments < 2 || !next_exists(raw_fd, l->rows + i))
                        continue;
                r = first_time(raw_fd, format, l->rows + i, &ns);
                if (r < 0)
                        return r;
                if (oldest && ns >= oldest_ns)
                        continue;
                oldest = l->rows + i;
                oldest_ns = ns;
        }
        *ret_row = oldest;
        return 0;
}

/* The kept file that is being made. */
typedef struct Keeper {
        const RingFormat *format;
        XzWriter *xz;
        KeptPlace place;        /* of the next page */
        bool place_told;        /* by the page before */
        uint8_t *page, *gap_page;       /* what is read, and the first page of the row that is given up */
        bool in_gap;
        KeptGap gap;
} Keeper;

static void keeper_done(Keeper *k) {
        if (k->xz)
                xz_writer_free(k->xz);
        free(k->page);
        free(k->gap_page);
}

static int flush_gap(Keeper *k) {
        if (!k->in_gap)
                return 0;
        k->in_gap = false;
        kept_gap_put(k->format, k->gap_page, &k->gap);
        return xz_writer_write(k->xz, k->gap_page, k->format->subbuf_bytes);
}

/* What pages gave up goes into the row before, unless the kernel had lost events in between: a reader has to see where. */
static int add_gap(Keeper *k, const KeptGap *gap, bool lost) {
        int r;

        if (lost) {
                r = flush_gap(k);
                if (r < 0)
                        return r;
        }
        if (!k->in_gap) {
                memcpy(k->gap_page, k->page, k->format->subbuf_bytes);
                k->gap = *gap;
                k->in_gap = true;
        } else {
                k->gap.end = gap->end;
                k->gap.n_pages += gap->n_pages;
                k->gap.n_events += gap->n_events;
                k->gap.n_other += gap->n_other;
        }
        k->place = gap->end;
        k->place_told = true;
        return 0;
}

/* Counts what is in the page. Returns whether it can be given up: not with mappings or marks, and not if it is damaged. */
static bool can_go(const RingFormat *format, RingPage page, KeptGap *gap) {
        RingEvent event;
        Record record;
        int r;

        if (ring_page_check(format, &page) <= 0)
                return false;
        while ((r = ring_page_next(&page, &event)) > 0) {
                r = ring_event_to_record(format, &event, &record);
                if (r < 0 || (r > 0 && !record_is_access(&record)))
                        return false;
                gap->n_events += r > 0;
                gap->n_other += r == 0;
        }
        return r == 0;
}

static int keep_page(Keeper *k) {
        const KeptGap nothing = { .first = k->place, .end = k->place };
        int r = 0;

        /* The first one of a segment: nothing before it says where it was. */
        if (!k->place_told)
                r = add_gap(k, &nothing, false);
        if (r >= 0)
                r = flush_gap(k);
        if (r >= 0)
                r = xz_writer_write(k->xz, k->page, k->format->subbuf_bytes);
        k->place.offset_bytes += k->format->subbuf_bytes;
        return r;
}

static int take_page(Keeper *k) {
        KeptGap gap = { .first = k->place, .end = k->place, .n_pages = 1 };
        RingPage p;
        int r;

        r = ring_page_open(k->format, k->page, k->format->subbuf_bytes, &p);
        if (r > 0 && kept_gap_get(k->page, k->format->subbuf_bytes, &gap) > 0)
                return add_gap(k, &gap, p.lost);
        gap.end.offset_bytes += k->format->subbuf_bytes;
        return r > 0 && can_go(k->format, p, &gap) ? add_gap(k, &gap, p.lost) : keep_page(k);
}

static int take_segment(Keeper *k, int raw_fd, const char *name) {
        _cleanup_(segment_file_freep) SegmentFile *file = NULL;
        size_t bytes = 0;
        int r;

        r = segment_file_open(raw_fd, name, &file);
        while (r >= 0) {
                r = segment_file_read(file, k->page, k->format->subbuf_bytes, &bytes);
                if (r < 0 || bytes == 0)
                        break;
                /* Cut: it is no page any more, and keeps its place all the same. */
                memset(k->page + bytes, 0, k->format->subbuf_bytes - bytes);
                r = take_page(k);
        }
        return r;
}

static int write_kept(Keeper *k, int raw_fd, const Row *row) {
        char name[SEGMENT_NAME_MAX];
        int r = 0;

        if (row->has_kept) {
                segment_name_format(name, row->cpu, row->kept, true);
                /* Its pages tell their places, the first one too. */
                k->place_told = true;
                r = take_segment(k, raw_fd, name);
        }
        k->place = (KeptPlace) { row->first, 0 };
        k->place_told = false;
        segment_name_format(name, row->cpu, row->first, false);
        if (r >= 0)
                r = take_segment(k, raw_fd, name);
        if (r >= 0)
                r = flush_gap(k);
        return r < 0 ? r : xz_writer_finish(k->xz, NULL, NULL);
}

static int open_temporary(int raw_fd, const char *name) {
        int fd;

        if (unlinkat(raw_fd, name, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(raw_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

/* Makes the kept file that stands for the row's first segment as well. */
static int make_kept(int raw_fd, const RingFormat *format, unsigned level, const Row *row) {
        _cleanup_(keeper_done) Keeper k = {
                .format = format,
                .page = malloc(format->subbuf_bytes),
                .gap_page = malloc(format->subbuf_bytes),
        };
        char name[SEGMENT_NAME_MAX], final[SEGMENT_NAME_MAX + 4], temporary[SEGMENT_NAME_MAX + 8];
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!k.page || !k.gap_page)
                return -ENOMEM;
        segment_name_format(name, row->cpu, row->first, true);
        (void) snprintf(final, sizeof final, "%s" SEGMENT_FILE_SUFFIX, name);
        (void) snprintf(temporary, sizeof temporary, KEEP_NEWEST_TEMPORARY "%s", final);
        r = fd = open_temporary(raw_fd, temporary);
        if (r < 0)
                return r;
        r = xz_writer_new(fd, &(XzOptions) { .level = level, .threads = 1, .memory_max_bytes = MEMORY_MAX_BYTES }, &k.xz);
        if (r >= 0)
                r = write_kept(&k, raw_fd, row);
        if (r >= 0 && fdatasync(fd) < 0)
                r = -errno;
        if (r >= 0 && renameat(raw_fd, temporary, raw_fd, final) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(raw_fd, temporary, 0);
        /* The new name is on disk before the others go. */
        if (r >= 0 && fsync(raw_fd) < 0)
                r = -errno;
        return r;
}

static int remove_if_stood_for(int raw_fd, const char *file, const SegmentName *name, void *userdata) {
        const Row *row = find_row(userdata, name->cpu);

        if (!row || counts(row, name))
                return 0;
        return unlinkat(raw_fd, file, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_stood_for(int raw_fd) {
        _cleanup_(rows_done) Rows l = {};
        int r;

        r = scan(raw_fd, note_kept, &l);
        return r < 0 ? r : scan(raw_fd, remove_if_stood_for, &l);
}

int keep_newest_next(int raw_fd, const RingFormat *format, unsigned level) {
        _cleanup_(rows_done) Rows l = {};
        const Row *row;
        int r;

        r = find_rows(raw_fd, &l);
        if (r >= 0)
                r = find_oldest(raw_fd, format, &l, &row);
        if (r < 0 || !row)
                return r;
        r = make_kept(raw_fd, format, level, row);
        if (r >= 0)
                r = remove_stood_for(raw_fd);
        return r < 0 ? r : 1;
}

int keep_newest_take_over(int raw_fd) {
        return remove_stood_for(raw_fd);
}

int keep_newest_look(int raw_fd, const RingFormat *format, KeepNewestState *ret) {
        _cleanup_(rows_done) Rows l = {};
        KeepNewestState state = {};
        int r;

        r = find_rows(raw_fd, &l);
        for (size_t i = 0; i < l.n_rows && r >= 0; i++) {
                const Row *row = l.rows + i;
                char name[SEGMENT_NAME_MAX], file[SEGMENT_NAME_MAX + 8];
                KeptTotals totals;
                uint64_t disk_bytes;
                struct stat st;

                if (!row->has_kept)
                        continue;
                segment_name_format(name, row->cpu, row->kept, true);
                (void) snprintf(file, sizeof file, "%s" SEGMENT_FILE_SUFFIX, name);
                r = kept_totals(raw_fd, name, format->subbuf_bytes, &totals);
                if (r >= 0 && fstatat(raw_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        r = -errno;
                if (r < 0)
                        break;
                disk_bytes = (uint64_t) st.st_blocks * 512;
                state.n_events += totals.n_events;
                state.bytes += totals.n_pages * format->subbuf_bytes;
                state.bytes -= MIN(state.bytes, disk_bytes);
        }
        if (r < 0)
                return r;
        *ret = state;
        return 0;
}
