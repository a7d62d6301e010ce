/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an archive does not tell of the machine and its people, and what it tells of that. */

#include <ftw.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "config-bytes.h"
#include "ctl.h"
#include "fixture.h"
#include "tool.h"

#define SESSION BUS_PATH_SESSION "/_1"
#define NIC "0000:00:02.0"
#define NIC_PATH "sys/devices/pci0000:00/" NIC
#define MAC "52:54:00:12:34:56"
#define SERIAL "PF2ABC1D"
#define USER "mkowalska"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(privacy, .init = setup, .fini = teardown, .timeout = 60);

static void make_machine(Fixture *f) {
        const FakeTree *tree = &f->machine.tree;

        if (!machine_add_driver(&f->machine))
                cr_skip_test("needs depmod");
        fake_config(tree, NIC, CONFIG_BYTES);
        fake_file(tree, NIC_PATH "/net/eth0/address", MAC "\n");
        fake_link(tree, "sys/class/net/eth0", NIC_PATH "/net/eth0");
        fake_link(tree, NIC_PATH "/net/eth0/device", NIC_PATH);
        fake_file(tree, NIC_PATH "/label", "LAN of " SERIAL "\n");
        fake_file(tree, "sys/class/dmi/id/product_serial", SERIAL "\n");
        fake_file(tree, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
                                      USER ":x:1000:1000::/home/" USER ":/bin/bash\n");
}

/* And this is the archive with the most in it that is made on a machine of files. */
static void assert_valid(Fixture *f) {
        free(tool_output(VALIDATE_METADATA " %s/unpacked/metadata.json", f->machine.tree.root));
}

static void capture(Fixture *f, bool no_redact) {
        daemon_start(f);
        free(expect_path(no_redact ? session_start(f, 2, "driver", "s", "e1000e", "no-redact", "b", 1)
                                   : session_start(f, 1, "driver", "s", "e1000e")));
        machine_record(&f->machine);
        session_stop(f);
        wait_for_session(f, SESSION, "sealed");
        free(fixture_unpack(f, SESSION));
        assert_valid(f);
}

static const char *needle;
static size_t needle_bytes;
static char *found_in;

static int look(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        _cleanup_free_ char *data = NULL;
        size_t bytes;

        /* What went through the registers is never changed. */
        if (type != FTW_F || streq(path + ftw->base, "mmiotrace.log"))
                return 0;
        cr_assert_eq(read_file_at(AT_FDCWD, path, 64 * MIB, &data, &bytes), 0, "%s", path);
        if (!memmem(data, bytes, needle, needle_bytes))
                return 0;
        free(found_in);
        found_in = strdup(path + ftw->base);
        return 0;
}

/* The file where it is, NULL for none. */
static const char *find(Fixture *f, const void *data, size_t bytes) {
        _cleanup_free_ char *folder = below(f->machine.tree.root, "unpacked");

        needle = data;
        needle_bytes = bytes;
        free(TAKE_PTR(found_in));
        cr_assert_eq(nftw(folder, look, 16, FTW_PHYS), 0);
        return found_in;
}

static void assert_nowhere(Fixture *f, const void *data, size_t bytes) {
        const char *where = find(f, data, bytes);

        cr_expect_null(where, "\"%.*s\" is in %s", (int) bytes, (const char *) data, strempty(where));
}

#define assert_text_nowhere(f, text) assert_nowhere((f), (text), strlen(text))

/* In the hexadecimal dump and in what is binary. */
static void assert_bytes_nowhere(Fixture *f, const uint8_t *data, size_t bytes) {
        uint8_t reversed[32];
        char dump[3 * 32 + 1] = "";

        for (size_t i = 0; i < bytes; i++)
                reversed[bytes - 1 - i] = data[i];
        for (int way = 0; way < 2; way++) {
                const uint8_t *p = way ? reversed : data;

                for (size_t i = 0; i < bytes; i++)
                        (void) snprintf(dump + 3 * i, sizeof dump - 3 * i, "%02x ", p[i]);
                assert_nowhere(f, p, bytes);
                assert_nowhere(f, dump, 3 * bytes - 1);
        }
}

