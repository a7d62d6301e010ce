/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>

#include "report.h"
#include "transfer.h"

#define CHUNK_BYTES (256 * KIB)
#define SECRET_MAX_BYTES (64 * KIB)
#define CA_MAX_BYTES (4 * MIB)
#define REPLY_MAX_BYTES (256 * KIB)
#define TELL_USEC (250 * USEC_PER_MSEC)
#define CONNECT_SEC 30
#define WIND_UP_SEC 10
#define SHOWN_MAX_BYTES 200

/* The other side has closed, or this process is told to end. */
static bool is_given_up(const Transfer *t) {
        struct pollfd fds[] = { { t->client_fd, POLLRDHUP, 0 }, { t->signal_fd, POLLIN, 0 } };

        return !t->winding_up && poll(fds, ELEMENTS(fds), 0) > 0;
}

static void digest_finish(struct sha256_ctx *hash, Digest *ret) {
        sha256_digest(hash, sizeof ret->bytes, ret->bytes);
        for (size_t i = 0; i < sizeof ret->bytes; i++)
                (void) snprintf(ret->hex + 2 * i, 3, "%02x", (unsigned) ret->bytes[i]);
}

void digest_data(const void *data, size_t bytes, Digest *ret) {
        struct sha256_ctx hash;

        sha256_init(&hash);
        sha256_update(&hash, bytes, data);
        digest_finish(&hash, ret);
}

int transfer_hash(Transfer *t, uint64_t offset, uint64_t bytes, Digest *ret) {
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK_BYTES);
        struct sha256_ctx hash;

        if (!buffer)
                return -ENOMEM;
        sha256_init(&hash);
        while (bytes > 0) {
                ssize_t n = pread(t->job->archive_fd, buffer, MIN(bytes, CHUNK_BYTES), (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                if (is_given_up(t))
                        return -ECANCELED;
                sha256_update(&hash, (size_t) n, buffer);
                offset += (uint64_t) n;
                bytes -= (uint64_t) n;
        }
        digest_finish(&hash, ret);
        return 0;
}

/* Descriptors that came from elsewhere have an offset of their own, which may be at the end. */
static int read_whole(int fd, size_t max_bytes, char **ret, size_t *ret_bytes) {
        _cleanup_free_ char *buffer = malloc(max_bytes + 1);
        size_t bytes = 0;

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = pread(fd, buffer + bytes, max_bytes + 1 - bytes, (off_t) bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                bytes += (size_t) n;
                if (bytes > max_bytes)
                        return -EFBIG;
        }
        buffer[bytes] = 0;
        *ret = TAKE_PTR(buffer);
        *ret_bytes = bytes;
        return 0;
}

/* Its first line: editors end a file with a newline. */
static int read_secret(Transfer *t, Error *error) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        int r;

        r = read_whole(t->job->secret_fd, SECRET_MAX_BYTES, &text, &bytes);
        if (r < 0)
                return error_set_errno(error, ERROR_SUBMIT_REFUSED, r, "The SecretFile= of target \"%s\" cannot be read",
                                strempty(t->job->target->name));
        text[strcspn(text, "\r\n")] = 0;
        if (!*text || !text_is_clean(text, false))
                return error_set(error, ERROR_SUBMIT_REFUSED, "The SecretFile= of target \"%s\" has no secret in its first line.",
                                strempty(t->job->target->name));
        t->secret = TAKE_PTR(text);
        return 0;
}

static int get_host(const char *url, char **ret) {
        CURLU *u = curl_url();
        char *host = NULL, *copy = NULL;

        if (!u)
                return -ENOMEM;
        /* Curl's own idea of what the host is, since it is curl that goes there. */
        if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
            curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
                copy = strdup(host);
        curl_free(host);
        curl_url_cleanup(u);
        if (!copy)
                return -EINVAL;
        *ret = copy;
        return 0;
}

