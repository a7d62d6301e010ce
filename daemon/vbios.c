/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <endian.h>
#include <fcntl.h>

#include "vbios.h"

#define TABLE_MAX_BYTES (16 * MIB)

/* Behind the head of every ACPI table and a UUID. */
#define IMAGES_OFFSET_AT 52
#define TABLE_HEAD_BYTES 76

/* Bus, device and function as numbers of four bytes, the two ids and the subsystem's of two, a revision, and the length. */
#define IMAGE_HEAD_BYTES 28

static uint32_t get32(const char *p) {
        uint32_t value;

        memcpy(&value, p, sizeof value);
        return le32toh(value);
}

static uint16_t get16(const char *p) {
        uint16_t value;

        memcpy(&value, p, sizeof value);
        return le16toh(value);
}

static int find_image(const char *table, size_t bytes, const unsigned address[3], unsigned vendor, unsigned device,
        const char **ret, size_t *ret_bytes) {
        size_t at;

        if (bytes < TABLE_HEAD_BYTES || memcmp(table, "VFCT", 4) != 0)
                return -EBADMSG;
        for (at = get32(table + IMAGES_OFFSET_AT); at < bytes && bytes - at >= IMAGE_HEAD_BYTES;) {
                const char *head = table + at;
                size_t image_bytes = get32(head + 24);

                if (image_bytes > bytes - at - IMAGE_HEAD_BYTES)
                        return -EBADMSG;
                if (get32(head) == address[0] && get32(head + 4) == address[1] && get32(head + 8) == address[2] &&
                    get16(head + 12) == vendor && get16(head + 14) == device && image_bytes > 0) {
                        *ret = head + IMAGE_HEAD_BYTES;
                        *ret_bytes = image_bytes;
                        return 0;
                }
                at += IMAGE_HEAD_BYTES + image_bytes;
        }
        return -ENOENT;
}

int vbios_read(const char *sys_root, const char *bdf, unsigned vendor, unsigned device, char **ret, size_t *ret_bytes) {
        _cleanup_free_ char *path = NULL, *table = NULL;
        unsigned domain, address[3];
        const char *image;
        size_t bytes;
        int r;

        if (sscanf(bdf, "%x:%x:%x.%u", &domain, address, address + 1, address + 2) != 4)
                return -EINVAL;
        if (asprintf(&path, "%s/firmware/acpi/tables/VFCT", sys_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_file_at(AT_FDCWD, path, TABLE_MAX_BYTES, &table, &bytes);
        if (r >= 0)
                r = find_image(table, bytes, address, vendor, device, &image, &bytes);
        if (r < 0)
                return r;
        /* A table has no domain. */
        if (domain != 0)
                return -ENOENT;
        *ret = malloc(bytes);
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, image, bytes);
        *ret_bytes = bytes;
        return 0;
}
