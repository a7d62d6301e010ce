/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "driver.h"
#include "fake-tree.h"
#include "route.h"
#include "sysfs.h"

TestSuite(driver, .fini = test_done, .timeout = 60);
TestSuite(rebind, .fini = test_done, .timeout = 60);
TestSuite(route, .fini = test_done, .timeout = 60);
TestSuite(bind, .fini = test_done, .timeout = 60);

#define NIC "0000:00:02.0"
#define DISK "0000:00:03.0"
#define SMBUS "0000:00:1f.3"
#define BRIDGED "0000:01:00.0"
#define NIC_PATH "sys/devices/pci0000:00/" NIC
#define DISK_PATH "sys/devices/pci0000:00/" DISK

#define assert_strv(l, ...)                                                                     \
        do {                                                                                    \
                const char *_expected[] = { __VA_ARGS__ __VA_OPT__(, ) NULL };                  \
                size_t _i = 0;                                                                  \
                for (; _expected[_i]; _i++) {                                                   \
                        cr_assert(_i < strv_length(l), #l " lacks %s", _expected[_i]);          \
                        cr_assert_str_eq((l)[_i], _expected[_i]);                               \
                }                                                                               \
                cr_assert_eq(strv_length(l), _i, #l " has more than %zu", _i);                  \
        } while (false)

/* A machine with a network card, a disk, and an SMBus whose driver is called otherwise than its module. Nothing is
 * loaded or bound. */
static FakeTree machine(void) {
        FakeTree tree = fake_tree_make();

        fake_pci_device(&tree, NIC, "8086:10d3", "020000");
        fake_pci_device(&tree, DISK, "1af4:1001", "010000");
        fake_pci_device(&tree, SMBUS, "8086:2930", "0c0500");
        fake_module_file(&tree, "e1000e",
                        "name=e1000e\nversion=3.2.6-k\nsrcversion=0123456789ABCDEF\n"
                        "alias=pci:v00008086d000010D3sv*sd*bc*sc*i*\nalias=fast-network");
        fake_module_file(&tree, "i2c-i801", "name=i2c_i801\nalias=pci:v00008086d00002930sv*sd*bc*sc*i*");
        fake_module_file(&tree, "blob-current",
                        "name=blob\nversion=550.54\nalias=pci:v00001AF4d00001001sv*sd*bc*sc*i*");
        if (!fake_depmod(&tree,
                            "kernel/drivers/pci/pcieport_core.ko\nkernel/drivers/ahci.ko\n",
                            "ahci.version=3.0\nahci.alias=pci:v00001AF4d00001001sv*sd*bc*sc*i*\nahci.license=GPL\n"))
                cr_skip_test("needs depmod");
        return tree;
}

static Driver *resolved(const FakeTree *tree, const char *name) {
        _cleanup_error_ Error error = {};
        Driver *driver = NULL;

        cr_assert_eq(driver_resolve(tree->sys, tree->modules, name, &driver, &error), 0, "%s: %s", name, error.text);
        cr_assert_null(error.text);
        cr_assert_str_eq(driver->name, name);
        return driver;
}

Test(driver, module_on_disk) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = resolved(&tree, "e1000e");

        cr_assert_str_eq(driver->module, "e1000e");
        cr_assert_not(driver->builtin);
        cr_assert_not(driver->loaded);
        cr_assert_str_eq(driver->version, "3.2.6-k");
        cr_assert_str_eq(driver->srcversion, "0123456789ABCDEF");
        cr_assert(strstr(driver->filename, "/kernel/e1000e.ko"));
        assert_strv(driver->pci_names);
        assert_strv(driver->devices);
        assert_strv(driver->candidates, NIC);
}

Test(driver, alias_of_module) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = resolved(&tree, "fast_network");

        cr_assert_str_eq(driver->module, "e1000e");
        assert_strv(driver->candidates, NIC);
}

Test(driver, hyphens_are_underscores) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *hyphen = resolved(&tree, "i2c-i801"), *underscore = resolved(&tree, "i2c_i801");

        cr_assert_str_eq(hyphen->module, "i2c_i801");
        cr_assert_str_eq(underscore->module, "i2c_i801");
        assert_strv(hyphen->candidates, SMBUS);
        assert_strv(underscore->candidates, SMBUS);
}

