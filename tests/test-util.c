/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "error.h"
#include "test-util.h"

TestSuite(util, .fini = test_done);
TestSuite(error, .fini = test_done);

Test(util, parse_u64) {
        static const struct {
                const char *s;
                int r;
                uint64_t v;
        } table[] = {
                { "0", 0, 0 },
                { "42", 0, 42 },
                { "0100", 0, 100 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "0x0", 0, 0 },
                { "0xfeb80000", 0, 0xfeb80000 },
                { "0XFEB", 0, 0xfeb },
                { "0xffffffffffffffff", 0, UINT64_MAX },
                { "18446744073709551616", -ERANGE, 0 },
                { "0x10000000000000000", -ERANGE, 0 },
                { "99999999999999999999999", -ERANGE, 0 },
                { NULL, -EINVAL, 0 },
                { "", -EINVAL, 0 },
                { " 1", -EINVAL, 0 },
                { "1 ", -EINVAL, 0 },
                { "1\n", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "+1", -EINVAL, 0 },
                { "-0", -EINVAL, 0 },
                { "0x", -EINVAL, 0 },
                { "0x-1", -EINVAL, 0 },
                { "0x 1", -EINVAL, 0 },
                { "0xg", -EINVAL, 0 },
                { "x1", -EINVAL, 0 },
                { "feb8", -EINVAL, 0 },
                { "12a", -EINVAL, 0 },
                { "1.5", -EINVAL, 0 },
                { "1K", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                uint64_t v = 4711;

                cr_expect_eq(parse_u64(table[i].s, &v), table[i].r, "\"%s\"", table[i].s ?: "NULL");
                cr_expect_eq(v, table[i].r < 0 ? 4711 : table[i].v, "\"%s\": %" PRIu64, table[i].s ?: "NULL",
                                v);
        }
}

Test(util, parse_size) {
        static const struct {
                const char *s;
                int r;
                uint64_t bytes;
        } table[] = {
                { "0", 0, 0 },
                { "4096", 0, 4096 },
                { "4096B", 0, 4096 },
                { "512K", 0, 524288 },
                { "512k", 0, 524288 },
                { "512KB", 0, 524288 },
                { "512KiB", 0, 524288 },
                { "64M", 0, 67108864 },
                { "1G", 0, 1073741824 },
                { "1GiB", 0, 1073741824 },
                { "3T", 0, UINT64_C(3) << 40 },
                { "5P", 0, UINT64_C(5) << 50 },
                { "0G", 0, 0 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "18014398509481983K", 0, UINT64_C(18014398509481983) << 10 },
                { "17179869183G", 0, UINT64_C(17179869183) << 30 },
                { "16383P", 0, UINT64_C(16383) << 50 },
                { "18446744073709551616", -ERANGE, 0 },
                { "18014398509481984K", -ERANGE, 0 },
                { "17179869184G", -ERANGE, 0 },
                { "16384P", -ERANGE, 0 },
                { "18446744073709551615P", -ERANGE, 0 },
                { NULL, -EINVAL, 0 },
                { "", -EINVAL, 0 },
                { "M", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "+1M", -EINVAL, 0 },
                { " 1M", -EINVAL, 0 },
                { "1 M", -EINVAL, 0 },
                { "1M ", -EINVAL, 0 },
                { "1MM", -EINVAL, 0 },
                { "1m", -EINVAL, 0 },
                { "1E", -EINVAL, 0 },
                { "1iB", -EINVAL, 0 },
                { "1BB", -EINVAL, 0 },
                { "1MBi", -EINVAL, 0 },
                { "1MiBB", -EINVAL, 0 },
                { "1Mib", -EINVAL, 0 },
                { "0x10", -EINVAL, 0 },
                { "1.5M", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                uint64_t bytes = 4711;

                cr_expect_eq(parse_size(table[i].s, &bytes), table[i].r, "\"%s\"", table[i].s ?: "NULL");
                cr_expect_eq(bytes, table[i].r < 0 ? 4711 : table[i].bytes, "\"%s\": %" PRIu64,
                                table[i].s ?: "NULL", bytes);
        }
}

Test(util, parse_span) {
        static const struct {
                const char *s;
                int r;
                uint64_t usec;
        } table[] = {
                { "0", 0, 0 },
                { "1", 0, 1000000 },
                { "1s", 0, 1000000 },
                { "2sec", 0, 2000000 },
                { "500ms", 0, 500000 },
                { "7us", 0, 7 },
                { "3m", 0, 180000000 },
                { "3min", 0, 180000000 },
                { "2h", 0, UINT64_C(7200000000) },
                { "1d", 0, UINT64_C(86400000000) },
                { "1min 30s", 0, 90000000 },
                { "1min30s", 0, 90000000 },
                { "1s 1", 0, 2000000 },
                { "18446744073709551615us", 0, UINT64_MAX },
                { "18446744073709551616us", -ERANGE, 0 },
                { "18446744073709551615us 1us", -ERANGE, 0 },
                { "18446744073709552s", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { NULL, -EINVAL, 0 },
                { " 1s", -EINVAL, 0 },
                { "1s ", -EINVAL, 0 },
                { "1  s", -EINVAL, 0 },
                { "s", -EINVAL, 0 },
                { "-1s", -EINVAL, 0 },
                { "+1s", -EINVAL, 0 },
                { "1.5s", -EINVAL, 0 },
                { "1S", -EINVAL, 0 },
                { "1 year", -EINVAL, 0 },
                { "1s\n", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                uint64_t usec = 4711;

                cr_expect_eq(parse_span(table[i].s, &usec), table[i].r, "\"%s\"", table[i].s ?: "NULL");
                cr_expect_eq(usec, table[i].r < 0 ? 4711 : table[i].usec, "\"%s\": %" PRIu64, table[i].s ?: "NULL", usec);
        }
}

Test(util, text_is_clean) {
        static const struct {
                const char *s;
                bool clean;
        } table[] = {
                { "", true },
                { "plain text, ~!@#$%^&*()", true },
                { "gr\xc3\xbc\xc3\x9f", true },
                { "\xe2\x82\xac and \xf0\x9f\x98\x80", true },
                { "\xc2\xa0", true },         /* U+00A0, the first behind C1 */
                { "\xdf\xbf", true },         /* U+07FF */
                { "\xe0\xa0\x80", true },     /* U+0800 */
                { "\xed\x9f\xbf", true },     /* U+D7FF */
                { "\xee\x80\x80", true },     /* U+E000 */
                { "\xef\xbf\xbf", true },     /* U+FFFF */
                { "\xf0\x90\x80\x80", true }, /* U+10000 */
                { "\xf4\x8f\xbf\xbf", true }, /* U+10FFFF */
                { "\xe2\x80\xa7", true },     /* U+2027 and */
                { "\xe2\x80\xaf", true },     /* U+202F, beside those refused */
                { "\xe2\x81\xa5", true },     /* U+2065 and */
                { "\xe2\x81\xaa", true },     /* U+206A likewise */
                { "\x01", false },
                { "a\x1b[31mred", false },
                { "a\rb", false },
                { "a\x1f", false },
                { "a\x7f", false },
                { "\xc2\x80", false }, /* C1 */
                { "\xc2\x85", false },
                { "\xc2\x9b", false },
                { "\xc2\x9f", false },
                { "\x80", false },
                { "\xbf", false },
                { "a\xc3", false },
                { "\xc3" "a", false },
                { "\xe2\x82", false },
                { "\xe2\x82" "a", false },
                { "\xf0\x9f\x98", false },
                { "\xff", false },
                { "\xfe", false },
                { "\xf8\x88\x80\x80\x80", false },
                { "\xc0\x80", false }, /* overlong NUL */
                { "\xc0\xaf", false }, /* overlong slash */
                { "\xc1\xbf", false },
                { "\xe0\x80\xaf", false },
                { "\xe0\x9f\xbf", false },
                { "\xf0\x80\x80\xaf", false },
                { "\xf0\x8f\xbf\xbf", false },
                { "\xed\xa0\x80", false }, /* surrogates */
                { "\xed\xbf\xbf", false },
                { "\xed\xa0\xbd\xed\xb8\x80", false },
                { "\xf4\x90\x80\x80", false }, /* U+110000 */
                { "\xf7\xbf\xbf\xbf", false },
                { "\xe2\x80\xa8", false }, /* separators of lines and paragraphs */
                { "\xe2\x80\xa9", false },
                { "\xe2\x80\xaa", false }, /* bidi embeddings and overrides */
                { "\xe2\x80\xab", false },
                { "\xe2\x80\xac", false },
                { "\xe2\x80\xad", false },
                { "abc\xe2\x80\xae" "def", false },
                { "\xe2\x81\xa6", false }, /* bidi isolates */
                { "\xe2\x81\xa7", false },
                { "\xe2\x81\xa8", false },
                { "\xe2\x81\xa9", false },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                /* In a block that ends behind the NUL, for a sequence cut by it. */
                _cleanup_free_ char *exact = strdup(table[i].s);

                cr_assert_not_null(exact);
                cr_expect_eq(text_is_clean(exact, false), table[i].clean, "row %zu", i);
                cr_expect_eq(text_is_clean(exact, true), table[i].clean, "row %zu, newlines allowed", i);
        }

        cr_expect(text_is_clean("two\nlines\tand a tab\n", true));
        cr_expect_not(text_is_clean("two\nlines", false));
        cr_expect_not(text_is_clean("a\ttab", false));
        cr_expect_not(text_is_clean("a\r\nreturn", true));
        cr_expect_not(text_is_clean("a\vb", true));
}

Test(util, text_refuses_every_control) {
        for (unsigned c = 1; c < 0x20; c++) {
                const char s[] = { 'a', (char) c, 'b', 0 };

                cr_expect_not(text_is_clean(s, false), "%u", c);
                cr_expect_eq(text_is_clean(s, true), c == '\n' || c == '\t', "%u", c);
        }
        for (unsigned c = 0x80; c < 0xa0; c++) {
                const char s[] = { 'a', '\xc2', (char) c, 'b', 0 };

                cr_expect_not(text_is_clean(s, true), "%u", c);
        }
}

Test(util, cpu_set_parse) {
        static const struct {
                const char *s;
                unsigned n, cpus[12];
        } table[] = {
                { "", 0, {} },
                { "\n", 0, {} },
                { "0", 1, { 0 } },
                { "0\n", 1, { 0 } },
                { "0-3,7", 5, { 0, 1, 2, 3, 7 } },
                { "0-3,7\n", 5, { 0, 1, 2, 3, 7 } },
                { "5-5", 1, { 5 } },
                { "7,1,1-2", 3, { 1, 2, 7 } },
                { "62-65,128", 5, { 62, 63, 64, 65, 128 } },
                { "8191", 1, { 8191 } },
        };
        CpuSet all;

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                CpuSet set;

                memset(&set, 0xff, sizeof set);
                cr_assert_eq(cpu_set_parse(table[i].s, &set), 0, "\"%s\"", table[i].s);
                cr_expect_eq(cpu_set_count(&set), table[i].n, "\"%s\"", table[i].s);
                for (unsigned j = 0; j < table[i].n; j++)
                        cr_expect(cpu_set_has(&set, table[i].cpus[j]), "\"%s\" has no %u", table[i].s,
                                        table[i].cpus[j]);
        }

        cr_assert_eq(cpu_set_parse("0-8191", &all), 0);
        cr_assert_eq(cpu_set_count(&all), CPUS_MAX);
        cr_assert_not(cpu_set_has(&all, CPUS_MAX));
        cr_assert_not(cpu_set_has(&all, UINT_MAX));
}

Test(util, cpu_set_parse_refusals) {
        static const char *const table[] = {
                "x", "-", "-1", "1-", "1-x", "3-1", "1--2", "1-2-3", ",", ",1", "1,", "1,,2", "1, 2", " 1",
                "1 ", "+1", "0x1", "1-+2", "1- 2", "1;2", "8192", "0-8192", "18446744073709551616",
                "1-18446744073709551616", "1,\n", "1\n2", "1\n\n",
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                CpuSet set = { .bits = { 4711 } };

                cr_expect_eq(cpu_set_parse(table[i], &set), -EINVAL, "\"%s\" was taken", table[i]);
                cr_expect_eq(set.bits[0], 4711, "\"%s\" left something", table[i]);
        }
}

static void assert_content(const char *name, const char *expected, size_t bytes) {
        _cleanup_free_ char *content = NULL;
        size_t n;

        cr_assert_eq(read_file_at(test_dir(), name, 4096, &content, &n), 0);
        cr_assert_eq(n, bytes);
        cr_assert_eq(memcmp(content, expected, bytes), 0);
}

static void assert_missing(const char *name) {
        cr_assert(faccessat(test_dir(), name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT,
                        "there is a %s", name);
}

static mode_t mode_of(const char *name) {
        struct stat st;

        cr_assert_eq(fstatat(test_dir(), name, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_mode;
}

Test(util, write_file_atomic) {
        struct stat before, after;

        (void) umask(0);
        cr_assert_eq(write_file_atomic_at(test_dir(), "file", "first", 5), 0);
        assert_content("file", "first", 5);
        cr_assert_eq(mode_of("file"), S_IFREG | 0600);
        assert_missing(".#file");

        cr_assert_eq(fstatat(test_dir(), "file", &before, 0), 0);
        cr_assert_eq(fchmodat(test_dir(), "file", 0644, 0), 0);
        cr_assert_eq(write_file_atomic_at(test_dir(), "file", "a\0b", 3), 0);
        assert_content("file", "a\0b", 3);
        cr_assert_eq(mode_of("file"), S_IFREG | 0600);
        assert_missing(".#file");
        /* A reader of the old file keeps it. */
        cr_assert_eq(fstatat(test_dir(), "file", &after, 0), 0);
        cr_assert_neq(before.st_ino, after.st_ino);

        cr_assert_eq(write_file_atomic_at(test_dir(), "file", "", 0), 0);
        assert_content("file", "", 0);
}

Test(util, exchange_file) {
        struct stat before, after;

        /* The first one has nothing to be exchanged with. */
        cr_assert_eq(exchange_file_at(test_dir(), "file", "first", 5), 0);
        assert_content("file", "first", 5);
        cr_assert_eq(mode_of("file"), S_IFREG | 0600);
        assert_missing(".#file");

        cr_assert_eq(fstatat(test_dir(), "file", &before, 0), 0);
        cr_assert_eq(exchange_file_at(test_dir(), "file", "2nd", 3), 0);
        assert_content("file", "2nd", 3);
        assert_missing(".#file");
        cr_assert_eq(fstatat(test_dir(), "file", &after, 0), 0);
        cr_assert_neq(before.st_ino, after.st_ino);
}

Test(util, write_file_atomic_does_not_follow) {
        test_file("victim", "mine", 4);
        cr_assert_eq(symlinkat("victim", test_dir(), ".#file"), 0);
        cr_assert_eq(symlinkat("victim", test_dir(), "file"), 0);
        cr_assert_eq(write_file_atomic_at(test_dir(), "file", "new", 3), 0);
        assert_content("victim", "mine", 4);
        assert_content("file", "new", 3);
        cr_assert_eq(mode_of("file"), S_IFREG | 0600);
        assert_missing(".#file");
}

Test(util, write_file_atomic_leftover) {
        test_file(".#file", "the longer half of an older one", 31);
        cr_assert_eq(fchmodat(test_dir(), ".#file", 0666, 0), 0);
        cr_assert_eq(write_file_atomic_at(test_dir(), "file", "new", 3), 0);
        assert_content("file", "new", 3);
        cr_assert_eq(mode_of("file"), S_IFREG | 0600);
        assert_missing(".#file");
}

Test(util, write_file_atomic_failures) {
        static const struct rlimit two_bytes = { 2, 2 };
        char name[NAME_MAX + 1] = "";

        memset(name, 'n', NAME_MAX - 1);
        cr_assert_eq(write_file_atomic_at(test_dir(), name, "x", 1), -ENAMETOOLONG);
        name[NAME_MAX - 2] = 0;
        cr_assert_eq(write_file_atomic_at(test_dir(), name, "x", 1), 0);
        cr_assert_eq(write_file_atomic_at(-EBADF, "file", "x", 1), -EBADF);

        /* The old content stays where the new one cannot take its place, and nothing is left lying about. */
        cr_assert_eq(mkdirat(test_dir(), "folder", 0700), 0);
        cr_assert_eq(write_file_atomic_at(test_dir(), "folder", "x", 1), -EISDIR);
        assert_missing(".#folder");
        test_file("file", "old", 3);
        cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &two_bytes), 0);
        cr_assert_eq(write_file_atomic_at(test_dir(), "file", "newer", 5), -EFBIG);
        assert_content("file", "old", 3);
        assert_missing(".#file");
}

Test(util, read_file_limit) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 8191, 8192, 8193, 100000 };
        _cleanup_free_ char *data = malloc(100000);

        cr_assert_not_null(data);
        for (size_t i = 0; i < 100000; i++)
                data[i] = (char) (i * 31 >> 3);
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_free_ char *content = NULL, *unsized = NULL;
                char *none = NULL;
                size_t bytes = 4711;

                test_file("file", data, sizes[i]);
                if (sizes[i] > 0) {
                        cr_assert_eq(read_file_at(test_dir(), "file", sizes[i] - 1, &none, &bytes), -EFBIG);
                        cr_assert_null(none);
                        cr_assert_eq(bytes, 4711);
                }
                cr_assert_eq(read_file_at(test_dir(), "file", sizes[i], &content, &bytes), 0);
                cr_assert_eq(bytes, sizes[i]);
                cr_assert_eq(memcmp(content, data, bytes), 0);
                cr_assert_eq(content[bytes], 0);
                cr_assert_eq(read_file_at(test_dir(), "file", SIZE_MAX, &unsized, NULL), 0);
                cr_assert_eq(memcmp(unsized, data, sizes[i]), 0);
        }
}

Test(util, read_file_failures_and_procfs) {
        _cleanup_free_ char *content = NULL;
        char *none = NULL;
        size_t bytes;

        cr_assert_eq(read_file_at(test_dir(), "missing", 10, &none, NULL), -ENOENT);
        cr_assert_eq(read_file_at(test_dir(), ".", 10, &none, NULL), -EISDIR);
        cr_assert_eq(read_file_at(-EBADF, "relative", 10, &none, NULL), -EBADF);
        cr_assert_null(none);
        /* Its size reads as 0. */
        cr_assert_eq(read_file_at(-EBADF, "/proc/self/stat", 4096, &content, &bytes), 0);
        cr_assert_gt(bytes, 20);
        cr_assert_eq(content[bytes - 1], '\n');
}

Test(util, read_line) {
        static const struct {
                const char *content, *line;
        } table[] = {
                { "", "" }, { "\n", "" }, { "mono\n", "mono" }, { "mono", "mono" }, { "one\ntwo\n", "one" },
                { "\ntwo", "" },
        };
        char *none = NULL;

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_free_ char *line = NULL;

                test_file("file", table[i].content, strlen(table[i].content));
                cr_assert_eq(read_line_at(test_dir(), "file", &line), 0);
                cr_expect_str_eq(line, table[i].line);
        }
        cr_assert_eq(read_line_at(test_dir(), "missing", &none), -ENOENT);
        cr_assert_null(none);
}

