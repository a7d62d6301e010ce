/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "boot-arguments.h"
#include "gpu-firmware.h"

#define VENDOR_NVIDIA 0x10de
#define VENDOR_INTEL 0x8086

/* NVIDIA gives its device ids in the order of the generations. The last one before Turing is Volta, 0x1d81 to 0x1df6;
 * Turing is 0x1e00 to 0x1fff and 0x2180 to 0x21ff, Ampere from 0x2080 on in between and behind that, Hopper 0x2300 to
 * 0x23ff, Ada from 0x2600 on. */
#define NVIDIA_TURING 0x1e00
#define NVIDIA_HOPPER 0x2300
#define NVIDIA_AMPERE_GA103 0x2400
#define NVIDIA_ADA 0x2600

static GpuFirmwareUse use_on_nvidia(const char *module, unsigned device, const char *cmdline, const char **when, const char **to_do) {
        bool by_default = device >= NVIDIA_ADA || (device >= NVIDIA_HOPPER && device < NVIDIA_AMPERE_GA103);
        _cleanup_free_ char *config = NULL;

        /* Before, the GPU has no such processor, or no firmware for it. */
        if (device < NVIDIA_TURING)
                return GPU_FIRMWARE_UNUSED;
        if (streq(module, "nouveau")) {
                if (by_default) {
                        *when = "nouveau knows no other way for GPUs from Ada on";
                        *to_do = "take that into account when you read the log";
                        return GPU_FIRMWARE_LIKELY;
                }
                /* drivers/gpu/drm/nouveau/nvkm/subdev/gsp, "NvGspRm" in the options. */
                if (boot_argument_get(cmdline, "nouveau.config", &config) > 0 && strstr(config, "NvGspRm=1")) {
                        *when = "nouveau.config=NvGspRm=1 on the kernel's command line asks for it";
                        *to_do = "boot without that argument";
                        return GPU_FIRMWARE_LIKELY;
                }
                *when = "nouveau does that for GPUs before Ada only with NvGspRm=1, or where the kernel was built to";
                *to_do = "leave nouveau.config=NvGspRm=1 out";
                return GPU_FIRMWARE_OPTIONAL;
        }
        /* Debian's is nvidia-current. */
        if (startswith(module, "nvidia")) {
                *when = "that depends on its version and on the GPU, and its open variant always does";
                *to_do = "boot with nvidia.NVreg_EnableGpuFirmware=0, which the proprietary variant takes for most GPUs before Blackwell";
        } else {
                *when = "GPUs from Turing on have one";
                *to_do = "ask the driver for another way if it has one";
        }
        return GPU_FIRMWARE_LIKELY;
}

/* There is none before Skylake (drivers/gpu/drm/i915/i915_pci.c, has_gt_uc; ids in include/drm/intel/pciids.h): these
 * are older, but for a few of Broxton in between. */
static bool intel_is_old(unsigned device) {
        static const struct {
                unsigned first, last;
        } old[] = {
                { 0x0000, 0x0a83 },     /* Ironlake to Haswell */
                { 0x0a85, 0x18ff },     /* Haswell, Bay Trail, Broadwell */
                { 0x2000, 0x2fff },     /* 830 to G45, Cherry View */
                { 0x3500, 0x35ff },     /* 830M, 855 */
                { 0xa000, 0xa01f },     /* Pineview */
        };

        for (size_t i = 0; i < ELEMENTS(old); i++)
                if (device >= old[i].first && device <= old[i].last)
                        return true;
        return false;
}

static GpuFirmwareUse use_on_intel(const char *module, unsigned device, const char *cmdline, const char **when, const char **to_do) {
        _cleanup_free_ char *value = NULL;
        uint64_t flags;

        if (intel_is_old(device))
                return GPU_FIRMWARE_UNUSED;
        if (streq(module, "xe")) {
                *when = "xe knows no other way";
                *to_do = "trace i915 with i915.enable_guc=0 instead, for a GPU that it drives";
                return GPU_FIRMWARE_LIKELY;
        }
        if (boot_argument_get(cmdline, "i915.enable_guc", &value) > 0 && parse_u64(value, &flags) >= 0) {
                /* Bit 0: it hands out the work. Bit 1 is for video only. */
                if (!(flags & 1))
                        return GPU_FIRMWARE_UNUSED;
                *when = "i915.enable_guc= on the kernel's command line asks for it";
                *to_do = "boot without that argument, or with i915.enable_guc=0";
                return GPU_FIRMWARE_LIKELY;
        }
        /* drivers/gpu/drm/i915/gt/uc/intel_uc.c, uc_expand_default_options() */
        *when = "i915 does that for GPUs from Alder Lake on, and for older ones only with enable_guc=";
        *to_do = "boot with i915.enable_guc=0, where the GPU permits that";
        return GPU_FIRMWARE_OPTIONAL;
}

GpuFirmwareUse gpu_firmware_use(const char *module, unsigned vendor, unsigned device, const char *cmdline, const char **ret_when,
        const char **ret_to_do) {
        *ret_when = *ret_to_do = "";
        switch (vendor) {
        case VENDOR_NVIDIA:
                return use_on_nvidia(module, device, cmdline, ret_when, ret_to_do);
        case VENDOR_INTEL:
                return use_on_intel(module, device, cmdline, ret_when, ret_to_do);
        default:
                return GPU_FIRMWARE_UNUSED;
        }
}
