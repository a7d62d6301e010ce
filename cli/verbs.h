/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs. Each is called with its own name in argv[0], a number of arguments that has been checked and
 * a bus that is open, says everything there is to say, and returns the exit status. */

#include "client.h"
#include "session-view.h"

int verb_check(Client *c, int argc, char *argv[]);
int verb_start(Client *c, int argc, char *argv[]);
int verb_disarm(Client *c, int argc, char *argv[]);
int verb_run(Client *c, int argc, char *argv[]);
int verb_mark(Client *c, int argc, char *argv[]);
int verb_stop(Client *c, int argc, char *argv[]);

int verb_status(Client *c, int argc, char *argv[]);
int verb_show(Client *c, int argc, char *argv[]);
int verb_log(Client *c, int argc, char *argv[]);
int verb_list(Client *c, int argc, char *argv[]);
int verb_describe(Client *c, int argc, char *argv[]);
int verb_export(Client *c, int argc, char *argv[]);
int verb_submit(Client *c, int argc, char *argv[]);

/* Writes the archive of the session at that path to a file or into a folder, NULL for the current one. Returns EXIT_SUCCESS,
 * the file as the user would write it, and its size; or the exit status. */
int export_archive(const Client *c, const char *id, const char *path, const char *file, char **ret_shown, uint64_t *ret_bytes);

int verb_recover(Client *c, int argc, char *argv[]);
int verb_remove(Client *c, int argc, char *argv[]);
int verb_seal(Client *c, int argc, char *argv[]);
int verb_protect(Client *c, int argc, char *argv[]);
int verb_config(Client *c, int argc, char *argv[]);

/* Ends the verb unless the texts for it are text. Returns EXIT_SUCCESS or the exit status. */
int start_check(const Client *c);
/* The call of Start, or of another method that takes the same, with the options that were given, and no others:
 * everything else is the daemon's to choose. */
int start_request(const Client *c, const char *member, sd_bus_message **ret);

/* client_fail_bus() for a Start that was refused. */
int start_fail(const Client *c, int r, const sd_bus_error *error);

/* Looks up what the devices of a session are called, which takes nothing away from its page where that is not known. They
 * are those of this machine. */
void name_devices(const Client *c, SessionView *v);

/* What is missing of a session, on standard error; nothing if nothing is. */
void complain_if_incomplete(const SessionView *v);

/* The options of Stop, with what the caller's desktop tells of the displays. */
int stop_append_options(const Client *c, sd_bus_message *m);

/* "start" with --at-next-boot. */
int start_at_next_boot(const Client *c);
