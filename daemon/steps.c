/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "archive-name.h"
#include "boot-symbols.h"
#include "driver.h"
#include "kernel-watch.h"
#include "metadata.h"
#include "names.h"
#include "preflight.h"
#include "pstore.h"
#include "report.h"
#include "reserve.h"
#include "ring.h"
#include "steps.h"
#include "syncer.h"
#include "tally.h"
#include "tracer.h"
#include "undo.h"

#define BARRIER_USEC (10 * USEC_PER_SEC)

static int open_folder(const StepRequest *q, const char *name, int *ret) {
        int fd = openat(q->session_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

static void send_driver(FILE *out, const Driver *driver) {
        if (driver->module)
                worker_send(out, "MODULE", "%s", driver->module);
        if (driver->version)
                worker_send(out, "VERSION", "%s", driver->version);
        STRV_FOREACH(device, driver->devices)
                worker_send(out, "DEVICE", "%s", *device);
}

/* Tells what is known of the driver, and writes it down. Called again at the end, where more is bound. */
static int report_driver(FILE *out, const StepRequest *q, const Driver *driver, Error *error) {
        _cleanup_free_ char *ids = NULL, *device_name = NULL, *name = NULL;
        _cleanup_close_ int metadata_fd = -EBADF;
        int r;

        r = open_folder(q, SESSION_METADATA_DIR, &metadata_fd);
        if (r >= 0)
                r = metadata_collect(metadata_fd, q->context, driver);
        if (r < 0)
                return error_set_errno(error, ERROR_NO_SPACE, r, "Cannot save the description of the machine");
        if (driver)
                send_driver(out, driver);
        (void) metadata_main_device(q->context->sys_root, driver, &ids, &device_name);
        r = archive_name(ids, device_name, driver ? driver->name : NULL, driver ? driver->version : NULL, q->started_usec,
                        &name);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot make a name for the archive");
        worker_send(out, "ARCHIVE_NAME", "%s", name);
        return 0;
}

/* A warning goes with the session, and so does a blocker that was insisted on. Notes are for "check". */
static int take_findings(const StepRequest *q, const Findings *findings, FILE *out, Error *error) {
        for (size_t i = 0; i < findings->n_findings; i++) {
                Finding f = findings->findings[i];
                _cleanup_free_ char *sentence = NULL;
                int r;

                if (f.level < FINDING_WARNING)
                        continue;
                if (q->force && f.forcible)
                        f.level = FINDING_WARNING;
                r = finding_sentence(&f, &sentence);
                if (r < 0)
                        return r;
                if (f.level == FINDING_BLOCKER)
                        return error_set(error, f.code, "%s", sentence);
                worker_send(out, "WARNING", "%s", sentence);
        }
        return 0;
}

static int check(const StepRequest *q, FILE *out, Driver **ret_driver, Error *error) {
        const SessionOptions options = {
                .driver = (char *) q->driver,
                .load = q->load,
                .rebind = q->rebind,
                .at_boot = q->at_boot,
                .buffer_bytes = q->buffer_bytes,
                .n_expected = q->n_expected,
                .keep_oldest = q->keep_oldest,
                .stacks = q->stacks,
                .caller_address = (char *) q->caller_address,
        };
        /* All of them, and not only this one, take from the room on the disk. */
        _cleanup_close_ int sessions_fd =
                        q->at_boot ? -EBADF : openat(q->session_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const Preflight preflight = {
                .context = q->context,
                .options = &options,
                .sessions_fd = sessions_fd,
                .removable = q->removable,
                .start = true,
        };
        _cleanup_findings_ Findings findings = {};
        _cleanup_driver_ Driver *driver = NULL;
        int r;

        if (sessions_fd < 0 && !q->at_boot)
                return -errno;
        r = preflight_run(&preflight, &findings, &driver, error);
        if (r >= 0)
                r = take_findings(q, &findings, out, error);
        if (r >= 0)
                *ret_driver = TAKE_PTR(driver);
        return r;
}

static int unbind_all(const StepRequest *q, const Driver *driver, FILE *out, Error *error) {
        int r;

        STRV_FOREACH(device, driver->devices) {
                _cleanup_free_ char *path = NULL, *target = NULL, *bound = NULL;
                ssize_t n;

                /* The journal needs the name before the link is gone. */
                if (asprintf(&path, "%s/bus/pci/devices/%s/driver", q->context->sys_root, *device) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                target = calloc(1, 4096);
                if (!target)
                        return -ENOMEM;
                n = readlink(path, target, 4095);
                if (n <= 0)
                        return error_set_errno(error, ERROR_BIND_FAILED, n < 0 ? -errno : -EIO, "Cannot tell what drives %s", *device);
                const char *name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;

                r = undo_add(q->runtime_fd, q->boot_id, UNDO_BIND, name, *device);
                if (r < 0)
                        return error_set_errno(error, ERROR_NO_SPACE, r, "Cannot write the undo journal");
                r = driver_unbind(q->context->sys_root, *device, &bound);
                if (r < 0)
                        return error_set_errno(error, ERROR_BIND_FAILED, r, "Cannot take %s off its driver %s", *device, name);
                worker_send(out, "PCI_DRIVER", "%s", name);
        }
        return 0;
}

/* Pages that nobody could decode afterwards are not worth capturing: so it is found out before anything is changed. The
 * formats are saved in any case, to be looked at. */
static int choose_source(const StepRequest *q, FILE *out, Error *error) {
        CaptureSource source = q->context->config.source;
        _cleanup_error_ Error unknown = {};
        _cleanup_close_ int formats_fd = -EBADF;
        RingFormat format;
        int r;

        r = open_folder(q, SESSION_FORMATS_DIR, &formats_fd);
        if (r < 0)
                return r;
        r = tracer_copy_formats(formats_fd, &unknown);
        if (r < 0 && unknown.code == ERROR_NO_SPACE)
                return error_set(error, unknown.code, "%s", unknown.text);
        if (r >= 0)
                r = ring_format_load(formats_fd, &format);
        if (r < 0 && source == SOURCE_RAW)
                return error_set(error, ERROR_NOT_SUPPORTED,
                                "The pages of this kernel's ring buffer have a form that mmiotraced does not know; with "
                                "Source=auto or Source=text in [Capture] of mmiotraced.conf it captures what the kernel "
                                "prints instead.");
        if (r < 0 && source == SOURCE_AUTO)
                worker_send(out, "WARNING", "The pages of this kernel's ring buffer have a form that mmiotraced does not know, "
                                "so it captures what the kernel prints: that slows the driver down more.");
        if (q->stacks && (source == SOURCE_TEXT || r < 0))
                return error_set(error, ERROR_NOT_SUPPORTED,
                                "Call stacks are in the pages of the ring buffer only, and this session would capture what the "
                                "kernel prints; start without --stacks, or with Source=raw in [Capture] of mmiotraced.conf.");
        worker_send(out, "SOURCE", "%s", source == SOURCE_TEXT || r < 0 ? "text" : "raw");
        return 0;
}

/* What the session holds for its end. */
static int make_reserve(const StepRequest *q, Error *error) {
        _cleanup_close_ int raw_fd = -EBADF;
        int r;

        r = open_folder(q, SESSION_RAW_DIR, &raw_fd);
        if (r >= 0)
                r = reserve_make(raw_fd);
        if (errno_is_no_space(r))
                return error_set(error, ERROR_NO_SPACE,
                                "The disk has no room for the %s that a session keeps for its end; make room in "
                                "/var/lib/mmiotraced.", FORMAT_BYTES(RESERVE_PAGES_BYTES + RESERVE_END_BYTES));
        return r < 0 ? error_set_errno(error, ERROR_FAILED, r, "Cannot reserve room on the disk for the end of the session") : 0;
}

/* For one that records already, which goes on without: what the ring holds is worth more than what is said about it. */
static void report_driver_or_warn(FILE *out, const StepRequest *q, const Driver *driver) {
        _cleanup_error_ Error error = {};

        if (report_driver(out, q, driver, &error) < 0)
                worker_send(out, "WARNING", "%s", strempty(error.text));
}

static void make_reserve_or_warn(FILE *out, const StepRequest *q) {
        _cleanup_error_ Error error = {};

        if (make_reserve(q, &error) < 0)
                worker_send(out, "WARNING", "%s", strempty(error.text));
}

/* Nothing is written any more but what is to be written down about the session: that has the room from now on. */
static void release_reserve(const StepRequest *q) {
        _cleanup_close_ int raw_fd = -EBADF;

        if (open_folder(q, SESSION_RAW_DIR, &raw_fd) >= 0)
                (void) reserve_remove(raw_fd);
}

static void send_armed(FILE *out, const TracerArmed *armed) {
        worker_send(out, "CPU", "%u", armed->cpu);
        worker_send(out, "ONLINE", "%s", armed->online);
        worker_send(out, "OFFLINE", "%s", strempty(armed->offline));
        worker_send(out, "BUFFER", "%" PRIu64, armed->buffer_bytes);
        if (armed->clock)
                worker_send(out, "CLOCK", "%s", armed->clock);
        STRV_FOREACH(warning, armed->warnings)
                worker_send(out, "WARNING", "%s", *warning);
}

static int arm(const StepRequest *q, FILE *out, Error *error) {
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_close_ int lock_fd = -EBADF;
        int r;

        r = check(q, out, &driver, error);
        if (r < 0)
                return r;
        r = report_driver(out, q, driver, error);
        if (r < 0)
                return r;
        r = choose_source(q, out, error);
        /* In memory at boot; the folder on the disk gets its own when the daemon takes it up. */
        if (r >= 0 && !q->at_boot)
                r = make_reserve(q, error);
        if (r < 0)
                return r;

        r = undo_lock_journal(q->runtime_fd, &lock_fd);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot lock the undo journal");
        worker_send(out, "STATE", "arming");
        if (q->rebind) {
                r = unbind_all(q, driver, out, error);
                if (r < 0)
                        return r;
        }
        r = tracer_arm(q->context, q->runtime_fd, q->boot_id,
                        &(TracerOptions) { q->buffer_bytes, q->n_expected, q->keep_oldest, q->stacks }, &armed, error);
        if (r < 0)
                return r;
        send_armed(out, &armed);
        return 0;
}

int step_arm(FILE *out, void *userdata) {
        _cleanup_error_ Error error = {};
        int r;

        r = arm(userdata, out, &error);
        return worker_send_result(out, r, &error);
}

/* What the daemon needs for the description is there now, in contrast to then. */
static int take_up(const StepRequest *q, FILE *out, Error *error) {
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_free_ char *report = NULL;
        int r;

        r = read_file_at(q->runtime_fd, BOOT_DIR "/" BOOT_REPORT, MIB, &report, NULL);
        if (r == -ENOENT)
                return error_set(error, ERROR_PROCESS_DIED,
                                "The boot that it was meant for was cut short before it could begin, or before mmiotraced could "
                                "take it up: what it may have recorded is lost.");
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot read what the session at boot reported");
        /* If it reports an error, that is the first one, and so the one that counts. */
        fputs(report, out);
        r = driver_resolve(q->context->sys_root, q->context->module_dir, q->driver, &driver, error);
        if (r < 0)
                return r;
        /* Little, and without it the pages cannot be read: so it has what room there is before all others. */
        r = choose_source(q, out, error);
        if (r < 0)
                return r;
        report_driver_or_warn(out, q, driver);
        make_reserve_or_warn(out, q);
        return 0;
}

int step_take_up(FILE *out, void *userdata) {
        _cleanup_error_ Error error = {};
        int r;

        r = take_up(userdata, out, &error);
        return worker_send_result(out, r, &error);
}

static int adopt(const StepRequest *q, FILE *out, Error *error) {
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_close_ int lock_fd = -EBADF;
        int r;

        r = undo_lock_journal(q->runtime_fd, &lock_fd);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot lock the undo journal");
        r = tracer_adopt(q->context, &armed, error);
        if (r < 0)
                return r;
        r = choose_source(q, out, error);
        if (r < 0)
                return r;
        report_driver_or_warn(out, q, NULL);
        /* With the state this is on file: the session can be taken up from there. */
        make_reserve_or_warn(out, q);
        send_armed(out, &armed);
        worker_send(out, "STATE", "arming");
        return tracer_note_recording(q->runtime_fd, q->boot_id, error);
}

int step_adopt(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_error_ Error error = {};
        _cleanup_strv_ char **done = NULL;
        int r;

        r = adopt(q, out, &error);
        /* The tracer went off, and the CPUs did not come back: a script that ended half way through. */
        if (r < 0 && error.code == ERROR_NOT_RUNNING) {
                (void) tracer_bring_cpus_online(q->context, &done);
                STRV_FOREACH(sentence, done)
                        worker_send(out, "DONE", "%s", *sentence);
        }
        return worker_send_result(out, r, &error);
}

int step_bind(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_error_ Error error = {};
        int r = 0;

        STRV_FOREACH(device, q->devices) {
                r = driver_bind(q->context->sys_root, q->pci_driver, *device);
                if (r < 0) {
                        (void) error_set_errno(&error, ERROR_BIND_FAILED, r, "The driver %s did not take %s back",
                                        q->pci_driver, *device);
                        break;
                }
        }
        return worker_send_result(out, r, &error);
}

int step_look(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_error_ Error error = {};
        int r;

        r = driver_resolve(q->context->sys_root, q->context->module_dir, q->driver, &driver, &error);
        if (r >= 0)
                send_driver(out, driver);
        return worker_send_result(out, r, &error);
}

static void send_ready(void *userdata) {
        worker_send(userdata, "READY", "1");
}

static void send_stop(const char *what, void *userdata) {
        worker_send(userdata, "STOP", "%s", what);
}

static void send_warning(const char *text, void *userdata) {
        worker_send(userdata, "WARNING", "%s", text);
}

int step_symbols(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_close_ int raw_fd = -EBADF;
        _cleanup_error_ Error error = {};
        int r;

        r = open_folder(q, SESSION_RAW_DIR, &raw_fd);
        if (r >= 0)
                r = boot_symbols_save(q->context->inspect_socket, raw_fd, send_warning, out);
        return worker_send_result(out, r, &error);
}

static int drain(FILE *out, const StepRequest *q, Error *error) {
        _cleanup_free_ char *dir = NULL;
        _cleanup_close_ int raw_fd = -EBADF;
        uint64_t max_disk_bytes;
        int r;

        /* The pipes are of use only once the service manager has them: nothing is taken from the ring before. */
        (void) sd_notify_barrier(false, BARRIER_USEC);

        r = tracer_find_dir(q->context, &dir, error);
        if (r < 0)
                return r;
        r = tracer_is_on();
        if (r == 0)
                return error_set(error, ERROR_NOT_RUNNING, "mmiotrace was switched off while no daemon was there.");
        if (r >= 0)
                r = open_folder(q, SESSION_RAW_DIR, &raw_fd);
        if (r < 0)
                return r;
        max_disk_bytes = storage_session_bytes(raw_fd, &q->context->config.storage);
        return drain_run(&(DrainRequest) {
                        .pipes = q->pipes,
                        .n_pipes = q->n_pipes,
                        .raw_fd = raw_fd,
                        .control_fd = q->control_fd,
                        .segment_bytes = storage_segment_bytes(raw_fd, &q->context->config.storage),
                        .max_disk_bytes = max_disk_bytes < STORAGE_UNLIMITED ? max_disk_bytes : 0,
                        .mark_fd = q->mark_fd,
                        .sync_fd = q->sync_fd,
                        .sync_usec = q->context->config.sync_usec,
                        .sync_bytes = q->context->config.sync_bytes,
                        .text = q->text,
                        .keep_oldest = q->keep_oldest,
                        .stopping = q->stopping,
                        .sys_root = q->context->sys_root,
                        .stacks = q->stacks,
                        .counters = q->counters,
                        .stop_after_bytes = q->stop_after_bytes,
                        .stop_after_events = q->stop_after_events,
                        .enough = send_stop,
                        .ready = send_ready,
                        .warn = send_warning,
                        .userdata = out,
                }, error);
}

int step_drain(FILE *out, void *userdata) {
        _cleanup_error_ Error error = {};
        int r;

        r = drain(out, userdata, &error);
        return worker_send_result(out, r, &error);
}

int step_sync(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_close_ int raw_fd = -EBADF;
        _cleanup_error_ Error error = {};
        int r;

        r = open_folder(q, SESSION_RAW_DIR, &raw_fd);
        if (r >= 0)
                r = syncer_run(&(SyncerRequest) {
                                .raw_fd = raw_fd,
                                .wake_fd = q->sync_fd,
                                .text = q->text,
                                .pipes = q->pipes,
                                .n_pipes = q->n_pipes,
                                .warn = send_warning,
                                .userdata = out,
                });
        return worker_send_result(out, r, &error);
}

int step_tally(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_close_ int raw_fd = -EBADF;
        _cleanup_error_ Error error = {};
        int r;

        r = open_folder(q, SESSION_RAW_DIR, &raw_fd);
        if (r >= 0)
                r = tally_run(raw_fd, q->text, q->pipes, q->n_pipes, q->counters, send_warning, out);
        return worker_send_result(out, r, &error);
}

/* Once more, for what was loaded later than the driver. But if the driver is gone by now, what was saved when it had
 * just been loaded says more. */
static void save_last_symbols(FILE *out, const StepRequest *q, const Driver *driver) {
        bool gone = q->driver && !(driver && (driver->loaded || driver->builtin));
        _cleanup_close_ int raw_fd = -EBADF;
        int r;

        r = open_folder(q, SESSION_RAW_DIR, &raw_fd);
        if (r >= 0 && gone && boot_symbols_exist(raw_fd))
                return;
        if (gone)
                worker_send(out, "WARNING",
                                "%s is not loaded at the end of the session: if it was before, its functions on the call "
                                "stacks have no names in the archive. Stop first, then unload.", q->driver);
        if (r >= 0)
                r = boot_symbols_save(q->context->inspect_socket, raw_fd, send_warning, out);
        if (r < 0)
                worker_send(out, "WARNING", "The names of the functions on the call stacks could not be saved: %s",
                                strerrordesc_np(-r));
}

static int add_name(char ***names, const char *name) {
        return isempty(name) || strv_contains(*names, name) ? 0 : strv_extend(names, name);
}

/* What messages of before the session are to be about. */
static int list_names(const StepRequest *q, const Driver *driver, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = add_name(&names, q->driver);
        if (r >= 0)
                r = add_name(&names, q->pci_driver);
        if (r >= 0 && driver)
                r = add_name(&names, driver->module);
        STRV_FOREACH(name, driver ? driver->pci_names : NULL)
                if (r >= 0)
                        r = add_name(&names, *name);
        STRV_FOREACH(device, driver ? driver->devices : NULL)
                if (r >= 0)
                        r = add_name(&names, *device);
        STRV_FOREACH(device, q->devices)
                if (r >= 0)
                        r = add_name(&names, *device);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

static void warn_unsaved(FILE *out, int r) {
        if (r < 0)
                worker_send(out, "WARNING", "The kernel's log could not be saved: %s", strerrordesc_np(-r));
}

static int save_kernel_log(const StepRequest *q, uint64_t from_usec, const Driver *driver) {
        _cleanup_close_ int metadata_fd = -EBADF;
        _cleanup_strv_ char **names = NULL;
        int r;

        r = open_folder(q, SESSION_METADATA_DIR, &metadata_fd);
        if (r >= 0)
                r = list_names(q, driver, &names);
        return r < 0 ? r : metadata_save_kernel_log(metadata_fd, &(KernelLogExcerpt) {
                        .journal_dir = q->context->journal_dir,
                        .boot_id = q->session_boot_id,
                        .from_usec = from_usec,
                        .names = names,
        });
}

static int look_at_kernel_log(FILE *out, const StepRequest *q, const Driver *driver, bool follow) {
        _cleanup_(kernel_watch_freep) KernelWatch *watch = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        r = list_names(q, driver, &names);
        if (r >= 0)
                r = kernel_watch_new(names, send_warning, out, &watch);
        return r < 0 ? r : kernel_watch_run(watch, q->context->journal_dir, q->session_boot_id, q->armed_usec, follow);
}

int step_watch(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_error_ Error error = {}, ignored = {};

        if (q->driver)
                (void) driver_resolve(q->context->sys_root, q->context->module_dir, q->driver, &driver, &ignored);
        return worker_send_result(out, look_at_kernel_log(out, q, driver, true), &error);
}

static int restore(const StepRequest *q, TracerRestored *told, Error *error) {
        int r;

        r = q->adopt ? undo_add(q->runtime_fd, q->boot_id, UNDO_TRACER, NULL, NULL) : 0;
        if (r < 0)
                return error_set_errno(error, ERROR_NO_SPACE, r, "Cannot write the undo journal");
        r = tracer_restore(q->context, q->runtime_fd, q->boot_id, told, error);
        if (r >= 0 && q->adopt)
                (void) tracer_bring_cpus_online(q->context, &told->done);
        return r;
}

int step_restore(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        _cleanup_error_ Error error = {}, ignored = {};
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_tracer_restored_ TracerRestored told = {};
        int r;

        if (q->session_fd >= 0)
                release_reserve(q);
        r = restore(q, &told, &error);
        STRV_FOREACH(sentence, told.done)
                worker_send(out, "DONE", "%s", *sentence);
        STRV_FOREACH(sentence, told.warnings)
                worker_send(out, "WARNING", "%s", *sentence);
        if (r == TRACER_JOURNAL_DROPPED)
                worker_send(out, "DROPPED", "1");

        /* With the CPUs back. What is known of the driver from the start stays, if it is gone by now. */
        if (q->session_fd >= 0 &&
            (!q->driver || driver_resolve(q->context->sys_root, q->context->module_dir, q->driver, &driver, &ignored) >= 0))
                report_driver_or_warn(out, q, driver);
        if (q->session_fd >= 0 && q->stacks)
                save_last_symbols(out, q, driver);
        if (q->session_fd >= 0)
                warn_unsaved(out, save_kernel_log(q, q->armed_usec, driver));
        /* What came too late for the one that followed. Without a journal, the lines above say so. */
        if (q->session_fd >= 0)
                (void) look_at_kernel_log(out, q, driver, false);
        return worker_send_result(out, r, &error);
}

/* Up to when a machine can have died before this boot. Where that is not to be found out, until now. */
static uint64_t boot_realtime_usec(const Context *context) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        uint64_t uptime_sec;

        if (asprintf(&path, "%s/uptime", context->proc_root) < 0)
                path = NULL;
        if (!path || read_line_at(AT_FDCWD, path, &line) < 0)
                return now_realtime_usec();
        line[strcspn(line, ".")] = 0;
        return parse_u64(line, &uptime_sec) < 0 ? now_realtime_usec() : now_realtime_usec() - uptime_sec * USEC_PER_SEC;
}

/* Of most machines there is nothing. */
static int save_pstore(const StepRequest *q) {
        _cleanup_free_ char *mounted = NULL, *text = NULL;
        _cleanup_close_ int metadata_fd = -EBADF;
        int r;

        if (asprintf(&mounted, "%s/fs/pstore", q->context->sys_root) < 0) {
                mounted = NULL;
                return -ENOMEM;
        }
        r = pstore_collect((char *[]) { mounted, (char *) q->context->pstore_dir, NULL }, q->started_usec,
                        boot_realtime_usec(q->context), &text);
        if (r == -ENODATA)
                return 0;
        if (r >= 0)
                r = open_folder(q, SESSION_METADATA_DIR, &metadata_fd);
        return r < 0 ? r : write_file_atomic_at(metadata_fd, METADATA_PSTORE, text, strlen(text));
}

int step_post_mortem(FILE *out, void *userdata) {
        const StepRequest *q = userdata;
        int r;

        release_reserve(q);
        /* All of it, as nobody knows what it died of. */
        warn_unsaved(out, save_kernel_log(q, 0, NULL));
        (void) look_at_kernel_log(out, q, NULL, false);
        r = save_pstore(q);
        if (r < 0)
                worker_send(out, "WARNING", "What the kernel has left in pstore could not be saved: %s", strerrordesc_np(-r));
        return 0;
}
