/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file of a capture, read from its start, in whichever form it is on disk: NAME as it was written, or NAME.xz, which
 * it becomes when space is short (see daemon/early-seal.h). Where both are there, the compression was cut off before it
 * could remove the first; they hold the same.
 *
 * Names are given without ".xz". Links are followed only where the name is a path of the user, relative to AT_FDCWD. */

#include "util.h"

#define SEGMENT_FILE_SUFFIX ".xz"

typedef struct SegmentFile SegmentFile;

/* -ENOENT: in neither form. -EINVAL: not a regular file. */
int segment_file_open(int dir_fd, const char *name, SegmentFile **ret);
SegmentFile *segment_file_free(SegmentFile *file);
DEFINE_CLEANUP(SegmentFile *, segment_file_free)

/* Fills buf. Fewer bytes come at the end and, of a compressed file that is cut or damaged, in front of the damage, of
 * which the next call tells with -EBADMSG. */
int segment_file_read(SegmentFile *file, void *buf, size_t bytes, size_t *ret_bytes);

/* The descriptor of the file as it was written; -EBADF if it is compressed. It stays the SegmentFile's. */
int segment_file_fd(const SegmentFile *file);

bool segment_file_exists(int dir_fd, const char *name);

/* How many bytes it holds, uncompressed. Errors as above. */
int segment_file_size(int dir_fd, const char *name, uint64_t *ret_bytes);