Test(util, write_control) {
        static const struct rlimit six_bytes = { 6, 6 };

        test_file("control", "0123456789", 10);
        cr_assert_eq(write_control_at(test_dir(), "control", "nop"), 0);
        /* Not truncated: with O_TRUNC, kprobe_events loses everybody's probes. */
        assert_content("control", "nop3456789", 10);
        cr_assert_eq(write_control_at(test_dir(), "control", ""), 0);
        assert_content("control", "nop3456789", 10);

        cr_assert_eq(write_control_at(test_dir(), "missing", "1"), -ENOENT);
        assert_missing("missing");
        cr_assert_eq(write_control_at(test_dir(), ".", "1"), -EISDIR);
        cr_assert_eq(write_control_at(-EBADF, "/dev/full", "1"), -ENOSPC);

        /* A part is not enough. */
        cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &six_bytes), 0);
        test_file("short", "", 0);
        cr_assert_eq(write_control_at(test_dir(), "short", "mmiotrace"), -EIO);
        assert_content("short", "mmiotr", 6);
}

Test(util, write_all) {
        _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        static const struct rlimit six_bytes = { 6, 6 };
        _cleanup_close_ int fd = openat(test_dir(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        cr_assert_eq(write_all(full, "", 0), 0);
        cr_assert_eq(write_all(full, "x", 1), -ENOSPC);
        cr_assert_eq(write_all(-EBADF, "x", 1), -EBADF);

        /* Goes on behind a short write, to find out why it was short. */
        cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &six_bytes), 0);
        cr_assert_eq(write_all(fd, "0123456789", 10), -EFBIG);
        assert_content("file", "012345", 6);
}

