/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way back: what the undo journal says, from its end to its beginning, each step looked at after it was made. */

#include <fcntl.h>
#include <poll.h>

#include "control.h"
#include "driver.h"
#include "holders.h"
#include "offline-cpus.h"
#include "tracer.h"
#include "undo.h"

/* The kernel refuses a change with EBUSY while somebody holds a file that stands in its way, and sometimes that is only
 * somebody who is just closing it. All of the undoing together waits no longer. */
#define BUSY_USEC (5 * USEC_PER_SEC)
#define BUSY_WAIT_MSEC 100

typedef struct Undoing {
        const Context *context;
        uint64_t deadline_usec;
        char ***done;           /* NULL: nobody wants to know */
        Error *error;
} Undoing;

/* Returns false when there has been time enough. */
static bool wait_a_little(const Undoing *u) {
        if (now_monotonic_usec() >= u->deadline_usec)
                return false;
        (void) poll(NULL, 0, BUSY_WAIT_MSEC);
        return true;
}

static int tell_tracer_off(const Undoing *u, const CpuSet *before) {
        _cleanup_free_ char *cpus = NULL;
        CpuSet now;
        int r;

        if (!u->done)
                return 0;
        r = read_online_cpus(u->context->sys_root, NULL, &now);
        if (r >= 0)
                r = format_missing_cpus(&now, before, &cpus);
        if (r < 0)
                return r;
        if (isempty(cpus))
                return strv_extend(u->done, "mmiotrace is off.");
        return strv_extendf(u->done, "mmiotrace is off; online again: CPU %s.", cpus);
}

static int undo_tracer(const Undoing *u) {
        _cleanup_free_ char *current = NULL, *after = NULL;
        CpuSet before;
        int r;

        r = control_read("current_tracer", &current);
        if (r >= 0 && !streq(current, "mmiotrace"))
                return 0;
        if (r >= 0)
                r = read_online_cpus(u->context->sys_root, NULL, &before);
        if (r >= 0)
                do
                        r = control_write("current_tracer", "nop");
                while (r == -EBUSY && wait_a_little(u));
        if (r == -EBUSY)
                return holders_refuse(u->context, HOLDERS_OF_PIPES, "mmiotrace stays on and CPUs stay offline, because another "
                                "program holds a trace pipe open", u->error);
        if (r >= 0)
                r = control_read("current_tracer", &after);
        if (r < 0)
                return error_set_errno(u->error, ERROR_KERNEL, r, "Cannot switch mmiotrace off");
        if (streq(after, "mmiotrace"))
                return error_set(u->error, ERROR_KERNEL, "The kernel took \"nop\" as its tracer, but mmiotrace is still on.");
        return tell_tracer_off(u, &before);
}

