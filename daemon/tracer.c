/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <tracefs/tracefs.h>

#include "control.h"
#include "holders.h"
#include "offline-cpus.h"
#include "ring-size.h"
#include "ring.h"
#include "tracer-watch.h"
#include "tracer.h"
#include "undo.h"

/* How full the ring may be at most until poll() wakes the drain early: that leaves most of it for the time in which the
 * drain does not come to run. */
#define RING_WAKE_MAX_PERCENT UINT64_C(25)

/* What the kernel gives every CPU of a ring that was never sized (kernel/trace/trace.c, trace_buf_size). */
#define RING_KERNEL_DEFAULT_KB "1408"

int tracer_parse_selected(const char *list, char **ret) {
        const char *start = strchr(list, '['), *end = start ? strchr(start, ']') : NULL;
        char *s;

        if (!end)
                return -EBADMSG;
        s = strndup(start + 1, (size_t) (end - start - 1));
        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

static bool lockdown_hides_tracing(const Context *context) {
        _cleanup_free_ char *path = NULL, *line = NULL;

        if (asprintf(&path, "%s/kernel/security/lockdown", context->sys_root) < 0) {
                path = NULL;
                return false;
        }
        return read_line_at(AT_FDCWD, path, &line) >= 0 && strstr(line, "[confidentiality]");
}

/* Not merely the folder: without tracefs mounted on it, it is there all the same, empty, and of sysfs. */
static bool is_of(const char *dir, long file_system) {
        struct statfs st;

        return statfs(dir, &st) >= 0 && st.f_type == file_system;
}

int tracer_find_dir(const Context *context, char **ret, Error *error) {
        static const char *const places[] = { "kernel/tracing", "kernel/debug/tracing" };
        _cleanup_free_ char *dir = NULL, *tracers = NULL;

        if (context->tracing_dir) {
                dir = strdup(context->tracing_dir);
                if (!dir)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < ELEMENTS(places) && !dir; i++) {
                if (asprintf(&dir, "%s/%s", context->sys_root, places[i]) < 0) {
                        dir = NULL;
                        return -ENOMEM;
                }
                if (!is_of(dir, TRACEFS_MAGIC)) {
                        free(dir);
                        dir = NULL;
                }
        }
        if (!dir)
                return error_set(error, ERROR_NO_TRACEFS,
                                "tracefs is not mounted; mount it with \"mount -t tracefs nodev /sys/kernel/tracing\".");
        if (asprintf(&tracers, "%s/available_tracers", dir) < 0) {
                tracers = NULL;
                return -ENOMEM;
        }
        if (access(tracers, F_OK) < 0) {
                if (lockdown_hides_tracing(context))
                        return error_set(error, ERROR_LOCKDOWN,
                                        "The kernel is locked down at level \"confidentiality\", which forbids tracing; "
                                        "boot with lockdown=integrity or less.");
                if (is_of(dir, SYSFS_MAGIC))
                        return error_set(error, ERROR_NO_TRACEFS,
                                        "tracefs was not mounted when the service was started; mount it and restart the service: "
                                        "\"systemctl start sys-kernel-tracing.mount && systemctl restart mmiotraced\".");
                return error_set(error, ERROR_NO_TRACEFS,
                                "tracefs at %s is empty: tracing was switched off when this kernel booted; "
                                "\"journalctl -k -g tracing\" says why.", dir);
        }
        if (tracefs_set_tracing_dir(dir) < 0)
                return error_set_errno(error, ERROR_NO_TRACEFS, -errno, "Cannot use tracefs at %s", dir);
        *ret = TAKE_PTR(dir);
        return 0;
}

int tracer_list(const Context *context, char **ret, Error *error) {
        int r;

        r = control_read("available_tracers", ret);
        if (r == -EPERM && lockdown_hides_tracing(context))
                return error_set(error, ERROR_LOCKDOWN,
                                "The kernel is locked down at level \"confidentiality\", which forbids tracing; "
                                "boot with lockdown=integrity or less.");
        /* tracing_disabled in kernel/trace/trace.c, tracing_check_open_get_tr(). */
        if (r == -ENODEV) {
                (void) error_set(error, ERROR_NO_TRACEFS,
                                "The kernel has switched all tracing off, after an error of its own or by an argument of the boot; "
                                "\"journalctl -k -g trac\" says why, and another boot brings it back.");
                return r;
        }
        return r < 0 ? error_set_errno(error, ERROR_NO_TRACEFS, r, "Cannot read the list of tracers") : 0;
}

void tracer_armed_done(TracerArmed *armed) {
        free(armed->online);
        free(armed->offline);
        free(armed->clock);
        strv_free(armed->warnings);
        *armed = (TracerArmed) {};
}

/* What every step of arming needs. */
typedef struct Arming {
        const Context *context;
        int runtime_fd;
        const char *boot_id;
        TracerArmed *armed;
        Error *error;
} Arming;

static int add_undo(const Arming *a, UndoKind kind, const char *name, const char *value) {
        int r;

        r = undo_add(a->runtime_fd, a->boot_id, kind, name, value);
        if (r < 0)
                return error_set_errno(a->error, ERROR_NO_SPACE, r, "Cannot write the undo journal, so nothing was changed");
        return 0;
}

/* A number up to 6.8, a text since: there "2" and "orig_cpu" are the same, and others may name instances, too
 * (kernel/trace/trace.c, ftrace_dump_on_oops). What was there comes back as it was. */
static int change_oops_dump(const Arming *a, OopsDump dump) {
        const char *value = dump == OOPS_DUMP_ALL ? "1" : "2";
        _cleanup_free_ char *old = NULL;
        int r;

        if (dump == OOPS_DUMP_UNCHANGED)
                return 0;
        r = sysctl_read(a->context->proc_root, TRACER_OOPS_DUMP, &old);
        if (r >= 0 && streq(old, value))
                return 0;
        if (r >= 0) {
                r = add_undo(a, UNDO_SYSCTL, TRACER_OOPS_DUMP, old);
                if (r < 0)
                        return r;
                r = sysctl_write(a->context->proc_root, TRACER_OOPS_DUMP, value);
        }
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot set kernel.ftrace_dump_on_oops, which DumpOnOops= in "
                                "mmiotraced.conf asks for");
        return 0;
}