static void ignore_signal(int number) {
}

/* A pipe that is read slowly, and a timer: writes end early, with a part or with EINTR. */
Test(util, write_all_interrupted) {
        const struct sigaction action = { .sa_handler = ignore_signal };
        const struct itimerval every_msec = { { .tv_usec = 1000 }, { .tv_usec = 1000 } };
        _cleanup_free_ uint8_t *data = malloc(MIB);
        int fds[2], status;
        pid_t reader;

        cr_assert_not_null(data);
        for (size_t i = 0; i < MIB; i++)
                data[i] = (uint8_t) (i ^ i >> 8 ^ i >> 16);
        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        reader = fork();
        cr_assert_geq(reader, 0);
        if (reader == 0) {
                uint8_t part[40000];
                size_t n = 0;
                ssize_t l;

                (void) close(fds[1]);
                while ((l = read(fds[0], part, sizeof part)) > 0) {
                        if (n + (size_t) l > MIB || memcmp(part, data + n, (size_t) l) != 0)
                                _exit(1);
                        n += (size_t) l;
                        (void) usleep(3000);
                }
                _exit(n == MIB ? 0 : 2);
        }
        (void) close(fds[0]);
        cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
        cr_assert_eq(setitimer(ITIMER_REAL, &every_msec, NULL), 0);
        cr_expect_eq(write_all(fds[1], data, MIB), 0);
        cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval) {}, NULL), 0);
        (void) close(fds[1]);
        cr_assert_eq(waitpid(reader, &status, 0), reader);
        cr_assert(WIFEXITED(status));
        cr_assert_eq(WEXITSTATUS(status), 0, "the reader ended with %d", WEXITSTATUS(status));
}

