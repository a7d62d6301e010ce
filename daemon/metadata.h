/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an archive says about the machine: one file per source, in the session's metadata folder.
 *
 *      uname.txt       one line, as "uname -a" prints it
 *      lspci.txt       as "lspci -nnk" prints it
 *      lspci-xxxx.txt  as "lspci -nnxxxx" prints it, see config-space.h
 *      pci_devices     /proc/bus/pci/devices as it is, which pcidev_lines() turns into the head of a log
 *      modules.txt     /proc/modules as it is
 *      displays.txt, edid-CONNECTOR.bin
 *                      what is connected to the graphics cards: see displays.h
 *      displays-reported.txt
 *                      what the user's programs tell of that: see reported.h
 *      machine.json    board, firmware, processors, memory: see machine.h
 *      vbios.rom       the video BIOS of a traced graphics device, where there is a copy of it: see vbios.h
 *      driver.json     the traced driver, what is known of its loaded module, the devices bound to it ("bound": true), and behind them those that it could
 *                      drive; ids and addresses are hexadecimal text, "" is what there is not
 *      kernel.log      what the kernel said meanwhile, as dmesg(1) prints it, written once the session is over
 *      pstore.txt      what a kernel that died has left, see pstore.h; not there otherwise
 *
 *      identity.json   what is not to get out with all this, see identity.h
 *
 * Written before the tracer is armed and again after the session, when the driver is loaded: a machine that dies in
 * between still has the first. What cannot be read is written as "unavailable: REASON" (in driver.json as a member
 * "unavailable"), so that a reader can tell it from what is not there. pcidev_lines() refuses such a line.
 *
 * Loading pci.ids takes some 10 ms: not for the bus loop. */

#include "context.h"
#include "driver.h"
#include "kernel-log.h"
#include "util.h"

#define METADATA_UNAME "uname.txt"
#define METADATA_LSPCI "lspci.txt"
#define METADATA_LSPCI_XXXX "lspci-xxxx.txt"
#define METADATA_PCI_DEVICES "pci_devices"
#define METADATA_DRIVER "driver.json"
#define METADATA_MACHINE "machine.json"
#define METADATA_MODULES "modules.txt"
#define METADATA_VBIOS "vbios.rom"
#define METADATA_DISPLAYS "displays.txt"
#define METADATA_REPORTED "displays-reported.txt"
#define METADATA_KERNEL_LOG "kernel.log"
#define METADATA_PSTORE "pstore.txt"

/* Writes all but the last, each as a whole. driver is NULL when no driver was named. What cannot be read is no error;
 * the first file that cannot be written is, after the others were tried. */
int metadata_collect(int dir_fd, const Context *context, const Driver *driver);

/* Writes the last one. What cannot be read is no error. */
int metadata_save_kernel_log(int dir_fd, const KernelLogExcerpt *excerpt);

/* The device to name an archive after: the first that is bound, else the first candidate. ret_vendor_device are the
 * eight hexadecimal digits of both ids ("10de1c82"); ret_device_name is its name in pci.ids, NULL where that has none.
 * -ENODEV: the driver has neither (or is NULL). */
int metadata_main_device(
                const char *sys_root,
                const Driver *driver,
                char **ret_vendor_device,
                char **ret_device_name);
