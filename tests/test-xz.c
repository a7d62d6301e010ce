/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <criterion/criterion.h>
#include <lzma.h>
#include <signal.h>
#include <sys/mman.h>

#include "tool.h"
#include "xz.h"

#define READ_MEMORY_BYTES (64 * MIB)

static void setup(void) {
        tool_dir_make();
        cr_assert_neq(signal(SIGPIPE, SIG_IGN), SIG_ERR);
}

TestSuite(xz, .init = setup, .fini = tool_dir_remove);

typedef struct Bytes {
        uint8_t *data;
        size_t size;
} Bytes;

static void bytes_clear(Bytes *b) {
        free(b->data);
}
#define _cleanup_bytes_ _cleanup_(bytes_clear)

static void bytes_append(Bytes *b, const void *data, size_t size) {
        b->data = realloc(b->data, b->size + size + 1);
        cr_assert_not_null(b->data);
        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
}

static void assert_equal(const Bytes *a, const Bytes *b) {
        cr_assert_eq(a->size, b->size, "%zu bytes instead of %zu", a->size, b->size);
        cr_assert(a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Text that compresses like a log does, different for each seed. */
static Bytes text(unsigned seed, size_t size) {
        Bytes b = {};
        char line[64];

        bytes_append(&b, NULL, 0);
        for (unsigned i = 0; b.size < size; i++) {
                seed = seed * 1664525 + 1013904223;
                (void) snprintf(line, sizeof(line), "W 4 %u.%06u 1 0x%x 0x%x 0x0 0\n", i, seed >> 12,
                                0xf7000000 + i % 64 * 4, seed);
                bytes_append(&b, line, MIN(strlen(line), size - b.size));
        }
        return b;
}

static Bytes content(int fd) {
        struct stat st;
        Bytes b = {};

        cr_assert_eq(fstat(fd, &st), 0);
        b.size = (size_t) st.st_size;
        b.data = malloc(b.size + 1);
        cr_assert_not_null(b.data);
        cr_assert_eq(pread(fd, b.data, b.size, 0), st.st_size);
        return b;
}

static int file_of(const char *name, const void *data, size_t size) {
        int fd = tool_file(name);

        cr_assert_eq(write_all(fd, data, size), 0);
        return fd;
}

/* For the thousands of damaged files that no other program reads. */
static int memory_of(const void *data, size_t size) {
        int fd = memfd_create("bad", MFD_CLOEXEC);

        cr_assert_geq(fd, 0);
        cr_assert_eq(write_all(fd, data, size), 0);
        return fd;
}

/* Decodes with xz_reader_*, in odd portions; returns its verdict, and what came before in any case. */
static int decode(int fd, uint64_t memory_bytes, Bytes *ret) {
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

static void assert_decodes(int fd, const Bytes *expected) {
        _cleanup_bytes_ Bytes got = {};

        cr_assert_eq(decode(fd, READ_MEMORY_BYTES, &got), 0);
        assert_equal(&got, expected);
}

/* The same by xz itself, which also tests and lists the file: streams and blocks as expected, CRC64. */
static void assert_xz_agrees(const char *name, const Bytes *expected, unsigned streams, unsigned blocks) {
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

static int compress(const char *name, const Bytes *b, const XzOptions *options) {
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

/* ---- Writer and reader ---- */

Test(xz, roundtrip) {
        static const size_t sizes[] = { 0, 1, 65536, 1200000 };

        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                for (unsigned level = 0; level <= 6; level += 6)
                        for (unsigned threads = 1; threads <= 3; threads += 2) {
                                _cleanup_bytes_ Bytes plain = text(level, sizes[i]);
                                XzOptions options = {
                                        .level = level, .threads = threads, .block_bytes = 512 * KIB
                                };
                                _cleanup_close_ int fd = compress("f.xz", &plain, &options);

                                assert_decodes(fd, &plain);
                                assert_xz_agrees("f.xz", &plain, 1,
                                                (unsigned) ((sizes[i] + 512 * KIB - 1) / (512 * KIB)));
                        }
}

Test(xz, blocks_carry_their_sizes) {
        _cleanup_bytes_ Bytes plain = text(1, 200000);
        _cleanup_close_ int fd = compress(
                        "f.xz", &plain, &(XzOptions){ .level = 6, .threads = 1, .block_bytes = 128 * KIB });
        _cleanup_free_ char *list = tool_output("xz --robot -lvv f.xz");
        const char *line = strstr(list, "\nblock\t");
        unsigned blocks = 0;

        for (; line; line = strstr(line + 1, "\nblock\t"), blocks++) {
                _cleanup_free_ char *one = strndup(line + 1, strcspn(line + 1, "\n"));

                cr_assert_not_null(strstr(one, "\tcu\t"), "%s", one);
                /* And no dictionary that a block of this size can't fill. */
                cr_assert_not_null(strstr(one, "dict=128KiB"), "%s", one);
        }
        cr_assert_eq(blocks, 2);
}

Test(xz, options_defaults_and_limits) {
        static const struct {
                unsigned level;
                uint64_t block_bytes;
        } defaults[] = { { 0, MIB }, { 1, 3 * MIB }, { 6, 24 * MIB }, { 9, 24 * MIB } };
        _cleanup_close_ int fd = tool_file("f.xz");

        for (size_t i = 0; i < ELEMENTS(defaults); i++) {
                _cleanup_(xz_writer_freep) XzWriter *w = NULL;

                cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .level = defaults[i].level }, &w), 0);
                cr_assert_eq(xz_writer_options(w)->block_bytes, defaults[i].block_bytes);
                cr_assert_geq(xz_writer_options(w)->threads, 1);
        }

        XzWriter *none = NULL;
        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .level = 10 }, &none), -EINVAL);
        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .block_bytes = UINT64_MAX }, &none), -EINVAL);
        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .threads = UINT32_MAX }, &none), -EINVAL);
        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .memory_max_bytes = 64 * KIB }, &none), -ENOBUFS);
        cr_assert_null(none);
}

