/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <criterion/criterion.h>
#include <inttypes.h>

#include "tar.h"
#include "tool.h"
#include "xz.h"

#define GIB (1024 * MIB)

TestSuite(tar, .init = tool_init, .fini = test_done);

static unsigned checksum(const uint8_t *header) {
        unsigned sum = 0;

        for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
                sum += i >= 148 && i < 156 ? ' ' : header[i];
        return sum;
}

static void assert_checksum(const uint8_t *header) {
        char expected[9];

        (void) snprintf(expected, sizeof(expected), "%06o", checksum(header));
        cr_assert_arr_eq(header + 148, expected, 7);
        cr_assert_eq(header[155], ' ');
}

/* Every byte of a header, written down by hand from the table of POSIX. */
Test(tar, exact_bytes) {
        uint8_t expected[TAR_BLOCK_BYTES] = {}, header[TAR_BLOCK_BYTES];

        memcpy(expected, "log/mmiotrace.log", 17);
        memcpy(expected + 100, "0000644", 8);
        memcpy(expected + 108, "0000000", 8);
        memcpy(expected + 116, "0000000", 8);
        memcpy(expected + 124, "00000003071", 12);
        memcpy(expected + 136, "14524771061", 12);
        memcpy(expected + 148, "014330\0 ", 8);
        expected[156] = '0';
        memcpy(expected + 257,
                        "ustar\0"
                        "00",
                        8);
        memcpy(expected + 265, "root", 4);
        memcpy(expected + 297, "root", 4);
        memcpy(expected + 329, "0000000", 8);
        memcpy(expected + 337, "0000000", 8);

        memset(header, 0xff, sizeof(header));
        cr_assert_eq(tar_header("log/mmiotrace.log", 0644, 1593, 1700000305, header), 0);
        for (size_t i = 0; i < sizeof(header); i++)
                cr_assert_eq(header[i], expected[i], "byte %zu is %02x", i, header[i]);
}

Test(tar, folder) {
        uint8_t header[TAR_BLOCK_BYTES];

        cr_assert_eq(tar_header("metadata/", 0755, 0, 0, header), 0);
        cr_assert_eq(header[156], '5');
        cr_assert_str_eq((char *) header, "metadata/");
        assert_checksum(header);
}

Test(tar, sizes) {
        static const struct {
                uint64_t size;
                const char field[12];
        } cases[] = {
                { 0, "00000000000" },
                { 511, "00000000777" },
                { 8 * GIB - 1, "77777777777" },
                { 8 * GIB, "\x80\0\0\0\0\0\0\x02\0\0\0\0" },
                { UINT64_C(1) << 40, "\x80\0\0\0\0\0\x01\0\0\0\0\0" },
                { UINT64_C(0x0123456789abcdef), "\x80\0\0\0\x01\x23\x45\x67\x89\xab\xcd\xef" },
        };
        uint8_t header[TAR_BLOCK_BYTES];

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                cr_assert_eq(tar_header("x", 0600, cases[i].size, 0, header), 0);
                cr_assert_arr_eq(header + 124, cases[i].field, 12, "case %zu", i);
                assert_checksum(header);
        }
}

Test(tar, padding) {
        cr_assert_eq(tar_padding_bytes(0), 0);
        cr_assert_eq(tar_padding_bytes(1), 511);
        cr_assert_eq(tar_padding_bytes(511), 1);
        cr_assert_eq(tar_padding_bytes(512), 0);
        cr_assert_eq(tar_padding_bytes(513), 511);
        cr_assert_eq(tar_padding_bytes(8 * GIB + 1), 511);
        cr_assert_eq(tar_padding_bytes(UINT64_MAX), 1);
}

/* "ppp/nnn" with as many letters as asked for. */
static char *long_name(size_t prefix, size_t name) {
        char *s = malloc(prefix + name + 2);

        cr_assert_not_null(s);
        memset(s, 'p', prefix);
        s[prefix] = '/';
        memset(s + prefix + 1, 'n', name);
        s[prefix + 1 + name] = 0;
        return s;
}

