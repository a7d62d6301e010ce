/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/utsname.h>

#include "config-space.h"
#include "displays.h"
#include "identity.h"
#include "json.h"
#include "machine.h"
#include "metadata.h"
#include "modules.h"
#include "pci-device.h"
#include "sysfs.h"
#include "vbios.h"

#define PCI_DEVICES_MAX_BYTES (4 * MIB)
#define MODULES_MAX_BYTES (4 * MIB)

/* Of a PCI device: its base class. */
#define CLASS_DISPLAY 0x03

/* Six base address registers and the expansion ROM; what follows in "resource" are the windows of bridges and the
 * like (drivers/pci/pci-sysfs.c, resource_show). */
#define BARS_MAX 7

static int collect_uname(char **ret) {
        struct utsname uts;
        char *text;

        if (uname(&uts) < 0)
                return -errno;
        if (asprintf(&text,
                            "%s %s %s %s %s GNU/Linux\n",
                            uts.sysname,
                            uts.nodename,
                            uts.release,
                            uts.version,
                            uts.machine) < 0)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static int print_modules(FILE *f, int fd, struct kmod_ctx *kmod) {
        _cleanup_kmod_list_ struct kmod_list *list = NULL;
        _cleanup_free_ char *modalias = NULL;
        struct kmod_list *item;
        int r;

        r = read_line_at(fd, "modalias", &modalias);
        if (r >= 0)
                r = modules_lookup(kmod, modalias, &list);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                fprintf(f, "\tKernel modules: unavailable: %s\n", strerrordesc_np(-r));
                return 0;
        }
        kmod_list_foreach(item, list) {
                _cleanup_kmod_module_ struct kmod_module *module = kmod_module_get_module(item);

                fprintf(f, "%s%s", item == list ? "\tKernel modules: " : ", ", kmod_module_get_name(module));
        }
        if (list)
                fputc('\n', f);
        return 0;
}

static int print_device(FILE *f, const char *sys_root, const char *bdf, PciNames *names, struct kmod_ctx *kmod) {
        _cleanup_(pci_device_done) PciDevice device = {};
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = fd = pci_device_open(sys_root, bdf);
        if (r >= 0)
                r = pci_device_read(fd, &device);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                fprintf(f, " unavailable: %s\n", strerrordesc_np(-r));
                return 0;
        }

        r = pci_device_print_title(f, &device, names);
        if (r < 0)
                return r;
        if (device.label)
                fprintf(f, "\tDeviceName: %s\n", device.label);
        if (device.subsystem_vendor > 0 && device.subsystem_vendor != 0xffff) {
                _cleanup_free_ char *subsystem = NULL;

                r = pci_names_subsystem(names,
                                device.vendor,
                                device.device,
                                device.subsystem_vendor,
                                device.subsystem_device,
                                &subsystem);
                if (r < 0)
                        return r;
                fprintf(f, "\tSubsystem: %s\n", subsystem ?: "?");
        }
        if (device.driver)
                fprintf(f, "\tKernel driver in use: %s\n", device.driver);
        return print_modules(f, fd, kmod);
}

static int collect_lspci(
                const char *sys_root, const char *module_dir, PciNames *names, const char *problem, char **ret) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        _cleanup_strv_ char **devices = NULL;
        _cleanup_free_ char *text = NULL;
        bool with_domain;
        size_t bytes = 0;
        FILE *f;
        int r;

        r = pci_device_list(sys_root, &devices);
        if (r >= 0)
                r = modules_open(module_dir, &kmod);
        if (r < 0)
                return r;
        with_domain = pci_devices_need_domain(devices);

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        STRV_FOREACH(bdf, devices) {
                fputs(pci_device_short_name(*bdf, with_domain), f);
                r = print_device(f, sys_root, *bdf, names, kmod);
                if (r < 0)
                        break;
        }
        if (problem)
                fprintf(f, "unavailable: names of devices: %s\n", problem);
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}

static int collect_file(const char *root, const char *name, size_t max_bytes, char **ret) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", root, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return read_file_at(AT_FDCWD, path, max_bytes, ret, NULL);
}

