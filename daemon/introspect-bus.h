/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon has on the bus, for tools and the manual page, without a bus and without a daemon. */

#include <stdio.h>

/* Writes the introspection data of all interfaces, or of one, as one XML document. -ENOENT: there is no such interface. */
int introspect_bus_write(const char *interface, FILE *out);
