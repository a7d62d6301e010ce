/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive.h"
#include "tool.h"
#include "xz-files.h"

TestSuite(archive_files, .init = tool_init, .fini = test_done);

#define LOG_TEXT "VERSION 20070824\nR 4 1.000000 1 0xfe000000 0x1 0x0 0\n"
#define LARGE_BYTES (3 * MIB + 1000)

static const ArchiveMember members[] = {
        { "description.txt", "Words.\n", 7 },
        { "empty.txt", "", 0 },
};
static char segment[] = "a.log.xz";
static char *segments[] = { segment, NULL };

/* Pages are like this: much that repeats, and counters. */
static char *large_text(void) {
        char *text = malloc(LARGE_BYTES);

        cr_assert_not_null(text);
        for (size_t i = 0; i < LARGE_BYTES; i++)
                text[i] = (char) (i % 44 < 8 ? i / 44 >> (i % 44) : i % 44);
        return text;
}

static ArchiveRequest request(const ArchiveFile *files, size_t n_files) {
        return (ArchiveRequest) {
                .members = members,
                .n_members = ELEMENTS(members),
                .log_fd = test_dir(),
                .segments = segments,
                .files = files,
                .n_files = n_files,
                .level = 1,
                .mtime_sec = 1000000000,
        };
}

static void make_segment(void) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_close_ int fd = tool_file(segment);

        cr_assert_eq(xz_writer_new(fd, &(XzOptions) { .level = 1 }, &w), 0);
        cr_assert_eq(xz_writer_write(w, LOG_TEXT, strlen(LOG_TEXT)), 0);
        cr_assert_eq(xz_writer_finish(w, NULL, NULL), 0);
}

static void assert_output(const char *expected, const char *command) {
        _cleanup_free_ char *output = tool_output("%s", command);

        cr_expect_str_eq(output, expected, "%s: %s", command, output);
}

Test(archive_files, without_files) {
        const ArchiveRequest q = request(NULL, 0);
        uint64_t bytes, log_bytes;
        struct stat st;

        make_segment();
        cr_assert_eq(archive_write(test_dir(), "a.tar.xz", &q, &bytes, &log_bytes), 0);
        cr_assert_eq(stat("a.tar.xz", &st), 0);
        cr_expect_eq(bytes, st.st_size);
        cr_expect_eq(log_bytes, strlen(LOG_TEXT));
        assert_output("description.txt\nempty.txt\nmmiotrace.log\n", "tar -tJf a.tar.xz");
        assert_output(LOG_TEXT, "tar -xJOf a.tar.xz mmiotrace.log");
        assert_output("1\n", "xz --robot -l a.tar.xz | grep ^file | cut -f 2");
}

typedef struct Seen {
        uint64_t done_bytes, all_bytes;
        unsigned n;
} Seen;

static void on_progress(uint64_t done_bytes, uint64_t all_bytes, void *userdata) {
        Seen *seen = userdata;

        cr_assert_gt(done_bytes, seen->done_bytes);
        *seen = (Seen) { done_bytes, all_bytes, seen->n + 1 };
}

