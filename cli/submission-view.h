/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of a session on the bus that is about submissions: the one that is under way, and the receipts of those before.
 * See session-view.h, which it is a part of. */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "table.h"
#include "util.h"

typedef struct SubmissionView {
        char *state;            /* "waiting" or "running"; NULL or "": there is none */
        char *target, *job, *last_error;
        uint64_t next_usec;     /* realtime; 0: it runs, or waits for the end of a capture */
        uint32_t n_attempts;
} SubmissionView;

typedef struct ReceiptView {
        char *target, *where, *sha256;
        uint64_t realtime_usec, bytes;
} ReceiptView;

typedef struct ReceiptList {
        ReceiptView *receipts;
        size_t n_receipts;
} ReceiptList;

#define SUBMISSION_VIEW_TYPE "(ssotus)"
#define RECEIPT_LIST_TYPE "a(ssstt)"

void submission_view_done(SubmissionView *view);
void receipt_list_done(ReceiptList *list);

/* The value inside a variant of that type. */
int submission_view_read(sd_bus_message *m, SubmissionView *ret);
int receipt_list_read(sd_bus_message *m, ReceiptList *ret);

/* Whether a submission is under way. */
static inline bool submission_view_is_there(const SubmissionView *v) {
        return !isempty(v->state);
}

/* NULL if there is none. */
static inline const ReceiptView *receipt_list_last(const ReceiptList *l) {
        return l->n_receipts > 0 ? l->receipts + l->n_receipts - 1 : NULL;
}

/* NULL on -ENOMEM. */
json_object *submission_view_to_json(const SubmissionView *v);
json_object *receipt_list_to_json(const ReceiptList *l);

/* The lines of a page. full: all receipts with their hashes, not only the last. */
void submission_view_add(Page *p, const SubmissionView *v, const char *error, const ReceiptList *l, bool full);
