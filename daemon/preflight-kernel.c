/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Is there a tracer, and is it free? */

#include <fcntl.h>
#include <sys/utsname.h>
#include <tracefs/tracefs.h>

#include "control.h"
#include "holders.h"
#include "preflight.h"
#include "tracer.h"

static bool word_in(const char *list, const char *word) {
        size_t l = strlen(word);

        for (const char *p = list; (p = strstr(p, word)); p += l)
                if ((p == list || p[-1] == ' ') && (p[l] == ' ' || p[l] == 0))
                        return true;
        return false;
}

static int read_below_sys(const Preflight *p, const char *path, char **ret) {
        _cleanup_free_ char *full = NULL;

        if (asprintf(&full, "%s/%s", p->context->sys_root, path) < 0) {
                full = NULL;
                return -ENOMEM;
        }
        return read_line_at(AT_FDCWD, full, ret);
}

/* Without the file there is no lockdown, or only no securityfs: that has the list of security modules in any kernel that has
 * it at all (security/inode.c, securityfs_init()). */
static void report_no_lockdown(const Preflight *p, int r) {
        _cleanup_free_ char *modules = NULL;

        if (r != -ENOENT)
                findings_add(p->findings, "lockdown", FINDING_NOTE,
                             "Whether the kernel is locked down is not known, as its lockdown file cannot be read: %s\n"
                             "\"cat /sys/kernel/security/lockdown\" as root shows it", strerrordesc_np(-r));
        else if (read_below_sys(p, "kernel/security/lsm", &modules) == -ENOENT)
                findings_add(p->findings, "lockdown", FINDING_NOTE,
                             "Whether the kernel is locked down is not known, as securityfs is not mounted\n"
                             "\"mount -t securityfs securityfs /sys/kernel/security\" makes it known");
        else
                findings_add(p->findings, "lockdown", FINDING_OK, "The kernel does not know lockdown");
}

static void check_lockdown(const Preflight *p) {
        _cleanup_free_ char *line = NULL, *level = NULL;
        int r;

        r = read_below_sys(p, "kernel/security/lockdown", &line);
        if (r < 0)
                report_no_lockdown(p, r);
        else if (tracer_parse_selected(line, &level) < 0)
                findings_add(p->findings, "lockdown", FINDING_NOTE, "The kernel's lockdown reads \"%s\"", line);
        else if (streq(level, "none"))
                findings_add(p->findings, "lockdown", FINDING_OK, "The kernel is not locked down");
        else
                findings_add(p->findings, "lockdown", FINDING_OK, "The kernel is locked down at level \"%s\", which permits tracing",
                             level);
}

static void check_support(const Preflight *p, const char *available) {
        struct utsname uts = {};

        (void) uname(&uts);
        if (word_in(available, "mmiotrace"))
                findings_add(p->findings, "kernel-support", FINDING_OK, "This kernel (%s, %s) has mmiotrace", uts.release, uts.machine);
        else if (streq(uts.machine, "x86_64") || (uts.machine[0] == 'i' && streq(uts.machine + 2, "86")))
                findings_block(p->findings, "kernel-support", ERROR_NOT_SUPPORTED, false,
                               "This kernel (%s) has no mmiotrace\nuse one that was built with CONFIG_MMIOTRACE=y (Debian's, "
                               "Ubuntu's and Arch's are)", uts.release);
        else
                findings_block(p->findings, "kernel-support", ERROR_NOT_SUPPORTED, false,
                               "This machine is of the architecture %s, and mmiotrace exists on x86 only\nuse an x86 machine; the "
                               "kernel's rwmmio events may do what you need here (CONFIG_TRACE_MMIO_ACCESS)", uts.machine);
}

static void check_current(const Preflight *p) {
        _cleanup_free_ char *current = NULL;
        _cleanup_error_ Error error = {};
        int r;

        r = control_read("current_tracer", &current);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_KERNEL, r, "Cannot read the current tracer");
                findings_block_error(p->findings, "tracer", false, &error);
        } else if (streq(current, "mmiotrace"))
                findings_block(p->findings, "tracer", ERROR_TRACER_BUSY, false,
                               "mmiotrace is already on, started by somebody else\n\"mmiotracectl recover\" saves what it has "
                               "recorded, ends it and brings the CPUs back");
        else if (!streq(current, "nop"))
                findings_block(p->findings, "tracer", ERROR_TRACER_BUSY, true,
                               "The tracer \"%s\" is in use, and changing it would wipe its data\nend it with "
                               "\"echo nop > /sys/kernel/tracing/current_tracer\" first", current);
        else
                findings_add(p->findings, "tracer", FINDING_OK, "No tracer is in use");
}

