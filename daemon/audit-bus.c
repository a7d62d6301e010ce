/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "audit-bus.h"
#include "auth.h"
#include "log.h"
#include "names.h"

void audit_bus_log(sd_bus_message *m, unsigned session_id, uid_t owner_uid, const char *what) {
        uid_t uid;

        /* Whoever it was has left by now; it was permitted, and is done. */
        if (auth_caller_uid(m, &uid) < 0)
                uid = (uid_t) -1;
        if (session_id > 0)
                log_send(uid == owner_uid ? LOG_INFO : LOG_NOTICE, "MESSAGE=Session %u: user %u has %s", session_id, uid, what,
                                FIELD_SESSION "=%u", session_id, FIELD_CALLER_UID "=%u", uid);
        else
                log_send(LOG_NOTICE, "MESSAGE=User %u has %s", uid, what, FIELD_CALLER_UID "=%u", uid);
}
