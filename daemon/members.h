/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The small files of an archive that describe the machine, made of what the session's metadata folder holds (metadata.h
 * says what that is). To add one: a line in the table in members.c. */

#include "archive-head.h"
#include "redact.h"

/* redactor is NULL for an archive that tells everything. metadata_fd is that folder. The files are in the order in which
 * the archive has them. What was not saved is there, too, and says so; but what only a machine that died has left is
 * not. */
int members_load(int metadata_fd, Redactor *redactor, ArchiveHead *ret);
