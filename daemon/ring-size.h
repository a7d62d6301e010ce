/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How large the ring of a CPU that records is to be. */

#include "tracer.h"

#define RING_LEAST_BYTES (64 * KIB)

/* What was asked for, in bytes or in events, else a default that fits the memory. Refuses, with the numbers, what does
 * not fit (ERROR_NO_MEMORY) or makes no sense (ERROR_INVALID_ARGUMENTS). */
int ring_size_choose(const Context *context, const TracerOptions *options, uint64_t *ret_bytes, Error *error);

/* What so many events take in the ring, and on the disk before they are sealed. UINT64_MAX where that is no number. */
uint64_t ring_size_of_events(uint64_t n_events, bool stacks);
