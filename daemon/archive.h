/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Puts the archive together: one .tar.xz, one xz stream. The log is by far the most of it and is compressed already:
 * its blocks are copied as they are, between a compressed head (the small files and the log's tar header) and a
 * compressed tail. So it costs as much as copying a file, unless files are to follow the log: these are compressed
 * here, into a file without a name, whose blocks are the tail. The same content makes the same archive. */

#include "archive-head.h"

typedef struct ArchiveMember {
        const char *name;
        const char *data;
        size_t bytes;
} ArchiveMember;

/* A file on disk, which must not change meanwhile. If it was compressed there (see segment-file.h), the archive gets what
 * it holds: how short of space the session was makes no difference to whoever unpacks it. */
typedef struct ArchiveFile {
        char *name;             /* in the archive */
        int dir_fd;             /* borrowed */
        char *path;             /* in dir_fd */
} ArchiveFile;

typedef struct ArchiveRequest {
        const ArchiveMember *members;
        size_t n_members;
        int log_fd;
        char *const *segments;  /* .xz files in log_fd, which follow one another in the log */
        const ArchiveFile *files;
        size_t n_files;
        unsigned level;         /* xz preset, for the files */
        uint64_t memory_max_bytes; /* for compressing them on all CPUs; 0: no limit */
        uint64_t mtime_sec;
        /* May be NULL. How much of the files is done, of all of their bytes. */
        void (*progress)(uint64_t done_bytes, uint64_t all_bytes, void *userdata);
        void *userdata;
} ArchiveRequest;

/* Writes the archive into a folder, under that name or not at all. ret_bytes is its size; ret_log_bytes that of the
 * log, uncompressed. -EIO: a file became shorter meanwhile; -EINVAL: one is not a regular file. */
int archive_write(int dir_fd, const char *name, const ArchiveRequest *request, uint64_t *ret_bytes, uint64_t *ret_log_bytes);

/* Makes an archive anew with other files in front of its log: what is behind them is copied as it is. The head is what
 * was read from it; the sizes of its files may have changed, and so may their number. The archive is replaced as a
 * whole or not at all; whoever has it open keeps the one of before. */
int archive_replace_head(int dir_fd, const char *name, const ArchiveHead *head, uint64_t *ret_bytes);