Test(xz, writer_memory_limit) {
        static const struct {
                uint64_t memory_bytes;
                bool fewer_threads, lower_level;
        } cases[] = {
                { 0, false, false },
                { 2048 * MIB, false, false },
                { 400 * MIB, true, false },
                { 64 * MIB, true, true },
        };
        _cleanup_bytes_ Bytes plain = text(3, 300000);

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(xz_writer_freep) XzWriter *w = NULL;
                _cleanup_close_ int fd = tool_file("f.xz");
                const XzOptions *o;

                cr_assert_eq(xz_writer_new(fd,
                                             &(XzOptions){ .level = 6,
                                                             .threads = 8,
                                                             .memory_max_bytes = cases[i].memory_bytes },
                                             &w),
                                0);
                o = xz_writer_options(w);
                cr_assert_eq(o->threads < 8, cases[i].fewer_threads, "case %zu: %u threads", i, o->threads);
                cr_assert_eq(o->level < 6, cases[i].lower_level, "case %zu: level %u", i, o->level);
                /* As many as fit: not down to one at once. */
                if (o->level == 6)
                        cr_assert_gt(o->threads, 1);
                else
                        cr_assert(o->threads == 1 && o->level > 0);
                cr_assert_eq(xz_writer_write(w, plain.data, plain.size), 0);
                cr_assert_eq(xz_writer_finish(w, NULL, NULL), 0);
                assert_decodes(fd, &plain);
        }
}

Test(xz, flush_makes_decodable) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_bytes_ Bytes plain = text(4, 100000), got = {}, nothing = {};
        _cleanup_close_ int fd = tool_file("f.xz"), reader = open("f.xz", O_RDONLY | O_CLOEXEC);
        uint64_t in, out, out_done;

        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .level = 6, .threads = 2 }, &w), 0);
        cr_assert_eq(xz_writer_flush(w), 0); /* of nothing: no block */
        cr_assert_eq(xz_writer_write(w, plain.data, 60000), 0);
        cr_assert_eq(decode(reader, READ_MEMORY_BYTES, &nothing), -EBADMSG);
        cr_assert_eq(nothing.size, 0);

        cr_assert_eq(xz_writer_flush(w), 0);
        cr_assert_eq(xz_writer_flush(w), 0);
        cr_assert_eq(decode(reader, READ_MEMORY_BYTES, &got), -EBADMSG);
        cr_assert_eq(got.size, 60000);
        cr_assert_arr_eq(got.data, plain.data, 60000);
        xz_writer_get_counts(w, &in, &out);
        cr_assert_eq(in, 60000);
        cr_assert_eq(out, lseek(fd, 0, SEEK_END));

        cr_assert_eq(xz_writer_write(w, plain.data + 60000, 40000), 0);
        cr_assert_eq(xz_writer_finish(w, NULL, &out_done), 0);
        cr_assert_gt(out_done, out);
        xz_writer_get_counts(w, &in, &out);
        cr_assert(in == 100000 && out == out_done);
        assert_xz_agrees("f.xz", &plain, 1, 2);

        cr_assert_eq(xz_writer_write(w, "x", 1), -ESHUTDOWN);
        cr_assert_eq(xz_writer_write(w, "", 0), -ESHUTDOWN);
        cr_assert_eq(xz_writer_flush(w), -ESHUTDOWN);
        cr_assert_eq(xz_writer_finish(w, NULL, NULL), -ESHUTDOWN);
        cr_assert_eq(lseek(fd, 0, SEEK_END), out_done);
}

/* The counts move on while the threads compress, before any block is complete and written. */
Test(xz, counts_see_unwritten_blocks) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_bytes_ Bytes plain = text(5, 4 * MIB);
        _cleanup_close_ int fd = tool_file("f.xz");
        uint64_t in = 0, out = 0;

        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .level = 0, .threads = 1, .block_bytes = 8 * MIB }, &w),
                        0);
        for (size_t i = 0; i < plain.size && out < 70000; i += 8192) {
                cr_assert_eq(xz_writer_write(w, plain.data + i, 8192), 0);
                xz_writer_get_counts(w, &in, &out);
                cr_assert_eq(in, i + 8192);
                (void) usleep(2000);
        }
        cr_assert_geq(out, 70000);
        cr_assert_leq(lseek(fd, 0, SEEK_END), 12);
}

