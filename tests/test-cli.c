/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <locale.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-hwdb.h>

#include "device-names.h"
#include "export.h"
#include "follow.h"
#include "session-page.h"
#include "session-view.h"
#include "table.h"
#include "test-util.h"
#include "text.h"

TestSuite(text, .fini = test_done);
TestSuite(table, .fini = test_done);
TestSuite(page, .fini = test_done);
TestSuite(export, .fini = test_done);
TestSuite(session_view, .fini = test_done);
TestSuite(follow, .fini = test_done);
TestSuite(screen, .fini = test_done);
TestSuite(session_page, .fini = test_done);
TestSuite(stop_after, .fini = test_done);

static void assert_escaped(const char *s, const char *expected) {
        _cleanup_free_ char *escaped = NULL;

        cr_assert_eq(text_escape(s, &escaped), 0);
        cr_assert_str_eq(escaped, expected);
}

Test(text, escape_keeps_printable_utf8) {
        assert_escaped("", "");
        assert_escaped("glxgears 100%", "glxgears 100%");
        assert_escaped("Größe 大 🙂", "Größe 大 🙂");
}

Test(text, escape_of_what_a_terminal_obeys) {
        assert_escaped("\033[31mred", "\\x1b[31mred");
        assert_escaped("a\nb\tc\r\x7f", "a\\x0ab\\x09c\\x0d\\x7f");
        /* CSI as one C1 character, and text turned around. */
        assert_escaped("\xc2\x9b" "31m", "\\xc2\\x9b31m");
        assert_escaped("\u202egnp.exe", "\\xe2\\x80\\xaegnp.exe");
}

Test(text, escape_of_broken_utf8) {
        assert_escaped("\xff", "\\xff");
        assert_escaped("a\xc3", "a\\xc3");
        assert_escaped("\xc3(", "\\xc3(");
        assert_escaped("\xe5\xa4", "\\xe5\\xa4");
        /* The good character behind a broken one stays. */
        assert_escaped("\xe5ß", "\\xe5ß");
        assert_escaped("\xc0\xaf", "\\xc0\\xaf");
}

static void assert_cut(const char *s, unsigned columns, const char *expected) {
        _cleanup_free_ char *cut = NULL;

        cr_assert_eq(text_cut(s, columns, "…", &cut), 0);
        cr_assert_str_eq(cut, expected);
}

Test(text, columns_and_cut) {
        cr_assert_eq(text_columns("Größe"), 5);
        assert_cut("abcdef", 6, "abcdef");
        assert_cut("abcdef", 5, "abcd…");
        assert_cut("Größe", 4, "Grö…");
        assert_cut("abcdef", 1, "…");
        assert_cut("abcdef", 0, "");

        /* A character of two columns is not cut in half. */
        cr_assert_not_null(setlocale(LC_CTYPE, "C.UTF-8"));
        cr_assert_eq(text_columns("大大"), 4);
        assert_cut("大大大", 4, "大…");
}

Test(text, cut_front) {
        _cleanup_free_ char *whole = NULL, *end = NULL, *wide = NULL, *nothing = NULL;

        cr_assert_not_null(setlocale(LC_CTYPE, "C.UTF-8"));
        cr_assert(text_cut_front("/etc/a.conf:2", 13, "…", &whole) == 0 && text_cut_front("/etc/größe.conf:2", 9, "…", &end) == 0);
        cr_assert(text_cut_front("大大大a", 4, "…", &wide) == 0 && text_cut_front("abc", 1, "…", &nothing) == 0);
        cr_assert_str_eq(whole, "/etc/a.conf:2");
        cr_assert_str_eq(end, "…e.conf:2");
        cr_assert_str_eq(wide, "…大a");
        cr_assert_str_eq(nothing, "…");
}

Test(text, wrap) {
        cr_assert_eq(text_wrap("", 10), 0);
        cr_assert_eq(text_wrap("one two", 10), 7);
        cr_assert_eq(text_wrap("one two", 7), 7);
        cr_assert_eq(text_wrap("one two", 6), 3);
        cr_assert_eq(text_wrap("one two", 3), 3);
        /* A long word stays whole. */
        cr_assert_eq(text_wrap("/a/long/path and", 5), 12);
        cr_assert_eq(text_wrap("/a/long/path", 5), 12);
}

