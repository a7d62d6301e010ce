/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much of something there may be at a time. Root is counted apart: so many users at once, each within its own bound,
 * still leave to root what root may have. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct Quota {
        size_t all;             /* of all users but root */
        size_t user;            /* of one of them */
        size_t root;
} Quota;

/* What there is, as one user sees it. */
typedef struct QuotaUse {
        size_t n_all, n_user;
} QuotaUse;

static inline void quota_count(QuotaUse *use, uid_t uid, uid_t owner_uid) {
        use->n_all += owner_uid != 0;
        use->n_user += owner_uid == uid;
}

/* Whether that user may have one more. */
static inline bool quota_allows(const Quota *quota, const QuotaUse *use, uid_t uid) {
        return uid == 0 ? use->n_user < quota->root : use->n_all < quota->all && use->n_user < quota->user;
}
