/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The upload unit's program: systemd starts it for each connection of the daemon, which is its standard input and
 * output, as a user that owns nothing. It gets one archive as a descriptor, takes it where the job says, and ends. */

#include <signal.h>
#include <sys/signalfd.h>

#include "report.h"
#include "transfer.h"

static int upload(Transfer *t, Error *error) {
        static int (*const methods[_TARGET_METHOD_MAX])(Transfer *transfer, Error *error) = {
                [TARGET_PUT] = upload_put,
                [TARGET_POST] = upload_post,
                [TARGET_S3] = upload_s3,
                [TARGET_MAIL] = upload_mail,
        };
        const Target *target = t->job->target;

        if (target->method != TARGET_MAIL && target->max_bytes > 0 && t->archive_bytes > target->max_bytes)
                return error_set(error, ERROR_SUBMIT_REFUSED, "The archive has %s, and target \"%s\" takes at most %s (MaxSize=).",
                                FORMAT_BYTES(t->archive_bytes), strempty(target->name), FORMAT_BYTES(target->max_bytes));
        return methods[target->method](t, error);
}

/* A signal is looked at when libcurl asks, so that what was begun at the server can be undone. */
static int open_signals(int *ret) {
        sigset_t mask;
        int fd;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        (void) signal(SIGPIPE, SIG_IGN);
        fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

static int run(Error *error) {
        _cleanup_upload_job_ UploadJob job = UPLOAD_JOB_EMPTY;
        _cleanup_close_ int signal_fd = -EBADF;
        _cleanup_transfer_ Transfer t = {};
        int r;

        r = open_signals(&signal_fd);
        if (r < 0)
                return r;
        r = upload_job_receive(STDIN_FILENO, &job);
        if (r < 0)
                return error_set_errno(error, ERROR_SUBMIT_FAILED, r, "What came over the socket is no upload");
        r = transfer_init(&t, &job, stdout, STDIN_FILENO, signal_fd, error);
        return r < 0 ? r : upload(&t, error);
}

int main(int argc, char *argv[]) {
        _cleanup_error_ Error error = {};
        int r;

        if (argc != 1) {
                fputs("This program uploads one archive for mmiotraced, on the socket that is its standard input.\n", stderr);
                return EXIT_FAILURE;
        }
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return EXIT_FAILURE;
        r = worker_send_result(stdout, run(&error), &error);
        curl_global_cleanup();
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