static int bring_online(const Undoing *u, unsigned cpu) {
        _cleanup_free_ char *path = NULL, *online = NULL;
        int r;

        if (asprintf(&path, "%s/devices/system/cpu/cpu%u/online", u->context->sys_root, cpu) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        do
                r = write_control_at(AT_FDCWD, path, "1");
        while (r == -EBUSY && wait_a_little(u));
        if (r >= 0)
                r = read_line_at(AT_FDCWD, path, &online);
        if (r >= 0 && !streq(online, "1"))
                r = -EIO;
        if (r < 0)
                return error_set_errno(u->error, ERROR_KERNEL, r, "CPU %u stays offline", cpu);
        return u->done ? strv_extendf(u->done, "CPU %u was still offline, and was brought online by hand.", cpu) : 0;
}

/* The tracer brings back the CPUs that it took down; one that it could not bring back is tried once more. */
static int undo_cpus(const Undoing *u, const char *list) {
        CpuSet before, now;
        int r, result = 0;

        r = cpu_set_parse(list, &before);
        if (r >= 0)
                r = read_online_cpus(u->context->sys_root, NULL, &now);
        if (r < 0)
                return error_set_errno(u->error, ERROR_KERNEL, r, "Cannot find out which CPUs are online");
        for (unsigned i = 0; i < CPUS_MAX; i++) {
                if (!cpu_set_has(&before, i) || cpu_set_has(&now, i))
                        continue;
                r = bring_online(u, i);
                if (r < 0)
                        result = r;
        }
        return result;
}

int tracer_bring_cpus_online(const Context *context, char ***done) {
        const Undoing u = { context, now_monotonic_usec() + BUSY_USEC, done, NULL };
        _cleanup_free_ char *path = NULL, *cmdline = NULL;
        OfflineCpus off;
        int r;

        if (asprintf(&path, "%s/cmdline", context->proc_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        (void) read_line_at(AT_FDCWD, path, &cmdline);
        r = offline_cpus_find(context->sys_root, strempty(cmdline), &off);
        for (unsigned i = 0; i < CPUS_MAX && r >= 0; i++) {
                if (!cpu_set_has(&off.left, i))
                        continue;
                r = bring_online(&u, i);
                /* What the kernel says of a second thread while SMT is off (kernel/cpu.c, cpu_up()). That is as it was. */
                if (r == -EPERM && off.smt_off)
                        r = 0;
                else if (r < 0)
                        r = strv_extendf(done, "CPU %u stays offline: %s.", i, strerrordesc_np(-r));
        }
        return r;
}

static int undo_bind(const Undoing *u, const char *driver, const char *device) {
        _cleanup_free_ char *link = NULL;
        int r;

        if (asprintf(&link, "%s/bus/pci/devices/%s/driver", u->context->sys_root, device) < 0) {
                link = NULL;
                return -ENOMEM;
        }
        if (access(link, F_OK) >= 0)
                return 0;
        r = driver_bind(u->context->sys_root, driver, device);
        if (r < 0)
                return error_set_errno(u->error, ERROR_BIND_FAILED, r, "The driver %s did not take %s back", driver, device);
        return u->done ? strv_extendf(u->done, "%s has its driver %s again.", device, driver) : 0;
}

static bool is_ring_size(const char *name) {
        const char *end = strrchr(name, '/');

        return streq(end ? end + 1 : name, "buffer_size_kb");
}

typedef enum Match {
        MATCH_EXACT,
        MATCH_ROUNDED,          /* a ring's size may be more, by less than a sub-buffer: those are whole */
} Match;

#define SUBBUF_MAX_KB 512       /* kernel/trace/trace.c, buffer_subbuf_size_write() */

static int control_holds(const char *name, const char *value, Match match) {
        _cleanup_free_ char *text = NULL, *selected = NULL;
        uint64_t now_kb, kb;
        int r;

        r = control_read(name, &text);
        if (r < 0)
                return r;
        if (streq(text, value) || (tracer_parse_selected(text, &selected) >= 0 && streq(selected, value)))
                return 1;
        if (!is_ring_size(name))
                return 0;
        /* "7 (expanded: 1408)": a ring that was never sized, so that there is nothing to undo. */
        if (strstr(text, "expanded"))
                return 1;
        return match == MATCH_ROUNDED && parse_u64(text, &now_kb) >= 0 && parse_u64(value, &kb) >= 0 && now_kb >= kb &&
                now_kb - kb < SUBBUF_MAX_KB;
}

/* A ring is not resized while the file "trace" is open; 6.1 has another errno for it (kernel/trace/trace.c,
 * __tracing_resize_ring_buffer()). */
static bool may_pass(const char *name, int r) {
        return r == -EBUSY || (r == -ENOMEM && is_ring_size(name));
}

static int undo_control(const Undoing *u, const char *name, const char *value) {
        int r;

        /* Undone before, or never done because the kernel refused it. */
        if (control_holds(name, value, MATCH_EXACT) > 0)
                return 0;
        do
                r = control_write(name, value);
        while (may_pass(name, r) && wait_a_little(u));
        if (may_pass(name, r) && is_ring_size(name))
                return holders_refuse(u->context, HOLDERS_OF_RING, "The ring buffer keeps the size of the session, because "
                                "another program has the trace open", u->error);
        if (r >= 0)
                r = control_holds(name, value, MATCH_ROUNDED);
        if (r == 0)
                return error_set(u->error, ERROR_KERNEL, "The kernel took %s for %s, and did not set it.", value, name);
        if (r < 0)
                return error_set_errno(u->error, ERROR_KERNEL, r, "Cannot set %s back to %s", name, value);
        return u->done ? strv_extendf(u->done, "%s is %s again.", name, value) : 0;
}

static int undo_sysctl(const Undoing *u, const char *name, const char *value) {
        _cleanup_free_ char *before = NULL, *after = NULL;
        int r;

        r = sysctl_read(u->context->proc_root, name, &before);
        if (r >= 0 && streq(before, value))
                return 0;
        if (r >= 0)
                r = sysctl_write(u->context->proc_root, name, value);
        if (r >= 0)
                r = sysctl_read(u->context->proc_root, name, &after);
        if (r < 0)
                return error_set_errno(u->error, ERROR_KERNEL, r, "Cannot set /proc/sys/%s back to %s", name, value);
        if (!streq(after, value))
                return error_set(u->error, ERROR_KERNEL, "The kernel took %s for /proc/sys/%s, and did not set it.", value, name);
        return u->done ? strv_extendf(u->done, "/proc/sys/%s is %s again.", name, value) : 0;
}

static int undo_entry(const Undoing *u, const UndoEntry *entry) {
        switch (entry->kind) {
        case UNDO_CONTROL:
                return undo_control(u, entry->name, entry->value);
        case UNDO_TRACER:
                return undo_tracer(u);
        case UNDO_CPUS:
                return undo_cpus(u, entry->value);
        case UNDO_BIND:
                return undo_bind(u, entry->name, entry->value);
        case UNDO_SYSCTL:
                return undo_sysctl(u, entry->name, entry->value);
        default:
                return 0;
        }
}

int tracer_restore(const Context *context, int runtime_fd, const char *boot_id, char ***done, Error *error) {
        const Undoing u = { context, now_monotonic_usec() + BUSY_USEC, done, error };
        _cleanup_free_ char *dir = NULL;
        _cleanup_undo_ Undo undo = {};
        int r, result = 0;

        r = undo_load(runtime_fd, boot_id, &undo);
        if (r == -ENOENT)
                return 0;
        if (r == -ESTALE)
                result = TRACER_JOURNAL_DROPPED;
        else if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read the undo journal");
        else {
                r = tracer_find_dir(context, &dir, error);
                if (r < 0)
                        return r;
                result = 1;
        }

        for (size_t i = undo.n_entries; i-- > 0;) {
                r = undo_entry(&u, undo.entries + i);
                /* Under mmiotrace, switching tracing_on wipes the ring, and sizes cannot be trusted. */
                if (r < 0 && undo.entries[i].kind == UNDO_TRACER)
                        return r;
                if (r < 0)
                        result = r;
        }
        if (result < 0)
                return result;
        r = undo_remove(runtime_fd);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot remove the undo journal");
        return result;
}
