/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "targets.h"
#include "test-util.h"
#include "upload-job.h"

TestSuite(targets, .fini = test_done);

/* "Key=value" lines. */
static Target *make(const char *const *lines) {
        Target *t;

        cr_assert_eq(target_new("lab", &t), 0);
        for (; *lines; lines++) {
                _cleanup_free_ char *key = strndup(*lines, strcspn(*lines, "="));

                (void) target_set(t, key, strchr(*lines, '=') + 1);
        }
        return t;
}

static void assert_good(const char *const *lines, TargetMethod method) {
        _cleanup_(target_freep) Target *t = make(lines);
        _cleanup_error_ Error error = {};

        cr_assert_eq(target_check(t, &error), 0, "%s: %s", lines[0], error.text);
        cr_assert_eq(t->method, method, "%s", lines[0]);
}

static void assert_bad(const char *const *lines, const char *reason) {
        _cleanup_(target_freep) Target *t = make(lines);
        _cleanup_error_ Error error = {};

        cr_assert_lt(target_check(t, &error), 0, "%s", lines[0]);
        cr_assert(strstr(error.text, reason), "%s instead of \"%s\"", error.text, reason);
}

#define LINES(...) ((const char *const[]) { __VA_ARGS__, NULL })

Test(targets, good) {
        assert_good(LINES("URL=https://traces.example/in/"), TARGET_PUT);
        assert_good(LINES("URL=https://traces.example:8443/{vendor}/{archive}?v=1", "Method=put"), TARGET_PUT);
        assert_good(LINES("URL=https://traces.example/form.php?project=x", "Method=post"), TARGET_POST);
        assert_good(LINES("URL=https://s3.example/bucket/{device}/{archive}", "Method=s3", "User=AK", "SecretFile=/s"), TARGET_S3);
        assert_good(LINES("URL=smtps://mail.example", "From=a@b.example", "To=c@d.example"), TARGET_MAIL);
        assert_good(LINES("URL=smtp://mail.example:587", "From=a@b.example", "To=c@d.example, e@f.example", "StartTLS=no"), TARGET_MAIL);
}

