/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of common/xz.c make, read and compare. */

#include <criterion/criterion.h>
#include <sys/mman.h>

#include "tool.h"
#include "xz.h"

#define READ_MEMORY_BYTES (64 * MIB)

typedef struct Bytes {
        uint8_t *data;
        size_t size;
} Bytes;

static inline void bytes_clear(Bytes *b) {
        free(b->data);
}
#define _cleanup_bytes_ _cleanup_(bytes_clear)

static inline void bytes_append(Bytes *b, const void *data, size_t size) {
        b->data = realloc(b->data, b->size + size + 1);
        cr_assert_not_null(b->data);
        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
}

static inline void assert_equal(const Bytes *a, const Bytes *b) {
        cr_assert_eq(a->size, b->size, "%zu bytes instead of %zu", a->size, b->size);
        cr_assert(a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Text that compresses like a log does, different for each seed. */
static inline Bytes text(unsigned seed, size_t size) {
        Bytes b = { .data = malloc(size + 64) };

        cr_assert_not_null(b.data);
        for (unsigned i = 0; b.size < size; i++) {
                seed = seed * 1664525 + 1013904223;
                b.size += (size_t) sprintf((char *) b.data + b.size, "W 4 %u.%06u 1 0x%x 0x%x 0x0 0\n", i,
                                seed >> 12, 0xf7000000 + i % 64 * 4, seed);
        }
        b.size = size;
        return b;
}

static inline Bytes content(int fd) {
        struct stat st;
        Bytes b = {};

        cr_assert_eq(fstat(fd, &st), 0);
        b.size = (size_t) st.st_size;
        b.data = malloc(b.size + 1);
        cr_assert_not_null(b.data);
        cr_assert_eq(pread(fd, b.data, b.size, 0), st.st_size);
        return b;
}

static inline int file_of(const char *name, const void *data, size_t size) {
        int fd = tool_file(name);

        cr_assert_eq(write_all(fd, data, size), 0);
        return fd;
}

/* For the thousands of damaged files that no other program reads. */
static inline int memory_of(const void *data, size_t size) {
        int fd = memfd_create("bad", MFD_CLOEXEC);

        cr_assert_geq(fd, 0);
        cr_assert_eq(write_all(fd, data, size), 0);
        return fd;
}

/* Decodes with xz_reader_*, in odd portions; returns its verdict, and what came before in any case. */
static inline int decode(int fd, uint64_t memory_bytes, Bytes *ret) {
        _cleanup_(xz_reader_freep) XzReader *x = NULL;
        uint8_t buf[7919];
        size_t n;
        int r;

        *ret = (Bytes){};
        bytes_append(ret, NULL, 0);
        cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
        cr_assert_eq(xz_reader_new(fd, memory_bytes, &x), 0);
        for (;;) {
                r = xz_reader_read(x, buf, sizeof(buf), &n);
                if (r < 0 || n == 0)
                        return r;
                bytes_append(ret, buf, n);
        }
}

static inline void assert_decodes(int fd, const Bytes *expected) {
        _cleanup_bytes_ Bytes got = {};

        cr_assert_eq(decode(fd, READ_MEMORY_BYTES, &got), 0);
        assert_equal(&got, expected);
}

/* The same by xz itself, which also tests and lists the file: streams and blocks as expected, CRC64. */
static inline void assert_xz_agrees(
                const char *name, const Bytes *expected, unsigned streams, unsigned blocks) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *list = NULL;
        _cleanup_bytes_ Bytes got = {};
        char line[64];

        free(tool_output("xz -t -F xz %s && xz -dc -F xz %s > plain", name, name));
        fd = open("plain", O_RDONLY | O_CLOEXEC);
        cr_assert_geq(fd, 0);
        got = content(fd);
        assert_equal(&got, expected);

        list = tool_output("xz --robot -l %s", name);
        (void) snprintf(line, sizeof(line), "\nfile\t%u\t%u\t", streams, blocks);
        cr_assert_not_null(strstr(list, line), "%u streams, %u blocks expected: %s", streams, blocks, list);
        cr_assert_not_null(strstr(list, blocks > 0 ? "\tCRC64\t" : "\t"), "%s", list);
}

static inline int compress(const char *name, const Bytes *b, const XzOptions *options) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        uint64_t in, out;
        int fd = tool_file(name);

        cr_assert_eq(xz_writer_new(fd, options, &w), 0);
        for (size_t i = 0, n; i < b->size; i += n) {
                n = MIN(b->size - i, (size_t) 100003);
                cr_assert_eq(xz_writer_write(w, b->data + i, n), 0);
        }
        cr_assert_eq(xz_writer_finish(w, &in, &out), 0);
        cr_assert_eq(in, b->size);
        cr_assert_eq(out, lseek(fd, 0, SEEK_END));
        return fd;
}
