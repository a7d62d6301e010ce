/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names of a capture's pages on disk: cpuN-NNNNNN.raw, the segments of a CPU in the order of time, each of which may
 * have become cpuN-NNNNNN.raw.xz (segment-file.h); and cpuN-NNNNNN.kept.xz, which is what is left of the segments up to
 * that number (kept.h), so that one of those that is still there counts no more. */

#include "util.h"

#define SEGMENT_NAME_MAX 48

typedef struct SegmentName {
        unsigned cpu, number;
        bool kept;
        bool compressed;        /* with the ".xz" */
} SegmentName;

/* -EINVAL: it is no such name. */
int segment_name_parse(const char *s, SegmentName *ret);

/* Without the ".xz". */
void segment_name_format(char ret[static SEGMENT_NAME_MAX], unsigned cpu, unsigned number, bool kept);

/* The number of the first segment of a CPU that counts: returns 1 if others were before it, the last of which has the
 * name of the kept file; 0 if there is none of these, and then it is 0. */
int segment_find_first(int dir_fd, unsigned cpu, unsigned *ret_number);
