/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Uploads to an object store that speaks S3. libcurl signs (SigV4); what it leaves to us as of 7.88 is the hash of the
 * content, and a query that is sorted, encoded, and has a "=" behind every key. */

#include <inttypes.h>

#include "http-request.h"

#define PARTS_MAX 10000

/* The text of the first element of that name. What is in it are tokens: nothing that XML would write in another way. */
static int xml_text(const char *xml, const char *element, char **ret) {
        char open[64];
        const char *start;
        char *copy;

        (void) snprintf(open, sizeof open, "<%s>", element);
        start = strstr(strempty(xml), open);
        if (!start)
                return -ENODATA;
        start += strlen(open);
        copy = strndup(start, strcspn(start, "<"));
        if (!copy)
                return -ENOMEM;
        if (!*copy || strchr(copy, '&') || !text_is_clean(copy, false)) {
                free(copy);
                return -EBADMSG;
        }
        *ret = copy;
        return 0;
}

static int judge(Transfer *t, int status, Error *error) {
        /* These are 400 or 403 to HTTP, and pass all the same. */
        static const char *const temporary[] = {
                "RequestTimeout", "SlowDown", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch",
        };
        _cleanup_free_ char *code = NULL;
        int r;

        /* The end of an upload in parts can be 200 and fail. */
        r = xml_text(t->reply, "Code", &code);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !transfer_may_show(t, code))
                return http_judge(t, status, error);
        for (size_t i = 0; i < ELEMENTS(temporary); i++)
                if (streq(code, temporary[i]))
                        return error_set(error, ERROR_SUBMIT_FAILED, "%s answered \"%s\" (%d).", t->host, code, status);
        if (streq(code, "RequestTimeTooSkewed"))
                return error_set(error, ERROR_SUBMIT_FAILED, "%s has another time than this machine (%d); see to the clock.",
                                t->host, status);
        return error_set(error, status >= 500 || status < 300 ? ERROR_SUBMIT_FAILED : ERROR_SUBMIT_REFUSED,
                        "%s answered \"%s\" (%d); see to the target's URL=, User=, SecretFile= and Region=.", t->host, code, status);
}

typedef struct S3Request {
        const char *method, *query;     /* query: NULL or encoded */
        bool sends_archive;
        uint64_t offset_bytes, bytes;
        const char *body;
} S3Request;

static int request(Transfer *t, const S3Request *q, Error *error) {
        _cleanup_free_ char *url = NULL, *hash = NULL, *meta = NULL;
        bool is_object = q->sends_archive || (q->query && streq(q->query, "uploads="));
        Digest digest;
        int r = 0;

        if (q->sends_archive && q->bytes == t->archive_bytes)
                digest = t->digest;
        else if (q->sends_archive)
                r = transfer_hash(t, q->offset_bytes, q->bytes, &digest);
        else
                digest_data(strempty(q->body), strlen(strempty(q->body)), &digest);
        if (r < 0)
                return r;
        if (asprintf(&url, "%s%s%s", t->job->target->url, q->query ? "?" : "", strempty(q->query)) < 0)
                url = NULL;
        if (asprintf(&hash, "x-amz-content-sha256: %s", digest.hex) < 0)
                hash = NULL;
        if (asprintf(&meta, "x-amz-meta-sha256: %s", t->digest.hex) < 0)
                meta = NULL;
        if (!url || !hash || !meta)
                return -ENOMEM;
        return http_request(t,
                        &(HttpRequest) {
                                .method = q->method,
                                .url = url,
                                .sends_archive = q->sends_archive,
                                .offset_bytes = q->offset_bytes,
                                .bytes = q->bytes,
                                .body = q->body,
                                .headers = (char *[]) { hash, (char *) "Content-Type: application/x-xz", is_object ? meta : NULL, NULL },
                        },
                        error);
}

/* What is there under that name. */
typedef enum Stored {
        STORED_UNKNOWN,         /* nothing, or it may not be looked at */
        STORED_THIS,
        STORED_OTHER,
} Stored;

static int look(Transfer *t, Stored *ret) {
        struct curl_header *header;
        curl_off_t bytes;
        int status;

        status = request(t, &(S3Request) { .method = "HEAD" }, NULL);
        if (status == -ECANCELED || status == -ENOMEM)
                return status;
        if (status != 200 || curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &bytes) != CURLE_OK || bytes < 0) {
                *ret = STORED_UNKNOWN;
                return 0;
        }
        *ret = (uint64_t) bytes == t->archive_bytes &&
                        curl_easy_header(t->curl, "x-amz-meta-sha256", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
                        streq(header->value, t->digest.hex) ? STORED_THIS : STORED_OTHER;
        return 0;
}

