/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/wait.h>

#include "command.h"
#include "test-util.h"
#include "util.h"

TestSuite(command, .fini = test_done);

static void assert_found(const char *name, const char *expected) {
        _cleanup_free_ char *path = NULL;

        cr_assert_eq(command_find(name, &path), 0);
        cr_assert_str_eq(path, expected);
}

Test(command, find) {
        _cleanup_free_ char *path = NULL, *folders = NULL, *expected = NULL;

        test_file("plain", "", 0);
        test_file("tool", "", 0);
        cr_assert_eq(mkdirat(test_dir(), "behind", 0700), 0);
        test_file("behind/plain", "", 0);
        cr_assert_eq(fchmodat(test_dir(), "behind/plain", 0700, 0), 0);
        cr_assert_eq(fchmodat(test_dir(), "tool", 0700, 0), 0);
        cr_assert_gt(asprintf(&folders, "/nonexistent:%s:%s/behind", test_dir_path, test_dir_path), 0);
        cr_assert_eq(setenv("PATH", folders, 1), 0);

        cr_assert_gt(asprintf(&expected, "%s/behind/plain", test_dir_path), 0);
        assert_found("plain", expected);
        assert_found(expected, expected);
        cr_assert_eq(command_find("", &path), -ENOENT);
        cr_assert_eq(command_find("nothing", &path), -ENOENT);
        cr_assert_eq(command_find("/nonexistent/tool", &path), -ENOENT);
        /* A folder is no program. */
        cr_assert_eq(command_find("behind", &path), -EACCES);
        cr_assert_eq(command_find(test_dir_path, &path), -EACCES);
        cr_assert_null(path);

        /* An empty part of PATH is the current folder. */
        cr_assert_eq(setenv("PATH", "/nonexistent:", 1), 0);
        cr_assert_eq(fchdir(test_dir()), 0);
        assert_found("tool", "./tool");
        if (geteuid() != 0)
                cr_assert_eq(command_find("plain", &path), -EACCES);
}

Test(command, exit_status) {
        _cleanup_free_ char *path = NULL;
        int status;

        cr_assert_eq(command_find("sh", &path), 0);
        cr_assert_eq(command_run(path, (char *[]) { (char *) "sh", (char *) "-c", (char *) "exit 42", NULL }, &status), 0);
        cr_assert_eq(command_exit_status(status), 42);
        cr_assert_eq(command_run(path, (char *[]) { (char *) "sh", (char *) "-c", (char *) "kill -USR1 $$", NULL }, &status),
                        0);
        cr_assert_eq(command_exit_status(status), 128 + SIGUSR1);
        /* Gone between the look for it and its start. */
        cr_assert_eq(command_run("/nonexistent/tool", (char *[]) { (char *) "tool", NULL }, &status), 0);
        cr_assert_eq(command_exit_status(status), 127);
}

/* Whoever started us may have said that it does not care for its children. */
Test(command, children_are_waited_for) {
        int status;

        cr_assert_neq(signal(SIGCHLD, SIG_IGN), SIG_ERR);
        cr_assert_eq(command_run("/bin/false", (char *[]) { (char *) "false", NULL }, &status), 0);
        cr_assert_eq(command_exit_status(status), 1);
}

static void assert_text(char *const argv[], size_t max_bytes, const char *expected) {
        _cleanup_free_ char *text = NULL;

        cr_assert_eq(command_to_text(argv, max_bytes, &text), 0);
        cr_assert_str_eq(text, expected);
}

Test(command, text) {
        assert_text((char *[]) { (char *) "modprobe", (char *) "e1000e", NULL }, 100, "modprobe e1000e");
        assert_text((char *[]) { (char *) "a\nb", (char *) "\033[31m", NULL }, 100, "a\\x0ab \\x1b[31m");
        assert_text((char *[]) { (char *) "modprobe", (char *) "e1000e", NULL }, 15, "modprobe e1000e");
        assert_text((char *[]) { (char *) "modprobe", (char *) "e1000e", NULL }, 14, "modprobe e1...");
        /* Not in the middle of a character. */
        assert_text((char *[]) { (char *) "ßßßß", NULL }, 6, "ß...");
}
