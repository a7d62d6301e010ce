/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every kind of upload shares: a libcurl handle that trusts only what it should, speaks only the target's protocol
 * and gives up when nothing moves; the archive as its source; progress; and what a failure means. */

#include <curl/curl.h>
#include <nettle/sha2.h>

#include "upload-job.h"

typedef struct Digest {
        uint8_t bytes[SHA256_DIGEST_SIZE];
        char hex[2 * SHA256_DIGEST_SIZE + 1];
} Digest;

typedef struct Transfer {
        const UploadJob *job;
        FILE *out;                      /* report.h */
        int client_fd;                  /* whoever closes it does not want the upload any more; -EBADF: nobody waits */
        int signal_fd;
        CURL *curl;
        char *host;                     /* for sentences */
        char *secret;                   /* NULL: the target has none */
        char *ca;                       /* certificates */
        size_t ca_bytes;
        uint64_t archive_bytes;
        Digest digest;                  /* of the archive */
        bool winding_up;                /* nobody waits any more, but what was begun there is to be undone */

        uint64_t start_bytes, end_bytes, next_bytes;    /* the part of the archive that is being sent */
        uint64_t told_bytes, told_usec;
        char *body, *reply;             /* what is sent instead of the archive; what came back */
        size_t body_sent_bytes, reply_bytes;
        char *complaint;                /* of a mail server: its last line that says no */
        char error_text[CURL_ERROR_SIZE];
} Transfer;

/* Reads what the job has open, and hashes the archive. client_fd and signal_fd stay the caller's. */
int transfer_init(Transfer *transfer, const UploadJob *job, FILE *out, int client_fd, int signal_fd, Error *error);
void transfer_done(Transfer *transfer);
#define _cleanup_transfer_ _cleanup_(transfer_done)

/* Sets the handle back to what all requests have in common. */
int transfer_reset(Transfer *transfer, const char *url, const char *protocol);

/* The source is this part of the archive from now on; for libcurl's read, seek and MIME callbacks. */
void transfer_send_archive(Transfer *transfer, uint64_t offset_bytes, uint64_t bytes);
size_t transfer_read(char *buffer, size_t size, size_t n, void *transfer);
int transfer_seek(void *transfer, curl_off_t offset, int origin);
/* For libcurl's header callback, with a mail server. */
size_t transfer_mail_line(char *data, size_t size, size_t n, void *transfer);

/* One transfer as it was set up. An error means that no answer of the server is known; what the server has answered is
 * for the caller to judge. -ECANCELED: nobody wants it any more. */
int transfer_perform(Transfer *transfer, Error *error);

/* The end, well or not. Text from the server is shown only if it is clean, short and does not repeat the secret. */
void transfer_succeeded(Transfer *transfer, const char *receipt);
bool transfer_may_show(const Transfer *transfer, const char *text);

/* SHA-256 of a part of the archive, and of something else. */
int transfer_hash(Transfer *transfer, uint64_t offset_bytes, uint64_t bytes, Digest *ret);
void digest_data(const void *data, size_t bytes, Digest *ret);

/* upload-http.c, upload-s3.c, upload-mail.c */
int upload_put(Transfer *transfer, Error *error);
int upload_post(Transfer *transfer, Error *error);
int upload_s3(Transfer *transfer, Error *error);
int upload_mail(Transfer *transfer, Error *error);
