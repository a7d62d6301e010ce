/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What there is to say about the verbs and the options, on 80 columns. */

#include <stdio.h>

void help_print(FILE *f);

/* The part of it that is about one verb: what it does, its own options, and the exit statuses that only it has. */
void help_print_verb(const char *verb, FILE *f);
