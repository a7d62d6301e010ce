/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "boot-symbols.h"
#include "holders.h"
#include "inspector.h"
#include "names.h"
#include "questions.h"
#include "test-util.h"

static const char symbols[] = "0000000000000000 A fixed\nffffffff81000000 T _text\nffffffffc0000000 t first\t[driver]\n";
static const char hidden[] = "0000000000000000 A fixed\n0000000000000000 T _text\n";
static const char sections[] = "another .text 0xffffffffc0100000\ndriver .data 0xffffffffc0002000\n"
                               "driver .text 0xffffffffc0000000\n";

static const char config[] = "0000:00:02.0 8680d310\n0000:00:1f.3 - No such file or directory\n";

static void make_dirs(const char *const *paths, size_t n) {
        for (size_t i = 0; i < n; i++)
                cr_assert_eq(mkdirat(test_dir(), paths[i], 0700), 0, "%s: %m", paths[i]);
}

/* What the questions read, in the folder that the test is in. */
static void init(void) {
        static const char *const paths[] = {
                "proc", "proc/sys", "proc/sys/kernel", "sys", "sys/module", "sys/module/builtin", "sys/module/driver",
                "sys/module/driver/sections", "sys/module/another", "sys/module/another/sections", "raw",
                "sys/bus", "sys/bus/pci", "sys/bus/pci/devices", "sys/bus/pci/devices/0000:00:02.0",
                "sys/bus/pci/devices/0000:00:1f.3",
        };

        (void) test_dir();
        cr_assert_eq(chdir(test_dir_path), 0);
        make_dirs(paths, ELEMENTS(paths));
        test_file("proc/kallsyms", symbols, strlen(symbols));
        test_file("proc/sys/kernel/kptr_restrict", "1\n", 2);
        test_file("sys/module/driver/sections/.text", "0xffffffffc0000000\n", 19);
        test_file("sys/module/driver/sections/.data", "0xffffffffc0002000\n", 19);
        test_file("sys/module/compression", "xz\n", 3);
        /* Whoever names a section like this does not get to write lines. */
        test_file("sys/module/driver/sections/a\nb", "0xffffffffc0003000\n", 19);
        test_file("sys/module/another/sections/.text", "0xffffffffc0100000\n", 19);
        test_file("sys/bus/pci/devices/0000:00:02.0/config", "\x86\x80\xd3\x10", 4);
        (void) signal(SIGPIPE, SIG_IGN);
}

TestSuite(inspect, .init = init, .fini = test_done);

/* Sends bytes to questions_serve() as the peer of that uid, and reads the answer to its end. */
static char *ask_as(uid_t uid, const char *sent, size_t sent_bytes, int expected) {
        _cleanup_error_ Error error = {};
        char *answer;
        int fds[2];
        ssize_t n;

        /* The peer of a socketpair is who made it, by effective uid. */
        if (uid != 0)
                cr_assert_eq(seteuid(uid), 0);
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        if (uid != 0)
                cr_assert_eq(seteuid(0), 0);
        cr_assert_eq(send(fds[0], sent, sent_bytes, 0), (ssize_t) sent_bytes);
        cr_assert_eq(shutdown(fds[0], SHUT_WR), 0);
        cr_assert_eq(questions_serve(fds[1], "proc", "sys", &error), expected, "%s", strempty(error.text));
        safe_close(fds[1]);
        answer = calloc(1, 4096);
        cr_assert_not_null(answer);
        n = recv(fds[0], answer, 4095, MSG_WAITALL);
        cr_assert_geq(n, 0);
        safe_close(fds[0]);
        return answer;
}

static void assert_answer(const char *question, int expected, const char *answer) {
        _cleanup_free_ char *found = ask_as(0, question, strlen(question), expected);

        cr_expect_str_eq(found, answer, "\"%s\" for \"%s\"", found, question);
}

/* Whatever the program says, root is who it says it to. */
static void need_root(void) {
        if (geteuid() != 0)
                cr_skip_test("needs root");
}

