/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* mmiotracectl itself, as a child on the test's bus. */

#include "fixture.h"

typedef struct Ctl {
        pid_t pid;
        int terminal_fd;        /* the other end of its terminal, or -EBADF */
        int out_fd, err_fd;
        /* Once it has ended: its exit status (1000 and the number for a signal), and what it printed. On a terminal
         * that is all in out. */
        int status;
        char *out, *err;
} Ctl;

/* Starts it with these arguments, the last of which is NULL. */
Ctl ctl_begin(Fixture *fixture, const char *const argv[]);
/* The same on a terminal of its own, of 80 columns, which it leads as a shell's foreground would. */
Ctl ctl_begin_on_terminal(Fixture *fixture, const char *const argv[]);

/* Waits for its end, but not for that of others that have its terminal. */
void ctl_end(Ctl *ctl);
void ctl_done(Ctl *ctl);
#define _cleanup_ctl_ _cleanup_(ctl_done)

#define CTL_BEGIN(fixture, ...) ctl_begin((fixture), (const char *[]) { __VA_ARGS__, NULL })
#define CTL_BEGIN_ON_TERMINAL(fixture, ...) ctl_begin_on_terminal((fixture), (const char *[]) { __VA_ARGS__, NULL })

/* What others than root get: as that user, without any group. Only root can; others skip the test. */
Ctl ctl_begin_as(Fixture *fixture, uid_t uid, const char *const argv[]);
Ctl ctl_begin_on_terminal_as(Fixture *fixture, uid_t uid, const char *const argv[]);
#define CTL_BEGIN_AS(fixture, uid, ...) ctl_begin_as((fixture), (uid), (const char *[]) { __VA_ARGS__, NULL })

/* As ctl_end(); the fixture's polkit and systemd answer meanwhile. */
void ctl_end_served(Fixture *fixture, Ctl *ctl);

/* An ssh that goes nowhere: the bus of every other machine is this one. It writes its arguments to the file "told". */
void ctl_set_ssh(Fixture *fixture);

void assert_ended(const Ctl *ctl, int status);
void assert_contains(const char *text, const char *part);

/* Runs it to its end. */
#define CTL(fixture, ...)                                       \
        ({                                                      \
                Ctl _ctl = CTL_BEGIN((fixture), __VA_ARGS__);   \
                ctl_end(&_ctl);                                 \
                _ctl;                                           \
        })
