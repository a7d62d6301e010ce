/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/utsname.h>

#include "archive-name.h"
#include "fake-tree.h"
#include "json.h"
#include "metadata.h"
#include "pci-names.h"
#include "pcidev.h"

TestSuite(metadata, .fini = test_done, .timeout = 60);
TestSuite(pci_names, .fini = test_done, .timeout = 60);
TestSuite(archive_name, .fini = test_done, .timeout = 60);

#define NIC "0000:00:02.0"
#define SMBUS "0000:00:1f.3"
#define NIC_PATH "sys/devices/pci0000:00/" NIC

static char *nic[] = { (char *) NIC, NULL }, *smbus[] = { (char *) SMBUS, NULL };
static char *both[] = { (char *) NIC, (char *) SMBUS, NULL };

static const Driver e1000e = {
        .name = (char *) "e1000e",
        .module = (char *) "e1000e",
        .loaded = true,
        .version = (char *) "3.2.6-k",
        .pci_names = (char *[]) { (char *) "e1000e", NULL },
        .devices = nic,
        .candidates = both,
};

static FakeTree machine(void) {
        FakeTree tree = fake_tree_make();

        fake_pci_device(&tree, NIC, "8086:10d3", "020000");
        fake_pci_device(&tree, SMBUS, "8086:2930", "0c0500");
        fake_file(&tree, NIC_PATH "/revision", "0x01\n");
        fake_file(&tree, NIC_PATH "/label", "Onboard LAN\n");
        fake_file(&tree, NIC_PATH "/resource",
                        "0x00000000feb80000 0x00000000feb9ffff 0x0000000000040200\n"
                        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                        "0x000000000000c040 0x000000000000c05f 0x0000000000040101\n"
                        "0xfffffff0feb98000 0xfffffff0feb9bfff 0x0000000000040200\n"
                        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                        "0x00000000feb40000 0x00000000feb7ffff 0x0000000000046200\n"
                        "0x0000000000001000 0x0000000000001fff 0x0000000000000101\n");
        fake_pci_driver(&tree, "e1000e", "e1000e");
        fake_pci_bind(&tree, NIC, "e1000e");
        fake_file(&tree, "proc/bus/pci/devices", "0010\t808610d3\n");
        return tree;
}

static int collect_into(int dir_fd, const FakeTree *tree, const Driver *driver) {
        return metadata_collect(dir_fd, &(Context) {
                        .sys_root = tree->sys,
                        .proc_root = tree->proc,
                        .module_dir = tree->modules,
                }, driver);
}

static int collect(const FakeTree *tree, const Driver *driver) {
        fake_file(tree, "out/placeholder", "");
        _cleanup_close_ int dir_fd = openat(test_dir(), "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        cr_assert(dir_fd >= 0);
        return collect_into(dir_fd, tree, driver);
}

static struct json_object *read_json(const FakeTree *tree) {
        _cleanup_free_ char *text = fake_read(tree, "out/" METADATA_DRIVER);
        struct json_object *o = json_tokener_parse(text);

        cr_assert_not_null(o, "%s", text);
        return o;
}

static struct json_object *item(struct json_object *o, const char *key, size_t i) {
        struct json_object *array = NULL;

        cr_assert(json_object_object_get_ex(o, key, &array), "%s", key);
        cr_assert(json_object_is_type(array, json_type_array), "%s", key);
        cr_assert(i < json_object_array_length(array), "%s", key);
        return json_object_array_get_idx(array, i);
}

static size_t items(struct json_object *o, const char *key) {
        struct json_object *array = NULL;

        cr_assert(json_object_object_get_ex(o, key, &array), "%s", key);
        return json_object_array_length(array);
}

#define assert_member(o, key, value) cr_assert_str_eq(json_get_string((o), (key)), (value))

Test(metadata, uname) {
        _cleanup_free_ char *text = NULL, *expected = NULL;
        _cleanup_fake_tree_ FakeTree tree = machine();
        struct utsname uts;

        cr_assert_eq(collect(&tree, &e1000e), 0);
        cr_assert_eq(uname(&uts), 0);
        cr_assert(asprintf(&expected, "Linux %s %s %s %s GNU/Linux\n", uts.nodename, uts.release, uts.version,
                        uts.machine) > 0);
        text = fake_read(&tree, "out/" METADATA_UNAME);
        cr_assert_str_eq(text, expected);
}

/* Names depend on the pci.ids of the machine; the rest does not. */
Test(metadata, lspci) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_free_ char *text = NULL, *other = NULL;

        cr_assert_eq(collect(&tree, &e1000e), 0);
        text = fake_read(&tree, "out/" METADATA_LSPCI);
        cr_assert_eq(strncmp(text, "00:02.0 ", 8), 0, "%s", text);
        cr_assert(strstr(text, "[0200]: "), "%s", text);
        cr_assert(strstr(text, "[8086:10d3] (rev 01)\n\tDeviceName: Onboard LAN\n\tSubsystem: "), "%s", text);
        cr_assert(strstr(text, "[1af4:1100]\n\tKernel driver in use: e1000e\n"), "%s", text);
        other = strdup(strstr(text, "\n00:1f.3 "));
        cr_assert(strstr(other, "[0c05]: "));
        cr_assert(strstr(other, "[8086:2930]\n"), "without revision: %s", other);
        cr_assert_not(strstr(other, "in use"));
        cr_assert_not(strstr(text, "unavailable"), "%s", text);
}