Test(archive_files, with_files) {
        static char names[][32] = { "raw/formats/header_page", "raw/cpu0.loss", "raw/cpu0-000000.raw", "raw/cpu0-000001.raw" };
        static char paths[][32] = { "header_page", "cpu0.loss", "cpu0-000000.raw", "cpu0-000001.raw" };
        _cleanup_free_ char *large = large_text();
        ArchiveFile files[ELEMENTS(names)];
        ArchiveRequest q = request(files, ELEMENTS(files));
        uint64_t bytes, log_bytes;
        struct stat st;
        Seen seen = {};

        make_segment();
        test_file("header_page", "a format\n", 9);
        test_file("cpu0.loss", "", 0);
        test_file("cpu0-000000.raw", large, LARGE_BYTES);
        /* A multiple of the tar's blocks has no padding. */
        test_file("cpu0-000001.raw", large, 4096);
        for (size_t i = 0; i < ELEMENTS(files); i++)
                files[i] = (ArchiveFile) { names[i], test_dir(), paths[i] };
        q.progress = on_progress;
        q.userdata = &seen;
        cr_assert_eq(archive_write(test_dir(), "a.tar.xz", &q, &bytes, &log_bytes), 0);
        cr_assert_eq(stat("a.tar.xz", &st), 0);
        cr_expect_eq(bytes, st.st_size);
        cr_expect_lt(bytes, LARGE_BYTES / 10);
        cr_expect_eq(log_bytes, strlen(LOG_TEXT));
        cr_expect_eq(seen.done_bytes, LARGE_BYTES + 9 + 4096);
        cr_expect_eq(seen.all_bytes, seen.done_bytes);
        cr_expect_gt(seen.n, 10);

        assert_output("description.txt\nempty.txt\nmmiotrace.log\nraw/formats/header_page\nraw/cpu0.loss\n"
                      "raw/cpu0-000000.raw\nraw/cpu0-000001.raw\n", "tar -tJf a.tar.xz");
        assert_output("", "mkdir out && tar -xJf a.tar.xz -C out && cmp out/raw/cpu0-000000.raw cpu0-000000.raw && "
                      "cmp out/raw/cpu0-000001.raw cpu0-000001.raw && cmp out/raw/formats/header_page header_page");
        assert_output(LOG_TEXT, "cat out/mmiotrace.log");
        /* One stream: readers that stop behind the first see all of it. */
        assert_output("1\n", "xz --robot -l a.tar.xz | grep ^file | cut -f 2");
        /* Nothing is left beside it, and the same again is the same. */
        assert_output("a.log.xz\na.tar.xz\ncpu0-000000.raw\ncpu0-000001.raw\ncpu0.loss\nheader_page\nout\n", "ls -A");
        seen = (Seen) {};
        cr_assert_eq(archive_write(test_dir(), "b.tar.xz", &q, &bytes, &log_bytes), 0);
        assert_output("", "cmp a.tar.xz b.tar.xz");

        /* And so it is if the disk was short of space meanwhile. */
        assert_output("", "xz -0 cpu0-000000.raw && xz -0 -k cpu0-000001.raw");
        seen = (Seen) {};
        cr_assert_eq(archive_write(test_dir(), "c.tar.xz", &q, &bytes, &log_bytes), 0);
        assert_output("", "cmp a.tar.xz c.tar.xz");
        cr_expect_eq(seen.all_bytes, LARGE_BYTES + 9 + 4096);
}

Test(archive_files, files_that_are_none) {
        static char name[] = "raw/cpu0-000000.raw", path[] = "cpu0-000000.raw";
        const ArchiveFile file = { name, test_dir(), path };
        const ArchiveRequest q = request(&file, 1);
        uint64_t bytes = 7, log_bytes = 7;

        make_segment();
        cr_expect_eq(archive_write(test_dir(), "a.tar.xz", &q, &bytes, &log_bytes), -ENOENT);
        cr_assert_eq(mkdir(path, 0700), 0);
        cr_expect_eq(archive_write(test_dir(), "a.tar.xz", &q, &bytes, &log_bytes), -EINVAL);
        cr_assert_eq(rmdir(path), 0);
        cr_assert_eq(mkfifo(path, 0600), 0);
        cr_expect_eq(archive_write(test_dir(), "a.tar.xz", &q, &bytes, &log_bytes), -EINVAL);
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(symlink("/etc/passwd", path), 0);
        cr_expect_eq(archive_write(test_dir(), "a.tar.xz", &q, &bytes, &log_bytes), -ELOOP);
        cr_expect_eq(bytes, 7);
        cr_expect_eq(log_bytes, 7);
        assert_output("a.log.xz\ncpu0-000000.raw\n", "ls -A");
}
