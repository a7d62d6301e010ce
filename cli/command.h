/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A command that the user gave us to run, as a shell would run it: found on PATH, with our terminal, and told apart
 * by its exit status. */

#include "util.h"

/* The file that would be run. -ENOENT: there is none; -EACCES: there is, but it cannot be run. The caller frees. */
int command_find(const char *name, char **ret_path);

/* Runs that file with these arguments, of which the first is its name, and waits for its end. What a terminal sends
 * to all of its foreground, like SIGINT, the command gets by itself; SIGINT, SIGQUIT, SIGTERM and SIGHUP from
 * somebody else are passed on to it. None of them ends this process meanwhile. ret_status is as waitpid(2) gives it;
 * a command that cannot be executed after all says so on standard error, and exits with 126 or 127. */
int command_run(const char *path, char *const argv[], int *ret_status);

/* As a shell says it: the exit status, or 128 and the number of the signal that ended it. */
int command_exit_status(int status);

/* The command on one line for people, of at most max_bytes: what is not printable is escaped, and what does not fit
 * is cut off. The caller frees. */
int command_to_text(char *const argv[], size_t max_bytes, char **ret);
