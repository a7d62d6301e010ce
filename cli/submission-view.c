/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "session-view.h"
#include "submission-view.h"
#include "text.h"

void submission_view_done(SubmissionView *v) {
        free(v->state);
        free(v->target);
        free(v->job);
        free(v->last_error);
        *v = (SubmissionView) {};
}

static void receipt_done(ReceiptView *v) {
        free(v->target);
        free(v->where);
        free(v->sha256);
}

void receipt_list_done(ReceiptList *l) {
        for (size_t i = 0; i < l->n_receipts; i++)
                receipt_done(l->receipts + i);
        free(l->receipts);
        *l = (ReceiptList) {};
}

int submission_view_read(sd_bus_message *m, SubmissionView *ret) {
        const char *state, *target, *job, *last_error;
        SubmissionView v = {};
        int r;

        r = sd_bus_message_read(m, SUBMISSION_VIEW_TYPE, &state, &target, &job, &v.next_usec, &v.n_attempts, &last_error);
        if (r < 0)
                return r;
        v.state = strdup(state);
        v.target = strdup(target);
        v.job = strdup(job);
        v.last_error = strdup(last_error);
        if (!v.state || !v.target || !v.job || !v.last_error) {
                submission_view_done(&v);
                return -ENOMEM;
        }
        submission_view_done(ret);
        *ret = v;
        return 0;
}

static int read_receipts(sd_bus_message *m, ReceiptList *l) {
        const char *target, *where, *sha256;
        uint64_t realtime_usec, bytes;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ssstt)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ssstt)", &target, &where, &sha256, &realtime_usec, &bytes)) > 0) {
                ReceiptView *grown = reallocarray(l->receipts, l->n_receipts + 1, sizeof *grown), *v;

                if (!grown)
                        return -ENOMEM;
                l->receipts = grown;
                v = grown + l->n_receipts++;
                *v = (ReceiptView) { strdup(target), strdup(where), strdup(sha256), realtime_usec, bytes };
                if (!v->target || !v->where || !v->sha256)
                        return -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int receipt_list_read(sd_bus_message *m, ReceiptList *ret) {
        ReceiptList l = {};
        int r;

        r = read_receipts(m, &l);
        if (r < 0) {
                receipt_list_done(&l);
                return r;
        }
        receipt_list_done(ret);
        *ret = l;
        return 0;
}

json_object *submission_view_to_json(const SubmissionView *v) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || json_add(o, "state", json_object_new_string(strempty(v->state))) < 0 ||
            json_add(o, "target", json_object_new_string(strempty(v->target))) < 0 ||
            json_add(o, "job", json_object_new_string(strempty(v->job))) < 0 ||
            json_add(o, "next_timestamp_usec", json_object_new_uint64(v->next_usec)) < 0 ||
            json_add(o, "attempts", json_object_new_uint64(v->n_attempts)) < 0 ||
            json_add(o, "last_error", json_object_new_string(strempty(v->last_error))) < 0)
                return NULL;
        return TAKE_PTR(o);
}

json_object *receipt_list_to_json(const ReceiptList *l) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (size_t i = 0; i < l->n_receipts; i++) {
                const ReceiptView *v = l->receipts + i;
                _cleanup_json_ json_object *o = json_object_new_object();

                if (!o || json_add(o, "target", json_object_new_string(v->target)) < 0 ||
                    json_add(o, "where", json_object_new_string(v->where)) < 0 ||
                    json_add(o, "sha256", json_object_new_string(v->sha256)) < 0 ||
                    json_add(o, "timestamp_usec", json_object_new_uint64(v->realtime_usec)) < 0 ||
                    json_add(o, "bytes", json_object_new_uint64(v->bytes)) < 0 || json_append(array, TAKE_PTR(o)) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

static void add_submission(Page *p, const SubmissionView *v) {
        if (streq(v->state, "running"))
                page_add(p, "Submitting", STYLE_ATTENTION, "to %s, attempt %" PRIu32, v->target, v->n_attempts);
        else if (v->next_usec > 0)
                page_add(p, "Submitting", STYLE_ATTENTION, "to %s; attempt %" PRIu32 " %s", v->target, v->n_attempts + 1,
                                FORMAT_RELATIVE(v->next_usec, now_realtime_usec()));
        else
                page_add(p, "Submitting", STYLE_ATTENTION, "to %s, as soon as the machine is free", v->target);
        if (!isempty(v->last_error))
                page_add(p, NULL, STYLE_BAD, "%s", v->last_error);
}

void submission_view_add(Page *p, const SubmissionView *v, const char *error, const ReceiptList *l, bool full) {
        size_t first = full || l->n_receipts == 0 ? 0 : l->n_receipts - 1;

        for (size_t i = first; i < l->n_receipts; i++) {
                const ReceiptView *receipt = l->receipts + i;

                page_add(p, "Submitted", STYLE_NONE, "%s (%s) to %s", FORMAT_TIMESTAMP(receipt->realtime_usec),
                                FORMAT_RELATIVE(receipt->realtime_usec, now_realtime_usec()), receipt->target);
                /* Neither is for everybody. */
                if (!isempty(receipt->where))
                        page_add(p, NULL, STYLE_NONE, "%s", receipt->where);
                if (full && !isempty(receipt->sha256))
                        page_add(p, NULL, STYLE_NONE, "SHA-256 %s", receipt->sha256);
        }
        if (submission_view_is_there(v))
                add_submission(p, v);
        if (!isempty(error))
                page_add(p, "Not sent", STYLE_BAD, "%s", error);
}
