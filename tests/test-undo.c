/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/wait.h>

#include "test-util.h"
#include "undo.h"

TestSuite(undo, .fini = test_done);

#define BOOT "6a4a62d6-9cd1-4a4a-9c1c-0c29c0a3f7b4"
#define OTHER_BOOT "e2f93b5f-10f6-4f5e-8d3c-5a9f1f0b8a11"

static void add(UndoKind kind, const char *name, const char *value) {
        cr_assert_eq(undo_add(test_dir(), BOOT, kind, name, value), 0);
}

static void assert_entry(const Undo *undo, size_t i, UndoKind kind, const char *name, const char *value) {
        cr_assert_lt(i, undo->n_entries);
        cr_assert_eq(undo->entries[i].kind, kind);
        cr_assert_str_eq(undo->entries[i].name, name);
        cr_assert_str_eq(undo->entries[i].value, value);
}

static void append_raw(const char *text) {
        _cleanup_close_ int fd = openat(test_dir(), "undo", O_WRONLY | O_APPEND | O_CLOEXEC);

        cr_assert_geq(fd, 0);
        cr_assert_eq(write_all(fd, text, strlen(text)), 0);
}

Test(undo, order) {
        _cleanup_undo_ Undo undo = {};

        add(UNDO_CPUS, NULL, "0-3");
        add(UNDO_CONTROL, "tracing_on", "1");
        add(UNDO_CONTROL, "tracing_on", "0");
        add(UNDO_BIND, "e1000e", "0000:00:02.0");
        add(UNDO_TRACER, NULL, NULL);
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), 0);
        cr_assert_eq(undo.n_entries, 5);
        assert_entry(&undo, 0, UNDO_CPUS, "", "0-3");
        assert_entry(&undo, 1, UNDO_CONTROL, "tracing_on", "1");
        assert_entry(&undo, 2, UNDO_CONTROL, "tracing_on", "0");
        assert_entry(&undo, 3, UNDO_BIND, "e1000e", "0000:00:02.0");
        assert_entry(&undo, 4, UNDO_TRACER, "", "");
}

Test(undo, values_stay_what_they_are) {
        static const char *const values[] = {
                "two\nlines\n", "\"quoted\" 'and' \\back\\slashed\\n", "{\"boot\":\"x\"}", "\t\r\033",
                                "Grüße", "",
        };
        _cleanup_undo_ Undo undo = {};

        for (size_t i = 0; i < ELEMENTS(values); i++)
                add(UNDO_CONTROL, values[i], values[i]);
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), 0);
        cr_assert_eq(undo.n_entries, ELEMENTS(values));
        for (size_t i = 0; i < ELEMENTS(values); i++)
                assert_entry(&undo, i, UNDO_CONTROL, values[i], values[i]);
}

Test(undo, other_boot) {
        _cleanup_undo_ Undo undo = {};

        add(UNDO_CONTROL, "tracing_on", "1");
        cr_assert_eq(undo_load(test_dir(), OTHER_BOOT, &undo), 0);
        cr_assert_eq(undo.n_entries, 0);
        cr_assert_eq(undo.n_stale, 1);
        cr_assert_null(undo.unknown);
        cr_assert(undo_exists(test_dir()));
}

/* A line of another boot takes none of this one along. */
Test(undo, other_boot_among_ours) {
        _cleanup_undo_ Undo undo = {};

        add(UNDO_CONTROL, "tracing_on", "1");
        cr_assert_eq(undo_add(test_dir(), OTHER_BOOT, UNDO_CPUS, NULL, "0-7"), 0);
        add(UNDO_CPUS, NULL, "0-3");
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), 0);
        cr_assert_eq(undo.n_entries, 2);
        cr_assert_eq(undo.n_stale, 1);
        assert_entry(&undo, 0, UNDO_CONTROL, "tracing_on", "1");
        assert_entry(&undo, 1, UNDO_CPUS, "", "0-3");
}

Test(undo, removed) {
        _cleanup_undo_ Undo undo = {};

        cr_assert_not(undo_exists(test_dir()));
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), -ENOENT);
        cr_assert_eq(undo_remove(test_dir()), 0);
        add(UNDO_TRACER, NULL, NULL);
        cr_assert(undo_exists(test_dir()));
        cr_assert_eq(undo_remove(test_dir()), 0);
        cr_assert_not(undo_exists(test_dir()));
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), -ENOENT);
}

