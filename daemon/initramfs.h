/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is in the initramfs of each kernel that the machine may boot next: the running one, and one that an upgrade has
 * brought. It is a pile of archives, each packed as its maker
 * likes; Debian's lsinitramfs(8) takes it apart, and is the one way here. */

#include "context.h"
#include "error.h"

/* Returns 1 if the module (as modprobe knows it, "-" and "_" are the same) is in one of them, and may be loaded by that, with
 * the names of those ("initrd.img-6.1.0-56-amd64"); 0 if it is in none. A negative errno where that cannot be told, and
 * error says why: without lsinitramfs (-EOPNOTSUPP, ERROR_NOT_SUPPORTED), or without an image under Debian's name. Blocks
 * for seconds, 30 at most for all: for workers. */
int initramfs_has_module(const Context *context, const char *module, char ***ret_images, Error *error);

/* The paths in an image, one a line, as the program prints them: -ETIMEDOUT, -EFBIG, or -EBADMSG if it failed or found
 * none. */
int initramfs_list(const char *program, const char *image, uint64_t limit_usec, char **ret);