/* Sets a control file, with old in the journal as the value to go back to. */
static int change(const Arming *a, const char *name, const char *old, const char *value) {
        int r;

        if (streq(old, value))
                return 0;
        r = add_undo(a, UNDO_CONTROL, name, old);
        if (r < 0)
                return r;
        r = control_write(name, value);
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "The kernel refused \"%s\" for %s", value, name);
        return 0;
}

static int change_plain(const Arming *a, const char *name, const char *value) {
        _cleanup_free_ char *old = NULL;
        int r;

        r = control_read(name, &old);
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot read %s", name);
        return change(a, name, old, value);
}

/* Another tracer is only in use here if somebody insisted. It comes back, without the data that it had. */
static int end_other_tracer(const Arming *a) {
        return change_plain(a, "current_tracer", "nop");
}

/* In the journal also where it is on already: the end of the drain switches it off. */
static int switch_recording_on(const Arming *a) {
        _cleanup_free_ char *old = NULL;
        int r;

        r = control_read("tracing_on", &old);
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot read tracing_on");
        r = add_undo(a, UNDO_CONTROL, "tracing_on", old);
        if (r < 0)
                return r;
        r = control_write("tracing_on", "1");
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "The kernel refused to switch the recording on");
        return 0;
}

static int change_clock(const Arming *a) {
        _cleanup_free_ char *list = NULL, *old = NULL;
        int r;

        r = control_read("trace_clock", &list);
        if (r >= 0)
                r = tracer_parse_selected(list, &old);
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot read trace_clock");
        /* Nanoseconds, safe in NMI, and the same as the callers' CLOCK_MONOTONIC. */
        return change(a, "trace_clock", old, "mono");
}

/* What waits in the ring waits for the disk, too: so the drain is woken for half of what may wait, as long as that is
 * enough for a large batch. */
static int change_wake_percent(const Arming *a, uint64_t ring_bytes) {
        uint64_t percent = a->context->config.sync_bytes / 2 * 100 / MAX(ring_bytes, UINT64_C(1));
        char value[8];

        (void) snprintf(value, sizeof value, "%" PRIu64, MIN(MAX(percent, UINT64_C(1)), RING_WAKE_MAX_PERCENT));
        return change_plain(a, "buffer_percent", value);
}

/* Off as well where it was not asked for: somebody else's setting would fill the ring five times as fast. */
static int change_stacktrace(const Arming *a, bool stacks) {
        _cleanup_free_ char *old = NULL;
        int r;

        r = control_read("options/stacktrace", &old);
        if (r == -ENOENT && !stacks)
                return 0;
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot read options/stacktrace");
        return change(a, "options/stacktrace", old, stacks ? "1" : "0");
}

/* A CPU that is not in the mask would have every access counted as lost. Only bits of CPUs that there are: the kernel
 * refuses others, and which it has is not to be seen in how wide it prints the mask (lib/bitmap.c, bitmap_parse()). */