Test(util, strv) {
        _cleanup_strv_ char **l = NULL;
        char text[] = "first";
        size_t n = 0;

        cr_assert_eq(strv_length(NULL), 0);
        cr_assert_not(strv_contains(NULL, "first"));
        strv_free(NULL);

        cr_assert_eq(strv_extend(&l, text), 0);
        text[0] = '?';
        cr_assert_eq(strv_extend(&l, ""), 0);
        cr_assert_eq(strv_extendf(&l, "cpu%u-%06u.raw", 3U, 17U), 0);
        cr_assert_eq(strv_length(l), 3);
        cr_assert_str_eq(l[0], "first");
        cr_assert_str_eq(l[1], "");
        cr_assert_str_eq(l[2], "cpu3-000017.raw");
        cr_assert_null(l[3]);
        cr_assert(strv_contains(l, "first"));
        cr_assert(strv_contains(l, ""));
        cr_assert_not(strv_contains(l, "firs"));
        cr_assert_not(strv_contains(l, "firsts"));
        STRV_FOREACH(s, l)
                n += strlen(*s);
        cr_assert_eq(n, 20);
}

Test(util, format_bytes) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } table[] = {
                { 0, "0B" },
                { 1, "1B" },
                { 1023, "1023B" },
                { 1024, "1.0K" },
                { 1536, "1.5K" },
                { 10240, "10.0K" },
                { 1047552, "1023.0K" },
                { 1048576, "1.0M" },
                { 1572864, "1.5M" },
                { 1073741824, "1.0G" },
                { UINT64_C(1) << 40, "1.0T" },
                { UINT64_C(1) << 50, "1.0P" },
                { UINT64_C(1) << 60, "1.0E" },
                { UINT64_MAX, "16.0E" },
        };
        char small[4];

        for (size_t i = 0; i < ELEMENTS(table); i++)
                cr_expect_str_eq(FORMAT_BYTES(table[i].bytes), table[i].text, "%s instead of %s",
                                FORMAT_BYTES(table[i].bytes), table[i].text);
        cr_assert_eq(format_bytes(1047552, small, sizeof small), small);
        cr_assert_str_eq(small, "102");
}