/* Loaded, one name on the bus that is another than the module's, and one device bound. */
static void load_smbus(const FakeTree *tree) {
        fake_module_entry(tree, "i2c_i801", "1.0-running\n");
        fake_pci_driver(tree, "i801_smbus", "i2c_i801");
        fake_pci_bind(tree, SMBUS, "i801_smbus");
}

Test(driver, loaded_by_either_name) {
        static const char *const names[] = { "i2c_i801", "i2c-i801", "i801_smbus", "i801-smbus" };
        _cleanup_fake_tree_ FakeTree tree = machine();

        load_smbus(&tree);
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_driver_ Driver *driver = resolved(&tree, names[i]);

                cr_assert_str_eq(driver->module, "i2c_i801");
                cr_assert(driver->loaded);
                cr_assert_not(driver->builtin);
                cr_assert_str_eq(driver->version, "1.0-running");
                assert_strv(driver->pci_names, "i801_smbus");
                assert_strv(driver->devices, SMBUS);
                assert_strv(driver->candidates, SMBUS);
        }
}

/* A module may drive devices on several buses, and a driver need not be on the PCI bus. */
Test(driver, devices_on_other_buses) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *smbus = NULL, *by_bus_name = NULL, *builtin = NULL, *other = NULL;

        load_smbus(&tree);
        fake_bus_bind(&tree, "platform", "i2c-mux.0", "smbus_mux", "i2c_i801");
        fake_bus_bind(&tree, "i2c", "0-0050", "eeprom", "at24");
        /* As its name on the PCI bus, and yet another driver. */
        fake_bus_bind(&tree, "pnp", "00:04", "i801_smbus", NULL);
        smbus = resolved(&tree, "i2c_i801");
        assert_strv(smbus->devices, SMBUS);
        assert_strv(smbus->elsewhere, "i2c-mux.0 (platform)");
        by_bus_name = resolved(&tree, "i801_smbus");
        assert_strv(by_bus_name->elsewhere, "i2c-mux.0 (platform)");

        /* Built in, without an entry of its own below /sys/module. */
        fake_bus_bind(&tree, "platform", "efi-framebuffer.0", "efi-framebuffer", NULL);
        builtin = resolved(&tree, "efi_framebuffer");
        cr_assert(builtin->builtin);
        cr_assert_null(builtin->module);
        assert_strv(builtin->devices);
        assert_strv(builtin->elsewhere, "efi-framebuffer.0 (platform)");

        other = resolved(&tree, "e1000e");
        assert_strv(other->elsewhere);
}

Test(driver, running_version_before_file) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_module_entry(&tree, "e1000e", "3.2.5-old\n");
        driver = resolved(&tree, "e1000e");
        cr_assert(driver->loaded);
        cr_assert_str_eq(driver->version, "3.2.5-old");
        /* Not of the file: that belongs to another version. */
        cr_assert_null(driver->srcversion);
}

Test(driver, module_that_goes_is_not_loaded) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_module_entry(&tree, "e1000e", NULL);
        fake_file(&tree, "sys/module/e1000e/initstate", "going\n");
        driver = resolved(&tree, "e1000e");
        cr_assert_not(driver->loaded);
        cr_assert_not(driver->builtin);
}

Test(driver, loaded_from_elsewhere) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_module_entry(&tree, "mine", "7\n");
        fake_pci_driver(&tree, "mine", "mine");
        fake_pci_bind(&tree, NIC, "mine");
        driver = resolved(&tree, "mine");
        cr_assert_str_eq(driver->module, "mine");
        cr_assert(driver->loaded);
        cr_assert_null(driver->filename);
        cr_assert_str_eq(driver->version, "7");
        assert_strv(driver->devices, NIC);
        assert_strv(driver->candidates);
}

Test(driver, several_names_and_devices_are_sorted) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_module_entry(&tree, "e1000e", NULL);
        fake_pci_driver(&tree, "zweite", "e1000e");
        fake_pci_driver(&tree, "erste", "e1000e");
        fake_pci_driver(&tree, "other", "something_else");
        fake_pci_bind(&tree, SMBUS, "erste");
        fake_pci_bind(&tree, NIC, "zweite");
        fake_pci_bind(&tree, DISK, "other");
        driver = resolved(&tree, "e1000e");
        assert_strv(driver->pci_names, "erste", "zweite");
        assert_strv(driver->devices, NIC, SMBUS);
}

