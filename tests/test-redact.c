/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "config-bytes.h"
#include "config-space.h"
#include "edid-bytes.h"
#include "redact.h"

TestSuite(redact, .fini = test_done, .timeout = 60);

static Redactor *redactor(void) {
        Redactor *r;

        cr_assert_eq(redactor_new(&r), 0);
        cr_assert_eq(redactor_keep(r, "e1000e"), 0);
        cr_assert_eq(redactor_add(r, REDACT_HOST, "gallium.lab.example"), 0);
        cr_assert_eq(redactor_add(r, REDACT_USER, "mkowalska"), 0);
        cr_assert_eq(redactor_add(r, REDACT_MAC, "52:54:00:12:34:5e"), 0);
        cr_assert_eq(redactor_add(r, REDACT_SERIAL, "PF2ABC1D"), 0);
        return r;
}

static void assert_text_of(Redactor *r, const char *text, const char *expected) {
        _cleanup_free_ char *result = NULL;

        cr_assert_eq(redact_text(r, "kernel.log", text, &result), 0);
        cr_expect_str_eq(result, expected, "\"%s\" became \"%s\"", text, result);
}

static void assert_text(const char *text, const char *expected) {
        _cleanup_redactor_ Redactor *r = redactor();

        assert_text_of(r, text, expected);
}

#define assert_kept(text) assert_text(text, text)

Test(redact, addresses) {
        _cleanup_redactor_ Redactor *r = redactor();

        assert_text_of(r, "[    2.345678] e1000e 0000:00:02.0 eth0: (PCI Express:2.5GT/s:Width x1) 52:54:00:12:34:5e\n"
                    "[    2.345901] e1000e 0000:00:02.0 enx52540012345e: renamed from eth0\n"
                    "[   12.000001] wlan0: authenticate with a4:2b:8c:01:02:03\n"
                    "[   12.000002] wlan0: A4:2B:8C:01:02:03: deauthenticated, mac 5254-0012 5254.0012.345e\n"
                    "[   13.000000] IPv6: eth0: IPv6 duplicate address fe80::5054:ff:fe12:345e detected!\n",
                    "[    2.345678] e1000e 0000:00:02.0 eth0: (PCI Express:2.5GT/s:Width x1) [redacted mac 1]\n"
                    "[    2.345901] e1000e 0000:00:02.0 enx[redacted mac 1]: renamed from eth0\n"
                    "[   12.000001] wlan0: authenticate with [redacted mac 2]\n"
                    "[   12.000002] wlan0: [redacted mac 2]: deauthenticated, mac 5254-0012 [redacted mac 1]\n"
                    "[   13.000000] IPv6: eth0: IPv6 duplicate address fe80::[redacted mac 1] detected!\n");
        assert_text_of(r, "MAC:52-54-00-12-34-5E BOOTIF=01-52-54-00-12-34-5e eui 00:11:22:33:44:55:66:77",
                       "MAC:[redacted mac 1] BOOTIF=01-[redacted mac 1] eui [redacted mac 3]");
        assert_text_of(r, "DUID 00:01:00:01:2a:2b:2c:2d:52:54:00:12:34:5e",
                       "DUID 00:01:00:01:2a:2b:2c:2d:[redacted mac 1]");
}

/* What only looks like one. */
Test(redact, no_addresses) {
        assert_kept("pci 0000:00:1f.3: [8086:2930] type 00 class 0x0c0500\n");
        assert_kept("ff:ff:ff:ff:ff:ff and 00:00:00:00:00:00 are nobody's");
        assert_kept("12:34:56 is a time, 2026-11-22 a day");
        assert_kept("code: 0f:0b:48:8b:45:00:01:02:03:04:05:06 a row of bytes");
        assert_kept("[mem 0x00000000feb80000-0x00000000feb9ffff]");
        assert_kept("52:54:00:12:34:5 52:54:00:12:34:991 x52:54:00:12:34:99");
}

