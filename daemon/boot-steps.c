/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "boot-steps.h"
#include "driver.h"
#include "initramfs.h"
#include "names.h"
#include "report.h"
#include "session.h"
#include "steps.h"
#include "tracer.h"
#include "undo.h"

static void note_initramfs(const Context *context, const Driver *driver, FILE *out) {
        _cleanup_strv_ char **images = NULL;
        _cleanup_error_ Error error = {};
        int r;

        r = initramfs_has_module(context, driver->module, &images, &error);
        STRV_FOREACH(image, images)
                worker_send(out, "NOTE",
                                "%s is in the initramfs %s, which loads it before the session can begin: for that one boot, if it is of "
                                "that kernel, add modprobe.blacklist=%s to the kernel's command line.", driver->module, *image,
                                driver->module);
        if (r < 0)
                worker_send(out, "NOTE",
                                "Should %s be in the initramfs, that loads it before the session can begin: for that one boot, "
                                "add modprobe.blacklist=%s to the kernel's command line. (%s)", driver->module, driver->module,
                                error.text ?: strerrordesc_np(-r));
}

static int arm_next_boot(const ArmBootRequest *q, FILE *out, Error *error) {
        const SessionOptions *o = &q->boot->options;
        _cleanup_driver_ Driver *driver = NULL;
        int r;

        r = driver_resolve(q->context->sys_root, q->context->module_dir, o->driver, &driver, error);
        if (r < 0)
                return r;
        if (driver->builtin)
                return error_set(error, ERROR_LOAD_FAILED,
                                "%s is built into this kernel, and is there before anything can be captured; bind a device to it "
                                "in a session after the boot.", driver->name);
        note_initramfs(q->context, driver, out);
        r = next_boot_save(q->context, q->boot);
        if (r < 0)
                return error_set_errno(error, ERROR_NO_SPACE, r, "Cannot write /etc/mmiotraced/" NEXT_BOOT_FILE);
        return 0;
}

int step_arm_next_boot(FILE *out, void *request) {
        _cleanup_error_ Error error = {};
        int r;

        r = arm_next_boot(request, out, &error);
        return worker_send_result(out, r, &error);
}

/* The worker's part, with a report that somebody reads later. */
static int arm(const Context *context, int runtime_fd, int session_fd, const char *boot_id, FILE *report) {
        _cleanup_next_boot_ NextBoot boot = {};
        _cleanup_error_ Error error = {};
        int r;

        r = next_boot_load(context, BEGUN_BOOT_FILE, &boot);
        if (r < 0) {
                (void) error_set_errno(&error, ERROR_FAILED, r, "Cannot make sense of /etc/mmiotraced/" BEGUN_BOOT_FILE);
                return worker_send_result(report, r, &error);
        }
        r = step_arm(report, &(StepRequest) {
                        .context = context,
                        .boot_id = boot_id,
                        .runtime_fd = runtime_fd,
                        .session_fd = session_fd,
                        .driver = boot.options.driver,
                        .load = true,
                        .force = boot.options.force,
                        .at_boot = true,
                        .buffer_bytes = boot.options.buffer_bytes,
                        .n_expected = boot.options.n_expected,
                        .keep_oldest = boot.options.keep_oldest,
                        .stacks = boot.options.stacks,
                        .started_usec = now_realtime_usec(),
                        .control_fd = -EBADF,
                });
        worker_send(report, "START_MONOTONIC", "%" PRIu64, now_monotonic_usec());
        worker_send(report, "START_REALTIME", "%" PRIu64, now_realtime_usec());
        return r;
}

/* The value of a line of the report. -ENOENT: it has no such line. */
static int find_line(const char *report, const char *key, char **ret) {
        size_t l = strlen(key);
        const char *line = report;

        while (strncmp(line, key, l) != 0 || line[l] != '=') {
                line = strchr(line, '\n');
                if (!line)
                        return -ENOENT;
                line++;
        }
        line += l + 1;
        *ret = strndup(line, strcspn(line, "\n"));
        return *ret ? 0 : -ENOMEM;
}

static int arm_with_report(const Context *context, int runtime_fd, const char *boot_id, char **ret_report) {
        _cleanup_close_ int session_fd = -EBADF;
        _cleanup_free_ char *report = NULL;
        size_t bytes;
        FILE *f;
        int r;

        r = session_make_folder(runtime_fd, BOOT_DIR, &session_fd);
        if (r < 0)
                return r;
        f = open_memstream(&report, &bytes);
        if (!f)
                return -ENOMEM;
        (void) arm(context, runtime_fd, session_fd, boot_id, f);
        if (fclose(f) != 0)
                return -ENOMEM;
        /* As a whole: the daemon takes one that is there for a session that is armed, or was refused. */
        r = replace_file_at(session_fd, BOOT_REPORT, report, bytes);
        if (r < 0)
                return r;
        *ret_report = TAKE_PTR(report);
        return 0;
}

static int begin(const Context *context, int runtime_fd, const char *boot_id, char **ret_module, Error *error) {
        _cleanup_free_ char *report = NULL, *module = NULL, *reason = NULL;
        int r;

        r = arm_with_report(context, runtime_fd, boot_id, &report);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot keep a report of the session at boot");
        r = find_line(report, "ERROR", &reason);
        if (r >= 0)
                return error_set(error, ERROR_FAILED, "%s", strchr(reason, ' ') ? strchr(reason, ' ') + 1 : reason);
        if (r == -ENOENT)
                r = find_line(report, "MODULE", &module);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot make sense of the report of the session at boot");
        *ret_module = TAKE_PTR(module);
        return 1;
}

int boot_begin(const Context *context, char **ret_module, Error *error) {
        _cleanup_free_ char *boot_id = NULL;
        _cleanup_close_ int runtime_fd = -EBADF, lock_fd = -EBADF;
        int r;

        if (mkdir(context->runtime_dir, 0700) < 0 && errno != EEXIST)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot make the runtime directory");
        runtime_fd = open(context->runtime_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = runtime_fd < 0 ? -errno : undo_boot_id(context->proc_root, &boot_id);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot begin the session at boot");
        r = undo_lock(runtime_fd, false, &lock_fd);
        if (r == -EWOULDBLOCK)
                return error_set(error, ERROR_STATE, "mmiotraced is there already; this is not the time for the session at boot.");
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot lock the runtime directory");
        /* What the journal says would be undone with the first step that fails here. */
        if (undo_exists(runtime_fd))
                return error_set(error, ERROR_STATE, "The machine is changed for another session already; this is not its boot.");

        r = next_boot_begin(context);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r,
                                "Cannot take back what arms the boot, and so nothing is begun: it would happen at each boot");
        r = begin(context, runtime_fd, boot_id, ret_module, error);
        if (r < 0)
                (void) tracer_restore(context, runtime_fd, boot_id, NULL, error);
        return r;
}
