/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "description-form.h"
#include "test-util.h"

TestSuite(form, .fini = test_done);

#define WHAT_HAPPENED "What happened, and what should have happened?"
#define CONNECTED "What is connected to it, and to which of its connectors (monitors, TV sets, cables)?"

static void assert_read(const char *form, const char *expected) {
        _cleanup_free_ char *text = NULL;

        cr_assert_eq(description_form_read(form, &text), 0);
        cr_assert_str_eq(text, expected);
}

Test(form, nothing_said) {
        _cleanup_free_ char *form = NULL;

        cr_assert_eq(description_form_new("Session 3, e1000e", "", &form), 0);
        cr_assert(startswith(form, "# Session 3, e1000e: "));
        cr_assert_not_null(strstr(form, "\n" WHAT_HAPPENED "\n"));
        assert_read(form, "");
        assert_read("", "");
        assert_read("\n\n \t\n", "");
}

Test(form, answers_keep_their_questions) {
        assert_read("# comment\n\n" WHAT_HAPPENED "\n\nIt hung.\n\nThen it\n\twent on.\n\n" CONNECTED "\n\n\n",
                        WHAT_HAPPENED "\nIt hung.\n\nThen it\n\twent on.");
        assert_read(WHAT_HAPPENED "\nIt hung.\n" CONNECTED "\nA monitor on DP-1.",
                        WHAT_HAPPENED "\nIt hung.\n\n" CONNECTED "\nA monitor on DP-1.");
        /* Text without a question, and lines as other systems end them. */
        assert_read("Free text.\r\n\r\n\r\nMore.\r\n" CONNECTED "\r\nNothing.\r\n",
                        "Free text.\n\nMore.\n\n" CONNECTED "\nNothing.");
}

/* What was said is there when it is edited again, and only what is missing is asked. */
Test(form, again) {
        static const char said[] = "Free text.\n\n" CONNECTED "\nNothing.";
        _cleanup_free_ char *form = NULL;

        cr_assert_eq(description_form_new("Session 3", said, &form), 0);
        cr_assert_not_null(strstr(form, said));
        cr_assert_null(strstr(strstr(form, CONNECTED) + 1, CONNECTED));
        cr_assert_not_null(strstr(form, WHAT_HAPPENED));
        assert_read(form, said);
}
