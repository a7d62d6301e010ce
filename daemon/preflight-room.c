/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Is there room for a session: CPUs that make way, memory for the ring, disk for the log? */

#include <inttypes.h>

#include "control.h"
#include "offline-cpus.h"
#include "preflight.h"
#include "ring-size.h"
#include "storage.h"

static bool has_file(const Preflight *p, const char *path) {
        _cleanup_free_ char *full = NULL;

        if (asprintf(&full, "%s/devices/system/cpu/%s", p->context->sys_root, path) < 0) {
                full = NULL;
                return false;
        }
        return access(full, F_OK) >= 0;
}

/* The one that the kernel keeps: arch/x86/mm/mmio-mod.c, enter_uniprocessor(). */
static unsigned first_cpu(const CpuSet *set) {
        unsigned cpu = 0;

        while (cpu < CPUS_MAX && !cpu_set_has(set, cpu))
                cpu++;
        return cpu;
}

/* Where the one that is kept is isolated, the last one that is not has to stay for everything else
 * (kernel/cpu.c, cpu_down_maps_locked(); it says EBUSY). They are taken down from the lowest to the highest. */
static void find_housekeeper(const Preflight *p, const CpuSet *online, unsigned kept, CpuSet *staying) {
        _cleanup_free_ char *list = preflight_read(p->context->sys_root, "devices/system/cpu/isolated");
        CpuSet isolated;

        if (isempty(list) || cpu_set_parse(list, &isolated) < 0 || !cpu_set_has(&isolated, kept))
                return;
        for (unsigned cpu = CPUS_MAX; cpu-- > kept + 1;)
                if (cpu_set_has(online, cpu) && !cpu_set_has(&isolated, cpu)) {
                        cpu_set_add(staying, cpu);
                        return;
                }
}

static void fail(const Preflight *p, int r) {
        p->findings->r = p->findings->r < 0 ? p->findings->r : r;
}

/* Not whether they will come back from a session, but whether they have come back from an earlier one, a script's most
 * often. */
static void check_offline(const Preflight *p) {
        static const CpuSet none = {};
        _cleanup_free_ char *left = NULL, *by_maxcpus = NULL, *by_smt = NULL;
        OfflineCpus off;
        int r;

        r = offline_cpus_find(p->context->sys_root, p->cmdline, &off);
        if (r < 0) {
                findings_add(p->findings, "cpus-offline", FINDING_NOTE,
                             "Whether a CPU was left offline is not known, as the list of those that are there cannot be read: %s",
                             strerrordesc_np(-r));
                return;
        }
        r = format_missing_cpus(&off.left, &none, &left);
        if (r >= 0)
                r = format_missing_cpus(&off.by_maxcpus, &none, &by_maxcpus);
        if (r >= 0)
                r = format_missing_cpus(&off.by_smt, &none, &by_smt);
        if (r < 0)
                fail(p, r);
        else if (!isempty(left))
                findings_add(p->findings, "cpus-offline", FINDING_WARNING,
                             "CPU %s %s offline, and the kernel's command line does not ask for that%s: a script that used mmiotrace "
                             "may have done that\n\"mmiotracectl recover\" brings back all of them, so that what was off on purpose has "
                             "to be taken off again",
                             left, cpu_set_count(&off.left) == 1 ? "is" : "are",
                             off.smt_off ? ", and that SMT is off explains half of it at the most" : "");
        else if (isempty(by_maxcpus) && isempty(by_smt))
                findings_add(p->findings, "cpus-offline", FINDING_OK, "All CPUs that this machine has are online");
        else
                findings_add(p->findings, "cpus-offline", FINDING_OK, "No CPU is offline but %s%s%s%s%s",
                             by_maxcpus, isempty(by_maxcpus) ? "" : " (maxcpus=)",
                             isempty(by_maxcpus) || isempty(by_smt) ? "" : " and ", by_smt, isempty(by_smt) ? "" : " (SMT is off)");
}

