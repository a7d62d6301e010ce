/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which driver is meant by a name, which devices it holds, and whether it may be taken off them.
 *
 * People know a driver by its module ("i2c_i801"), by an alias of it, or by what "lspci -k" shows: its name on the
 * PCI bus ("i801_smbus"). The kernel links the two (drivers/base/module.c, module_add_driver): drivers/X/module on
 * the bus, and drivers/pci:X below the module. What is built in may have these links or not, and has no initstate.
 *
 * A driver may have devices on other buses, beside those on the PCI bus or instead of them: these are named, and no more.
 *
 * sys_root is "/sys" and proc_root "/proc", except in tests. module_dir is a folder as depmod makes it, NULL for the
 * one of the running kernel. Everything here blocks for as long as files take. */

#include "error.h"
#include "util.h"

typedef struct Driver {
        char *name;             /* as it was asked for */
        char *module;           /* what modprobe knows it by; NULL: built in, and without an entry of its own */
        bool builtin;
        bool loaded;            /* as a module, so never together with builtin */
        char *version;          /* of the loaded module, else of the file; NULL where it states none */
        char *srcversion;
        char *filename;         /* NULL: built in, or not in the tables of depmod */
        char **pci_names;       /* its names below /sys/bus/pci/drivers, sorted; none before it is loaded */
        char **devices;         /* bound to it now, as "0000:00:02.0", sorted */
        char **candidates;      /* the devices that its aliases match, bound or not, sorted */
        char **elsewhere;       /* bound to it on another bus, as "serial8250 (platform)", sorted */
} Driver;

/* Finds the driver. A name on the PCI bus goes before a module of the same name: "xhci_hcd" is the driver that
 * xhci_pci registers, and the module xhci_hcd drives nothing by itself. "-" and "_" are the same.
 * Errors: ERROR_INVALID_ARGUMENTS (-EINVAL) for what cannot be a name, ERROR_NO_SUCH_DRIVER (-ENXIO); others are
 * forwarded with ERROR_FAILED. To learn what is bound later, resolve again. */
int driver_resolve(const char *sys_root, const char *module_dir, const char *name, Driver **ret, Error *error);

/* Refuses (ERROR_DEVICE_IN_USE, -EBUSY) when taking the driver off its devices would take away a mounted file system,
 * active swap, or the interface caller_interface over which the request came (NULL: it did not come over one).
 * Where that cannot be found out, it is an error too (ERROR_FAILED). In driver-use.c. */
int driver_check_rebind(
                const char *sys_root,
                const char *proc_root,
                const Driver *driver,
                const char *caller_interface,
                Error *error);

/* Takes the driver off a device. ret_driver (may be NULL) is its name on the bus, for driver_bind().
 * -ENODEV: nothing is bound to the device, or there is none; -EINVAL: bdf is not of the form 0000:00:02.0. */
int driver_unbind(const char *sys_root, const char *bdf, char **ret_driver);

/* Binds a device. -ENOENT: no such driver on the bus; what its probe returns is forwarded; -ENODEV: no such device, or
 * the driver does not match it (drivers/base/bus.c, bind_store). */
int driver_bind(const char *sys_root, const char *pci_driver, const char *bdf);

Driver *driver_free(Driver *driver);
DEFINE_CLEANUP(Driver *, driver_free)
#define _cleanup_driver_ _cleanup_(driver_freep)
