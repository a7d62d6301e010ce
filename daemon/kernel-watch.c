/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "kernel-watch.h"
#include "offline-cpus.h"

/* Of one kind: a driver that hangs can say so every second. */
#define TOLD_MAX 5
/* One trouble makes several messages, at once. */
#define SAME_USEC USEC_PER_SEC
#define TEXT_MAX_BYTES 200

typedef enum Trouble {
        /* mmiotrace's own. */
        TROUBLE_MAPPING,
        TROUBLE_PAGE,
        TROUBLE_DEBUG_TRAP,
        TROUBLE_ABSENT_PAGE,
        TROUBLE_CPU_DOWN,
        TROUBLE_CPUS,
        TROUBLE_CPU_UP,
        TROUBLE_PROBE,
        TROUBLE_OOPS,
        TROUBLE_WARNING,
        TROUBLE_LOCKUP,
        TROUBLE_STALL,
        TROUBLE_TASK,
        TROUBLE_DEVICE,
        _TROUBLE_MAX,
        TROUBLE_NONE = _TROUBLE_MAX,
} Trouble;

/* As a sentence begins. */
static const char *const troubles[_TROUBLE_MAX] = {
        [TROUBLE_MAPPING] = "mmiotrace could not record a mapping",
        [TROUBLE_PAGE] = "mmiotrace could not watch a page of a mapping",
        [TROUBLE_DEBUG_TRAP] = "mmiotrace met a debug trap that is not its own",
        [TROUBLE_ABSENT_PAGE] = "A driver accessed a page that is not there, in a mapping that is watched",
        [TROUBLE_CPU_DOWN] = "A CPU could not be taken offline",
        [TROUBLE_CPUS] = "More than one CPU stayed online",
        [TROUBLE_CPU_UP] = "A CPU did not come back online",
        [TROUBLE_PROBE] = "A driver made an access that mmiotrace cannot trace, to two of its pages at once, and died of it",
        [TROUBLE_OOPS] = "The kernel oopsed",
        [TROUBLE_WARNING] = "The kernel warned",
        [TROUBLE_LOCKUP] = "A CPU was locked up",
        [TROUBLE_STALL] = "RCU stalled",
        [TROUBLE_TASK] = "A task was stuck",
        [TROUBLE_DEVICE] = "A device hung",
};

/* What that means for the trace, and what to do: for what the kernel says in words that only its author knows. */
static const char *const meanings[_TROUBLE_MAX] = {
        [TROUBLE_MAPPING] = "memory was short, and nothing of what the driver does there is in the trace; end what takes memory, and "
                            "capture again",
        [TROUBLE_PAGE] = "what the driver does there is not in the trace; where the kernel maps in pages of 1G (level 0x3), boot with "
                         "nohugeiomap, but only if less than 256M are mapped",
        [TROUBLE_DEBUG_TRAP] = "a debugger or a hardware breakpoint (gdb, kgdb, perf) steps through the kernel as mmiotrace does, and "
                               "accesses can be missing; end it, and capture again",
        [TROUBLE_ABSENT_PAGE] = "that access is not in the trace, and an oops behind it is the driver's own, not mmiotrace's; kernel.log "
                                "has the address",
        [TROUBLE_CPU_DOWN] = "accesses that two CPUs make at the same time can be lost without any trace of it; boot with maxcpus=1",
        [TROUBLE_CPUS] = "accesses that two CPUs make at the same time can be lost without any trace of it; boot with maxcpus=1",
        [TROUBLE_CPU_UP] = "mmiotraced tries it once more by itself, and says so if it fails; \"mmiotracectl recover\" does that, too",
};

/* What the message has somewhere in it. The first that fits counts; as in 6.1 and 6.12, where other versions of the kernel
 * have other prefixes. */
