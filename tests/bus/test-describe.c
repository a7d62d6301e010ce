/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said about a session, before and after it was sealed. */

#include <fcntl.h>
#include <sys/stat.h>

#include "fixture.h"

#define SESSION BUS_PATH_SESSION "/_1"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(describe, .init = setup, .fini = teardown, .timeout = 60);

static void begin(Fixture *f) {
        daemon_start(f);
        free(expect_path(session_start(f, 1, "description", "s", "before")));
        machine_record(&f->machine);
}

static char *describe(Fixture *f, const char *text) {
        return expect_path(session_call(f, SESSION, "Describe", "sa{sv}", text, 0));
}

static void wait_for_job(Fixture *f, const char *job) {
        _cleanup_free_ char *signal = NULL;

        cr_assert_gt(asprintf(&signal, "JobRemoved %s done", job), 0);
        wait_until(f, strv_contains(f->signals, signal));
}

/* The archive has it in the two files where it belongs, and its log is still the kernel's. */
static void assert_archive_says(Fixture *f, const char *text) {
        _cleanup_free_ char *names = fixture_unpack(f, SESSION), *description = NULL, *metadata = NULL, *log = NULL,
                            *expected = machine_expected_log(), *part = NULL;

        description = fake_read(&f->machine.tree, "unpacked/description.txt");
        cr_assert_gt(asprintf(&part, "As reported by the user:\n\n%s\n\n", text), 0);
        cr_assert(startswith(description, part), "%s", description);
        metadata = fake_read(&f->machine.tree, "unpacked/metadata.json");
        free(part);
        cr_assert_gt(asprintf(&part, "\"description\":\"%s\"", text), 0);
        cr_assert_not_null(strstr(metadata, part), "%s", metadata);
        log = fake_read(&f->machine.tree, "unpacked/mmiotrace.log");
        cr_assert(streq(log, expected), "The log is not the kernel's text.");
}

Test(describe, while_it_captures) {
        Fixture *f = &fixture;
        _cleanup_free_ char *job = NULL;

        begin(f);
        job = describe(f, "in between");
        cr_assert_str_eq(job, "/");
        assert_session(f, SESSION, "Description", "in between");
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        assert_archive_says(f, "in between");
        daemon_stop(f);
}

Test(describe, when_it_is_sealed) {
        Fixture *f = &fixture;
        _cleanup_free_ char *job = NULL, *same = NULL;
        uint64_t bytes;

        begin(f);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        assert_archive_says(f, "before");
        bytes = get_number(f, SESSION, BUS_INTERFACE_SESSION, "BytesArchive");
        job = describe(f, "a description that is much longer than the one before, and cannot be packed into nothing");
        assert_session(f, SESSION, "State", "sealed");
        cr_assert_str_neq(job, "/");
        wait_for_job(f, job);
        assert_session(f, SESSION, "State", "sealed");
        assert_session(f, SESSION, "Job", "/");
        assert_archive_says(f, "a description that is much longer than the one before, and cannot be packed into nothing");
        cr_assert_gt(get_number(f, SESSION, BUS_INTERFACE_SESSION, "BytesArchive"), bytes);
        /* Nothing to do. */
        same = describe(f, "a description that is much longer than the one before, and cannot be packed into nothing");
        cr_assert_str_eq(same, "/");
        daemon_stop(f);

        daemon_start(f);
        assert_session(f, SESSION, "Description",
                        "a description that is much longer than the one before, and cannot be packed into nothing");
        daemon_stop(f);
}

/* A program in the place of the one that makes archives, which waits before it does. */
static char *slow_seal_program(Fixture *f) {
        _cleanup_free_ char *text = NULL, *path = below(f->machine.tree.root, "slow");

        cr_assert_gt(asprintf(&text, "#!/bin/sh\nwhile [ ! -e %s/go-$1 ]; do sleep 0.05; done\nexec %s \"$@\"\n",
                                      f->machine.tree.root, SEAL_PROGRAM), 0);
        fake_file(&f->machine.tree, "slow", text);
        cr_assert_eq(chmod(path, 0755), 0);
        return TAKE_PTR(path);
}

