/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For tests that hand their files to the programs which will read them in the end: all files are in the
 * test's folder, and so is the program. One that is missing fails the test. */

#include <criterion/criterion.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "test-util.h"

/* For .init of a suite, with test_done() as its .fini. */
static inline void tool_init(void) {
        cr_assert_eq(fchdir(test_dir()), 0);
}

static inline int tool_file(const char *name) {
        int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        cr_assert_geq(fd, 0, "%s: %m", name);
        return fd;
}

/* What a shell command prints, to be freed. It has to succeed, and so has every part of a pipe in it. */
static inline char *_printf_(1, 2) tool_output(const char *format, ...) {
        _cleanup_free_ char *command = NULL, *wrapped = NULL;
        char *output = NULL;
        size_t size = 0;
        va_list ap;
        FILE *f, *m;
        int status, c;

        va_start(ap, format);
        cr_assert_geq(vasprintf(&command, format, ap), 0);
        va_end(ap);
        cr_assert_geq(asprintf(&wrapped, "LC_ALL=C bash -o pipefail -c '%s' 2>&1", command), 0);

        f = popen(wrapped, "re");
        cr_assert_not_null(f);
        m = open_memstream(&output, &size);
        cr_assert_not_null(m);
        while ((c = getc(f)) != EOF)
                (void) putc(c, m);
        status = pclose(f);
        cr_assert_eq(fclose(m), 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                        "\"%s\" failed (127: not installed) with %d: %s", command,
                        WIFEXITED(status) ? WEXITSTATUS(status) : -1, output);
        return output;
}