Test(xz, writer_disk_full) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL;
        _cleanup_close_ int fd = open("/dev/full", O_WRONLY | O_CLOEXEC), other = tool_file("other");
        uint64_t in = 77, out = 78;

        cr_assert_geq(fd, 0);
        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .threads = 1 }, &w), 0);
        cr_assert_eq(xz_writer_write(w, "x", 1), -ENOSPC);
        /* There is room again, but a hole in the stream. */
        cr_assert_eq(dup3(other, fd, O_CLOEXEC), fd);
        cr_assert_eq(xz_writer_write(w, "x", 1), -ENOSPC);
        cr_assert_eq(xz_writer_flush(w), -ENOSPC);
        cr_assert_eq(xz_writer_finish(w, &in, &out), -ENOSPC);
        cr_assert(in == 77 && out == 78);
        cr_assert_eq(lseek(other, 0, SEEK_END), 0);

        safe_close(fd);
        fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
        cr_assert_eq(xz_joiner_new(fd, &j), -ENOSPC);
        cr_assert_null(j);
}

Test(xz, reader_concatenated_and_pipe) {
        _cleanup_bytes_ Bytes all = text(6, 50000), more = text(7, 30000), packed = {};
        _cleanup_close_ int a = compress("a.xz", &all, &(XzOptions){}),
                            b = compress("b.xz", &more, &(XzOptions){}), fd = -EBADF;
        _cleanup_bytes_ Bytes first = content(a), second = content(b);
        uint8_t buf[1000];
        size_t n;

        bytes_append(&packed, first.data, first.size);
        bytes_append(&packed, (uint8_t[8]){}, 8);
        bytes_append(&packed, second.data, second.size);
        bytes_append(&all, more.data, more.size);
        fd = file_of("ab.xz", packed.data, packed.size);
        assert_decodes(fd, &all);

        /* In portions, and with a byte missing. */
        for (unsigned missing = 0; missing < 2; missing++) {
                _cleanup_(xz_reader_freep) XzReader *x = NULL;
                _cleanup_bytes_ Bytes got = {};
                FILE *pipe;
                int r;

                pipe = popen(missing ? "head -c 1746 ab.xz; sleep 0.05; tail -c +1748 ab.xz 2>/dev/null"
                                     : "head -c 1746 ab.xz; sleep 0.05; tail -c +1747 ab.xz",
                                "re");
                cr_assert_not_null(pipe);
                cr_assert_eq(xz_reader_new(fileno(pipe), READ_MEMORY_BYTES, &x), 0);
                while ((r = xz_reader_read(x, buf, sizeof(buf), &n)) >= 0 && n > 0)
                        bytes_append(&got, buf, n);
                (void) pclose(pipe);
                if (missing) {
                        cr_assert_eq(r, -EBADMSG);
                        cr_assert_eq(xz_reader_read(x, buf, sizeof(buf), &n), -EBADMSG);
                } else {
                        cr_assert_eq(r, 0);
                        assert_equal(&got, &all);
                        cr_assert_eq(xz_reader_read(x, buf, sizeof(buf), &n), 0);
                        cr_assert_eq(n, 0);
                }
        }
}

Test(xz, reader_memory_limit) {
        _cleanup_bytes_ Bytes plain = text(8, 10000), got = {}, enough = {};
        _cleanup_close_ int fd = compress("f.xz", &plain, &(XzOptions){ .level = 6 });

        cr_assert_eq(decode(fd, MIB, &got), -ENOBUFS);
        cr_assert_eq(got.size, 0);
        cr_assert_eq(decode(fd, 16 * MIB, &enough), 0);
        assert_equal(&enough, &plain);
}

Test(xz, reader_not_xz) {
        _cleanup_close_ int fd = file_of("f", "this is not compressed at all", 29),
                            empty = tool_file("empty");
        _cleanup_bytes_ Bytes a = {}, b = {};

        cr_assert_eq(decode(fd, READ_MEMORY_BYTES, &a), -EBADMSG);
        cr_assert_eq(decode(empty, READ_MEMORY_BYTES, &b), -EBADMSG);
}

/* ---- Joining ---- */

/* The blocks of a file of one stream: what stands between header and index (xz-file-format.txt §2.1.2.2: the
 * footer has the index's size in units of four bytes, less one). */
static Bytes blocks_of(int fd) {
        _cleanup_bytes_ Bytes all = content(fd);
        const uint8_t *f = all.data + all.size - 8;
        size_t index = (size_t) (f[0] | f[1] << 8 | f[2] << 16 | (uint32_t) f[3] << 24) * 4 + 4;
        Bytes b = {};

        bytes_append(&b, all.data + 12, all.size - 24 - index);
        return b;
}

