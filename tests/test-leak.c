/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "leak.h"
#include "metadata.h"
#include "edid-bytes.h"
#include "identity.h"
#include "test-util.h"
#include "text-trace.h"

TestSuite(leak, .fini = test_done, .timeout = 60);

static const uint8_t mac[] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static Leak *leak(void) {
        Leak *l;

        cr_assert_eq(leak_new(&l), 0);
        cr_assert_eq(leak_add_value(l, "mac", "0000:00:02.0", mac, sizeof mac), 0);
        cr_assert_eq(leak_add_region(l, "0000:00:02.0 BAR 0", 0xfeb80000, 0xfeb9ffff), 0);
        return l;
}

static void give(Leak *l, RecordType type, unsigned width, uint64_t phys, uint64_t value) {
        leak_record(l, &(Record) { .type = type, .width_bytes = (uint8_t) width, .phys = phys, .value = value });
}

static void assert_found(Leak *l, const char *expected) {
        _cleanup_json_ struct json_object *array = NULL;

        cr_assert_eq(leak_to_json(l, &array), 0);
        cr_expect_str_eq(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), expected);
}

#define FOUND_AT(registers, n) "[{\"what\":\"mac\",\"of\":\"0000:00:02.0\",\"registers\":[" registers "],\"count\":" #n "}]"
#define R(offset) "\"0000:00:02.0 BAR 0 + 0x" offset "\""

/* As the filter of an e1000e is written, with a bit that says that it is valid; and read again. */
Test(leak, four_and_two_bytes) {
        _cleanup_leak_ Leak *l = leak();

        give(l, RECORD_WRITE, 4, 0xfeb85404, 0x80005634);
        assert_found(l, "[]");
        give(l, RECORD_WRITE, 4, 0xfeb85400, 0x12005452);
        assert_found(l, FOUND_AT(R("5400") "," R("5404"), 1));
        give(l, RECORD_READ, 4, 0xfeb85400, 0x12005452);
        give(l, RECORD_READ, 4, 0xfeb85404, 0x5634);
        assert_found(l, FOUND_AT(R("5400") "," R("5404"), 2));
}

Test(leak, big_endian) {
        _cleanup_leak_ Leak *l = leak();

        give(l, RECORD_WRITE, 4, 0xfeb80010, 0x52540012);
        give(l, RECORD_WRITE, 2, 0xfeb80014, 0x3456);
        assert_found(l, FOUND_AT(R("10") "," R("14"), 1));
}

Test(leak, eight_bytes) {
        _cleanup_leak_ Leak *l = leak();

        give(l, RECORD_READ, 8, 0xfeb80010, 0x0000563412005452);
        assert_found(l, FOUND_AT(R("10"), 1));
        give(l, RECORD_READ, 8, 0x1000, 0x5254001234560000);
        assert_found(l, FOUND_AT(R("10") ",\"0x1000\"", 2));
}

/* A word at a time through one register, with questions in between whether it is there yet. */
Test(leak, eeprom) {
        static const uint16_t words[] = { 0x5452, 0x1200, 0x5634 };
        _cleanup_leak_ Leak *l = leak();

        for (unsigned i = 0; i < 3; i++) {
                give(l, RECORD_WRITE, 4, 0xfeb80014, i << 2 | 1);
                for (unsigned j = 0; j < 5; j++)
                        give(l, RECORD_READ, 4, 0xfeb80014, i << 2);
                give(l, RECORD_READ, 4, 0xfeb80014, (uint32_t) words[i] << 16 | i << 2 | 2);
        }
        assert_found(l, FOUND_AT(R("14"), 1));
}

Test(leak, bytes_in_a_row) {
        _cleanup_leak_ Leak *l = leak();

        give(l, RECORD_READ, 1, 0xfeb80000, 0x52);
        for (unsigned i = 0; i < 6; i++) {
                give(l, RECORD_READ, 1, 0xfeb80008, mac[i]);
                /* Of another kind. */
                give(l, RECORD_READ, 4, 0xfeb80000, 0);
        }
        for (unsigned i = 6; i-- > 0;)
                give(l, RECORD_WRITE, 1, 0xfeb80009, mac[i]);
        assert_found(l, FOUND_AT(R("8") "," R("9"), 2));
}