Test(redact, names) {
        assert_text("Linux gallium.lab.example 6.1.0-31-amd64 #1 SMP Debian 6.1.128-1 x86_64 GNU/Linux\n",
                    "Linux [redacted host 1] 6.1.0-31-amd64 #1 SMP Debian 6.1.128-1 x86_64 GNU/Linux\n");
        assert_text("systemd[1]: Hostname set to <gallium>. gallium-vg/root, gallium_x, galliums",
                    "systemd[1]: Hostname set to <[redacted host 1]>. [redacted host 1]-vg/root, gallium_x, galliums");
        assert_text("exe=/home/jdoe/bin/x acct=\"root\" by mkowalska", "exe=/home/[redacted user 1]/bin/x acct=\"[redacted user 2]\" by [redacted user 3]");
        assert_text("wlan0: SSID 'Cafe Central' len, ssid=lab-5g, ESSID:\"Home\" ssid_len=12 SSID list of 3",
                    "wlan0: SSID '[redacted ssid 1]' len, ssid=[redacted ssid 2], ESSID:\"[redacted ssid 3]\" ssid_len=12 SSID list of 3");
}

Test(redact, names_of_everybody) {
        _cleanup_redactor_ Redactor *r = redactor();

        cr_assert_eq(redactor_add(r, REDACT_HOST, "localhost"), 0);
        cr_assert_eq(redactor_add(r, REDACT_HOST, "e1000e"), 0);
        cr_assert_eq(redactor_add(r, REDACT_USER, "me"), 0);
        cr_assert_eq(redactor_add(r, REDACT_MAC, "00:00:00:00:00:00"), 0);
        cr_assert_eq(redactor_add(r, REDACT_SERIAL, "Default string"), 0);
        cr_assert_eq(redactor_add(r, REDACT_SERIAL, "00000000"), 0);
        cr_assert_eq(redactor_add(r, REDACT_SERIAL, "123456789"), 0);
        assert_text_of(r, "localhost e1000e me 000000000000 Default string 00000000 123456789",
                       "localhost e1000e me 000000000000 Default string 00000000 123456789");
}

Test(redact, serials) {
        assert_text("usb 1-2: SerialNumber: 4C530001230501117294\nasset PF2ABC1D, serial number 99-A7 S/N: X77Q1",
                    "usb 1-2: SerialNumber: [redacted serial 1]\nasset [redacted serial 2], serial number [redacted serial 3] "
                    "S/N: [redacted serial 4]");
        assert_kept("usb 1-2: New USB device strings: Mfr=3, Product=2, SerialNumber=1");
        assert_kept("usb usb1: SerialNumber: 0000:00:14.0");
        assert_kept("Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled");
        assert_kept("serial 00:05: activated, serial8250: ttyS0 at I/O 0x3f8");
}

Test(redact, ids) {
        assert_text("EXT4-fs (sda1): mounted filesystem 0f0d6be5-6e3b-4a1e-9c1e-0a51a1b5c2d3 with ordered data mode.",
                    "EXT4-fs (sda1): mounted filesystem [redacted id 1] with ordered data mode.");
        assert_text("NVRM: GPU at PCI:0000:01:00: GPU-9f5a3a10-1111-2222-3333-444455556666",
                    "NVRM: GPU at PCI:0000:01:00: GPU-[redacted id 1]");
        assert_kept("0f0d6be5-6e3b-4a1e-9c1e is too short");
}