Test(metadata, lspci_modules) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_free_ char *text = NULL;

        fake_module_file(&tree, "e1000e", "name=e1000e\nalias=pci:v00008086d000010D3sv*sd*bc*sc*i*");
        fake_module_file(&tree, "blob", "name=blob\nalias=pci:v00008086d*sv*sd*bc02sc*i*");
        if (!fake_depmod(&tree, "", ""))
                cr_skip_test("needs depmod");
        cr_assert_eq(collect(&tree, &e1000e), 0);
        text = fake_read(&tree, "out/" METADATA_LSPCI);
        cr_assert(strstr(text, "\tKernel modules: e1000e, blob\n") || strstr(text, "\tKernel modules: blob, e1000e\n"),
                        "%s", text);
        cr_assert_null(strstr(strstr(text, "00:1f.3"), "Kernel modules"));
}

Test(metadata, lspci_with_domains) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_free_ char *text = NULL;

        fake_pci_device(&tree, "10000:e1:00.0", "8086:0a54", "010802");
        cr_assert_eq(collect(&tree, &e1000e), 0);
        text = fake_read(&tree, "out/" METADATA_LSPCI);
        cr_assert_eq(strncmp(text, "0000:00:02.0 ", 13), 0, "%s", text);
        cr_assert(strstr(text, "\n10000:e1:00.0 "));
}

Test(metadata, lspci_tells_what_is_missing) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_free_ char *text = NULL, *none = NULL;

        fake_remove(&tree, NIC_PATH "/vendor");
        fake_file(&tree, "sys/devices/pci0000:00/" SMBUS "/class", "nonsense\n");
        cr_assert_eq(collect(&tree, &e1000e), 0);
        text = fake_read(&tree, "out/" METADATA_LSPCI);
        cr_assert_str_eq(text,
                        "00:02.0 unavailable: No such file or directory\n"
                        "00:1f.3 unavailable: Invalid argument\n");

        fake_remove(&tree, "sys/bus");
        cr_assert_eq(collect(&tree, NULL), 0);
        none = fake_read(&tree, "out/" METADATA_LSPCI);
        cr_assert_str_eq(none, "unavailable: No such file or directory\n");
}

Test(metadata, lspci_unprintable_label) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_free_ char *text = NULL;

        fake_file(&tree, NIC_PATH "/label", "x\x1b[31m\n");
        fake_remove(&tree, NIC_PATH "/modalias");
        cr_assert_eq(collect(&tree, &e1000e), 0);
        text = fake_read(&tree, "out/" METADATA_LSPCI);
        cr_assert(strstr(text, "\tDeviceName: unavailable: not printable\n"));
        cr_assert(strstr(text, "\tKernel modules: unavailable: No such file or directory\n"));
        cr_assert(text_is_clean(text, true));
}

