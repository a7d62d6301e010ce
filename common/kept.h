/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is left of the oldest segments of a CPU, where a session goes on at its limit by giving them up (WhenFull=keep-newest,
 * see daemon/keep-newest.h): cpuN-NNNNNN.kept.xz stands for the segments up to that number. It holds their pages with
 * mappings and marks as they were, since without these nobody can read what comes later; and in the place of the others, one
 * page for each row of them that says what was in it.
 *
 * Such a page is one of the kernel's format, without events, so that whoever does not know of it reads on; it has the time of
 * the first page that it stands for, and what that said of events lost before it. The rest is in its last bytes. */

#include "ring.h"

/* A place in a CPU's segments as they were: in the pages of which, and how far. */
typedef struct KeptPlace {
        unsigned number;
        uint64_t offset_bytes;
} KeptPlace;

typedef struct KeptGap {
        KeptPlace first, end;   /* of the pages, and behind them */
        uint64_t n_pages;       /* may be 0: then it only says where the next page was */
        uint64_t n_events;      /* that an mmiotrace log would show */
        uint64_t n_other;       /* call stacks */
} KeptGap;

/* Makes the page that stands for others out of the first of them, in its place. */
void kept_gap_put(const RingFormat *format, uint8_t *page, const KeptGap *gap);

/* Returns 1 if it is such a page, 0 if not. */
int kept_gap_get(const uint8_t *page, size_t subbuf_bytes, KeptGap *ret);

typedef struct KeptTotals {
        uint64_t n_pages;       /* of the segments that it stands for, */
        uint64_t n_left_pages;  /* and those of them that it holds */
        uint64_t n_events, n_other; /* of the others */
} KeptTotals;

/* Reads a kept file; name without its ".xz". Of a damaged one, as far as it can be read. */
int kept_totals(int dir_fd, const char *name, size_t subbuf_bytes, KeptTotals *ret);