static void check_settings(const Preflight *p) {
        _cleanup_free_ char *events = NULL, *traceoff = preflight_read(p->context->proc_root, "sys/kernel/traceoff_on_warning");

        if (control_read("events/enable", &events) >= 0 && !streq(events, "0"))
                findings_add(p->findings, "trace-events", FINDING_WARNING,
                             "Trace events are switched on in the main ring buffer: they take its room beside the accesses\n"
                             "\"echo 0 > /sys/kernel/tracing/events/enable\" switches them off");
        else
                findings_add(p->findings, "trace-events", FINDING_OK, "No trace events fill the main ring buffer");
        if (traceoff && !streq(traceoff, "0"))
                findings_add(p->findings, "traceoff-on-warning", FINDING_WARNING,
                             "The first warning in the kernel's log will switch the recording off (kernel.traceoff_on_warning)\n"
                             "\"sysctl kernel.traceoff_on_warning=0\" keeps it on");
        else
                findings_add(p->findings, "traceoff-on-warning", FINDING_OK, "A warning of the kernel does not switch the recording off");
}

void preflight_kernel(const Preflight *p) {
        _cleanup_free_ char *dir = NULL, *available = NULL;
        _cleanup_error_ Error error = {};
        bool disabled = false;
        int r;

        r = tracer_find_dir(p->context, &dir, &error);
        if (r >= 0) {
                r = tracer_list(p->context, &available, &error);
                disabled = r == -ENODEV;
        }
        if (r < 0 && !disabled) {
                findings_block_error(p->findings, error.code == ERROR_LOCKDOWN ? "lockdown" : "tracefs", false, &error);
                return;
        }
        findings_add(p->findings, "tracefs", FINDING_OK, "tracefs is mounted");
        if (disabled) {
                findings_block_error(p->findings, "tracing-disabled", false, &error);
                return;
        }
        findings_add(p->findings, "tracing-disabled", FINDING_OK, "The kernel has not switched tracing off");
        check_lockdown(p);
        check_support(p, available);
        /* Opening its files would wait for the tracer to be switched, and what is found there is its doing. */
        if (p->busy && p->busy->code != ERROR_NONE)
                return;
        check_current(p);
        check_settings(p);
        preflight_readers(p);
}

/* The main pipe can be asked directly, as it takes one reader only (kernel/trace/trace.c, open_pipe_on_cpu(), since 6.5
 * and 6.1.55). Nothing is read from it. */
static bool pipe_is_busy(void) {
        _cleanup_close_ int fd = tracefs_instance_file_open(NULL, "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        return fd < 0 && errno == EBUSY;
}

void preflight_readers(const Preflight *p) {
        _cleanup_free_ char *answer = NULL, *pipes = NULL, *ring = NULL;
        _cleanup_error_ Error error = {}, refusal = {};
        int r;

        r = holders_ask(p->context, &answer, &error);
        if (r >= 0)
                r = holders_parse(answer, HOLDERS_OF_PIPES, &pipes);
        if (r >= 0)
                r = holders_parse(answer, HOLDERS_OF_RING, &ring);

        if (pipes)
                findings_block(p->findings, "trace-pipe-readers", ERROR_READER_BUSY, false,
                               "Another program holds a trace pipe open, so the kernel refuses to change the tracer: %s\n"
                               "end it first", pipes);
        else if (pipe_is_busy()) {
                (void) holders_refuse(p->context, HOLDERS_OF_PIPES,
                                "Another program reads trace_pipe, and the kernel allows one reader", &refusal);
                findings_block_error(p->findings, "trace-pipe-readers", false, &refusal);
        } else if (r < 0)
                findings_add(p->findings, "trace-pipe-readers", FINDING_NOTE,
                             "Whether another program holds the trace open is not known: %s\n"
                             "\"fuser -v /sys/kernel/tracing/per_cpu/*/trace*\" shows it", finding_phrase(&error, r));
        else
                findings_add(p->findings, "trace-pipe-readers", FINDING_OK, "No other program holds a trace pipe open");

        if (ring)
                findings_block(p->findings, "trace-readers", ERROR_READER_BUSY, false,
                               "Another program has the trace open, so the kernel refuses to size the ring buffer: %s\n"
                               "end it first", ring);
        else if (r >= 0)
                findings_add(p->findings, "trace-readers", FINDING_OK, "No other program has the trace open");
}
