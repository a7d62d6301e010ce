/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a record beyond its line in the log, as indented lines to stand below that line. */

#include "record.h"
#include "symbols.h"

/* CPU, task and time to the nanosecond, then the call stack from the function that made the access outwards. The
 * frames of the tracer itself, which are above it, are left out; without symbols they cannot be told apart, and all
 * are printed as addresses. Nothing for a gap. symbols may be NULL. -EIO and the like: it could not be written. */
int detail_print(FILE *out, const Record *record, const Symbols *symbols);