Test(driver, bus_goes_before_library_module) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_module_entry(&tree, "xhci_hcd", NULL);
        fake_module_entry(&tree, "xhci_pci", NULL);
        fake_pci_driver(&tree, "xhci_hcd", "xhci_pci");
        fake_pci_bind(&tree, NIC, "xhci_hcd");
        driver = resolved(&tree, "xhci_hcd");
        cr_assert_str_eq(driver->module, "xhci_pci");
        assert_strv(driver->devices, NIC);
}

Test(driver, builtin_in_tables) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_pci_driver(&tree, "ahci", NULL);
        fake_pci_bind(&tree, DISK, "ahci");
        driver = resolved(&tree, "ahci");
        cr_assert(driver->builtin);
        cr_assert_not(driver->loaded);
        cr_assert_str_eq(driver->module, "ahci");
        cr_assert_str_eq(driver->version, "3.0");
        cr_assert_null(driver->filename);
        assert_strv(driver->pci_names, "ahci");
        assert_strv(driver->devices, DISK);
}

Test(driver, builtin_not_bound) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = resolved(&tree, "pcieport_core");

        cr_assert(driver->builtin);
        cr_assert_str_eq(driver->module, "pcieport_core");
        assert_strv(driver->devices);
}

Test(driver, builtin_without_module) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_pci_driver(&tree, "pcieport", NULL);
        fake_pci_bind(&tree, NIC, "pcieport");
        driver = resolved(&tree, "pcieport");
        cr_assert(driver->builtin);
        cr_assert_null(driver->module);
        assert_strv(driver->pci_names, "pcieport");
        assert_strv(driver->devices, NIC);
        assert_strv(driver->candidates);
}

/* As a kernel without modules shows it: an entry with a version, and no link between it and the bus. */
Test(driver, builtin_without_links) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_file(&tree, "sys/module/virtio_pci/version", "1\n");
        fake_pci_driver(&tree, "virtio-pci", NULL);
        fake_pci_bind(&tree, DISK, "virtio-pci");
        driver = resolved(&tree, "virtio_pci");
        cr_assert(driver->builtin);
        cr_assert_str_eq(driver->module, "virtio_pci");
        cr_assert_str_eq(driver->version, "1");
        assert_strv(driver->pci_names, "virtio-pci");
        assert_strv(driver->devices, DISK);
}

/* The file has another name than what is in it. */
Test(driver, file_under_another_name) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = resolved(&tree, "blob-current"), *loaded = NULL, *by_bus = NULL;

        cr_assert_str_eq(driver->module, "blob_current");
        cr_assert_not(driver->loaded);
        assert_strv(driver->candidates, DISK);

        fake_module_entry(&tree, "blob", "550.54\n");
        fake_pci_driver(&tree, "blob", "blob");
        fake_pci_bind(&tree, DISK, "blob");
        loaded = resolved(&tree, "blob-current");
        cr_assert(loaded->loaded);
        assert_strv(loaded->devices, DISK);
        by_bus = resolved(&tree, "blob");
        cr_assert(by_bus->loaded);
        cr_assert_str_eq(by_bus->module, "blob");
        cr_assert(strstr(by_bus->filename, "/kernel/blob-current.ko"));
        assert_strv(by_bus->candidates, DISK);
}

Test(driver, without_tables) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_error_ Error error = {};

        fake_pci_device(&tree, NIC, "8086:10d3", "020000");
        cr_assert_eq(driver_resolve(tree.sys, tree.modules, "e1000e", &driver, &error), -ENXIO);
        cr_assert_eq(error.code, ERROR_NO_SUCH_DRIVER);
        fake_pci_driver(&tree, "e1000e", NULL);
        fake_pci_bind(&tree, NIC, "e1000e");
        driver = resolved(&tree, "e1000e");
        assert_strv(driver->devices, NIC);
}

Test(driver, without_pci) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_remove(&tree, "sys/bus");
        driver = resolved(&tree, "e1000e");
        assert_strv(driver->candidates);
}

Test(driver, unknown) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_error_ Error error = {};
        Driver *driver = NULL;

        cr_assert_eq(driver_resolve(tree.sys, tree.modules, "no_such_thing", &driver, &error), -ENXIO);
        cr_assert_eq(error.code, ERROR_NO_SUCH_DRIVER);
        cr_assert(strstr(error.text, "\"no_such_thing\""));
        cr_assert(strstr(error.text, "lspci -k"));
        cr_assert_null(driver);
}