static void assert_joined(int fd, uint64_t compressed, const Bytes *blocks) {
        _cleanup_bytes_ Bytes got = content(fd);

        cr_assert_eq(got.size, compressed);
        cr_assert_gt(got.size, 12 + blocks->size);
        if (blocks->size > 0)
                cr_assert_arr_eq(got.data + 12, blocks->data, blocks->size);
        cr_assert_eq(got.data[12 + blocks->size], 0, "no index right behind the blocks");
}

Test(xz, join) {
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL;
        _cleanup_close_ int out = tool_file("out.xz");
        _cleanup_bytes_ Bytes plain = {}, blocks = {};
        uint64_t in, compressed, bytes;
        unsigned n_blocks = 0;
        static const struct {
                size_t size;
                XzOptions options;
        } parts[] = {
                { 512, { .level = 6, .threads = 1, .block_bytes = 64 * KIB } },
                { 1000000, { .level = 0, .threads = 2, .block_bytes = 100000 } },
                { 0, { .level = 6 } }, /* a stream without blocks */
                { 1, { .level = 9 } },
                { 700000, { .level = 6, .threads = 2, .block_bytes = 300000 } },
                { 1024, { .level = 1 } },
        };

        cr_assert_eq(xz_joiner_new(out, &j), 0);
        for (unsigned i = 0; i < ELEMENTS(parts); i++) {
                _cleanup_bytes_ Bytes part = text(i, parts[i].size);
                _cleanup_close_ int fd = compress("part.xz", &part, &parts[i].options);
                _cleanup_bytes_ Bytes verbatim = blocks_of(fd);
                off_t before = lseek(fd, 0, SEEK_CUR);

                bytes_append(&plain, part.data, part.size);
                bytes_append(&blocks, verbatim.data, verbatim.size);
                n_blocks += part.size == 0 ? 0
                            : parts[i].options.block_bytes == 0
                                            ? 1
                                            : (unsigned) ((part.size + parts[i].options.block_bytes - 1) /
                                                              parts[i].options.block_bytes);
                cr_assert_eq(xz_uncompressed_size(fd, &bytes), 0);
                cr_assert_eq(bytes, part.size);
                cr_assert_eq(xz_joiner_add(j, fd), 0);
                cr_assert_eq(lseek(fd, 0, SEEK_CUR), before);
                xz_joiner_get_counts(j, &in, &compressed);
                cr_assert_eq(in, plain.size);
                cr_assert_eq(compressed, 12 + blocks.size);
        }
        cr_assert_eq(xz_joiner_finish(j, &in, &compressed), 0);
        cr_assert_eq(in, plain.size);
        assert_joined(out, compressed, &blocks);
        assert_decodes(out, &plain);
        assert_xz_agrees("out.xz", &plain, 1, n_blocks);

        cr_assert_eq(xz_joiner_add(j, out), -ESHUTDOWN);
        cr_assert_eq(xz_joiner_finish(j, NULL, NULL), -ESHUTDOWN);
        cr_assert_eq(xz_uncompressed_size(out, &bytes), 0);
        cr_assert_eq(bytes, plain.size);
}

Test(xz, join_nothing) {
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL;
        _cleanup_close_ int out = tool_file("out.xz");
        uint64_t in = 1, compressed = 0, bytes = 1;

        cr_assert_eq(xz_joiner_new(out, &j), 0);
        cr_assert_eq(xz_joiner_finish(j, &in, &compressed), 0);
        cr_assert(in == 0 && compressed == 32, "%zu", (size_t) compressed);
        assert_joined(out, compressed, &(Bytes){});
        assert_xz_agrees("out.xz", &(Bytes){}, 1, 0);
        cr_assert_eq(xz_uncompressed_size(out, &bytes), 0);
        cr_assert_eq(bytes, 0);
}

/* Two streams of two blocks and an empty one, with stream padding between and behind. Small, so that tests
 * can damage every byte. */
static Bytes streams(Bytes *ret_plain, Bytes *ret_blocks) {
        static const unsigned padding[] = { 4, 4100, 12 };
        static const size_t sizes[] = { 300, 0, 200 };
        Bytes packed = {};

        *ret_plain = *ret_blocks = (Bytes){};
        for (unsigned i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_bytes_ Bytes part = text(20 + i, sizes[i]);
                _cleanup_close_ int fd = compress(
                                "stream.xz", &part, &(XzOptions){ .threads = 1, .block_bytes = 160 });
                _cleanup_bytes_ Bytes stream = content(fd), blocks = blocks_of(fd);
                static const uint8_t zeros[4100];

                bytes_append(&packed, stream.data, stream.size);
                bytes_append(&packed, zeros, padding[i]);
                bytes_append(ret_plain, part.data, part.size);
                bytes_append(ret_blocks, blocks.data, blocks.size);
        }
        return packed;
}