/* A table of a real machine, whose head of a log is known to be made from it. */
Test(metadata, pci_devices) {
        _cleanup_free_ char *sample = NULL, *text = NULL, *lines = NULL, *missing = NULL;
        _cleanup_fake_tree_ FakeTree tree = machine();
        char *none = NULL;

        cr_assert_eq(read_file_at(AT_FDCWD, TEST_DATA_DIR "/samples/e1000e-6.1/pci_devices", MIB, &sample, NULL), 0);
        fake_file(&tree, "proc/bus/pci/devices", sample);
        cr_assert_eq(collect(&tree, &e1000e), 0);
        text = fake_read(&tree, "out/" METADATA_PCI_DEVICES);
        cr_assert_str_eq(text, sample);
        cr_assert_eq(pcidev_lines(text, &lines), 0);

        fake_remove(&tree, "proc/bus");
        cr_assert_eq(collect(&tree, &e1000e), 0);
        missing = fake_read(&tree, "out/" METADATA_PCI_DEVICES);
        cr_assert_str_eq(missing, "unavailable: No such file or directory\n");
        cr_assert_eq(pcidev_lines(missing, &none), -EBADMSG);
        cr_assert_null(none);
}

Test(metadata, driver) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = NULL;
        struct json_object *device, *bar;

        cr_assert_eq(collect(&tree, &e1000e), 0);
        o = read_json(&tree);
        assert_member(o, "name", "e1000e");
        assert_member(o, "module", "e1000e");
        assert_member(o, "version", "3.2.6-k");
        assert_member(o, "srcversion", "");
        cr_assert(json_object_get_boolean(json_object_object_get(o, "loaded")));
        cr_assert_not(json_object_get_boolean(json_object_object_get(o, "builtin")));
        cr_assert_str_eq(json_object_get_string(item(o, "pci_names", 0)), "e1000e");

        cr_assert_eq(items(o, "devices"), 2);
        device = item(o, "devices", 0);
        assert_member(device, "address", NIC);
        cr_assert(json_object_get_boolean(json_object_object_get(device, "bound")));
        assert_member(device, "vendor", "8086");
        assert_member(device, "device", "10d3");
        assert_member(device, "subsystem_vendor", "1af4");
        assert_member(device, "subsystem_device", "1100");
        assert_member(device, "class", "020000");
        assert_member(device, "revision", "01");
        assert_member(device, "driver_in_use", "e1000e");

        /* Those that are there, with their places; the window behind the ROM is none. */
        cr_assert_eq(items(device, "bars"), 4);
        bar = item(device, "bars", 0);
        cr_assert_eq(json_get_u64(bar, "index"), 0);
        assert_member(bar, "start", "feb80000");
        assert_member(bar, "end", "feb9ffff");
        assert_member(bar, "flags", "40200");
        bar = item(device, "bars", 2);
        cr_assert_eq(json_get_u64(bar, "index"), 3);
        assert_member(bar, "start", "fffffff0feb98000");
        cr_assert_eq(json_get_u64(item(device, "bars", 3), "index"), 6);

        device = item(o, "devices", 1);
        assert_member(device, "address", SMBUS);
        cr_assert_not(json_object_get_boolean(json_object_object_get(device, "bound")));
        assert_member(device, "driver_in_use", "");
        assert_member(device, "bars", "unavailable: No such file or directory");
}

Test(metadata, driver_device_gone) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = NULL;
        struct json_object *device;

        fake_remove(&tree, "sys/bus/pci/devices/" NIC);
        fake_file(&tree, "sys/devices/pci0000:00/" SMBUS "/resource", "nonsense\n");
        cr_assert_eq(collect(&tree, &e1000e), 0);
        o = read_json(&tree);
        device = item(o, "devices", 0);
        assert_member(device, "address", NIC);
        assert_member(device, "unavailable", "No such file or directory");
        assert_member(item(o, "devices", 1), "bars", "unavailable: not of the known format");
}

