/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which GPUs are run by a firmware of their own: the driver tells it what to do through queues in memory, which no trace
 * of MMIO shows. That is a matter of the GPU and of the driver together: one module drives many generations. */

#include "util.h"

typedef enum GpuFirmwareUse {
        GPU_FIRMWARE_UNUSED,
        GPU_FIRMWARE_OPTIONAL,  /* not unless somebody asked for it, or by some generations only */
        GPU_FIRMWARE_LIKELY,
        _GPU_FIRMWARE_USE_MAX,
} GpuFirmwareUse;

/* module: the driver's, which is known to load such a firmware for some GPU. cmdline: the kernel's, for its arguments. ret_when
 * is what that depends on, and ret_to_do what to do about it; both are parts of sentences, and "" for one that is unused. */
GpuFirmwareUse gpu_firmware_use(const char *module, unsigned vendor, unsigned device, const char *cmdline, const char **ret_when,
        const char **ret_to_do);
