/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a caller is logged in from: what its connection goes through must not be taken away from it. */

#include "bus-util.h"

typedef struct CallerLookup CallerLookup;

/* Asks logind for the address that the caller's session comes from. found is called once, later, from the loop: NULL if it
 * does not come from elsewhere, or nobody knows. Instead of it gone is called if the caller leaves meanwhile, as nobody is
 * there to act for any more. Either may free the lookup, which is over then. */
int caller_find_address(sd_bus_message *message, void (*found)(const char *address, void *userdata), void (*gone)(void *userdata),
        void *userdata, CallerLookup **ret);
CallerLookup *caller_lookup_free(CallerLookup *lookup);
DEFINE_CLEANUP(CallerLookup *, caller_lookup_free)
