/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One PCI device as /sys shows it, without touching the device. */

#include <stdio.h>

#include "pci-names.h"

typedef struct PciDevice {
        unsigned vendor, device, subsystem_vendor, subsystem_device;
        unsigned class_id;      /* with the programming interface in the lowest byte */
        unsigned revision;
        char *driver;           /* NULL: none is bound */
        char *label;            /* the firmware's name for it; NULL: none */
} PciDevice;

/* The names of all devices, as "0000:00:02.0", sorted. */
int pci_device_list(const char *sys_root, char ***ret);

/* Returns a descriptor of its folder. */
int pci_device_open(const char *sys_root, const char *bdf);

/* fd is that. -EINVAL, -ERANGE: an attribute is no number. */
int pci_device_read(int fd, PciDevice *ret);
void pci_device_done(PciDevice *device);

/* How lspci names it: "00:02.0", with the domain in front if with_domain; that is for all as soon as it is for one. */
const char *pci_device_short_name(const char *bdf, bool with_domain);
bool pci_devices_need_domain(char *const *devices);

/* " Ethernet controller [0200]: Intel Corporation 82574L [8086:10d3] (rev 01)" and a newline. */
int pci_device_print_title(FILE *f, const PciDevice *device, PciNames *names);