int transfer_init(Transfer *ret, const UploadJob *job, FILE *out, int client_fd, int signal_fd, Error *error) {
        _cleanup_transfer_ Transfer t = {
                .job = job,
                .out = out,
                .client_fd = client_fd,
                .signal_fd = signal_fd,
                .curl = curl_easy_init(),
        };
        struct stat st;
        int r;

        if (!t.curl)
                return -ENOMEM;
        r = get_host(job->target->url, &t.host);
        if (r < 0)
                return error_set(error, ERROR_SUBMIT_REFUSED, "The address of the target is none that can be used.");
        if (fstat(job->archive_fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return error_set(error, ERROR_SUBMIT_REFUSED, "The archive is no file.");
        t.archive_bytes = (uint64_t) st.st_size;
        r = job->secret_fd >= 0 ? read_secret(&t, error) : 0;
        if (r < 0)
                return r;
        if (job->ca_fd >= 0) {
                r = read_whole(job->ca_fd, CA_MAX_BYTES, &t.ca, &t.ca_bytes);
                if (r < 0)
                        return error_set_errno(error, ERROR_SUBMIT_REFUSED, r, "The CAFile= of target \"%s\" cannot be read",
                                        strempty(job->target->name));
        }
        r = transfer_hash(&t, 0, t.archive_bytes, &t.digest);
        if (r < 0)
                return r == -ECANCELED ? r : error_set_errno(error, ERROR_SUBMIT_FAILED, r, "The archive cannot be read");
        *ret = t;
        t = (Transfer) {};
        return 0;
}

void transfer_done(Transfer *t) {
        if (t->curl)
                curl_easy_cleanup(t->curl);
        if (t->secret)
                explicit_bzero(t->secret, strlen(t->secret));
        free(t->host);
        free(t->secret);
        free(t->ca);
        free(t->body);
        free(t->reply);
        free(t->complaint);
        *t = (Transfer) {};
}

static int on_progress(void *userdata, curl_off_t dl_all, curl_off_t dl_now, curl_off_t ul_all, curl_off_t ul_now) {
        Transfer *t = userdata;

        if (is_given_up(t))
                return 1;
        if (t->next_bytes != t->told_bytes && now_monotonic_usec() - t->told_usec >= TELL_USEC) {
                t->told_bytes = t->next_bytes;
                t->told_usec = now_monotonic_usec();
                worker_send(t->out, "BYTES", "%" PRIu64, t->told_bytes);
        }
        return 0;
}

static size_t on_reply(char *data, size_t size, size_t n, void *userdata) {
        Transfer *t = userdata;
        size_t bytes = size * n;
        char *grown;

        /* Nobody reads more of it than this, but the transfer has to go on to its end. */
        bytes = MIN(bytes, REPLY_MAX_BYTES - t->reply_bytes);
        if (bytes == 0)
                return size * n;
        grown = realloc(t->reply, t->reply_bytes + bytes + 1);
        if (!grown)
                return 0;
        t->reply = grown;
        memcpy(t->reply + t->reply_bytes, data, bytes);
        t->reply_bytes += bytes;
        t->reply[t->reply_bytes] = 0;
        return size * n;
}

size_t transfer_mail_line(char *data, size_t size, size_t n, void *userdata) {
        Transfer *t = userdata;
        char *line = strndup(data, size * n);

        if (!line)
                return 0;
        line[strcspn(line, "\r\n")] = 0;
        /* Behind it comes the answer to our QUIT. */
        if (*line == '4' || *line == '5') {
                free(t->complaint);
                t->complaint = TAKE_PTR(line);
        }
        free(line);
        return size * n;
}

int transfer_reset(Transfer *t, const char *url, const char *protocol) {
        CURL *c = t->curl;
        CURLcode e;

        curl_easy_reset(c);
        t->reply = (free(t->reply), NULL);
        t->complaint = (free(t->complaint), NULL);
        t->body = (free(t->body), NULL);
        t->reply_bytes = t->body_sent_bytes = 0;
        *t->error_text = 0;

        e = curl_easy_setopt(c, CURLOPT_URL, url);
        /* Redirects are followed by hand, see upload-http.c; libcurl would take them to any host. */
        e = e ?: curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocol);
        e = e ?: curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
        e = e ?: curl_easy_setopt(c, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
        e = e ?: curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
        e = e ?: curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
        e = e ?: curl_easy_setopt(c, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        if (t->ca) {
                struct curl_blob blob = { t->ca, t->ca_bytes, CURL_BLOB_NOCOPY };

                e = e ?: curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
                /* Those and no others. */
                e = e ?: curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
        }
        e = e ?: curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        e = e ?: curl_easy_setopt(c, CURLOPT_USERAGENT, "mmiotraced/" PROJECT_VERSION);
        e = e ?: curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT,
                        MIN((long) CONNECT_SEC, (long) (t->job->target->timeout_usec / USEC_PER_SEC)));
        e = e ?: curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        e = e ?: curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long) (t->job->target->timeout_usec / USEC_PER_SEC));
        e = e ?: curl_easy_setopt(c, CURLOPT_TIMEOUT, t->winding_up ? (long) WIND_UP_SEC : 0L);
        e = e ?: curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error_text);
        e = e ?: curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        e = e ?: curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        e = e ?: curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
        e = e ?: curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_reply);
        e = e ?: curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
        return e == CURLE_OUT_OF_MEMORY ? -ENOMEM : e ? -EOPNOTSUPP : 0;
}

