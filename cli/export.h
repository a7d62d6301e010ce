/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writes an archive that came as a file descriptor to where the user wants it: whole under its name, or
 * not at all. */

#include "util.h"

/* A name that the daemon proposes is used as a file name only if it is one: no folder, not hidden,
 * printable. */
bool archive_name_is_valid(const char *name);

/* Where the file will be: a folder, opened, and the name in it. If path is a folder, or NULL (the current
 * one), the archive gets its own name. -ENOENT or -ENOTDIR if the folder is not there, -EINVAL if path
 * names no file. */
int export_target(const char *path, const char *archive_name, int *ret_dir_fd, char **ret_name);

/* Copies the whole of in_fd into a file of that folder: a temporary file, mode 0600 because a trace tells
 * what a driver told its device, synced, then renamed. -EEXIST if the name is taken and replace is false,
 * -ENODATA if the archive is shorter than it said, -EINTR after SIGINT, SIGTERM or SIGHUP; nothing is
 * left over then. */
int export_to_file(int in_fd, int dir_fd, const char *name, bool replace, uint64_t *ret_bytes);

/* Copies the whole of in_fd to another descriptor. */
int export_to_fd(int in_fd, int out_fd, uint64_t *ret_bytes);
