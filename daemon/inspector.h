/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The asking side of the reader unit; questions.h has the questions and how they are answered. */

#include "error.h"

/* Writes the answer to a file. Blocks, up to minutes: for workers. After an error the file may hold a part. */
int inspector_ask(const char *socket_path, const char *question, int out_fd, Error *error);
