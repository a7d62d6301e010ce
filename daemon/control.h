/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control files of tracefs, below the folder that tracer_find_dir() has found, those of /proc/sys, and the CPUs that are
 * online. */

#include "util.h"

/* The first line of a control file. */
int control_read(const char *name, char **ret);
int control_write(const char *name, const char *value);

/* proc_root/sys/NAME: the first line of it. */
int sysctl_read(const char *proc_root, const char *name, char **ret);
int sysctl_write(const char *proc_root, const char *name, const char *value);

/* sys_root/devices/system/cpu/online, as it is and as a set; either ret may be NULL. */
int read_online_cpus(const char *sys_root, char **ret, CpuSet *ret_set);

/* The CPUs of before that are not in now, as a list ("1-3,5"); "" if there are none. */
int format_missing_cpus(const CpuSet *before, const CpuSet *now, char **ret);