Test(text, duration) {
        cr_assert_str_eq(FORMAT_DURATION(0), "0ms");
        cr_assert_str_eq(FORMAT_DURATION(850 * USEC_PER_MSEC), "850ms");
        cr_assert_str_eq(FORMAT_DURATION(59999 * USEC_PER_MSEC), "59s");
        cr_assert_str_eq(FORMAT_DURATION(60 * USEC_PER_SEC), "1min");
        cr_assert_str_eq(FORMAT_DURATION(125 * USEC_PER_SEC), "2min 5s");
        cr_assert_str_eq(FORMAT_DURATION(3780 * USEC_PER_SEC), "1h 3min");
        cr_assert_str_eq(FORMAT_DURATION(86400 * USEC_PER_SEC), "1 day");
        cr_assert_str_eq(FORMAT_DURATION(3 * 86400 * USEC_PER_SEC + 4 * 3600 * USEC_PER_SEC), "3 days 4h");
        cr_assert_str_eq(FORMAT_DURATION(35 * 86400 * USEC_PER_SEC), "5 weeks");
        cr_assert_str_eq(FORMAT_DURATION(800 * 86400 * USEC_PER_SEC), "2 years");
        /* The longest there is fits its buffer. */
        cr_assert_str_eq(FORMAT_DURATION(UINT64_MAX), "584542 years");
}

Test(text, short_duration) {
        cr_assert_str_eq(FORMAT_SHORT_DURATION(0), "0.0s");
        cr_assert_str_eq(FORMAT_SHORT_DURATION(9999999), "9.9s");
        cr_assert_str_eq(FORMAT_SHORT_DURATION(10 * USEC_PER_SEC), "10s");
        cr_assert_str_eq(FORMAT_SHORT_DURATION(999 * USEC_PER_SEC), "999s");
        cr_assert_str_eq(FORMAT_SHORT_DURATION(1000 * USEC_PER_SEC), "16min");
        cr_assert_str_eq(FORMAT_SHORT_DURATION(27 * 3600 * USEC_PER_SEC), "27h");
        cr_assert_str_eq(FORMAT_SHORT_DURATION(9 * 86400 * USEC_PER_SEC), "9d");
        cr_assert_str_eq(FORMAT_SHORT_DURATION(UINT64_MAX), "99999d");
}

Test(text, relative) {
        const uint64_t now_usec = 1000000 * USEC_PER_SEC;

        cr_assert_str_eq(FORMAT_RELATIVE(now_usec, now_usec), "just now");
        cr_assert_str_eq(FORMAT_RELATIVE(now_usec - 999999, now_usec), "just now");
        cr_assert_str_eq(FORMAT_RELATIVE(now_usec - 125 * USEC_PER_SEC, now_usec), "2min 5s ago");
        cr_assert_str_eq(FORMAT_RELATIVE(now_usec + 3 * USEC_PER_SEC, now_usec), "in 3s");
}

Test(text, log_time) {
        cr_assert_str_eq(FORMAT_LOG_TIME(0), "0.000000");
        cr_assert_str_eq(FORMAT_LOG_TIME(12000345), "12.000345");
}

static void assert_count(const char *s, uint64_t expected) {
        uint64_t n = 0;

        cr_assert_eq(parse_count(s, &n), 0);
        cr_assert_eq(n, expected);
}

Test(text, count) {
        uint64_t n = 7;

        assert_count("0", 0);
        assert_count("5000000", 5000000);
        assert_count("300k", 300000);
        assert_count("300K", 300000);
        assert_count("5M", 5000000);
        assert_count("18446744073709551615", UINT64_MAX);

        cr_assert_eq(parse_count("", &n), -EINVAL);
        cr_assert_eq(parse_count("M", &n), -EINVAL);
        cr_assert_eq(parse_count("-1", &n), -EINVAL);
        cr_assert_eq(parse_count(" 1", &n), -EINVAL);
        cr_assert_eq(parse_count("5m", &n), -EINVAL);
        cr_assert_eq(parse_count("5G", &n), -EINVAL);
        cr_assert_eq(parse_count("5MB", &n), -EINVAL);
        cr_assert_eq(parse_count("1.5M", &n), -EINVAL);
        cr_assert_eq(parse_count("0x10", &n), -EINVAL);
        cr_assert_eq(parse_count("18446744073709551616", &n), -ERANGE);
        cr_assert_eq(parse_count("18446744073709551615k", &n), -ERANGE);
        cr_assert_eq(parse_count("100000000000000000000000000", &n), -ERANGE);
        cr_assert_eq(n, 7);
}

