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
        char ***done, ***warnings;      /* NULL: nobody wants to know */
        bool tracer_stays;              /* mmiotrace is on, and the kernel does not switch it off */
        Error *error;                   /* of this entry */
} Undoing;

void tracer_restored_done(TracerRestored *restored) {
        strv_free(restored->done);
        strv_free(restored->warnings);
        *restored = (TracerRestored) {};
}

/* What the kernel refuses because of somebody or something that may go away by itself. */
static bool may_go_away(int r) {
        return r == -EBUSY || r == -EAGAIN || r == -EINTR || r == -ENOMEM;
}

/* Returns false when there has been time enough. */
static bool wait_a_little(const Undoing *u) {
        if (now_monotonic_usec() >= u->deadline_usec)
                return false;
        (void) poll(NULL, 0, BUSY_WAIT_MSEC);
        return true;
}

static int warn(const Undoing *u, const char *format, ...) _printf_(2, 3);
static int warn(const Undoing *u, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        if (!u->warnings)
                return 0;
        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return strv_extend(u->warnings, text);
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
                return error_set_errno(u->error, ERROR_KERNEL, r, "Cannot switch mmiotrace off, which stays on until the machine "
                                "is booted again; what does not depend on it is undone");
        if (streq(after, "mmiotrace"))
                return error_set(u->error, ERROR_KERNEL, "The kernel took \"nop\" as its tracer, but mmiotrace is still on.");
        return tell_tracer_off(u, &before);
}