Test(leak, nothing) {
        static const uint8_t zeros[6], odd[] = { 1, 2, 3, 4, 5, 6, 7 };
        _cleanup_leak_ Leak *l = leak(), *none = NULL;

        /* A part of it; all of it, but long apart; what is no access. */
        give(l, RECORD_WRITE, 4, 0xfeb85400, 0x12005452);
        for (unsigned i = 0; i < 100; i++)
                give(l, RECORD_READ, 4, 0xfeb80000, i);
        give(l, RECORD_WRITE, 4, 0xfeb85404, 0x80005634);
        give(l, RECORD_UNKNOWN, 0, 0xfeb85400, 0x12005452);
        give(l, RECORD_MAP, 0, 0xfeb85400, 0x12005452);
        give(l, RECORD_READ, 1, 0xfeb85400, 0x12005452);
        assert_found(l, "[]");

        cr_assert_eq(leak_new(&none), 0);
        cr_assert_eq(leak_add_value(none, "mac", "x", zeros, sizeof zeros), 0);
        cr_assert_eq(leak_add_value(none, "mac", "x", odd, sizeof odd), 0);
        give(none, RECORD_READ, 8, 0, 0);
        assert_found(none, "[]");
}

static char *warning;

static void on_warning(const char *text, void *userdata) {
        free(warning);
        warning = strdup(text);
}

/* A card's own address in what its driver really did, by what was saved of the machine. */
Test(leak, sample) {
        static const char identity[] = "{ \"macs\": [ { \"address\": \"52:54:00:12:34:56\", \"of\": \"0000:00:02.0\" }, "
                                       "{ \"address\": \"52:54:00:12:34:57\", \"of\": \"eth9\" } ] }";
        static const char driver[] = "{ \"devices\": [ { \"address\": \"0000:00:02.0\", \"bars\": [ { \"index\": 0, "
                                     "\"start\": \"feb80000\", \"end\": \"feb9ffff\" } ] } ] }";
        _cleanup_free_ uint8_t *text = NULL;
        _cleanup_leak_ Leak *l = NULL;
        size_t bytes;

        test_file(IDENTITY_FILE, identity, strlen(identity));
        test_file(METADATA_DRIVER, driver, strlen(driver));
        cr_assert_eq(leak_new(&l), 0);
        cr_assert_eq(leak_add_machine(l, test_dir()), 0);
        test_data_xz("samples/e1000e-6.1/kernel-text.log.xz", &text, &bytes);
        for (const char *line = (char *) text, *end = line + bytes; line < end;) {
                const char *next = memchr(line, '\n', (size_t) (end - line));
                Record record;

                next = next ? next + 1 : end;
                if (record_parse(line, (size_t) (next - line), &record) >= 0)
                        leak_record(l, &record);
                line = next;
        }
        leak_warn(l, on_warning, NULL);
        cr_assert_not_null(warning);
        cr_assert(startswith(warning, "The log holds the network address of 0000:00:02.0, "), "%s", warning);
        cr_assert_not_null(strstr(warning, "0000:00:02.0 BAR 0 + 0x5400"), "%s", warning);
        cr_assert_not_null(strstr(warning, "0000:00:02.0 BAR 0 + 0x5404"), "%s", warning);
        cr_assert_null(strstr(warning, "eth9"));
        free(warning);
}

/* As it comes over the wire to a monitor, a byte at a time. */
Test(leak, monitor) {
        _cleanup_leak_ Leak *l = NULL;
        uint8_t edid[EDID_BYTES];

        edid_make(edid);
        test_file("edid-card0-DP-1.bin", (const char *) edid, sizeof edid);
        test_file("edid-card0-DP-2.bin", "short", 5);
        cr_assert_eq(leak_new(&l), 0);
        cr_assert_eq(leak_add_machine(l, test_dir()), 0);
        for (size_t i = 0; i < sizeof edid; i++)
                give(l, RECORD_READ, 1, 0x1000, edid[i]);
        assert_found(l, "[{\"what\":\"serial\",\"of\":\"edid-card0-DP-1.bin\",\"registers\":[\"0x1000\"],\"count\":1}]");
}

/* A session without a driver, or of before there were these files. */
Test(leak, nothing_known) {
        _cleanup_leak_ Leak *l = NULL;

        cr_assert_eq(leak_new(&l), 0);
        cr_assert_eq(leak_add_machine(l, test_dir()), 0);
        give(l, RECORD_READ, 8, 0, 0);
        assert_found(l, "[]");
}
