/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writes a log as a row of self-contained .xz segments, mmiotrace-NNNNNN.log.xz. Each is whole and on disk before the
 * next begins, so that whatever happens later leaves a readable log up to there. Lines are never cut between two.
 *
 * A writer that begins in a folder where an earlier one was cut short keeps that one's complete segments, and drops as
 * much of the text that it is given as they hold: the same text has to be given again from its start. */

#include "record.h"

typedef struct LogWriter LogWriter;

typedef struct LogWriterOptions {
        unsigned level;                 /* xz preset */
        unsigned threads;               /* 0: one for each CPU */
        uint64_t memory_max_bytes;
        uint64_t segment_max_bytes;     /* of text, before compression */
} LogWriterOptions;

int log_writer_new(int dir_fd, const LogWriterOptions *options, LogWriter **ret);
LogWriter *log_writer_free(LogWriter *writer);
DEFINE_CLEANUP(LogWriter *, log_writer_free)

int log_writer_record(LogWriter *writer, const Record *record);
/* Whole lines, as they are. */
int log_writer_text(LogWriter *writer, const char *text, size_t bytes);

/* Completes the last segment. Returns the names of all of them, in order, and their size on disk. */
int log_writer_finish(LogWriter *writer, char ***ret_segments, uint64_t *ret_bytes);