static int change_cpumask(const Arming *a, const CpuSet *online) {
        static const char digits[] = "0123456789abcdef";
        _cleanup_free_ char *old = NULL, *mask = NULL;
        unsigned cpu = 0;
        int r;

        r = control_read("tracing_cpumask", &old);
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot read tracing_cpumask");
        mask = strdup(old);
        if (!mask)
                return -ENOMEM;
        for (size_t i = strlen(mask); i-- > 0;) {
                const char *digit = strchr(digits, mask[i]);
                unsigned value;

                if (!digit)
                        continue;
                value = (unsigned) (digit - digits);
                for (unsigned bit = 0; bit < 4; bit++, cpu++)
                        if (cpu_set_has(online, cpu))
                                value |= 1U << bit;
                mask[i] = digits[value];
        }
        return change(a, "tracing_cpumask", old, mask);
}

static int resize_ring(const Arming *a, const char *file, uint64_t bytes) {
        _cleanup_free_ char *value = NULL;
        int r;

        if (asprintf(&value, "%" PRIu64, bytes / KIB) < 0) {
                value = NULL;
                return -ENOMEM;
        }
        r = control_write(file, value);
        if (r == -ENOMEM || r == -EBUSY) {
                _cleanup_error_ Error ignored = {};
                _cleanup_free_ char *names = NULL;

                /* 6.1 says "no memory" for either. */
                if (r == -EBUSY || holders_describe(a->context, HOLDERS_OF_RING, &names, &ignored) > 0)
                        return holders_refuse(a->context, HOLDERS_OF_RING, "Another program has the trace open, so the kernel "
                                        "refuses to size the ring buffer", a->error);
                return error_set(a->error, ERROR_NO_MEMORY, "The kernel could not make a ring of %s: memory is short; a smaller "
                                "--buffer-size may do.", FORMAT_BYTES(bytes));
        }
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot size the ring buffer");
        return 0;
}

/* Only the ring of a CPU that records is sized: buffer_size_kb would give every CPU as much. */
static int change_ring_size(const Arming *a, unsigned cpu, uint64_t bytes) {
        _cleanup_free_ char *file = NULL, *old = NULL, *all = NULL;
        uint64_t kb;
        int r;

        if (asprintf(&file, "per_cpu/cpu%u/buffer_size_kb", cpu) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        r = control_read("buffer_size_kb", &all);
        if (r >= 0)
                r = control_read(file, &old);
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "Cannot read the size of the ring buffer");

        /* "7 (expanded: 1408)": never used. Such a ring cannot be had again; the kernel would have made it 1408 KB
         * on every CPU at its first use, so that is what it goes back to. */
        if (strstr(all, "expanded"))
                r = add_undo(a, UNDO_CONTROL, "buffer_size_kb", RING_KERNEL_DEFAULT_KB);
        else if (parse_u64(old, &kb) >= 0)
                r = add_undo(a, UNDO_CONTROL, file, old);
        else
                return error_set(a->error, ERROR_KERNEL, "The kernel gives \"%s\" as the size of its ring buffer.", old);
        return r < 0 ? r : resize_ring(a, file, bytes);
}

/* The same request once more: the kernel's own refusal is in its log only, and what it was too busy for may pass now. Where
 * it does, the tracer brings the CPU back all the same, and the undo journal has it, too. */
static int take_down(const Arming *a, unsigned cpu) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (asprintf(&path, "%s/devices/system/cpu/cpu%u/online", a->context->sys_root, cpu) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = write_control_at(AT_FDCWD, path, "0");
        /* It is not there for a CPU that cannot be taken offline (drivers/base/cpu.c, register_cpu()). */
        return r == -ENOENT ? -EPERM : r;
}

/* Takes down what mmiotrace has left online, or warns and says why that stays. now is what is online, before and after. */
static int take_down_rest(const Arming *a, CpuSet *now) {
        CpuSet kept = {};
        _cleanup_free_ char *list = NULL;
        int r, error = 0;

        cpu_set_add(&kept, a->armed->cpu);
        for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
                if (!cpu_set_has(now, cpu) || cpu_set_has(&kept, cpu))
                        continue;
                r = take_down(a, cpu);
                if (r < 0 && error == 0)
                        error = r;
        }
        free(TAKE_PTR(a->armed->online));
        r = read_online_cpus(a->context->sys_root, &a->armed->online, now);
        if (r < 0 || cpu_set_count(now) <= 1)
                return r;
        r = format_missing_cpus(now, &kept, &list);
        if (r < 0)
                return r;
        return strv_extendf(&a->armed->warnings,
                            "More than one CPU is still online (%s), as the kernel does not take %s offline (%s): accesses that two of "
                            "them make at the same time can be lost without any trace of it; boot with maxcpus=1.",
                            a->armed->online, list, cpu_refusal(error));
}

