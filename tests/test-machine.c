/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fake-tree.h"
#include "machine.h"
#include "privacy.h"
#include "vbios.h"

TestSuite(machine, .fini = test_done, .timeout = 60);

static Context context_of(const FakeTree *tree) {
        return (Context) { .sys_root = tree->sys, .proc_root = tree->proc };
}

static char *text_of(struct json_object *o) {
        return strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static FakeTree machine(void) {
        FakeTree tree = fake_tree_make();

        fake_file(&tree, "proc/cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=0f0d6be5-6e3b-4a1e-9c1e-0a51a1b5c2d3 quiet\n");
        fake_file(&tree, "proc/sys/kernel/tainted", "4097\n");
        fake_file(&tree, "proc/meminfo", "MemTotal:       16384000 kB\nMemFree:         1000 kB\n");
        fake_file(&tree, "proc/uptime", "123.45 200.00\n");
        fake_file(&tree, "proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\n"
                                         "model name\t: Some CPU @ 1.60GHz\nstepping\t: 10\nmicrocode\t: 0xf4\n\n"
                                         "processor\t: 1\nmodel name\t: Another\n");
        fake_file(&tree, "sys/devices/system/cpu/present", "0-7\n");
        fake_file(&tree, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        fake_file(&tree, "sys/class/dmi/id/sys_vendor", "ACME\n");
        fake_file(&tree, "sys/class/dmi/id/product_name", "Anvil 3\n");
        fake_file(&tree, "sys/class/dmi/id/product_version", "x\x1b[31m\n");
        fake_file(&tree, "sys/class/dmi/id/product_serial", "PF2ABC1D\n");
        fake_file(&tree, "sys/class/dmi/id/board_vendor", "ACME\n");
        fake_file(&tree, "sys/class/dmi/id/board_name", "A3-B\n");
        fake_file(&tree, "sys/class/dmi/id/board_version", "1.0\n");
        fake_file(&tree, "sys/class/dmi/id/bios_vendor", "AMI\n");
        fake_file(&tree, "sys/class/dmi/id/bios_version", "F.12\n");
        fake_file(&tree, "sys/class/dmi/id/bios_date", "07/01/2024\n");
        return tree;
}

Test(machine, facts) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = NULL;
        const Context context = context_of(&tree);
        _cleanup_free_ char *text = NULL, *sentence = NULL;

        cr_assert_eq(machine_collect(&context, &o), 0);
        text = text_of(o);
        cr_assert_str_eq(text,
                         "{\"cmdline\":\"BOOT_IMAGE=/vmlinuz root=UUID=0f0d6be5-6e3b-4a1e-9c1e-0a51a1b5c2d3 quiet\",\"taint\":4097,"
                         "\"lockdown\":\"integrity\",\"memory_bytes\":16777216000,\"uptime_sec\":123,\"cpus\":{\"model_name\":"
                         "\"Some CPU @ 1.60GHz\",\"vendor_id\":\"GenuineIntel\",\"family\":\"6\",\"model\":\"142\",\"stepping\":\"10\","
                         "\"microcode\":\"0xf4\",\"present\":\"0-7\"},\"dmi\":{\"sys_vendor\":\"ACME\",\"product_name\":\"Anvil 3\","
                         "\"product_version\":\"unavailable: not printable\",\"board_vendor\":\"ACME\",\"board_name\":\"A3-B\","
                         "\"board_version\":\"1.0\",\"bios_vendor\":\"AMI\",\"bios_version\":\"F.12\",\"bios_date\":\"07/01/2024\"}}");
        cr_assert_eq(machine_describe(o, &sentence), 0);
        cr_assert_str_eq(sentence, "ACME Anvil 3, board ACME A3-B, BIOS AMI F.12 of 07/01/2024");
}

Test(machine, what_cannot_be_read) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_json_ struct json_object *o = NULL;
        const Context context = context_of(&tree);
        _cleanup_free_ char *text = NULL, *sentence = NULL;

        fake_file(&tree, "proc/meminfo", "nonsense\n");
        cr_assert_eq(machine_collect(&context, &o), 0);
        text = text_of(o);
        cr_assert(startswith(text, "{\"cmdline\":\"unavailable: No such file or directory\",\"taint\":\"unavailable: No such file or "
                                   "directory\",\"lockdown\":\"none\",\"memory_bytes\":\"unavailable: Bad message\""), "%s", text);
        cr_assert_eq(machine_describe(o, &sentence), 0);
        cr_assert_null(sentence);
}