void transfer_send_archive(Transfer *t, uint64_t offset, uint64_t bytes) {
        t->start_bytes = t->next_bytes = offset;
        t->end_bytes = offset + bytes;
}

size_t transfer_read(char *buffer, size_t size, size_t n, void *userdata) {
        Transfer *t = userdata;
        ssize_t l;

        if (t->body) {
                size_t bytes = MIN(size * n, strlen(t->body) - t->body_sent_bytes);

                memcpy(buffer, t->body + t->body_sent_bytes, bytes);
                t->body_sent_bytes += bytes;
                return bytes;
        }
        do
                l = pread(t->job->archive_fd, buffer, MIN((uint64_t) size * n, t->end_bytes - t->next_bytes),
                                (off_t) t->next_bytes);
        while (l < 0 && errno == EINTR);
        if (l < 0 || (l == 0 && t->next_bytes < t->end_bytes))
                return CURL_READFUNC_ABORT;
        t->next_bytes += (uint64_t) l;
        return (size_t) l;
}

int transfer_seek(void *userdata, curl_off_t offset, int origin) {
        Transfer *t = userdata;

        if (origin != SEEK_SET || offset < 0)
                return CURL_SEEKFUNC_CANTSEEK;
        if (t->body) {
                if ((size_t) offset > strlen(t->body))
                        return CURL_SEEKFUNC_FAIL;
                t->body_sent_bytes = (size_t) offset;
                return CURL_SEEKFUNC_OK;
        }
        if ((uint64_t) offset > t->end_bytes - t->start_bytes)
                return CURL_SEEKFUNC_FAIL;
        t->next_bytes = t->start_bytes + (uint64_t) offset;
        return CURL_SEEKFUNC_OK;
}

bool transfer_may_show(const Transfer *t, const char *text) {
        return !isempty(text) && strlen(text) <= SHOWN_MAX_BYTES && text_is_clean(text, false) &&
                        (!t->secret || !strstr(text, t->secret));
}

/* What another attempt would not change. Anything else may pass: networks and servers come back. */
static bool is_permanent(CURLcode e) {
        switch (e) {
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_INVALIDCERTSTATUS:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_USE_SSL_FAILED:
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_URL_MALFORMAT:
        case CURLE_NOT_BUILT_IN:
        case CURLE_UNKNOWN_OPTION:
                return true;
        default:
                return false;
        }
}

int transfer_perform(Transfer *t, Error *error) {
        CURLcode e = curl_easy_perform(t->curl);
        const char *text;

        if (e == CURLE_OK)
                return 0;
        if (e == CURLE_ABORTED_BY_CALLBACK && is_given_up(t))
                return -ECANCELED;
        if (e == CURLE_OUT_OF_MEMORY)
                return -ENOMEM;
        text = transfer_may_show(t, t->error_text) ? t->error_text : curl_easy_strerror(e);
        return error_set(error, is_permanent(e) ? ERROR_SUBMIT_REFUSED : ERROR_SUBMIT_FAILED, "%s: %s", t->host, text);
}

void transfer_succeeded(Transfer *t, const char *receipt) {
        worker_send(t->out, "BYTES", "%" PRIu64, t->archive_bytes);
        worker_send(t->out, "SHA256", "%s", t->digest.hex);
        worker_send(t->out, "RECEIPT", "%s", receipt);
}
