/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive-view.h"
#include "session-view.h"
#include "test-util.h"

TestSuite(archive_view, .fini = test_done);

static void assert_page(const char *metadata, bool keep_raw, const char *expected) {
        _cleanup_json_ json_object *o = json_tokener_parse(metadata);
        ArchiveHeadFile file = { .name = (char *) "uname.txt", .bytes = 2048 };
        const ArchiveView view = {
                .head = { .files = &file, .n_files = 1, .log_bytes = 3 * MIB },
                .metadata = o,
        };
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        cr_assert_not_null(f);
        cr_assert_eq(archive_view_print(&view, keep_raw, f, &(Terminal) { .columns = 80 }), 0);
        fclose(f);
        cr_assert_str_eq(text, expected);
}

Test(archive_view, page) {
        assert_page("{ \"uname\": \"Linux a 6.1.0\", \"driver\": { \"filename\": \"/lib/e1000e.ko\", \"srcversion\": \"ABC\", "
                    "\"devices\": [ { \"address\": \"0000:00:01.0\", \"vendor\": \"8086\", \"device\": \"10d3\", "
                    "\"vendor_name\": \"Intel Corporation\", \"device_name\": \"82574L\" } ] }, "
                    "\"loss\": { \"gaps\": 1003, \"places\": [ { \"after_ns\": 12345678999, \"events\": 1 }, "
                    "{ \"after_ns\": 12345679000, \"events\": 0 } ], \"places_left_out\": 1001 } }",
                    true,
                    "     Kernel: Linux a 6.1.0\n"
                    "     Module: /lib/e1000e.ko, srcversion ABC\n"
                    "     Device: 0000:00:01.0 8086:10d3 Intel Corporation 82574L\n"
                    "       Gaps: after 12.345678: 1 event\n"
                    "             after 12.345679: events that nobody counted\n"
                    "             1001 more in the log\n"
                    "      Files: uname.txt (2.0K)\n"
                    "             mmiotrace.log (3.0M)\n"
                    "             raw/ (what the kernel recorded, as it was)\n");
}

Test(archive_view, what_was_taken_out) {
        static const char files[] = "      Files: uname.txt (2.0K)\n"
                                    "             mmiotrace.log (3.0M)\n";
        _cleanup_free_ char *list = NULL, *nothing = NULL, *kept = NULL;

        cr_assert(asprintf(&list, "%s   Redacted: 1 host in uname.txt\n             12 macs in kernel.log\n", files) > 0);
        cr_assert(asprintf(&nothing, "%s   Redacted: nothing was found that had to be taken out\n", files) > 0);
        cr_assert(asprintf(&kept, "%s   Redacted: nothing: addresses, serial numbers and names are in it\n"
                                  "             (--no-redact)\n", files) > 0);
        assert_page("{ \"redacted\": true, \"redactions\": [ { \"what\": \"host\", \"where\": \"uname.txt\", \"count\": 1 }, "
                    "{ \"what\": \"mac\", \"where\": \"kernel.log\", \"count\": 12 } ] }", false, list);
        assert_page("{ \"redacted\": true, \"redactions\": [] }", false, nothing);
        assert_page("{ \"redacted\": false, \"redactions\": [] }", false, kept);
        free(kept);
        cr_assert(asprintf(&kept, "%s In the log: the network address of 0000:00:02.0, 2 times, as at 0000:00:02.0\n"
                                  "             BAR 0 + 0x5400\n             the serial number of x, 1 time, as at \n", files) > 0);
        assert_page("{ \"leaks\": [ { \"what\": \"mac\", \"of\": \"0000:00:02.0\", \"registers\": [ \"0000:00:02.0 BAR 0 + 0x5400\", "
                    "\"y\" ], \"count\": 2 }, { \"what\": \"serial\", \"of\": \"x\", \"count\": 1 } ] }", false, kept);
}

/* Of a list that is none. */
Test(archive_view, list_of_nothing) {
        static const char kept[] = "      Files: uname.txt (2.0K)\n"
                                   "             mmiotrace.log (3.0M)\n"
                                   "   Redacted: nothing: addresses, serial numbers and names are in it\n"
                                   "             (--no-redact)\n";

        assert_page("{ \"redacted\": 1, \"redactions\": [ 7, {} ] }", false, kept);
}

/* Of an older make, or of none that is known. */
Test(archive_view, metadata_that_is_not_as_expected) {
        static const char files[] = "      Files: uname.txt (2.0K)\n"
                                    "             mmiotrace.log (3.0M)\n";

        assert_page("[]", false, files);
        assert_page("{ \"uname\": 7, \"driver\": [], \"loss\": null }", false, files);
        assert_page("{ \"driver\": { \"devices\": { } }, \"loss\": { \"gaps\": 0 } }", false, files);
        assert_page("{ \"loss\": { \"gaps\": 2 } }", false,
                        "       Gaps: 2 in the log\n"
                        "      Files: uname.txt (2.0K)\n"
                        "             mmiotrace.log (3.0M)\n");
}