Test(tar, names) {
        static const struct {
                size_t prefix, name;
                int r;
                bool split;
        } cases[] = {
                { 49, 50, 0, false }, /* 100 bytes, with the slash */
                { 50, 50, 0, true }, { 1, 100, 0, true }, { 155, 100, 0, true }, { 155, 1, 0, true },
                { 156, 100, -ENAMETOOLONG }, { 155, 101, -ENAMETOOLONG }, { 1, 101, -ENAMETOOLONG },
                { 101, 0, -ENAMETOOLONG }, /* a folder: nothing behind its slash to split off */
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *name = long_name(cases[i].prefix, cases[i].name);
                uint8_t header[TAR_BLOCK_BYTES], before[TAR_BLOCK_BYTES];
                char got[257];

                memset(header, 0xa5, sizeof(header));
                memcpy(before, header, sizeof(before));
                cr_assert_eq(tar_header(name, 0600, 0, 0, header), cases[i].r, "case %zu", i);
                if (cases[i].r < 0) {
                        cr_assert_arr_eq(header, before, sizeof(header), "case %zu wrote on failure", i);
                        continue;
                }
                (void) snprintf(got, sizeof(got), "%.155s%s%.100s", (char *) header + 345,
                                header[345] ? "/" : "", (char *) header);
                cr_assert_str_eq(got, name);
                cr_assert_eq(header[345] != 0, cases[i].split, "case %zu", i);
                assert_checksum(header);
        }
}

Test(tar, refused) {
        static const char *const names[] = { "", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", "./a",
                "a//b", "a/./b", "a//" };
        static const char *const fine[] = { "a", "...", ".hidden", "a..b/..c", "a/b/" };
        uint8_t header[TAR_BLOCK_BYTES];

        for (size_t i = 0; i < ELEMENTS(names); i++)
                cr_assert_eq(tar_header(names[i], 0600, 0, 0, header), -EINVAL, "\"%s\"", names[i]);
        for (size_t i = 0; i < ELEMENTS(fine); i++)
                cr_assert_eq(tar_header(fine[i], 0600, 0, 0, header), 0, "\"%s\"", fine[i]);
        cr_assert_eq(tar_header("folder/", 0700, 1, 0, header), -EINVAL);
        cr_assert_eq(tar_header("x", 010000, 0, 0, header), -EINVAL);
}

/* Sizes on both sides of the octal field's end, in sparse files: the readers find the entry behind them. */
Test(tar, large_entries_are_read) {
        static const uint64_t sizes[] = { 8 * GIB - 1, 8 * GIB, UINT64_C(1) << 40 };
        uint8_t header[TAR_BLOCK_BYTES];

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_close_ int fd = tool_file("large.tar");
                uint64_t end = TAR_BLOCK_BYTES + sizes[i] + tar_padding_bytes(sizes[i]);
                static const char *const commands[] = {
                        "tar tvf large.tar",
                        "bsdtar -tvf large.tar",
                        "7z l -ttar large.tar",
                        "python3 -c \"import tarfile\nfor m in tarfile.open(\\\"large.tar\\\"): "
                        "print(m.name, m.size)\"",
                };
                char size[24];

                cr_assert_eq(tar_header("large", 0600, sizes[i], 1700000000, header), 0);
                cr_assert_eq(pwrite(fd, header, sizeof(header), 0), sizeof(header));
                cr_assert_eq(tar_header("behind", 0600, 0, 1700000000, header), 0);
                cr_assert_eq(pwrite(fd, header, sizeof(header), (off_t) end), sizeof(header));
                cr_assert_eq(ftruncate(fd, (off_t) (end + sizeof(header) + TAR_END_BYTES)), 0, "%m");
                (void) snprintf(size, sizeof(size), " %" PRIu64 " ", sizes[i]);
                for (size_t k = 0; k < ELEMENTS(commands); k++) {
                        _cleanup_free_ char *out = tool_output("%s | tr \"\\n\" \" \"", commands[k]);

                        cr_assert_not_null(strstr(out, size), "%s:%s", commands[k], out);
                        cr_assert_not_null(strstr(out, "behind"), "%s:%s", commands[k], out);
                }
        }
}

typedef struct Piece {
        int fd;
        XzWriter *writer;
} Piece;

static Piece piece_start(void) {
        Piece p = { .fd = tool_file("piece.xz") };

        cr_assert_eq(xz_writer_new(p.fd, &(XzOptions){ .level = 1, .threads = 1, .block_bytes = 64 * KIB },
                                     &p.writer),
                        0);
        return p;
}

static void piece_add(Piece *p, const void *data, size_t bytes) {
        cr_assert_eq(xz_writer_write(p->writer, data, bytes), 0);
}

static void piece_header(Piece *p, const char *name, uint64_t size) {
        uint8_t header[TAR_BLOCK_BYTES];

        cr_assert_eq(tar_header(name, name[strlen(name) - 1] == '/' ? 0755 : 0644, size, 1700000000, header),
                        0);
        piece_add(p, header, sizeof(header));
}