Test(targets, bad) {
        static const char broken[] = "not every line";

        assert_bad(LINES("Method=put"), "URL=");
        assert_bad(LINES("URL=http://traces.example/"), broken);
        assert_bad(LINES("URL=ftp://traces.example/"), broken);
        assert_bad(LINES("URL=file:///etc/"), broken);
        assert_bad(LINES("URL=https://user:password@traces.example/"), broken);
        assert_bad(LINES("URL=https://{driver}.example/{archive}"), broken);
        assert_bad(LINES("URL=https://traces.example/a b"), broken);
        assert_bad(LINES("URL=https:///{archive}"), broken);
        assert_bad(LINES("URL=https://traces.example/", "Method=PUT"), broken);
        assert_bad(LINES("URL=https://traces.example/", "CAFile=ca.pem"), broken);
        assert_bad(LINES("URL=https://traces.example/", "Colour=red"), broken);
        assert_bad(LINES("URL=https://traces.example/", "Header=Authorization: Bearer x"), broken);
        assert_bad(LINES("URL=https://traces.example/", "Header=no colon"), broken);
        assert_bad(LINES("URL=https://traces.example/", "Header=A: b\r\nC: d"), broken);
        assert_bad(LINES("URL=https://traces.example/", "TimeoutSec=0"), broken);
        assert_bad(LINES("URL=https://traces.example/", "PartSize=1M"), broken);
        assert_bad(LINES("URL=smtps://mail.example", "From=a@b.example", "To=c@d@e.example"), broken);
        assert_bad(LINES("URL=smtps://mail.example", "From=a@b.example\r\nBcc: x@y.example"), broken);
        /* What is right afterwards does not make up for it. */
        assert_bad(LINES("Method=PUT", "Method=put", "URL=https://traces.example/"), broken);

        assert_bad(LINES("URL=https://traces.example/{archive"), "placeholder");
        assert_bad(LINES("URL=https://traces.example/{host}/{archive}"), "placeholder");
        assert_bad(LINES("URL=https://traces.example/archive.tar.xz"), "{archive}");
        assert_bad(LINES("URL=https://traces.example"), "{archive}");
        assert_bad(LINES("URL=https://traces.example/?x=/"), "{archive}");
        assert_bad(LINES("URL=https://traces.example/", "Method=mail"), "Method=");
        assert_bad(LINES("URL=smtp://mail.example", "Method=put"), "Method=");
        assert_bad(LINES("URL=https://traces.example/", "User=me"), "SecretFile=");
        assert_bad(LINES("URL=https://traces.example/", "SecretHeader=PRIVATE-TOKEN"), "SecretHeader=");
        assert_bad(LINES("URL=https://s3.example/b/", "Method=s3"), "access key");
        assert_bad(LINES("URL=https://s3.example/b/{archive}?x", "Method=s3", "User=AK", "SecretFile=/s"), "\"?\"");
        assert_bad(LINES("URL=smtp://mail.example", "To=c@d.example"), "From=");
        assert_bad(LINES("URL=smtp://mail.example/x", "From=a@b.example", "To=c@d.example"), "host");
        assert_bad(LINES("URL=smtp://mail.example", "From=a@b.example", "To=c@d.example", "User=me"), "go together");
        assert_bad(LINES("URL=smtp://mail.example", "From=a@b.example", "To=c@d.example", "User=me", "SecretFile=/s",
                                   "StartTLS=no"),
                        "in the clear");
        assert_bad(LINES("URL=smtps://mail.example", "From=a@b.example", "To=c@d.example", "StartTLS=no"), "smtp://");
}

Test(targets, defaults) {
        _cleanup_(target_freep) Target *web = make(LINES("URL=https://traces.example/")),
                                *mail = make(LINES("URL=smtp://mail.example", "From=a@b.example", "To=c@d.example")),
                                *small = make(LINES("URL=smtp://mail.example", "From=a@b.example", "To=c@d.example", "MaxSize=1M"));

        cr_assert_eq(target_check(web, NULL), 0);
        cr_assert_eq(target_check(mail, NULL), 0);
        cr_assert_eq(target_check(small, NULL), 0);
        cr_assert_eq(web->max_bytes, 0);
        cr_assert_eq(mail->max_bytes, 25 * MIB);
        cr_assert_eq(small->max_bytes, MIB);
        cr_assert_eq(web->timeout_usec, 60 * USEC_PER_SEC);
        cr_assert_not(mail->plain);
}

static void assert_expanded(const char *const *lines, const TargetValues *values, const char *expected) {
        _cleanup_(target_freep) Target *t = make(lines);
        _cleanup_free_ char *url = NULL;

        cr_assert_eq(target_check(t, NULL), 0);
        cr_assert_eq(target_expand(t, values, &url), 0);
        cr_assert_str_eq(url, expected);
}

Test(targets, expand) {
        const TargetValues card = { "m-1.tar.xz", "10de", "1c82", "nvidia" }, nothing = { .archive = "m-2.tar.xz" },
                           odd = { "a b/../ü%&?#.xz", "{archive}", NULL, "../x" };

        assert_expanded(LINES("URL=https://t.example/{vendor}/{device}/{driver}/{archive}"), &card,
                        "https://t.example/10de/1c82/nvidia/m-1.tar.xz");
        assert_expanded(LINES("URL=https://t.example/{vendor}/{device}/{driver}/{archive}"), &nothing,
                        "https://t.example/none/none/all/m-2.tar.xz");
        assert_expanded(LINES("URL=https://t.example/in/"), &card, "https://t.example/in/m-1.tar.xz");
        assert_expanded(LINES("URL=https://t.example/in/", "Method=post"), &card, "https://t.example/in/");
        /* Each stays one part of the path, and is not looked into again. */
        assert_expanded(LINES("URL=https://t.example/{vendor}/{driver}/{archive}"), &odd,
                        "https://t.example/%7Barchive%7D/..%2Fx/a%20b%2F..%2F%C3%BC%25%26%3F%23.xz");
}

