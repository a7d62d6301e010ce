/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pcidev.h"
#include "test-util.h"

TestSuite(pcidev, .fini = test_done);

/* The devices of the captures' machine, none of which had a driver yet. */
static const char pcidev_expected[] =
        "PCIDEV 0000 808629c0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 \n"
        "PCIDEV 0008 12341111 0 fd000008 0 febd4000 0 0 0 c0002 1000000 0 1000 0 0 0 20000 \n"
        "PCIDEV 0010 808610d3 16 feb80000 feba0000 c041 febd0000 0 0 feb40000"
        " 20000 20000 20 4000 0 0 40000 \n"
        "PCIDEV 00f8 80862918 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 \n"
        "PCIDEV 00fa 80862922 a 0 0 0 0 c061 febd5000 0 0 0 0 0 20 1000 0 \n"
        "PCIDEV 00fb 80862930 a 0 0 0 0 701 0 0 0 0 0 0 40 0 0 \n";

Test(pcidev, captures) {
        static const char *const samples[] = { "e1000e-6.1", "e1000e-6.1-lossy", "e1000e-6.12-stack" };

        for (size_t i = 0; i < ELEMENTS(samples); i++) {
                _cleanup_free_ char *path = NULL, *devices = NULL, *lines = NULL;

                cr_assert_geq(asprintf(&path, "samples/%s/pci_devices", samples[i]), 0);
                test_data(path, &devices, NULL);
                cr_assert_eq(pcidev_lines(devices, &lines), 0);
                cr_assert_str_eq(lines, pcidev_expected);
        }
}

#define NUMBERS \
        "0010\t808610d3\t16\t        feb80000\t               0\t            c041\t               0" \
        "\t               0" \
        "\t               0\t        feb40000\t           20000\t               0\t              20" \
        "\t               0\t               0\t               0\t           40000"
#define NUMBERS_LINE "PCIDEV 0010 808610d3 16 feb80000 0 c041 0 0 0 feb40000 20000 0 20 0 0 0 40000"

static void assert_lines(const char *devices, const char *expected) {
        _cleanup_free_ char *lines = NULL;

        cr_assert_eq(pcidev_lines(devices, &lines), 0);
        cr_assert_str_eq(lines, expected);
}

Test(pcidev, drivers) {
        assert_lines("", "");
        assert_lines(NUMBERS "\t\n", NUMBERS_LINE " \n");
        assert_lines(NUMBERS "\te1000e\n", NUMBERS_LINE " e1000e\n");
        assert_lines(NUMBERS "\te1000e\n" NUMBERS "\t\n" NUMBERS "\txhci_hcd\n",
                        NUMBERS_LINE " e1000e\n" NUMBERS_LINE " \n" NUMBERS_LINE " xhci_hcd\n");
        assert_lines(NUMBERS "\tahci", NUMBERS_LINE " ahci\n");
        /* A 64-bit address fills its column. */
        assert_lines("0010\t808610d3\t16\tfedcba987654320c"
                     "\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\tffffffffffffffff\t\n",
                        "PCIDEV 0010 808610d3 16 fedcba987654320c"
                        " 0 0 0 0 0 0 0 0 0 0 0 0 ffffffffffffffff \n");
}

/* drivers/watchdog/i6300esb.c is called that, and so is the name in the kernel's own PCIDEV line. */
Test(pcidev, driver_with_a_blank) {
        assert_lines(NUMBERS "\ti6300ESB timer\n", NUMBERS_LINE " i6300ESB timer\n");
}

/* Sixteen numbers, and a driver whose name reads as the seventeenth. */
Test(pcidev, driver_that_reads_as_a_number) {
        static const char devices[] = "0010\t808610d3\t16\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\te1000e\n";
        char *lines = NULL;

        cr_assert_eq(pcidev_lines(devices, &lines), -EBADMSG);
        cr_assert_null(lines);
}

Test(pcidev, refusals) {
        static const char *const table[] = {
                "nonsense\n",
                "0010\n",
                "0010\t808610d3\t16\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\n",
                "0010\t808610d3\t16\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\txhci_hcd\n",
                "0010\t808610D3\t16\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t\n",
                "0010\t808610d3\t16\t0x0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t\n",
                "0010\t808610d3\t-1\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t\n",
                "00:10\t808610d3\t16\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t\n",
                NUMBERS "\te1000e\n0010\n",
                "0010\n" NUMBERS "\te1000e\n",
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                char *lines = NULL;

                cr_expect_eq(pcidev_lines(table[i], &lines), -EBADMSG, "%s", table[i]);
                cr_expect_null(lines);
        }
}