static int put_whole(Transfer *t, Error *error) {
        int status = request(t, &(S3Request) { .method = "PUT", .sends_archive = true, .bytes = t->archive_bytes }, error);

        return status < 0 ? status : judge(t, status, error);
}

static int begin_parts(Transfer *t, char **ret_id, Error *error) {
        _cleanup_free_ char *id = NULL;
        char *encoded, *copy;
        int r;

        r = request(t, &(S3Request) { .method = "POST", .query = "uploads=", .body = "" }, error);
        if (r >= 0)
                r = judge(t, r, error);
        if (r < 0)
                return r;
        r = xml_text(t->reply, "UploadId", &id);
        if (r < 0)
                return r == -ENOMEM ? r : error_set(error, ERROR_SUBMIT_REFUSED, "%s does not take uploads in parts.", t->host);
        encoded = curl_easy_escape(t->curl, id, 0);
        copy = encoded ? strdup(encoded) : NULL;
        curl_free(encoded);
        if (!copy)
                return -ENOMEM;
        *ret_id = copy;
        return 0;
}

/* Prints what the end has to say of the part. */
static int send_part(Transfer *t, const char *id, unsigned number, uint64_t offset, uint64_t bytes, FILE *list, Error *error) {
        _cleanup_free_ char *query = NULL;
        struct curl_header *etag;
        int r;

        if (asprintf(&query, "partNumber=%u&uploadId=%s", number, id) < 0) {
                query = NULL;
                return -ENOMEM;
        }
        r = request(t, &(S3Request) { "PUT", query, true, offset, bytes, NULL }, error);
        if (r >= 0)
                r = judge(t, r, error);
        if (r < 0)
                return r;
        if (curl_easy_header(t->curl, "ETag", 0, CURLH_HEADER, -1, &etag) != CURLHE_OK || strpbrk(etag->value, "<>&"))
                return error_set(error, ERROR_SUBMIT_FAILED, "%s does not say what it has of part %u.", t->host, number);
        fprintf(list, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", number, etag->value);
        return 0;
}

static int send_parts(Transfer *t, const char *id, uint64_t part_bytes, char **ret_list, Error *error) {
        _cleanup_free_ char *list = NULL;
        uint64_t offset = 0;
        size_t bytes = 0;
        int r = 0;
        FILE *f;

        f = open_memstream(&list, &bytes);
        if (!f)
                return -ENOMEM;
        fputs("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", f);
        for (unsigned i = 1; offset < t->archive_bytes && r >= 0; i++) {
                uint64_t size = MIN(part_bytes, t->archive_bytes - offset);

                r = send_part(t, id, i, offset, size, f, error);
                offset += size;
        }
        fputs("</CompleteMultipartUpload>", f);
        if (fclose(f) != 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret_list = TAKE_PTR(list);
        return 0;
}

static int put_parts(Transfer *t, Error *error) {
        uint64_t least_bytes = (t->archive_bytes + PARTS_MAX - 1) / PARTS_MAX;
        uint64_t part_bytes = MAX(t->job->target->part_bytes, (least_bytes + MIB - 1) / MIB * MIB);
        _cleanup_free_ char *id = NULL, *query = NULL, *list = NULL;
        int r;

        r = begin_parts(t, &id, error);
        if (r < 0)
                return r;
        if (asprintf(&query, "uploadId=%s", id) < 0) {
                query = NULL;
                return -ENOMEM;
        }
        r = send_parts(t, id, part_bytes, &list, error);
        if (r >= 0)
                r = request(t, &(S3Request) { .method = "POST", .query = query, .body = list }, error);
        if (r >= 0)
                r = judge(t, r, error);
        if (r < 0) {
                /* The store keeps the parts, and counts them, until it is told. */
                t->winding_up = true;
                (void) request(t, &(S3Request) { .method = "DELETE", .query = query }, NULL);
        }
        return r;
}

int upload_s3(Transfer *t, Error *error) {
        Stored stored;
        int r;

        /* An attempt before may have done it, and the answer was lost. */
        r = look(t, &stored);
        if (r >= 0 && stored != STORED_THIS) {
                r = t->archive_bytes <= t->job->target->part_bytes ? put_whole(t, error) : put_parts(t, error);
                if (r >= 0)
                        r = look(t, &stored);
                if (r >= 0 && stored == STORED_OTHER)
                        r = error_set(error, ERROR_SUBMIT_FAILED, "%s took the archive, and has something else now.", t->host);
        }
        if (r < 0)
                return r;
        transfer_succeeded(t, t->job->target->url);
        return 0;
}
