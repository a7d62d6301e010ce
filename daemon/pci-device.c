/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>

#include "pci-device.h"
#include "sysfs.h"

int pci_device_list(const char *sys_root, char ***ret) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/bus/pci/devices", sys_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return sysfs_list_at(AT_FDCWD, path, ret);
}

void pci_device_done(PciDevice *device) {
        free(device->driver);
        free(device->label);
}

/* An attribute is a hexadecimal number. An old kernel lacks some of the optional ones: they read as 0. */
static int read_number(int fd, const char *attribute, bool optional, unsigned *ret) {
        _cleanup_free_ char *line = NULL;
        uint64_t value;
        int r;

        r = read_line_at(fd, attribute, &line);
        if (r == -ENOENT && optional) {
                *ret = 0;
                return 0;
        }
        if (r < 0)
                return r;
        r = parse_u64(line, &value);
        if (r < 0)
                return r;
        if (value > UINT_MAX)
                return -ERANGE;
        *ret = (unsigned) value;
        return 0;
}

int pci_device_read(int fd, PciDevice *ret) {
        _cleanup_(pci_device_done) PciDevice device = {};
        const struct {
                const char *attribute;
                bool optional;
                unsigned *number;
        } numbers[] = {
                { "vendor", false, &device.vendor },
                { "device", false, &device.device },
                { "class", false, &device.class_id },
                { "revision", true, &device.revision },
                { "subsystem_vendor", true, &device.subsystem_vendor },
                { "subsystem_device", true, &device.subsystem_device },
        };
        int r;

        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                r = read_number(fd, numbers[i].attribute, numbers[i].optional, numbers[i].number);
                if (r < 0)
                        return r;
        }
        r = sysfs_link_name_at(fd, "driver", &device.driver);
        if (r < 0 && r != -ENOENT)
                return r;
        if (read_line_at(fd, "label", &device.label) >= 0 && !text_is_clean(device.label, false)) {
                free(device.label);
                device.label = strdup("unavailable: not printable");
                if (!device.label)
                        return -ENOMEM;
        }
        *ret = device;
        device = (PciDevice) {};
        return 0;
}

int pci_device_open(const char *sys_root, const char *bdf) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/bus/pci/devices/%s", sys_root, bdf) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

const char *pci_device_short_name(const char *bdf, bool with_domain) {
        return with_domain ? bdf : startswith(bdf, "0000:") ?: bdf;
}

bool pci_devices_need_domain(char *const *devices) {
        STRV_FOREACH(bdf, devices)
                if (!startswith(*bdf, "0000:"))
                        return true;
        return false;
}

int pci_device_print_title(FILE *f, const PciDevice *device, PciNames *names) {
        _cleanup_free_ char *class = NULL, *name = NULL;
        int r;

        r = pci_names_class(names, device->class_id >> 8, &class);
        if (r >= 0)
                r = pci_names_device(names, device->vendor, device->device, &name);
        if (r < 0)
                return r;
        fprintf(f, " %s: %s", class ?: "?", name ?: "?");
        if (device->revision > 0)
                fprintf(f, " (rev %02x)", device->revision);
        fputc('\n', f);
        return 0;
}
