/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fake-tree.h"
#include "pstore.h"

TestSuite(pstore, .fini = test_done);

#define CRASH_SEC UINT64_C(1700000000)

static void record(const char *path, uint64_t time_sec, const char *text) {
        const struct timespec times[2] = { { .tv_sec = (time_t) time_sec }, { .tv_sec = (time_t) time_sec } };
        _cleanup_free_ char *full = NULL;

        (void) test_dir();
        full = below(test_dir_path, path);
        write_bytes(full, text, strlen(text));
        cr_assert_eq(utimensat(AT_FDCWD, full, times, 0), 0);
}

static int collect(char **ret) {
        _cleanup_free_ char *mounted = NULL, *kept = NULL;

        (void) test_dir();
        mounted = below(test_dir_path, "mounted");
        kept = below(test_dir_path, "kept");
        return pstore_collect((char *[]) { mounted, kept, NULL }, (CRASH_SEC - 60) * USEC_PER_SEC, (CRASH_SEC + 60) * USEC_PER_SEC, ret);
}

static void assert_collected(const char *expected) {
        _cleanup_free_ char *text = NULL, *plain = NULL;
        size_t bytes;
        FILE *f;

        cr_assert_eq(collect(&text), 0);
        /* Without the name of the folder, which is another one each time. */
        f = open_memstream(&plain, &bytes);
        for (const char *p = text; *p;) {
                const char *rest = startswith(p, test_dir_path);

                if (rest)
                        p = rest;
                else
                        fputc(*p++, f);
        }
        cr_assert_eq(fclose(f), 0);
        cr_assert_str_eq(plain, expected);
}

Test(pstore, none) {
        char *text = NULL;

        cr_assert_eq(collect(&text), -ENODATA);
        record("mounted/pmsg-ramoops-0", CRASH_SEC, "of programs\n");
        record("kept/other", CRASH_SEC, "not a record\n");
        cr_assert_eq(collect(&text), -ENODATA);
        cr_assert_null(text);
}

/* The last part was printed first. systemd keeps them in folders; what it has joined there is left out. */
Test(pstore, in_the_order_of_the_log) {
        record("kept/1700000000/1/dmesg-efi-170000000001001", CRASH_SEC, "Panic#2 Part1\n<6>[   41.3] end\n");
        record("kept/1700000000/1/dmesg-efi-170000000010001", CRASH_SEC, "Panic#2 Part10\n<6>[   41.1] begin\n");
        record("kept/1700000000/1/dmesg-efi-170000000002001", CRASH_SEC, "Panic#2 Part2\n<6>[   41.2] middle");
        record("kept/1700000000/1/dmesg.txt", CRASH_SEC, "all of it\n");
        record("mounted/dmesg-ramoops-0", CRASH_SEC, "Oops#1 Part1\n<6>[   40.0] before\n");
        record("mounted/console-ramoops-0", CRASH_SEC, "console\n");
        assert_collected("== /mounted/console-ramoops-0 ==\nconsole\n"
                         "== /mounted/dmesg-ramoops-0 ==\nOops#1 Part1\n<6>[   40.0] before\n"
                         "== /kept/1700000000/1/dmesg-efi-170000000010001 ==\nPanic#2 Part10\n<6>[   41.1] begin\n"
                         "== /kept/1700000000/1/dmesg-efi-170000000002001 ==\nPanic#2 Part2\n<6>[   41.2] middle\n"
                         "== /kept/1700000000/1/dmesg-efi-170000000001001 ==\nPanic#2 Part1\n<6>[   41.3] end\n");
}

Test(pstore, of_another_boot) {
        record("mounted/dmesg-a", CRASH_SEC - 3600, "Panic#1 Part1\nlong ago\n");
        record("mounted/dmesg-b", CRASH_SEC, "Panic#1 Part1\nthis one\n");
        record("mounted/dmesg-c", CRASH_SEC + 3600, "Panic#1 Part1\nlater\n");
        assert_collected("== /mounted/dmesg-b ==\nPanic#1 Part1\nthis one\n");
}

Test(pstore, text_is_made_harmless) {
        _cleanup_free_ char *secret = NULL, *link = NULL;

        record("mounted/dmesg-a", CRASH_SEC, "Panic#1 Part1\n<6>[   41.2] \x1b[31mred\n\nend");
        record("secret/dmesg-file", CRASH_SEC, "not to be read\n");
        secret = below(test_dir_path, "secret/dmesg-file");
        link = below(test_dir_path, "mounted/dmesg-link");
        cr_assert_eq(symlink(secret, link), 0);
        assert_collected("== /mounted/dmesg-a ==\nPanic#1 Part1\n<6>[   41.2] \\x1b[31mred\n\nend\n");
}
