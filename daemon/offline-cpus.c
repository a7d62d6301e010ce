/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "boot-arguments.h"
#include "control.h"
#include "offline-cpus.h"

static int read_cpu_file(const char *sys_root, const char *name, char **ret) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/devices/system/cpu/%s", sys_root, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return read_line_at(AT_FDCWD, path, ret);
}

/* The kernel brings up so many of those that are present, from the lowest on (kernel/cpu.c, bringup_nonboot_cpus()); 0 is
 * nosmp, and leaves one present, as nr_cpus= leaves fewer. */
static uint64_t booted_max(const char *cmdline) {
        _cleanup_free_ char *value = NULL;
        uint64_t n;

        if (boot_argument_get(cmdline, "maxcpus", &value) <= 0 || parse_u64(value, &n) < 0 || n == 0)
                return CPUS_MAX;
        return n;
}

static bool smt_is_off(const char *sys_root) {
        _cleanup_free_ char *control = NULL;

        return read_cpu_file(sys_root, "smt/control", &control) >= 0 && (streq(control, "off") || streq(control, "forceoff"));
}

int offline_cpus_find(const char *sys_root, const char *cmdline, OfflineCpus *ret) {
        _cleanup_free_ char *line = NULL;
        CpuSet present, online;
        OfflineCpus off = {};
        uint64_t max, n = 0;
        int r;

        r = read_cpu_file(sys_root, "present", &line);
        if (r >= 0)
                r = cpu_set_parse(line, &present);
        if (r >= 0)
                r = read_online_cpus(sys_root, NULL, &online);
        if (r < 0)
                return r;
        max = booted_max(cmdline);
        for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
                if (!cpu_set_has(&present, cpu))
                        continue;
                n++;
                if (!cpu_set_has(&online, cpu))
                        cpu_set_add(n > max ? &off.by_maxcpus : &off.left, cpu);
        }
        off.smt_off = smt_is_off(sys_root);
        /* A CPU that is off has no topology in /sys, so that nothing says which ones are second threads. There are two of
         * a core at the most on x86 (four on a Xeon Phi): where more are off than on, SMT is not the reason for all. */
        if (off.smt_off && cpu_set_count(&off.left) <= cpu_set_count(&online)) {
                off.by_smt = off.left;
                off.left = (CpuSet) {};
        }
        *ret = off;
        return 0;
}

const char *cpu_refusal(int error) {
        switch (error) {
        case -EBUSY:
                /* kernel/cpu.c, cpu_down_maps_locked(); kernel/sched/core.c, dl_bw_check_overflow() */
                return "it is busy, as the last CPU that is not isolated (isolcpus=), as one with deadline tasks, or because CPUs stay as "
                       "they are during a suspend";
        case -ENOSPC:
                /* arch/x86/kernel/apic/vector.c, lapic_can_unplug_cpu() */
                return "the other CPUs have no interrupt vectors left for its devices";
        case -EPERM:
                return "it is not one that can be taken offline";
        case -EOPNOTSUPP:
                /* kernel/cpu.c, cpu_down_maps_locked(), CC_ATTR_HOTPLUG_DISABLED */
                return "a confidential guest has to keep its CPUs";
        default:
                return error < 0 ? strerrordesc_np(-error) : "the kernel does not say why";
        }
}
