/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The examples of the manual pages, as they are. Each block between lines of "```" is a script, with the daemon on a machine
 * that is a folder. What a comment above it says otherwise: "; A file." is a drop-in for the configuration, and "; Not run:"
 * gives the reason why it cannot be run here. */

#include <fcntl.h>
#include <sys/stat.h>

#include "fixture.h"
#include "tool.h"

#define STACKS TEST_DATA_DIR "/samples/e1000e-6.12-stack"

#define FENCE "```\n"
#define FILE_MARK "; A file.\n"
#define NOT_RUN_MARK "; Not run: "

static Fixture fixture;

static void teardown(void) {
        if (fixture.event)
                fixture_done(&fixture);
}

TestSuite(manual, .fini = teardown, .timeout = 120);

typedef struct Counts {
        unsigned n_scripts, n_files, n_not_run;
} Counts;

static void add_program(Fixture *f, const char *name, const char *text) {
        _cleanup_free_ char *path = NULL, *below_root = NULL;

        cr_assert_gt(asprintf(&path, "bin/%s", name), 0);
        fake_file(&f->machine.tree, path, text);
        below_root = below(f->machine.tree.root, path);
        cr_assert_eq(chmod(below_root, 0755), 0);
}

/* What is installed in the place of what is built, and what takes more than a bus. */
static void add_programs(Fixture *f) {
        _cleanup_free_ char *path = NULL;

        add_program(f, "mmiotracectl", "#!/bin/sh\nexec " CTL_PROGRAM " \"$@\"\n");
        add_program(f, "mmiotrace-analyze", "#!/bin/sh\nexec " ANALYZE_PROGRAM " \"$@\"\n");
        add_program(f, "ping", "#!/bin/sh\nexit 0\n");
        /* By the calls that they make. */
        add_program(f, "systemctl",
                        "#!/bin/sh\n"
                        "case \"$1 $2\" in\n"
                        "\"reload mmiotraced\")\n"
                        "        exec busctl call " BUS_NAME " " BUS_PATH " " BUS_INTERFACE_MANAGER " Reload a{sv} 0 ;;\n"
                        "\"service-log-level mmiotraced\")\n"
                        "        exec busctl set-property " BUS_NAME " /org/freedesktop/LogControl1 org.freedesktop.LogControl1 "
                        "LogLevel s \"$3\" ;;\n"
                        "*)      exit 1 ;;\n"
                        "esac\n");
        cr_assert_gt(asprintf(&path, "%s/bin:%s", f->machine.tree.root, getenv("PATH")), 0);
        cr_assert_eq(setenv("PATH", path, 1), 0);
}

/* A script in a folder of its own. Every command of it has to succeed. */
static void run_script(Fixture *f, const char *page, const char *script) {
        _cleanup_free_ char *folder = below(f->machine.tree.root, "out"), *said = NULL;
        siginfo_t info;
        pid_t pid;

        fake_file(&f->machine.tree, "script", script);
        pid = program_start((char *[]) { (char *) "bash", (char *) "-c",
                        (char *) "cd \"$1\" && bash -e -o pipefail ../script 2>&1 </dev/null | tail -n 20 >../said; "
                                 "exit \"${PIPESTATUS[0]}\"",
                        (char *) "bash", folder, NULL });
        program_await(f, pid);
        cr_assert_eq(waitid(P_PID, (id_t) pid, &info, WEXITED), 0);
        said = fake_read(&f->machine.tree, "said");
        cr_assert(info.si_code == CLD_EXITED && info.si_status == EXIT_SUCCESS, "%s: status %d of:\n%s%s", page, info.si_status,
                        script, said);
}

/* The raw part of an archive with call stacks, out of what a real kernel has recorded. */
static void make_archive_with_stacks(Fixture *f) {
        run_script(f, "the archive for the examples",
                        "mkdir raw\n"
                        "cp -r " STACKS "/formats raw\n"
                        "xz -dc " STACKS "/cpu0.raw.xz >raw/cpu0-000000.raw\n"
                        "xz -dc " STACKS "/kallsyms-subset.xz >raw/kallsyms\n"
                        "cp -r " TEST_DATA_DIR "/stacks/modules raw\n"
                        "tar -cJf mmiotrace-example.tar.xz raw\n"
                        "rm -r raw\n");
}

static void make_archive(Fixture *f) {
        machine_record(&f->machine);
        free(expect_path(session_start(f, 1, "description", "s", "an example")));
        session_stop(f);
        wait_for_session(f, BUS_PATH_SESSION "/_1", "sealed");
        run_script(f, "the archive for the examples", "mmiotracectl export 1");
}