static void join_one(int in, const char *name, int flags, const Bytes *blocks) {
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL;
        _cleanup_close_ int out = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
        uint64_t compressed;

        cr_assert_geq(out, 0);
        cr_assert_eq(xz_joiner_new(out, &j), 0);
        cr_assert_eq(xz_joiner_add(j, in), 0);
        cr_assert_eq(xz_joiner_finish(j, NULL, &compressed), 0);
        assert_joined(out, compressed, blocks);
}

Test(xz, join_file_of_streams) {
        _cleanup_bytes_ Bytes plain = {}, blocks = {}, packed = streams(&plain, &blocks);
        _cleanup_close_ int in = file_of("in.xz", packed.data, packed.size);
        uint64_t bytes;

        assert_xz_agrees("in.xz", &plain, 3, 4);
        cr_assert_eq(xz_uncompressed_size(in, &bytes), 0);
        cr_assert_eq(bytes, plain.size);
        join_one(in, "out.xz", 0, &blocks);
        assert_xz_agrees("out.xz", &plain, 1, 4);
}

/* Where the kernel doesn't copy between files: copy_file_range(2) takes neither O_APPEND nor pipes. */
Test(xz, join_without_copy_file_range) {
        _cleanup_bytes_ Bytes plain = text(9, 3000000);
        _cleanup_close_ int in = compress("in.xz", &plain, &(XzOptions){ .block_bytes = 1000000 });
        _cleanup_bytes_ Bytes blocks = blocks_of(in);
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL;
        FILE *pipe;

        cr_assert_gt(blocks.size, 3 * 65536);
        join_one(in, "appended.xz", O_APPEND, &blocks);
        assert_xz_agrees("appended.xz", &plain, 1, 3);

        pipe = popen("cat > piped.xz", "we");
        cr_assert_not_null(pipe);
        cr_assert_eq(xz_joiner_new(fileno(pipe), &j), 0);
        cr_assert_eq(xz_joiner_add(j, in), 0);
        cr_assert_eq(xz_joiner_finish(j, NULL, NULL), 0);
        cr_assert_eq(pclose(pipe), 0);
        assert_xz_agrees("piped.xz", &plain, 1, 3);
}

Test(xz, join_disk_full) {
        _cleanup_bytes_ Bytes plain = text(10, 5000);
        _cleanup_close_ int in = compress("in.xz", &plain, &(XzOptions){}), out = tool_file("out.xz"),
                            full = open("/dev/full", O_WRONLY | O_CLOEXEC), other = tool_file("other");
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL, *late = NULL;
        uint64_t a = 1, b = 2;

        cr_assert_eq(xz_joiner_new(out, &j), 0);
        cr_assert_eq(xz_joiner_new(out, &late), 0);
        cr_assert_eq(dup3(full, out, O_CLOEXEC), out);
        cr_assert_eq(xz_joiner_add(j, in), -ENOSPC);
        cr_assert_eq(xz_joiner_finish(late, &a, &b), -ENOSPC);
        cr_assert_eq(dup3(other, out, O_CLOEXEC), out);
        cr_assert_eq(xz_joiner_add(j, in), -ENOSPC);
        cr_assert_eq(xz_joiner_finish(j, &a, &b), -ENOSPC);
        cr_assert_eq(xz_joiner_finish(late, &a, &b), -ENOSPC);
        cr_assert(a == 1 && b == 2);
        cr_assert_eq(lseek(other, 0, SEEK_END), 0);
}

/* ---- Joining what can't be trusted ---- */

/* Bad files between two good ones: each has to be refused with the given error and leave no trace. */
typedef struct Refusal {
        int good, out;
        Bytes plain;
        XzJoiner *joiner;
} Refusal;

static Refusal refusal_start(void) {
        Refusal f = { .plain = text(11, 400), .out = tool_file("out.xz") };

        f.good = compress("good.xz", &f.plain, &(XzOptions){ .threads = 1 });
        cr_assert_eq(xz_joiner_new(f.out, &f.joiner), 0);
        cr_assert_eq(xz_joiner_add(f.joiner, f.good), 0);
        return f;
}

static void refuse(Refusal *f, int bad, int error, const char *what, size_t where) {
        off_t before = lseek(f->out, 0, SEEK_END);
        uint64_t bytes = 12345;

        cr_assert_eq(xz_joiner_add(f->joiner, bad), error, "%s %zu", what, where);
        cr_assert_eq(lseek(f->out, 0, SEEK_END), before, "%s %zu: something was written", what, where);
        if (error == -EBADMSG) {
                cr_assert_eq(xz_uncompressed_size(bad, &bytes), error, "%s %zu", what, where);
                cr_assert_eq(bytes, 12345);
        }
}

static void refusal_finish(Refusal *f) {
        _cleanup_bytes_ Bytes twice = {};

        cr_assert_eq(xz_joiner_add(f->joiner, f->good), 0);
        cr_assert_eq(xz_joiner_finish(f->joiner, NULL, NULL), 0);
        bytes_append(&twice, f->plain.data, f->plain.size);
        bytes_append(&twice, f->plain.data, f->plain.size);
        assert_xz_agrees("out.xz", &twice, 1, 2);
        xz_joiner_free(f->joiner);
        safe_close(f->out);
        safe_close(f->good);
        free(f->plain.data);
}

