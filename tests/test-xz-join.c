/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <criterion/criterion.h>
#include <lzma.h>

#include "xz-files.h"

TestSuite(xz_join, .init = tool_init, .fini = test_done);

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

Test(xz_join, segments) {
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

Test(xz_join, nothing) {
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

Test(xz_join, file_of_streams) {
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
Test(xz_join, without_copy_file_range) {
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

Test(xz_join, disk_full) {
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

Test(xz_join, refuses_what_is_not_xz) {
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

Test(xz_join, refuses_truncation) {
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
Test(xz_join, refuses_corruption) {
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

Test(xz_join, refuses_other_checks) {
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

Test(xz_join, refuses_lies) {
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

        /* The footer counts four bytes more than the index has: the block would end in the index. */
        {
                _cleanup_bytes_ Bytes shorter = {};
                lzma_index *index = lzma_index_init(NULL);
                uint8_t buf[64] = {};
                size_t n = 0;

                bytes_append(&shorter, blocks.data, blocks.size - 4);
                cr_assert_eq(lzma_index_append(index, NULL, unpadded, plain.size), LZMA_OK);
                cr_assert_eq(lzma_index_buffer_encode(index, buf, &n, sizeof(buf) - 4), LZMA_OK);
                lzma_index_end(index, NULL);
                safe_close(bad);
                bad = forge(LZMA_CHECK_CRC64, &shorter, buf, n + 4);
                refuse(&f, bad, -EBADMSG, "index shorter than the footer says", 0);
        }
        /* And one that ends before its own CRC32. */
        safe_close(bad);
        bad = forge(LZMA_CHECK_CRC64, &(Bytes){}, (const uint8_t[4]){}, 4);
        refuse(&f, bad, -EBADMSG, "index longer than the footer says", 0);

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

Test(xz_join, index_memory_limit) {
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
Test(xz_join, stream_memory_limit) {
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
Test(xz_join, absurd_sizes) {
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
Test(xz_join, reader_unknown_check) {
        static const uint8_t index[] = { 0, 0, 0, 0, 0x1c, 0xdf, 0x44, 0x21 };
        _cleanup_close_ int fd = forge(2, &(Bytes){}, index, sizeof(index)), known = -EBADF;
        _cleanup_bytes_ Bytes got = {}, nothing = {};

        cr_assert_eq(decode(fd, READ_MEMORY_BYTES, &got), -EOPNOTSUPP);
        known = forge(LZMA_CHECK_CRC64, &(Bytes){}, index, sizeof(index));
        cr_assert_eq(decode(known, READ_MEMORY_BYTES, &nothing), 0);
}

/* The blocks behind one that is left out, and those only. */
Test(xz_join, from_a_block_on) {
        _cleanup_bytes_ Bytes first = text(1, 70000), second = text(2, 500000), both = {}, tail = {}, last = {};
        const XzOptions options = { .level = 6, .threads = 1, .block_bytes = 200000 };
        _cleanup_close_ int a = compress("a.xz", &first, &options), b = compress("b.xz", &second, &options),
                            joined = tool_file("joined.xz"), out = tool_file("out.xz");
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL, *from = NULL;
        uint64_t bytes, compressed;

        cr_assert_eq(xz_joiner_new(joined, &j), 0);
        cr_assert_eq(xz_joiner_add(j, a), 0);
        cr_assert_eq(xz_joiner_add(j, b), 0);
        cr_assert_eq(xz_joiner_finish(j, NULL, NULL), 0);

        cr_assert_eq(xz_joiner_new(out, &from), 0);
        /* In the middle of a block, at the end, and beyond: with nothing copied. */
        cr_assert_eq(xz_joiner_add_from(from, joined, 69999), -EINVAL);
        cr_assert_eq(xz_joiner_add_from(from, joined, 70001), -EINVAL);
        cr_assert_eq(xz_joiner_add_from(from, joined, 570000), -EINVAL);
        cr_assert_eq(xz_joiner_add_from(from, joined, UINT64_MAX), -EINVAL);
        cr_assert_eq(xz_joiner_add_from(from, joined, 70000), 0);
        cr_assert_eq(xz_joiner_add_from(from, joined, 470000), 0);
        cr_assert_eq(xz_joiner_finish(from, &bytes, &compressed), 0);
        cr_assert_eq(bytes, 600000);

        bytes_append(&last, second.data + 400000, 100000);
        bytes_append(&tail, second.data, second.size);
        bytes_append(&tail, last.data, last.size);
        assert_decodes(out, &tail);
        assert_xz_agrees("out.xz", &tail, 1, 4);
        bytes_append(&both, first.data, first.size);
        bytes_append(&both, second.data, second.size);
        assert_decodes(joined, &both);
}
