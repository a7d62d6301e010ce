/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "command.h"
#include "editor.h"
#include "text.h"

#define TEXT_MAX_BYTES (1 * MIB)

void edit_done(Edit *e) {
        free(e->path);
        free(e->text);
        *e = (Edit) {};
}

/* The program and its words. -ENOEXEC: none of those that were tried is there. */
static int find_editor(char **ret_program, char ***ret_words) {
        const char *const candidates[] = {
                getenv("SYSTEMD_EDITOR"), getenv("VISUAL"), getenv("EDITOR"), "editor", "nano", "vim", "vi",
        };
        int r;

        for (size_t i = 0; i < ELEMENTS(candidates); i++) {
                _cleanup_strv_ char **words = NULL;

                if (!candidates[i])
                        continue;
                r = text_split(candidates[i], &words);
                if (r < 0)
                        return r;
                if (!words)
                        continue;
                if (command_find(words[0], ret_program) >= 0) {
                        *ret_words = TAKE_PTR(words);
                        return 0;
                }
        }
        return -ENOEXEC;
}

/* Readable for nobody else: who edits may not have decided yet to tell. */
static int write_file(const char *text, char **ret_path) {
        const char *folder = getenv("TMPDIR");
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&path, "%s/mmiotracectl-XXXXXX.txt", isempty(folder) ? "/tmp" : folder) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = mkostemps(path, (int) strlen(".txt"), O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, strlen(text));
        if (r < 0) {
                (void) unlink(path);
                return r;
        }
        *ret_path = TAKE_PTR(path);
        return 0;
}

int edit_text(const char *text, Edit *ret) {
        _cleanup_free_ char *program = NULL;
        _cleanup_strv_ char **words = NULL;
        int status, r;

        r = find_editor(&program, &words);
        if (r >= 0)
                r = write_file(text, &ret->path);
        if (r >= 0)
                r = strv_extend(&words, ret->path);
        if (r >= 0)
                r = command_run(program, words, &status);
        if (r < 0)
                return r;
        if (command_exit_status(status) != EXIT_SUCCESS)
                return -ECHILD;
        ret->edited = true;
        /* By its name: most editors put another file in its place. */
        return read_file_at(AT_FDCWD, ret->path, TEXT_MAX_BYTES, &ret->text, NULL);
}