static void piece_join(Piece *p, XzJoiner *j) {
        cr_assert_eq(xz_writer_finish(p->writer, NULL, NULL), 0);
        xz_writer_free(p->writer);
        cr_assert_eq(xz_joiner_add(j, p->fd), 0);
        safe_close(p->fd);
}

/* Lines like those of a log. What isn't compressed comes out in the folder "expected". */
static int log_segment(unsigned from, unsigned to) {
        _cleanup_fclose_ FILE *plain = fopen("expected/log/mmiotrace.log", "ae");
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        char line[64];
        int fd;

        cr_assert_not_null(plain);
        (void) snprintf(line, sizeof(line), "segment-%u.xz", from);
        fd = tool_file(line);
        cr_assert_eq(xz_writer_new(fd, &(XzOptions){ .level = 0, .threads = 2, .block_bytes = 256 * KIB },
                                     &w),
                        0);
        for (unsigned i = from; i < to; i++) {
                int n = snprintf(line, sizeof(line), "R 4 %u.%06u 1 0x%x 0x%x 0x0 0\n", i / 1000, i % 1000,
                                0xf7000000 + i % 77 * 4, i * 2654435761U);

                cr_assert_eq(xz_writer_write(w, line, (size_t) n), 0);
                cr_assert_eq(fwrite(line, 1, (size_t) n, plain), n);
        }
        cr_assert_eq(xz_writer_finish(w, NULL, NULL), 0);
        return fd;
}

/* The archive as it is built for real: a piece with headers and small files, the segments of the log as one
 * member, the same again with another log, a tail. Each program has to unpack the very same tree. */
Test(tar, joined_archive_is_read) {
        static const struct {
                const char *name, *command;
        } readers[] = {
                { "tar", "tar xJf ../a.tar.xz" },
                { "bsdtar", "bsdtar -xf ../a.tar.xz" },
                { "python r:xz", "python3 -c \"import tarfile; tarfile.open(\\\"../a.tar.xz\\\", "
                                 "\\\"r:xz\\\").extractall()\"" },
                { "python r|xz", "python3 -c \"import tarfile; tarfile.open(\\\"../a.tar.xz\\\", "
                                 "\\\"r|xz\\\").extractall()\"" },
                { "7z", "7z x -so ../a.tar.xz | 7z x -si -ttar" },
        };
        static const char *const lists[] = {
                "tar tJf a.tar.xz",
                "bsdtar -tf a.tar.xz",
                "python3 -c \"import tarfile; print(tarfile.open(\\\"a.tar.xz\\\", "
                "\\\"r|xz\\\").getnames())\"",
                "7z x -so a.tar.xz | 7z l -si -ttar",
        };
        static const char readme[] = "What this is.\n";
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL;
        _cleanup_close_ int out = tool_file("a.tar.xz"), first = -EBADF, second = -EBADF;
        _cleanup_free_ char *list = NULL;
        uint64_t first_bytes, second_bytes, total_bytes;
        Piece p;

        free(tool_output("mkdir -p expected/log expected/metadata && printf \"What this is.\\n\" > "
                         "expected/README"));
        first = log_segment(0, 30000);
        second = log_segment(30000, 50001);
        cr_assert_eq(xz_uncompressed_size(first, &first_bytes), 0);
        cr_assert_eq(xz_uncompressed_size(second, &second_bytes), 0);
        cr_assert_neq(tar_padding_bytes(first_bytes + second_bytes), 0,
                        "the log ends on a block: tests less");

        cr_assert_eq(xz_joiner_new(out, &j), 0);
        p = piece_start();
        piece_header(&p, "README", strlen(readme));
        piece_add(&p, readme, strlen(readme));
        piece_add(&p, tar_zeros, tar_padding_bytes(strlen(readme)));
        piece_header(&p, "log/", 0);
        piece_header(&p, "log/mmiotrace.log", first_bytes + second_bytes);
        piece_join(&p, j);
        cr_assert_eq(xz_joiner_add(j, first), 0);
        cr_assert_eq(xz_joiner_add(j, second), 0);
        p = piece_start();
        piece_add(&p, tar_zeros, tar_padding_bytes(first_bytes + second_bytes));
        piece_header(&p, "metadata/", 0);
        piece_header(&p, "metadata/second.log", second_bytes);
        piece_join(&p, j);
        cr_assert_eq(xz_joiner_add(j, second), 0);
        p = piece_start();
        piece_add(&p, tar_zeros, tar_padding_bytes(second_bytes));
        piece_add(&p, tar_zeros, TAR_END_BYTES);
        piece_join(&p, j);
        cr_assert_eq(xz_joiner_finish(j, &total_bytes, NULL), 0);
        cr_assert_eq(total_bytes % TAR_BLOCK_BYTES, 0);
        free(tool_output("xz -dc segment-30000.xz > expected/metadata/second.log"));

        list = tool_output("xz -t a.tar.xz && xz --robot -l a.tar.xz");
        cr_assert_not_null(strstr(list, "\nfile\t1\t"), "not one stream: %s", list);
        for (size_t i = 0; i < ELEMENTS(lists); i++) {
                _cleanup_free_ char *names = tool_output("%s", lists[i]);

                cr_assert_not_null(strstr(names, "log/mmiotrace.log"), "%s: %s", lists[i], names);
                cr_assert_not_null(strstr(names, "metadata/second.log"), "%s: %s", lists[i], names);
        }
        for (size_t i = 0; i < ELEMENTS(readers); i++) {
                _cleanup_free_ char *diff = tool_output(
                                "mkdir got%zu && cd got%zu && { %s; } >/dev/null && diff -r . ../expected",
                                i, i, readers[i].command);

                cr_assert_str_empty(diff, "%s: %s", readers[i].name, diff);
        }

        /* The owner and the time are what was asked for, whoever runs this. */
        free(list);
        list = tool_output("tar tvJf a.tar.xz --full-time --utc README");
        cr_assert_not_null(strstr(list, "-rw-r--r-- root/root"), "%s", list);
        cr_assert_not_null(strstr(list, "2023-11-14 22:13:20"), "%s", list);
}

