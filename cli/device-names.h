/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What PCI devices of this machine are called, by udev's database. */

#include "util.h"

/* "0000:00:01.0 Intel Corporation 82574L Gigabit Network Connection" for each address, in the same order; the address alone
 * for what is not there or has no name. sysfs is where that is mounted. Free with strv_free(). */
int device_names(const char *sysfs, char *const *addresses, char ***ret);
