/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the values that leak.h looks for come from. */

#include "config-space.h"
#include "displays.h"
#include "identity.h"
#include "leak.h"
#include "metadata.h"
#include "pci-device.h"

#define EDID_BLOCK_BYTES 128
#define DESCRIPTOR_BYTES 18

static int load_driver(int metadata_fd, struct json_object **ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(metadata_fd, METADATA_DRIVER, 1 * MIB, &text, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret = text ? json_tokener_parse(text) : NULL;
        return 0;
}

static int parse_hex(const char *s, uint64_t *ret) {
        char text[20];

        (void) snprintf(text, sizeof text, "0x%s", s);
        return strlen(s) > 16 ? -ERANGE : parse_u64(text, ret);
}

static int add_bars(Leak *l, struct json_object *device) {
        const char *address = json_get_string(device, "address");
        struct json_object *bars;
        int r = 0;

        if (!json_object_object_get_ex(device, "bars", &bars) || !json_object_is_type(bars, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(bars) && r >= 0; i++) {
                struct json_object *bar = json_object_array_get_idx(bars, i);
                _cleanup_free_ char *name = NULL;
                uint64_t start, end;

                if (parse_hex(json_get_string(bar, "start"), &start) < 0 || parse_hex(json_get_string(bar, "end"), &end) < 0)
                        continue;
                if (asprintf(&name, "%s BAR %u", address, (unsigned) json_get_u64(bar, "index")) < 0) {
                        name = NULL;
                        return -ENOMEM;
                }
                r = leak_add_region(l, name, start, end);
        }
        return r;
}

static int add_macs(Leak *l, struct json_object *identity) {
        struct json_object *macs;
        int r = 0;

        if (!json_object_object_get_ex(identity, "macs", &macs) || !json_object_is_type(macs, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(macs) && r >= 0; i++) {
                struct json_object *mac = json_object_array_get_idx(macs, i);
                uint8_t b[6];

                if (sscanf(json_get_string(mac, "address"), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", b, b + 1, b + 2, b + 3, b + 4,
                           b + 5) == 6)
                        r = leak_add_value(l, "mac", json_get_string(mac, "of"), b, sizeof b);
        }
        return r;
}

/* Whether the title of a device in the dump is that of an address. */
static bool is_title_of(const char *title, const char *address) {
        const char *rest = startswith(title, address) ?: startswith(title, pci_device_short_name(address, false));

        return rest && *rest == ' ';
}

static int add_serials(Leak *l, const char *dump, struct json_object *devices) {
        ConfigSpace config;
        int r = 0;

        while (r >= 0 && config_space_next(&dump, &config) > 0) {
                size_t at = config_space_find_serial(&config);

                for (size_t i = 0; i < json_object_array_length(devices) && at > 0 && r >= 0; i++) {
                        const char *address = json_get_string(json_object_array_get_idx(devices, i), "address");

                        if (is_title_of(config.title, address))
                                r = leak_add_value(l, "serial", address, config.bytes + at, CONFIG_SERIAL_BYTES);
                }
        }
        return r;
}

/* The serial number of a monitor as text, which a driver reads with the rest of its EDID. */
static int add_monitors(Leak *l, int metadata_fd) {
        static const uint8_t serial[] = { 0x00, 0x00, 0x00, 0xff };
        _cleanup_strv_ char **names = NULL;
        int r;

        r = displays_list_edids(metadata_fd, &names);
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *edid = NULL;
                size_t bytes;

                if (r < 0)
                        break;
                if (read_file_at(metadata_fd, *name, DISPLAYS_EDID_MAX_BYTES, &edid, &bytes) < 0 || bytes < EDID_BLOCK_BYTES)
                        continue;
                for (size_t at = 54; at + DESCRIPTOR_BYTES < EDID_BLOCK_BYTES && r >= 0; at += DESCRIPTOR_BYTES) {
                        const char *text = edid + at + 5;
                        size_t n = 0;

                        if (memcmp(edid + at, serial, sizeof serial) != 0)
                                continue;
                        while (n < DESCRIPTOR_BYTES - 5 && text[n] != '\n')
                                n++;
                        r = leak_add_value(l, "serial", *name, (const uint8_t *) text, n - n % 2);
                }
        }
        return r;
}

int leak_add_machine(Leak *l, int metadata_fd) {
        _cleanup_json_ struct json_object *identity = NULL, *driver = NULL;
        struct json_object *devices = NULL;
        _cleanup_free_ char *dump = NULL;
        int r;

        r = identity_load(metadata_fd, &identity);
        if (r >= 0 && identity)
                r = add_macs(l, identity);
        if (r >= 0)
                r = add_monitors(l, metadata_fd);
        if (r >= 0)
                r = load_driver(metadata_fd, &driver);
        if (r < 0)
                return r;
        if (!driver || !json_object_object_get_ex(driver, "devices", &devices) || !json_object_is_type(devices, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(devices) && r >= 0; i++)
                r = add_bars(l, json_object_array_get_idx(devices, i));
        if (r >= 0 && read_file_at(metadata_fd, METADATA_LSPCI_XXXX, 32 * MIB, &dump, NULL) >= 0)
                r = add_serials(l, dump, devices);
        return r;
}