Test(driver, names_that_are_refused) {
        static const char *const names[] = {
                "", ".", "..", "../module/e1000e", "e1000e/", "e1000e ", "e1000e\n", "e1000e;id", "e*",
                "pci:v00008086d*", "\xc3\xa4", "\x1b[31m", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        };
        _cleanup_fake_tree_ FakeTree tree = machine();

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_error_ Error error = {};
                Driver *driver = NULL;

                cr_assert_eq(driver_resolve(tree.sys, tree.modules, names[i], &driver, &error), -EINVAL);
                cr_assert_eq(error.code, ERROR_INVALID_ARGUMENTS);
                cr_assert_null(driver);
                /* What was refused does not come back in the sentence. */
                cr_assert(text_is_clean(error.text, false));
                cr_assert(strlen(names[i]) < 3 || !strstr(error.text, names[i]));
        }
}

Test(driver, unclean_version_is_not_taken) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_driver_ Driver *driver = NULL;

        fake_module_entry(&tree, "i2c_i801", "1.0\x1b[31m\n");
        driver = resolved(&tree, "i2c_i801");
        cr_assert_null(driver->version);
}

Test(driver, addresses) {
        static const char *const good[] = { "0000:00:00.0", "ffff:ff:1f.7", "10000:e1:00.0" };
        static const char *const bad[] = {
                "", "00:02.0", "0000:00:02", "0000:00:02.8", "0000:00:02.0 ", "0000:00:02.00", "000G:00:02.0",
                "0000:00:2.0", "0000:000:02.0", "0000-00:02.0", "bind", "../0000:00:02.0", "123456789:00:02.0",
        };

        for (size_t i = 0; i < ELEMENTS(good); i++)
                cr_assert(pci_address_is_valid(good[i]), "%s", good[i]);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                cr_assert_not(pci_address_is_valid(bad[i]), "%s", bad[i]);
}

/* Bound: a card with eth0, and a virtio disk with vda and vda1 that is 254:0 and 254:1. */
static FakeTree bound_machine(void) {
        FakeTree tree = fake_tree_make();

        fake_pci_device(&tree, NIC, "8086:10d3", "020000");
        fake_pci_device(&tree, DISK, "1af4:1001", "010000");
        fake_file(&tree, NIC_PATH "/net/eth0/mtu", "1500\n");
        fake_link(&tree, NIC_PATH "/net/eth0/device", NIC_PATH);
        fake_link(&tree, "sys/class/net/eth0", NIC_PATH "/net/eth0");
        fake_file(&tree, DISK_PATH "/virtio0/block/vda/vda1/partition", "1\n");
        fake_link(&tree, "sys/dev/block/254:0", DISK_PATH "/virtio0/block/vda");
        fake_link(&tree, "sys/dev/block/254:1", DISK_PATH "/virtio0/block/vda/vda1");
        fake_link(&tree, "sys/class/block/vda", DISK_PATH "/virtio0/block/vda");
        fake_link(&tree, "sys/class/block/vda1", DISK_PATH "/virtio0/block/vda/vda1");
        fake_file(&tree, "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        return tree;
}

#define SWAPS_HEAD "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
#define ANONYMOUS                                                             \
        "22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw\n"            \
        "25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24731708k\n" \
        "30 27 7:0 / /snap rw - squashfs /dev/loop0 ro\n"

static int check(const FakeTree *tree, const char *bdf, const char *interface, Error *error) {
        char *devices[] = { (char *) bdf, NULL };
        const Driver driver = { .name = (char *) "tested", .devices = devices };

        return driver_check_rebind(tree->sys, tree->proc, &driver, interface, error);
}

static void assert_free(const FakeTree *tree, const char *bdf, const char *interface) {
        _cleanup_error_ Error error = {};

        cr_assert_eq(check(tree, bdf, interface, &error), 0, "%s: %s", bdf, error.text);
        cr_assert_eq(error.code, ERROR_NONE);
}

static void assert_in_use(const FakeTree *tree, const char *bdf, const char *interface, const char *reason) {
        _cleanup_error_ Error error = {};

        cr_assert_eq(check(tree, bdf, interface, &error), -EBUSY, "%s with %s", bdf, reason);
        cr_assert_eq(error.code, ERROR_DEVICE_IN_USE);
        cr_assert(strstr(error.text, bdf), "%s", error.text);
        cr_assert(strstr(error.text, reason), "%s", error.text);
        cr_assert(text_is_clean(error.text, false));
}

Test(rebind, nothing_in_use) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();
        const Driver nothing_bound = { .name = (char *) "tested" };

        fake_file(&tree, "proc/self/mountinfo", ANONYMOUS);
        assert_free(&tree, NIC, NULL);
        assert_free(&tree, DISK, NULL);
        assert_free(&tree, DISK, "eth0");
        assert_free(&tree, NIC, "eth9");
        fake_remove(&tree, "proc/swaps");
        assert_free(&tree, DISK, NULL);
        cr_assert_eq(driver_check_rebind(tree.sys, tree.proc, &nothing_bound, "eth0", NULL), 0);
}

