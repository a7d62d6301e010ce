/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The reader unit's program: systemd starts it for each connection, which is its standard input, with the few
 * capabilities that the answers need and nothing else. */

#include "questions.h"

int main(int argc, char *argv[]) {
        _cleanup_error_ Error error = {};
        int r;

        if (argc != 1) {
                fputs("This program answers the questions of mmiotraced, on the socket that is its standard input.\n", stderr);
                return EXIT_FAILURE;
        }
        r = questions_serve(STDIN_FILENO, "/proc", "/sys", &error);
        if (r < 0)
                fprintf(stderr, "%s\n", error.text ?: strerrordesc_np(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
