/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The video BIOS of a graphics device, from where the firmware has left a copy of it: the ACPI table VFCT, as AMD's have it
 * (drivers/gpu/drm/amd/amdgpu/amdgpu_bios.c, amdgpu_acpi_vfct_bios()). Everything else, the attribute "rom" above all, reads
 * the device, which a trace is not to disturb. */

#include "util.h"

/* -ENOENT: the firmware has left none of that device. -EBADMSG: its table makes no sense. */
int vbios_read(const char *sys_root, const char *bdf, unsigned vendor, unsigned device, char **ret, size_t *ret_bytes);
