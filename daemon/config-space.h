/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration space of all PCI devices, in the hexadecimal form of "lspci -xxxx", which "lspci -F" reads back.
 *
 * Behind the first 64 bytes the kernel shows it to CAP_SYS_ADMIN only (drivers/pci/pci-sysfs.c, pci_read_config()), so
 * the reader unit reads it for the daemon. As lspci does: a device that sleeps is woken for it. */

#include <stdio.h>

#include "pci-names.h"

/* PCI Express has 4 KiB of it, PCI 256 bytes. */
#define CONFIG_SPACE_MAX_BYTES 4096

/* Reads what this process may: a line "ADDRESS HEXDIGITS" for each device, or "ADDRESS - REASON". */
int config_space_read(const char *sys_root, FILE *f);

/* All of it through the reader unit. Without one (NULL) as this process may. Where the unit cannot be asked, too, and
 * the text ends in a line "unavailable: ..." then, which lspci passes over. */
int config_space_collect(const char *sys_root, const char *inspect_socket, PciNames *names, char **ret);
