/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the desktop of whoever calls knows of the displays, which the daemon cannot see: outputs and modes in use, as xrandr
 * tells them, and what NVIDIA's driver says of itself. */

#include "util.h"

/* NULL: nothing is known. Nothing is asked of a device for it. Takes some seconds at the most. */
int desktop_describe(char **ret);
