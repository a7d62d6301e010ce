/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manager's part in a session that begins at a boot: arming it, and taking it up when the boot has come as far as
 * this daemon. What lies between the two is in boot-steps.h. */

#include "manager.h"

/* Arms the next boot: once, for a session with these options, which has to name a driver. done answers later. */
int manager_arm(Manager *manager, const SessionOptions *options, uid_t owner_uid, ArmDone done, void *userdata,
        Error *error);

int manager_disarm(Manager *manager, Error *error);

/* Finds out what is armed, and makes a session of what was begun at this boot or at one that did not get here. */
void manager_take_up_boot(Manager *manager);

/* That session is on file among the others now. */
void manager_forget_boot(Manager *manager);
