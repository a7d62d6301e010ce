/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ring.h"
#include "test-util.h"

TestSuite(ring_format, .fini = test_done);

static void assert_field(RingField field, unsigned offset, unsigned bytes, const char *name) {
        cr_assert(field.offset == offset && field.bytes == bytes, "%s: %u bytes at %u", name, field.bytes,
                        field.offset);
}

#define ASSERT_FIELD(format, field, offset, bytes) assert_field((format).field, (offset), (bytes), #field)

Test(ring_format, of_both_kernels) {
        static const char *const samples[] = { "e1000e-6.1", "e1000e-6.1-lossy", "e1000e-6.12-stack" };

        for (size_t i = 0; i < ELEMENTS(samples); i++) {
                _cleanup_close_ int fd = test_open_formats(samples[i]);
                RingFormat f;

                cr_assert_eq(ring_format_load(fd, &f), 0, "%s", samples[i]);
                cr_assert_eq(f.subbuf_bytes, 4096);
                cr_assert_eq(f.data_offset, 16);
                cr_assert_eq(f.commit_offset, 8);
                cr_assert_eq(f.timestamp_offset, 0);
                ASSERT_FIELD(f, type, 0, 2);
                ASSERT_FIELD(f, pid, 4, 4);
                cr_assert_eq(f.rw_id, 7);
                ASSERT_FIELD(f, rw_phys, 8, 8);
                ASSERT_FIELD(f, rw_value, 16, 8);
                ASSERT_FIELD(f, rw_pc, 24, 8);
                ASSERT_FIELD(f, rw_map_id, 32, 4);
                ASSERT_FIELD(f, rw_opcode, 36, 1);
                ASSERT_FIELD(f, rw_width, 37, 1);
                cr_assert_eq(f.map_id, 8);
                ASSERT_FIELD(f, map_phys, 8, 8);
                ASSERT_FIELD(f, map_virt, 16, 8);
                ASSERT_FIELD(f, map_length, 24, 8);
                ASSERT_FIELD(f, map_map_id, 32, 4);
                ASSERT_FIELD(f, map_opcode, 36, 1);
                cr_assert_eq(f.print_id, 5);
                cr_assert_eq(f.print_text_offset, 16);
        }
}

static char *replace_first(const char *text, const char *from, const char *to) {
        const char *found = strstr(text, from);
        char *changed = NULL;
        int r;

        cr_assert_not_null(found, "nothing is called \"%s\"", from);
        r = asprintf(&changed, "%.*s%s%s", (int) (found - text), text, to, found + strlen(from));
        cr_assert_geq(r, 0);
        return changed;
}

/* Loads the format files of 6.1, after the first occurrence of a string in one of them was replaced. */
static int load_changed(const char *name, const char *from, const char *to, RingFormat *ret) {
        for (size_t i = 0; i < n_ring_format_files; i++) {
                _cleanup_free_ char *path = NULL, *text = NULL, *changed = NULL;
                const char *file = ring_format_files[i].name;

                cr_assert_geq(asprintf(&path, "samples/e1000e-6.1/formats/%s", file), 0);
                test_data(path, &text, NULL);
                changed = replace_first(text, streq(file, name) ? from : "", streq(file, name) ? to : "");
                test_file(file, changed, strlen(changed));
        }
        return ring_format_load(test_dir(), ret);
}

Test(ring_format, changed) {
        RingFormat f;
        int r;

        /* Nothing is assumed of where a field lies, as long as the files say so. */
        r = load_changed("mmiotrace_rw.format", "value;\toffset:16;\tsize:8", "value;\toffset:4;\tsize:2",
                        &f);
        cr_assert_eq(r, 0);
        ASSERT_FIELD(f, rw_value, 4, 2);
        cr_assert_eq(load_changed("mmiotrace_map.format", "ID: 8", "ID: 1234", &f), 0);
        cr_assert_eq(f.map_id, 1234);
        cr_assert_eq(load_changed("print.format", "buf[];\toffset:16", "buf[];\toffset:24", &f), 0);
        cr_assert_eq(f.print_text_offset, 24);
        cr_assert_eq(load_changed("header_page", "size:4080", "size:65520", &f), 0);
        cr_assert_eq(f.subbuf_bytes, 65536);
        r = load_changed("header_page", "commit;\toffset:8;\tsize:8", "commit;\toffset:8;\tsize:4", &f);
        cr_assert_eq(r, 0);
        cr_assert_eq(f.commit_offset, 8);
}

