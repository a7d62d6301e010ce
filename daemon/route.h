/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which network interface leads to an address, so that the one that a request came over is not taken away. Read from
 * /proc/net/route and /proc/net/ipv6_route: the main table only, which is where an ordinary machine's routes are. */

#include "util.h"

/* address is IPv4 or IPv6 text, an IPv4 address inside IPv6 included; "%eth0" behind a link-local one decides.
 * The longest prefix wins, then the lowest metric; routes that are down, that reject, or that lead to lo do not count.
 * -EINVAL: not an address; -ENETUNREACH: no route, or an address of this machine's loopback. */
int network_interface_to(const char *proc_root, const char *address, char **ret);