Test(undo, torn_line) {
        _cleanup_undo_ Undo undo = {}, later = {};

        add(UNDO_CONTROL, "tracing_on", "1");
        append_raw("{\"boot\":\"" BOOT "\",\"kind\":\"control\",\"name\":\"trace_cl");
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), 0);
        cr_assert_eq(undo.n_entries, 1);
        cr_assert_null(undo.unknown);
        assert_entry(&undo, 0, UNDO_CONTROL, "tracing_on", "1");

        /* It takes none of those that come behind it along. */
        add(UNDO_CONTROL, "trace_clock", "local");
        cr_assert_eq(undo_load(test_dir(), BOOT, &later), 0);
        cr_assert_eq(later.n_entries, 2);
        cr_assert_null(later.unknown);
        assert_entry(&later, 1, UNDO_CONTROL, "trace_clock", "local");
}

/* What they say is not known, and so it is not thrown away. */
Test(undo, lines_of_others) {
        static const char zero[] = "{\"boot\":\"" BOOT "\",\"kind\":\"tra\0cer\"}\n";
        _cleanup_close_ int fd = -EBADF;
        _cleanup_undo_ Undo undo = {};

        add(UNDO_CONTROL, "tracing_on", "1");
        append_raw("junk\n[1,2]\n{\"boot\":\"" BOOT "\",\"kind\":\"format-disk\",\"name\":\"\",\"value\":\"\"}\n{}\n");
        fd = openat(test_dir(), "undo", O_WRONLY | O_APPEND | O_CLOEXEC);
        cr_assert_eq(write_all(fd, zero, sizeof zero - 1), 0);
        add(UNDO_TRACER, NULL, NULL);
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), 0);
        cr_assert_eq(undo.n_entries, 2);
        assert_entry(&undo, 1, UNDO_TRACER, "", "");
        cr_assert_eq(strv_length(undo.unknown), 5);
        cr_assert_str_eq(undo.unknown[0], "junk");
        cr_assert(strstr(undo.unknown[2], "format-disk"));
        cr_assert(strstr(undo.unknown[4], "tra?cer"));
}

Test(undo, kept_and_set_aside) {
        _cleanup_undo_ Undo undo = {}, kept = {};
        _cleanup_free_ char *bad = NULL;

        add(UNDO_CONTROL, "tracing_on", "1");
        add(UNDO_CPUS, NULL, "0-3");
        add(UNDO_TRACER, NULL, NULL);
        cr_assert_eq(undo_load(test_dir(), BOOT, &undo), 0);
        undo.entries[1].n_tries = 3;
        cr_assert_eq(undo_keep(test_dir(), BOOT, undo.entries + 1, 1), 0);
        cr_assert_eq(undo_set_aside(test_dir(), BOOT, undo.entries, 1, (char *[]) { (char *) "junk", NULL }), 0);
        add(UNDO_CPUS, NULL, "0-1");
        cr_assert_eq(undo_load(test_dir(), BOOT, &kept), 0);
        cr_assert_eq(kept.n_entries, 2);
        assert_entry(&kept, 0, UNDO_CPUS, "", "0-3");
        cr_assert_eq(kept.entries[0].n_tries, 3);
        assert_entry(&kept, 1, UNDO_CPUS, "", "0-1");
        cr_assert_eq(kept.entries[1].n_tries, 0);
        cr_assert_eq(read_file_at(test_dir(), "undo.bad", MIB, &bad, NULL), 0);
        cr_assert(strstr(bad, "tracing_on") && strstr(bad, "\njunk\n"), "%s", bad);

        cr_assert_eq(undo_keep(test_dir(), BOOT, NULL, 0), 0);
        cr_assert_not(undo_exists(test_dir()));
        cr_assert_eq(undo_keep(test_dir(), BOOT, NULL, 0), 0);
}

Test(undo, file_is_private_and_no_link) {
        struct stat st;

        add(UNDO_TRACER, NULL, NULL);
        cr_assert_eq(fstatat(test_dir(), "undo", &st, AT_SYMLINK_NOFOLLOW), 0);
        cr_assert_eq(st.st_mode & 07777, 0600);
        cr_assert_eq(undo_remove(test_dir()), 0);
        cr_assert_eq(symlinkat("elsewhere", test_dir(), "undo"), 0);
        cr_assert_eq(undo_add(test_dir(), BOOT, UNDO_TRACER, NULL, NULL), -ELOOP);
        cr_assert_lt(faccessat(test_dir(), "elsewhere", F_OK, 0), 0);
}

/* One at a time, until its process has ended. */
Test(undo, lock) {
        int first, second, fds[2], status, dir_fd = test_dir();
        pid_t pid;
        char byte;

        cr_assert_eq(pipe(fds), 0);
        pid = fork();
        if (pid == 0) {
                safe_close(fds[0]);
                _exit(undo_lock(dir_fd, false, &first) < 0 || write(fds[1], "x", 1) != 1 || pause() < 0);
        }
        cr_assert_eq(read(fds[0], &byte, 1), 1);
        cr_assert_eq(undo_lock(dir_fd, false, &second), -EWOULDBLOCK);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert_eq(undo_lock(dir_fd, false, &second), 0);
        safe_close(second);
}