Test(metadata, no_driver) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = NULL;

        cr_assert_eq(collect(&tree, NULL), 0);
        o = read_json(&tree);
        assert_member(o, "name", "");
        cr_assert_eq(items(o, "devices"), 0);
}

Test(metadata, second_time_overwrites) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = NULL;
        struct stat st;

        fake_file(&tree, "out/" METADATA_DRIVER, "old");
        fake_file(&tree, "out/" METADATA_LSPCI, "old");
        cr_assert_eq(collect(&tree, NULL), 0);
        cr_assert_eq(collect(&tree, &e1000e), 0);
        o = read_json(&tree);
        assert_member(o, "name", "e1000e");
        cr_assert_eq(fstatat(test_dir(), "out/" METADATA_DRIVER, &st, AT_SYMLINK_NOFOLLOW), 0);
        cr_assert_eq(st.st_mode & 07777, 0600);
}

/* One that cannot be written does not keep the others from being written. */
Test(metadata, write_failure) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_json_ struct json_object *o = NULL;

        fake_file(&tree, "out/" METADATA_UNAME "/in-the-way", "");
        cr_assert_eq(collect(&tree, &e1000e), -EISDIR);
        o = read_json(&tree);
        assert_member(o, "name", "e1000e");
        cr_assert_eq(collect_into(-EBADF, &tree, NULL), -EBADF);
}

Test(metadata, main_device) {
        const Driver candidate = { .name = (char *) "i2c_i801", .candidates = smbus };
        const Driver none = { .name = (char *) "none" };
        _cleanup_free_ char *ids = NULL, *name = NULL, *other_ids = NULL, *other_name = NULL;
        _cleanup_fake_tree_ FakeTree tree = machine();
        char *untouched = NULL;

        cr_assert_eq(metadata_main_device(tree.sys, &e1000e, &ids, &name), 0);
        cr_assert_str_eq(ids, "808610d3");
        cr_assert(!name || *name);
        cr_assert_eq(metadata_main_device(tree.sys, &candidate, &other_ids, &other_name), 0);
        cr_assert_str_eq(other_ids, "80862930");
        cr_assert_eq(metadata_main_device(tree.sys, &none, &untouched, &untouched), -ENODEV);
        cr_assert_eq(metadata_main_device(tree.sys, NULL, &untouched, &untouched), -ENODEV);
        fake_remove(&tree, "sys/bus/pci/devices/" NIC);
        cr_assert_eq(metadata_main_device(tree.sys, &e1000e, &untouched, &untouched), -ENOENT);
        cr_assert_null(untouched);
}

static PciNames *names_of(const FakeTree *tree, const char *text, char **ret_problem) {
        _cleanup_free_ char *path = NULL;
        PciNames *names = NULL;

        cr_assert(asprintf(&path, "%s/pci.ids", tree->root) > 0);
        if (text)
                fake_file(tree, "pci.ids", text);
        cr_assert_eq(pci_names_new(path, &names, ret_problem), 0);
        return names;
}

#define GOOD_IDS                                     \
        "10de  NVIDIA Corporation\n"                 \
        "\t1c82  GP107 [GeForce GTX 1050 Ti]\n"      \
        "\t\t1043 8613  Dual card\n"                 \
        "1043  ASUSTeK\n"                            \
        "C 03  Display controller\n"                 \
        "\t00  VGA compatible controller\n"

