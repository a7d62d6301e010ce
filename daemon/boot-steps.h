/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session at boot begins before /var, the bus and so the daemon are there. What is done then is as little as can be:
 * the arming, by the step that arms every session, with its report in the runtime directory instead of a pipe. Nobody
 * drains the ring until the daemon has come, taken up the report and gone on from there like with any session: the ring
 * has to hold what the driver does meanwhile, and counts what it cannot hold. */

#include "context.h"
#include "error.h"
#include "next-boot.h"

/* A body for WorkerSpec.run: checks what can be known before the boot, and writes the file that arms. Line: NOTE (each),
 * what to do besides. */
typedef struct ArmBootRequest {
        const Context *context;
        const NextBoot *boot;
} ArmBootRequest;
int step_arm_next_boot(FILE *out, void *request);

/* Run once, early in the boot: takes the file that arms back, and then begins the session. Returns 1 and the module that
 * is to be loaded now; 0 if nothing was armed. After an error the machine is as it was before, and the daemon will know. */
int boot_begin(const Context *context, char **ret_module, Error *error);
