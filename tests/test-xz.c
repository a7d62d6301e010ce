/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <criterion/criterion.h>

#include "xz-files.h"

TestSuite(xz, .init = tool_init, .fini = test_done);

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

/* What a log is compressed with: a thread of level 6 fits into 100 MiB, and less comes out of it. */
Test(xz, writer_trace_options) {
        static const XzOptions plain_options = { .level = 6, .threads = 1 };
        static const XzOptions trace_options = {
                .level = 6,
                .threads = 2,
                .memory_max_bytes = 200 * MIB,
                .dictionary_max_bytes = XZ_TRACE_DICTIONARY_BYTES,
                .text = true,
        };
        _cleanup_bytes_ Bytes log = text(5, 3000000);
        _cleanup_close_ int plain_fd = compress("plain.xz", &log, &plain_options), fd = compress("trace.xz", &log, &trace_options);
        _cleanup_free_ char *list = tool_output("xz --robot -lvv trace.xz");
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;

        assert_decodes(fd, &log);
        cr_assert_not_null(strstr(list, "dict=4MiB"), "%s", list);
        cr_assert_lt(lseek(fd, 0, SEEK_END), lseek(plain_fd, 0, SEEK_END));
        cr_assert_eq(xz_writer_new(fd, &trace_options, &w), 0);
        cr_assert_eq(xz_writer_options(w)->level, 6);
        cr_assert_eq(xz_writer_options(w)->threads, 2);
        cr_assert_eq(xz_writer_options(w)->block_bytes, 12 * MIB);
}

Test(xz, flush_makes_decodable) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_bytes_ Bytes plain = text(4, 100000), got = {}, nothing = {};
        _cleanup_close_ int fd = tool_file("f.xz"), reader = open("f.xz", O_RDONLY | O_CLOEXEC);
        uint64_t in, out, out_done;

        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .level = 6, .threads = 2 }, &w), 0);
        cr_assert_eq(xz_writer_flush(w), 0); /* of nothing: no block */
        for (unsigned i = 0; i < 3; i++)
                cr_assert_eq(xz_writer_write(w, "", 0), 0);
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