Test(util, clocks) {
        uint64_t monotonic_usec = now_monotonic_usec(), realtime_usec = now_realtime_usec();

        cr_assert_gt(monotonic_usec, 0);
        /* 2020 to 2200: seconds, milliseconds or nanoseconds would be far off. */
        cr_assert_gt(realtime_usec, UINT64_C(1577836800) * USEC_PER_SEC);
        cr_assert_lt(realtime_usec, UINT64_C(7258118400) * USEC_PER_SEC);
        (void) usleep(2000);
        cr_assert_geq(now_monotonic_usec(), monotonic_usec + 2000);
        cr_assert_lt(now_monotonic_usec(), monotonic_usec + 600 * USEC_PER_SEC);
}

Test(util, small_things) {
        _cleanup_free_ char *p = strdup("x");
        char *q = p, *taken;
        int fd = 5;

        taken = TAKE_PTR(p);
        cr_assert(taken == q && !p);
        p = taken;
        cr_assert_eq(TAKE_FD(fd), 5);
        cr_assert_eq(fd, -EBADF);
        errno = ENOTTY;
        cr_assert_eq(safe_close(1 << 20), -EBADF);
        cr_assert_eq(errno, ENOTTY);
        cr_assert(streq_ptr(NULL, NULL) && streq_ptr("a", "a"));
        cr_assert_not(streq_ptr(NULL, "") || streq_ptr("", NULL) || streq_ptr("a", "b"));
        cr_assert(isempty(NULL) && isempty("") && !isempty(" "));
        cr_assert_str_eq(strempty(NULL), "");
        cr_assert_str_eq(startswith("mmiotrace", "mmio"), "trace");
        cr_assert_str_eq(startswith("mmio", "mmio"), "");
        cr_assert_null(startswith("mmi", "mmio"));
        cr_assert_eq(MIN(3, 4), 3);
        cr_assert_eq(MAX(3, 4), 4);
}

