/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The agent that asks for a password on this terminal. A desktop has one of its own; somebody who came by ssh has none
 * and could never be authorized without this. */

#include <sys/types.h>

/* Starts pkttyagent and waits until it is registered. Returns its process, which ends with this one; 0 where there is
 * no need (root), no terminal, or no such program: then polkit says no, and its error says what was missing. */
pid_t polkit_agent_start(void);
void polkit_agent_end(pid_t agent);