Test(redact, command_line) {
        assert_text("[    0.000000] Kernel command line: BOOT_IMAGE=/boot/vmlinuz-6.1.0 root=UUID=0f0d6be5-6e3b-4a1e-9c1e-0a51a1b5c2d3 "
                    "ro quiet rd.luks.uuid=luks-77777777-6e3b-4a1e-9c1e-0a51a1b5c2d3 rd.luks.key=/keys/a:UUID=AB12-CD34 rd.luks=1 "
                    "cryptdevice=PARTLABEL=secretdisk:root resume=/dev/disk/by-id/nvme-WDC_X_22Q1 module_blacklist=nouveau "
                    "systemd.set_credential=agent:hush,hush foo.token=\"a b\" rootflags=username=mk,password=pw1,vers=3 "
                    "systemd.hostname=gallium nomodeset mmiotrace.trace_pc=1 rd.vconsole.keymap=de i8042.nokbd\n",
                    "[    0.000000] Kernel command line: BOOT_IMAGE=/boot/vmlinuz-6.1.0 root=UUID=[redacted id 1] "
                    "ro quiet rd.luks.uuid=[redacted id 2] rd.luks.key=[redacted secret 1] rd.luks=1 "
                    "cryptdevice=[redacted id 3] resume=/dev/disk/by-id/[redacted id 4] module_blacklist=nouveau "
                    "systemd.set_credential=[redacted secret 2] foo.token=\"[redacted secret 3]\" "
                    "rootflags=username=[redacted user 1],password=[redacted secret 4],vers=3 "
                    "systemd.hostname=[redacted host 1] nomodeset mmiotrace.trace_pc=1 rd.vconsole.keymap=de i8042.nokbd\n");
        assert_text("[    0.1] Unknown kernel command line parameters \"pw=x y\" \"b=c apikey=k1\", will be passed to user space.",
                    "[    0.1] Unknown kernel command line parameters \"pw=[redacted secret 1]\" \"b=c apikey=[redacted secret 2] will be passed to user space.");
        assert_text("[    1.234567]     token=abc", "[    1.234567]     token=[redacted secret 1]");
        /* Elsewhere these are other things. */
        assert_kept("[    1.234567] drv: key=3 token=abc pass=1 user=0x10");
        assert_text("drv: password=abc at https://joe:pw@host.example/x and https://host.example/@",
                    "drv: password=[redacted secret 1] at https://[redacted secret 2]@host.example/x and https://host.example/@");
}

Test(redact, arguments) {
        _cleanup_redactor_ Redactor *r = redactor();
        _cleanup_free_ char *result = NULL;

        cr_assert_eq(redact_arguments(r, "metadata.json", "ro key=1 root=PARTUUID=6c5b1d3f-02 user=x", &result), 0);
        cr_assert_str_eq(result, "ro key=[redacted secret 1] root=PARTUUID=[redacted id 1] user=[redacted user 1]");
}

Test(redact, list) {
        _cleanup_redactor_ Redactor *r = redactor();
        _cleanup_json_ struct json_object *array = NULL;
        _cleanup_free_ char *a = NULL, *b = NULL;

        cr_assert_eq(redact_text(r, "uname.txt", "Linux gallium 6.1", &a), 0);
        cr_assert_eq(redact_text(r, "kernel.log", "52:54:00:12:34:5e gallium 52:54:00:12:34:5f", &b), 0);
        cr_assert_eq(redactor_to_json(r, &array), 0);
        cr_assert_str_eq(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN),
                         "[{\"what\":\"mac\",\"where\":\"kernel.log\",\"count\":2},{\"what\":\"host\",\"where\":\"kernel.log\",\"count\":1},"
                         "{\"what\":\"host\",\"where\":\"uname.txt\",\"count\":1}]");
}

/* A network that floods the log costs no more than that many lines. */
Test(redact, many_values) {
        _cleanup_redactor_ Redactor *r = redactor();
        _cleanup_free_ char *text = NULL, *result = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        for (unsigned i = 0; i < 50000; i++)
                fprintf(f, "from 02:00:%02x:%02x:%02x:01\n", i >> 16, i >> 8 & 0xff, i & 0xff);
        cr_assert_eq(fclose(f), 0);
        cr_assert_eq(redact_text(r, "kernel.log", text, &result), 0);
        cr_assert_not_null(strstr(result, "\nfrom [redacted mac 50000]\n"));
}