Test(rebind, mounted_disk) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, "proc/self/mountinfo", ANONYMOUS "27 1 254:0 / / rw - ext4 /dev/root rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/\"");
        assert_free(&tree, NIC, NULL);
}

Test(rebind, mounted_partition_with_blank) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, "proc/self/mountinfo",
                        ANONYMOUS "27 1 254:1 / /mnt/my\\040disk rw master:1 shared:2 - ext4 /dev/vda1 rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/mnt/my disk\"");
}

Test(rebind, unprintable_mount_point) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, "proc/self/mountinfo", "27 1 254:1 / /mnt/\x1b[31m\\012x rw - ext4 /dev/vda1 rw\n");
        assert_in_use(&tree, DISK, NULL, "unprintable");
}

/* The name of one device is not the beginning of another's. */
Test(rebind, similar_paths) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        cr_assert(path_is_below("/a/b", "/a/b"));
        cr_assert(path_is_below("/a/b/c", "/a/b"));
        cr_assert_not(path_is_below("/a/bc", "/a/b"));
        cr_assert_not(path_is_below("/a", "/a/b"));
}

Test(rebind, below_a_bridge) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, DISK_PATH "/" BRIDGED "/ata1/block/sda/size", "1\n");
        fake_link(&tree, "sys/dev/block/8:0", DISK_PATH "/" BRIDGED "/ata1/block/sda");
        fake_link(&tree, "sys/bus/pci/devices/" BRIDGED, DISK_PATH "/" BRIDGED);
        fake_file(&tree, "proc/self/mountinfo", "27 1 8:0 / /data rw - xfs /dev/sda rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/data\"");
        assert_in_use(&tree, BRIDGED, NULL, "\"/data\"");
        assert_free(&tree, NIC, NULL);
}

/* dm-1 on dm-0 on a partition. */
static void stack_dm(const FakeTree *tree) {
        fake_file(tree, "sys/devices/virtual/block/dm-0/dm/name", "crypt\n");
        fake_file(tree, "sys/devices/virtual/block/dm-1/dm/name", "vg-root\n");
        fake_link(tree, "sys/devices/virtual/block/dm-0/slaves/vda1", DISK_PATH "/virtio0/block/vda/vda1");
        fake_link(tree, "sys/devices/virtual/block/dm-1/slaves/dm-0", "sys/devices/virtual/block/dm-0");
        fake_link(tree, "sys/dev/block/253:0", "sys/devices/virtual/block/dm-0");
        fake_link(tree, "sys/dev/block/253:1", "sys/devices/virtual/block/dm-1");
        fake_link(tree, "sys/class/block/dm-0", "sys/devices/virtual/block/dm-0");
        fake_link(tree, "sys/class/block/dm-1", "sys/devices/virtual/block/dm-1");
}

Test(rebind, stacked_disks) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        stack_dm(&tree);
        fake_file(&tree, "proc/self/mountinfo", "27 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/\"");
        assert_free(&tree, NIC, NULL);
}

Test(rebind, partition_of_raid) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, "sys/devices/virtual/block/md0/md0p1/partition", "1\n");
        fake_link(&tree, "sys/devices/virtual/block/md0/slaves/vda", DISK_PATH "/virtio0/block/vda");
        fake_link(&tree, "sys/dev/block/259:5", "sys/devices/virtual/block/md0/md0p1");
        fake_file(&tree, "proc/self/mountinfo", "27 1 259:5 / /srv rw - ext4 /dev/md0p1 rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/srv\"");
}

Test(rebind, circle_of_disks_is_an_error) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();
        _cleanup_error_ Error error = {};

        fake_link(&tree, "sys/devices/virtual/block/dm-0/slaves/dm-1", "sys/devices/virtual/block/dm-1");
        fake_link(&tree, "sys/devices/virtual/block/dm-1/slaves/dm-0", "sys/devices/virtual/block/dm-0");
        fake_link(&tree, "sys/dev/block/253:0", "sys/devices/virtual/block/dm-0");
        fake_file(&tree, "proc/self/mountinfo", "27 1 253:0 / / rw - ext4 /dev/dm-0 rw\n");
        cr_assert_eq(check(&tree, DISK, NULL, &error), -ELOOP);
        cr_assert_eq(error.code, ERROR_FAILED);
}

