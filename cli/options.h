/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was typed: options, which go into the Client, and words. One table has every option; see there to add one. */

#include "client.h"

typedef struct Arguments {
        char **words;           /* the verb first; borrowed from argv, with NULL at the end and room for one more */
        int n_words;
        uint64_t given;         /* which options, a bit for each row of the table */
} Arguments;
void arguments_done(Arguments *arguments);
#define _cleanup_arguments_ _cleanup_(arguments_done)

/* takes_command says of a verb whether the word behind it begins a command, whose options are none of ours. Returns
 * EXIT_SUCCESS or the exit status. --help and --version are the last that is read. */
int arguments_parse(Client *c, int argc, char *argv[], bool (*takes_command)(const char *verb), Arguments *ret);

/* Refuses options that were given and that the verb does not have. Returns EXIT_SUCCESS or the exit status. */
int arguments_check(const Client *c, const Arguments *arguments, const char *verb);

/* Whether that verb has the option whose name, without "--", begins there and is that long. */
bool option_is_of(const char *name, size_t length, const char *verb);