/* Whatever stands at the end of a text, nothing behind it is looked at. */
Test(redact, ends) {
        static const char text[] = "SSID 'x\nSerialNumber: 52:54:00:12:34:5e\npassword=\"/home/a://b:c@d UUID=0f0d6be5-6e3b-4a1e-9c1e-0a51a1b5c2d3 enx52540012345e";

        for (size_t l = 0; l < sizeof text; l++) {
                _cleanup_redactor_ Redactor *r = redactor();
                _cleanup_free_ char *part = strndup(text, l), *result = NULL;

                cr_assert_eq(redact_text(r, "x", part, &result), 0);
        }
}

static uint8_t sum(const uint8_t *p) {
        uint8_t s = 0;

        for (size_t i = 0; i < 128; i++)
                s = (uint8_t) (s + p[i]);
        return s;
}

Test(redact, edid) {
        _cleanup_redactor_ Redactor *r = redactor();
        uint8_t edid[EDID_BYTES], before[EDID_BYTES];
        size_t n_changed = 0;

        edid_make(edid);
        memcpy(before, edid, sizeof edid);
        cr_assert_eq(sum(edid), 0);
        cr_assert_eq(sum(edid + 128), 0);
        cr_assert_not_null(memmem(edid, sizeof edid, EDID_SERIAL_TEXT, strlen(EDID_SERIAL_TEXT)));
        cr_assert_eq(redact_edid(r, "edid", edid, sizeof edid), 0);
        cr_assert_eq(sum(edid), 0);
        cr_assert_eq(sum(edid + 128), 0);
        cr_assert_null(memmem(edid, sizeof edid, EDID_SERIAL_TEXT, strlen(EDID_SERIAL_TEXT)));
        cr_assert_not_null(memmem(edid, sizeof edid, "Panel", 5));
        for (size_t i = 12; i < 16; i++)
                cr_assert_eq(edid[i], 0);
        for (size_t i = 0; i < sizeof edid; i++)
                n_changed += edid[i] != before[i];
        /* Both numbers, the text, one of DisplayID, and the checksums. */
        cr_assert_leq(n_changed, 4 + 13 + 4 + 3);

        /* What was damaged is no better for it. */
        edid_make(edid);
        edid[127]++;
        cr_assert_eq(redact_edid(r, "edid", edid, sizeof edid), 0);
        cr_assert_eq(sum(edid), 1);
        cr_assert_eq(redact_edid(r, "edid", edid, 127), -EBADMSG);
        cr_assert_eq(redact_edid(r, "edid", edid, 0), -EBADMSG);
        edid[0] = 1;
        cr_assert_eq(redact_edid(r, "edid", edid, sizeof edid), -EBADMSG);
}

/* As xrandr prints it. */
Test(redact, reported) {
        _cleanup_redactor_ Redactor *r = redactor();
        _cleanup_free_ char *text = NULL, *result = NULL, *expected = NULL;
        uint8_t edid[EDID_BYTES];
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        edid_make(edid);
        for (int way = 0; way < 2; way++) {
                fputs("DP-1 connected primary 1920x1200+0+0 on gallium\n\tEDID: \n", f);
                for (size_t i = 0; i < sizeof edid; i++)
                        fprintf(f, "%s%02x%s", i % 16 == 0 ? "\t\t" : "", edid[i], i % 16 == 15 ? "\n" : "");
                fputs("\tdithering: off\n\t\tabcd\n", f);
                if (way == 0) {
                        cr_assert_eq(fclose(f), 0);
                        cr_assert_eq(redact_reported(r, "x", text, &result), 0);
                        f = open_memstream(&expected, &bytes);
                        cr_assert_eq(redact_edid(r, "x", edid, sizeof edid), 0);
                }
        }
        cr_assert_eq(fclose(f), 0);
        memcpy(strstr(expected, "gallium"), "[redact", 7);
        cr_assert_not_null(strstr(result, "on [redacted host 1]\n"), "%s", result);
        cr_assert_str_eq(strstr(result, "\tEDID"), strstr(expected, "\tEDID"));

        /* One that is cut off. */
        free(TAKE_PTR(result));
        *strstr(text, "\n\tdithering") = 0;
        text[strlen(text) - 33] = 0;
        cr_assert_eq(redact_reported(r, "x", text, &result), 0);
        cr_assert_not_null(strstr(result, "\tEDID: \n\t\tunavailable: it is no EDID"), "%s", result);
        cr_assert_null(strstr(result, "00ffff"), "%s", result);
}

