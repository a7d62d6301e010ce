/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "kept.h"
#include "segment-file.h"

/* Drawn by lot. */
static const uint8_t magic[16] = {
        0x9c, 0x41, 0xf3, 0x0e, 0xb7, 0x62, 0x85, 0xd8, 0x1a, 0xee, 0x37, 0xc5, 0x70, 0x0b, 0x94, 0x5d,
};

/* The last bytes of the page. On disk: numbers in the byte order of the machine, as the kernel's own are in such a page. */
typedef struct GapRecord {
        uint64_t first_number, first_offset_bytes, end_number, end_offset_bytes, n_pages, n_events, n_other;
        uint8_t magic[16];
} GapRecord;

void kept_gap_put(const RingFormat *format, uint8_t *page, const KeptGap *gap) {
        GapRecord record = {
                .first_number = gap->first.number,
                .first_offset_bytes = gap->first.offset_bytes,
                .end_number = gap->end.number,
                .end_offset_bytes = gap->end.offset_bytes,
                .n_pages = gap->n_pages,
                .n_events = gap->n_events,
                .n_other = gap->n_other,
        };

        memcpy(record.magic, magic, sizeof magic);
        ring_page_empty(format, page, gap->n_pages > 0);
        memcpy(page + format->subbuf_bytes - sizeof record, &record, sizeof record);
}

int kept_gap_get(const uint8_t *page, size_t subbuf_bytes, KeptGap *ret) {
        GapRecord record;

        memcpy(&record, page + subbuf_bytes - sizeof record, sizeof record);
        if (memcmp(record.magic, magic, sizeof magic) != 0)
                return 0;
        *ret = (KeptGap) {
                .first = { (unsigned) record.first_number, record.first_offset_bytes },
                .end = { (unsigned) record.end_number, record.end_offset_bytes },
                .n_pages = record.n_pages,
                .n_events = record.n_events,
                .n_other = record.n_other,
        };
        return 1;
}

int kept_totals(int dir_fd, const char *name, size_t subbuf_bytes, KeptTotals *ret) {
        _cleanup_(segment_file_freep) SegmentFile *file = NULL;
        _cleanup_free_ uint8_t *page = malloc(subbuf_bytes);
        KeptTotals totals = {};
        size_t bytes = 0;
        int r;

        if (!page)
                return -ENOMEM;
        r = segment_file_open(dir_fd, name, &file);
        while (r >= 0 && (r = segment_file_read(file, page, subbuf_bytes, &bytes)) >= 0 && bytes == subbuf_bytes) {
                KeptGap gap;

                if (kept_gap_get(page, subbuf_bytes, &gap) > 0) {
                        totals.n_pages += gap.n_pages;
                        totals.n_events += gap.n_events;
                        totals.n_other += gap.n_other;
                } else {
                        totals.n_pages++;
                        totals.n_left_pages++;
                }
        }
        if (r < 0 && r != -EBADMSG)
                return r;
        *ret = totals;
        return 0;
}
