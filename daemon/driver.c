/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <sys/utsname.h>

#include "driver.h"
#include "modules.h"
#include "names.h"
#include "sysfs.h"

#define PCI_BUS "pci"
#define DRIVERS_DIR "bus/pci/drivers"
#define DEVICES_DIR "bus/pci/devices"

/* A path below sys_root, long enough for a folder, a name in it and an attribute of that. */
#define SYS_PATH_MAX (2 * NAME_MAX + 64)
#define SYS_PATH(...) sys_path((char[SYS_PATH_MAX]) {}, __VA_ARGS__)

static const char *_printf_(2, 3) sys_path(char *buf, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(buf, SYS_PATH_MAX, format, ap);
        va_end(ap);
        return buf;
}

Driver *driver_free(Driver *driver) {
        if (!driver)
                return NULL;
        free(driver->name);
        free(driver->module);
        free(driver->version);
        free(driver->srcversion);
        free(driver->filename);
        strv_free(driver->pci_names);
        strv_free(driver->devices);
        strv_free(driver->candidates);
        strv_free(driver->elsewhere);
        free(driver);
        return NULL;
}

static bool name_is_valid(const char *name) {
        size_t l = strlen(name);

        return l > 0 && l <= DRIVER_NAME_MAX &&
                        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == l;
}

/* The kernel names a module in /sys after its file, with each "-" as "_" (scripts/Makefile.lib, name-fix). */
static int module_name_of(const char *name, char **ret) {
        char *copy = strdup(name);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy; *p; p++)
                if (*p == '-')
                        *p = '_';
        *ret = copy;
        return 0;
}

static bool module_has_entry(int sys_fd, const char *module) {
        return faccessat(sys_fd, SYS_PATH("module/%s", module), F_OK, 0) == 0;
}

/* Only what was loaded has a state; the entry of what is built in holds parameters and the like
 * (kernel/module/sysfs.c, modinfo_initstate). */
static bool module_is_loaded(int sys_fd, const char *module) {
        _cleanup_free_ char *state = NULL;

        return read_line_at(sys_fd, SYS_PATH("module/%s/initstate", module), &state) >= 0 &&
                        !streq(state, "going");
}

/* The module that a driver on the bus belongs to; NULL where it has none. */
static int bus_driver_module(int sys_fd, const char *bus, const char *bus_name, char **ret) {
        _cleanup_free_ char *module = NULL;
        int r;

        r = sysfs_link_name_at(sys_fd, SYS_PATH("bus/%s/drivers/%s/module", bus, bus_name), &module);
        if (r == -ENOENT) {
                /* Built in. The link is made only if the module's entry was there first (drivers/base/module.c,
                 * module_add_driver), so that an entry of the same name is its own all the same. */
                r = module_name_of(bus_name, &module);
                if (r < 0)
                        return r;
                if (!module_has_entry(sys_fd, module))
                        module = (free(module), NULL);
        } else if (r < 0)
                return r;
        *ret = TAKE_PTR(module);
        return 0;
}