static void refuse_bytes(
                Refusal *f, const void *data, size_t size, int error, const char *what, size_t where) {
        _cleanup_close_ int bad = memory_of(data, size);

        refuse(f, bad, error, what, where);
}

Test(xz, join_refuses_what_is_not_xz) {
        static const uint8_t zeros[8192] = {};
        Refusal f = refusal_start();
        int fds[2], folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), missing = 999;

        refuse_bytes(&f, "", 0, -EBADMSG, "empty", 0);
        refuse_bytes(&f, zeros, sizeof(zeros), -EBADMSG, "zeros", 0);
        refuse_bytes(&f, "mmiotrace is plain text\n", 24, -EBADMSG, "text", 0);
        refuse_bytes(&f, "short\n..", 8, -EBADMSG, "text", 0);
        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        refuse(&f, fds[0], -ESPIPE, "pipe", 0);
        refuse(&f, folder, -ESPIPE, "folder", 0);
        refuse(&f, missing, -EBADF, "bad fd", 0);
        safe_close(folder);
        refusal_finish(&f);
}

Test(xz, join_refuses_truncation) {
        _cleanup_bytes_ Bytes plain = {}, blocks = {}, packed = streams(&plain, &blocks), first = {};
        _cleanup_close_ int one = -EBADF;
        Refusal f = refusal_start();
        unsigned whole = 0;

        first = text(20, 300);
        one = compress("one.xz", &first, &(XzOptions){ .threads = 1, .block_bytes = 160 });
        size_t first_bytes = (size_t) lseek(one, 0, SEEK_END);

        for (size_t size = 0; size < packed.size; size++) {
                _cleanup_close_ int bad = memory_of(packed.data, size);
                uint64_t bytes;

                /* Cut between streams or in stream padding at a multiple of four, the rest is whole. Nothing
                 * but the decoder may say so. */
                _cleanup_bytes_ Bytes got = {};
                if (size % 4 == 0 && decode(bad, READ_MEMORY_BYTES, &got) == 0) {
                        cr_assert_geq(size, first_bytes);
                        cr_assert_eq(xz_uncompressed_size(bad, &bytes), 0);
                        cr_assert_eq(bytes, got.size);
                        whole++;
                        continue;
                }
                refuse(&f, bad, -EBADMSG, "cut at", size);
        }
        cr_assert_eq(whole, 2 + 4100 / 4 + 1 + 12 / 4);

        /* And from the front: only the last streams are whole. */
        whole = 0;
        for (size_t skip = 1; skip < packed.size; skip++) {
                _cleanup_bytes_ Bytes got = {};
                _cleanup_close_ int bad = memory_of(packed.data + skip, packed.size - skip);

                if (memcmp(packed.data + skip,
                                    "\xfd"
                                    "7zXZ",
                                    6) == 0) {
                        cr_assert_eq(decode(bad, READ_MEMORY_BYTES, &got), 0);
                        whole++;
                        continue;
                }
                refuse(&f, bad, -EBADMSG, "cut in front", skip);
        }
        cr_assert_eq(whole, 2);
        refusal_finish(&f);
}

/* One bit in every byte. In headers, footer and index it is found; in the data of a block the decoder finds
 * it. */
Test(xz, join_refuses_corruption) {
        _cleanup_bytes_ Bytes plain = text(12, 600);
        _cleanup_close_ int fd =
                        compress("whole.xz", &plain, &(XzOptions){ .threads = 1, .block_bytes = 300 });
        _cleanup_bytes_ Bytes whole = content(fd), blocks = blocks_of(fd);
        Refusal f = refusal_start();
        unsigned headers = 0, data = 0;

        for (size_t i = 0; i < whole.size; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        _cleanup_close_ int bad = -EBADF;
                        _cleanup_bytes_ Bytes got = {};
                        uint64_t bytes;

                        whole.data[i] ^= (uint8_t) (1 << bit);
                        bad = memory_of(whole.data, whole.size);
                        whole.data[i] ^= (uint8_t) (1 << bit);
                        cr_assert_eq(decode(bad, READ_MEMORY_BYTES, &got), -EBADMSG, "byte %zu", i);
                        if (xz_uncompressed_size(bad, &bytes) == 0) {
                                cr_assert(i >= 12 && i < 12 + blocks.size, "byte %zu", i);
                                data++;
                                continue;
                        }
                        headers++;
                        refuse(&f, bad, -EBADMSG, "flipped in", i);
                }
        /* A block header is at least 16 bytes here: with it, the rest and the index are all of the
         * structure. */
        cr_assert_geq(headers, 8 * (whole.size - blocks.size + 2 * 16));
        cr_assert_gt(data, 0);
        refusal_finish(&f);
}

