/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "json.h"
#include "upload-job.h"

#define FDS_MAX 3

static const struct {
        const char *key;
        size_t offset;
} target_strings[] = {
        { "name", offsetof(Target, name) },
        { "url", offsetof(Target, url) },
        { "user", offsetof(Target, user) },
        { "secret_header", offsetof(Target, secret_header) },
        { "file_field", offsetof(Target, file_field) },
        { "description_field", offsetof(Target, description_field) },
        { "region", offsetof(Target, region) },
        { "from", offsetof(Target, from) },
}, job_strings[] = {
        { "archive", offsetof(UploadJob, archive) },
        { "description", offsetof(UploadJob, description) },
        { "id", offsetof(UploadJob, id) },
}, target_numbers[] = {
        { "max_bytes", offsetof(Target, max_bytes) },
        { "part_bytes", offsetof(Target, part_bytes) },
        { "timeout_usec", offsetof(Target, timeout_usec) },
};

void upload_job_done(UploadJob *j) {
        target_free(j->target);
        free(j->archive);
        free(j->description);
        free(j->id);
        safe_close(j->archive_fd);
        safe_close(j->secret_fd);
        safe_close(j->ca_fd);
        *j = UPLOAD_JOB_EMPTY;
}

/* NULL and "" are the same on the way. */
static int to_json(const UploadJob *j, struct json_object **ret) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "method", target_method_to_string(j->target->method));
        for (size_t i = 0; i < ELEMENTS(target_strings) && r >= 0; i++)
                r = json_add_string(o, target_strings[i].key, *(char **) ((char *) j->target + target_strings[i].offset));
        for (size_t i = 0; i < ELEMENTS(job_strings) && r >= 0; i++)
                r = json_add_string(o, job_strings[i].key, *(char **) ((char *) j + job_strings[i].offset));
        for (size_t i = 0; i < ELEMENTS(target_numbers) && r >= 0; i++)
                r = json_add_u64(o, target_numbers[i].key, *(uint64_t *) ((char *) j->target + target_numbers[i].offset));
        if (r >= 0)
                r = json_add(o, "plain", json_object_new_boolean(j->target->plain));
        if (r >= 0)
                r = json_add(o, "has_secret", json_object_new_boolean(j->secret_fd >= 0));
        if (r >= 0)
                r = json_add(o, "has_ca", json_object_new_boolean(j->ca_fd >= 0));
        if (r >= 0)
                r = json_add_strv(o, "headers", j->target->headers);
        if (r >= 0)
                r = json_add_strv(o, "to", j->target->to);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static int load_string(struct json_object *o, const char *key, char **ret) {
        const char *value = json_get_string(o, key);

        if (isempty(value))
                return 0;
        free(*ret);
        *ret = strdup(value);
        return *ret ? 0 : -ENOMEM;
}

static int from_json(struct json_object *o, UploadJob *j) {
        int r;

        r = target_new("", &j->target);
        if (r < 0)
                return r;
        j->target->method = target_method_from_string(json_get_string(o, "method"));
        if (j->target->method < 0)
                return -EBADMSG;
        for (size_t i = 0; i < ELEMENTS(target_strings) && r >= 0; i++)
                r = load_string(o, target_strings[i].key, (char **) ((char *) j->target + target_strings[i].offset));
        for (size_t i = 0; i < ELEMENTS(job_strings) && r >= 0; i++)
                r = load_string(o, job_strings[i].key, (char **) ((char *) j + job_strings[i].offset));
        for (size_t i = 0; i < ELEMENTS(target_numbers); i++)
                *(uint64_t *) ((char *) j->target + target_numbers[i].offset) = json_get_u64(o, target_numbers[i].key);
        j->target->plain = json_get_bool(o, "plain");
        if (r >= 0)
                r = json_get_strv(o, "headers", &j->target->headers);
        if (r >= 0)
                r = json_get_strv(o, "to", &j->target->to);
        if (r < 0)
                return r;
        return j->target->url && j->archive && j->id && j->target->timeout_usec > 0 ? 0 : -EBADMSG;
}

typedef union Control {
        struct cmsghdr align;
        char buffer[CMSG_SPACE(FDS_MAX * sizeof(int))];
} Control;

int upload_job_send(int fd, const UploadJob *j) {
        const int wanted[FDS_MAX] = { j->archive_fd, j->secret_fd, j->ca_fd };
        _cleanup_json_ struct json_object *o = NULL;
        Control control = {};
        struct iovec iov;
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
        int fds[FDS_MAX], r;
        struct cmsghdr *c;
        size_t n = 0;
        char *text;

        r = to_json(j, &o);
        if (r < 0)
                return r;
        text = (char *) json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        if (!text)
                return -ENOMEM;
        iov = (struct iovec) { text, strlen(text) };
        if (iov.iov_len > UPLOAD_JOB_MAX_BYTES)
                return -EMSGSIZE;
        for (size_t i = 0; i < FDS_MAX; i++)
                if (wanted[i] >= 0)
                        fds[n++] = wanted[i];
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Takes over what came, also when it is too much. */
static size_t take_fds(struct msghdr *m, int ret[static FDS_MAX]) {
        size_t n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                size_t n_here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < n_here; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
                        if (n < FDS_MAX)
                                ret[n++] = fd;
                        else
                                safe_close(fd);
                }
        }
        return n;
}

int upload_job_receive(int fd, UploadJob *ret) {
        _cleanup_upload_job_ UploadJob j = UPLOAD_JOB_EMPTY;
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_free_ char *text = malloc(UPLOAD_JOB_MAX_BYTES + 1);
        struct iovec iov = { text, UPLOAD_JOB_MAX_BYTES };
        int fds[FDS_MAX], *next[FDS_MAX + 1] = { &j.archive_fd }, r;
        Control control = {};
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        size_t n_fds, n_wanted = 1;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;
        text[n] = 0;
        n_fds = take_fds(&m, fds);
        o = json_tokener_parse(text);
        r = (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !json_object_is_type(o, json_type_object) ? -EBADMSG : from_json(o, &j);
        if (r >= 0 && json_get_bool(o, "has_secret"))
                next[n_wanted++] = &j.secret_fd;
        if (r >= 0 && json_get_bool(o, "has_ca"))
                next[n_wanted++] = &j.ca_fd;
        for (size_t i = 0; i < n_fds; i++)
                if (i < n_wanted)
                        *next[i] = fds[i];
                else
                        safe_close(fds[i]);
        if (r < 0 || n_fds != n_wanted)
                return r < 0 ? r : -EBADMSG;
        *ret = j;
        j = UPLOAD_JOB_EMPTY;
        return 0;
}