Test(machine, module) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = json_object_new_object(), *none = json_object_new_object();
        const Context context = context_of(&tree);
        _cleanup_free_ char *text = NULL, *nothing = NULL;

        fake_file(&tree, "sys/module/drv/parameters/debug", "1\n");
        fake_file(&tree, "sys/module/drv/parameters/name", "a\x01\n");
        cr_assert_eq(machine_add_module(&context, "drv", o), 0);
        text = text_of(o);
        cr_assert_str_eq(text, "{\"parameters\":{\"debug\":\"1\",\"name\":\"unavailable: not printable\"},"
                               "\"sections\":\"unavailable: There is no reader unit.\"}");
        cr_assert_eq(machine_add_module(&context, NULL, none), 0);
        nothing = text_of(none);
        cr_assert_str_eq(nothing, "{\"parameters\":{},\"sections\":{}}");
}

/* What is in metadata.json of it. */
Test(machine, privacy) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = NULL, *session = json_object_new_object();
        _cleanup_privacy_ Privacy privacy = {}, everything = {};
        const Context context = context_of(&tree);

        cr_assert_eq(privacy_load(session, test_dir(), &privacy), 0);
        cr_assert_eq(redactor_add(privacy.redactor, REDACT_SERIAL, "A3-B-77"), 0);
        fake_file(&tree, "sys/class/dmi/id/product_version", "Rev A3-B-77\n");
        cr_assert_eq(machine_collect(&context, &o), 0);
        cr_assert_eq(json_add(session, "no_redact", json_object_new_boolean(true)), 0);
        cr_assert_eq(privacy_load(session, test_dir(), &everything), 0);
        cr_assert_eq(privacy_apply_json(&everything, o), 0);
        cr_assert_not_null(strstr(json_get_string(o, "cmdline"), "0f0d6be5"));
        cr_assert_eq(privacy_apply_json(&privacy, o), 0);
        cr_assert_str_eq(json_get_string(o, "cmdline"), "BOOT_IMAGE=/vmlinuz root=UUID=[redacted id 1] quiet");
        cr_assert_str_eq(json_get_string(json_object_object_get(o, "dmi"), "product_version"), "Rev [redacted serial 1]");
}

static void put32(uint8_t *p, uint32_t value) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (uint8_t) (value >> 8 * i);
}

/* A table with two images. */
static size_t make_table(uint8_t table[static 512]) {
        memset(table, 0, 512);
        memcpy(table, "VFCT", 4);
        put32(table + 52, 76);
        put32(table + 76, 1);
        put32(table + 76 + 12, 0x73bf1002);
        put32(table + 76 + 24, 32);
        memset(table + 104, 'a', 32);
        put32(table + 136, 3);
        put32(table + 136 + 4, 2);
        put32(table + 136 + 8, 1);
        put32(table + 136 + 12, 0x163f1002);
        put32(table + 136 + 24, 64);
        memset(table + 164, 'b', 64);
        return 228;
}

static void write_table(const FakeTree *tree, const uint8_t *table, size_t bytes) {
        _cleanup_free_ char *path = below(tree->sys, "firmware/acpi/tables/VFCT");

        write_bytes(path, table, bytes);
}

Test(machine, vbios) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        uint8_t table[512];
        char *image = NULL;
        size_t bytes, n;

        cr_assert_eq(vbios_read(tree.sys, "0000:03:02.1", 0x1002, 0x163f, &image, &bytes), -ENOENT);
        n = make_table(table);
        write_table(&tree, table, n);
        cr_assert_eq(vbios_read(tree.sys, "0000:03:02.1", 0x1002, 0x163f, &image, &bytes), 0);
        cr_assert_eq(bytes, 64);
        cr_assert_eq(image[0], 'b');
        cr_assert_eq(image[63], 'b');
        free(image);
        cr_assert_eq(vbios_read(tree.sys, "0000:03:02.1", 0x1002, 0x73bf, &image, &bytes), -ENOENT);
        cr_assert_eq(vbios_read(tree.sys, "0001:03:02.1", 0x1002, 0x163f, &image, &bytes), -ENOENT);
        /* Cut off at every place. */
        for (size_t l = 0; l < n; l++) {
                write_table(&tree, table, l);
                cr_assert_lt(vbios_read(tree.sys, "0000:03:02.1", 0x1002, 0x163f, &image, &bytes), 0);
        }
        put32(table + 76 + 24, UINT32_MAX);
        write_table(&tree, table, n);
        cr_assert_eq(vbios_read(tree.sys, "0000:03:02.1", 0x1002, 0x163f, &image, &bytes), -EBADMSG);
}