Test(privacy, redacted) {
        static const uint8_t mac[] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
        _cleanup_free_ char *uname_text = NULL, *metadata = NULL, *lspci = NULL;
        Fixture *f = &fixture;
        struct utsname uts;

        make_machine(f);
        capture(f, false);
        cr_assert_eq(uname(&uts), 0);
        assert_text_nowhere(f, uts.nodename);
        assert_text_nowhere(f, USER);
        assert_text_nowhere(f, SERIAL);
        assert_text_nowhere(f, MAC);
        assert_text_nowhere(f, "525400123456");
        assert_bytes_nowhere(f, mac, sizeof mac);
        assert_bytes_nowhere(f, config_serial, sizeof config_serial);

        uname_text = fake_read(&f->machine.tree, "unpacked/uname.txt");
        cr_assert(startswith(uname_text, "Linux [redacted host 1] "), "%s", uname_text);
        lspci = fake_read(&f->machine.tree, "unpacked/lspci.txt");
        cr_assert_not_null(strstr(lspci, "DeviceName: LAN of [redacted serial 1]\n"), "%s", lspci);
        metadata = fake_read(&f->machine.tree, "unpacked/metadata.json");
        cr_assert_not_null(strstr(metadata, "\"redacted\":true,"), "%s", metadata);
        cr_assert_not_null(strstr(metadata, "\"what\":\"host\",\n      \"where\":\"uname.txt\",\n      \"count\":1\n"), "%s", metadata);
        cr_assert_not_null(strstr(metadata, "\"what\":\"serial\",\n      \"where\":\"lspci-xxxx.txt\",\n      \"count\":2\n"), "%s",
                           metadata);
        /* The sample is of a card with that very address. */
        cr_assert_not_null(strstr(metadata, "The log holds the network address of " NIC ", "), "%s", metadata);
        cr_assert_not_null(strstr(metadata, "\"leaks\":[\n    {\n      \"what\":\"mac\",\n      \"of\":\"" NIC "\",\n"), "%s", metadata);
        cr_assert_not_null(strstr(metadata, "\"uname\":\"Linux [redacted host 1] "), "%s", metadata);
        daemon_stop(f);
}

Test(privacy, kept_when_asked) {
        _cleanup_free_ char *metadata = NULL;
        Fixture *f = &fixture;
        struct utsname uts;

        make_machine(f);
        capture(f, true);
        cr_assert_eq(uname(&uts), 0);
        cr_assert_not_null(find(f, uts.nodename, strlen(uts.nodename)));
        cr_assert_not_null(find(f, SERIAL, strlen(SERIAL)));
        cr_assert_not_null(find(f, "56 34 12 ff ff 00 54 52", 23));
        /* Nobody asked who has an account here. */
        assert_text_nowhere(f, USER);
        metadata = fake_read(&f->machine.tree, "unpacked/metadata.json");
        cr_assert_not_null(strstr(metadata, "\"redacted\":false,\n  \"redactions\":[\n  ],\n"), "%s", metadata);
        daemon_stop(f);
}

/* What the desktop of the caller knows goes into the archive; a display server that says nothing holds nothing up. */
Test(privacy, stop_tells_of_the_desktop) {
        Fixture *f = &fixture;
        _cleanup_free_ char *program = below(f->machine.tree.root, "bin/xrandr"), *text = NULL, *path = NULL;
        _cleanup_ctl_ Ctl stop = {};

        fake_file(&f->machine.tree, "bin/xrandr",
                  "#!/bin/sh\necho \"DP-1 connected 1920x1200 $*\"\nexec sleep 0\n");
        cr_assert_eq(chmod(program, 0755), 0);
        cr_assert_gt(asprintf(&path, "%s/bin:%s", f->machine.tree.root, getenv("PATH")), 0);
        cr_assert_eq(setenv("PATH", path, 1), 0);
        cr_assert_eq(setenv("DISPLAY", ":7", 1), 0);
        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        stop = CTL(f, "stop", "--wait");
        cr_assert_eq(stop.status, 0, "%s", stop.err);
        free(fixture_unpack(f, BUS_PATH_SESSION "/_1"));
        text = fake_read(&f->machine.tree, "unpacked/displays-reported.txt");
        cr_assert(startswith(text, "Reported by the user's programs, not by the kernel:\n\n"
                                   "== xrandr --current --verbose ==\nDP-1 connected 1920x1200 --current --verbose\n"), "%s", text);
        daemon_stop(f);
}

/* The daemon does not take everything for that. */
Test(privacy, what_is_told_of_the_desktop) {
        Fixture *f = &fixture;
        _cleanup_free_ char *much = malloc(256 * KIB + 2);

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        memset(much, 'x', 256 * KIB + 1);
        much[256 * KIB + 1] = 0;
        assert_error(manager_call(f, "Stop", "a{sv}", 1, "displays", "s", much), "org.freedesktop.DBus.Error.InvalidArgs");
        assert_error(manager_call(f, "Stop", "a{sv}", 1, "displays", "s", "a\x1b[31m"), "org.freedesktop.DBus.Error.InvalidArgs");
        assert_error(manager_call(f, "Stop", "a{sv}", 1, "displays", "b", 1), "org.freedesktop.DBus.Error.InvalidArgs");
        assert_error(manager_call(f, "Stop", "a{sv}", 1, "display", "s", "x"), "org.freedesktop.DBus.Error.InvalidArgs");
        assert_manager(f, "State", "capturing");
        session_stop(f);
        daemon_stop(f);
}