Test(xz, join_refuses_other_checks) {
        static const lzma_check checks[] = { LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_SHA256 };
        _cleanup_bytes_ Bytes plain = text(13, 1000);
        Refusal f = refusal_start();

        for (size_t i = 0; i < ELEMENTS(checks); i++) {
                _cleanup_close_ int bad = -EBADF;
                uint8_t buf[4096];
                uint64_t bytes;
                size_t n = 0;

                cr_assert_eq(lzma_easy_buffer_encode(1, checks[i], NULL, plain.data, plain.size, buf, &n,
                                             sizeof(buf)),
                                LZMA_OK);
                bad = memory_of(buf, n);
                refuse(&f, bad, -EINVAL, "check", checks[i]);
                cr_assert_eq(xz_uncompressed_size(bad, &bytes), 0);
                cr_assert_eq(bytes, plain.size);
                assert_decodes(bad, &plain);
        }
        refusal_finish(&f);
}

/* A stream with the given blocks and index. Everything in it has a correct CRC32, whatever it says. */
static int forge(lzma_check check, const Bytes *blocks, const uint8_t *index, size_t index_bytes) {
        lzma_stream_flags flags = { .check = check, .backward_size = index_bytes };
        uint8_t header[12], footer[12];
        int fd = tool_file("forged.xz");

        cr_assert_eq(lzma_stream_header_encode(&flags, header), LZMA_OK);
        cr_assert_eq(lzma_stream_footer_encode(&flags, footer), LZMA_OK);
        cr_assert_eq(write_all(fd, header, sizeof(header)), 0);
        cr_assert_eq(write_all(fd, blocks->data, blocks->size), 0);
        cr_assert_eq(write_all(fd, index, index_bytes), 0);
        cr_assert_eq(write_all(fd, footer, sizeof(footer)), 0);
        return fd;
}

static int forge_index(const Bytes *blocks, uint64_t unpadded_bytes, uint64_t uncompressed_bytes) {
        lzma_index *index = lzma_index_init(NULL);
        uint8_t buf[64];
        size_t n = 0;

        cr_assert_eq(lzma_index_append(index, NULL, unpadded_bytes, uncompressed_bytes), LZMA_OK);
        cr_assert_eq(lzma_index_buffer_encode(index, buf, &n, sizeof(buf)), LZMA_OK);
        lzma_index_end(index, NULL);
        return forge(LZMA_CHECK_CRC64, blocks, buf, n);
}

Test(xz, join_refuses_lies) {
        _cleanup_bytes_ Bytes plain = text(14, 1000), blocks = {}, got = {};
        _cleanup_close_ int fd = compress("f.xz", &plain, &(XzOptions){ .threads = 1 }), bad = -EBADF;
        Refusal f = refusal_start();
        uint64_t bytes;
        size_t unpadded;

        /* The true unpadded size is one of four, as only the padded one shows in the file. */
        blocks = blocks_of(fd);
        for (unpadded = blocks.size - 3; unpadded <= blocks.size; unpadded++) {
                safe_close(bad);
                bad = forge_index(&blocks, unpadded, plain.size);
                if (xz_uncompressed_size(bad, &bytes) == 0)
                        break;
                refuse(&f, bad, -EBADMSG, "unpadded size", unpadded);
        }
        cr_assert_leq(unpadded, blocks.size);
        assert_decodes(bad, &plain);
        for (size_t other = unpadded + 1; other <= blocks.size; other++) {
                safe_close(bad);
                bad = forge_index(&blocks, other, plain.size);
                refuse(&f, bad, -EBADMSG, "unpadded size", other);
        }

        safe_close(bad);
        bad = forge_index(&blocks, unpadded, plain.size - 1);
        refuse(&f, bad, -EBADMSG, "uncompressed size", plain.size - 1);
        safe_close(bad);
        bad = forge_index(&blocks, unpadded + 4, plain.size);
        refuse(&f, bad, -EBADMSG, "block larger than the file", 0);
        safe_close(bad);
        bad = forge_index(&blocks, unpadded - 4, plain.size);
        refuse(&f, bad, -EBADMSG, "block smaller than the file", 0);
        safe_close(bad);
        bad = forge_index(&blocks, UINT64_C(1) << 40, plain.size);
        refuse(&f, bad, -EBADMSG, "block much larger than the file", 0);

        /* A zero where the block header should be. */
        blocks.data[0] = 0;
        safe_close(bad);
        bad = forge_index(&blocks, unpadded, plain.size);
        refuse(&f, bad, -EBADMSG, "no block header", 0);

        /* An index size beyond the start of the file, with a correct CRC32 in the footer. */
        lzma_stream_flags flags = { .check = LZMA_CHECK_CRC64, .backward_size = LZMA_BACKWARD_SIZE_MAX };
        uint8_t both[24];
        cr_assert_eq(lzma_stream_header_encode(&flags, both), LZMA_OK);
        cr_assert_eq(lzma_stream_footer_encode(&flags, both + 12), LZMA_OK);
        refuse_bytes(&f, both, sizeof(both), -EBADMSG, "index larger than the file", 0);

        /* Header and footer that name different checks. */
        flags.check = LZMA_CHECK_CRC32;
        cr_assert_eq(lzma_stream_header_encode(&flags, both), LZMA_OK);
        cr_assert_eq(lseek(f.good, 0, SEEK_SET), 0);
        _cleanup_bytes_ Bytes mixed = content(f.good);
        memcpy(mixed.data, both, 12);
        refuse_bytes(&f, mixed.data, mixed.size, -EBADMSG, "header and footer disagree", 0);
        refusal_finish(&f);
}