static int json_add_hex(struct json_object *o, const char *key, int digits, uint64_t value) {
        char buf[2 + 16 + 1];

        (void) snprintf(buf, sizeof buf, "%0*" PRIx64, digits, value);
        return json_add_string(o, key, buf);
}

static int json_add_unavailable(struct json_object *o, int r) {
        return json_add_string(o, "unavailable", strerrordesc_np(-r));
}

static int add_bar(struct json_object *bars, unsigned index, uint64_t start, uint64_t end, uint64_t flags) {
        _cleanup_json_ struct json_object *bar = json_object_new_object();
        int r;

        if (!bar)
                return -ENOMEM;
        /* As text: a number in JSON is a double to many readers, and these have 64 bits. */
        r = json_add_u64(bar, "index", index);
        if (r >= 0)
                r = json_add_hex(bar, "start", 1, start);
        if (r >= 0)
                r = json_add_hex(bar, "end", 1, end);
        if (r >= 0)
                r = json_add_hex(bar, "flags", 1, flags);
        if (r < 0)
                return r;
        if (json_object_array_add(bars, bar) < 0)
                return -ENOMEM;
        (void) TAKE_PTR(bar);
        return 0;
}

/* An array, or where the file cannot be read a text that says why. */
static int add_bars(struct json_object *o, int fd) {
        _cleanup_json_ struct json_object *bars = json_object_new_array();
        _cleanup_free_ char *text = NULL;
        char *state = NULL;
        unsigned index = 0;
        int r;

        if (!bars)
                return -ENOMEM;
        r = read_file_at(fd, "resource", 64 * KIB, &text, NULL);
        if (r < 0) {
                _cleanup_free_ char *reason = NULL;

                if (asprintf(&reason, "unavailable: %s", strerrordesc_np(-r)) < 0) {
                        reason = NULL;
                        return -ENOMEM;
                }
                return json_add_string(o, "bars", reason);
        }
        for (char *line = strtok_r(text, "\n", &state); line && index < BARS_MAX;
                        line = strtok_r(NULL, "\n", &state), index++) {
                uint64_t start, end, flags;

                if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3)
                        return json_add_string(o, "bars", "unavailable: not of the known format");
                /* What the device does not have is a line of zeros. */
                if (flags == 0)
                        continue;
                r = add_bar(bars, index, start, end, flags);
                if (r < 0)
                        return r;
        }
        return json_add(o, "bars", TAKE_PTR(bars));
}

/* What the members about devices are made of. */
typedef struct Source {
        int dir_fd;
        const Context *context;
        PciNames *names;
} Source;

/* Of a graphics device. */
static int add_vbios(struct json_object *o, const Source *source, const char *bdf, const PciDevice *device) {
        _cleanup_free_ char *image = NULL;
        size_t bytes;
        int r;

        if (device->class_id >> 16 != CLASS_DISPLAY)
                return 0;
        r = vbios_read(source->context->sys_root, bdf, device->vendor, device->device, &image, &bytes);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return json_add_string(o, "vbios", "unavailable: the firmware has left no copy of it, and to read it from the device "
                                "would disturb that");
        r = write_file_atomic_at(source->dir_fd, METADATA_VBIOS, image, bytes);
        return r < 0 ? r : json_add_string(o, "vbios", METADATA_VBIOS);
}