Test(inspect, known_questions) {
        char expected[512];

        need_root();
        (void) snprintf(expected, sizeof expected, "ok %zu\n%s", strlen(symbols), symbols);
        assert_answer("kallsyms\n", 0, expected);
        (void) snprintf(expected, sizeof expected, "ok %zu\n%s", strlen(sections), sections);
        assert_answer("module-sections\n", 0, expected);
        (void) snprintf(expected, sizeof expected, "ok %zu\n%s", strlen(config), config);
        assert_answer("config-space\n", 0, expected);
        /* What follows a question is not looked at. */
        (void) snprintf(expected, sizeof expected, "ok %zu\n%s", strlen(sections), sections);
        assert_answer("module-sections\nkallsyms\n", 0, expected);
}

Test(inspect, no_modules) {
        need_root();
        cr_assert_eq(renameat(test_dir(), "sys/module/builtin", test_dir(), "builtin"), 0);
        cr_assert_eq(renameat(test_dir(), "sys/module", test_dir(), "module"), 0);
        cr_assert_eq(mkdirat(test_dir(), "sys/module", 0700), 0);
        assert_answer("module-sections\n", 0, "ok 0\n");
}

Test(inspect, hidden_addresses) {
        need_root();
        test_file("proc/kallsyms", hidden, strlen(hidden));
        assert_answer("kallsyms\n", -EIO, "error The kernel hides its addresses from a process without CAP_SYSLOG.\n");
        test_file("proc/sys/kernel/kptr_restrict", "2\n", 2);
        assert_answer("kallsyms\n", -EIO,
                      "error The kernel hides its addresses from everybody, as kernel.kptr_restrict is 2; "
                      "\"sysctl kernel.kptr_restrict=1\" shows them to root.\n");
        test_file("sys/module/driver/sections/.text", "0x0000000000000000\n", 19);
        test_file("sys/module/driver/sections/.data", "0x0000000000000000\n", 19);
        test_file("sys/module/another/sections/.text", "0x0000000000000000\n", 19);
        test_file("proc/sys/kernel/kptr_restrict", "1\n", 2);
        assert_answer("module-sections\n", -EIO, "error The kernel hides its addresses from a process without CAP_SYSLOG.\n");
        cr_assert_eq(unlinkat(test_dir(), "proc/kallsyms", 0), 0);
        assert_answer("kallsyms\n", -ENOTSUP,
                      "error This kernel does not name its functions: it was built without CONFIG_KALLSYMS.\n");
}

Test(inspect, wrong_questions) {
        static const char unknown[] = "error There is no question of that name.\n";
        static const char not_a_line[] = "error A question is one line of at most 64 bytes.\n";
        char full[QUESTION_MAX_BYTES + 2];

        need_root();
        assert_answer("passwords\n", -EINVAL, unknown);
        assert_answer("\n", -EINVAL, unknown);
        assert_answer("kallsyms \n", -EINVAL, unknown);
        assert_answer("kallsyms /etc/shadow\n", -EINVAL, unknown);
        assert_answer("../kallsyms\n", -EINVAL, unknown);
        assert_answer("KALLSYMS\n", -EINVAL, unknown);
        assert_answer("", -EINVAL, not_a_line);
        assert_answer("kallsyms", -EINVAL, not_a_line);
        memset(full, 'x', sizeof full);
        full[QUESTION_MAX_BYTES + 1] = 0;
        assert_answer(full, -EINVAL, not_a_line);
        full[QUESTION_MAX_BYTES] = '\n';
        assert_answer(full, -EINVAL, unknown);
}

