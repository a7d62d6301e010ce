/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "displays.h"
#include "edid-bytes.h"
#include "fake-tree.h"
#include "members.h"
#include "metadata.h"

TestSuite(displays, .fini = test_done, .timeout = 60);

#define CARD "sys/devices/pci0000:00/0000:00:02.0/drm/card0"

static void fake_connector(const FakeTree *tree, const char *name, const char *status, const uint8_t *edid, size_t bytes) {
        _cleanup_free_ char *folder = NULL, *link = NULL, *path = NULL, *device = NULL;

        cr_assert(asprintf(&folder, CARD "/%s", name) > 0);
        cr_assert(asprintf(&link, "sys/class/drm/%s", name) > 0);
        cr_assert(asprintf(&path, "%s/" CARD "/%s/edid", tree->root, name) > 0);
        cr_assert(asprintf(&device, "%s/device", folder) > 0);
        attribute(tree, folder, "status", status);
        attribute(tree, folder, "enabled", "enabled\n");
        attribute(tree, folder, "dpms", "On\n");
        attribute(tree, folder, "modes", "1920x1200\n800x600\n");
        write_bytes(path, edid, bytes);
        fake_link(tree, device, CARD);
        fake_link(tree, link, folder);
}

static FakeTree machine(void) {
        FakeTree tree = fake_tree_make();
        uint8_t edid[EDID_BYTES];

        edid_make(edid);
        fake_file(&tree, "out/placeholder", "");
        fake_file(&tree, CARD "/dev", "226:0\n");
        fake_link(&tree, CARD "/device", "sys/devices/pci0000:00/0000:00:02.0");
        fake_link(&tree, "sys/class/drm/card0", CARD);
        fake_connector(&tree, "card0-HDMI-A-1", "connected\n", edid, sizeof edid);
        fake_connector(&tree, "card0-SVIDEO-1", "disconnected\n", NULL, 0);
        fake_file(&tree, "sys/class/graphics/fb0/name", "bochs-drmdrmfb\n");
        fake_file(&tree, "sys/class/graphics/fb0/modes", "U:1280x800p-0\n");
        fake_file(&tree, "sys/class/graphics/fb0/virtual_size", "1280,800\n");
        fake_file(&tree, "sys/class/graphics/fbcon/rotate", "0\n");
        return tree;
}

static int collect(const FakeTree *tree, char **ret) {
        _cleanup_close_ int fd = openat(test_dir(), "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        cr_assert_geq(fd, 0);
        return displays_collect(fd, &(Context) { .sys_root = tree->sys }, ret);
}

Test(displays, connectors) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_free_ char *text = NULL, *edid = NULL;
        uint8_t expected[EDID_BYTES];
        size_t bytes;

        fake_file(&tree, "out/edid-card9-DP-1.bin", "of before");
        cr_assert_eq(collect(&tree, &text), 0);
        cr_assert_str_eq(text, "card0-HDMI-A-1 of 0000:00:02.0: connected, enabled, DPMS On\n"
                               "\tmodes: 1920x1200 800x600 \n"
                               "\tmonitor: DEL a07a \"Panel 24\", of 2023\n"
                               "\tEDID: edid-card0-HDMI-A-1.bin\n"
                               "card0-SVIDEO-1 of 0000:00:02.0 (TV output): disconnected, enabled, DPMS On\n"
                               "\tmodes: 1920x1200 800x600 \n"
                               "\tEDID: none\n"
                               "fb0: bochs-drmdrmfb, mode U:1280x800p-0, size 1280,800\n");
        edid_make(expected);
        cr_assert_eq(read_file_at(test_dir(), "out/edid-card0-HDMI-A-1.bin", KIB, &edid, &bytes), 0);
        cr_assert_eq(bytes, EDID_BYTES);
        cr_assert_eq(memcmp(edid, expected, bytes), 0);
        cr_assert_lt(faccessat(test_dir(), "out/edid-card9-DP-1.bin", F_OK, 0), 0);
}

/* A monitor says what it likes, and so does who names a connector. */
Test(displays, lies) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_free_ char *text = NULL;
        uint8_t edid[EDID_BYTES];

        edid_make(edid);
        edid[8] = edid[9] = 0xff;
        memcpy(edid + 95, "\x1b[31m\xff\"x\0y    ", 13);
        fake_connector(&tree, "card0-DP-1", "a\x1b[31m\n", edid, sizeof edid);
        fake_connector(&tree, "card0-HDMI-A-1", "connected\n", edid, 100);
        fake_connector(&tree, "card0-..\nx", "connected\n", edid, sizeof edid);
        cr_assert_eq(collect(&tree, &text), 0);
        cr_assert(text_is_clean(text, true), "%s", text);
        cr_assert_not_null(strstr(text, "card0-DP-1 of 0000:00:02.0: not printable, enabled"), "%s", text);
        cr_assert_not_null(strstr(text, "monitor: ??? a07a \"?[31m?\"x\", of 2023\n"), "%s", text);
        cr_assert_null(strstr(text, ".."));
}

Test(displays, none) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        char *text;

        fake_remove(&tree, "sys/class/drm/card0-HDMI-A-1");
        fake_remove(&tree, "sys/class/drm/card0-SVIDEO-1");
        cr_assert_eq(collect(&tree, &text), -ENODATA);
        fake_remove(&tree, "sys/class/drm");
        cr_assert_eq(collect(&tree, &text), -ENODATA);
}

/* In the archive an EDID has no serial number; what is no EDID is not there. */
Test(displays, members) {
        _cleanup_fake_tree_ FakeTree tree = machine();
        _cleanup_archive_head_ ArchiveHead redacted = {}, all = {};
        _cleanup_redactor_ Redactor *redactor = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        const ArchiveHeadFile *f;

        cr_assert_eq(collect(&tree, &text), 0);
        fake_file(&tree, "out/edid-card1-DP-1.bin", EDID_SERIAL_TEXT);
        fd = openat(test_dir(), "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_eq(redactor_new(&redactor), 0);
        cr_assert_eq(members_load(fd, redactor, &redacted), 0);
        f = archive_head_find(&redacted, "edid-card0-HDMI-A-1.bin");
        cr_assert_not_null(f);
        cr_assert_eq(f->bytes, EDID_BYTES);
        cr_assert_null(memmem(f->data, f->bytes, EDID_SERIAL_TEXT, strlen(EDID_SERIAL_TEXT)));
        f = archive_head_find(&redacted, "edid-card1-DP-1.bin");
        cr_assert_not_null(f);
        cr_assert_str_eq(f->data, "unavailable: it is no EDID, so nobody knows what is in it\n");

        cr_assert_eq(members_load(fd, NULL, &all), 0);
        f = archive_head_find(&all, "edid-card0-HDMI-A-1.bin");
        cr_assert_not_null(memmem(f->data, f->bytes, EDID_SERIAL_TEXT, strlen(EDID_SERIAL_TEXT)));
        f = archive_head_find(&all, "edid-card1-DP-1.bin");
        cr_assert_str_eq(f->data, EDID_SERIAL_TEXT);
}
