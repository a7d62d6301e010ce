/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Puts the archive together: one .tar.xz, one xz stream. The log is by far the most of it and is compressed already:
 * its blocks are copied as they are, between a compressed head (the small files and the log's tar header) and a
 * compressed tail. So it costs as much as copying a file. */

#include "util.h"

typedef struct ArchiveMember {
        const char *name;
        const char *data;
        size_t bytes;
} ArchiveMember;

#define ARCHIVE_LOG_NAME "mmiotrace.log"

/* Writes the archive into a folder, under that name or not at all. segments are .xz files in log_fd, which follow one
 * another in the log. ret_bytes is its size; ret_log_bytes that of the log, uncompressed. */
int archive_write(int dir_fd, const char *name, const ArchiveMember *members, size_t n_members, int log_fd,
        char *const *segments, uint64_t mtime_sec, uint64_t *ret_bytes, uint64_t *ret_log_bytes);
