/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An EDID with its serial numbers in every place where one can have them: as a number, as text, and in a DisplayID
 * extension. */

#include "test-util.h"

#define EDID_BYTES 256
#define EDID_SERIAL_TEXT "ZX81QL2000"

static inline void edid_sum(uint8_t *block, size_t bytes) {
        block[bytes - 1] = 0;
        for (size_t i = 0; i + 1 < bytes; i++)
                block[bytes - 1] = (uint8_t) (block[bytes - 1] - block[i]);
}

static inline void edid_make(uint8_t edid[static EDID_BYTES]) {
        static const uint8_t head[] = {
                0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
                0x10, 0xac, 0x7a, 0xa0,                 /* DEL, and a model */
                0x4c, 0x31, 0x53, 0x41,                 /* the number */
                0x0c, 0x21, 0x01, 0x04, 0xa5, 0x34, 0x20, 0x78, 0x3a,
        };
        static const uint8_t timing[] = { 0x28, 0x3c, 0x80, 0xa0, 0x70, 0xb0, 0x23, 0x40, 0x30, 0x20, 0x36, 0x00, 0x06, 0x44,
                0x21, 0x00, 0x00, 0x1a };
        static const uint8_t serial[] = { 0x00, 0x00, 0x00, 0xff, 0x00 }, name[] = { 0x00, 0x00, 0x00, 0xfc, 0x00 };
        /* Version 1.2, 15 bytes: product identification of 12. */
        static const uint8_t extension[] = { 0x70, 0x12, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x10, 0xac, 0x7a, 0xa0, 0x41,
                0x4c, 0x31, 0x53, 0x41, 0x0c, 0x21, 0x00 };

        memset(edid, 0, EDID_BYTES);
        memcpy(edid, head, sizeof head);
        memcpy(edid + 54, timing, sizeof timing);
        memcpy(edid + 72, serial, sizeof serial);
        memcpy(edid + 77, EDID_SERIAL_TEXT "\n  ", 13);
        memcpy(edid + 90, name, sizeof name);
        memcpy(edid + 95, "Panel 24\n    ", 13);
        edid[108 + 3] = 0x10;
        edid[126] = 1;
        edid_sum(edid, 128);
        memcpy(edid + 128, extension, sizeof extension);
        edid_sum(edid + 129, 4 + 15 + 1);
        edid_sum(edid + 128, 128);
}