Test(xz, join_index_memory_limit) {
        /* Index indicator, then the number of records: 2^35, and no record. */
        static const uint8_t index[] = { 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0 };
        _cleanup_close_ int bad = forge(LZMA_CHECK_CRC64, &(Bytes){}, index, sizeof(index));
        Refusal f = refusal_start();
        uint64_t bytes = 1;

        refuse(&f, bad, -ENOBUFS, "records", 0);
        cr_assert_eq(xz_uncompressed_size(bad, &bytes), -ENOBUFS);
        cr_assert_eq(bytes, 1);
        refusal_finish(&f);
}

/* Streams cost memory as well, even empty ones. */
Test(xz, join_stream_memory_limit) {
        _cleanup_close_ int one = compress("one.xz", &(Bytes){}, &(XzOptions){ .threads = 1 });
        _cleanup_bytes_ Bytes stream = content(one), many = {};
        uint64_t bytes, n = XZ_INDEX_MEMORY_MAX_BYTES / lzma_index_memusage(1, 0) * 2;

        many.data = malloc(n * stream.size);
        cr_assert_not_null(many.data);
        for (; many.size < n * stream.size; many.size += stream.size)
                memcpy(many.data + many.size, stream.data, stream.size);
        _cleanup_close_ int bad = file_of("many.xz", many.data, many.size);
        cr_assert_eq(xz_uncompressed_size(bad, &bytes), -ENOBUFS);
}

/* Sizes as large as the format counts, from files that each are consistent. */
Test(xz, join_absurd_sizes) {
        _cleanup_bytes_ Bytes plain = text(15, 100), blocks = {};
        _cleanup_close_ int fd = -EBADF, huge = -EBADF;
        uint64_t bytes, claim = LZMA_VLI_MAX / 2 + 1;
        Refusal f = refusal_start();
        lzma_index_iter iter;
        lzma_index *index = NULL;
        uint64_t memory_bytes = MIB;
        uint8_t buf[1024];
        size_t n = 0, pos;

        /* This encoder leaves the sizes out of the block header, so that only the index tells. */
        lzma_stream strm = LZMA_STREAM_INIT;
        cr_assert_eq(lzma_easy_encoder(&strm, 0, LZMA_CHECK_CRC64), LZMA_OK);
        strm.next_in = plain.data;
        strm.avail_in = plain.size;
        strm.next_out = buf;
        strm.avail_out = sizeof(buf);
        cr_assert_eq(lzma_code(&strm, LZMA_FINISH), LZMA_STREAM_END);
        n = strm.total_out;
        lzma_end(&strm);
        fd = file_of("f.xz", buf, n);
        blocks = blocks_of(fd);
        pos = 12 + blocks.size;
        cr_assert_eq(lzma_index_buffer_decode(&index, &memory_bytes, NULL, buf, &pos, n - 12), LZMA_OK);
        lzma_index_iter_init(&iter, index);
        cr_assert(!lzma_index_iter_next(&iter, LZMA_INDEX_ITER_BLOCK));
        huge = forge_index(&blocks, iter.block.unpadded_size, claim);
        lzma_index_end(index, NULL);

        cr_assert_eq(xz_uncompressed_size(huge, &bytes), 0);
        cr_assert_eq(bytes, claim);
        cr_assert_eq(xz_joiner_add(f.joiner, huge), 0);
        refuse(&f, huge, -EFBIG, "twice", 0);
        xz_joiner_free(f.joiner);
        safe_close(f.good);
        safe_close(f.out);
        free(f.plain.data);
}

/* A check that only a later format knows (2 is reserved): its blocks couldn't be verified, so they aren't
 * read. */
Test(xz, reader_unknown_check) {
        static const uint8_t index[] = { 0, 0, 0, 0, 0x1c, 0xdf, 0x44, 0x21 };
        _cleanup_close_ int fd = forge(2, &(Bytes){}, index, sizeof(index)), known = -EBADF;
        _cleanup_bytes_ Bytes got = {}, nothing = {};

        cr_assert_eq(decode(fd, READ_MEMORY_BYTES, &got), -EOPNOTSUPP);
        known = forge(LZMA_CHECK_CRC64, &(Bytes){}, index, sizeof(index));
        cr_assert_eq(decode(known, READ_MEMORY_BYTES, &nothing), 0);
}