static void assert_parsed(const char *name, unsigned mode, uint64_t size_bytes, uint64_t mtime_sec) {
        uint8_t header[TAR_BLOCK_BYTES];
        TarEntry entry;

        cr_assert_eq(tar_header(name, mode, size_bytes, mtime_sec, header), 0);
        cr_assert_eq(tar_header_parse(header, &entry), 1);
        cr_assert_str_eq(entry.name, name);
        cr_assert_eq(entry.size_bytes, size_bytes);
        cr_assert_eq(entry.mtime_sec, mtime_sec);
        cr_assert_eq(entry.folder, name[strlen(name) - 1] == '/');
}

Test(tar, parse) {
        char name[256];

        assert_parsed("metadata.json", 0644, 12345, 1795291200);
        assert_parsed("raw/", 0755, 0, 0);
        assert_parsed("mmiotrace.log", 0644, 8 * GIB - 1, 1);
        /* Too large for octal digits. */
        assert_parsed("mmiotrace.log", 0644, 8 * GIB, 1);
        assert_parsed("mmiotrace.log", 0644, UINT64_MAX, UINT64_C(1) << 40);
        /* Both parts of a name full. */
        memset(name, 'x', sizeof name);
        name[155] = '/';
        name[255] = 0;
        assert_parsed(name, 0644, 1, 1);
}

Test(tar, parse_of_others) {
        uint8_t header[TAR_BLOCK_BYTES] = {}, good[TAR_BLOCK_BYTES];
        TarEntry entry;

        cr_assert_eq(tar_header_parse(header, &entry), 0);
        cr_assert_eq(tar_header("metadata.json", 0644, 12345, 1, good), 0);
        /* A bit of every byte counts, but for those behind the digits of the checksum. */
        for (size_t i = 0; i < sizeof good; i++) {
                memcpy(header, good, sizeof header);
                header[i] ^= 1;
                if (i != 154 && i != 155)
                        cr_assert_eq(tar_header_parse(header, &entry), -EBADMSG, "byte %zu", i);
        }

        /* A link, and a name that leads out of the folder: with good checksums. */
        memcpy(header, good, sizeof header);
        header[156] = '2';
        (void) snprintf((char *) header + 148, 8, "%06o", checksum(header));
        header[155] = ' ';
        cr_assert_eq(tar_header_parse(header, &entry), -EBADMSG);
        memcpy(header, good, sizeof header);
        memcpy(header, "../x", 5);
        (void) snprintf((char *) header + 148, 8, "%06o", checksum(header));
        header[155] = ' ';
        cr_assert_eq(tar_header_parse(header, &entry), -EBADMSG);
}
