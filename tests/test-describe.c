/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An archive with another description, and the small files of one. */

#include "archive.h"
#include "describe.h"
#include "log-writer.h"
#include "names.h"
#include "summary.h"
#include "tool.h"

TestSuite(describe, .init = tool_init, .fini = test_done, .timeout = 60);

#define UNAME "Linux test 6.1.0"
#define START_USEC UINT64_C(1795291200000000)

static const Gaps gaps = { .gaps = { { 1, 2 } }, .n_gaps = 1 };
static const TraceTotals totals = { .n_events = 20000, .n_by_type = { [RECORD_READ] = 20000 } };

/* session.json with that description, and the same as an object. */
static struct json_object *write_session(const char *description) {
        struct json_object *session = json_object_new_object();
        const char *text;

        cr_assert_eq(json_add_u64(session, "id", 7), 0);
        cr_assert_eq(json_add_string(session, "driver", "e1000e"), 0);
        cr_assert_eq(json_add_string(session, "description", description), 0);
        cr_assert_eq(json_add_u64(session, "start_realtime_usec", START_USEC), 0);
        cr_assert_eq(json_add_u64(session, "stop_monotonic_usec", UINT64_MAX), 0);
        text = json_object_to_json_string(session);
        test_file(SESSION_FILE, text, strlen(text));
        return session;
}

static char **write_log(void) {
        _cleanup_(log_writer_freep) LogWriter *w = NULL;
        char **segments;
        uint64_t bytes;

        cr_assert_eq(log_writer_new(test_dir(), &(LogWriterOptions) {
                                .threads = 1,
                                .memory_max_bytes = 64 * MIB,
                                .segment_max_bytes = 300 * KIB,
                        }, &w), 0);
        for (unsigned i = 0; i < totals.n_events; i++) {
                char line[64];

                cr_assert_eq(log_writer_text(w, line, (size_t) snprintf(line, sizeof line,
                                                "R 4 %u.000000 1 0xfebd0000 0x%x 0x0 0\n", i, i)), 0);
        }
        cr_assert_eq(log_writer_finish(w, &segments, &bytes), 0);
        return segments;
}

/* As sealing makes it. */
static void seal(const char *name, const char *description, char *const *segments, bool raw) {
        _cleanup_json_ struct json_object *session = write_session(description);
        _cleanup_free_ char *metadata = NULL, *text = NULL;
        _cleanup_privacy_ Privacy privacy = {};
        uint64_t bytes, log_bytes;

        cr_assert_eq(mkdirat(test_dir(), SESSION_METADATA_DIR, 0700) < 0 && errno != EEXIST, 0);
        cr_assert_eq(leak_new(&privacy.leak), 0);
        cr_assert_eq(summary_metadata(session, &totals, 2, &gaps, UNAME, &privacy, &metadata), 0);
        cr_assert_eq(summary_description(session, &totals, 0, UNAME, metadata, &text), 0);
        const ArchiveMember members[] = {
                { ARCHIVE_DESCRIPTION_NAME, text, strlen(text) },
                { ARCHIVE_METADATA_NAME, metadata, strlen(metadata) },
                { "uname.txt", UNAME "\n", sizeof UNAME },
                { "empty.txt", "", 0 },
        };
        const ArchiveFile file = { .name = (char *) "raw/cpu0.raw", .dir_fd = test_dir(), .path = (char *) "cpu0.raw" };
        cr_assert_eq(archive_write(test_dir(), name, &(ArchiveRequest) {
                                .members = members,
                                .n_members = ELEMENTS(members),
                                .log_fd = test_dir(),
                                .segments = segments,
                                .files = &file,
                                .n_files = raw ? 1 : 0,
                                .level = 6,
                                .mtime_sec = START_USEC / USEC_PER_SEC,
                        }, &bytes, &log_bytes), 0);
}

static void describe(const char *description) {
        _cleanup_error_ Error error = {};
        struct stat st;
        uint64_t bytes;

        json_object_put(write_session(description));
        cr_assert_eq(describe_archive(test_dir(), &bytes, &error), 0, "%s", strempty(error.text));
        cr_assert_eq(fstatat(test_dir(), SESSION_ARCHIVE, &st, 0), 0);
        cr_assert_eq(bytes, st.st_size);
        cr_assert_eq(st.st_mode & 07777, 0600);
}

static void assert_same_as_sealed(bool raw) {
        _cleanup_strv_ char **segments = write_log();

        test_file("cpu0.raw", "pages", 5);
        seal("first", "What it was.\n\tIn two lines.", segments, raw);
        seal("second", "Something else: \"quoted\", ß.", segments, raw);
        seal("none", "", segments, raw);
        seal(SESSION_ARCHIVE, "What it was.\n\tIn two lines.", segments, raw);

        describe("Something else: \"quoted\", ß.");
        free(tool_output("cmp second " SESSION_ARCHIVE));
        describe("");
        free(tool_output("cmp none " SESSION_ARCHIVE));
        describe("What it was.\n\tIn two lines.");
        free(tool_output("cmp first " SESSION_ARCHIVE));
}