/* The name on the bus that was meant, exactly or with "-" for "_"; NULL if there is none. */
static int bus_find_driver(int sys_fd, const char *bus, const char *name, char **ret) {
        _cleanup_strv_ char **bus_names = NULL;
        _cleanup_free_ char *wanted = NULL, *found = NULL;
        int r;

        r = module_name_of(name, &wanted);
        if (r < 0)
                return r;
        r = sysfs_list_at(sys_fd, SYS_PATH("bus/%s/drivers", bus), &bus_names);
        if (r == -ENOENT) {
                *ret = NULL;
                return 0;
        }
        if (r < 0)
                return r;
        STRV_FOREACH(bus_name, bus_names) {
                _cleanup_free_ char *normal = NULL;

                r = module_name_of(*bus_name, &normal);
                if (r < 0)
                        return r;
                if (!streq(normal, wanted) || (found && !streq(*bus_name, name)))
                        continue;
                free(found);
                found = strdup(*bus_name);
                if (!found)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(found);
        return 0;
}

/* Takes a text of the module unless there is one already, or nobody asks for it. What is not clean text is not taken:
 * it would end up in the log, in file names and in the archive. */
static int take_text(char **field, const char *value) {
        if (!field || *field || isempty(value) || !text_is_clean(value, false))
                return 0;
        *field = strdup(value);
        return *field ? 0 : -ENOMEM;
}

static int take_attribute(char **field, int sys_fd, const char *path) {
        _cleanup_free_ char *value = NULL;

        return read_line_at(sys_fd, path, &value) >= 0 ? take_text(field, value) : 0;
}

/* What the module's file says, each part into a pointer that may be NULL. kernel_name is the name that the kernel will
 * know it by, whatever the file is called: Debian's nvidia-current.ko is "nvidia". */
static int take_file_info(
                struct kmod_module *module, char **version, char **srcversion, char **kernel_name) {
        struct kmod_list *info = NULL, *item;
        int r = 0;

        if (kmod_module_get_info(module, &info) < 0)
                return 0;
        kmod_list_foreach(item, info) {
                const char *key = kmod_module_info_get_key(item), *value = kmod_module_info_get_value(item);

                if (streq(key, "version"))
                        r = take_text(version, value);
                else if (streq(key, "srcversion"))
                        r = take_text(srcversion, value);
                else if (streq(key, "name") && name_is_valid(value))
                        r = take_text(kernel_name, value);
                if (r < 0)
                        break;
        }
        kmod_module_info_free_list(info);
        return r;
}

/* Whether a module that was looked up stands for something: a file, a part of the kernel, or a command that modprobe
 * runs instead. The tables may name one that is gone. */
static bool module_is_real(struct kmod_module *module) {
        return kmod_module_get_path(module) || kmod_module_get_initstate(module) == KMOD_MODULE_BUILTIN ||
                        kmod_module_get_install_commands(module);
}

static int module_find(struct kmod_ctx *kmod, const char *name, struct kmod_module **ret) {
        _cleanup_kmod_list_ struct kmod_list *list = NULL;
        struct kmod_list *item;
        int r;

        r = modules_lookup(kmod, name, &list);
        if (r < 0)
                return r;
        *ret = NULL;
        kmod_list_foreach(item, list) {
                _cleanup_kmod_module_ struct kmod_module *module = kmod_module_get_module(item);

                if (module_is_real(module)) {
                        *ret = TAKE_PTR(module);
                        break;
                }
        }
        return 0;
}

/* Where the driver was found. */
typedef struct Place {
        struct kmod_module *module;     /* NULL: not in the tables */
        char *kernel_name;              /* below /sys/module, with an entry or not yet; NULL: has no module */
        char *bus_name;                 /* the driver on the bus that was asked for; NULL: a module was */
} Place;

static void place_done(Place *place) {
        kmod_module_unref(place->module);
        free(place->kernel_name);
        free(place->bus_name);
}

/* Asks the tables for a name. The kernel's name for it is settled unless it is known already. */
static int place_look_up(Place *place, struct kmod_ctx *kmod, const char *name) {
        int r;

        r = module_find(kmod, name, &place->module);
        if (r < 0 || !place->module || place->kernel_name)
                return r;
        r = take_file_info(place->module, NULL, NULL, &place->kernel_name);
        if (r < 0 || place->kernel_name)
                return r;
        place->kernel_name = strdup(kmod_module_get_name(place->module));
        return place->kernel_name ? 0 : -ENOMEM;
}

/* The name of a driver on another bus, such as a platform driver's. Returns 0 if there is none. */
static int place_find_elsewhere(Place *place, int sys_fd, const char *name) {
        _cleanup_strv_ char **buses = NULL;
        int r;

        r = sysfs_list_at(sys_fd, "bus", &buses);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        STRV_FOREACH(bus, buses) {
                _cleanup_free_ char *found = NULL;

                r = bus_find_driver(sys_fd, *bus, name, &found);
                if (r < 0)
                        return r;
                if (!found)
                        continue;
                r = bus_driver_module(sys_fd, *bus, found, &place->kernel_name);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* -ENXIO: there is no such driver. */
static int place_find(Place *place, int sys_fd, struct kmod_ctx *kmod, const char *name) {
        _cleanup_free_ char *same = NULL;
        int r;

        r = bus_find_driver(sys_fd, PCI_BUS, name, &place->bus_name);
        if (r < 0)
                return r;
        if (place->bus_name) {
                r = bus_driver_module(sys_fd, PCI_BUS, place->bus_name, &place->kernel_name);
                if (r < 0)
                        return r;
                return place_look_up(place, kmod, place->kernel_name ?: name);
        }

        r = module_name_of(name, &same);
        if (r < 0)
                return r;
        /* What is loaded is what is meant, wherever it came from. An entry that is not of something loaded may be a
         * part of the kernel, of which the tables know more. */
        if (module_is_loaded(sys_fd, same))
                place->kernel_name = TAKE_PTR(same);
        r = place_look_up(place, kmod, name);
        if (r < 0 || place->kernel_name)
                return r;
        if (module_has_entry(sys_fd, same)) {
                place->kernel_name = TAKE_PTR(same);
                return 0;
        }
        r = place_find_elsewhere(place, sys_fd, name);
        if (r <= 0)
                return r < 0 ? r : -ENXIO;
        return place->kernel_name ? place_look_up(place, kmod, place->kernel_name) : 0;
}

static int describe_module(Driver *driver, int sys_fd, const Place *place) {
        const char *name = place->kernel_name;
        int r;

        if (name) {
                /* modprobe goes by the file, which is called otherwise only where the tables were asked for it. */
                bool by_file = place->module && !place->bus_name &&
                                !kmod_module_get_install_commands(place->module);

                driver->module = strdup(by_file ? kmod_module_get_name(place->module) : name);
                if (!driver->module)
                        return -ENOMEM;
        }
        driver->loaded = name && module_is_loaded(sys_fd, name);
        driver->builtin = !driver->loaded &&
                        (!place->module || kmod_module_get_initstate(place->module) == KMOD_MODULE_BUILTIN);

        if (name && (driver->loaded || driver->builtin)) {
                r = take_attribute(&driver->version, sys_fd, SYS_PATH("module/%s/version", name));
                if (r < 0)
                        return r;
                r = take_attribute(&driver->srcversion, sys_fd, SYS_PATH("module/%s/srcversion", name));
                if (r < 0)
                        return r;
        }
        if (!place->module)
                return 0;
        r = take_text(&driver->filename, kmod_module_get_path(place->module));
        /* What runs comes before what lies on the disk, where an update may have put another version by now. */
        if (r < 0 || driver->version || driver->srcversion)
                return r;
        return take_file_info(place->module, &driver->version, &driver->srcversion, NULL);
}

static int collect_pci_names(Driver *driver, int sys_fd, const Place *place) {
        _cleanup_strv_ char **bus_names = NULL;
        int r;

        r = sysfs_list_at(sys_fd, DRIVERS_DIR, &bus_names);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        STRV_FOREACH(bus_name, bus_names) {
                _cleanup_free_ char *module = NULL;

                r = bus_driver_module(sys_fd, PCI_BUS, *bus_name, &module);
                if (r < 0)
                        return r;
                if (!streq_ptr(*bus_name, place->bus_name) && (!module || !streq_ptr(module, place->kernel_name)))
                        continue;
                r = strv_extend(&driver->pci_names, *bus_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int collect_devices(Driver *driver, int sys_fd) {
        STRV_FOREACH(bus_name, driver->pci_names) {
                _cleanup_strv_ char **entries = NULL;
                int r;

                r = sysfs_list_at(sys_fd, SYS_PATH(DRIVERS_DIR "/%s", *bus_name), &entries);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                STRV_FOREACH(entry, entries) {
                        if (!pci_address_is_valid(*entry))
                                continue;
                        r = strv_extend(&driver->devices, *entry);
                        if (r < 0)
                                return r;
                }
        }
        strv_sort(driver->devices);
        return 0;
}

/* What is in a driver's folder and is a device of the bus: there are files and a link to the module beside them. */
static int collect_devices_on(Driver *driver, int sys_fd, const char *bus, const char *bus_name) {
        _cleanup_strv_ char **entries = NULL;
        int r;

        r = sysfs_list_at(sys_fd, SYS_PATH("bus/%s/drivers/%s", bus, bus_name), &entries);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        STRV_FOREACH(entry, entries) {
                if (faccessat(sys_fd, SYS_PATH("bus/%s/devices/%s", bus, *entry), F_OK, 0) < 0 || !text_is_clean(*entry, false))
                        continue;
                r = strv_extendf(&driver->elsewhere, "%s (%s)", *entry, bus);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Whether a driver on another bus is this one: it belongs to the module, or has no module of its own and the name that was
 * asked for, where that is none on the PCI bus. */
static int is_elsewhere(const Driver *driver, int sys_fd, const char *bus, const char *bus_name, const Place *place) {
        _cleanup_free_ char *module = NULL, *wanted = NULL, *normal = NULL;
        int r;

        r = bus_driver_module(sys_fd, bus, bus_name, &module);
        if (r < 0)
                return r;
        if (module)
                return streq_ptr(module, place->kernel_name);
        if (place->bus_name)
                return 0;
        r = module_name_of(driver->name, &wanted);
        if (r >= 0)
                r = module_name_of(bus_name, &normal);
        return r < 0 ? r : streq(wanted, normal);
}

static int collect_elsewhere(Driver *driver, int sys_fd, const Place *place) {
        _cleanup_strv_ char **buses = NULL;
        int r;

        r = sysfs_list_at(sys_fd, "bus", &buses);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        STRV_FOREACH(bus, buses) {
                _cleanup_strv_ char **bus_names = NULL;

                if (streq(*bus, PCI_BUS))
                        continue;
                r = sysfs_list_at(sys_fd, SYS_PATH("bus/%s/drivers", *bus), &bus_names);
                if (r < 0 && r != -ENOENT)
                        return r;
                STRV_FOREACH(bus_name, bus_names) {
                        r = is_elsewhere(driver, sys_fd, *bus, *bus_name, place);
                        if (r > 0)
                                r = collect_devices_on(driver, sys_fd, *bus, *bus_name);
                        if (r < 0)
                                return r;
                }
        }
        strv_sort(driver->elsewhere);
        return 0;
}

/* Whether one of the modules that match a device is the driver's. A driver that is known by an install command only
 * is found by the name inside the file that the command would load, and takes that file for its own. */
static int list_has_driver(Driver *driver, struct kmod_list *list, const char *kernel_name) {
        struct kmod_list *item;
        int r;

        kmod_list_foreach(item, list) {
                _cleanup_kmod_module_ struct kmod_module *module = kmod_module_get_module(item);
                const char *name = kmod_module_get_name(module), *path = kmod_module_get_path(module);
                _cleanup_free_ char *inner = NULL;

                if (streq(name, driver->module) || streq(name, kernel_name) ||
                                (path && streq_ptr(path, driver->filename)))
                        return 1;
                if (driver->filename || driver->builtin || !path)
                        continue;
                r = take_file_info(module, NULL, NULL, &inner);
                if (r < 0)
                        return r;
                if (!streq_ptr(inner, kernel_name))
                        continue;
                r = take_text(&driver->filename, path);
                if (r >= 0 && !driver->version && !driver->srcversion)
                        r = take_file_info(module, &driver->version, &driver->srcversion, NULL);
                return r < 0 ? r : 1;
        }
        return 0;
}

static int collect_candidates(Driver *driver, int sys_fd, struct kmod_ctx *kmod, const char *kernel_name) {
        _cleanup_strv_ char **devices = NULL;
        int r;

        r = sysfs_list_at(sys_fd, DEVICES_DIR, &devices);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        STRV_FOREACH(device, devices) {
                _cleanup_kmod_list_ struct kmod_list *list = NULL;
                _cleanup_free_ char *modalias = NULL;

                /* A device that goes away meanwhile is no candidate any more. */
                if (!pci_address_is_valid(*device) ||
                                read_line_at(sys_fd, SYS_PATH(DEVICES_DIR "/%s/modalias", *device), &modalias) < 0)
                        continue;
                r = modules_lookup(kmod, modalias, &list);
                if (r < 0)
                        return r;
                r = list_has_driver(driver, list, kernel_name);
                if (r > 0)
                        r = strv_extend(&driver->candidates, *device);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int resolve(Driver *driver, int sys_fd, struct kmod_ctx *kmod) {
        _cleanup_(place_done) Place place = {};
        int r;

        r = place_find(&place, sys_fd, kmod, driver->name);
        if (r < 0)
                return r;
        r = describe_module(driver, sys_fd, &place);
        if (r < 0)
                return r;
        r = collect_pci_names(driver, sys_fd, &place);
        if (r < 0)
                return r;
        r = collect_devices(driver, sys_fd);
        if (r < 0)
                return r;
        r = collect_elsewhere(driver, sys_fd, &place);
        if (r < 0)
                return r;
        return driver->module ? collect_candidates(driver, sys_fd, kmod, place.kernel_name) : 0;
}

int driver_resolve(
                const char *sys_root, const char *module_dir, const char *name, Driver **ret, Error *error) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_close_ int sys_fd = -EBADF;
        int r;

        if (!name_is_valid(name))
                return error_set(error,
                                ERROR_INVALID_ARGUMENTS,
                                "That is not the name of a driver; give a module, an alias or a PCI driver of at "
                                "most %d letters, digits, \"-\" and \"_\".",
                                DRIVER_NAME_MAX);

        driver = calloc(1, sizeof *driver);
        if (!driver)
                return error_set_errno(error, ERROR_FAILED, -ENOMEM, "Cannot look for the driver \"%s\"", name);
        driver->name = strdup(name);
        if (!driver->name)
                return error_set_errno(error, ERROR_FAILED, -ENOMEM, "Cannot look for the driver \"%s\"", name);
        sys_fd = open(sys_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (sys_fd < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot open %s to find the driver", sys_root);
        r = modules_open(module_dir, &kmod);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot read the tables of kernel modules");

        r = resolve(driver, sys_fd, kmod);
        if (r == -ENXIO) {
                struct utsname uts = {};

                (void) uname(&uts);
                return error_set(error,
                                ERROR_NO_SUCH_DRIVER,
                                "No module, alias or driver is called \"%s\" on this kernel (%s); \"lspci -k\" "
                                "shows the drivers of each device.",
                                name,
                                uts.release);
        }
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot look for the driver \"%s\"", name);
        *ret = TAKE_PTR(driver);
        return 0;
}

int driver_unbind(const char *sys_root, const char *bdf, char **ret_driver) {
        _cleanup_close_ int sys_fd = -EBADF;
        _cleanup_free_ char *bus_name = NULL;
        int r;

        if (!pci_address_is_valid(bdf))
                return -EINVAL;
        sys_fd = open(sys_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (sys_fd < 0)
                return -errno;
        r = sysfs_link_name_at(sys_fd, SYS_PATH(DEVICES_DIR "/%s/driver", bdf), &bus_name);
        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        r = write_control_at(sys_fd, SYS_PATH(DRIVERS_DIR "/%s/unbind", bus_name), bdf);
        if (r < 0)
                /* The driver was unloaded between the two. */
                return r == -ENOENT ? -ENODEV : r;
        if (ret_driver)
                *ret_driver = TAKE_PTR(bus_name);
        return 0;
}

int driver_bind(const char *sys_root, const char *pci_driver, const char *bdf) {
        _cleanup_close_ int sys_fd = -EBADF;

        if (!pci_address_is_valid(bdf))
                return -EINVAL;
        /* The name may come from a file that a former process wrote: it must not lead out of the folder. */
        if (isempty(pci_driver) || *pci_driver == '.' || strchr(pci_driver, '/') || strlen(pci_driver) > NAME_MAX)
                return -EINVAL;
        sys_fd = open(sys_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (sys_fd < 0)
                return -errno;
        return write_control_at(sys_fd, SYS_PATH(DRIVERS_DIR "/%s/bind", pci_driver), bdf);
}
