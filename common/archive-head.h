/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The small files of an archive, which stand in front of the log: read without touching the rest, however large that
 * is. */

#include "util.h"

#define ARCHIVE_LOG_NAME "mmiotrace.log"
#define ARCHIVE_DESCRIPTION_NAME "description.txt"
#define ARCHIVE_METADATA_NAME "metadata.json"

/* Of one of them, and of all of them together. */
#define ARCHIVE_HEAD_MAX_BYTES (128 * MIB)

typedef struct ArchiveHeadFile {
        char *name;
        char *data;             /* and a NUL behind it */
        size_t bytes;
} ArchiveHeadFile;

typedef struct ArchiveHead {
        ArchiveHeadFile *files;
        size_t n_files;
        uint64_t mtime_sec;
        uint64_t log_bytes;     /* the log's size, uncompressed */
        uint64_t log_offset;    /* where it begins in the uncompressed archive */
} ArchiveHead;

/* Reads from the start of the file, wherever its position is; the position is moved. -EBADMSG: it is damaged, or no
 * archive of ours. -EFBIG: there is more in front of the log than ARCHIVE_HEAD_MAX_BYTES. Other errors are those of
 * xz_reader_read(). */
int archive_head_read(int fd, ArchiveHead *ret);
void archive_head_done(ArchiveHead *head);
#define _cleanup_archive_head_ _cleanup_(archive_head_done)

/* NULL if there is none of that name. */
ArchiveHeadFile *archive_head_find(const ArchiveHead *head, const char *name);