/* The seal worker may have read what was said before: so the archive is made anew behind it. */
Test(describe, while_it_is_being_sealed) {
        Fixture *f = &fixture;
        _cleanup_free_ char *slow = slow_seal_program(f), *job = NULL;

        f->seal_program = slow;
        begin(f);
        session_stop(f);
        wait_for_session(f, SESSION, "sealing");
        job = describe(f, "meanwhile");
        cr_assert_str_eq(job, BUS_PATH_JOB "/_1");
        fake_file(&f->machine.tree, "go-6", "");
        wait_for_session(f, SESSION, "sealed");
        wait_until(f, strv_contains(f->signals, "JobNew " BUS_PATH_JOB "/_2"));
        assert_string(f, BUS_PATH_JOB "/_2", BUS_INTERFACE_JOB, "Type", "describe");
        fake_file(&f->machine.tree, "go-describe", "");
        wait_for_job(f, BUS_PATH_JOB "/_2");
        assert_archive_says(f, "meanwhile");
        daemon_stop(f);
}

Test(describe, again_while_the_archive_is_made) {
        Fixture *f = &fixture;
        _cleanup_free_ char *slow = slow_seal_program(f), *first = NULL, *second = NULL;

        f->seal_program = slow;
        fake_file(&f->machine.tree, "go-6", "");
        begin(f);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        first = describe(f, "first");
        second = describe(f, "second");
        cr_assert_str_eq(first, second);
        assert_error(session_call(f, SESSION, "Remove", "a{sv}", 0), "WrongState");
        fake_file(&f->machine.tree, "go-describe", "");
        wait_for_job(f, first);
        wait_for_job(f, BUS_PATH_JOB "/_3");
        assert_archive_says(f, "second");
        assert_session(f, SESSION, "Job", "/");
        daemon_stop(f);
}

Test(describe, cut_short) {
        Fixture *f = &fixture;
        _cleanup_free_ char *slow = slow_seal_program(f);

        f->seal_program = slow;
        fake_file(&f->machine.tree, "go-6", "");
        begin(f);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        free(describe(f, "after all"));
        daemon_kill(f, true);
        strv_free(f->signals);
        f->signals = NULL;

        /* The next daemon begins it again, and counts its jobs from 1. */
        daemon_start(f);
        assert_archive_says(f, "before");
        fake_file(&f->machine.tree, "go-describe", "");
        wait_for_job(f, BUS_PATH_JOB "/_1");
        assert_archive_says(f, "after all");
        daemon_stop(f);
}

Test(describe, archive_that_cannot_be_made_anew) {
        Fixture *f = &fixture;
        _cleanup_free_ char *job = NULL, *again = NULL, *signal = NULL,
                            *archive = below(f->machine.tree.root, "state/sessions/1/archive.tar.xz"),
                            *aside = below(f->machine.tree.root, "aside");

        begin(f);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        cr_assert_eq(rename(archive, aside), 0);
        job = describe(f, "now");
        cr_assert_gt(asprintf(&signal, "JobRemoved %s failed", job), 0);
        wait_until(f, strv_contains(f->signals, signal));
        assert_session(f, SESSION, "State", "sealed");
        assert_session(f, SESSION, "Description", "now");
        /* Said once more, it is tried once more. */
        cr_assert_eq(rename(aside, archive), 0);
        again = describe(f, "now");
        wait_for_job(f, again);
        assert_archive_says(f, "now");
        daemon_stop(f);
}

Test(describe, refused) {
        Fixture *f = &fixture;
        _cleanup_free_ char *longest = calloc(1, DESCRIPTION_MAX_BYTES + 2), *text = NULL;

        begin(f);
        memset(longest, 'x', DESCRIPTION_MAX_BYTES);
        free(describe(f, longest));
        longest[DESCRIPTION_MAX_BYTES] = 'x';
        assert_error(session_call(f, SESSION, "Describe", "sa{sv}", longest, 0), "org.freedesktop.DBus.Error.InvalidArgs");
        text = expect_error(session_call(f, SESSION, "Describe", "sa{sv}", "a\033[31m", 0), "org.freedesktop.DBus.Error.InvalidArgs");
        cr_assert_not_null(strstr(text, "not allowed"));
        assert_error(session_call(f, SESSION, "Describe", "sa{sv}", "text", 1, "colour", "s", "red"), "org.freedesktop.DBus.Error.InvalidArgs");
        longest[DESCRIPTION_MAX_BYTES] = 0;
        assert_session(f, SESSION, "Description", longest);
        daemon_stop(f);
}