void preflight_cpus(const Preflight *p) {
        _cleanup_free_ char *list = NULL, *others = NULL, *stay = NULL;
        CpuSet online, one = {}, staying = {}, none = {};
        bool hotplug = has_file(p, "hotplug");
        unsigned kept;
        int r;

        r = read_online_cpus(p->context->sys_root, &list, &online);
        if (r < 0 || cpu_set_count(&online) == 0) {
                findings_block(p->findings, "cpus", ERROR_KERNEL, false, "Cannot find out which CPUs are online: %s",
                               strerrordesc_np(r < 0 ? -r : EBADMSG));
                return;
        }
        /* The session that is running has taken them down. */
        if (!p->busy || p->busy->code == ERROR_NONE)
                check_offline(p);
        kept = first_cpu(&online);
        cpu_set_add(&one, kept);
        if (cpu_set_count(&online) == 1) {
                findings_add(p->findings, "cpus", FINDING_OK, "Only CPU %u is online, and it will record", kept);
                findings_add(p->findings, "cpus-stay", FINDING_OK, "No other CPU is online that would have to be taken offline");
                return;
        }
        for (unsigned cpu = kept + 1; cpu < CPUS_MAX; cpu++) {
                char path[32];

                (void) snprintf(path, sizeof path, "cpu%u/online", cpu);
                if (cpu_set_has(&online, cpu) && (!hotplug || !has_file(p, path)))
                        cpu_set_add(&staying, cpu);
        }
        find_housekeeper(p, &online, kept, &staying);

        r = format_missing_cpus(&online, &one, &others);
        if (r >= 0)
                r = format_missing_cpus(&staying, &none, &stay);
        if (r < 0) {
                fail(p, r);
                return;
        }
        findings_add(p->findings, "cpus", FINDING_NOTE,
                     "CPU %u will record, and %s will be offline until the session is stopped\nend what needs them, and do not do it "
                     "to a machine on which others depend", kept, others);
        if (isempty(stay))
                findings_add(p->findings, "cpus-stay", FINDING_OK, "All CPUs but the one that records can be taken offline");
        else
                findings_add(p->findings, "cpus-stay", FINDING_WARNING,
                             "CPU %s cannot be taken offline: accesses that two CPUs make at the same time can be lost without any "
                             "trace of it\nboot with maxcpus=1, or without isolcpus=", stay);
}

static void check_memory(const Preflight *p) {
        const SessionOptions *o = p->options;
        const TracerOptions options = {
                .buffer_bytes = o->buffer_bytes,
                .n_expected = o->n_expected,
                .keep_oldest = o->keep_oldest,
                .stacks = o->stacks,
        };
        _cleanup_error_ Error error = {};
        uint64_t bytes;

        if (ring_size_choose(p->context, &options, &bytes, &error) < 0)
                findings_block_error(p->findings, "ring-memory", false, &error);
        else
                findings_add(p->findings, "ring-memory", FINDING_OK, "There is memory for a ring of %s", FORMAT_BYTES(bytes));
}

static void check_disk(const Preflight *p) {
        uint64_t raw_bytes = ring_size_of_events(p->options->n_expected, p->options->stacks), room_bytes,
                 wanted_bytes = storage_whole_bytes(raw_bytes, p->options->keep_raw);
        _cleanup_error_ Error error = {};
        StorageLimits limits;
        StorageSpace space;
        bool makes_room;
        int r;

        r = storage_look(p->sessions_fd, &space);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_NO_SPACE, r, "Cannot find out how much room the disk has");
                findings_block_error(p->findings, "disk-space", false, &error);
                return;
        }
        storage_limits(&p->context->config.storage, space.total_bytes, &limits);
        makes_room = p->spare_bytes > 0 && storage_room_bytes(&space, &limits) < STORAGE_START_BYTES;
        if (makes_room) {
                space.free_bytes += p->spare_bytes;
                space.used_bytes -= MIN(space.used_bytes, p->spare_bytes);
        }
        if (storage_check_room(&space, &limits, STORAGE_START_BYTES, p->removable, &error) < 0) {
                findings_block_error(p->findings, "disk-space", false, &error);
                return;
        }
        room_bytes = storage_room_bytes(&space, &limits);
        if (wanted_bytes > room_bytes)
                findings_add(p->findings, "disk-space", FINDING_WARNING,
                             "There is room for %s on the disk, and %" PRIu64 " events take %s before they are packed\n"
                             "make room in /var/lib/mmiotraced, or raise MaxUse= in mmiotraced.conf",
                             FORMAT_BYTES(room_bytes), p->options->n_expected, FORMAT_BYTES(wanted_bytes));
        else if (makes_room)
                findings_add(p->findings, "disk-space", FINDING_NOTE,
                             "There is room for %s on the disk once the oldest sessions are removed that were exported\n"
                             "protect those that are to stay (\"mmiotracectl protect\"): a start removes the others as far as needed",
                             FORMAT_BYTES(room_bytes));
        else
                findings_add(p->findings, "disk-space", FINDING_OK, "There is room for %s on the disk", FORMAT_BYTES(room_bytes));
}

void preflight_room(const Preflight *p) {
        check_memory(p);
        if (p->sessions_fd >= 0)
                check_disk(p);
}
