/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "archive-head.h"
#include "archive-name.h"
#include "names.h"
#include "report.h"
#include "upload-job.h"
#include "uploader.h"

#define LINE_MAX_BYTES 4096
/* What fits beside everything else of a job. */
#define DESCRIPTION_SENT_MAX_BYTES (16 * KIB)

static int connect_to(const char *path, Error *error) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (strlen(strempty(path)) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, strempty(path), strlen(strempty(path)));
        if (connect(fd, (const struct sockaddr *) &address, sizeof address) < 0)
                return error_set_errno(error, ERROR_SUBMIT_FAILED, -errno,
                                "The upload unit cannot be reached, \"systemctl start mmiotraced-upload.socket\" may help");
        return TAKE_FD(fd);
}

static int open_secret(const Target *t, int *ret, Error *error) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (!t->secret_file)
                return 0;
        fd = open(t->secret_file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(error, ERROR_SUBMIT_REFUSED, -errno, "The SecretFile= of target \"%s\" cannot be opened", t->name);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
                return error_set(error, ERROR_SUBMIT_REFUSED, "The SecretFile= of target \"%s\" has to be a file that belongs to root "
                                "and that nobody else may read (mode 0600).", t->name);
        *ret = TAKE_FD(fd);
        return 0;
}

static int open_ca(const Target *t, int *ret, Error *error) {
        int fd;

        if (!t->ca_file)
                return 0;
        fd = open(t->ca_file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return error_set_errno(error, ERROR_SUBMIT_REFUSED, -errno, "The CAFile= of target \"%s\" cannot be opened", t->name);
        *ret = fd;
        return 0;
}

/* What the archive itself says: so a mail says nothing that is not in there. */
static int read_description(int archive_fd, char **ret) {
        _cleanup_archive_head_ ArchiveHead head = {};
        ArchiveHeadFile *file;
        char *text;
        int r;

        r = archive_head_read(archive_fd, &head);
        if (r < 0)
                return r;
        file = archive_head_find(&head, ARCHIVE_DESCRIPTION_NAME);
        if (!file)
                return -ENOENT;
        text = TAKE_PTR(file->data);
        if (file->bytes > DESCRIPTION_SENT_MAX_BYTES) {
                /* At the end of a line, and so not within a character. */
                text[DESCRIPTION_SENT_MAX_BYTES] = 0;
                *(strrchr(text, '\n') ?: text) = 0;
        }
        *ret = text;
        return 0;
}

static int copy_string(char **to, const char *from) {
        if (!from)
                return 0;
        *to = strdup(from);
        return *to ? 0 : -ENOMEM;
}

static int copy_strv(char ***to, char *const *from) {
        int r = 0;

        STRV_FOREACH(s, from)
                if (r >= 0)
                        r = strv_extend(to, *s);
        return r;
}

/* The same, but with the address of this one archive, and without the names of files: they are for us to open. */
static int copy_target(const Target *from, const TargetValues *values, Target **ret) {
        _cleanup_(target_freep) Target *t = NULL;
        int r;

        r = target_new(from->name, &t);
        if (r < 0)
                return r;
        t->method = from->method;
        t->plain = from->plain;
        t->max_bytes = from->max_bytes;
        t->part_bytes = from->part_bytes;
        t->timeout_usec = from->timeout_usec;
        r = target_expand(from, values, &t->url);
        if (r >= 0)
                r = copy_string(&t->user, from->user);
        if (r >= 0)
                r = copy_string(&t->secret_header, from->secret_header);
        if (r >= 0)
                r = copy_strv(&t->headers, from->headers);
        if (r >= 0)
                r = copy_string(&t->file_field, from->file_field);
        if (r >= 0)
                r = copy_string(&t->description_field, from->description_field);
        if (r >= 0)
                r = copy_string(&t->region, from->region);
        if (r >= 0)
                r = copy_string(&t->from, from->from);
        if (r >= 0)
                r = copy_strv(&t->to, from->to);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

static int make_job(const UploadRequest *q, UploadJob *ret, Error *error) {
        _cleanup_upload_job_ UploadJob j = UPLOAD_JOB_EMPTY;
        char vendor[5], device[5];
        bool has_device = archive_name_ids(q->archive, vendor, device);
        const TargetValues values = {
                .archive = q->archive,
                .vendor = has_device ? vendor : NULL,
                .device = has_device ? device : NULL,
                .driver = q->driver,
        };
        int r;

        j.archive_fd = openat(q->session_fd, SESSION_ARCHIVE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (j.archive_fd < 0)
                return error_set_errno(error, ERROR_NO_ARCHIVE, -errno, "The archive cannot be opened");
        r = read_description(j.archive_fd, &j.description);
        if (r < 0)
                return error_set_errno(error, ERROR_NO_ARCHIVE, r, "The archive cannot be read");
        r = open_secret(q->target, &j.secret_fd, error);
        if (r >= 0)
                r = open_ca(q->target, &j.ca_fd, error);
        if (r >= 0)
                r = copy_target(q->target, &values, &j.target);
        if (r >= 0)
                r = copy_string(&j.archive, q->archive);
        if (r >= 0)
                r = copy_string(&j.id, q->id);
        if (r < 0)
                return r;
        *ret = j;
        j = UPLOAD_JOB_EMPTY;
        return 0;
}

static bool is_known(const char *key) {
        static const char *const keys[] = { "BYTES", "RECEIPT", "SHA256", "RETRY_AFTER", "ERROR" };

        for (size_t i = 0; i < ELEMENTS(keys); i++)
                if (streq(key, keys[i]))
                        return true;
        return false;
}

/* Until the unit has said how it ended. What it says comes from a process that talks to strangers: a line is passed on only
 * if it is one. */
static int relay(int fd, FILE *out, Error *error) {
        char line[LINE_MAX_BYTES + 1];

        for (;;) {
                ssize_t n = recv(fd, line, LINE_MAX_BYTES, 0);
                char *value;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(error, ERROR_SUBMIT_FAILED, -errno, "The upload unit cannot be listened to");
                if (n == 0)
                        return error_set(error, ERROR_SUBMIT_FAILED, "The upload unit ended in the middle; \"journalctl -u "
                                        "'mmiotraced-upload@*'\" may say why.");
                line[n] = 0;
                if (line[n - 1] == '\n')
                        line[n - 1] = 0;
                value = strchr(line, '=');
                if (!value || !text_is_clean(line, false))
                        return error_set(error, ERROR_SUBMIT_FAILED, "The upload unit says what nobody can understand.");
                *value++ = 0;
                if (streq(line, "ERROR")) {
                        const char *text = strchr(value, ' ');

                        return error_set(error, startswith(value, "SubmitRefused ") ? ERROR_SUBMIT_REFUSED : ERROR_SUBMIT_FAILED,
                                        "%s", text ? text + 1 : value);
                }
                if (is_known(line))
                        worker_send(out, line, "%s", value);
                if (streq(line, "RECEIPT"))
                        return 0;
        }
}

static int run(FILE *out, const UploadRequest *q, Error *error) {
        _cleanup_upload_job_ UploadJob job = UPLOAD_JOB_EMPTY;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = make_job(q, &job, error);
        if (r < 0)
                return r;
        fd = connect_to(q->socket_path, error);
        if (fd < 0)
                return fd;
        r = upload_job_send(fd, &job);
        if (r < 0)
                return error_set_errno(error, ERROR_SUBMIT_FAILED, r, "The upload unit does not take the archive");
        return relay(fd, out, error);
}

int uploader_run(FILE *out, void *request) {
        _cleanup_error_ Error error = {};

        return worker_send_result(out, run(out, request, &error), &error);
}
