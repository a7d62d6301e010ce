/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is special about a driver that drives displays: how much of it a trace shows, and what is on the screen until then. */

#include <fcntl.h>
#include <limits.h>

#include "gpu-firmware.h"
#include "modules.h"
#include "pci-device.h"
#include "preflight.h"
#include "sysfs.h"

/* Whether the module may load a firmware that runs a GPU. That is said of all GPUs that it drives together. */
static bool module_has_firmware(const Preflight *p, const Driver *driver) {
        static const char *const words[] = { "/gsp", "gsp_", "_guc", "/guc" };
        _cleanup_kmod_module_ struct kmod_module *module = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        struct kmod_list *info = NULL, *item;
        bool found = false;

        if (!driver->filename || modules_open(p->context->module_dir, &kmod) < 0 ||
            kmod_module_new_from_path(kmod, driver->filename, &module) < 0 || kmod_module_get_info(module, &info) < 0)
                return false;
        kmod_list_foreach(item, info)
                for (size_t i = 0; i < ELEMENTS(words) && streq(kmod_module_info_get_key(item), "firmware"); i++)
                        found |= strstr(kmod_module_info_get_value(item), words[i]) != NULL;
        kmod_module_info_free_list(info);
        return found;
}

typedef struct Gpu {
        GpuFirmwareUse use;
        const char *address, *when, *to_do;
} Gpu;

static Gpu look_at_gpu(const Preflight *p, const Driver *driver, const char *address) {
        _cleanup_(pci_device_done) PciDevice device = {};
        _cleanup_close_ int fd = pci_device_open(p->context->sys_root, address);
        Gpu gpu = { .address = address };

        /* Gone meanwhile. */
        if (fd >= 0 && pci_device_read(fd, &device) >= 0)
                gpu.use = gpu_firmware_use(driver->module ?: driver->name, device.vendor, device.device, p->cmdline, &gpu.when,
                                           &gpu.to_do);
        return gpu;
}

static void check_firmware(const Preflight *p, const Driver *driver, char *const *addresses) {
        Gpu worst = {};

        if (module_has_firmware(p, driver))
                STRV_FOREACH(address, addresses) {
                        Gpu gpu = look_at_gpu(p, driver, *address);

                        if (gpu.use > worst.use)
                                worst = gpu;
                }
        if (worst.use == GPU_FIRMWARE_UNUSED)
                findings_add(p->findings, "gpu-firmware", FINDING_OK, "%s is not known to leave its work to a firmware of this GPU",
                             driver->name);
        else
                findings_add(p->findings, "gpu-firmware", worst.use == GPU_FIRMWARE_LIKELY ? FINDING_WARNING : FINDING_NOTE,
                             "%s may have a firmware on the GPU %s do much of its work, and what it tells that lies in memory, where a "
                             "trace does not see it; %s\n%s", driver->name, worst.address, worst.when, worst.to_do);
}

/* What the firmware of the machine left on the screen is drawn by a platform driver until the real one takes over. */
static char *find_boot_framebuffer(const Preflight *p) {
        static const char *const drivers[] = { "simple-framebuffer", "efi-framebuffer", "vesa-framebuffer" };

        for (size_t i = 0; i < ELEMENTS(drivers); i++) {
                _cleanup_strv_ char **entries = NULL;
                char path[PATH_MAX];

                (void) snprintf(path, sizeof path, "%s/bus/platform/drivers/%s", p->context->sys_root, drivers[i]);
                if (sysfs_list_at(AT_FDCWD, path, &entries) < 0)
                        continue;
                STRV_FOREACH(entry, entries)
                        if (startswith(*entry, drivers[i]) && text_is_clean(*entry, false))
                                return strdup(*entry);
        }
        return NULL;
}

void preflight_display(const Preflight *p, const Driver *driver, char *const *addresses) {
        _cleanup_free_ char *framebuffer = find_boot_framebuffer(p);

        check_firmware(p, driver, addresses);
        if (framebuffer)
                findings_add(p->findings, "boot-framebuffer", FINDING_NOTE,
                             "The console is drawn on what the boot left on the screen (%s), until %s takes the display over",
                             framebuffer, driver->name);
        else
                findings_add(p->findings, "boot-framebuffer", FINDING_OK, "No framebuffer of the boot is in use");
}