Test(rebind, nvme_multipath) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();
        static const char subsystem[] = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";

        fake_file(&tree, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p2/partition", "2\n");
        fake_file(&tree, DISK_PATH "/nvme/nvme0/model", "x\n");
        fake_link(&tree, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0", DISK_PATH "/nvme/nvme0");
        fake_link(&tree, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/subsystem", subsystem);
        fake_link(&tree, "sys/dev/block/259:2",
                        "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p2");
        fake_file(&tree, "proc/self/mountinfo", "27 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/\"");
        assert_free(&tree, NIC, NULL);
}

Test(rebind, anonymous_by_source) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, "proc/self/mountinfo", "27 1 0:40 / /data rw - bcachefs /dev/nothing:/dev/vda rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/data\"");
        assert_free(&tree, NIC, NULL);
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:40 / /data rw - somefs /dev/vda1 rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/data\"");
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:40 / /fuse rw - fuse.x /dev/fuse rw\n");
        assert_free(&tree, DISK, NULL);
        /* A host path of another machine, and nothing to do with our /dev. */
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:40 / /nfs rw - nfs4 server:/dev/vda rw\n");
        assert_free(&tree, DISK, NULL);
}

Test(rebind, btrfs) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        stack_dm(&tree);
        fake_file(&tree, "sys/devices/virtual/block/ram0/size", "1\n");
        fake_link(&tree, "sys/class/block/ram0", "sys/devices/virtual/block/ram0");
        fake_link(&tree, "sys/fs/btrfs/aaaa/devices/ram0", "sys/devices/virtual/block/ram0");
        fake_file(&tree, "sys/fs/btrfs/features/raid56", "0\n");
        /* On a disk of its own, which is not ours. */
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:33 /@ / rw - btrfs /dev/ram0 rw,subvol=/@\n");
        assert_free(&tree, DISK, NULL);
        /* The second disk of the same file system is. */
        fake_link(&tree, "sys/fs/btrfs/aaaa/devices/dm-1", "sys/devices/virtual/block/dm-1");
        assert_in_use(&tree, DISK, NULL, "\"/\"");
        assert_free(&tree, NIC, NULL);
        /* Through the mapper's name, and with two file systems. */
        fake_remove(&tree, "sys/fs/btrfs/aaaa/devices/dm-1");
        fake_link(&tree, "sys/fs/btrfs/bbbb/devices/dm-1", "sys/devices/virtual/block/dm-1");
        assert_free(&tree, DISK, NULL);
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:33 /@ /b rw - btrfs /dev/mapper/vg-root rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/b\"");
        /* Not to be found among them: each counts. */
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:33 /@ /c rw - btrfs /dev/disk-by-hand rw\n");
        assert_in_use(&tree, DISK, NULL, "\"/c\"");
}

Test(rebind, tags) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, DISK_PATH "/virtio3/mount_tag", "hostroot\n");
        fake_link(&tree, "sys/bus/virtio/devices/virtio3", DISK_PATH "/virtio3");
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:33 / / rw - 9p hostroot rw,trans=virtio\n");
        assert_in_use(&tree, DISK, NULL, "\"/\"");
        assert_free(&tree, NIC, NULL);
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:33 / / rw - 9p other rw,trans=virtio\n");
        assert_free(&tree, DISK, NULL);
        fake_file(&tree, "proc/self/mountinfo", "27 1 0:33 / /host rw - virtiofs shared rw\n");
        assert_free(&tree, DISK, NULL);
        fake_file(&tree, "sys/bus/virtio/drivers/virtiofs/bind", "");
        fake_link(&tree, DISK_PATH "/virtio3/driver", "sys/bus/virtio/drivers/virtiofs");
        assert_in_use(&tree, DISK, NULL, "\"/host\"");
}