static const struct {
        const char *text;
        Trouble trouble;
} signs[] = {
        { "kmalloc failed in ioremap", TROUBLE_MAPPING },       /* arch/x86/mm/mmio-mod.c, ioremap_trace_core() */
        { "unexpected page level 0x", TROUBLE_PAGE },           /* arch/x86/mm/kmmio.c, clear_page_presence() */
        { "mmiotrace: arming at 0x", TROUBLE_PAGE },            /* arm_kmmio_fault_page() */
        { "Unable to set page fault", TROUBLE_PAGE },           /* register_kmmio_probe() */
        { "unexpected debug trap on CPU", TROUBLE_DEBUG_TRAP }, /* post_kmmio_handler() */
        { "unexpected secondary hit for address", TROUBLE_ABSENT_PAGE }, /* kmmio_handler() */
        { "Error taking CPU", TROUBLE_CPU_DOWN },               /* arch/x86/mm/mmio-mod.c, enter_uniprocessor() */
        { "multiple CPUs still online", TROUBLE_CPUS },
        { "cannot re-enable CPU", TROUBLE_CPU_UP },             /* leave_uniprocessor() */
        { "recursive probe hit on CPU", TROUBLE_PROBE },        /* arch/x86/mm/kmmio.c, kmmio_handler() */
        { "soft lockup - CPU#", TROUBLE_LOCKUP },               /* kernel/watchdog.c, watchdog_timer_fn() */
        { "hard LOCKUP on cpu", TROUBLE_LOCKUP },               /* watchdog_overflow_callback(), watchdog_hardlockup_check() */
        { "self-detected stall on CPU", TROUBLE_STALL },        /* kernel/rcu/tree_stall.h, print_cpu_stall() */
        { "detected stalls on CPUs/tasks", TROUBLE_STALL },     /* print_other_cpu_stall() */
        { "detected expedited stalls on", TROUBLE_STALL },      /* kernel/rcu/tree_exp.h */
        { "blocked for more than", TROUBLE_TASK },              /* kernel/hung_task.c, check_hung_task() */
        { "GPU HANG", TROUBLE_DEVICE },                         /* i915 */
        { "GPU hang", TROUBLE_DEVICE },                         /* etnaviv, msm, others */
        { "GPU lockup", TROUBLE_DEVICE },                       /* radeon */
        { "GPU reset begin", TROUBLE_DEVICE },                  /* amdgpu */
        { "ring gfx", TROUBLE_DEVICE },                         /* amdgpu: "ring gfx timeout" */
        { "stalled for more than", TROUBLE_DEVICE },            /* radeon: "ring 0 stalled for more than 10000msec" */
        { "SCHED_ERROR", TROUBLE_DEVICE },                      /* nouveau */
        { "NVRM: Xid", TROUBLE_DEVICE },                        /* nvidia */
        { "fallen off the bus", TROUBLE_DEVICE },
        { "Hardware Unit Hang", TROUBLE_DEVICE },               /* e1000e and its relatives */
        { "Unable to change power state from D3", TROUBLE_DEVICE }, /* drivers/pci/pci.c */
        { "BUG: ", TROUBLE_OOPS },                              /* arch/x86/mm/fault.c, show_fault_oops(), and others */
        { "kernel BUG at ", TROUBLE_OOPS },                     /* lib/bug.c, report_bug() */
        { "Kernel panic - not syncing", TROUBLE_OOPS },         /* kernel/panic.c */
        { "WARNING: ", TROUBLE_WARNING },                       /* kernel/panic.c, __warn() */
};

#define RECORDING_ENDS "With an oops the kernel stops recording: what was done behind it is not in the trace. Stop the session, and " \
        "reboot before the next one."

struct KernelWatch {
        char *const *names;
        void (*warn)(const char *text, void *userdata);
        void *userdata;
        struct {
                unsigned n_told;
                uint64_t last_usec;
        } kinds[_TROUBLE_MAX];
        /* A warning whose head does not say whose it is; what follows may. NULL: none. */
        char *pending;
        bool recording_ends_told;
        uint64_t pending_usec;
};

