/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Can the driver be traced as it is now? */

#include "boot-arguments.h"
#include "initramfs.h"
#include "modules.h"
#include "preflight.h"
#include "route.h"

/* A rebind must not take away what the machine, or the caller, stands on. */
static void check_rebind(const Preflight *p, const Driver *driver) {
        _cleanup_free_ char *interface = NULL;
        _cleanup_error_ Error error = {};
        int r = 0;

        if (p->options->caller_address) {
                r = network_interface_to(p->context->proc_root, p->options->caller_address, &interface);
                if (r < 0 && r != -ENETUNREACH)
                        (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot find the network interface that you come in by");
                else
                        r = 0;
        }
        if (r >= 0)
                r = driver_check_rebind(p->context->sys_root, p->context->proc_root, driver, interface, &error);
        if (r < 0)
                findings_block_error(p->findings, "driver-in-use", false, &error);
        else
                findings_add(p->findings, "driver-in-use", FINDING_OK, "Nothing that is in use hangs on the devices of %s",
                             driver->name);
}

/* Only on other buses than PCI, where nothing is unbound and bound again by this daemon. */
static void check_bound_elsewhere(const Preflight *p, const Driver *driver) {
        _cleanup_free_ char *elsewhere = preflight_list(p, driver->elsewhere, NULL);

        if (!elsewhere)
                return;
        if (p->options->rebind)
                findings_block(p->findings, "driver-bound", ERROR_DRIVER_NOT_BOUND, false,
                               "%s drives no PCI device, which is what can be rebound, but %s\nstart without --rebind, and then unbind "
                               "and bind it by hand (/sys/bus/*/drivers)", driver->name, elsewhere);
        else if (driver->builtin)
                findings_block(p->findings, "driver-bound", ERROR_DRIVER_BOUND, true,
                               "%s already drives %s: what it has mapped cannot be traced any more\nunbind it first "
                               "(/sys/bus/*/drivers), and bind it after the start", driver->name, elsewhere);
        else
                findings_block(p->findings, "driver-bound", ERROR_DRIVER_BOUND, true,
                               "%s already drives %s: what it has mapped cannot be traced any more\nunload it first (modprobe -r %s)",
                               driver->name, elsewhere, driver->module ?: driver->name);
}

static void check_bound(const Preflight *p, const Driver *driver) {
        _cleanup_free_ char *devices = preflight_list(p, driver->devices, NULL);

        if (!devices)
                return;
        if (!driver->devices && driver->elsewhere)
                check_bound_elsewhere(p, driver);
        else if (p->options->rebind && !driver->devices)
                findings_block(p->findings, "driver-bound", ERROR_DRIVER_NOT_BOUND, false,
                               "No PCI device is bound to %s, so there is nothing to rebind\nstart with --load, or load it yourself "
                               "after the start", driver->name);
        else if (p->options->rebind)
                findings_add(p->findings, "driver-bound", FINDING_OK, "%s drives %s, and will be taken off and put back",
                             driver->name, devices);
        else if (driver->devices && driver->builtin)
                findings_block(p->findings, "driver-bound", ERROR_DRIVER_BOUND, true,
                               "%s already drives %s: what it has mapped cannot be traced any more\nstart with --rebind",
                               driver->name, devices);
        else if (driver->devices)
                findings_block(p->findings, "driver-bound", ERROR_DRIVER_BOUND, true,
                               "%s already drives %s: what it has mapped cannot be traced any more\nunload it first "
                               "(modprobe -r %s), or start with --rebind",
                               driver->name, devices, driver->module ?: driver->name);
        else
                findings_add(p->findings, "driver-bound", FINDING_OK, "No device is bound to %s yet", driver->name);
}

static void check_loaded(const Preflight *p, const Driver *driver) {
        if (driver->builtin && p->options->load)
                findings_block(p->findings, "driver-built-in", ERROR_LOAD_FAILED, false,
                               "%s is built into this kernel and cannot be loaded\nbind a device to it after the start", driver->name);
        else if (driver->builtin)
                findings_add(p->findings, "driver-built-in", FINDING_NOTE,
                             "%s is built into this kernel, so that what it does at boot cannot be traced\nbind a device to it after "
                             "the start, or start with --rebind", driver->name);
        else
                findings_add(p->findings, "driver-built-in", FINDING_OK, "%s is a module", driver->name);

        if (driver->loaded && p->options->load)
                findings_block(p->findings, "driver-loaded", ERROR_DRIVER_BOUND, true,
                               "%s is already loaded, so loading it would do nothing\nunload it first (modprobe -r %s)",
                               driver->name, driver->module);
        else if (driver->loaded && !driver->devices && !driver->elsewhere)
                findings_add(p->findings, "driver-loaded", FINDING_NOTE,
                             "%s is already loaded: what its module has done when it was loaded is over\nunload it first "
                             "(modprobe -r %s) to see that", driver->name, driver->module);
        else if (!driver->builtin)
                findings_add(p->findings, "driver-loaded", FINDING_OK, "%s is %sloaded", driver->name, driver->loaded ? "" : "not ");
}

static int modprobe_blacklists(const Preflight *p, const char *module) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        struct kmod_config_iter *i;
        bool found = false;
        int r;

        r = modules_open(p->context->module_dir, &kmod);
        if (r < 0)
                return r;
        i = kmod_config_get_blacklists(kmod);
        while (i && !found && kmod_config_iter_next(i))
                found = streq(kmod_config_iter_get_key(i), module);
        if (i)
                kmod_config_iter_free_iter(i);
        return found;
}