Test(ring_format, refused) {
        static const struct {
                const char *file, *from, *to;
        } table[] = {
                { "mmiotrace_rw.format", " common_type;", " common_kind;" },
                { "mmiotrace_rw.format", " common_pid;", " common_tid;" },
                { "mmiotrace_rw.format", " phys;", " fhys;" },
                { "mmiotrace_rw.format", " value;", " walue;" },
                { "mmiotrace_rw.format", " pc;", " pd;" },
                { "mmiotrace_rw.format", " map_id;", " map_ie;" },
                { "mmiotrace_rw.format", " opcode;", " opcodf;" },
                { "mmiotrace_rw.format", " width;", " widti;" },
                { "mmiotrace_map.format", " phys;", " fhys;" },
                { "mmiotrace_map.format", " virt;", " wirt;" },
                { "mmiotrace_map.format", " len;", " lem;" },
                { "mmiotrace_map.format", " map_id;", " map_ie;" },
                { "mmiotrace_map.format", " opcode;", " opcodf;" },
                { "print.format", " buf[];", " bug[];" },
                { "mmiotrace_rw.format", "value;\toffset:16;\tsize:8;", "value;\toffset:16;\tsize:16;" },
                { "mmiotrace_rw.format", "value;\toffset:16;\tsize:8;", "value;\toffset:16;\tsize:9;" },
                { "mmiotrace_rw.format", "value;\toffset:16;\tsize:8;", "value;\toffset:16;\tsize:0;" },
                { "mmiotrace_rw.format", "value;\toffset:16;", "value;\toffset:4097;" },
                { "mmiotrace_rw.format", "value;\toffset:16;", "value;\toffset:4294967280;" },
                { "mmiotrace_map.format", "len;\toffset:24;\tsize:8;", "len;\toffset:24;\tsize:16;" },
                { "mmiotrace_rw.format", "name: mmiotrace_rw", "name: mmiotrace_wr" },
                { "mmiotrace_map.format", "name: mmiotrace_map", "name: mmiotrace_rw" },
                { "print.format", "format:", "tamrof:" },
                { "header_page", "timestamp;", "timestomp;" },
                { "header_page", "timestamp;\toffset:0;\tsize:8", "timestamp;\toffset:0;\tsize:4" },
                { "header_page", "timestamp;\toffset:0", "timestamp;\toffset:9" },
                { "header_page", "timestamp;\toffset:0", "timestamp;\toffset:4294967295" },
                { "header_page", "commit;", "comet;" },
                { "header_page", "commit;\toffset:8;\tsize:8", "commit;\toffset:8;\tsize:2" },
                { "header_page", "commit;\toffset:8", "commit;\toffset:13" },
                { "header_page", "commit;\toffset:8", "commit;\toffset:4294967295" },
                { "header_page", "char data;", "char date;" },
                { "header_page", "data;\toffset:16", "data;\toffset:0" },
                { "header_page", "data;\toffset:16;\tsize:4080", "data;\toffset:80;\tsize:4016" },
                { "header_page", "size:4080", "size:0" },
                { "header_page", "size:4080", "size:4081" },
                { "header_page", "size:4080", "size:528368" },
                { "header_page", "size:4080", "size:4294963184" },
                { "header_page", "size:4080", "size:many" },
        };
        RingFormat untouched, f;

        memset(&untouched, 0x5a, sizeof untouched);
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                memset(&f, 0x5a, sizeof f);
                cr_expect_eq(load_changed(table[i].file, table[i].from, table[i].to, &f), -EBADMSG, "%s: %s",
                                table[i].file, table[i].to);
                cr_expect_eq(memcmp(&f, &untouched, sizeof f), 0, "%s: %s", table[i].file, table[i].to);
        }
}

Test(ring_format, files_missing) {
        for (size_t i = 0; i < n_ring_format_files; i++) {
                const char *name = ring_format_files[i].name;
                RingFormat f;

                cr_assert_eq(load_changed("", "", "", &f), 0);
                cr_assert_eq(unlinkat(test_dir(), name, 0), 0);
                cr_expect_eq(ring_format_load(test_dir(), &f), ring_format_files[i].required ? -ENOENT : 0,
                                "%s", name);
        }
}

Test(ring_format, files_odd) {
        _cleanup_free_ char *huge = malloc(65 * KIB);
        RingFormat f;

        cr_assert_not_null(huge);
        memset(huge, '\n', 65 * KIB);
        for (size_t i = 0; i < n_ring_format_files; i++) {
                const char *name = ring_format_files[i].name;

                if (!ring_format_files[i].required)
                        continue;
                cr_assert_eq(load_changed("", "", "", &f), 0);
                test_file(name, "", 0);
                cr_expect_eq(ring_format_load(test_dir(), &f), -EBADMSG, "empty %s", name);
                test_file(name, "\xff\xfe\0\x01garbage\0", 12);
                cr_expect_eq(ring_format_load(test_dir(), &f), -EBADMSG, "garbage in %s", name);
                test_file(name, huge, 65 * KIB);
                cr_expect_eq(ring_format_load(test_dir(), &f), -EFBIG, "huge %s", name);
        }
}
