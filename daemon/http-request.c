/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "http-request.h"
#include "report.h"

#define REDIRECTS_MAX 5
#define RETRY_AFTER_MAX_SEC 86400

static int append(struct curl_slist **l, const char *header) {
        struct curl_slist *grown = curl_slist_append(*l, header);

        if (!grown)
                return -ENOMEM;
        *l = grown;
        return 0;
}

static int appendf(struct curl_slist **l, const char *name, const char *value) {
        _cleanup_free_ char *header = NULL;
        int r;

        if (asprintf(&header, "%s: %s", name, value) < 0) {
                header = NULL;
                return -ENOMEM;
        }
        r = append(l, header);
        explicit_bzero(header, strlen(header));
        return r;
}

static int make_headers(const Transfer *t, const HttpRequest *q, struct curl_slist **ret) {
        const Target *target = t->job->target;
        _cleanup_slist_ struct curl_slist *l = NULL;
        int r = 0;

        STRV_FOREACH(header, target->headers)
                if (r >= 0)
                        r = append(&l, *header);
        STRV_FOREACH(header, q->headers)
                if (r >= 0)
                        r = append(&l, *header);
        if (r >= 0 && target->secret_header && t->secret)
                r = appendf(&l, target->secret_header, t->secret);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

static CURLcode set_credentials(Transfer *t) {
        const Target *target = t->job->target;
        _cleanup_free_ char *scope = NULL;
        CURL *c = t->curl;
        CURLcode e;

        if (!t->secret || target->secret_header)
                return CURLE_OK;
        if (!target->user) {
                e = curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
                return e ?: curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, t->secret);
        }
        e = curl_easy_setopt(c, CURLOPT_USERNAME, target->user);
        e = e ?: curl_easy_setopt(c, CURLOPT_PASSWORD, t->secret);
        if (target->method != TARGET_S3)
                return e ?: curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        if (asprintf(&scope, "aws:amz:%s:s3", target->region) < 0) {
                scope = NULL;
                return CURLE_OUT_OF_MEMORY;
        }
        return e ?: curl_easy_setopt(c, CURLOPT_AWS_SIGV4, scope);
}

static CURLcode set_content(Transfer *t, const HttpRequest *q, curl_mime *form) {
        CURL *c = t->curl;
        CURLcode e;

        if (form)
                return curl_easy_setopt(c, CURLOPT_MIMEPOST, form);
        if (streq(q->method, "HEAD"))
                return curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
        e = curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
        if (!q->sends_archive && !q->body)
                return e;
        if (q->sends_archive)
                transfer_send_archive(t, q->offset_bytes, q->bytes);
        else if (!(t->body = strdup(q->body)))
                return CURLE_OUT_OF_MEMORY;
        e = e ?: curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        e = e ?: curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE,
                        (curl_off_t) (q->sends_archive ? q->bytes : strlen(q->body)));
        e = e ?: curl_easy_setopt(c, CURLOPT_READFUNCTION, transfer_read);
        e = e ?: curl_easy_setopt(c, CURLOPT_READDATA, t);
        e = e ?: curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, transfer_seek);
        return e ?: curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
}

/* Returns the status. */
static int request_once(Transfer *t, const HttpRequest *q, const char *url, Error *error) {
        _cleanup_slist_ struct curl_slist *headers = NULL;
        curl_mime *form = NULL;
        long status = 0;
        CURLcode e;
        int r;

        r = transfer_reset(t, url, "https");
        if (r >= 0)
                r = make_headers(t, q, &headers);
        if (r >= 0 && q->make_form)
                r = q->make_form(t, &form);
        if (r < 0)
                return r;
        e = curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
        e = e ?: set_credentials(t);
        e = e ?: set_content(t, q, form);
        r = e == CURLE_OUT_OF_MEMORY ? -ENOMEM : e ? -EOPNOTSUPP : transfer_perform(t, error);
        if (r >= 0 && (curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status == 0))
                r = error_set(error, ERROR_SUBMIT_FAILED, "%s: The answer had no status.", t->host);
        /* The handle points to both. */
        (void) curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
        (void) curl_easy_setopt(t->curl, CURLOPT_MIMEPOST, NULL);
        curl_mime_free(form);
        return r < 0 ? r : (int) status;
}

static bool parts_are_equal(CURLU *a, CURLU *b, CURLUPart part) {
        char *x = NULL, *y = NULL;
        bool equal;

        equal = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                        curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
        return equal;
}

/* The same server, and so the same owner and the same certificate. */
static bool stays_on_host(const char *from, const char *to) {
        CURLU *a = curl_url(), *b = curl_url();
        bool same;

        same = a && b && curl_url_set(a, CURLUPART_URL, from, 0) == CURLUE_OK &&
                        curl_url_set(b, CURLUPART_URL, to, 0) == CURLUE_OK && parts_are_equal(a, b, CURLUPART_SCHEME) &&
                        parts_are_equal(a, b, CURLUPART_HOST) && parts_are_equal(a, b, CURLUPART_PORT);
        curl_url_cleanup(a);
        curl_url_cleanup(b);
        return same;
}

