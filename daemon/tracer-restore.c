/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way back: what the undo journal says, from its end to its beginning. */

#include <fcntl.h>
#include <poll.h>

#include "control.h"
#include "driver.h"
#include "tracer.h"
#include "undo.h"

/* A pipe that somebody is closing at this moment makes the kernel refuse the tracer's change with EBUSY. */
#define BUSY_RETRIES 50
#define BUSY_WAIT_MSEC 100

static void sleep_msec(int msec) {
        (void) poll(NULL, 0, msec);
}

static int undo_tracer(Error *error) {
        int r = 0;

        for (unsigned i = 0; i < BUSY_RETRIES; i++) {
                _cleanup_free_ char *current = NULL;

                r = control_read("current_tracer", &current);
                if (r < 0)
                        break;
                if (!streq(current, "mmiotrace"))
                        return 0;
                r = control_write("current_tracer", "nop");
                if (r != -EBUSY)
                        break;
                sleep_msec(BUSY_WAIT_MSEC);
        }
        if (r == -EBUSY)
                return error_set(error, ERROR_READER_BUSY,
                                "mmiotrace stays on and CPUs stay offline, because another program holds a trace pipe "
                                "open; find it with \"fuser -v /sys/kernel/tracing/trace_pipe "
                                "/sys/kernel/tracing/per_cpu/*/trace_pipe*\", end it, and restart mmiotraced.");
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot switch mmiotrace off");
        return 0;
}

/* The tracer brings back the CPUs that it took down; one that it could not bring back is tried once more. */
static int undo_cpus(const Context *context, const char *list, Error *error) {
        CpuSet before, now;
        int r, result = 0;

        r = cpu_set_parse(list, &before);
        if (r >= 0)
                r = read_online_cpus(context->sys_root, NULL, &now);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot find out which CPUs are online");
        for (unsigned i = 0; i < CPUS_MAX; i++) {
                _cleanup_free_ char *path = NULL;

                if (!cpu_set_has(&before, i) || cpu_set_has(&now, i))
                        continue;
                if (asprintf(&path, "%s/devices/system/cpu/cpu%u/online", context->sys_root, i) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = write_control_at(AT_FDCWD, path, "1");
                if (r < 0)
                        result = error_set_errno(error, ERROR_KERNEL, r, "CPU %u stays offline", i);
        }
        return result;
}

static int undo_bind(const Context *context, const char *driver, const char *device, Error *error) {
        _cleanup_free_ char *link = NULL;
        int r;

        if (asprintf(&link, "%s/bus/pci/devices/%s/driver", context->sys_root, device) < 0) {
                link = NULL;
                return -ENOMEM;
        }
        if (access(link, F_OK) >= 0)
                return 0;
        r = driver_bind(context->sys_root, driver, device);
        if (r < 0)
                return error_set_errno(error, ERROR_BIND_FAILED, r, "The driver %s did not take %s back", driver, device);
        return 0;
}

static bool control_holds(const char *name, const char *value) {
        _cleanup_free_ char *text = NULL, *selected = NULL;

        if (control_read(name, &text) < 0)
                return false;
        return streq(text, value) || (tracer_parse_selected(text, &selected) >= 0 && streq(selected, value));
}

static int undo_control(const UndoEntry *entry, Error *error) {
        int r;

        r = control_write(entry->name, entry->value);
        /* A change that the kernel refused needs no undoing, and is refused in this direction as well. */
        if (r < 0 && control_holds(entry->name, entry->value))
                return 0;
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot set %s back to %s", entry->name, entry->value);
        return 0;
}

int tracer_restore(const Context *context, int runtime_fd, const char *boot_id, Error *error) {
        _cleanup_free_ char *dir = NULL;
        _cleanup_undo_ Undo undo = {};
        int r, result = 0;

        r = undo_load(runtime_fd, boot_id, &undo);
        if (r == -ENOENT) {
                (void) undo_remove(runtime_fd);
                return 0;
        }
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read the undo journal");
        r = tracer_find_dir(context, &dir, error);
        if (r < 0)
                return r;

        for (size_t i = undo.n_entries; i-- > 0;) {
                const UndoEntry *entry = undo.entries + i;

                switch (entry->kind) {
                case UNDO_CONTROL:
                        r = undo_control(entry, error);
                        break;
                case UNDO_TRACER:
                        r = undo_tracer(error);
                        /* Under mmiotrace, switching tracing_on wipes the ring, and sizes cannot be trusted. */
                        if (r < 0)
                                return r;
                        break;
                case UNDO_CPUS:
                        r = undo_cpus(context, entry->value, error);
                        break;
                case UNDO_BIND:
                        r = undo_bind(context, entry->name, entry->value, error);
                        break;
                default:
                        r = 0;
                }
                if (r < 0)
                        result = r;
        }
        if (result < 0)
                return result;
        r = undo_remove(runtime_fd);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot remove the undo journal");
        return 1;
}
