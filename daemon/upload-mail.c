/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Uploads by mail: the description is the text, the archive is attached. */

#include <inttypes.h>
#include <time.h>

#include "http-request.h"

/* Of header lines, MIME structure and what servers add on the way. */
#define ENVELOPE_BYTES (8 * KIB)
#define LINE_BYTES 76

/* In base64, with a line break after each 76 characters; and in quoted-printable at its worst. */
static uint64_t mail_size(const Transfer *t) {
        uint64_t encoded = (t->archive_bytes + 2) / 3 * 4;

        return encoded + 2 * ((encoded + LINE_BYTES - 1) / LINE_BYTES) + 3 * strlen(strempty(t->job->description)) + ENVELOPE_BYTES;
}

static const char *domain(const Transfer *t) {
        return strchr(t->job->target->from, '@') + 1;
}

static int add_header(struct curl_slist **l, const char *name, const char *value) {
        _cleanup_free_ char *header = NULL;
        struct curl_slist *grown;

        if (asprintf(&header, "%s: %s", name, value) < 0) {
                header = NULL;
                return -ENOMEM;
        }
        grown = curl_slist_append(*l, header);
        if (!grown)
                return -ENOMEM;
        *l = grown;
        return 0;
}

static int make_headers(const Transfer *t, const char *message_id, struct curl_slist **ret) {
        _cleanup_slist_ struct curl_slist *l = NULL;
        _cleanup_free_ char *subject = NULL, *to = NULL;
        char date[64];
        struct tm tm;
        time_t now = time(NULL);
        int r;

        /* In UTC: where this machine is, is nobody's business. */
        if (!gmtime_r(&now, &tm) || strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0)
                return -EINVAL;
        if (asprintf(&subject, "MMIO trace %s", t->job->archive) < 0)
                subject = NULL;
        r = target_address(t->job->target, &to);
        if (r < 0 || !subject)
                return -ENOMEM;
        r = add_header(&l, "Date", date);
        if (r >= 0)
                r = add_header(&l, "From", t->job->target->from);
        if (r >= 0)
                r = add_header(&l, "To", to);
        if (r >= 0)
                r = add_header(&l, "Subject", subject);
        if (r >= 0)
                r = add_header(&l, "Message-ID", message_id);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

static int make_recipients(const Transfer *t, struct curl_slist **ret) {
        _cleanup_slist_ struct curl_slist *l = NULL;

        STRV_FOREACH(to, t->job->target->to) {
                struct curl_slist *grown = curl_slist_append(l, *to);

                if (!grown)
                        return -ENOMEM;
                l = grown;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

/* Lines of a mail end with CR and LF; a LF alone would be encoded as if it were data. */
static int mail_text(const char *s, char **ret) {
        char *text = malloc(2 * strlen(s) + 1), *p = text;

        if (!text)
                return -ENOMEM;
        for (; *s; s++) {
                if (*s == '\n')
                        *p++ = '\r';
                *p++ = *s;
        }
        *p = 0;
        *ret = text;
        return 0;
}

static int make_content(Transfer *t, curl_mime **ret) {
        curl_mime *mail = curl_mime_init(t->curl);
        curl_mimepart *text = mail ? curl_mime_addpart(mail) : NULL, *file = text ? curl_mime_addpart(mail) : NULL;
        _cleanup_free_ char *description = NULL;
        CURLcode e = CURLE_OUT_OF_MEMORY;

        if (file && mail_text(strempty(t->job->description), &description) >= 0) {
                transfer_send_archive(t, 0, t->archive_bytes);
                e = curl_mime_data(text, description, CURL_ZERO_TERMINATED);
                e = e ?: curl_mime_type(text, "text/plain; charset=utf-8");
                e = e ?: curl_mime_encoder(text, "quoted-printable");
                e = e ?: curl_mime_data_cb(file, (curl_off_t) t->archive_bytes, transfer_read, transfer_seek, NULL, t);
                e = e ?: curl_mime_filename(file, t->job->archive);
                e = e ?: curl_mime_type(file, "application/x-xz");
                e = e ?: curl_mime_encoder(file, "base64");
        }
        if (e) {
                curl_mime_free(mail);
                return -ENOMEM;
        }
        *ret = mail;
        return 0;
}

static CURLcode set_options(Transfer *t, struct curl_slist *headers, struct curl_slist *recipients, curl_mime *mail) {
        const Target *target = t->job->target;
        CURL *c = t->curl;
        CURLcode e;

        e = curl_easy_setopt(c, CURLOPT_MAIL_FROM, target->from);
        e = e ?: curl_easy_setopt(c, CURLOPT_MAIL_RCPT, recipients);
        e = e ?: curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        e = e ?: curl_easy_setopt(c, CURLOPT_MIMEPOST, mail);
        e = e ?: curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, transfer_mail_line);
        e = e ?: curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
        /* All of it, or nothing: who is in the middle can make a server seem to have no TLS. */
        e = e ?: curl_easy_setopt(c, CURLOPT_USE_SSL, (long) (target->plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
        if (!t->secret)
                return e;
        e = e ?: curl_easy_setopt(c, CURLOPT_USERNAME, target->user);
        return e ?: curl_easy_setopt(c, CURLOPT_PASSWORD, t->secret);
}

static int judge(const Transfer *t, int r, Error *found, Error *error) {
        const char *said = transfer_may_show(t, t->complaint) ? t->complaint : "it did not say why";
        long code = 0;

        if (r == -ECANCELED || r == -ENOMEM)
                return r;
        (void) curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
        if (code >= 530 && code <= 539)
                return error_set(error, ERROR_SUBMIT_REFUSED, "%s does not let this user send (%s); see to User= and SecretFile= in "
                                "[Target %s].", t->host, said, strempty(t->job->target->name));
        if (code >= 400)
                return error_set(error, code >= 500 ? ERROR_SUBMIT_REFUSED : ERROR_SUBMIT_FAILED,
                                "%s does not take the mail: %s", t->host, said);
        return error_set(error, found->code, "%s", strempty(found->text));
}

int upload_mail(Transfer *t, Error *error) {
        _cleanup_slist_ struct curl_slist *headers = NULL, *recipients = NULL;
        _cleanup_free_ char *url = NULL, *message_id = NULL;
        const Target *target = t->job->target;
        _cleanup_error_ Error found = {};
        curl_mime *mail = NULL;
        CURLcode e;
        int r;

        if (target->max_bytes > 0 && mail_size(t) > target->max_bytes)
                return error_set(error, ERROR_SUBMIT_REFUSED,
                                "The archive of %s makes a mail of %s, and target \"%s\" takes at most %s (MaxSize=); send it in "
                                "another way: \"mmiotracectl export\" writes it to a file.", FORMAT_BYTES(t->archive_bytes),
                                FORMAT_BYTES(mail_size(t)), strempty(target->name), FORMAT_BYTES(target->max_bytes));
        /* What follows the slash is the name that we give ourselves: else it would be that of this machine. */
        if (asprintf(&url, "%s/%s", target->url, domain(t)) < 0)
                url = NULL;
        if (asprintf(&message_id, "<%s@%s>", t->job->id, domain(t)) < 0)
                message_id = NULL;
        if (!url || !message_id)
                return -ENOMEM;
        r = transfer_reset(t, url, startswith(url, "smtps:") ? "smtps" : "smtp");
        if (r >= 0)
                r = make_headers(t, message_id, &headers);
        if (r >= 0)
                r = make_recipients(t, &recipients);
        if (r >= 0)
                r = make_content(t, &mail);
        if (r < 0)
                return r;
        e = set_options(t, headers, recipients, mail);
        r = e == CURLE_OUT_OF_MEMORY ? -ENOMEM : e ? -EOPNOTSUPP : transfer_perform(t, &found);
        if (r < 0)
                r = judge(t, r, &found, error);
        else
                transfer_succeeded(t, message_id);
        (void) curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
        (void) curl_easy_setopt(t->curl, CURLOPT_MAIL_RCPT, NULL);
        (void) curl_easy_setopt(t->curl, CURLOPT_MIMEPOST, NULL);
        curl_mime_free(mail);
        return r;
}