static int describe_device(struct json_object *o, const Source *source, const char *bdf) {
        _cleanup_(pci_device_done) PciDevice device = {};
        _cleanup_free_ char *vendor_name = NULL, *device_name = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = fd = pci_device_open(source->context->sys_root, bdf);
        if (r >= 0)
                r = pci_device_read(fd, &device);
        if (r < 0)
                return r == -ENOMEM ? r : json_add_unavailable(o, r);
        r = pci_names_plain_vendor(source->names, device.vendor, &vendor_name);
        if (r >= 0)
                r = pci_names_plain_device(source->names, device.vendor, device.device, &device_name);
        if (r >= 0)
                r = json_add_hex(o, "vendor", 4, device.vendor);
        if (r >= 0)
                r = json_add_hex(o, "device", 4, device.device);
        if (r >= 0)
                r = json_add_hex(o, "subsystem_vendor", 4, device.subsystem_vendor);
        if (r >= 0)
                r = json_add_hex(o, "subsystem_device", 4, device.subsystem_device);
        if (r >= 0)
                r = json_add_hex(o, "class", 6, device.class_id);
        if (r >= 0)
                r = json_add_hex(o, "revision", 2, device.revision);
        if (r >= 0)
                r = json_add_string(o, "vendor_name", vendor_name);
        if (r >= 0)
                r = json_add_string(o, "device_name", device_name);
        if (r >= 0)
                r = json_add_string(o, "driver_in_use", device.driver);
        if (r >= 0)
                r = add_vbios(o, source, bdf, &device);
        return r < 0 ? r : add_bars(o, fd);
}

static int add_device(struct json_object *array, const Source *source, const char *bdf, bool bound) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "address", bdf);
        if (r >= 0)
                r = json_add(o, "bound", json_object_new_boolean(bound));
        if (r >= 0)
                r = describe_device(o, source, bdf);
        if (r < 0)
                return r;
        if (json_object_array_add(array, o) < 0)
                return -ENOMEM;
        (void) TAKE_PTR(o);
        return 0;
}

/* What is bound, and behind it what could be: before the driver is loaded, that is all there is. */
static int add_devices(struct json_object *o, const Source *source, const Driver *driver) {
        _cleanup_json_ struct json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        STRV_FOREACH(bdf, driver->devices) {
                r = add_device(array, source, *bdf, true);
                if (r < 0)
                        return r;
        }
        STRV_FOREACH(bdf, driver->candidates) {
                if (strv_contains(driver->devices, *bdf))
                        continue;
                r = add_device(array, source, *bdf, false);
                if (r < 0)
                        return r;
        }
        return json_add(o, "devices", TAKE_PTR(array));
}

