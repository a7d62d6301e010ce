/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/ioprio.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "priority.h"
#include "util.h"

#define NICE_LAST 19

/* Neither can fail here, and if one did, the work would only be done sooner. */
void priority_give_way(void) {
        (void) setpriority(PRIO_PROCESS, 0, NICE_LAST);
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}
