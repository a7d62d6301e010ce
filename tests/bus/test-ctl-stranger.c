/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mmiotracectl as a user who is neither root nor the owner of anything: what is asked for, and what is not. */

#include "ctl.h"

#define SESSION BUS_PATH_SESSION "/_1"
#define STRANGER 65534  /* the bus takes only whom the system knows */
#define ACTION "org.freedesktop.MmioTrace."

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(stranger, .init = setup, .fini = teardown, .timeout = 60);

/* A session of root's that is sealed, and somebody to ask. */
static void seal(Fixture *f) {
        daemon_start(f);
        free(expect_path(session_start(f, 1, "description", "s", "secret")));
        expect_ok(session_call(f, SESSION, "Mark", "sa{sv}", "hidden", 0));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        fixture_be_polkit(f);
}

/* Opening the archive takes a permission of its own: it is not asked for where nobody gets to see the archive. */
Test(stranger, submit) {
        static const char *const table[][6] = {
                { "submit", "1", "--yes", "--no-block", "--json=short" },
                { "submit", "1", "--cancel", "--json=short" },
                { "submit", "1", "--yes", "--no-block", "--quiet" },
        };
        Fixture *f = &fixture;

        fake_file(&f->machine.tree, "mmiotraced.conf",
                        "[Submit]\nRetrySec=1h\n[Target lab]\nURL=https://traces.example/{archive}\n");
        seal(f);
        f->polkit_answer = POLKIT_YES;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_ctl_ Ctl ctl = ctl_begin_as(f, STRANGER, table[i]);

                ctl_end_served(f, &ctl);
                assert_ended(&ctl, 0);
        }
        cr_assert_gt(strv_length(f->polkit_calls), 0);
        cr_assert_not(strv_contains(f->polkit_calls, ACTION "read"));
        daemon_stop(f);
}

/* What is not for everybody is left out, and that is said: nobody needs a password to look. */
Test(stranger, show) {
        static const PolkitAnswer answers[] = { POLKIT_PASSWORD, POLKIT_NO };
        Fixture *f = &fixture;

        seal(f);
        for (size_t i = 0; i < ELEMENTS(answers); i++) {
                _cleanup_ctl_ Ctl page = CTL_BEGIN_AS(f, STRANGER, "show", "1"), json = {};

                f->polkit_answer = answers[i];
                ctl_end_served(f, &page);
                assert_ended(&page, 0);
                assert_contains(page.out, "What the archive tells is shown to root only, and to whom polkit lets read it.\n");
                assert_contains(page.out, "Marks: 1, which only the owner and root see here\n");
                cr_assert_not(strstr(page.out, "hidden") || strstr(page.out, "secret") || strstr(page.out, "Files:"), "%s", page.out);
                cr_assert_str_eq(page.err, "");
                json = CTL_BEGIN_AS(f, STRANGER, "show", "1", "--json=short");
                ctl_end_served(f, &json);
                assert_ended(&json, 0);
                assert_contains(json.out, "\"mark_count\":1");
                cr_assert_str_eq(json.err, "");
        }
        f->polkit_answer = POLKIT_YES;
        _cleanup_ctl_ Ctl permitted = CTL_BEGIN_AS(f, STRANGER, "show", "1");
        ctl_end_served(f, &permitted);
        assert_contains(permitted.out, " hidden\n");
        assert_contains(permitted.out, "Files: description.txt (");
        daemon_stop(f);
}