static int print_json(struct json_object *o, char **ret) {
        const char *text = json_object_to_json_string_ext(
                        o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
        char *copy;

        if (!text || asprintf(&copy, "%s\n", text) < 0)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

static int collect_driver(const Source *source, const Driver *driver, const char *problem, char **ret) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        static const Driver none = {};
        int r;

        if (!o)
                return -ENOMEM;
        if (!driver)
                driver = &none;
        r = json_add_string(o, "name", driver->name);
        if (r >= 0)
                r = json_add_string(o, "module", driver->module);
        if (r >= 0)
                r = json_add(o, "builtin", json_object_new_boolean(driver->builtin));
        if (r >= 0)
                r = json_add(o, "loaded", json_object_new_boolean(driver->loaded));
        if (r >= 0)
                r = json_add_string(o, "version", driver->version);
        if (r >= 0)
                r = json_add_string(o, "srcversion", driver->srcversion);
        if (r >= 0)
                r = json_add_string(o, "filename", driver->filename);
        if (r >= 0)
                r = json_add_strv(o, "pci_names", driver->pci_names);
        if (r >= 0)
                r = add_devices(o, source, driver);
        if (r >= 0)
                r = machine_add_module(source->context, driver->loaded || driver->builtin ? driver->module : NULL, o);
        if (r >= 0 && problem)
                r = json_add_string(o, "names_unavailable", problem);
        return r < 0 ? r : print_json(o, ret);
}

static int collect_machine(const Context *context, char **ret) {
        _cleanup_json_ struct json_object *o = NULL;
        int r;

        r = machine_collect(context, &o);
        return r < 0 ? r : print_json(o, ret);
}

/* Writes what was collected, or why nothing was, and keeps the first failure to write in *result. */
static void write_collected(int dir_fd, const char *name, int collected, const char *text, int *result) {
        _cleanup_free_ char *reason = NULL;
        int r = 0;

        if (collected < 0) {
                if (asprintf(&reason, "unavailable: %s\n", strerrordesc_np(-collected)) < 0) {
                        reason = NULL;
                        r = -ENOMEM;
                }
                text = reason;
        }
        if (r >= 0)
                r = write_file_atomic_at(dir_fd, name, text, strlen(text));
        if (r < 0 && *result >= 0)
                *result = r;
}

int metadata_collect(int dir_fd, const Context *context, const Driver *driver) {
        static const char no_displays[] = "unavailable: no driver of a graphics card with connectors is there\n";
        _cleanup_free_ char *uname_text = NULL, *lspci = NULL, *config = NULL, *pci_devices = NULL, *modules = NULL, *machine = NULL,
                            *displays = NULL, *json = NULL, *problem = NULL;
        _cleanup_pci_names_ PciNames *names = NULL;
        int r, result = 0;

        r = pci_names_new(NULL, &names, &problem);
        if (r < 0)
                return r;
        r = collect_uname(&uname_text);
        write_collected(dir_fd, METADATA_UNAME, r, uname_text, &result);
        r = collect_file(context->proc_root, "bus/pci/devices", PCI_DEVICES_MAX_BYTES, &pci_devices);
        write_collected(dir_fd, METADATA_PCI_DEVICES, r, pci_devices, &result);
        r = collect_lspci(context->sys_root, context->module_dir, names, problem, &lspci);
        write_collected(dir_fd, METADATA_LSPCI, r, lspci, &result);
        r = config_space_collect(context->sys_root, context->inspect_socket, names, &config);
        write_collected(dir_fd, METADATA_LSPCI_XXXX, r, config, &result);
        r = collect_file(context->proc_root, "modules", MODULES_MAX_BYTES, &modules);
        write_collected(dir_fd, METADATA_MODULES, r, modules, &result);
        r = displays_collect(dir_fd, context, &displays);
        write_collected(dir_fd, METADATA_DISPLAYS, r == -ENODATA ? 0 : r, r == -ENODATA ? no_displays : displays, &result);
        r = collect_machine(context, &machine);
        if (r < 0)
                return result < 0 ? result : r;
        write_collected(dir_fd, METADATA_MACHINE, 0, machine, &result);
        r = collect_driver(&(Source) { dir_fd, context, names }, driver, problem, &json);
        /* It comes from memory, and what it reads has its own members for failure: none is left but memory. */
        if (r < 0)
                return result < 0 ? result : r;
        write_collected(dir_fd, METADATA_DRIVER, 0, json, &result);
        r = identity_collect(dir_fd, context);
        return result < 0 ? result : r;
}

int metadata_save_kernel_log(int dir_fd, const KernelLogExcerpt *excerpt) {
        static const char none[] = "unavailable: the journal has no messages of the kernel from that boot\n";
        _cleanup_free_ char *text = NULL;
        int r, result = 0;

        r = kernel_log_format(excerpt, &text);
        write_collected(dir_fd, METADATA_KERNEL_LOG, r == -ENODATA ? 0 : r, r == -ENODATA ? none : text, &result);
        return result;
}

int metadata_main_device(
                const char *sys_root, const Driver *driver, char **ret_vendor_device, char **ret_device_name) {
        _cleanup_(pci_device_done) PciDevice device = {};
        _cleanup_free_ char *ids = NULL, *name = NULL;
        _cleanup_pci_names_ PciNames *names = NULL;
        _cleanup_close_ int fd = -EBADF;
        char *const *devices;
        int r;

        devices = !driver ? NULL : driver->devices ?: driver->candidates;
        if (!devices)
                return -ENODEV;
        fd = pci_device_open(sys_root, devices[0]);
        if (fd < 0)
                return fd;
        r = pci_device_read(fd, &device);
        if (r < 0)
                return r;
        r = pci_names_new(NULL, &names, NULL);
        if (r >= 0)
                r = pci_names_plain_device(names, device.vendor, device.device, &name);
        if (r < 0)
                return r;
        if (asprintf(&ids, "%04x%04x", device.vendor & 0xffff, device.device & 0xffff) < 0) {
                ids = NULL;
                return -ENOMEM;
        }
        *ret_vendor_device = TAKE_PTR(ids);
        *ret_device_name = TAKE_PTR(name);
        return 0;
}
