/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A change of the settings while the daemon runs. */


#include "log.h"
#include "manager.h"
#include "names.h"

int manager_reload(Manager *m, Error *error) {
        Config next;
        int r;

        r = config_load(&m->context->config_places, &next, error);
        if (r < 0)
                return r;
        config_done(&m->next_config);
        m->next_config = next;
        m->has_next_config = true;
        if (m->active)
                log_send(LOG_NOTICE, "MESSAGE=Read the configuration again; it takes effect when session %u has ended", m->active->id,
                                FIELD_SESSION "=%u", m->active->id);
        manager_take_config(m);
        return 0;
}

void manager_take_config(Manager *m) {
        /* Not in the middle of a session, which would be captured half one way and half the other. */
        if (!m->has_next_config || m->active)
                return;
        config_done(&m->context->config);
        m->context->config = m->next_config;
        m->next_config = (Config) {};
        m->has_next_config = false;
        log_send(LOG_INFO, "MESSAGE=The configuration that was read again is in effect");
        m->hooks.config_changed(m->hooks.userdata);
}
