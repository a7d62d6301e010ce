/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The CPUs that the machine has and that are off, and whether that is how it was booted. mmiotrace takes all but one down,
 * and a script that ends badly leaves them so. */

#include "util.h"

typedef struct OfflineCpus {
        CpuSet left;            /* nothing that is known keeps these off */
        CpuSet by_maxcpus;      /* maxcpus= on the kernel's command line */
        CpuSet by_smt;          /* the second threads of their cores, as SMT is off (nosmt, or smt/control) */
        bool smt_off;           /* then the kernel refuses second threads, which may be among those left: see there */
} OfflineCpus;

/* Why the kernel does not take a CPU offline: what its negative errno means there. */
const char *cpu_refusal(int error);

/* cmdline is the kernel's. Negative errno where it cannot be found out which CPUs are there or online. */
int offline_cpus_find(const char *sys_root, const char *cmdline, OfflineCpus *ret);
