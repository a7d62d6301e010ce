/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive-head.h"
#include "identity.h"
#include "privacy.h"

/* Names that are the same on every machine with that driver, whoever bears them here. */
static int keep_driver_names(struct json_object *session, Redactor *redactor) {
        static const char *const keys[] = { "driver", "module", "pci_driver" };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(keys) && r >= 0; i++)
                if (*json_get_string(session, keys[i]))
                        r = redactor_keep(redactor, json_get_string(session, keys[i]));
        return r;
}

void privacy_done(Privacy *p) {
        redactor_free(p->redactor);
        leak_free(p->leak);
}

int privacy_load(struct json_object *session, int metadata_fd, Privacy *ret) {
        _cleanup_json_ struct json_object *identity = NULL;
        _cleanup_privacy_ Privacy p = {};
        int r;

        r = leak_new(&p.leak);
        if (r >= 0 && !json_get_bool(session, "no_redact")) {
                r = redactor_new(&p.redactor);
                if (r >= 0)
                        r = keep_driver_names(session, p.redactor);
                if (r >= 0)
                        r = identity_load(metadata_fd, &identity);
                if (r >= 0)
                        r = identity_tell(identity, p.redactor);
                if (r >= 0)
                        r = leak_add_machine(p.leak, metadata_fd);
        }
        if (r < 0)
                return r;
        *ret = p;
        p = (Privacy) {};
        return 0;
}

int privacy_apply(Privacy *privacy, struct json_object *session) {
        _cleanup_free_ char *result_text = NULL;
        _cleanup_strv_ char **warnings = NULL;
        int r;

        r = json_get_strv(session, "warnings", &warnings);
        for (char **w = warnings; w && *w && r >= 0; w++) {
                char *text;

                r = redact_text(privacy->redactor, ARCHIVE_METADATA_NAME, *w, &text);
                if (r < 0)
                        break;
                free(*w);
                *w = text;
        }
        if (r >= 0)
                r = json_add_strv(session, "warnings", warnings);
        if (r >= 0)
                r = redact_text(privacy->redactor, ARCHIVE_METADATA_NAME, json_get_string(session, "result_text"), &result_text);
        return r < 0 ? r : json_add_string(session, "result_text", result_text);
}

static int apply_string(Privacy *p, const char *key, struct json_object *o) {
        bool arguments = key && streq(key, "cmdline");
        _cleanup_free_ char *text = NULL;
        int r;

        r = (arguments ? redact_arguments : redact_text)(p->redactor, ARCHIVE_METADATA_NAME, json_object_get_string(o), &text);
        if (r < 0)
                return r;
        return json_object_set_string(o, text) ? 0 : -ENOMEM;
}

static int apply(Privacy *p, const char *key, struct json_object *o) {
        int r = 0;

        if (json_object_is_type(o, json_type_string))
                return apply_string(p, key, o);
        if (json_object_is_type(o, json_type_array))
                for (size_t i = 0; i < json_object_array_length(o) && r >= 0; i++)
                        r = apply(p, NULL, json_object_array_get_idx(o, i));
        if (json_object_is_type(o, json_type_object)) {
                json_object_object_foreach(o, name, value)
                        if (r >= 0)
                                r = apply(p, name, value);
        }
        return r;
}

int privacy_apply_json(Privacy *p, struct json_object *o) {
        return p->redactor ? apply(p, NULL, o) : 0;
}
