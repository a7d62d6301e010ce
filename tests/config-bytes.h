/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration space of a network card as there are many: PCI Express, with vital product data and a serial number
 * that is made of its address. */

#include "fake-tree.h"

#define CONFIG_BYTES 4096
#define CONFIG_VPD 0xc8
#define CONFIG_EXPRESS 0xe0
#define CONFIG_SERIAL 0x100

/* 52-54-00-ff-ff-12-34-56, as lspci writes it. */
static const uint8_t config_serial[] = { 0x56, 0x34, 0x12, 0xff, 0xff, 0x00, 0x54, 0x52 };
static const uint8_t config_vpd[] = { 0x00, 0x80, 0x82, 0x1b, 0x00, 0x4e };

static inline void config_make(uint8_t config[static CONFIG_BYTES]) {
        static const uint8_t head[] = {
                0x86, 0x80, 0xd3, 0x10, 0x07, 0x04, 0x10, 0x00, 0x00, 0x00, 0x00, 0x02, 0x10, 0x00, 0x00, 0x00,
                0x00, 0x00, 0xb8, 0xfe,
        };

        memset(config, 0, CONFIG_BYTES);
        memcpy(config, head, sizeof head);
        config[0x34] = CONFIG_VPD;
        config[CONFIG_VPD] = 0x03;
        config[CONFIG_VPD + 1] = CONFIG_EXPRESS;
        memcpy(config + CONFIG_VPD + 2, config_vpd, sizeof config_vpd);
        config[CONFIG_EXPRESS] = 0x10;
        config[CONFIG_EXPRESS + 2] = 0x02;
        config[CONFIG_SERIAL] = 0x03;
        config[CONFIG_SERIAL + 2] = 0x01;
        memcpy(config + CONFIG_SERIAL + 4, config_serial, sizeof config_serial);
}

static inline void fake_config(const FakeTree *tree, const char *bdf, size_t bytes) {
        _cleanup_free_ char *path = NULL;
        uint8_t config[CONFIG_BYTES];

        config_make(config);
        cr_assert(asprintf(&path, "%s/bus/pci/devices/%s/config", tree->sys, bdf) > 0);
        write_bytes(path, config, bytes);
}
