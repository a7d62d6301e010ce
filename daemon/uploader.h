/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The asking side of the upload unit: opens what the unit may not open, hands it over, and passes on what it says. See
 * upload-job.h. */

#include "targets.h"

typedef struct UploadRequest {
        const char *socket_path;
        const Target *target;
        int session_fd;
        const char *archive;            /* the file name to give it */
        const char *driver;             /* NULL: every driver */
        const char *id;
} UploadRequest;

/* For WorkerSpec.run, with an UploadRequest: blocks as long as the upload takes. Lines: as in upload-job.h. */
int uploader_run(FILE *out, void *request);