/* Listens at "socket", and lets a child answer n connections: with text, if that is not NULL, instead of properly. */
static pid_t start_server(unsigned n, const char *text) {
        const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pid_t pid;

        (void) unlink("socket");
        cr_assert_eq(bind(fd, (const struct sockaddr *) &address, sizeof address), 0, "%m");
        cr_assert_eq(listen(fd, 8), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        for (unsigned i = 0; pid == 0 && i < n; i++) {
                int connection = accept(fd, NULL, NULL);
                Error error = {};
                char question[128];

                if (!text)
                        (void) questions_serve(connection, "proc", "sys", &error);
                else if (recv(connection, question, sizeof question, 0) > 0)
                        (void) send(connection, text, strlen(text), MSG_NOSIGNAL);
                error_done(&error);
                safe_close(connection);
        }
        if (pid == 0)
                _exit(0);
        safe_close(fd);
        return pid;
}

static void end_server(pid_t pid) {
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

/* A file that the process has open. */
static void holds(const char *pid, const char *fd, const char *path) {
        _cleanup_free_ char *folder = NULL, *link = NULL, *target = NULL;

        cr_assert(asprintf(&folder, "proc/%s/fd", pid) > 0);
        cr_assert(asprintf(&link, "%s/%s", folder, fd) > 0);
        cr_assert(asprintf(&target, "%s/%s", test_dir_path, path) > 0);
        *strrchr(folder, '/') = 0;
        (void) mkdirat(test_dir(), folder, 0700);
        folder[strlen(folder)] = '/';
        (void) mkdirat(test_dir(), folder, 0700);
        cr_assert_eq(symlinkat(target, test_dir(), link), 0, "%s: %m", link);
}

static void is_called(const char *pid, const char *name) {
        _cleanup_free_ char *path = NULL;

        cr_assert(asprintf(&path, "proc/%s/comm", pid) > 0);
        test_file(path, name, strlen(name));
}

static void make_holders(void) {
        static const char *const paths[] = {
                "sys/kernel", "sys/kernel/tracing", "sys/kernel/tracing/per_cpu", "sys/kernel/tracing/per_cpu/cpu0",
                "sys/kernel/tracing/per_cpu/cpu11", "sys/kernel/tracing/instances", "sys/kernel/tracing/instances/a",
        };
        static const char *const files[] = {
                "sys/kernel/tracing/trace", "sys/kernel/tracing/trace_pipe", "sys/kernel/tracing/trace_marker",
                "sys/kernel/tracing/per_cpu/cpu0/trace_pipe_raw", "sys/kernel/tracing/per_cpu/cpu11/trace_pipe_raw",
                "sys/kernel/tracing/instances/a/trace_pipe", "trace_pipe",
        };

        make_dirs(paths, ELEMENTS(paths));
        for (size_t i = 0; i < ELEMENTS(files); i++)
                test_file(files[i], "", 0);
        holds("1", "5", "proc/kallsyms");
        holds("1", "6", "sys/kernel/tracing/trace_marker");
        holds("100", "0", "sys/kernel/tracing/instances/a/trace_pipe");
        /* Called like it, but another file. */
        holds("101", "3", "trace_pipe");
        holds("102", "3", "sys/kernel/tracing/trace_pipe");
        holds("102", "4", "sys/kernel/tracing/trace_pipe");
        is_called("102", "cat\n");
        holds("103", "0", "sys/kernel/tracing/per_cpu/cpu0/trace_pipe_raw");
        holds("103", "1", "sys/kernel/tracing/per_cpu/cpu11/trace_pipe_raw");
        is_called("103", "my tool (pid 1)\n");
        holds("104", "255", "sys/kernel/tracing/trace");
        is_called("104", "\033[31mless\n");
        /* No process. */
        holds("fs", "3", "sys/kernel/tracing/trace_pipe");
}

static const char held[] = "102 trace_pipe cat\n103 per_cpu/cpu0/trace_pipe_raw my tool (pid 1)\n"
                           "103 per_cpu/cpu11/trace_pipe_raw my tool (pid 1)\n104 trace\n";

Test(inspect, trace_holders) {
        char expected[512];

        need_root();
        assert_answer("trace-holders\n", 0, "ok 0\n");
        make_holders();
        (void) snprintf(expected, sizeof expected, "ok %zu\n%s", strlen(held), held);
        assert_answer("trace-holders\n", 0, expected);
        /* Where tracefs is only below debugfs. */
        cr_assert_eq(mkdirat(test_dir(), "sys/kernel/debug", 0700), 0);
        cr_assert_eq(renameat(test_dir(), "sys/kernel/tracing", test_dir(), "sys/kernel/debug/tracing"), 0);
        assert_answer("trace-holders\n", 0, "ok 0\n");
        holds("102", "5", "sys/kernel/debug/tracing/trace_pipe");
        assert_answer("trace-holders\n", 0, "ok 19\n102 trace_pipe cat\n");
}

static void assert_holders(const char *answer, HoldersOf of, int expected, const char *text) {
        _cleanup_free_ char *found = NULL;

        cr_expect_eq(holders_parse(answer, of, &found), expected, "\"%s\"", answer);
        cr_expect_str_eq(strempty(found), strempty(text), "\"%s\" for \"%s\"", strempty(found), answer);
}

Test(inspect, holders) {
        assert_holders("", HOLDERS_OF_PIPES, 0, NULL);
        assert_holders(held, HOLDERS_OF_PIPES, 1, "cat (pid 102), my tool (pid 1) (pid 103)");
        assert_holders(held, HOLDERS_OF_RING, 1, "a program (pid 104)");
        assert_holders("7 trace a\n7 snapshot a\n9 per_cpu/cpu0/trace b c\n", HOLDERS_OF_RING, 1, "a (pid 7), b c (pid 9)");
        assert_holders("7 trace a\n", HOLDERS_OF_PIPES, 0, NULL);
        assert_holders("7 trace_pipe \033[1m\n", HOLDERS_OF_PIPES, 1, "a program (pid 7)");
        assert_holders("1 trace_pipe a\n2 trace_pipe a\n3 trace_pipe a\n4 trace_pipe a\n5 trace_pipe a\n6 trace_pipe a\n"
                       "7 trace_pipe a\n", HOLDERS_OF_PIPES, 1,
                       "a (pid 1), a (pid 2), a (pid 3), a (pid 4), a (pid 5) and 2 more");
        assert_holders("x trace_pipe a\n", HOLDERS_OF_PIPES, -EBADMSG, NULL);
        assert_holders("7\n", HOLDERS_OF_PIPES, -EBADMSG, NULL);
        assert_holders(" 7 trace\n", HOLDERS_OF_PIPES, -EBADMSG, NULL);
}

Test(inspect, holders_refuse) {
        const Context context = { .inspect_socket = "socket" }, alone = {};
        _cleanup_error_ Error error = {}, nobody = {}, none = {};
        pid_t pid;

        need_root();
        make_holders();
        pid = start_server(1, NULL);
        cr_expect_eq(holders_refuse(&context, HOLDERS_OF_PIPES, "It is read", &error), -EBUSY);
        end_server(pid);
        cr_expect_eq(error.code, ERROR_READER_BUSY);
        cr_expect_str_eq(error.text, "It is read: cat (pid 102), my tool (pid 1) (pid 103); end it first.");
        cr_expect_eq(holders_refuse(&context, HOLDERS_OF_RING, "It is read", &nobody), -EBUSY);
        cr_expect_str_eq(nobody.text, "It is read; find it with \"fuser -v /sys/kernel/tracing/trace\" and end it.");
        cr_expect_eq(holders_refuse(&alone, HOLDERS_OF_PIPES, "It is read", &none), -EBUSY);
        cr_expect_eq(none.code, ERROR_READER_BUSY);
}

Test(inspect, only_root) {
        _cleanup_free_ char *answer = NULL;

        need_root();
        answer = ask_as(65534, "kallsyms\n", 9, -EINVAL);
        cr_expect_str_eq(answer, "error Only root is answered, not user 65534.\n");
}

/* The installed program, on its standard input. */
Test(inspect, program) {
        char answer[4096] = {};
        int fds[2], status;
        pid_t pid;

        need_root();
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        cr_assert_eq(send(fds[0], "passwords\n", 10, 0), 10);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                (void) dup2(fds[1], STDIN_FILENO);
                (void) freopen("/dev/null", "w", stderr);
                (void) execl(INSPECT_PROGRAM, INSPECT_PROGRAM, (char *) NULL);
                _exit(127);
        }
        safe_close(fds[1]);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
        cr_assert_gt(recv(fds[0], answer, sizeof answer - 1, MSG_WAITALL), 0);
        cr_expect_str_eq(answer, "error There is no question of that name.\n");
        safe_close(fds[0]);
}

Test(inspect, asking) {
        _cleanup_error_ Error error = {};
        _cleanup_close_ int fd = openat(test_dir(), "answer", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        _cleanup_free_ char *big = NULL, *text = NULL;
        const size_t big_bytes = 3 * MIB;
        size_t bytes;
        pid_t pid;

        need_root();
        big = malloc(big_bytes);
        cr_assert_not_null(big);
        memset(big, 'f', big_bytes);
        test_file("proc/kallsyms", big, big_bytes);
        pid = start_server(2, NULL);
        cr_assert_eq(inspector_ask("socket", QUESTION_KALLSYMS, fd, &error), 0, "%s", strempty(error.text));
        cr_assert_eq(read_file_at(test_dir(), "answer", 4 * MIB, &text, &bytes), 0);
        cr_assert_eq(bytes, big_bytes);
        cr_assert_eq(memcmp(text, big, bytes), 0);
        cr_assert_lt(inspector_ask("socket", "passwords", fd, &error), 0);
        cr_expect_str_eq(error.text, "There is no question of that name.");
        end_server(pid);
}

Test(inspect, bad_answers) {
        static const char *const answers[] = {
                "", "ok", "ok \n", "ok 5\n1234", "ok x\n", "ok -1\n", "ok 3\n12345", "okay 3\n123", "ok 99999999999999\nabc", "\n",
        };
        _cleanup_close_ int fd = openat(test_dir(), "answer", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        for (size_t i = 0; i < ELEMENTS(answers); i++) {
                _cleanup_error_ Error error = {};
                pid_t pid = start_server(1, answers[i]);

                cr_expect_lt(inspector_ask("socket", QUESTION_KALLSYMS, fd, &error), 0, "\"%s\"", answers[i]);
                cr_expect_not_null(error.text);
                end_server(pid);
        }
        cr_assert_eq(unlink("socket"), 0);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_error_ Error error = {};

                cr_expect_eq(inspector_ask("socket", QUESTION_KALLSYMS, fd, &error), i == 0 ? -ENOENT : -ECONNREFUSED);
                cr_expect_not_null(strstr(strempty(error.text), "systemctl restart mmiotraced-inspect.socket"));
                test_file("socket", "", 0);
        }
}

static unsigned n_warnings;

static void on_warning(const char *text, void *userdata) {
        n_warnings++;
        cr_expect(text_is_clean(text, false));
}

static void assert_saved(int raw_fd, const char *name, const char *expected) {
        _cleanup_free_ char *text = NULL;

        cr_assert_eq(read_file_at(raw_fd, name, MIB, &text, NULL), 0, "%s", name);
        cr_expect_str_eq(text, expected, "%s: %s", name, text);
}

Test(inspect, saving) {
        _cleanup_close_ int raw_fd = openat(test_dir(), "raw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        pid_t pid;

        need_root();
        /* Nobody is there. */
        cr_expect(!boot_symbols_exist(raw_fd));
        cr_assert_eq(boot_symbols_save("socket", raw_fd, on_warning, NULL), 0);
        cr_expect_eq(n_warnings, 2);
        assert_saved(raw_fd, RAW_KALLSYMS, "unavailable: The reader unit cannot be asked, \"systemctl restart "
                     "mmiotraced-inspect.socket\" may help: No such file or directory\n");

        /* A later answer replaces that. */
        pid = start_server(2, NULL);
        cr_assert_eq(boot_symbols_save("socket", raw_fd, on_warning, NULL), 0);
        end_server(pid);
        cr_expect_eq(n_warnings, 2);
        cr_expect(boot_symbols_exist(raw_fd));
        assert_saved(raw_fd, RAW_KALLSYMS, symbols);
        assert_saved(raw_fd, RAW_MODULES, sections);

        /* What is there is better than nothing. */
        pid = start_server(2, "error No.\n");
        cr_assert_eq(boot_symbols_save("socket", raw_fd, on_warning, NULL), 0);
        end_server(pid);
        assert_saved(raw_fd, RAW_KALLSYMS, symbols);
        cr_expect_eq(n_warnings, 2);
}