/* Lengths and offsets in an extension that lie. */
Test(redact, edid_of_lies) {
        _cleanup_redactor_ Redactor *r = redactor();

        for (unsigned at = 128; at < 140; at++)
                for (unsigned value = 0; value < 256; value++) {
                        uint8_t edid[EDID_BYTES];

                        edid_make(edid);
                        edid[at] = (uint8_t) value;
                        cr_assert_eq(redact_edid(r, "edid", edid, sizeof edid), 0);
                        edid_make(edid);
                        edid[128] = 0x02;
                        edid[at] = (uint8_t) value;
                        cr_assert_eq(redact_edid(r, "edid", edid, sizeof edid), 0);
                }
}

Test(redact, config_space) {
        _cleanup_redactor_ Redactor *r = redactor();
        _cleanup_free_ char *text = NULL, *result = NULL, *expected = NULL, *again = NULL;
        ConfigSpace config = { .title = "00:02.0 Ethernet controller: X", .n_bytes = CONFIG_BYTES };
        _cleanup_json_ struct json_object *array = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        config_make(config.bytes);
        cr_assert_eq(config_space_find_serial(&config), CONFIG_SERIAL + 4);
        cr_assert_eq(config_space_find_vpd(&config), CONFIG_VPD);
        config_space_print(f, &config);
        fputs("00:1f.3 SMBus: Y\n\tunavailable: No such file or directory\n\n", f);
        config.title = "00:1f.4 Z";
        config.n_bytes = 64;
        config_space_print(f, &config);
        fputs("unavailable: what is behind\n", f);
        cr_assert_eq(fclose(f), 0);

        cr_assert_eq(redact_config_space(r, "lspci-xxxx.txt", text, &result), 0);
        /* The same but for these. */
        expected = strdup(text);
        memcpy(strstr(expected, "56 34 12 ff ff 00 54 52"), "00 00 00 00 00 00 00 00", 23);
        memcpy(strstr(expected, "03 e0 00 80 82 1b 00 4e") + 6, "00 00 00 00 00 00", 17);
        cr_assert_str_eq(result, expected);
        cr_assert_eq(redactor_to_json(r, &array), 0);
        cr_assert_str_eq(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN),
                         "[{\"what\":\"serial\",\"where\":\"lspci-xxxx.txt\",\"count\":2}]");
        cr_assert_eq(redact_config_space(r, "lspci-xxxx.txt", "unavailable: No such file or directory\n", &again), 0);
        cr_assert_str_eq(again, "unavailable: No such file or directory\n");
}

/* A list of capabilities that goes in a circle. */
Test(redact, config_space_of_lies) {
        ConfigSpace config = { .n_bytes = CONFIG_BYTES };

        config_make(config.bytes);
        config.bytes[CONFIG_VPD] = 0x05;
        config.bytes[CONFIG_EXPRESS + 1] = CONFIG_VPD;
        config.bytes[CONFIG_SERIAL] = 0x01;
        config.bytes[CONFIG_SERIAL + 3] = 0x10;
        cr_assert_eq(config_space_find_vpd(&config), 0);
        cr_assert_eq(config_space_find_serial(&config), 0);
        config.bytes[CONFIG_SERIAL + 2] = 0xc1;
        config.bytes[CONFIG_SERIAL + 3] = 0xff;
        cr_assert_eq(config_space_find_serial(&config), 0);
}
