/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "initramfs.h"
#include "test-util.h"

#define LISTED                                                                  \
        "kernel\nkernel/x86/microcode/AuthenticAMD.bin\n.\nusr/bin/modprobe\n"  \
        "usr/lib/modules/6.1.0/kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko\n" \
        "usr/lib/modules/6.1.0/kernel/drivers/i2c/i2c-algo-bit.ko.xz\n"         \
        "usr/lib/modules/6.1.0/kernel/drivers/usb/host/xhci_pci.ko.zst\n"

TestSuite(initramfs, .fini = test_done);

/* A machine whose lsinitramfs is this script. */
typedef struct Machine {
        char *program, *boot_dir;
        Context context;
} Machine;

static void machine_done(Machine *m) {
        free(m->program);
        free(m->boot_dir);
}

static Machine machine_make(const char *script) {
        struct utsname uts;
        char image[256];
        Machine m = {};

        cr_assert_eq(uname(&uts), 0);
        (void) snprintf(image, sizeof image, "boot/initrd.img-%s", uts.release);
        cr_assert_eq(mkdirat(test_dir(), "boot", 0700), 0);
        test_file(image, "an image", 8);
        test_file("lsinitramfs", script, strlen(script));
        cr_assert_eq(fchmodat(test_dir(), "lsinitramfs", 0700, 0), 0);
        cr_assert(asprintf(&m.program, "%s/lsinitramfs", test_dir_path) > 0);
        cr_assert(asprintf(&m.boot_dir, "%s/boot", test_dir_path) > 0);
        m.context = (Context) { .boot_dir = m.boot_dir, .lsinitramfs = m.program };
        return m;
}
#define _cleanup_machine_ _cleanup_(machine_done)

static void assert_module(const Machine *m, const char *module, int expected, const char *why) {
        _cleanup_strv_ char **images = NULL;
        _cleanup_error_ Error error = {};

        cr_expect_eq(initramfs_has_module(&m->context, module, &images, &error), expected, "%s: %s", module, strempty(error.text));
        cr_expect_eq(strv_length(images) > 0, expected > 0);
        if (why)
                cr_expect(strstr(strempty(error.text), why), "%s", strempty(error.text));
        else
                cr_expect_null(error.text);
}

Test(initramfs, modules) {
        _cleanup_machine_ Machine m = machine_make("#!/bin/sh\ncat <<END\n" LISTED "END\n");

        assert_module(&m, "e1000e", 1, NULL);
        assert_module(&m, "i2c_algo_bit", 1, NULL);
        assert_module(&m, "i2c-algo-bit", 1, NULL);
        assert_module(&m, "xhci-pci", 1, NULL);
        assert_module(&m, "e1000", 0, NULL);
        assert_module(&m, "1000e", 0, NULL);
        assert_module(&m, "modprobe", 0, NULL);
        assert_module(&m, "nouveau", 0, NULL);
}

/* It is asked about this kernel's image, with nothing of our environment and nothing to read. */
Test(initramfs, surroundings) {
        _cleanup_machine_ Machine m = machine_make("#!/bin/sh\n[ \"$(cat \"$1\")\" = 'an image' ] && [ $# = 1 ] &&\n"
                                                   "[ -z \"$HOME$TMPDIR$SECRET\" ] && [ -z \"$(cat)\" ] && echo a/e1000e.ko\n");

        cr_assert_eq(setenv("SECRET", "1", 1), 0);
        cr_assert_eq(setenv("HOME", "/", 1), 0);
        cr_assert_eq(setenv("TMPDIR", "/tmp", 1), 0);
        assert_module(&m, "e1000e", 1, NULL);
}

Test(initramfs, not_known) {
        _cleanup_machine_ Machine m = machine_make("#!/bin/sh\necho a/e1000e.ko; exit 1\n");
        static const char *const empty = "#!/bin/sh\n";

        assert_module(&m, "e1000e", -EBADMSG, "lsinitramfs cannot read");
        test_file("lsinitramfs", empty, strlen(empty));
        assert_module(&m, "e1000e", -EBADMSG, "lsinitramfs cannot read");
        cr_assert_eq(renameat(test_dir(), "boot", test_dir(), "moved"), 0);
        assert_module(&m, "e1000e", -ENOENT, "boot/initrd.img-");
        cr_assert_eq(unlinkat(test_dir(), "lsinitramfs", 0), 0);
        assert_module(&m, "e1000e", -EOPNOTSUPP, "takes lsinitramfs");
        m.context.lsinitramfs = NULL;
        assert_module(&m, "e1000e", -EOPNOTSUPP, "takes lsinitramfs");
}

/* All that the machine may boot with, and nothing else. */
Test(initramfs, each_kernel) {
        _cleanup_machine_ Machine m = machine_make("#!/bin/sh\ngrep . \"$1\"\n");
        _cleanup_strv_ char **images = NULL;
        _cleanup_error_ Error error = {};

        test_file("boot/initrd.img-99.1", "a/e1000e.ko", 11);
        test_file("boot/initrd.img-99.2", "a/e1000.ko", 10);
        test_file("boot/initrd.img-99.3", "", 0);
        test_file("boot/initrd.img-99.1.bak", "a/nouveau.ko", 12);
        test_file("boot/other", "a/nouveau.ko", 12);
        assert_module(&m, "e1000e", 0, NULL);
        test_file("boot/vmlinuz-99.1", "", 0);
        test_file("boot/vmlinuz-99.2", "", 0);
        cr_assert_eq(initramfs_has_module(&m.context, "e1000e", &images, &error), 1);
        cr_assert_eq(strv_length(images), 1);
        cr_assert_str_eq(images[0], "initrd.img-99.1");
        assert_module(&m, "nouveau", 0, NULL);
        /* One that cannot be read leaves it open, but for what another one has. */
        test_file("boot/vmlinuz-99.3", "", 0);
        assert_module(&m, "e1000e", 1, NULL);
        assert_module(&m, "nouveau", -EBADMSG, "initrd.img-99.3");
}

/* What it has started goes with it. */
Test(initramfs, hangs, .timeout = 60) {
        _cleanup_machine_ Machine m = machine_make("#!/bin/sh\nsleep 1000 &\necho $! >\"${1%/*}/pid\"\nwait\n");
        _cleanup_free_ char *text = NULL, *line = NULL, *image = NULL;
        uint64_t pid, limit_usec = 1;

        cr_assert(asprintf(&image, "%s/image", m.boot_dir) > 0);
        /* Until it has had the time to start the other one. */
        for (; isempty(line); limit_usec *= 2) {
                line = (free(line), NULL);
                cr_assert_eq(initramfs_list(m.program, image, limit_usec, &text), -ETIMEDOUT);
                (void) read_line_at(test_dir(), "boot/pid", &line);
        }
        cr_assert_null(text);
        cr_assert_eq(parse_u64(line, &pid), 0);
        /* Init reaps it, at its leisure. */
        while (kill((pid_t) pid, 0) == 0) {
                _cleanup_free_ char *path = NULL, *stat = NULL;

                cr_assert(asprintf(&path, "/proc/%d/stat", (int) pid) > 0);
                if (read_line_at(AT_FDCWD, path, &stat) < 0 || strstr(stat, ") Z "))
                        break;
        }
}
