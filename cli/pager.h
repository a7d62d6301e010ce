/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Long output in the user's pager, as systemctl does it: SYSTEMD_PAGER, PAGER, else less or more; LESS as SYSTEMD_LESS
 * has it. Only on a terminal, and not with --no-pager. */

#include "client.h"

/* From here on standard output goes through it, if there is to be one. Comes right before something is printed: nobody
 * can be asked for a password while a pager has the terminal. */
void pager_open(Client *c);

/* Waits until the user has left it. What could not be printed because of that is no failure. */
void pager_close(Client *c);