Test(targets, address) {
        _cleanup_(target_freep) Target *web = make(LINES("URL=https://t.example/{archive}?signature=abc")),
                                *mail = make(LINES("URL=smtp://m.example", "From=a@b.example", "To=c@d.example e@f.example"));
        _cleanup_free_ char *web_address = NULL, *mail_address = NULL;

        cr_assert_eq(target_check(web, NULL), 0);
        cr_assert_eq(target_check(mail, NULL), 0);
        cr_assert_eq(target_address(web, &web_address), 0);
        cr_assert_eq(target_address(mail, &mail_address), 0);
        cr_assert_str_eq(web_address, "https://t.example/{archive}");
        cr_assert_str_eq(mail_address, "c@d.example, e@f.example");
}

/* What the daemon hands over is what the upload program gets. */
Test(targets, job) {
        _cleanup_upload_job_ UploadJob sent = UPLOAD_JOB_EMPTY, got = UPLOAD_JOB_EMPTY;
        int fds[2];
        char byte;

        test_file("archive", "a", 1);
        test_file("secret", "s", 1);
        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        sent.target = make(LINES("URL=https://s3.example/b/", "Method=s3", "User=AK", "SecretFile=/s", "Header=A: b", "Header=C: d",
                        "PartSize=7M", "TimeoutSec=9", "MaxSize=3G"));
        cr_assert_eq(target_check(sent.target, NULL), 0);
        sent.archive = strdup("m.tar.xz");
        sent.description = strdup("two\nlines, \"quoted\"");
        sent.id = strdup("0123");
        sent.archive_fd = openat(test_dir(), "archive", O_RDONLY | O_CLOEXEC);
        sent.secret_fd = openat(test_dir(), "secret", O_RDONLY | O_CLOEXEC);
        cr_assert_eq(upload_job_send(fds[0], &sent), 0);
        cr_assert_eq(upload_job_receive(fds[1], &got), 0);

        cr_assert_eq(got.target->method, TARGET_S3);
        cr_assert_str_eq(got.target->url, "https://s3.example/b/");
        cr_assert_str_eq(got.target->user, "AK");
        cr_assert_str_eq(got.target->region, "us-east-1");
        cr_assert_eq(strv_length(got.target->headers), 2);
        cr_assert_str_eq(got.target->headers[1], "C: d");
        cr_assert_eq(got.target->part_bytes, 7 * MIB);
        cr_assert_eq(got.target->timeout_usec, 9 * USEC_PER_SEC);
        cr_assert_eq(got.target->max_bytes, 3 * 1024 * MIB);
        cr_assert_null(got.target->secret_file);
        cr_assert_str_eq(got.archive, sent.archive);
        cr_assert_str_eq(got.description, sent.description);
        cr_assert_str_eq(got.id, sent.id);
        cr_assert(pread(got.archive_fd, &byte, 1, 0) == 1 && byte == 'a');
        cr_assert(pread(got.secret_fd, &byte, 1, 0) == 1 && byte == 's');
        cr_assert_lt(got.ca_fd, 0);

        /* One that is too large for a packet is refused, not cut. */
        free(sent.description);
        sent.description = malloc(UPLOAD_JOB_MAX_BYTES + 1);
        memset(sent.description, 'x', UPLOAD_JOB_MAX_BYTES);
        sent.description[UPLOAD_JOB_MAX_BYTES] = 0;
        cr_assert_eq(upload_job_send(fds[0], &sent), -EMSGSIZE);
        safe_close(fds[0]);
        safe_close(fds[1]);
}
