/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Can the driver's devices be traced: does somebody else hold them, and what will be seen of them? */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>

#include "boot-arguments.h"
#include "preflight.h"
#include "sysfs.h"

#define GIB (1024 * MIB)
#define PAGE_BYTES 4096
#define PCI_BARS 6

/* include/linux/ioport.h */
#define RESOURCE_IO 0x100
#define RESOURCE_MEMORY 0x200

/* A page that is traced costs the more the more there are (arch/x86/mm/kmmio.c, register_kmmio_probe(), 16 lists): with
 * small pages only, this many bytes are what a machine bears. */
#define SMALL_PAGES_MAX_BYTES (256 * MIB)

#define CLASS_DISPLAY 0x03

typedef struct Devices {
        const Preflight *preflight;
        const Driver *driver;
        char **all;                                     /* bound, or possible */
        char **held, **holders;                         /* by another driver, and that one's name */
        char **without_memory, **unaligned, **large;    /* addresses */
        char **displays;
        bool small_pages;                               /* nohugeiomap */
} Devices;

static void devices_done(Devices *d) {
        strv_free(d->all);
        strv_free(d->held);
        strv_free(d->holders);
        strv_free(d->without_memory);
        strv_free(d->unaligned);
        strv_free(d->large);
        strv_free(d->displays);
}

static int open_device(const Devices *d, const char *address) {
        char path[PATH_MAX];
        int fd;

        (void) snprintf(path, sizeof path, "%s/bus/pci/devices/%s", d->preflight->context->sys_root, address);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int look_at_holder(Devices *d, int device_fd, const char *address) {
        _cleanup_free_ char *name = NULL;
        int r;

        if (strv_contains(d->driver->devices, address))
                return 0;
        r = sysfs_link_name_at(device_fd, "driver", &name);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (!text_is_clean(name, false))
                return 0;
        r = strv_extend(&d->holders, name);
        return r < 0 ? r : strv_extend(&d->held, address);
}

/* Lines of "start end flags" (drivers/pci/pci-sysfs.c, resource_show()), of which the first six are the BARs. */
static int look_at_bars(Devices *d, int device_fd, const char *address) {
        bool memory = false, unaligned = false, large = false;
        _cleanup_free_ char *text = NULL;
        char *state = NULL;
        unsigned n = 0;
        int r = 0;

        if (read_file_at(device_fd, "resource", 64 * KIB, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &state); line && n < PCI_BARS; line = strtok_r(NULL, "\n", &state), n++) {
                uint64_t start, end, flags, bytes;

                if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3)
                        return 0;
                if (!(flags & RESOURCE_MEMORY) || end <= start)
                        continue;
                bytes = end - start + 1;
                memory = true;
                unaligned |= start % PAGE_BYTES != 0;
                large |= d->small_pages ? bytes > SMALL_PAGES_MAX_BYTES : bytes >= GIB;
        }
        if (!memory)
                r = strv_extend(&d->without_memory, address);
        if (r >= 0 && unaligned)
                r = strv_extend(&d->unaligned, address);
        if (r >= 0 && large)
                r = strv_extend(&d->large, address);
        return r;
}

static int look_at_device(Devices *d, const char *address) {
        _cleanup_close_ int fd = open_device(d, address);
        _cleanup_free_ char *class = NULL;
        uint64_t number;
        int r;

        /* Gone meanwhile. */
        if (fd < 0)
                return 0;
        if (read_line_at(fd, "class", &class) >= 0 && parse_u64(class, &number) >= 0 && number >> 16 == CLASS_DISPLAY) {
                r = strv_extend(&d->displays, address);
                if (r < 0)
                        return r;
        }
        r = look_at_holder(d, fd, address);
        return r < 0 ? r : look_at_bars(d, fd, address);
}

/* "echo A > B", for each of the devices that are held. */
static char *format_unbinding(const Devices *d) {
        _cleanup_strv_ char **commands = NULL;

        for (size_t i = 0; d->held[i]; i++)
                if (strv_extendf(&commands, "\"echo %s > /sys/bus/pci/drivers/%s/unbind\"", d->held[i], d->holders[i]) < 0)
                        return NULL;
        return preflight_list(d->preflight, commands, NULL);
}

