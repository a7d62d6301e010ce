/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files in the .xz format: writing one, joining several into one without compressing again, reading.
 *
 * A stream is a header (12 bytes), independent blocks, an index that lists the sizes of all blocks, and a
 * footer (12 bytes) that says how long the index is (xz-file-format.txt §2). As no block refers to its place
 * or to its neighbours, blocks of many streams can be put behind one header, with a new index. That one
 * stream is what an archive has to be: files of several streams are legal too, but some readers stop behind
 * the first one.
 *
 * File descriptors are borrowed: they have to stay open as long as the object lives, and nobody closes,
 * rewinds or syncs them here. All blocks have a CRC64 check.
 *
 * Errors that all functions share:
 *   -EBADMSG     truncated, damaged, or not .xz at all
 *   -EOPNOTSUPP  a valid file that this liblzma can't read: a filter, check or version that it doesn't know
 *   -ENOBUFS     would need more memory than allowed
 *   -ENOMEM      memory ran out
 *   other        from the system calls on the file descriptor, -ENOSPC among them
 * After a failed write the output holds a part of a stream. The object remembers that and returns the same
 * error from then on. */

#include <stddef.h>
#include <stdint.h>

#include "util.h"

/* The most that the decoded index of one file, and the index of one joined stream, may take: about four
 * million blocks. */
#define XZ_INDEX_MEMORY_MAX_BYTES (64 * MIB)

/* The dictionary for what a session holds: a trace repeats itself within a few thousand lines, so twice as much, as level 6
 * takes, gains nothing (bench/RESULTS.md), and a thread would need 166 MiB instead of 84. */
#define XZ_TRACE_DICTIONARY_BYTES (4 * MIB)

typedef struct XzOptions {
        unsigned level;            /* 0 to 9, as in xz -0 … -9 */
        unsigned threads;          /* 0: one for each CPU */
        uint64_t memory_max_bytes; /* of the encoder; 0: no limit */
        uint64_t block_bytes;      /* before compression; 0: three dictionaries, 1 to 24 MiB */
        uint64_t dictionary_max_bytes; /* 0: the level's own */
        bool text;                 /* for lines of ASCII: a byte is foretold from the one before it, and not from its place */
} XzOptions;

typedef struct XzWriter XzWriter;

/* Starts a stream at the current position of fd, which may be a pipe. To stay below memory_max_bytes, first
 * threads are given up, down to one, then levels, down to 0; -ENOBUFS if that isn't enough either. The
 * dictionary is never larger than a block, so small block_bytes make a stream that is cheap to write and
 * read. -EINVAL: a level above 9, or threads or block_bytes beyond what liblzma takes. */
int xz_writer_new(int fd, const XzOptions *options, XzWriter **ret);

/* What was left of the options under the memory limit, with the defaults filled in. */
const XzOptions *xz_writer_options(const XzWriter *w);

int xz_writer_write(XzWriter *w, const void *data, size_t bytes);

/* Ends the block and waits until all of it is written to fd: a reader of the unfinished file then gets
 * everything up to here (and only after that the error that the end is missing). Costs compression ratio. */
int xz_writer_flush(XzWriter *w);

/* Ends the stream and returns its sizes. Nothing can be written afterwards (-ESHUTDOWN). Either ret may be
 * NULL. */
int xz_writer_finish(XzWriter *w, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes);

/* How much was taken, and what it was compressed to so far, counting what the threads hold before it is
 * written. It lags behind: liblzma may leave most of a block uncompressed until the block is full, so a file
 * rotated by size gets up to block_bytes per thread more of input. xz_writer_flush() makes it exact. */
void xz_writer_get_counts(XzWriter *w, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes);

/* Gives up what is not written yet. */
void xz_writer_free(XzWriter *w);
DEFINE_CLEANUP(XzWriter *, xz_writer_free)

typedef struct XzJoiner XzJoiner;

/* Starts the joined stream at the current position of out_fd. */
int xz_joiner_new(int out_fd, XzJoiner **ret);

/* Appends the blocks of all streams of in_fd, a regular file (-ESPIPE otherwise) that isn't being written
 * to; its file position is neither used nor moved. A stream without blocks adds nothing.
 *
 * Headers, footers, indexes, and the agreement of each block header with its index are checked. The
 * compressed data is not: it travels with its CRC64, and whoever decodes the joined stream sees the damage.
 *
 * -EBADMSG, also for an empty file. -EINVAL: a stream has a check other than CRC64; one stream can't mix
 * them (§2.1.1.2). -ENOBUFS: more blocks than XZ_INDEX_MEMORY_MAX_BYTES hold. -EFBIG: more uncompressed
 * bytes than the format can count. All of these come before the first byte is copied: the joined stream is
 * as it was and can go on with another file. */
int xz_joiner_add(XzJoiner *j, int in_fd);

/* The same with the blocks from from_bytes of the uncompressed content on. -EINVAL: no block begins there. */
int xz_joiner_add_from(XzJoiner *j, int in_fd, uint64_t from_bytes);

/* Writes index and footer, and returns the sizes of the whole stream. Then nothing can be added
 * (-ESHUTDOWN). Either ret may be NULL. */
int xz_joiner_finish(XzJoiner *j, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes);

/* The sizes of what was added so far; the compressed one without index and footer. */
void xz_joiner_get_counts(
                const XzJoiner *j, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes);

void xz_joiner_free(XzJoiner *j);
DEFINE_CLEANUP(XzJoiner *, xz_joiner_free)

/* What the file decodes to, from its indexes: nothing is decompressed. fd and errors as in xz_joiner_add(),
 * but any check type is fine. */
int xz_uncompressed_size(int fd, uint64_t *ret_bytes);

typedef struct XzReader XzReader;

/* Decodes from the current position of fd, which may be a pipe, to its end: all streams there. */
int xz_reader_new(int fd, uint64_t memory_max_bytes, XzReader **ret);

/* Fills buf. Fewer bytes come at the end and in front of damage, 0 at a proper end only; what was decoded in
 * front of damage is returned first, the error by the next call. A block's check stands behind its data, so
 * data may have come out before its damage is known. */
int xz_reader_read(XzReader *x, void *buf, size_t bytes, size_t *ret_bytes);

void xz_reader_free(XzReader *x);
DEFINE_CLEANUP(XzReader *, xz_reader_free)
