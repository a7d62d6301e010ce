/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "inspector.h"

#define ANSWER_MAX_BYTES (512 * MIB)
#define LINE_MAX_BYTES 1024
#define WAIT_SECONDS 60

static int connect_to(const char *path, Error *error) {
        const struct timeval limit = { .tv_sec = WAIT_SECONDS };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        /* The limit for sending is also that for connecting. */
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) &address, sizeof address) < 0)
                return error_set_errno(error, ERROR_FAILED, -errno,
                                "The reader unit cannot be asked, \"systemctl restart mmiotraced-inspect.socket\" may help");
        return TAKE_FD(fd);
}

/* Returns how many bytes there are behind the line in the buffer. */
static ssize_t read_line(int fd, char buffer[static LINE_MAX_BYTES], size_t *ret_line_bytes) {
        size_t n = 0;

        while (n < LINE_MAX_BYTES) {
                ssize_t l = recv(fd, buffer + n, LINE_MAX_BYTES - n, 0);
                char *end;

                if (l < 0 && errno == EINTR)
                        continue;
                if (l <= 0)
                        return l < 0 ? -errno : -EPROTO;
                end = memchr(buffer + n, '\n', (size_t) l);
                n += (size_t) l;
                if (!end)
                        continue;
                *end = 0;
                *ret_line_bytes = (size_t) (end + 1 - buffer);
                return (ssize_t) (n - *ret_line_bytes);
        }
        return -EPROTO;
}

static int copy(int fd, uint64_t bytes, int out_fd) {
        _cleanup_free_ char *buffer = malloc(64 * KIB);
        int r;

        if (!buffer)
                return -ENOMEM;
        while (bytes > 0) {
                ssize_t n = recv(fd, buffer, MIN(bytes, 64 * KIB), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EPROTO;
                r = write_all(out_fd, buffer, (size_t) n);
                if (r < 0)
                        return r;
                bytes -= (uint64_t) n;
        }
        return 0;
}

static int fail(int r, Error *error) {
        if (r == -EAGAIN)
                return error_set(error, ERROR_FAILED, "The reader unit has not answered within %d seconds.", WAIT_SECONDS);
        if (r == -EPROTO)
                return error_set(error, ERROR_FAILED, "The reader unit ended in the middle of its answer; \"journalctl -u "
                                "'mmiotraced-inspect@*'\" may say why.");
        return error_set_errno(error, errno_is_no_space(r) ? ERROR_NO_SPACE : ERROR_FAILED, r, "Cannot take the reader unit's answer");
}

int inspector_ask(const char *socket_path, const char *question, int out_fd, Error *error) {
        _cleanup_free_ char *line = NULL;
        _cleanup_close_ int fd = -EBADF;
        char buffer[LINE_MAX_BYTES];
        const char *refusal;
        size_t line_bytes = 0;
        uint64_t bytes;
        ssize_t n;
        int r, l;

        if (!socket_path)
                return error_set(error, ERROR_NOT_SUPPORTED, "There is no reader unit that could be asked.");
        fd = connect_to(socket_path, error);
        if (fd < 0)
                return fail(fd, error);
        l = asprintf(&line, "%s\n", question);
        if (l < 0) {
                line = NULL;
                return -ENOMEM;
        }
        if (send(fd, line, (size_t) l, MSG_NOSIGNAL) != l)
                return fail(-EPROTO, error);
        n = read_line(fd, buffer, &line_bytes);
        if (n < 0)
                return fail((int) n, error);
        refusal = startswith(buffer, "error ");
        if (refusal)
                return error_set(error, ERROR_FAILED, "%s", text_is_clean(refusal, false) ? refusal : "The reader unit refused.");
        if (!startswith(buffer, "ok ") || parse_u64(buffer + 3, &bytes) < 0 || bytes > ANSWER_MAX_BYTES || (uint64_t) n > bytes)
                return fail(-EPROTO, error);
        r = write_all(out_fd, buffer + line_bytes, (size_t) n);
        if (r >= 0)
                r = copy(fd, bytes - (uint64_t) n, out_fd);
        return r < 0 ? fail(r, error) : 0;
}
