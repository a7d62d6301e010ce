/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "kernel-log.h"
#include "metadata.h"
#include "test-util.h"

TestSuite(kernel_log, .fini = test_done);

/* tests/data/journal/kernel.export says what is in it. */
#define DEAD_BOOT "11111111-1111-1111-1111-111111111111"
#define NEXT_BOOT "22222222-2222-2222-2222-222222222222"
#define OTHER_BOOT "33333333-3333-3333-3333-333333333333"

#define DEAD_FIRST "[    0.000000] Linux version 6.1.0 of the boot that died\n"
#define DEAD_DEVICE "[    0.400123] e1000e 0000:00:02.0: enabling device\n"
#define DEAD_OTHER "[    0.400200] not about e1000ex\n"
#define DEAD_DASH "[    0.500000] tests-of_it: a module with a dash\n"
#define DEAD_END                                       \
        "[    3.000400] BUG: something\n"              \
        "[    3.000400] Call Trace:\n"                 \
        "[    3.000400] the end\n"                     \
        "[    3.000600] name: \\x1b[31m\\x00\\xff\n"   \
        "[    3.000700] without a stamp of its own\n"  \
        "[    3.000800] \n"

static void make_journal(void) {
        _cleanup_free_ uint8_t *journal = NULL;
        size_t bytes;

        test_data_xz("journal/kernel.journal.xz", &journal, &bytes);
        test_file("kernel.journal", journal, bytes);
}

static void assert_excerpt(const char *boot_id, uint64_t from_usec, char *const *names, const char *expected) {
        _cleanup_free_ char *text = NULL;

        cr_assert_eq(kernel_log_format(&(KernelLogExcerpt) { test_dir_path, boot_id, from_usec, names }, &text), 0);
        cr_assert_str_eq(text, expected);
}

Test(kernel_log, boots_are_kept_apart) {
        make_journal();
        assert_excerpt(DEAD_BOOT, 0, NULL,
                        DEAD_FIRST DEAD_DEVICE DEAD_OTHER DEAD_DASH "[    2.999998] mmiotrace: enabled.\n" DEAD_END);
        assert_excerpt(NEXT_BOOT, 0, NULL, "[    0.090000] Linux version 6.1.0 of the next boot\n");
}

/* Of before the session only what is about the driver: by name, by device, a dash being as good as an underscore. */
Test(kernel_log, names_select_what_was_before) {
        make_journal();
        assert_excerpt(DEAD_BOOT, 3000500, NULL, DEAD_END);
        assert_excerpt(DEAD_BOOT, 3000500, (char *[]) { (char *) "e1000e", NULL }, DEAD_DEVICE DEAD_END);
        assert_excerpt(DEAD_BOOT, 3000500, (char *[]) { (char *) "0000:00:02.0", NULL }, DEAD_DEVICE DEAD_END);
        assert_excerpt(DEAD_BOOT, 3000500, (char *[]) { (char *) "0000:00:02", NULL }, DEAD_DEVICE DEAD_END);
        assert_excerpt(DEAD_BOOT, 3000500, (char *[]) { (char *) "000:00:02.0", NULL }, DEAD_END);
        assert_excerpt(DEAD_BOOT, 3000500, (char *[]) { (char *) "nothing", (char *) "tests_of-it", NULL },
                        DEAD_DASH DEAD_END);
        /* There is a message of that boot, but none that is asked for. */
        assert_excerpt(NEXT_BOOT, 100001, NULL, "");
}

Test(kernel_log, messages_in_turn) {
        _cleanup_(kernel_log_freep) KernelLog *log = NULL;
        KernelMessage m;

        make_journal();
        cr_assert_eq(kernel_log_open(test_dir_path, NEXT_BOOT, &log), 0);
        cr_assert_eq(kernel_log_next(log, &m), 1);
        cr_assert_eq(m.stamp_usec, 90000);
        cr_assert_eq(m.monotonic_usec, 100000);
        cr_assert_eq(m.priority, 6);
        cr_assert_eq(m.text_bytes, strlen("Linux version 6.1.0 of the next boot"));
        cr_assert_eq(kernel_log_next(log, &m), 0);
        cr_assert_eq(kernel_log_next(log, &m), 0);
        cr_assert_null(kernel_log_free(NULL));
}

static void assert_saved(const char *journal_dir, const char *boot_id, const char *expected) {
        _cleanup_free_ char *text = NULL;

        cr_assert_eq(metadata_save_kernel_log(test_dir(), &(KernelLogExcerpt) { journal_dir, boot_id, 0, NULL }), 0);
        cr_assert_eq(read_file_at(test_dir(), METADATA_KERNEL_LOG, MIB, &text, NULL), 0);
        cr_assert_str_eq(text, expected);
}

/* What is not there is said, and is no error. */
Test(kernel_log, saved_or_said_why_not) {
        _cleanup_free_ char *missing = NULL;

        make_journal();
        cr_assert(asprintf(&missing, "%s/missing", test_dir_path) > 0);
        assert_saved(test_dir_path, NEXT_BOOT, "[    0.090000] Linux version 6.1.0 of the next boot\n");
        assert_saved(test_dir_path, OTHER_BOOT,
                        "unavailable: the journal has no messages of the kernel from that boot\n");
        assert_saved(missing, NEXT_BOOT, "unavailable: No such file or directory\n");
        assert_saved(test_dir_path, "not an id", "unavailable: Invalid argument\n");
}