int kernel_watch_new(char *const *names, void (*warn)(const char *text, void *userdata), void *userdata, KernelWatch **ret) {
        KernelWatch *w = calloc(1, sizeof(KernelWatch));

        if (!w)
                return -ENOMEM;
        *w = (KernelWatch) { .names = names, .warn = warn, .userdata = userdata };
        *ret = w;
        return 0;
}

KernelWatch *kernel_watch_free(KernelWatch *w) {
        if (!w)
                return NULL;
        free(w->pending);
        free(w);
        return NULL;
}

/* "[#1]": what every oops has, of whatever kind (arch/x86/kernel/dumpstack.c, __die_header()). */
static bool is_oops(const KernelMessage *m) {
        const char *p = memmem(m->text, m->text_bytes, " [#", 3);

        return p && p + 3 < m->text + m->text_bytes && p[3] >= '1' && p[3] <= '9';
}

static Trouble find_trouble(const KernelMessage *m) {
        for (size_t i = 0; i < ELEMENTS(signs); i++)
                if (memmem(m->text, m->text_bytes, signs[i].text, strlen(signs[i].text)))
                        return signs[i].trouble;
        return is_oops(m) ? TROUBLE_OOPS : TROUBLE_NONE;
}

/* "Error taking CPU1 down: -16", "cannot re-enable CPU1: -5": the error behind the last colon. */
static int error_in(const KernelMessage *m) {
        _cleanup_free_ char *text = strndup(m->text, m->text_bytes);
        const char *colon = text ? strrchr(text, ':') : NULL;
        int error = 0;

        return colon && sscanf(colon, ": %d", &error) == 1 ? error : 0;
}

/* "cannot re-enable CPU1: 1": it is online already, as it could not be taken down (kernel/cpu.c, add_cpu()). */
static bool is_harmless(Trouble trouble, const KernelMessage *m) {
        return trouble == TROUBLE_CPU_UP && error_in(m) >= 0;
}

static bool was_told_just_now(const KernelWatch *w, Trouble trouble, uint64_t stamp_usec) {
        return w->kinds[trouble].n_told > 0 && stamp_usec <= w->kinds[trouble].last_usec + SAME_USEC;
}

/* The rest of what was told just now. Each CPU is one of its own. */
static bool is_rest(const KernelWatch *w, Trouble trouble, const KernelMessage *m) {
        switch (trouble) {
        case TROUBLE_WARNING:
                return memmem(m->text, m->text_bytes, "arch/x86/mm/kmmio.c", 19) && was_told_just_now(w, TROUBLE_PAGE, m->stamp_usec);
        case TROUBLE_CPU_DOWN:
        case TROUBLE_CPU_UP:
                return false;
        case TROUBLE_CPUS:
                return was_told_just_now(w, TROUBLE_CPU_DOWN, m->stamp_usec) || was_told_just_now(w, TROUBLE_CPUS, m->stamp_usec);
        default:
                return was_told_just_now(w, trouble, m->stamp_usec);
        }
}

static bool is_about_driver(const KernelWatch *w, const KernelMessage *m) {
        STRV_FOREACH(name, w->names)
                if (kernel_message_names(m, *name))
                        return true;
        return false;
}

static const char *reason_of(Trouble trouble, const KernelMessage *m) {
        int error = error_in(m);

        if (trouble == TROUBLE_CPU_DOWN)
                return cpu_refusal(error);
        return trouble == TROUBLE_CPU_UP && error < 0 ? strerrordesc_np(-error) : NULL;
}