Test(rebind, swap) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        stack_dm(&tree);
        fake_file(&tree, "proc/swaps", SWAPS_HEAD "/dev/vda1                               partition\t1\t0\t-2\n");
        assert_in_use(&tree, DISK, NULL, "swap");
        assert_free(&tree, NIC, NULL);
        fake_file(&tree, "proc/swaps", SWAPS_HEAD "/dev/dm-1 partition\t1\t0\t-2\n");
        assert_in_use(&tree, DISK, NULL, "swap");
        fake_file(&tree, "proc/swaps", SWAPS_HEAD "/dev/zram0 partition\t1\t0\t-2\n/swapfile file\t1\t0\t-3\n");
        assert_free(&tree, DISK, NULL);
}

Test(rebind, interface) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        assert_in_use(&tree, NIC, "eth0", "\"eth0\"");
        assert_free(&tree, DISK, "eth0");
        assert_free(&tree, NIC, NULL);

        /* A VLAN on a bridge on the card. */
        fake_link(&tree, "sys/devices/virtual/net/br0/lower_eth0", NIC_PATH "/net/eth0");
        fake_link(&tree, "sys/devices/virtual/net/br0.7/lower_br0", "sys/devices/virtual/net/br0");
        fake_link(&tree, "sys/class/net/br0", "sys/devices/virtual/net/br0");
        fake_link(&tree, "sys/class/net/br0.7", "sys/devices/virtual/net/br0.7");
        assert_in_use(&tree, NIC, "br0.7", "\"br0.7\"");
        assert_free(&tree, DISK, "br0.7");
        fake_file(&tree, "sys/class/net/lo/mtu", "1\n");
        assert_free(&tree, NIC, "lo");
}

Test(rebind, interface_names_do_not_lead_out) {
        static const char *const names[] = { "", ".", "..", "../../bus", "a/b" };
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_error_ Error error = {};

                cr_assert_eq(check(&tree, NIC, names[i], &error), -EINVAL);
                cr_assert_eq(error.code, ERROR_FAILED);
        }
}

Test(rebind, network_file_system) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();

        fake_file(&tree, "proc/net/route",
                        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
                        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        fake_file(&tree, "proc/self/mountinfo",
                        "27 1 0:33 / /home rw - nfs4 server:/home rw,vers=4.2,addr=192.0.2.1,clientaddr=192.0.2.9\n");
        assert_in_use(&tree, NIC, NULL, "\"/home\"");
        assert_free(&tree, DISK, NULL);
}

Test(rebind, what_cannot_be_told_is_an_error) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();
        _cleanup_error_ Error broken = {}, missing = {}, gone = {};

        fake_file(&tree, "proc/self/mountinfo", "27 1 254:0 / / rw\n");
        cr_assert_eq(check(&tree, NIC, NULL, &broken), -EBADMSG);
        cr_assert_eq(broken.code, ERROR_FAILED);
        fake_remove(&tree, "proc/self/mountinfo");
        cr_assert_eq(check(&tree, NIC, NULL, &missing), -ENOENT);
        cr_assert_eq(missing.code, ERROR_FAILED);
        cr_assert_eq(check(&tree, "0000:00:09.0", NULL, &gone), -ENOENT);
        cr_assert(strstr(gone.text, "0000:00:09.0"));
}

#define ROUTE_HEAD "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"

static FakeTree routes(void) {
        FakeTree tree = fake_tree_make();

        fake_file(&tree, "proc/net/route",
                        ROUTE_HEAD
                        "wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0   \n"
                        "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0   \n"
                        "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0   \n"
                        "*\t006433C6\t00000000\t0201\t0\t0\t0\t00FFFFFF\t0\t0\t0   \n"
                        "down0\t000A0A0A\t00000000\t0000\t0\t0\t0\t00FFFFFF\t0\t0\t0   \n");
        fake_file(&tree, "proc/net/ipv6_route",
                        "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 "
                        "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
                        "fd000000000000000000000000001200 77 00000000000000000000000000000000 00 "
                        "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n"
                        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
                        "fd000000000000000000000000000001 00000400 00000002 00000000 00000003    wlan0\n"
                        "00000000000000000000000000000001 80 00000000000000000000000000000000 00 "
                        "00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n"
                        "20010db8000000000000000000000000 20 00000000000000000000000000000000 00 "
                        "00000000000000000000000000000000 00000400 00000002 00000000 00000201       lo\n");
        return tree;
}

static void assert_route(const FakeTree *tree, const char *address, const char *interface) {
        _cleanup_free_ char *found = NULL;

        cr_assert_eq(network_interface_to(tree->proc, address, &found), 0, "%s", address);
        cr_assert_str_eq(found, interface, "%s: %s", address, found);
}

