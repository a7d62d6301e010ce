/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Headers of a tar archive (POSIX.1-2017, pax utility, "ustar Interchange Format"), as plain bytes: the
 * archive is put together from compressed pieces, so nothing here knows where the bytes go. Two archives of
 * the same content are equal: the owner is always root (0:0), and no time but the caller's gets in.
 *
 * An entry is: header, content, zeros up to the next multiple of TAR_BLOCK_BYTES. The archive ends with
 * TAR_END_BYTES zeros. */

#include <stdbool.h>
#include <stdint.h>

#define TAR_BLOCK_BYTES 512
#define TAR_END_BYTES (2 * TAR_BLOCK_BYTES)

/* Zeros to write as padding and as end of the archive. */
extern const uint8_t tar_zeros[TAR_END_BYTES];

/* Fills the one header block of an entry. A name that ends in '/' is a folder (size 0), any other a regular
 * file. mode holds permission bits only (at most 07777); mtime_sec counts from the epoch.
 *
 * A number too large for its octal field (a size from 8 GiB on) is written in base-256, which POSIX doesn't
 * know but GNU tar, libarchive, Python, 7-Zip and busybox read.
 *
 * -ENAMETOOLONG: the name fits neither into the name field (100 bytes) nor, cut at a '/', into prefix (155)
 * and name. -EINVAL: the name is empty or absolute or has an empty, "." or ".." component, so that unpacking
 * could land elsewhere; a folder with a size; a mode with other bits. */
int tar_header(const char *name, unsigned mode, uint64_t size_bytes, uint64_t mtime_sec,
                uint8_t ret[static TAR_BLOCK_BYTES]);

typedef struct TarEntry {
        char name[257];         /* of prefix and name */
        bool folder;
        uint64_t size_bytes, mtime_sec;
} TarEntry;

/* Reads a header as tar_header() makes it. Returns 1, or 0 for a block of zeros, which is the archive's end. -EBADMSG:
 * the checksum is wrong, a number is none; or it is of a kind, or has a name, that tar_header() would not make. */
int tar_header_parse(const uint8_t block[static TAR_BLOCK_BYTES], TarEntry *ret);

/* How many zeros follow content of this size: 0 to 511. */
static inline unsigned tar_padding_bytes(uint64_t size_bytes) {
        return (unsigned) (-size_bytes % TAR_BLOCK_BYTES);
}
