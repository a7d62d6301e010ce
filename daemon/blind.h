/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What mmiotrace cannot see, and does not say: told from the mappings and the instructions in a trace. Where the facts
 * come from: arch/x86/mm/kmmio.c (register_kmmio_probe, get_kmmio_probe), arch/x86/mm/pf_in.c, mm/vmalloc.c
 * (vmap_try_huge_pmd). */

#include "record.h"

typedef struct Blind Blind;

/* warn gets a sentence each. */
int blind_new(void (*warn)(const char *text, void *userdata), void *userdata, Blind **ret);
Blind *blind_free(Blind *blind);
DEFINE_CLEANUP(Blind *, blind_free)

/* Looks at the next record; warns at once of a mapping with a hole. */
int blind_record(Blind *blind, const Record *record);

/* Warns of what can only be summed up at the end: instructions without values. */
void blind_finish(Blind *blind);