Test(pci_names, found) {
        _cleanup_free_ char *class = NULL, *device = NULL, *subsystem = NULL, *plain = NULL, *vendor = NULL;
        _cleanup_free_ char *problem = NULL;
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_pci_names_ PciNames *names = names_of(&tree, GOOD_IDS, &problem);

        cr_assert_null(problem);
        cr_assert_eq(pci_names_class(names, 0x0300, &class), 0);
        cr_assert_str_eq(class, "VGA compatible controller [0300]");
        cr_assert_eq(pci_names_device(names, 0x10de, 0x1c82, &device), 0);
        cr_assert_str_eq(device, "NVIDIA Corporation GP107 [GeForce GTX 1050 Ti] [10de:1c82]");
        cr_assert_eq(pci_names_subsystem(names, 0x10de, 0x1c82, 0x1043, 0x8613, &subsystem), 0);
        cr_assert_str_eq(subsystem, "ASUSTeK Dual card [1043:8613]");
        cr_assert_eq(pci_names_plain_vendor(names, 0x10de, &vendor), 0);
        cr_assert_str_eq(vendor, "NVIDIA Corporation");
        cr_assert_eq(pci_names_plain_device(names, 0x10de, 0x1c82, &plain), 0);
        cr_assert_str_eq(plain, "GP107 [GeForce GTX 1050 Ti]");
}

/* Ids that no list has, nor that of udev. */
Test(pci_names, not_found) {
        _cleanup_free_ char *class = NULL, *device = NULL, *plain = NULL, *vendor = NULL;
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_pci_names_ PciNames *names = names_of(&tree, GOOD_IDS, NULL);

        cr_assert_eq(pci_names_class(names, 0xf7f7, &class), 0);
        cr_assert(strstr(class, "[f7f7]"));
        cr_assert_eq(pci_names_device(names, 0x10de, 0xffee, &device), 0);
        cr_assert_str_eq(device, "NVIDIA Corporation Device [10de:ffee]");
        cr_assert_eq(pci_names_plain_device(names, 0x10de, 0xffee, &plain), 0);
        cr_assert_null(plain);
        cr_assert_eq(pci_names_plain_vendor(names, 0xf7f8, &vendor), 0);
        cr_assert_null(vendor);
}

Test(pci_names, no_list) {
        _cleanup_free_ char *problem = NULL, *device = NULL;
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_pci_names_ PciNames *names = names_of(&tree, NULL, &problem);

        cr_assert(strstr(problem, "/pci.ids cannot be read"));
        cr_assert_eq(pci_names_device(names, 0xf7f8, 0xffee, &device), 0);
        cr_assert_str_eq(device, "Device [f7f8:ffee]");
}

/* libpci would print and exit() here; what stands before the mistake is still to be had, and more than once. */
Test(pci_names, broken_list) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();

        for (unsigned i = 0; i < 3; i++) {
                _cleanup_free_ char *problem = NULL, *device = NULL, *other = NULL;
                _cleanup_pci_names_ PciNames *names =
                                names_of(&tree, "10de  NVIDIA Corporation\n\tnonsense\n1043  ASUSTeK\n", &problem);

                cr_assert(strstr(problem, "line 2"), "%s", problem);
                cr_assert(text_is_clean(problem, false));
                cr_assert_eq(pci_names_device(names, 0x10de, 0xffee, &device), 0);
                cr_assert_str_eq(device, "NVIDIA Corporation Device [10de:ffee]");
                cr_assert_eq(pci_names_device(names, 0xf7f8, 0xffee, &other), 0);
                cr_assert_str_eq(other, "Device [f7f8:ffee]");
        }
}

Test(pci_names, list_that_is_not_text) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_pci_names_ PciNames *names = names_of(&tree, "10de  NVIDIA\x1b[31m\n\t1c82  Ger\xe4t\n", NULL);
        char *name = NULL;

        cr_assert_eq(pci_names_plain_vendor(names, 0x10de, &name), 0);
        cr_assert_null(name);
        cr_assert_eq(pci_names_plain_device(names, 0x10de, 0x1c82, &name), 0);
        cr_assert_null(name);
        cr_assert_eq(pci_names_device(names, 0x10de, 0x1c82, &name), 0);
        cr_assert_null(name);
}

/* 2026-11-21 20:15:00 UTC */
#define STARTED (UINT64_C(1795292100) * USEC_PER_SEC + 999999)
#define TIME "20261121T201500Z"

