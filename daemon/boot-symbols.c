/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "boot-symbols.h"
#include "inspector.h"
#include "names.h"
#include "questions.h"

static const struct {
        const char *file, *question, *warning;
} answers[] = {
        { RAW_KALLSYMS, QUESTION_KALLSYMS, "The functions on the call stacks have no names in the archive" },
        { RAW_MODULES, QUESTION_MODULE_SECTIONS, "The archive does not say where the modules were in memory" },
};

bool boot_symbols_exist(int raw_fd) {
        return faccessat(raw_fd, RAW_KALLSYMS, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static int write_reason(int raw_fd, const char *file, const char *reason) {
        _cleanup_free_ char *text = NULL;
        int n = asprintf(&text, "unavailable: %s\n", reason);

        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return replace_file_at(raw_fd, file, text, (size_t) n);
}

static int save_answer(const char *inspect_socket, const char *question, int raw_fd, const char *file, Error *error) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[64];
        int r;

        /* A worker that was killed over this may have its own file still open: so the names differ. */
        (void) snprintf(temporary, sizeof temporary, ".#%d-%s", getpid(), file);
        fd = openat(raw_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        r = fd < 0 ? -errno : inspector_ask(inspect_socket, question, fd, error);
        if (r >= 0 && (fsync(fd) < 0 || renameat(raw_fd, temporary, raw_fd, file) < 0))
                r = -errno;
        if (r < 0)
                (void) unlinkat(raw_fd, temporary, 0);
        return r < 0 ? error_set_errno(error, ERROR_NO_SPACE, r, "Cannot write %s", file) : 0;
}

int boot_symbols_save(const char *inspect_socket, int raw_fd, void (*warn)(const char *text, void *userdata), void *userdata) {
        for (size_t i = 0; i < ELEMENTS(answers); i++) {
                _cleanup_free_ char *text = NULL;
                _cleanup_error_ Error error = {};
                int r;

                r = save_answer(inspect_socket, answers[i].question, raw_fd, answers[i].file, &error);
                if (r >= 0 || faccessat(raw_fd, answers[i].file, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        continue;
                if (asprintf(&text, "%s: %s", answers[i].warning, strempty(error.text)) < 0) {
                        text = NULL;
                        return -ENOMEM;
                }
                warn(text, userdata);
                r = write_reason(raw_fd, answers[i].file, strempty(error.text));
                if (r < 0)
                        return r;
        }
        return 0;
}
