/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log-hash.h"
#include "log-writer.h"
#include "test-util.h"
#include "tool.h"

TestSuite(log_hash, .fini = test_done, .timeout = 60);

/* Another program comes to the same sums, of the parts of what is unpacked. */
Test(log_hash, sums) {
        _cleanup_(log_writer_freep) LogWriter *w = NULL;
        _cleanup_strv_ char **segments = NULL;
        _cleanup_json_ struct json_object *array = NULL;
        uint64_t bytes;

        cr_assert_eq(log_writer_new(test_dir(), &(LogWriterOptions) {
                        .level = 1,
                        .threads = 1,
                        .memory_max_bytes = 64 * MIB,
                        .segment_max_bytes = 300 * KIB,
                }, &w), 0);
        for (unsigned i = 0; i < 20000; i++) {
                char line[64];

                cr_assert_eq(log_writer_text(w, line, (size_t) snprintf(line, sizeof line, "MARK %u.000000 x\n", i)), 0);
        }
        cr_assert_eq(log_writer_finish(w, &segments, &bytes), 0);
        cr_assert_gt(strv_length(segments), 1);
        cr_assert_eq(log_hash(test_dir(), segments, &array), 0);
        cr_assert_eq(json_object_array_length(array), strv_length(segments));
        for (size_t i = 0; segments[i]; i++) {
                struct json_object *o = json_object_array_get_idx(array, i);
                _cleanup_free_ char *output = tool_output("xz -dc %s/%s | sha256sum", test_dir_path, segments[i]);

                cr_assert_eq(strncmp(output, json_get_string(o, "sha256"), 64), 0, "%s", output);
                cr_assert_eq(strlen(json_get_string(o, "sha256")), 64);
                cr_assert_gt(json_get_u64(o, "bytes"), 0);
        }
}

Test(log_hash, damaged) {
        _cleanup_json_ struct json_object *array = NULL;
        char *const segments[] = { (char *) "a.xz", NULL };

        test_file("a.xz", "nonsense", 8);
        cr_assert_lt(log_hash(test_dir(), segments, &array), 0);
        cr_assert_null(array);
}
