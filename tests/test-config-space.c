/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/wait.h>

#include "config-bytes.h"
#include "config-space.h"
#include "pci-names.h"

TestSuite(config_space, .fini = test_done, .timeout = 60);

#define NIC "0000:00:02.0"
#define SMBUS "0000:00:1f.3"

static char *collect(const FakeTree *tree, const char *inspect_socket) {
        _cleanup_pci_names_ PciNames *names = NULL;
        char *text;

        cr_assert_eq(pci_names_new(NULL, &names, NULL), 0);
        cr_assert_eq(config_space_collect(tree->sys, inspect_socket, names, &text), 0);
        return text;
}

/* What lspci makes of the file; NULL where there is none. */
static char *lspci(const FakeTree *tree, const char *text) {
        _cleanup_free_ char *file = below(tree->root, "dump"), *command = NULL, *output = NULL;
        size_t bytes;
        FILE *p, *f;
        int c;

        fake_file(tree, "dump", text);
        cr_assert(asprintf(&command, "PATH=$PATH:/sbin:/usr/sbin lspci -nnvv -F %s 2>/dev/null", file) > 0);
        p = popen(command, "r");
        f = open_memstream(&output, &bytes);
        cr_assert(p && f);
        while ((c = getc(p)) != EOF)
                putc(c, f);
        cr_assert_eq(fclose(f), 0);
        c = pclose(p);
        if (WIFEXITED(c) && WEXITSTATUS(c) == 127)
                return NULL;
        cr_assert_eq(c, 0, "%s", output);
        return TAKE_PTR(output);
}

Test(config_space, rows) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_free_ char *text = NULL;

        fake_pci_device(&tree, NIC, "8086:10d3", "020000");
        fake_config(&tree, NIC, CONFIG_BYTES);
        fake_pci_device(&tree, SMBUS, "8086:2930", "0c0500");
        text = collect(&tree, NULL);
        cr_assert_eq(strncmp(text, "00:02.0 ", 8), 0, "%s", text);
        cr_assert(strstr(text, "[8086:10d3]\n00: 86 80 d3 10 07 04 10 00 00 00 00 02 10 00 00 00\n10: 00 00 b8 fe "), "%s", text);
        cr_assert(strstr(text, "\n100: 03 00 01 00 56 34 12 ff ff 00 54 52 00 00 00 00\n"), "%s", text);
        cr_assert(strstr(text, "\nff0: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n\n00:1f.3 "), "%s", text);
        /* It has no such file. */
        cr_assert(strstr(text, "[8086:2930]\n\tunavailable: No such file or directory\n\n"), "%s", text);
}

Test(config_space, lspci_reads_it) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_free_ char *text = NULL, *output = NULL;

        fake_pci_device(&tree, NIC, "8086:10d3", "020000");
        fake_config(&tree, NIC, CONFIG_BYTES);
        /* As it is without the capability. */
        fake_pci_device(&tree, "0001:00:1f.3", "8086:10d3", "020000");
        fake_config(&tree, "0001:00:1f.3", 64);
        text = collect(&tree, "/nonexistent/socket");
        cr_assert(strstr(text, "\n\nunavailable: what is behind the first 64 bytes: The reader unit cannot be asked"), "%s", text);
        output = lspci(&tree, text);
        if (!output)
                cr_skip_test("needs lspci");
        cr_assert(startswith(output, "0000:00:02.0 Ethernet controller [0200]: "), "%s", output);
        cr_assert(strstr(output, "Device Serial Number 52-54-00-ff-ff-12-34-56"), "%s", output);
        cr_assert(strstr(output, "Vital Product Data"), "%s", output);
        cr_assert(strstr(output, "\n0001:00:1f.3 Ethernet controller [0200]: "), "%s", output);
}

Test(config_space, no_bus) {
        _cleanup_fake_tree_ FakeTree tree = fake_tree_make();
        _cleanup_pci_names_ PciNames *names = NULL;
        char *text;

        fake_remove(&tree, "sys/bus");
        cr_assert_eq(pci_names_new(NULL, &names, NULL), 0);
        cr_assert_eq(config_space_collect(tree.sys, NULL, names, &text), -ENOENT);
}