static int switch_on(const Arming *a, const CpuSet *before) {
        _cleanup_free_ char *current = NULL;
        CpuSet now;
        int r;

        r = add_undo(a, UNDO_TRACER, NULL, NULL);
        if (r < 0)
                return r;
        r = control_write("current_tracer", "mmiotrace");
        if (r == -EBUSY)
                return holders_refuse(a->context, HOLDERS_OF_PIPES, "Another program holds a trace pipe open, so the kernel "
                                "refuses to change the tracer", a->error);
        if (r < 0)
                return error_set_errno(a->error, ERROR_KERNEL, r, "The kernel refused to switch mmiotrace on");

        /* The write succeeds also where the kernel then did something else: so look. */
        r = control_read("current_tracer", &current);
        if (r < 0 || !streq(current, "mmiotrace"))
                return error_set(a->error, ERROR_KERNEL, "The kernel took \"mmiotrace\" as its tracer, but is running \"%s\".",
                                r < 0 ? "?" : current);
        r = read_online_cpus(a->context->sys_root, &a->armed->online, &now);
        if (r >= 0 && cpu_set_count(&now) > 1)
                r = take_down_rest(a, &now);
        if (r >= 0)
                r = format_missing_cpus(before, &now, &a->armed->offline);
        return r < 0 ? error_set_errno(a->error, ERROR_KERNEL, r, "Cannot find out which CPUs are online") : 0;
}

/* CPUs that could not be taken down record as well. Recording pauses while a ring is sized; the driver is not there
 * yet, so nothing of it is lost. */
static int size_other_rings(const Arming *a, uint64_t bytes) {
        CpuSet online;
        int r;

        r = cpu_set_parse(a->armed->online, &online);
        for (unsigned cpu = 0; cpu < CPUS_MAX && r >= 0; cpu++)
                if (cpu_set_has(&online, cpu) && cpu != a->armed->cpu)
                        r = change_ring_size(a, cpu, bytes);
        return r;
}

int tracer_arm(const Context *context, int runtime_fd, const char *boot_id, const TracerOptions *options,
        TracerArmed *ret, Error *error) {
        _cleanup_free_ char *online = NULL;
        _cleanup_tracer_armed_ TracerArmed armed = {};
        const Arming a = { context, runtime_fd, boot_id, &armed, error };
        TracerSettings settings;
        uint64_t bytes = 0;
        CpuSet before;
        int r;

        r = read_online_cpus(context->sys_root, &online, &before);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot find out which CPUs are online");
        /* The kernel keeps the first one (arch/x86/mm/mmio-mod.c, enter_uniprocessor()). */
        while (!cpu_set_has(&before, armed.cpu))
                armed.cpu++;

        r = ring_size_choose(context, options, &bytes, error);
        if (r < 0)
                return r;
        r = end_other_tracer(&a);
        if (r < 0)
                return r;
        r = add_undo(&a, UNDO_CPUS, NULL, online);
        if (r < 0)
                return r;
        r = change_oops_dump(&a, context->config.oops_dump);
        if (r < 0)
                return r;
        r = switch_recording_on(&a);
        if (r < 0)
                return r;
        r = change_clock(&a);
        if (r < 0)
                return r;
        r = change_plain(&a, "options/overwrite", options->keep_oldest ? "0" : "1");
        if (r < 0)
                return r;
        r = change_wake_percent(&a, bytes);
        if (r < 0)
                return r;
        r = change_stacktrace(&a, options->stacks);
        if (r < 0)
                return r;
        r = change_cpumask(&a, &before);
        if (r < 0)
                return r;
        r = change_ring_size(&a, armed.cpu, bytes);
        if (r < 0)
                return r;
        r = switch_on(&a, &before);
        if (r < 0)
                return r;
        r = size_other_rings(&a, bytes);
        if (r < 0)
                return r;
        r = tracer_read_settings(context->sys_root, armed.cpu, &settings);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read the settings of the tracer back");
        armed.buffer_bytes = settings.ring_bytes;
        tracer_settings_done(&settings);

        *ret = armed;
        armed = (TracerArmed) {};
        return 0;
}

int tracer_copy_formats(int dir_fd, Error *error) {
        for (size_t i = 0; i < n_ring_format_files; i++) {
                const RingFormatFile *file = ring_format_files + i;
                _cleanup_free_ char *text = NULL;
                int r, size = 0;

                text = tracefs_instance_file_read(NULL, file->tracefs_path, &size);
                if (!text) {
                        if (!file->required)
                                continue;
                        return error_set_errno(error, ERROR_KERNEL, -errno, "Cannot read %s", file->tracefs_path);
                }
                r = write_file_atomic_at(dir_fd, file->name, text, (size_t) size);
                if (r < 0)
                        return error_set_errno(error, ERROR_NO_SPACE, r, "Cannot save %s", file->name);
        }
        return 0;
}

int tracer_set_recording(bool on) {
        return control_write("tracing_on", on ? "1" : "0");
}

int tracer_is_on(void) {
        _cleanup_free_ char *current = NULL;
        int r;

        r = control_read("current_tracer", &current);
        return r < 0 ? r : streq(current, "mmiotrace");
}