Test(error, first_one_wins) {
        _cleanup_error_ Error error = {};

        cr_assert_eq(error_set(&error, ERROR_TRACER_BUSY, "%s is in use by %d", "tracer", 7), -EBUSY);
        cr_assert_eq(error.code, ERROR_TRACER_BUSY);
        cr_assert_str_eq(error.text, "tracer is in use by 7");

        cr_assert_eq(error_set(&error, ERROR_NO_SPACE, "later"), -ENOSPC);
        cr_assert_eq(error_set_errno(&error, ERROR_KERNEL, -EPERM, "later"), -EPERM);
        cr_assert_eq(error.code, ERROR_TRACER_BUSY);
        cr_assert_str_eq(error.text, "tracer is in use by 7");

        error_done(&error);
        cr_assert_eq(error.code, ERROR_NONE);
        cr_assert_null(error.text);
        cr_assert_eq(error_set(&error, ERROR_NO_SPACE, "again"), -ENOSPC);
        cr_assert_eq(error.code, ERROR_NO_SPACE);
        cr_assert_str_eq(error.text, "again");
}

Test(error, of_a_system_call) {
        _cleanup_error_ Error error = {}, odd = {};

        cr_assert_eq(error_set_errno(&error, ERROR_KERNEL, -EACCES, "cannot open %s", "trace_pipe"),
                        -EACCES);
        cr_assert_eq(error.code, ERROR_KERNEL);
        cr_assert_str_eq(error.text, "cannot open trace_pipe: Permission denied");
        /* A number without a description. */
        cr_assert_eq(error_set_errno(&odd, ERROR_KERNEL, -4000, "odd"), -4000);
        cr_assert_str_eq(odd.text, "odd");
}

Test(error, nobody_asks) {
        cr_assert_eq(error_set(NULL, ERROR_NO_SPACE, "%d", 1), -ENOSPC);
        cr_assert_eq(error_set_errno(NULL, ERROR_KERNEL, -EPERM, "%d", 1), -EPERM);
}

Test(error, table) {
        for (ErrorCode i = ERROR_NONE + 1; i < _ERROR_CODE_MAX; i++) {
                const char *name = error_name(i);

                cr_assert_not_null(name, "code %u has no name", i);
                cr_assert_gt(error_to_errno(i), 0, "%s", name);
                cr_assert_eq(error_from_name(name), i, "%s is there twice", name);
                /* The last part of a D-Bus name. */
                cr_assert(*name >= 'A' && *name <= 'Z', "%s", name);
                for (const char *p = name; *p; p++)
                        cr_assert((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z', "%s", name);
        }
        cr_assert_null(error_name(ERROR_NONE));
        cr_assert_null(error_name(_ERROR_CODE_MAX));
        cr_assert_eq(error_from_name("NoSuchName"), ERROR_FAILED);
        cr_assert_eq(error_from_name(""), ERROR_FAILED);
        cr_assert_gt(error_to_errno(_ERROR_CODE_MAX), 0);
}
