/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The head of a log: VERSION, and a PCIDEV line per PCI device, as the kernel queues them for whoever opens trace_pipe
 * (kernel/trace/trace_mmiotrace.c, mmio_print_pcidev). /proc/bus/pci/devices holds the same numbers in the same order
 * (drivers/pci/proc.c, show_device), so that a log made from raw pages has the same head. Neither names the domain. */

#include "util.h"

#define TRACE_VERSION_LINE "VERSION 20070824\n"

/* Makes the PCIDEV lines out of the text of /proc/bus/pci/devices. -EBADMSG: not of that format. */
int pcidev_lines(const char *devices, char **ret);
