/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gaps.h"
#include "test-util.h"

TestSuite(gaps, .fini = test_done);

static void assert_json(const Gaps *gaps, const char *expected) {
        _cleanup_json_ struct json_object *o = json_object_new_object();

        cr_assert_eq(gaps_to_json(gaps, o), 0);
        cr_assert_str_eq(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), expected);
}

Test(gaps, places) {
        Gaps gaps = {};

        assert_json(&gaps, "{\"places\":[],\"places_left_out\":0}");
        /* Before all events; then between two; then one without a count at the end. What is no event has no time. */
        gaps_record(&gaps, &(Record) { .type = RECORD_LOST, .lost = 7 });
        gaps_record(&gaps, &(Record) { .type = RECORD_READ, .time_ns = 1000 });
        gaps_record(&gaps, &(Record) { .type = RECORD_LOST_REPORT, .lost = 5 });
        gaps_record(&gaps, &(Record) { .type = RECORD_OTHER, .time_ns = 1500 });
        gaps_record(&gaps, &(Record) { .type = RECORD_LOST, .lost = 3 });
        gaps_record(&gaps, &(Record) { .type = RECORD_MARK, .time_ns = 2000 });
        gaps_record(&gaps, &(Record) { .type = RECORD_LOST });
        assert_json(&gaps, "{\"places\":[{\"after_ns\":0,\"events\":7},{\"after_ns\":1000,\"events\":3},"
                           "{\"after_ns\":2000,\"events\":0}],\"places_left_out\":0}");
}

Test(gaps, too_many) {
        Gaps gaps = {};

        for (size_t i = 0; i < GAPS_MAX + 3; i++)
                gaps_record(&gaps, &(Record) { .type = RECORD_LOST, .lost = 1 });
        cr_assert_eq(gaps.n_gaps, GAPS_MAX);
        cr_assert_eq(gaps.n_left_out, 3);
}