static int bring_online(const Undoing *u, unsigned cpu) {
        _cleanup_free_ char *folder = NULL, *path = NULL, *online = NULL;
        int r;

        if (asprintf(&folder, "%s/devices/system/cpu/cpu%u", u->context->sys_root, cpu) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        if (access(folder, F_OK) < 0 && errno == ENOENT)
                return warn(u, "CPU %u was taken out of the machine during the session, so it does not come back.", cpu);
        if (asprintf(&path, "%s/online", folder) < 0) {
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
        if (!u->done)
                return 0;
        /* The kernel knows of the CPUs that it took down itself, and passes over one that is there again
         * (arch/x86/mm/mmio-mod.c, leave_uniprocessor()). */
        if (u->tracer_stays)
                return strv_extendf(u->done, "CPU %u was brought online by hand, with mmiotrace still on: of accesses that two CPUs make "
                                    "at the same time one may go unrecorded, which does no harm.", cpu);
        return strv_extendf(u->done, "CPU %u was still offline, and was brought online by hand.", cpu);
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
        const Undoing u = { .context = context, .deadline_usec = now_monotonic_usec() + BUSY_USEC, .done = done };
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

static int sysfs_has(const Undoing *u, const char *folder, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/bus/pci/%s/%s", u->context->sys_root, folder, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return access(path, F_OK) >= 0 ? 1 : errno == ENOENT ? 0 : -errno;
}

/* Unplugged, or unloaded: nothing that a session has changed is left then. Returns 1 if so. */
static int bind_is_overtaken(const Undoing *u, const char *driver, const char *device) {
        int r;

        r = sysfs_has(u, "devices", device);
        if (r < 0)
                return r;
        if (r == 0) {
                r = warn(u, "%s was taken out of the machine during the session, so the driver %s does not get it back.", device, driver);
                return r < 0 ? r : 1;
        }
        r = sysfs_has(u, "drivers", driver);
        if (r != 0)
                return MIN(r, 0);
        r = warn(u, "The driver %s was unloaded during the session, so %s is left without one until it is loaded again.", driver, device);
        return r < 0 ? r : 1;
}

static int undo_bind(const Undoing *u, const char *driver, const char *device) {
        _cleanup_free_ char *link = NULL;
        int r, overtaken;

        if (asprintf(&link, "%s/driver", device) < 0) {
                link = NULL;
                return -ENOMEM;
        }
        r = sysfs_has(u, "devices", link);
        if (r > 0)
                return 0;
        overtaken = r < 0 ? r : bind_is_overtaken(u, driver, device);
        r = overtaken == 0 ? driver_bind(u->context->sys_root, driver, device) : overtaken;
        /* It may go in between. */
        if (r < 0 && overtaken == 0)
                overtaken = bind_is_overtaken(u, driver, device);
        if (overtaken > 0)
                return 0;
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
        if (r == -EBUSY && streq(name, "current_tracer")) {
                _cleanup_free_ char *what = NULL;

                if (asprintf(&what, "The tracer %s does not come back, because another program holds a trace pipe open", value) < 0) {
                        what = NULL;
                        return -ENOMEM;
                }
                return holders_refuse(u->context, HOLDERS_OF_PIPES, what, u->error);
        }
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

/* What happened to an entry. */
typedef enum Fate {
        FATE_WAITS,             /* it was not tried */
        FATE_UNDONE,
        FATE_FAILED,
        FATE_LEFT,              /* the same, but by an earlier session already */
        FATE_SET_ASIDE,
} Fate;

typedef struct Restoring {
        const Context *context;
        Undo undo;
        Fate *fates;            /* of the entries */
        TracerRestored *told;
        Error error;            /* the first one */
        Error unreachable;      /* why tracefs cannot be used; ERROR_NONE: it can */
        uint64_t deadline_usec;
        bool has_new;           /* something in the journal is of a session that ends only now */
        bool tracer_stays;      /* see Undoing */
        int failed;             /* the last one, of those that count */
} Restoring;

static void restoring_done(Restoring *r) {
        undo_done(&r->undo);
        free(r->fates);
        error_done(&r->error);
        error_done(&r->unreachable);
}

static bool undoes_the_same(const UndoEntry *a, const UndoEntry *b) {
        return a->kind == b->kind && streq(a->name, b->name) && (a->kind != UNDO_BIND || streq(a->value, b->value));
}

static bool needs_tracefs(UndoKind kind) {
        return kind == UNDO_TRACER || kind == UNDO_CONTROL;
}

/* The value of before the first change has come back: what a later change was made from, and could not be had again, is
 * of no interest any more. */
static void note_undone(Restoring *r, size_t i) {
        r->fates[i] = FATE_UNDONE;
        for (size_t k = i + 1; k < r->undo.n_entries; k++)
                if (undoes_the_same(r->undo.entries + i, r->undo.entries + k))
                        r->fates[k] = FATE_UNDONE;
}

/* Without the tracer all the rest has to wait, and mmiotrace is not left on by giving it up: so that is tried for ever. */
static int note_failed(Restoring *r, size_t i, int failed, const Error *why) {
        UndoEntry *entry = r->undo.entries + i;
        const char *text = why->text ?: strerrordesc_np(-failed);
        bool old = entry->n_tries > 0;

        entry->n_tries++;
        r->fates[i] = FATE_FAILED;
        if (entry->n_tries >= TRACER_TRIES_MAX && !may_go_away(failed) && entry->kind != UNDO_TRACER &&
            (r->unreachable.code == ERROR_NONE || !needs_tracefs(entry->kind))) {
                r->fates[i] = FATE_SET_ASIDE;
                return strv_extendf(&r->told->warnings, "%s. That was tried %u times and is given up; it lasts until somebody changes "
                                    "it, or until the machine is booted again.", text, entry->n_tries);
        }
        if (old && r->has_new) {
                r->fates[i] = FATE_LEFT;
                return strv_extendf(&r->told->warnings, "An earlier session has left something changed, which is tried again: %s", text);
        }
        (void) error_set(&r->error, why->code ?: ERROR_KERNEL, "%s", text);
        r->failed = failed;
        return 0;
}

/* Returns 1 if the rest has to wait. */
static int restore_entry(Restoring *r, size_t i) {
        const UndoEntry *entry = r->undo.entries + i;
        _cleanup_error_ Error why = {};
        Undoing u = { r->context, r->deadline_usec, &r->told->done, &r->told->warnings, r->tracer_stays, &why };
        int failed, q;

        /* Under mmiotrace, switching tracing_on wipes the ring, and sizes cannot be trusted. */
        if (r->tracer_stays && entry->kind == UNDO_CONTROL)
                return 0;
        if (needs_tracefs(entry->kind) && r->unreachable.code != ERROR_NONE)
                failed = error_set(&why, r->unreachable.code, "%s", strempty(r->unreachable.text));
        else
                failed = undo_entry(&u, entry);
        if (failed >= 0) {
                note_undone(r, i);
                return 0;
        }
        q = note_failed(r, i, failed, &why);
        if (q < 0 || entry->kind != UNDO_TRACER || r->unreachable.code != ERROR_NONE)
                return q;
        if (may_go_away(failed))
                return 1;
        r->tracer_stays = true;
        return 0;
}

static int restore_entries(Restoring *r) {
        int q;

        for (size_t i = 0; i < r->undo.n_entries; i++)
                r->has_new |= r->undo.entries[i].n_tries == 0;
        for (size_t i = r->undo.n_entries; i-- > 0;) {
                q = restore_entry(r, i);
                if (q != 0)
                        return MIN(q, 0);
        }
        return 0;
}

/* First what is to be looked at by a person, then what is not undone yet: a crash in between leaves too much, and not too
 * little. */
static int save_rest(Restoring *r, int runtime_fd, const char *boot_id) {
        _cleanup_free_ UndoEntry *rest = calloc(MAX(2 * r->undo.n_entries, (size_t) 1), sizeof(UndoEntry));
        UndoEntry *aside;
        size_t n_rest = 0, n_aside = 0;
        int q = 0;

        if (!rest)
                return -ENOMEM;
        aside = rest + r->undo.n_entries;
        /* They stay the journal's. */
        for (size_t i = 0; i < r->undo.n_entries; i++)
                if (r->fates[i] == FATE_SET_ASIDE)
                        aside[n_aside++] = r->undo.entries[i];
                else if (r->fates[i] != FATE_UNDONE) {
                        rest[n_rest] = r->undo.entries[i];
                        /* It had its turn, if in vain: the next session is not to blame. */
                        rest[n_rest].n_tries = MAX(rest[n_rest].n_tries, 1U);
                        n_rest++;
                }
        if (n_aside > 0 || r->undo.unknown)
                q = undo_set_aside(runtime_fd, boot_id, aside, n_aside, r->undo.unknown);
        return q < 0 ? q : undo_keep(runtime_fd, boot_id, rest, n_rest);
}

static int find_result(const Restoring *r) {
        if (r->tracer_stays)
                return -ENOTRECOVERABLE;
        for (size_t i = 0; i < r->undo.n_entries; i++)
                if (r->fates[i] == FATE_FAILED)
                        return r->failed;
        return r->undo.n_entries == 0 && !r->undo.unknown && r->undo.n_stale > 0 ? TRACER_JOURNAL_DROPPED : 1;
}

static int restore(Restoring *r, int runtime_fd, const char *boot_id) {
        _cleanup_free_ char *dir = NULL;
        int q;

        if (r->undo.unknown) {
                q = strv_extendf(&r->told->warnings, "The undo journal has something in it that is not understood (lines: %zu), maybe because another "
                                 "version of mmiotraced has written it: that is not undone, and is kept in /run/mmiotraced/undo.bad.",
                                 strv_length(r->undo.unknown));
                if (q < 0)
                        return q;
        }
        (void) tracer_find_dir(r->context, &dir, &r->unreachable);
        q = restore_entries(r);
        if (q < 0)
                return q;
        q = save_rest(r, runtime_fd, boot_id);
        if (q < 0)
                return error_set_errno(&r->error, ERROR_KERNEL, q, "Cannot write the undo journal");
        return find_result(r);
}

int tracer_restore(const Context *context, int runtime_fd, const char *boot_id, TracerRestored *ret, Error *error) {
        _cleanup_tracer_restored_ TracerRestored told = {};
        _cleanup_(restoring_done) Restoring restoring = {
                .context = context,
                .told = &told,
        };
        _cleanup_close_ int lock_fd = -EBADF;
        int r;

        r = undo_lock_journal(runtime_fd, &lock_fd);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot lock the undo journal");
        r = undo_load(runtime_fd, boot_id, &restoring.undo);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read the undo journal");
        restoring.fates = calloc(MAX(restoring.undo.n_entries, (size_t) 1), sizeof(Fate));
        if (!restoring.fates)
                return -ENOMEM;
        restoring.deadline_usec = now_monotonic_usec() + BUSY_USEC;
        r = restore(&restoring, runtime_fd, boot_id);
        if (r < 0)
                (void) error_set(error, restoring.error.code ?: ERROR_KERNEL, "%s",
                                restoring.error.text ?: strerrordesc_np(-r));
        if (ret) {
                *ret = told;
                told = (TracerRestored) {};
        }
        return r;
}