Test(describe, same_as_sealed_with_it) {
        assert_same_as_sealed(false);
}

Test(describe, what_is_behind_the_log_stays) {
        _cleanup_free_ char *names = NULL;

        assert_same_as_sealed(true);
        names = tool_output("tar -tf " SESSION_ARCHIVE);
        cr_assert_str_eq(names, "description.txt\nmetadata.json\nuname.txt\nempty.txt\nmmiotrace.log\nraw/cpu0.raw\n");
}

Test(describe, without_a_log) {
        seal("expected", "now", NULL, false);
        seal(SESSION_ARCHIVE, "before", NULL, false);
        describe("now");
        free(tool_output("cmp expected " SESSION_ARCHIVE));
}

/* Whoever reads it meanwhile has all of the old one. */
Test(describe, open_archive_stays_as_it_is) {
        _cleanup_strv_ char **segments = write_log();
        _cleanup_archive_head_ ArchiveHead head = {};
        _cleanup_close_ int fd = -EBADF;

        seal(SESSION_ARCHIVE, "before", segments, false);
        fd = openat(test_dir(), SESSION_ARCHIVE, O_RDONLY | O_CLOEXEC);
        describe("now");
        cr_assert_eq(archive_head_read(fd, &head), 0);
        cr_assert_not_null(strstr(archive_head_find(&head, ARCHIVE_DESCRIPTION_NAME)->data, "before"));
}

static void assert_refused(const char *expected) {
        _cleanup_error_ Error error = {};
        uint64_t bytes;

        cr_assert_lt(describe_archive(test_dir(), &bytes, &error), 0);
        cr_assert_not_null(strstr(strempty(error.text), expected), "%s", strempty(error.text));
        cr_assert_lt(faccessat(test_dir(), ".#" SESSION_ARCHIVE, F_OK, 0), 0);
}

Test(describe, archive_that_is_damaged) {
        _cleanup_strv_ char **segments = write_log();

        json_object_put(write_session("now"));
        assert_refused("cannot be read");
        seal(SESSION_ARCHIVE, "before", segments, false);
        /* Its end, with the index, is missing; the head is not. */
        free(tool_output("truncate -s -100 " SESSION_ARCHIVE " && cp " SESSION_ARCHIVE " copy"));
        assert_refused("cannot be written");
        test_file("no-archive", "text", 4);
        cr_assert_eq(renameat(test_dir(), "no-archive", test_dir(), SESSION_ARCHIVE), 0);
        assert_refused("cannot be read");
}

/* The text is not where it belongs, or there is no place for it. */
Test(describe, files_of_another_make) {
        _cleanup_free_ char *metadata = NULL, *text = NULL;

        cr_assert_eq(summary_describe("{", "text", "now", &metadata, &text), -EBADMSG);
        cr_assert_eq(summary_describe("[]", "text", "now", &metadata, &text), -EBADMSG);
        cr_assert_eq(summary_describe("{ \"session\": 7 }", "text", "now", &metadata, &text), -EBADMSG);
        cr_assert_eq(summary_describe("{ \"session\": { \"description\": \"before\" } }", "text", "now", &metadata, &text),
                        -EBADMSG);
        cr_assert_null(metadata);
        cr_assert_null(text);
}

Test(describe, head) {
        _cleanup_strv_ char **segments = write_log();
        _cleanup_archive_head_ ArchiveHead head = {};
        _cleanup_close_ int fd = -EBADF;

        test_file("cpu0.raw", "pages", 5);
        seal(SESSION_ARCHIVE, "what it is", segments, true);
        fd = openat(test_dir(), SESSION_ARCHIVE, O_RDONLY | O_CLOEXEC);
        cr_assert_eq(lseek(fd, 100, SEEK_SET), 100);
        cr_assert_eq(archive_head_read(fd, &head), 0);
        cr_assert_eq(head.n_files, 4);
        cr_assert_str_eq(head.files[0].name, ARCHIVE_DESCRIPTION_NAME);
        cr_assert_str_eq(head.files[2].data, UNAME "\n");
        cr_assert_eq(head.files[3].bytes, 0);
        cr_assert_eq(head.mtime_sec, START_USEC / USEC_PER_SEC);
        cr_assert_gt(head.log_bytes, 600000);
        cr_assert_eq(head.log_offset % 512, 0);
        cr_assert_null(archive_head_find(&head, ARCHIVE_LOG_NAME));
}
