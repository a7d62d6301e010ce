/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <sys/mman.h>

#include "holders.h"
#include "inspector.h"
#include "questions.h"

#define ANSWER_MAX_BYTES (64 * KIB)

/* More than these make no sentence. */
#define SHOWN_MAX 5

static bool file_is(const char *file, HoldersOf of) {
        const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

        return (streq(name, "trace") || streq(name, "snapshot")) == (of == HOLDERS_OF_RING);
}

/* Cuts off the first word of a line. */
static char *take_word(char **line) {
        char *word = strsep(line, " ");

        return word && *word ? word : NULL;
}

int holders_parse(const char *answer, HoldersOf of, char **ret) {
        _cleanup_free_ char *copy = strdup(answer), *text = NULL;
        uint64_t last = 0;
        unsigned n = 0;
        char *state = NULL;
        size_t bytes;
        FILE *f;

        f = copy ? open_memstream(&text, &bytes) : NULL;
        if (!f)
                return -ENOMEM;
        for (char *line = strtok_r(copy, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                const char *number = take_word(&line), *file = take_word(&line);
                uint64_t pid;

                if (!number || !file || parse_u64(number, &pid) < 0) {
                        (void) fclose(f);
                        return -EBADMSG;
                }
                /* All files of a process follow each other. */
                if (!file_is(file, of) || (n > 0 && pid == last))
                        continue;
                last = pid;
                if (n++ >= SHOWN_MAX)
                        continue;
                /* It calls itself what it likes. */
                fprintf(f, "%s%s (pid %" PRIu64 ")", n > 1 ? ", " : "",
                        isempty(line) || !text_is_clean(line, false) ? "a program" : line, pid);
        }
        if (n > SHOWN_MAX)
                fprintf(f, " and %u more", n - SHOWN_MAX);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (n == 0)
                return 0;
        *ret = TAKE_PTR(text);
        return 1;
}

int holders_ask(const Context *context, char **ret_answer, Error *error) {
        _cleanup_close_ int fd = memfd_create("holders", MFD_CLOEXEC);
        _cleanup_free_ char *answer = calloc(1, ANSWER_MAX_BYTES + 1);
        int r;

        if (!context->inspect_socket)
                return error_set(error, ERROR_NOT_SUPPORTED, "There is no reader unit.");
        if (fd < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot ask who holds the trace pipes");
        if (!answer)
                return -ENOMEM;
        r = inspector_ask(context->inspect_socket, QUESTION_TRACE_HOLDERS, fd, error);
        if (r < 0)
                return r;
        if (pread(fd, answer, ANSWER_MAX_BYTES, 0) < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot read who holds the trace pipes");
        *ret_answer = TAKE_PTR(answer);
        return 0;
}

int holders_describe(const Context *context, HoldersOf of, char **ret, Error *error) {
        _cleanup_free_ char *answer = NULL;
        int r;

        r = holders_ask(context, &answer, error);
        if (r < 0)
                return r;
        r = holders_parse(answer, of, ret);
        return r < 0 ? error_set_errno(error, ERROR_FAILED, r, "Cannot understand who holds the trace pipes") : r;
}

int holders_refuse(const Context *context, HoldersOf of, const char *what, Error *error) {
        static const char *const files[] = {
                [HOLDERS_OF_PIPES] = "/sys/kernel/tracing/trace_pipe /sys/kernel/tracing/per_cpu/*/trace_pipe*",
                [HOLDERS_OF_RING] = "/sys/kernel/tracing/trace",
        };
        _cleanup_error_ Error ignored = {};
        _cleanup_free_ char *names = NULL;

        if (holders_describe(context, of, &names, &ignored) > 0)
                return error_set(error, ERROR_READER_BUSY, "%s: %s; end it first.", what, names);
        return error_set(error, ERROR_READER_BUSY, "%s; find it with \"fuser -v %s\" and end it.", what, files[of]);
}