static void assert_name(
                const char *ids, const char *device, const char *driver, const char *version, const char *expected) {
        _cleanup_free_ char *name = NULL;

        cr_assert_eq(archive_name(ids, device, driver, version, STARTED, &name), 0);
        cr_assert_str_eq(name, expected);
}

Test(archive_name, parts) {
        assert_name("10de1c82", "GP107 [GeForce GTX 1050 Ti]", "nvidia", "550.54",
                        "mmiotrace-10de1c82-GP107-GeForce_GTX_1050_Ti-nvidia_550.54-" TIME ".tar.xz");
        assert_name("808610d3", "82574L Gigabit Network Connection", "e1000e", NULL,
                        "mmiotrace-808610d3-82574L_Gigabit_Network_Connection-e1000e-" TIME ".tar.xz");
        assert_name("808610d3", NULL, "e1000e", "", "mmiotrace-808610d3-e1000e-" TIME ".tar.xz");
        assert_name("808610d3", "[]", "e1000e", " ", "mmiotrace-808610d3-e1000e-" TIME ".tar.xz");
        assert_name(NULL, NULL, NULL, NULL, "mmiotrace-all-" TIME ".tar.xz");
        assert_name(NULL, "ignored", "foo", NULL, "mmiotrace-foo-" TIME ".tar.xz");
        assert_name(NULL, NULL, "foo", "1.2", "mmiotrace-foo_1.2-" TIME ".tar.xz");
        assert_name(NULL, NULL, "///", "1.2", "mmiotrace-all-" TIME ".tar.xz");
}

Test(archive_name, unsafe_characters) {
        assert_name("10de1c82", "  ../../etc/passwd\n", "a b/c", "1/2\t3",
                        "mmiotrace-10de1c82-.._.._etc_passwd-a_b_c_1_2_3-" TIME ".tar.xz");
        assert_name("10de1c82", "B\xc3\xa4r & Co. [A][B] (C)", "x", NULL,
                        "mmiotrace-10de1c82-B_r_Co.-A-B_C-x-" TIME ".tar.xz");
}

Test(archive_name, length) {
        char device[501], text[301], expected_end[64];
        _cleanup_free_ char *name = NULL, *longest = NULL;

        memset(device, 'd', sizeof device - 1);
        device[sizeof device - 1] = 0;
        memset(text, 'v', sizeof text - 1);
        text[sizeof text - 1] = 0;
        cr_assert_eq(archive_name("10de1c82", device, "nvidia", "550.54", STARTED, &name), 0);
        cr_assert_eq(strlen(name), ARCHIVE_NAME_MAX);
        (void) snprintf(expected_end, sizeof expected_end, "d-nvidia_550.54-%s.tar.xz", TIME);
        cr_assert_str_eq(name + ARCHIVE_NAME_MAX - strlen(expected_end), expected_end);

        cr_assert_eq(archive_name("10de1c82", device, text, text, STARTED, &longest), 0);
        cr_assert_eq(strlen(longest), ARCHIVE_NAME_MAX);
        cr_assert(strstr(longest, "-" TIME ".tar.xz"));

        /* A cut that falls on what separates leaves nothing of it. */
        for (size_t at = 100; at < 170; at++) {
                _cleanup_free_ char *cut = NULL;

                memset(device, 'd', sizeof device - 1);
                device[at] = ' ';
                cr_assert_eq(archive_name("10de1c82", device, "nvidia", NULL, STARTED, &cut), 0);
                cr_assert(strlen(cut) <= ARCHIVE_NAME_MAX && strlen(cut) >= ARCHIVE_NAME_MAX - 1);
                cr_assert_not(strstr(cut, "_-nvidia"));
        }
}

Test(archive_name, refused) {
        static const char *const ids[] = { "", "10de", "10de1c82f", "10DE1C82", "10de1c8/", "../../..", "10de:1c8" };
        char *name = NULL;

        for (size_t i = 0; i < ELEMENTS(ids); i++)
                cr_assert_eq(archive_name(ids[i], "x", "y", NULL, STARTED, &name), -EINVAL, "%s", ids[i]);
        cr_assert_null(name);
}