static void report_holders(const Devices *d) {
        const char *name = d->driver->name, *them;
        _cleanup_free_ char *held = NULL, *unbinding = NULL;
        Findings *f = d->preflight->findings;

        if (!d->held) {
                findings_add(f, "other-driver", FINDING_OK, "No other driver holds a device of %s", name);
                return;
        }
        them = strv_length(d->held) > 1 ? "them" : "it";
        held = preflight_list(d->preflight, d->held, d->holders);
        unbinding = format_unbinding(d);
        if (!held || !unbinding)
                return;
        /* Then loading it would bind nothing. */
        if (d->preflight->options->load && strv_length(d->held) == strv_length(d->all))
                findings_block(f, "other-driver", ERROR_DRIVER_BOUND, true,
                               "Another driver holds what %s could drive: %s\ntake %s off first (%s)", name, held, them, unbinding);
        else
                findings_add(f, "other-driver", FINDING_WARNING,
                             "Another driver holds what %s could drive: %s\ntake %s off if that is what you want to trace (%s)", name,
                             held, them, unbinding);
}

static void report_bars(const Devices *d) {
        _cleanup_free_ char *none = preflight_list(d->preflight, d->without_memory, NULL),
                            *unaligned = preflight_list(d->preflight, d->unaligned, NULL),
                            *large = preflight_list(d->preflight, d->large, NULL);
        Findings *f = d->preflight->findings;

        if (!none || !unaligned || !large)
                return;
        if (*none)
                findings_add(f, "bars-without-memory", FINDING_WARNING,
                             "There is no memory to map on %s: what a driver does through I/O ports or configuration space is not "
                             "traced\ntrace a device that has a BAR in memory (\"lspci -v\" shows it)", none);
        else
                findings_add(f, "bars-without-memory", FINDING_OK, "The devices have memory that can be traced");
        if (*unaligned)
                findings_add(f, "bars-unaligned", FINDING_WARNING,
                             "A BAR of %s begins in the middle of a page, and accesses to the first page of such a mapping are not "
                             "recorded\ntake its place into account when you read the log", unaligned);
        else
                findings_add(f, "bars-unaligned", FINDING_OK, "The BARs begin at the beginning of a page");
        if (*large && d->small_pages)
                findings_add(f, "bars-large", FINDING_WARNING,
                             "A BAR of %s is larger than 256M, and with nohugeiomap the machine can freeze when all of it is mapped\n"
                             "boot without nohugeiomap", large);
        else if (*large)
                findings_add(f, "bars-large", FINDING_WARNING,
                             "A BAR of %s has 1G or more, and what is mapped in pages of 1G is not traced\n"
                             "boot with nohugeiomap, but only if the driver maps less than 256M of it", large);
        else
                findings_add(f, "bars-large", FINDING_OK, "No BAR is too large to be traced");
}

void preflight_devices(const Preflight *p, const Driver *driver) {
        _cleanup_(devices_done) Devices d = { .preflight = p, .driver = driver };
        _cleanup_free_ char *value = NULL, *list = NULL, *elsewhere = NULL;
        int r = 0;

        d.small_pages = boot_argument_get(p->cmdline, "nohugeiomap", &value) > 0;
        STRV_FOREACH(address, driver->devices)
                if (r >= 0)
                        r = strv_extend(&d.all, *address);
        STRV_FOREACH(address, driver->candidates)
                if (r >= 0 && !strv_contains(d.all, *address))
                        r = strv_extend(&d.all, *address);
        STRV_FOREACH(address, d.all)
                if (r >= 0)
                        r = look_at_device(&d, *address);
        if (r < 0) {
                p->findings->r = p->findings->r < 0 ? p->findings->r : r;
                return;
        }
        list = preflight_list(p, d.all, NULL);
        elsewhere = preflight_list(p, driver->elsewhere, NULL);
        if (!list || !elsewhere)
                return;
        if (!d.all && driver->elsewhere) {
                findings_add(p->findings, "driver-devices", FINDING_NOTE,
                             "%s has no device on the PCI bus, but %s: what it maps for them is traced, and nothing else is known of "
                             "them beforehand", driver->name, elsewhere);
                return;
        }
        if (!d.all) {
                findings_add(p->findings, "driver-devices", FINDING_WARNING,
                             "This machine has no PCI device that %s is known to drive, so there may be nothing to trace\n"
                             "\"lspci -k\" shows the devices and their drivers", driver->name);
                return;
        }
        findings_add(p->findings, "driver-devices", FINDING_OK, "The devices of %s: %s", driver->name, list);
        report_holders(&d);
        report_bars(&d);
        if (d.displays)
                preflight_display(p, driver, d.displays);
}
