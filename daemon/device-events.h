/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of a driver's devices a trace is about: the one with the most accesses to its BARs. An archive is named after it. */

#include "record.h"

typedef struct DeviceEvents DeviceEvents;

/* From driver.json in the metadata folder. Without one there are no devices. */
int device_events_new(int metadata_fd, DeviceEvents **ret);
DeviceEvents *device_events_free(DeviceEvents *events);
DEFINE_CLEANUP(DeviceEvents *, device_events_free)
#define _cleanup_device_events_ _cleanup_(device_events_freep)

void device_events_record(DeviceEvents *events, const Record *record);

/* Its ids as eight hexadecimal digits, and its name, which may be empty; borrowed. false: there are no two devices to
 * choose from, or none has any access. */
bool device_events_busiest(const DeviceEvents *events, const char **ret_vendor_device, const char **ret_device_name);
