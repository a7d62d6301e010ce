/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The part of session.json that is about submissions. */

#include "submission.h"

int submission_to_json(const Session *s, struct json_object *o) {
        _cleanup_json_ struct json_object *wish = NULL, *receipts = json_object_new_array();
        const Submission *b = s->submission;
        int r = 0;

        if (!receipts)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_receipts; i++) {
                _cleanup_json_ struct json_object *receipt = json_object_new_object();

                if (!receipt)
                        return -ENOMEM;
                r = json_add_string(receipt, "target", s->receipts[i].target);
                if (r >= 0)
                        r = json_add_string(receipt, "where", s->receipts[i].where);
                if (r >= 0)
                        r = json_add_string(receipt, "sha256", s->receipts[i].sha256);
                if (r >= 0)
                        r = json_add_u64(receipt, "owner_uid", s->receipts[i].owner_uid);
                if (r >= 0)
                        r = json_add_u64(receipt, "realtime_usec", s->receipts[i].realtime_usec);
                if (r >= 0)
                        r = json_add_u64(receipt, "bytes", s->receipts[i].bytes);
                if (r < 0)
                        return r;
                if (json_object_array_add(receipts, receipt) < 0)
                        return -ENOMEM;
                receipt = NULL;
        }
        r = json_add(o, "receipts", TAKE_PTR(receipts));
        if (r >= 0 && s->submit_error)
                r = json_add_u64(o, "submit_error_uid", s->submit_error_uid);
        if (r < 0 || !b)
                return r;
        wish = json_object_new_object();
        if (!wish)
                return -ENOMEM;
        r = json_add_string(wish, "target", b->target);
        if (r >= 0)
                r = json_add_string(wish, "url", b->url);
        if (r >= 0)
                r = json_add_string(wish, "id", b->id);
        if (r >= 0)
                r = json_add_string(wish, "last_error", b->last_error);
        if (r >= 0)
                r = json_add_u64(wish, "owner_uid", b->owner_uid);
        if (r >= 0)
                r = json_add_u64(wish, "attempts", b->n_attempts);
        if (r >= 0)
                r = json_add_u64(wish, "next_realtime_usec", b->next_realtime_usec);
        return r < 0 ? r : json_add(o, "submission", TAKE_PTR(wish));
}

static int load_text(struct json_object *o, const char *key, char **ret) {
        const char *value = json_get_string(o, key);
        char *copy;

        if (isempty(value))
                return 0;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

static int load_receipts(struct json_object *o, Session *s) {
        struct json_object *array;
        int r = 0;

        if (!json_object_object_get_ex(o, "receipts", &array) || !json_object_is_type(array, json_type_array))
                return 0;
        s->receipts = calloc(MAX(json_object_array_length(array), (size_t) 1), sizeof(Receipt));
        if (!s->receipts)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(array) && r >= 0; i++) {
                struct json_object *receipt = json_object_array_get_idx(array, i);
                Receipt *to = s->receipts + s->n_receipts++;

                r = load_text(receipt, "target", &to->target);
                if (r >= 0)
                        r = load_text(receipt, "where", &to->where);
                if (r >= 0)
                        r = load_text(receipt, "sha256", &to->sha256);
                /* Of one that an earlier version has written: root. */
                to->owner_uid = (uid_t) json_get_u64(receipt, "owner_uid");
                to->realtime_usec = json_get_u64(receipt, "realtime_usec");
                to->bytes = json_get_u64(receipt, "bytes");
        }
        return r;
}

int submission_from_json(struct json_object *o, Session *s) {
        _cleanup_(submission_freep) Submission *b = NULL;
        struct json_object *wish;
        int r;

        s->submit_error_uid = (uid_t) json_get_u64(o, "submit_error_uid");
        r = load_receipts(o, s);
        if (r < 0 || !json_object_object_get_ex(o, "submission", &wish))
                return r;
        b = calloc(1, sizeof(Submission));
        if (!b)
                return -ENOMEM;
        b->session = s;
        b->owner_uid = (uid_t) json_get_u64(wish, "owner_uid");
        b->n_attempts = (unsigned) json_get_u64(wish, "attempts");
        b->next_realtime_usec = json_get_u64(wish, "next_realtime_usec");
        r = load_text(wish, "target", &b->target);
        if (r >= 0)
                r = load_text(wish, "url", &b->url);
        if (r >= 0)
                r = load_text(wish, "id", &b->id);
        if (r >= 0)
                r = load_text(wish, "last_error", &b->last_error);
        if (r < 0)
                return r;
        if (!b->id || !b->target == !b->url)
                return -EBADMSG;
        s->submission = TAKE_PTR(b);
        return 0;
}
