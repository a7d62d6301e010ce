/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the trees of /sys: folders, what links point to, and where a device really is. */

#include "util.h"

/* "0000:00:1f.2"; a domain has more than four digits behind some controllers (Intel VMD: "10000:e1:00.0"). */
bool pci_address_is_valid(const char *s);

/* The names in a folder without "." and "..", sorted. path is relative to dir_fd unless absolute. */
int sysfs_list_at(int dir_fd, const char *path, char ***ret);

/* The last part of what a link points to: -ENOENT without the link, -EINVAL if it is no link. */
int sysfs_link_name_at(int dir_fd, const char *path, char **ret);

/* The real path of something below sys_root, all links followed. */
int sysfs_real_path(const char *sys_root, char **ret, const char *format, ...) _printf_(3, 4);

/* Whether path is root or lies below it; both are real paths. */
bool path_is_below(const char *path, const char *root);

/* Sorts a NULL-terminated array of strings in place; NULL is allowed. */
void strv_sort(char **l);
