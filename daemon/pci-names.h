/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of PCI vendors, devices and classes, from pci.ids through libpci. Only the names: what is on the bus is read
 * from /sys, where one device that cannot be read does not end the list. */

#include "util.h"

typedef struct PciNames PciNames;

/* Loading takes some 10 ms. ids_path is NULL for the list that libpci was built for. Without one that can be read, all
 * names are unknown but for those that udev knows; with one that has a mistake, those behind it are. ret_problem (NULL
 * where there is none) says so. */
int pci_names_new(const char *ids_path, PciNames **ret, char **ret_problem);
PciNames *pci_names_free(PciNames *names);
DEFINE_CLEANUP(PciNames *, pci_names_free)
#define _cleanup_pci_names_ _cleanup_(pci_names_freep)

/* As lspci -nn writes them: "Ethernet controller [0200]", "Intel Corporation 82574L [8086:10d3]"; what has no name is
 * "Device [8086:10d3]" and the like; NULL where the list has something that is not text. class_id is the class without
 * its programming interface. */
int pci_names_class(PciNames *names, unsigned class_id, char **ret);
int pci_names_device(PciNames *names, unsigned vendor, unsigned device, char **ret);
int pci_names_subsystem(
                PciNames *names,
                unsigned vendor,
                unsigned device,
                unsigned subsystem_vendor,
                unsigned subsystem_device,
                char **ret);

/* Without numbers; NULL for what has no name. */
int pci_names_plain_vendor(PciNames *names, unsigned vendor, char **ret);
int pci_names_plain_device(PciNames *names, unsigned vendor, unsigned device, char **ret);
