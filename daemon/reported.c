/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "metadata.h"
#include "names.h"
#include "reported.h"

int reported_check(const char *text, Error *error) {
        if (strlen(text) > REPORTED_MAX_BYTES || !text_is_clean(text, true))
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "The option \"displays\" takes at most %u bytes of text without control characters but newlines and "
                                "tabs.", (unsigned) REPORTED_MAX_BYTES);
        return 0;
}

int reported_save(int session_fd, const char *text) {
        _cleanup_close_ int fd = openat(session_fd, SESSION_METADATA_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_free_ char *content = NULL;

        if (fd < 0)
                return -errno;
        if (asprintf(&content, "Reported by the user's programs, not by the kernel:\n\n%s\n", text) < 0) {
                content = NULL;
                return -ENOMEM;
        }
        return replace_file_at(fd, METADATA_REPORTED, content, strlen(content));
}
