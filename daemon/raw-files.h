/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of a capture that an archive keeps as they are, below raw/. */

#include "archive.h"

typedef struct RawFiles {
        ArchiveFile *files;
        size_t n_files;
} RawFiles;
void raw_files_done(RawFiles *files);
#define _cleanup_raw_files_ _cleanup_(raw_files_done)

/* First what is needed to read the segments, so that nobody has to unpack them to get at it. The descriptors are of the
 * session's folder and of raw/ in it. damaged: some segment is, and those that are compressed are kept so. */
int raw_files_find(int dir_fd, int raw_fd, bool damaged, RawFiles *l);

/* Whether it is the compressed form of a segment. */
bool raw_file_is_compressed(const char *name);

/* Returns 1 with what a segment that is there in its compressed form only holds, 0 if it is there as it was written. */
int raw_file_held_bytes(int raw_fd, const char *name, uint64_t *ret_bytes);