static void try_script(const char *page, const char *script) {
        Fixture *f = &fixture;

        fixture_make(f);
        if (!machine_add_driver(&f->machine))
                cr_skip_test("Not run: there is no depmod.");
        fake_file(&f->machine.tree, "out/mmiotraced-example", "");
        add_programs(f);
        fixture_be_systemd(f);
        daemon_start(f);
        if (strstr(script, "mmiotrace-analyze"))
                make_archive_with_stacks(f);
        else if (strstr(script, "mmiotrace-*.tar.xz"))
                make_archive(f);
        else
                machine_record(&f->machine);
        run_script(f, page, script);
        daemon_stop(f);
        fixture_done(f);
        *f = (Fixture) {};
}

/* All of its lines are in effect. */
static void try_file(const char *page, const char *text) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *section, *key, *value, *file;
        unsigned n_lines = 0, n_settings = 0;
        Fixture *f = &fixture;
        uint32_t line;

        fixture_make(f);
        fake_file(&f->machine.tree, "mmiotraced.conf.d/example.conf", text);
        daemon_start(f);
        reply = manager_call(f, "GetConfig", "a{sv}", 0);
        cr_assert_gt(sd_bus_message_enter_container(reply, 'a', "(ssssu)"), 0);
        while (sd_bus_message_read(reply, "(ssssu)", &section, &key, &value, &file, &line) > 0)
                n_settings += strstr(file, "/example.conf") != NULL;
        for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
                n_lines += *p != '[';
        cr_assert_eq(n_settings, n_lines, "%s: %u of %u settings are in effect:\n%s", page, n_settings, n_lines, text);
        daemon_stop(f);
        fixture_done(f);
        *f = (Fixture) {};
}

/* Puts an end to the block, and takes the page's escapes out of it. Returns what is behind it. */
static char *take_block(const char *page, char *block) {
        char *end = strstr(block, "\n" FENCE), *to = block;

        cr_assert_not_null(end, "%s: a block has no end", page);
        end[1] = 0;
        for (const char *from = block; *from; from++) {
                from += *from == '\\' && from[1];
                *to++ = *from;
        }
        *to = 0;
        return end + strlen("\n" FENCE);
}

/* The last line before. */
static const char *line_before(const char *text, const char *p) {
        if (p == text)
                return "";
        for (p--; p > text && p[-1] != '\n'; p--)
                ;
        return p;
}

static Counts try_page(const char *page) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        Counts counts = {};
        char *p;

        cr_assert_gt(asprintf(&path, MANUAL_DIR "/%s", page), 0);
        cr_assert_eq(read_file_at(AT_FDCWD, path, MIB, &text, NULL), 0, "%s", path);
        for (p = text; (p = strstr(p, FENCE));) {
                const char *mark = line_before(text, p);
                char *block = p + strlen(FENCE);

                p = take_block(page, block);
                if (startswith(mark, NOT_RUN_MARK)) {
                        cr_assert_gt(strcspn(mark, "\n"), strlen(NOT_RUN_MARK), "%s: why?", page);
                        counts.n_not_run++;
                } else if (startswith(mark, FILE_MARK)) {
                        try_file(page, block);
                        counts.n_files++;
                } else {
                        cr_assert_neq(*mark, ';', "%s: what is \"%.*s\"?", page, (int) strcspn(mark, "\n"), mark);
                        try_script(page, block);
                        counts.n_scripts++;
                }
        }
        return counts;
}

#define assert_page(page, scripts, files, not_run)                                                              \
        ({                                                                                                      \
                Counts _counts = try_page(page);                                                                \
                cr_assert(_counts.n_scripts == (scripts) && _counts.n_files == (files) && _counts.n_not_run == (not_run), \
                                "%s: %u, %u, %u", page, _counts.n_scripts, _counts.n_files, _counts.n_not_run); \
        })

Test(manual, mmiotracectl) {
        assert_page("mmiotracectl.1.scd", 3, 0, 0);
}

Test(manual, analyze) {
        assert_page("mmiotrace-analyze.1.scd", 1, 0, 0);
}

Test(manual, archive) {
        assert_page("mmiotrace-archive.5.scd", 2, 0, 0);
}

Test(manual, configuration) {
        assert_page("mmiotraced.conf.5.scd", 1, 2, 0);
}

/* Its journal and its sandbox are systemd's. */
Test(manual, daemon) {
        assert_page("mmiotraced.8.scd", 1, 0, 1);
}

Test(manual, bus) {
        assert_page("org.freedesktop.MmioTrace.5.scd", 1, 0, 0);
}

/* A page that nobody has thought of here has examples that nobody runs. */
Test(manual, all_pages) {
        _cleanup_free_ char *pages = tool_output("cd " MANUAL_DIR " && grep -lx \"# EXAMPLES\" *.scd | wc -l; ls *.scd | wc -l");

        cr_assert_str_eq(pages, "6\n6\n");
}
