/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive-head.h"
#include "identity.h"
#include "session-redact.h"

/* Names that are the same on every machine with that driver, whoever bears them here. */
static int keep_driver_names(struct json_object *session, Redactor *redactor) {
        static const char *const keys[] = { "driver", "module", "pci_driver" };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(keys) && r >= 0; i++)
                if (*json_get_string(session, keys[i]))
                        r = redactor_keep(redactor, json_get_string(session, keys[i]));
        return r;
}

int session_redactor(struct json_object *session, int metadata_fd, Redactor **ret) {
        _cleanup_json_ struct json_object *identity = NULL;
        _cleanup_redactor_ Redactor *redactor = NULL;
        int r;

        if (json_get_bool(session, "no_redact")) {
                *ret = NULL;
                return 0;
        }
        r = redactor_new(&redactor);
        if (r >= 0)
                r = keep_driver_names(session, redactor);
        if (r >= 0)
                r = identity_load(metadata_fd, &identity);
        if (r >= 0)
                r = identity_tell(identity, redactor);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(redactor);
        return 0;
}

int session_redact(struct json_object *session, Redactor *redactor) {
        _cleanup_free_ char *result_text = NULL;
        _cleanup_strv_ char **warnings = NULL;
        int r;

        r = json_get_strv(session, "warnings", &warnings);
        for (char **w = warnings; w && *w && r >= 0; w++) {
                char *text;

                r = redact_text(redactor, ARCHIVE_METADATA_NAME, *w, &text);
                if (r < 0)
                        break;
                free(*w);
                *w = text;
        }
        if (r >= 0)
                r = json_add_strv(session, "warnings", warnings);
        if (r >= 0)
                r = redact_text(redactor, ARCHIVE_METADATA_NAME, json_get_string(session, "result_text"), &result_text);
        return r < 0 ? r : json_add_string(session, "result_text", result_text);
}
