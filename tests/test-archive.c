/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive.h"
#include "log-writer.h"
#include "tool.h"

TestSuite(archive, .init = tool_init, .fini = test_done, .timeout = 60);

#define START_SEC 1795291200

static const ArchiveMember members[] = {
        { "description.txt", "What it is for.\n", 16 },
        { "metadata.json", "{}\n", 3 },
        { "empty.txt", "", 0 },
};

/* A log of that many lines in segments of at most 300 KiB, and the same in the file "expected". */
static char **make_log(unsigned n_lines) {
        _cleanup_(log_writer_freep) LogWriter *w = NULL;
        _cleanup_fclose_ FILE *expected = fopen("expected", "we");
        const LogWriterOptions options = {
                .threads = 1,
                .memory_max_bytes = 64 * MIB,
                .segment_max_bytes = 300 * KIB,
        };
        char **segments;
        uint64_t bytes;

        cr_assert_eq(log_writer_new(test_dir(), &options, &w), 0);
        for (unsigned i = 0; i < n_lines; i++) {
                char line[64];
                int l = snprintf(line, sizeof line, "R 4 %u.000000 1 0xfebd0000 0x%x 0x0 0\n", i, i);

                cr_assert_eq(log_writer_text(w, line, (size_t) l), 0);
                cr_assert_eq(fwrite(line, 1, (size_t) l, expected), (size_t) l);
        }
        cr_assert_eq(log_writer_finish(w, &segments, &bytes), 0);
        return segments;
}

static int write_archive(char *const *segments, uint64_t *ret_bytes, uint64_t *ret_log_bytes) {
        return archive_write(test_dir(), "a.tar.xz",
                        &(ArchiveRequest) {
                                .members = members,
                                .n_members = ELEMENTS(members),
                                .log_fd = test_dir(),
                                .segments = segments,
                                .level = 6,
                                .mtime_sec = START_SEC,
                        },
                        ret_bytes, ret_log_bytes);
}

static void assert_archive(unsigned n_lines) {
        _cleanup_strv_ char **segments = make_log(n_lines);
        _cleanup_free_ char *names = NULL, *list = NULL, *details = NULL;
        uint64_t bytes, log_bytes;
        struct stat st, log_st;

        cr_assert_eq(write_archive(segments, &bytes, &log_bytes),
                        0);
        cr_assert_eq(stat("a.tar.xz", &st), 0);
        cr_assert_eq(stat("expected", &log_st), 0);
        cr_assert_eq(bytes, st.st_size);
        cr_assert_eq(log_bytes, log_st.st_size);
        cr_assert_eq(st.st_mode & 07777, 0600);
        cr_assert_lt(access(".#a.tar.xz", F_OK), 0);

        names = tool_output("tar -tf a.tar.xz");
        cr_assert_str_eq(names, "description.txt\nmetadata.json\nempty.txt\nmmiotrace.log\n");
        details = tool_output("TZ=UTC tar --numeric-owner --full-time -tvf a.tar.xz mmiotrace.log");
        cr_assert(startswith(details, "-rw-r--r-- 0/0 ") && strstr(details,
                        " 2026-11-21 20:00:00 mmiotrace.log"), "%s",
                        details);
        free(tool_output("mkdir out && tar -xf a.tar.xz -C out && cmp out/mmiotrace.log expected && "
                         "grep -qx \"What it is for.\" out/description.txt && test ! -s out/empty.txt"));

        /* One stream, which readers that stop after the first one need; and no more than a whole tar. */
        list = tool_output("xz -t a.tar.xz && xz --robot -l a.tar.xz");
        cr_assert(strstr(list, "\nfile\t1\t"), "%s", list);
        free(tool_output("test $(($(xz -dc a.tar.xz | wc -c) %% 512)) -eq 0"));
}

Test(archive, log_of_many_segments) {
        assert_archive(30000);
        cr_assert_eq(access("mmiotrace-000002.log.xz", F_OK), 0);
}

Test(archive, log_of_one_segment) {
        assert_archive(1);
}

Test(archive, empty_log) {
        assert_archive(0);
}

Test(archive, is_there_whole_or_not_at_all) {
        _cleanup_strv_ char **segments = make_log(10);
        uint64_t bytes, log_bytes;

        cr_assert_eq(strv_extend(&segments, "mmiotrace-000099.log.xz"), 0);
        cr_assert_eq(write_archive(segments, &bytes, &log_bytes),
                        -ENOENT);
        cr_assert_lt(access("a.tar.xz", F_OK), 0);
        cr_assert_lt(access(".#a.tar.xz", F_OK), 0);

        /* Not even the one before is harmed. */
        test_file("a.tar.xz", "before", 6);
        test_file("mmiotrace-000099.log.xz", "torn", 4);
        cr_assert_lt(write_archive(segments, &bytes, &log_bytes),
                        0);
        free(tool_output("test $(cat a.tar.xz) = before && test ! -e .#a.tar.xz"));
}

Test(archive, replaces_what_a_dead_writer_left) {
        _cleanup_strv_ char **segments = make_log(10);
        uint64_t bytes, log_bytes;

        test_file(".#a.tar.xz", "half", 4);
        test_file("a.tar.xz", "old", 3);
        cr_assert_eq(write_archive(segments, &bytes, &log_bytes),
                        0);
        free(tool_output("tar -tf a.tar.xz"));
}