static void check_blacklists(const Preflight *p, const Driver *driver) {
        bool by_argument;

        if (boot_argument_lists(p->cmdline, "module_blacklist", driver->module) > 0) {
                if (p->options->load)
                        findings_block(p->findings, "driver-blacklisted", ERROR_LOAD_FAILED, false,
                                       "This kernel was booted with module_blacklist=%s, and refuses to load it at all\n"
                                       "boot with modprobe.blacklist=%s instead", driver->module, driver->module);
                else
                        findings_add(p->findings, "driver-blacklisted", FINDING_WARNING,
                                     "This kernel was booted with module_blacklist=%s, and refuses to load it at all\n"
                                     "boot with modprobe.blacklist=%s instead", driver->module, driver->module);
                return;
        }
        by_argument = boot_argument_lists(p->cmdline, "modprobe.blacklist", driver->module) > 0;
        if (by_argument || modprobe_blacklists(p, driver->module) > 0)
                findings_add(p->findings, "driver-blacklisted", p->options->load ? FINDING_OK : FINDING_NOTE,
                             "%s is blacklisted %s: it is loaded only when somebody asks for it by its name\n"
                             "that is what start --load does", driver->name,
                             by_argument ? "on the kernel's command line" : "in a file of modprobe.d");
        else
                findings_add(p->findings, "driver-blacklisted", FINDING_OK, "%s is not blacklisted", driver->name);
}

static void check_initramfs(const Preflight *p, const Driver *driver) {
        _cleanup_strv_ char **images = NULL;
        _cleanup_free_ char *list = NULL;
        _cleanup_error_ Error error = {};
        int r;

        r = initramfs_has_module(p->context, driver->module, &images, &error);
        list = preflight_list(p, images, NULL);
        if (!list)
                return;
        if (r < 0)
                findings_add(p->findings, "driver-initramfs", FINDING_NOTE,
                             "Whether %s is in the initramfs, and so is loaded early at boot, is not known: %s", driver->name,
                             finding_phrase(&error, r));
        else if (r == 0)
                findings_add(p->findings, "driver-initramfs", FINDING_OK, "%s is in no initramfs that this machine boots with",
                             driver->name);
        else if (boot_argument_lists(p->cmdline, "modprobe.blacklist", driver->module) > 0)
                findings_add(p->findings, "driver-initramfs", FINDING_OK,
                             "%s is in the initramfs (%s), but the command line keeps it from being loaded there", driver->name, list);
        else
                findings_add(p->findings, "driver-initramfs", FINDING_NOTE,
                             "%s is in the initramfs (%s), and may be loaded there at each boot\n"
                             "boot with modprobe.blacklist=%s to have it loaded in a session first", driver->name, list,
                             driver->module);
}

void preflight_driver(const Preflight *p, Driver **ret) {
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_error_ Error error = {};

        if (driver_resolve(p->context->sys_root, p->context->module_dir, p->options->driver, &driver, &error) < 0) {
                findings_block_error(p->findings, "driver", false, &error);
                return;
        }
        findings_add(p->findings, "driver", FINDING_OK, "%s is known%s%s%s%s", driver->name,
                     driver->module && !streq(driver->module, driver->name) ? " as the module " : "",
                     driver->module && !streq(driver->module, driver->name) ? driver->module : "",
                     driver->version ? ", version " : "", strempty(driver->version));
        if (p->options->at_boot && driver->loaded)
                findings_block(p->findings, "driver-loaded", ERROR_DRIVER_BOUND, false,
                               "%s was loaded before the session could begin, probably from the initramfs\narm once more, and add "
                               "modprobe.blacklist=%s to the kernel's command line for that one boot",
                               driver->name, driver->module);
        check_bound(p, driver);
        if (p->options->rebind && driver->devices)
                check_rebind(p, driver);
        check_loaded(p, driver);
        if (driver->module && !driver->builtin) {
                check_blacklists(p, driver);
                /* It matters at the next boot, and it takes seconds to know. */
                if (!p->start)
                        check_initramfs(p, driver);
        }
        *ret = TAKE_PTR(driver);
}