Test(route, ipv4) {
        _cleanup_fake_tree_ FakeTree tree = routes();

        assert_route(&tree, "192.0.2.17", "eth1");
        assert_route(&tree, "8.8.8.8", "eth0");
        assert_route(&tree, "::ffff:192.0.2.17", "eth1");
        /* Neither a route that rejects nor one that is down. */
        assert_route(&tree, "198.51.100.1", "eth0");
        assert_route(&tree, "10.10.10.1", "eth0");
}

Test(route, ipv6) {
        _cleanup_fake_tree_ FakeTree tree = routes();

        assert_route(&tree, "fd00::7", "eth0");
        assert_route(&tree, "fd00::13ff", "eth1");
        assert_route(&tree, "fd00::1400", "eth0");
        assert_route(&tree, "2001:db9::1", "wlan0");
        assert_route(&tree, "2001:db8::1", "wlan0");
        assert_route(&tree, "fe80::1%eth7", "eth7");
}

Test(route, none) {
        static const char *const unreachable[] = {
                "127.0.0.1", "127.9.9.9", "::1", "fe80::1%4294967295", "fe80::1%0",
        };
        static const char *const invalid[] = {
                "", "host", "192.0.2", "192.0.2.1%eth0", "fe80::1%", "fe80::1%../x", "fe80::1%..",
                "fe80::1%aaaaaaaaaaaaaaaa", "192.0.2.1 ", "fe80::1%a/b",
        };
        _cleanup_fake_tree_ FakeTree tree = routes();
        char *found = NULL;

        for (size_t i = 0; i < ELEMENTS(unreachable); i++)
                cr_assert_eq(network_interface_to(tree.proc, unreachable[i], &found), -ENETUNREACH, "%s",
                                unreachable[i]);
        for (size_t i = 0; i < ELEMENTS(invalid); i++)
                cr_assert_eq(network_interface_to(tree.proc, invalid[i], &found), -EINVAL, "%s", invalid[i]);
        fake_file(&tree, "proc/net/route", ROUTE_HEAD "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
        cr_assert_eq(network_interface_to(tree.proc, "8.8.8.8", &found), -ENETUNREACH);
        fake_remove(&tree, "proc/net/ipv6_route");
        cr_assert_eq(network_interface_to(tree.proc, "fd00::1", &found), -ENETUNREACH);
        cr_assert_null(found);
}

Test(bind, unbind_and_bind) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();
        _cleanup_free_ char *driver = NULL, *unbind = NULL, *bind = NULL;

        fake_pci_driver(&tree, "i801_smbus", "i2c_i801");
        fake_pci_bind(&tree, NIC, "i801_smbus");
        cr_assert_eq(driver_unbind(tree.sys, NIC, &driver), 0);
        cr_assert_str_eq(driver, "i801_smbus");
        unbind = fake_read(&tree, "sys/bus/pci/drivers/i801_smbus/unbind");
        cr_assert_str_eq(unbind, NIC);
        cr_assert_eq(driver_bind(tree.sys, driver, NIC), 0);
        bind = fake_read(&tree, "sys/bus/pci/drivers/i801_smbus/bind");
        cr_assert_str_eq(bind, NIC);
        cr_assert_eq(driver_unbind(tree.sys, NIC, NULL), 0);
}

Test(bind, refused) {
        _cleanup_fake_tree_ FakeTree tree = bound_machine();
        _cleanup_free_ char *text = NULL;
        char *driver = NULL;

        fake_pci_driver(&tree, "e1000e", NULL);
        cr_assert_eq(driver_unbind(tree.sys, NIC, &driver), -ENODEV);
        cr_assert_eq(driver_unbind(tree.sys, "0000:00:09.0", &driver), -ENODEV);
        cr_assert_eq(driver_unbind(tree.sys, "../drivers/e1000e", &driver), -EINVAL);
        cr_assert_eq(driver_bind(tree.sys, "nothing", NIC), -ENOENT);
        cr_assert_eq(driver_bind(tree.sys, "../drivers/e1000e", NIC), -EINVAL);
        cr_assert_eq(driver_bind(tree.sys, "", NIC), -EINVAL);
        cr_assert_eq(driver_bind(tree.sys, "e1000e", NIC "\n"), -EINVAL);
        cr_assert_null(driver);
        text = fake_read(&tree, "sys/bus/pci/drivers/e1000e/bind");
        cr_assert_str_empty(text);
}