Test(text, nearest) {
        static const char *const words[] = {
                "status", "start", "mark", "stop", "list", "export", "help", NULL,
        };

        cr_assert_str_eq(text_nearest("stpo", words), "stop");
        cr_assert_str_eq(text_nearest("strat", words), "start");
        cr_assert_str_eq(text_nearest("statsu", words), "status");
        cr_assert_str_eq(text_nearest("exprot", words), "export");
        cr_assert_str_eq(text_nearest("lst", words), "list");
        /* What is no mistake but not all of it; of several it can be each. */
        cr_assert_str_eq(text_nearest("stat", words), "status");
        cr_assert_str_eq(text_nearest("star", words), "start");
        cr_assert_str_eq(text_nearest("e", words), "export");
        cr_assert_null(text_nearest("st", words));
        /* Whoever takes that for granted loses something. */
        cr_assert_null(text_nearest("reload", (const char *[]) { "remove", NULL }));
        cr_assert_null(text_nearest("reboot", (const char *[]) { "remove", NULL }));
        cr_assert_null(text_nearest("", words));
        cr_assert_null(text_nearest("x", words));
        cr_assert_null(text_nearest("frobnicate", words));
}

Test(table, fit_cuts_the_last_column_first) {
        const unsigned least[] = { 2, 5, 7 };
        unsigned widths[] = { 2, 9, 60 };

        table_fit(widths, least, 3, 40);
        cr_assert_eq(widths[0], 2);
        cr_assert_eq(widths[1], 9);
        cr_assert_eq(widths[2], 27);

        /* Then what else there is, and nothing below the least. */
        table_fit(widths, least, 3, 18);
        cr_assert_eq(widths[1], 7);
        cr_assert_eq(widths[2], 7);
        table_fit(widths, least, 3, 5);
        cr_assert_eq(widths[0], 2);
        cr_assert_eq(widths[1], 5);
        cr_assert_eq(widths[2], 7);
}

Test(table, fit_leaves_what_fits) {
        const unsigned least[] = { 2, 5 };
        unsigned widths[] = { 2, 9 };

        table_fit(widths, least, 2, 12);
        cr_assert_eq(widths[0], 2);
        cr_assert_eq(widths[1], 9);
}

static void assert_table(const Terminal *terminal, bool legend, const char *expected) {
        static const TableColumn columns[] = { { "ID", true }, { "STATE" }, { "ARCHIVE" } };
        _cleanup_table_ Table t = { .columns = columns, .n_columns = ELEMENTS(columns) };
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        cr_assert_not_null(f);
        table_add(&t, STYLE_NONE, "%u", 7U);
        table_add(&t, STYLE_BAD, "%s", "sealed");
        table_add(&t, STYLE_NONE, "%s", "mmiotrace-10de1c82.tar.xz");
        table_add(&t, STYLE_NONE, "%u", 123U);
        table_add(&t, STYLE_NONE, "%s", "a\n");
        table_add(&t, STYLE_NONE, "%s", "-");
        cr_assert_eq(table_print(&t, f, terminal, legend), 0);
        fclose(f);
        cr_assert_str_eq(text, expected);
}

Test(table, print) {
        assert_table(&(Terminal) {}, true,
                        " ID STATE  ARCHIVE\n"
                        "  7 sealed mmiotrace-10de1c82.tar.xz\n"
                        "123 a\\x0a  -\n");
        assert_table(&(Terminal) { .columns = 21, .utf8 = true }, false,
                        "  7 sealed mmiotrace…\n"
                        "123 a\\x0a  -\n");
        assert_table(&(Terminal) { .columns = 21, .color = true }, false,
                        "  7 \033[1;31msealed\033[0m mmiotra...\n"
                        "123 a\\x0a  -\n");
}

Test(table, print_without_rows) {
        static const TableColumn columns[] = { { "ID", true } };
        Table t = { .columns = columns, .n_columns = 1 };

        cr_assert_eq(table_print(&t, stdout, &(Terminal) {}, false), 0);
}

Test(page, wraps_on_a_terminal_only) {
        _cleanup_free_ char *text = NULL;
        Terminal terminal = { .columns = 30 };
        Page page = { .terminal = &terminal, .key_columns = 5 };
        size_t bytes;

        page.f = open_memstream(&text, &bytes);
        cr_assert_not_null(page.f);
        page_add(&page, "State", STYLE_NONE, "one two three four five six");
        page_add(&page, "Key", STYLE_NONE, "/a/path/that/is/longer/than/a/line.xz");
        page_add(&page, NULL, STYLE_NONE, "%s", "\033");
        terminal.columns = 0;
        page_add(&page, "State", STYLE_NONE, "one two three four five six");
        fclose(page.f);
        cr_assert_eq(page.r, 0);
        cr_assert_str_eq(text, "State: one two three four five\n"
                               "       six\n"
                               "  Key: /a/path/that/is/longer/than/a/line.xz\n"
                               "       \\x1b\n"
                               "State: one two three four five six\n");
}

