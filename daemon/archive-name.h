/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The name of an archive, made so that it says what is in it when it lies among others:
 *
 *      mmiotrace-10de1c82-GP107-GeForce_GTX_1050_Ti-nvidia_550.54-20261121T201500Z.tar.xz */

#include "util.h"

#define ARCHIVE_NAME_MAX 200

/* vendor_device are eight hexadecimal digits, NULL without a device (then device_name does not count either);
 * device_name, driver (NULL: "all") and version may be NULL. What is not a letter, a digit, "-", "_" or "." becomes
 * "_", once for each run of it, and "[" becomes "-"; the device's name is cut where the whole gets longer than
 * ARCHIVE_NAME_MAX bytes. -EINVAL: vendor_device is something else. */
int archive_name(
                const char *vendor_device,
                const char *device_name,
                const char *driver,
                const char *version,
                uint64_t started_realtime_usec,
                char **ret);

/* The device's ids in such a name; false if it has none. */
bool archive_name_ids(const char *name, char ret_vendor[static 5], char ret_device[static 5]);