int http_request(Transfer *t, const HttpRequest *q, Error *error) {
        _cleanup_free_ char *url = strdup(q->url);

        if (!url)
                return -ENOMEM;
        for (unsigned i = 0; i <= REDIRECTS_MAX; i++) {
                int status = request_once(t, q, url, error);
                char *next = NULL, *copy;

                /* Of the others some mean "ask again, by GET": that is no upload any more. */
                if (status != 307 && status != 308 && (streq(q->method, "POST") || (status != 301 && status != 302)))
                        return status;
                if (curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &next) != CURLE_OK || !next)
                        return status;
                if (!stays_on_host(url, next))
                        return error_set(error, ERROR_SUBMIT_REFUSED,
                                        "%s sends the upload on to another server (%d), which is not followed; if it is meant to "
                                        "go there, name that server in the target's URL=.", t->host, status);
                copy = strdup(next);
                if (!copy)
                        return -ENOMEM;
                free(url);
                url = copy;
        }
        return error_set(error, ERROR_SUBMIT_REFUSED, "%s sends the upload in circles.", t->host);
}

static int refuse_credentials(const Transfer *t, int status, Error *error) {
        const char *name = strempty(t->job->target->name);

        if (!t->secret)
                return error_set(error, ERROR_SUBMIT_REFUSED,
                                "%s wants to know who uploads (%d), and target \"%s\" has no SecretFile=.", t->host, status, name);
        return error_set(error, ERROR_SUBMIT_REFUSED,
                        "%s does not let the target's User= and SecretFile= do this (%d); see to them in [Target %s].", t->host,
                        status, name);
}

int http_judge(Transfer *t, int status, Error *error) {
        static const struct {
                int status;
                ErrorCode code;
                const char *text;
        } known[] = {
                { 404, ERROR_SUBMIT_REFUSED, "has no such place; see to the target's URL=" },
                { 405, ERROR_SUBMIT_REFUSED, "does not take uploads of this kind; see to the target's Method= and URL=" },
                { 408, ERROR_SUBMIT_FAILED, "gave up waiting for the upload" },
                { 409, ERROR_SUBMIT_REFUSED, "lacks the folder that this belongs into, or has such a file already" },
                { 412, ERROR_SUBMIT_REFUSED, "has such a file already" },
                { 413, ERROR_SUBMIT_REFUSED, "does not take an archive of this size" },
                { 425, ERROR_SUBMIT_FAILED, "wants to be asked later" },
                { 429, ERROR_SUBMIT_FAILED, "wants to be asked later, there was too much" },
                { 500, ERROR_SUBMIT_FAILED, "has a failure of its own" },
                { 501, ERROR_SUBMIT_REFUSED, "does not know uploads of this kind; see to the target's Method=" },
                { 502, ERROR_SUBMIT_FAILED, "does not reach the server behind it" },
                { 503, ERROR_SUBMIT_FAILED, "is too busy" },
                { 504, ERROR_SUBMIT_FAILED, "does not reach the server behind it in time" },
                { 505, ERROR_SUBMIT_REFUSED, "does not speak this version of HTTP" },
                { 507, ERROR_SUBMIT_FAILED, "has no space left" },
        };
        curl_off_t seconds = 0;

        if (status >= 200 && status < 300)
                return 0;
        if (curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
                worker_send(t->out, "RETRY_AFTER", "%lld", (long long) MIN(seconds, (curl_off_t) RETRY_AFTER_MAX_SEC));
        if (status == 401 || status == 403)
                return refuse_credentials(t, status, error);
        for (size_t i = 0; i < ELEMENTS(known); i++)
                if (known[i].status == status)
                        return error_set(error, known[i].code, "%s %s (%d).", t->host, known[i].text, status);
        return error_set(error, status >= 500 ? ERROR_SUBMIT_FAILED : ERROR_SUBMIT_REFUSED, "%s answered with status %d.",
                        t->host, status);
}

int http_head_size(Transfer *t, const char *url, uint64_t *ret_bytes, Error *error) {
        char *type = NULL;
        curl_off_t bytes = -1;
        int status;

        status = http_request(t, &(HttpRequest) { .method = "HEAD", .url = url }, error);
        if (status < 0)
                return status;
        if (status != 200 || curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &bytes) != CURLE_OK || bytes < 0)
                return -ENODATA;
        /* A page about something, not the file. */
        if (curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type && startswith(type, "text/"))
                return -ENODATA;
        *ret_bytes = (uint64_t) bytes;
        return 0;
}