static int format_trouble(Trouble trouble, const KernelMessage *m, char **ret) {
        const char *reason = reason_of(trouble, m);
        _cleanup_free_ char *quote = NULL, *stamp = NULL;
        int r;

        r = kernel_message_quote(m, TEXT_MAX_BYTES, &quote);
        if (r < 0)
                return r;
        if (asprintf(&stamp, "%" PRIu64 ".%06" PRIu64, m->stamp_usec / USEC_PER_SEC, m->stamp_usec % USEC_PER_SEC) < 0) {
                stamp = NULL;
                return -ENOMEM;
        }
        if (!meanings[trouble])
                return asprintf(ret, "%s at %s: %s", troubles[trouble], stamp, quote) < 0 ? -ENOMEM : 0;
        return asprintf(ret, "%s at %s (%s): %s%s%s.", troubles[trouble], stamp, quote, strempty(reason), reason ? ": " : "",
                        meanings[trouble]) < 0 ? -ENOMEM : 0;
}

/* Takes text, which is freed. */
static int tell(KernelWatch *w, Trouble trouble, uint64_t stamp_usec, char *text) {
        _cleanup_free_ char *told = text, *more = NULL;

        w->kinds[trouble].last_usec = stamp_usec;
        if (w->kinds[trouble].n_told > TOLD_MAX)
                return 0;
        if (w->kinds[trouble].n_told++ < TOLD_MAX) {
                w->warn(told, w->userdata);
                return 0;
        }
        if (asprintf(&more, "%s again and again, from %" PRIu64 ".%06" PRIu64 " on; kernel.log has all of it.", troubles[trouble],
                            stamp_usec / USEC_PER_SEC, stamp_usec % USEC_PER_SEC) < 0) {
                more = NULL;
                return -ENOMEM;
        }
        w->warn(more, w->userdata);
        return 0;
}

static void forget_pending(KernelWatch *w) {
        free(TAKE_PTR(w->pending));
}

/* Whether it stands in the report of the warning that is pending, and says that it is about the driver. The list of all
 * modules says so of every module. */
static bool decides_pending(const KernelWatch *w, const KernelMessage *m) {
        return memmem(m->text, m->text_bytes, "Modules linked in:", 18) == NULL && is_about_driver(w, m);
}

int kernel_watch_message(KernelWatch *w, const KernelMessage *m) {
        _cleanup_free_ char *text = NULL;
        Trouble trouble;
        int r;

        if (m->by_program)
                return 0;
        if (w->pending && (m->stamp_usec > w->pending_usec + SAME_USEC || memmem(m->text, m->text_bytes, "---[ end trace", 14)))
                forget_pending(w);
        if (w->pending && decides_pending(w, m)) {
                r = tell(w, TROUBLE_WARNING, w->pending_usec, TAKE_PTR(w->pending));
                if (r < 0)
                        return r;
        }
        trouble = find_trouble(m);
        if (trouble == TROUBLE_NONE || is_harmless(trouble, m))
                return 0;
        /* kernel/panic.c, oops_enter(). */
        if (is_oops(m) && !w->recording_ends_told) {
                w->recording_ends_told = true;
                w->warn(RECORDING_ENDS, w->userdata);
        }
        if (is_rest(w, trouble, m))
                return 0;
        r = format_trouble(trouble, m, &text);
        if (r < 0)
                return r;
        if (trouble != TROUBLE_WARNING || !w->names || is_about_driver(w, m))
                return tell(w, trouble, m->stamp_usec, TAKE_PTR(text));
        forget_pending(w);
        w->pending = TAKE_PTR(text);
        w->pending_usec = m->stamp_usec;
        return 0;
}

int kernel_watch_run(KernelWatch *w, const char *journal_dir, const char *boot_id, uint64_t from_usec, bool follow) {
        _cleanup_(kernel_log_freep) KernelLog *log = NULL;
        KernelMessage m;
        int r;

        r = kernel_log_open(journal_dir, boot_id, &log);
        if (r >= 0)
                r = kernel_log_seek(log, from_usec);
        while (r >= 0) {
                r = kernel_log_next(log, &m);
                if (r > 0 && m.monotonic_usec >= from_usec)
                        r = kernel_watch_message(w, &m);
                else if (r == 0 && !follow)
                        return 0;
                else if (r == 0)
                        r = kernel_log_wait(log);
        }
        return r;
}
