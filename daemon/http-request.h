/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One HTTP request of an upload, and what its answer means. */

#include "transfer.h"

typedef struct HttpRequest {
        const char *method;             /* "PUT", "POST", "HEAD" or "DELETE" */
        const char *url;
        bool sends_archive;             /* this part of it; else body, if that is not NULL */
        uint64_t offset_bytes, bytes;
        const char *body;
        char *const *headers;           /* besides those of the target */
        /* POST: makes the form, which transfer_perform() reads from. */
        int (*make_form)(Transfer *transfer, curl_mime **ret);
} HttpRequest;

/* Sends the request and follows redirects on the same host, with the same method and content. Returns the status. An
 * error means that there is none. */
int http_request(Transfer *transfer, const HttpRequest *request, Error *error);

/* 0 for a status that means success; else the error that it means, which this returns. */
int http_judge(Transfer *transfer, int status, Error *error);

/* What the server has answered to HEAD; -ENODATA: nothing that can be compared. */
int http_head_size(Transfer *transfer, const char *url, uint64_t *ret_bytes, Error *error);

#define _cleanup_slist_ _cleanup_(curl_slist_free_allp)
DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)
