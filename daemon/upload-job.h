/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon hands to the upload unit over its socket (sequential packets): one archive, where it goes, and with
 * which credentials, as one packet with descriptors. The unit has no right to open any of it by itself. It answers with
 * KEY=VALUE lines, a packet each (see report.h):
 *
 *   BYTES=N                    so much of the archive was sent
 *   RECEIPT=TEXT, SHA256=HEX   the end: where the archive is now, or the id of the mail; and what was sent
 *   ERROR=SubmitFailed …       the end: it may work later
 *   ERROR=SubmitRefused …      the end: it will not work again as it is
 *   RETRY_AFTER=SECONDS        before SubmitFailed: the server has asked for a pause
 *
 * and gives up when the other side closes. */

#include "targets.h"

typedef struct UploadJob {
        Target *target;         /* its url is that of this archive, without placeholders; its files are the descriptors */
        char *archive;          /* file name */
        char *description;
        char *id;               /* the same in each attempt, so that a receiver can tell a second copy */
        int archive_fd;
        int secret_fd, ca_fd;   /* -EBADF: none */
} UploadJob;

#define UPLOAD_JOB_EMPTY ((UploadJob) { .archive_fd = -EBADF, .secret_fd = -EBADF, .ca_fd = -EBADF })
#define UPLOAD_JOB_MAX_BYTES (128 * KIB)

void upload_job_done(UploadJob *job);
#define _cleanup_upload_job_ _cleanup_(upload_job_done)

/* -EMSGSIZE if it does not fit into a packet. */
int upload_job_send(int fd, const UploadJob *job);

/* -EBADMSG: that was no job. */
int upload_job_receive(int fd, UploadJob *ret);
