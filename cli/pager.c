/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/wait.h>

#include "command.h"
#include "pager.h"
#include "text.h"

/* Quit when all of it fits, colours as they are, no other screen, a verbose prompt, and Ctrl-C ends it. Not S as systemd
 * has it, which cuts long lines: then it stays for a page that fits, too, if a name in it is longer than a line. */
#define LESS_OPTIONS "FRXMK"

/* As in systemd's programs: where it is root who runs them, a variable can have been set by somebody else, as sudo hands
 * many of them on. So it can only switch the pager off, unless SYSTEMD_PAGERSECURE says that somebody has thought of this.
 * What is left then is less, as the others have nothing like LESSSECURE.
 *
 * Gives the program and its words; NULL: print it as it is. */
static int find_pager(char **ret_program, char ***ret_words) {
        const char *wanted = getenv("SYSTEMD_PAGER") ?: getenv("PAGER");
        bool trusted = geteuid() != 0 || getenv("SYSTEMD_PAGERSECURE");
        const char *const candidates[] = { trusted ? wanted : NULL, "less", trusted ? "more" : NULL };
        int r;

        if (wanted && (isempty(wanted) || streq(wanted, "cat")))
                return 0;
        for (size_t i = 0; i < ELEMENTS(candidates); i++) {
                _cleanup_strv_ char **words = NULL;

                r = candidates[i] ? text_split(candidates[i], &words) : 0;
                if (r < 0)
                        return r;
                if (words && command_find(words[0], ret_program) >= 0) {
                        *ret_words = TAKE_PTR(words);
                        return 0;
                }
        }
        return 0;
}

static bool is_no(const char *s) {
        return s && (streq(s, "0") || strcasecmp(s, "no") == 0 || strcasecmp(s, "false") == 0 || strcasecmp(s, "off") == 0);
}

_noreturn_ static void execute(const char *program, char *const *words, const int fds[2]) {
        if (dup2(fds[0], STDIN_FILENO) < 0)
                _exit(EXIT_FAILURE);
        safe_close(fds[0]);
        safe_close(fds[1]);
        (void) setenv("LESS", getenv("SYSTEMD_LESS") ?: LESS_OPTIONS, 1);
        (void) setenv("LESSCHARSET", getenv("SYSTEMD_LESSCHARSET") ?: "utf-8", 1);
        /* It is root's, often enough, and what it shows is text from others: no shell, no other files. */
        if (is_no(getenv("SYSTEMD_PAGERSECURE")))
                (void) unsetenv("LESSSECURE");
        else
                (void) setenv("LESSSECURE", "1", 1);
        (void) execvp(program, words);
        _exit(EXIT_FAILURE);
}

void pager_open(Client *c) {
        _cleanup_free_ char *program = NULL;
        _cleanup_strv_ char **words = NULL;
        int fds[2];
        pid_t pid;

        if (!c->pager || c->pager_pid > 0 || !isatty(STDOUT_FILENO) || terminal_is_dumb() ||
            find_pager(&program, &words) < 0 || !program)
                return;
        fflush(stdout);
        if (pipe(fds) < 0)
                return;
        pid = fork();
        if (pid == 0)
                execute(program, words, fds);
        safe_close(fds[0]);
        if (pid > 0 && dup2(fds[1], STDOUT_FILENO) >= 0) {
                c->pager_pid = pid;
                /* Both are the pager's: to be interrupted, and to be left before the end. */
                (void) signal(SIGINT, SIG_IGN);
                (void) signal(SIGPIPE, SIG_IGN);
        }
        safe_close(fds[1]);
}

void pager_close(Client *c) {
        if (c->pager_pid <= 0)
                return;
        (void) fclose(stdout);
        while (waitpid(c->pager_pid, NULL, 0) < 0 && errno == EINTR)
                ;
        c->pager_pid = 0;
}
