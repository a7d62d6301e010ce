/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Uploads to a web server: a file by PUT, or a form by POST. */

#include <inttypes.h>
#include <nettle/base64.h>

#include "http-request.h"

/* What anybody may see of an address; a query may be what opens a door. */
static int without_query(const char *url, char **ret) {
        char *copy = strndup(url, strcspn(url, "?#"));

        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

static int succeed(Transfer *t, const char *where) {
        _cleanup_free_ char *receipt = NULL;
        int r;

        r = without_query(where, &receipt);
        if (r >= 0)
                transfer_succeeded(t, receipt);
        return r;
}

/* RFC 9530: a server that knows it compares, all others pass over it. */
static int digest_header(const Transfer *t, char **ret) {
        char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1] = "", *header;

        base64_encode_raw(text, sizeof t->digest.bytes, t->digest.bytes);
        if (asprintf(&header, "Repr-Digest: sha-256=:%s:", text) < 0)
                return -ENOMEM;
        *ret = header;
        return 0;
}

int upload_put(Transfer *t, Error *error) {
        const char *url = t->job->target->url;
        _cleanup_free_ char *digest = NULL;
        uint64_t kept_bytes;
        int r;

        r = digest_header(t, &digest);
        if (r < 0)
                return r;
        r = http_request(t,
                        &(HttpRequest) {
                                .method = "PUT",
                                .url = url,
                                .sends_archive = true,
                                .bytes = t->archive_bytes,
                                .headers = (char *[]) { (char *) "Content-Type: application/x-xz", digest, NULL },
                        },
                        error);
        if (r >= 0)
                r = http_judge(t, r, error);
        if (r < 0)
                return r;

        /* Many servers do not let those who may write also look; then there is nothing to compare. */
        r = http_head_size(t, url, &kept_bytes, NULL);
        if (r == -ECANCELED)
                return r;
        if (r >= 0 && kept_bytes != t->archive_bytes)
                return error_set(error, ERROR_SUBMIT_FAILED,
                                "%s took the archive, and has %" PRIu64 " bytes of it instead of %" PRIu64 ".", t->host,
                                kept_bytes, t->archive_bytes);
        return succeed(t, url);
}

static int make_form(Transfer *t, curl_mime **ret) {
        const UploadJob *j = t->job;
        curl_mime *form = curl_mime_init(t->curl);
        curl_mimepart *part;
        CURLcode e = CURLE_OUT_OF_MEMORY;

        if (form && j->target->description_field && (part = curl_mime_addpart(form))) {
                e = curl_mime_name(part, j->target->description_field);
                e = e ?: curl_mime_data(part, strempty(j->description), CURL_ZERO_TERMINATED);
        } else if (form && !j->target->description_field)
                e = CURLE_OK;
        part = e ? NULL : curl_mime_addpart(form);
        if (part) {
                transfer_send_archive(t, 0, t->archive_bytes);
                e = curl_mime_name(part, j->target->file_field);
                e = e ?: curl_mime_filename(part, j->archive);
                e = e ?: curl_mime_type(part, "application/x-xz");
                e = e ?: curl_mime_data_cb(part, (curl_off_t) t->archive_bytes, transfer_read, transfer_seek, NULL, t);
        }
        if (!part || e) {
                curl_mime_free(form);
                return -ENOMEM;
        }
        *ret = form;
        return 0;
}

/* Where the server says that it is: in a header, or as the one line of its answer, as paste bins do. */
static const char *posted_address(const Transfer *t) {
        struct curl_header *location;

        if (t->reply)
                t->reply[strcspn(t->reply, "\r\n")] = 0;
        if (t->reply && startswith(t->reply, "https://") && transfer_may_show(t, t->reply))
                return t->reply;
        if (curl_easy_header(t->curl, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK && transfer_may_show(t, location->value))
                return location->value;
        return t->job->target->url;
}

int upload_post(Transfer *t, Error *error) {
        _cleanup_free_ char *key = NULL;
        int r;

        /* So a server that knows it (draft-ietf-httpapi-idempotency-key-header) does not keep what a cut connection has made
         * us send twice. */
        if (asprintf(&key, "Idempotency-Key: \"%s\"", t->job->id) < 0) {
                key = NULL;
                return -ENOMEM;
        }
        r = http_request(t,
                        &(HttpRequest) {
                                .method = "POST",
                                .url = t->job->target->url,
                                .make_form = make_form,
                                .headers = (char *[]) { key, NULL },
                        },
                        error);
        if (r >= 0)
                r = http_judge(t, r, error);
        return r < 0 ? r : succeed(t, posted_address(t));
}
