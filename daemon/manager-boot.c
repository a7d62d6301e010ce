/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "boot-steps.h"
#include "log.h"
#include "manager-boot.h"
#include "names.h"

static void on_arm_line(const char *key, const char *value, void *userdata) {
        Manager *m = userdata;

        if (streq(key, "NOTE"))
                (void) strv_extend(&m->arm.notes, value);
}

static void on_arm_done(const Error *error, void *userdata) {
        Manager *m = userdata;
        Arm arm = m->arm;

        m->arm = (Arm) {};
        if (!error) {
                m->armed = TAKE_PTR(arm.boot.options.driver);
                log_send(LOG_NOTICE, "MESSAGE=The next boot is armed for a session of %s", m->armed,
                                "MESSAGE_ID=" MESSAGE_BOOT_ARMED, FIELD_DRIVER "=%s", m->armed,
                                FIELD_CALLER_UID "=%u", arm.boot.owner_uid);
        }
        arm.done(arm.notes, error, arm.userdata);
        next_boot_done(&arm.boot);
        strv_free(arm.notes);
        worker_free(arm.worker);
        manager_check_quit(m);
}

int manager_arm(Manager *m, const SessionOptions *options, uid_t owner_uid, ArmDone done, void *userdata, Error *error) {
        int r;

        if (m->quitting)
                return error_set(error, ERROR_STATE, "mmiotraced is about to stop and starts nothing new.");
        if (m->armed || m->arm.worker)
                return error_set(error, ERROR_STATE,
                                "The next boot is armed already, for a session of %s; \"mmiotracectl disarm\" takes that back.",
                                m->armed ?: m->arm.boot.options.driver);
        if (!next_boot_is_possible(options))
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "A session at the next boot is for one driver, which it loads itself, and it ends after a time: so "
                                "name the driver, and ask for neither load, rebind nor bound.");
        r = manager_check_count(m, owner_uid, error);
        if (r < 0)
                return r;
        m->arm = (Arm) { .boot.owner_uid = owner_uid, .done = done, .userdata = userdata };
        r = session_options_copy(options, &m->arm.boot.options);
        if (r >= 0)
                r = worker_start(m->event,
                                &(WorkerSpec) {
                                        .name = "arm-boot",
                                        .run = step_arm_next_boot,
                                        .arg = &(ArmBootRequest) { m->context, &m->arm.boot },
                                        .line = on_arm_line,
                                        .done = on_arm_done,
                                        .userdata = m,
                                },
                                &m->arm.worker);
        if (r < 0) {
                next_boot_done(&m->arm.boot);
                m->arm = (Arm) {};
                return error_set_errno(error, ERROR_FAILED, r, "Cannot start the process that arms the next boot");
        }
        return 0;
}

int manager_disarm(Manager *m, Error *error) {
        int r;

        if (m->arm.worker)
                return error_set(error, ERROR_STATE, "The next boot is just being armed; try again in a moment.");
        r = next_boot_remove(m->context, NEXT_BOOT_FILE);
        if (r == -ENOENT && !m->armed)
                return error_set(error, ERROR_NOT_RUNNING, "The next boot is not armed, so there is nothing to take back.");
        if (r < 0 && r != -ENOENT)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot remove /etc/mmiotraced/" NEXT_BOOT_FILE);
        m->armed = (free(m->armed), NULL);
        return 0;
}

static bool is_taken_up(const Manager *m) {
        for (size_t i = 0; i < m->n_sessions; i++)
                if (m->sessions[i]->options.at_boot && streq_ptr(m->sessions[i]->boot_id, m->boot_id))
                        return true;
        return false;
}

static void load_armed(Manager *m) {
        _cleanup_next_boot_ NextBoot boot = {};
        int r;

        r = next_boot_load(m->context, NEXT_BOOT_FILE, &boot);
        if (r >= 0)
                m->armed = TAKE_PTR(boot.options.driver);
        else if (r != -ENOENT)
                log_send(LOG_WARNING, "MESSAGE=Cannot make sense of %s/" NEXT_BOOT_FILE ", which will not begin a session: %s",
                                m->context->config_dir, strerrordesc_np(-r), "MESSAGE_ID=" MESSAGE_BOOT_FAILED);
}

void manager_take_up_boot(Manager *m) {
        _cleanup_next_boot_ NextBoot boot = {};
        _cleanup_error_ Error error = {};
        Session *s;
        int r;

        load_armed(m);
        r = next_boot_load(m->context, BEGUN_BOOT_FILE, &boot);
        /* A daemon before has done it, and did not come to say so. */
        if (r == -ENOENT || is_taken_up(m) || m->active) {
                manager_forget_boot(m);
                return;
        }
        if (r >= 0)
                r = manager_begin_session(m, &boot.options, boot.owner_uid, &s, &error);
        if (r < 0) {
                log_send(LOG_ERR, "MESSAGE=Cannot take up the session that was begun at boot, it is lost: %s",
                                error.text ?: strerrordesc_np(-r), "MESSAGE_ID=" MESSAGE_BOOT_FAILED);
                manager_forget_boot(m);
        }
}

/* The file on disk goes first: without it, nobody looks at the rest. */
void manager_forget_boot(Manager *m) {
        int r;

        r = next_boot_remove(m->context, BEGUN_BOOT_FILE);
        if (r >= 0 || r == -ENOENT)
                r = remove_tree_at(m->runtime_fd, BOOT_DIR);
        if (r < 0 && r != -ENOENT)
                log_send(LOG_WARNING, "MESSAGE=Cannot remove what the session at boot has left: %s", strerrordesc_np(-r));
}
