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

typedef struct ConfigSpace {
        const char *title;      /* the line of the device; borrowed, and without an end */
        uint8_t bytes[CONFIG_SPACE_MAX_BYTES];
        size_t n_bytes;
} ConfigSpace;

/* Takes the next device off such a text, which moves on. Returns 1 with what there was, 0 at the end. Lines in between
 * that belong to no device are passed over. */
int config_space_next(const char **text, ConfigSpace *ret);

/* Writes one in that form, with its title. */
void config_space_print(FILE *f, const ConfigSpace *config);

/* Where a serial number of eight bytes is (PCI Express Base Specification, Device Serial Number Extended Capability), and
 * the capability of vital product data (PCI Local Bus Specification 3.0, appendix I); 0: it has none. */
size_t config_space_find_serial(const ConfigSpace *config);
size_t config_space_find_vpd(const ConfigSpace *config);
#define CONFIG_SERIAL_BYTES 8

/* All of it through the reader unit. Without one (NULL) as this process may. Where the unit cannot be asked, too, and
 * the text ends in a line "unavailable: ..." then, which lspci passes over. */
int config_space_collect(const char *sys_root, const char *inspect_socket, PciNames *names, char **ret);