Test(export, name) {
        char longest[300];

        memset(longest, 'a', sizeof longest);
        longest[255] = 0;
        cr_assert(archive_name_is_valid(longest));
        longest[255] = 'a';
        longest[256] = 0;
        cr_assert_not(archive_name_is_valid(longest));

        cr_assert(archive_name_is_valid("mmiotrace-10de1c82-nvidia_550.54-20261121T201500Z.tar.xz"));
        cr_assert_not(archive_name_is_valid(NULL));
        cr_assert_not(archive_name_is_valid(""));
        cr_assert_not(archive_name_is_valid("."));
        cr_assert_not(archive_name_is_valid(".bashrc"));
        cr_assert_not(archive_name_is_valid("../x"));
        cr_assert_not(archive_name_is_valid("/etc/passwd"));
        cr_assert_not(archive_name_is_valid("a/b"));
        cr_assert_not(archive_name_is_valid("a\nb"));
        cr_assert_not(archive_name_is_valid("a\033b"));
        cr_assert_not(archive_name_is_valid("a\xff" "b"));
}

static int folder_files(int dir_fd) {
        _cleanup_closedir_ DIR *d = fdopendir(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        int n = 0;

        cr_assert_not_null(d);
        for (struct dirent *e; (e = readdir(d));)
                n += !streq(e->d_name, ".") && !streq(e->d_name, "..");
        return n;
}

Test(export, to_file) {
        _cleanup_close_ int in_fd = memfd_create("archive", MFD_CLOEXEC), dir_fd = -EBADF, other_fd = -EBADF;
        _cleanup_free_ char *name = NULL, *text = NULL, *path = NULL, *other = NULL;
        uint64_t bytes = 0;
        struct stat st;
        size_t size;

        cr_assert_geq(in_fd, 0);
        cr_assert_eq(write_all(in_fd, "archive", 7), 0);
        (void) test_dir();

        /* A folder gets the archive under its own name. */
        cr_assert_eq(export_target(test_dir_path, "name.tar.xz", &dir_fd, &name), 0);
        cr_assert_str_eq(name, "name.tar.xz");
        cr_assert_eq(export_to_file(in_fd, dir_fd, name, false, &bytes), 0);
        cr_assert_eq(bytes, 7);
        cr_assert_eq(read_file_at(dir_fd, name, 100, &text, &size), 0);
        cr_assert_str_eq(text, "archive");
        cr_assert_eq(fstatat(dir_fd, name, &st, 0), 0);
        cr_assert_eq(st.st_mode & 07777, 0600);

        /* Taken names are kept, unless asked otherwise; a link is replaced, not followed. */
        cr_assert_eq(export_to_file(in_fd, dir_fd, name, false, &bytes), -EEXIST);
        cr_assert_eq(symlinkat("nowhere", dir_fd, "link"), 0);
        cr_assert_eq(export_to_file(in_fd, dir_fd, "link", false, &bytes), -EEXIST);
        cr_assert_eq(export_to_file(in_fd, dir_fd, "link", true, &bytes), 0);
        cr_assert_eq(fstatat(dir_fd, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
        cr_assert(S_ISREG(st.st_mode));

        /* A path that is not there yet is a file's. */
        cr_assert_geq(asprintf(&path, "%s/other", test_dir_path), 0);
        cr_assert_eq(export_target(path, "name.tar.xz", &other_fd, &other), 0);
        cr_assert_str_eq(other, "other");

        /* Nothing temporary is left. */
        cr_assert_eq(folder_files(dir_fd), 2);
}

Test(export, target_that_cannot_be) {
        _cleanup_free_ char *name = NULL;
        int fd;

        cr_assert_eq(export_target("/nonexistent/file", "a", &fd, &name), -ENOENT);
        cr_assert_eq(export_target("/nonexistent/", "a", &fd, &name), -ENOENT);
        cr_assert_eq(export_target("/dev/null/file", "a", &fd, &name), -ENOTDIR);
        cr_assert_null(name);
}

Test(session_view, states) {
        SessionView v = { .state = (char *) "restoring", .result = (char *) "" };

        cr_assert(session_view_is_running(&v));
        cr_assert_not(session_view_is_final(&v));
        v.state = (char *) "sealing";
        cr_assert_not(session_view_is_running(&v));
        cr_assert_not(session_view_is_final(&v));
        v.state = (char *) "sealed";
        v.result = (char *) "success";
        cr_assert(session_view_is_final(&v));
        cr_assert_not(session_view_is_failure(&v));
        v.result = (char *) "disk-full";
        cr_assert(session_view_is_failure(&v));
}

Test(session_view, ring) {
        SessionView v = { .buffer_size_bytes = 44400000, .ring_fill_bytes = 11100000, .event_rate = 100000 };
        uint64_t usec = 7;

        cr_assert_eq(session_view_ring_percent(&v), 25);
        cr_assert(session_view_ring_left(&v, &usec));
        cr_assert_eq(usec, 7500000);

        /* More than full is full. */
        v.ring_fill_bytes = 50000000;
        cr_assert_eq(session_view_ring_percent(&v), 100);
        cr_assert(session_view_ring_left(&v, &usec));
        cr_assert_eq(usec, 0);

        /* Without a rate nothing is said, and not for ever either. */
        usec = 7;
        v.event_rate = 0;
        cr_assert_not(session_view_ring_left(&v, &usec));
        v = (SessionView) { .event_rate = 1, .ring_fill_bytes = 1 };
        cr_assert_not(session_view_ring_left(&v, &usec));
        cr_assert_eq(session_view_ring_percent(&v), 0);
        cr_assert_eq(usec, 7);

        v = (SessionView) { .event_rate = UINT64_MAX, .buffer_size_bytes = UINT64_MAX };
        cr_assert(session_view_ring_left(&v, &usec));
        v.event_rate = 1;
        cr_assert(session_view_ring_left(&v, &usec));
        cr_assert_eq(usec, 1000000000000000000);
}

/* What the daemon would have sent for an empty property. */
static SessionView empty_view(const char *state) {
        char *nothing = (char *) "";

        return (SessionView) {
                .state = (char *) state, .result = nothing, .result_text = nothing, .driver = nothing,
                .module = nothing, .driver_version = nothing, .description = nothing, .archive = nothing,
                .archive_path = nothing, .cpus_offline = nothing, .job = nothing, .keep = (char *) "newest",
                .source = nothing, .submit_error = nothing, .stop_reason = nothing, .stop_on_mark = nothing,
        };
}

static void assert_json(const SessionView *v, const char *key, const char *expected) {
        _cleanup_json_ json_object *o = NULL;
        json_object *value;

        cr_assert_eq(session_view_to_json(v, &o), 0);
        cr_assert(json_object_object_get_ex(o, key, &value));
        cr_assert_str_eq(json_object_to_json_string(value), expected);
}

Test(session_view, json_of_the_ring) {
        SessionView v = empty_view("capturing");

        v.buffer_size_bytes = 44400000;
        v.ring_fill_bytes = 11100000;
        v.keep = (char *) "oldest";
        assert_json(&v, "ring_seconds_left", "null");
        v.event_rate = 100000;
        assert_json(&v, "ring_seconds_left", "7.500");
        assert_json(&v, "ring_fill_bytes", "11100000");
        assert_json(&v, "event_rate", "100000");
        assert_json(&v, "keep", "\"oldest\"");
}

Test(session_view, json_of_a_flag) {
        SessionView v = empty_view("sealed");

        assert_json(&v, "protected", "false");
        v.is_protected = 1;
        assert_json(&v, "protected", "true");
}

static void assert_page(const SessionView *v, SessionPagePart parts, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        cr_assert_not_null(f);
        cr_assert_eq(session_page_print(v, parts, f, &(Terminal) { .columns = 60 }), 0);
        fclose(f);
        cr_assert_str_eq(text, expected);
}

Test(session_page, loss_is_said) {
        SessionView v = empty_view("sealed");

        v.events = 3;
        v.reads = 1;
        v.writes = 2;
        assert_page(&v, SESSION_PAGE_COUNTS,
                        "     Events: 3 (1 reads, 2 writes, 0 unknown, 0 maps)\n"
                        "       Lost: none\n");
        cr_assert_eq(session_state_style(&v), STYLE_GOOD);
        v.lost_events = 1234;
        assert_page(&v, SESSION_PAGE_COUNTS,
                        "     Events: 3 (1 reads, 2 writes, 0 unknown, 0 maps)\n"
                        "       LOST: 1234 events; the trace is not complete\n");
        cr_assert_eq(session_state_style(&v), STYLE_ATTENTION);
        v.lost_events = 1;
        v.events = 0;
        assert_page(&v, SESSION_PAGE_COUNTS,
                        "     Events: none\n"
                        "       LOST: 1 event; the trace is not complete\n");
}

/* The counts of each kind come later than the events; the page does not let one take the one for the other. */
Test(session_page, counts_lag_behind) {
        SessionView v = empty_view("capturing");

        v.events = 1000;
        v.reads = 10;
        v.writes = 90;
        assert_page(&v, SESSION_PAGE_COUNTS,
                        "     Events: 1000 (of the first 100: 10 reads, 90 writes, 0\n"
                        "             unknown, 0 maps)\n"
                        "       Lost: none\n");
        v.state = (char *) "sealed";
        assert_page(&v, SESSION_PAGE_COUNTS,
                        "     Events: 1000 (10 reads, 90 writes, 0 unknown, 0 maps)\n"
                        "       Lost: none\n");
}

Test(session_page, protection_is_said) {
        SessionView v = empty_view("sealed");

        v.archive = (char *) "mmiotrace-x.tar.xz";
        v.archive_bytes = 2048;
        v.is_protected = 1;
        assert_page(&v, SESSION_PAGE_ARCHIVE,
                        "       Size: 2.0K\n"
                        "    Archive: mmiotrace-x.tar.xz\n"
                        "  Protected: yes: it cannot be removed\n");
}

/* What the database of this machine says, if it has one. */
Test(session_page, devices_have_names) {
        static const char alias[] = "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00";
        char *addresses[] = { (char *) "0000:00:01.0", (char *) "0000:00:02.0", (char *) "../devices/0000:00:01.0", NULL };
        static const char *const folders[] = { "bus", "bus/pci", "bus/pci/devices", "bus/pci/devices/0000:00:01.0" };
        const char *model = NULL, *vendor = NULL;
        _cleanup_free_ char *expected = NULL;
        _cleanup_strv_ char **names = NULL;
        sd_hwdb *hwdb = NULL;
        SessionView v = empty_view("sealed");

        for (size_t i = 0; i < ELEMENTS(folders); i++)
                cr_assert_eq(mkdirat(test_dir(), folders[i], 0755), 0);
        test_file("bus/pci/devices/0000:00:01.0/modalias", alias, strlen(alias));
        if (sd_hwdb_new(&hwdb) >= 0) {
                (void) sd_hwdb_get(hwdb, alias, "ID_VENDOR_FROM_DATABASE", &vendor);
                (void) sd_hwdb_get(hwdb, alias, "ID_MODEL_FROM_DATABASE", &model);
        }
        cr_assert_gt(asprintf(&expected, "0000:00:01.0%s%s%s%s", vendor ? " " : "", strempty(vendor), model ? " " : "",
                                      strempty(model)), 0);
        cr_assert_eq(device_names(test_dir_path, addresses, &names), 0);
        cr_assert_eq(strv_length(names), 3);
        cr_assert_str_eq(names[0], expected);
        cr_assert_str_eq(names[1], addresses[1]);
        cr_assert_str_eq(names[2], addresses[2]);
        sd_hwdb_unref(hwdb);

        v.devices = addresses;
        v.device_names = (char *[]) { (char *) "0000:00:01.0 Some Card", NULL };
        assert_page(&v, SESSION_PAGE_STATE,
                        "    Session: 0\n"
                        "      State: sealed\n"
                        "     Driver: none named\n"
                        "    Devices: 0000:00:01.0 Some Card\n");
}

Test(session_page, progress_is_said) {
        SessionView v = empty_view("sealing");

        v.id = 7;
        v.seal_progress = 0.429;
        assert_page(&v, SESSION_PAGE_STATE | SESSION_PAGE_NEXT,
                        "    Session: 7\n"
                        "      State: sealing, 43% of the archive is made\n"
                        "     Driver: none named\n"
                        "       Next: mmiotracectl status 7 (see when it is sealed)\n");
}

Test(session_page, what_to_do_next) {
        ReceiptView receipt = { .target = (char *) "lab" };
        SessionView v = empty_view("failed");

        v.id = 7;
        assert_page(&v, SESSION_PAGE_NEXT,
                        "       Next: mmiotracectl log 7 (see what happened)\n"
                        "             mmiotracectl seal 7 (make an archive of what\n"
                        "             there is)\n");
        v.state = (char *) "sealed";
        v.archive = (char *) "x.tar.xz";
        assert_page(&v, SESSION_PAGE_NEXT,
                        "       Next: mmiotracectl export 7\n"
                        "             mmiotracectl submit 7\n");
        v.receipts = (ReceiptList) { .receipts = &receipt, .n_receipts = 1 };
        assert_page(&v, SESSION_PAGE_NEXT, "       Next: mmiotracectl export 7\n");
}

Test(session_page, end) {
        SessionView v = empty_view("capturing");

        v.stop_after.usec = 90 * USEC_PER_SEC;
        v.stop_after.bytes = 2 * MIB;
        v.stop_on_mark = (char *) "over";
        assert_page(&v, SESSION_PAGE_DETAILS,
                        "      Stops: by itself after 1min 30s, with 2.0M\n"
                        "             or at the mark \"over\"\n");
        v.stop_after = (StopAfter) {};
        assert_page(&v, SESSION_PAGE_DETAILS, "      Stops: by itself at the mark \"over\"\n");
        v.state = (char *) "sealed";
        assert_page(&v, SESSION_PAGE_DETAILS, "");
}

static void assert_stop_after(const char *s, uint64_t usec, uint64_t bytes, uint64_t n_events) {
        StopAfter after = {};

        cr_assert_eq(stop_after_parse(s, &after), 0, "%s", s);
        cr_assert_eq(after.usec, usec, "%s", s);
        cr_assert_eq(after.bytes, bytes, "%s", s);
        cr_assert_eq(after.n_events, n_events, "%s", s);
}

Test(stop_after, parse) {
        assert_stop_after("30s", 30 * USEC_PER_SEC, 0, 0);
        assert_stop_after("1sec", USEC_PER_SEC, 0, 0);
        assert_stop_after("5min", 300 * USEC_PER_SEC, 0, 0);
        assert_stop_after("1h30min", 5400 * USEC_PER_SEC, 0, 0);
        assert_stop_after("2d", 172800 * USEC_PER_SEC, 0, 0);
        assert_stop_after("500M", 0, 500 * MIB, 0);
        assert_stop_after("2GiB", 0, 2048 * MIB, 0);
        assert_stop_after("4096B", 0, 4096, 0);
        assert_stop_after("2000000events", 0, 0, 2000000);
        assert_stop_after("2Mevents", 0, 0, 2000000);
        assert_stop_after("300kevents", 0, 0, 300000);
}

/* What could be taken for one or the other is neither. */
Test(stop_after, parse_refuses) {
        static const char *const bad[] = {
                "", "5", "5m", "500k", "-5s", "5 min", "min", "5minutes", "1.5h", "0s", "0B", "0events", "events",
                "5Xevents", "5min3", "1h 30min", "99999999999999999999s", "999999999999d", "5msevents", "5hM",
        };

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                StopAfter after = { 1, 2, 3 };

                cr_assert_lt(stop_after_parse(bad[i], &after), 0, "%s", bad[i]);
                cr_assert(after.usec == 1 && after.bytes == 2 && after.n_events == 3, "%s", bad[i]);
        }
}

Test(stop_after, several) {
        _cleanup_free_ char *text = NULL;
        StopAfter after = {};

        cr_assert_eq(stop_after_parse("5min", &after), 0);
        cr_assert_eq(stop_after_parse("2G", &after), 0);
        cr_assert_eq(stop_after_parse("10min", &after), 0);
        cr_assert_eq(stop_after_parse("5kevents", &after), 0);
        cr_assert_eq(stop_after_format(&after, &text), 0);
        cr_assert_str_eq(text, "after 10min, with 2.0G, with 5000 events");
}

Test(session_page, ring) {
        SessionView v = empty_view("capturing");

        v.buffer_size_bytes = 444 * KIB;
        v.ring_fill_bytes = 111 * KIB;
        v.event_rate = 1024;
        assert_page(&v, SESSION_PAGE_DETAILS,
                        "     Buffer: 444.0K, 25% full (111.0K), 7.5s of ring left at\n"
                        "             this rate\n");
        v.event_rate = 0;
        v.keep = (char *) "oldest";
        assert_page(&v, SESSION_PAGE_DETAILS,
                        "     Buffer: 444.0K, 25% full (111.0K)\n"
                        "       Keep: oldest: when the buffer is full, new events are\n"
                        "             lost\n");
}

Test(session_page, full) {
        SessionView v = empty_view("sealed");
        SessionMark marks[7];

        for (size_t i = 0; i < ELEMENTS(marks); i++)
                marks[i] = (SessionMark) { .monotonic_usec = i, .text = (char *) "mark" };
        v.marks = marks;
        v.n_marks = ELEMENTS(marks);
        v.description = (char *) "1\n2\n3\n4\n5\n6\n7";
        v.owner = 4000000;
        v.cpu = 2;
        v.cpus_offline = (char *) "0-1,3";
        v.buffer_size_bytes = 2 * MIB;
        v.source = (char *) "raw";
        v.stacks = v.keep_raw = true;
        assert_page(&v, SESSION_PAGE_DETAILS | SESSION_PAGE_FULL,
                        "      Owner: 4000000\n"
                        "     Source: pages of the ring, with call stacks, kept in\n"
                        "             the archive\n"
                        "     Buffer: 2.0M\n"
                        "       CPUs: CPU 2 recorded; off meanwhile: 0-1,3\n"
                        "      Marks: 0.000000 mark\n"
                        "             0.000001 mark\n"
                        "             0.000002 mark\n"
                        "             0.000003 mark\n"
                        "             0.000004 mark\n"
                        "             0.000005 mark\n"
                        "             0.000006 mark\n"
                        "Description: 1\n"
                        "             2\n"
                        "             3\n"
                        "             4\n"
                        "             5\n"
                        "             6\n"
                        "             7\n");
        assert_page(&v, SESSION_PAGE_DETAILS,
                        "      Marks: 7, the last 5 of them:\n"
                        "             0.000002 mark\n"
                        "             0.000003 mark\n"
                        "             0.000004 mark\n"
                        "             0.000005 mark\n"
                        "             0.000006 mark\n"
                        "Description: 1\n"
                        "             2\n"
                        "             3\n"
                        "             4\n"
                        "             5\n"
                        "             (there is more of it)\n");
}

Test(session_page, space) {
        SessionView v = empty_view("capturing");

        v.raw_bytes = 3 * MIB;
        assert_page(&v, SESSION_PAGE_DETAILS, "");
        v.space_short = 1;
        assert_page(&v, SESSION_PAGE_DETAILS,
                        "      Space: short; what is captured (3.0M) gets compressed\n"
                        "             meanwhile\n");
        v.compressed_bytes = 2 * MIB;
        v.compressed_disk_bytes = 160 * KIB;
        assert_page(&v, SESSION_PAGE_DETAILS,
                        "      Space: short; of 3.0M captured, 2.0M lie compressed,\n"
                        "             in 160.0K\n");
        v.space_short = 0;
        assert_page(&v, SESSION_PAGE_DETAILS,
                        "      Space: enough again; of 3.0M captured, 2.0M lie\n"
                        "             compressed, in 160.0K\n");
        v.state = (char *) "sealed";
        assert_page(&v, SESSION_PAGE_DETAILS, "");
}

Test(session_page, rate) {
        SessionView v = empty_view("capturing");

        v.start_monotonic_usec = 1;
        v.stop_monotonic_usec = 1 + 4 * USEC_PER_SEC;
        v.events = v.writes = 1000;
        v.event_rate = 700;
        assert_page(&v, SESSION_PAGE_COUNTS,
                        "     Events: 1000 (0 reads, 1000 writes, 0 unknown, 0 maps)\n"
                        "       Rate: 700/s now, 250/s on average\n"
                        "       Lost: none\n");
}

Test(session_page, warnings_are_paragraphs) {
        SessionView v = empty_view("sealed");
        char *warnings[] = {
                (char *) "The first page of an unaligned mapping is not in the log.",
                (char *) "Tracing was switched off by somebody else.", NULL,
        };

        v.warnings = warnings;
        assert_page(&v, SESSION_PAGE_WARNINGS,
                        "\n"
                        "    Warning: The first page of an unaligned mapping is not\n"
                        "             in the log.\n"
                        "\n"
                        "    Warning: Tracing was switched off by somebody else.\n");
}

/* Who may not read them hears of them. */
Test(session_page, warnings_of_others_are_counted) {
        SessionView v = empty_view("sealed");

        v.warning_count = 2;
        assert_page(&v, SESSION_PAGE_WARNINGS, "\n   Warnings: 2, for the owner and root\n");
}

static void assert_lines(const SessionView *v, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        cr_assert_not_null(f);
        cr_assert_eq(setenv("TZ", "UTC", 1), 0);
        tzset();
        follow_print_heading(f);
        follow_print_line(v, UINT64_C(1795295405) * USEC_PER_SEC, f);
        fclose(f);
        cr_assert_str_eq(text, expected);
        /* An 80-column terminal does not break the heading. */
        cr_assert_lt(strcspn(text, "\n"), 80);
}

Test(follow, table) {
        SessionView v = empty_view("capturing");

        assert_lines(&v,
                        "TIME     EVENTS/s     EVENTS      READS     WRITES UNKNOWN     LOST FILL   LEFT\n"
                        "21:10:05        0          0          0          0       0        0    -      -\n");
        v.buffer_size_bytes = 444000000;
        v.ring_fill_bytes = 44400000;
        v.event_rate = 225000;
        v.events = 1100030;
        v.reads = 400000;
        v.writes = 700018;
        v.unknown = 12;
        v.lost_events = 1234;
        assert_lines(&v,
                        "TIME     EVENTS/s     EVENTS      READS     WRITES UNKNOWN     LOST FILL   LEFT\n"
                        "21:10:05   225000    1100030     400000     700018      12     1234  10%    40s\n");
}

static void assert_screen(const char *s, unsigned rows, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        cr_assert_not_null(f);
        screen_print(f, s, rows);
        fclose(f);
        cr_assert_str_eq(text, expected);
}

Test(screen, print) {
        /* Each line is cleared only as it is written, and what was below the last one goes. */
        assert_screen("one\ntwo\n\nlast\n", 4,
                        "\033[H\033[?7l\033[Kone\n\033[Ktwo\n\033[K\n\033[Klast\033[J\033[?7h");
        /* Too few rows: the last line stays. */
        assert_screen("one\ntwo\n\nlast\n", 3,
                        "\033[H\033[?7l\033[Kone\n\033[Ktwo\n\033[Klast\033[J\033[?7h");
        assert_screen("one\nlast\n", 1, "\033[H\033[?7l\033[Klast\033[J\033[?7h");
}
