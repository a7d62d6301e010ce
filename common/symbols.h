/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which function of the kernel an address belongs to, from copies of /proc/kallsyms and of the addresses of the
 * modules' sections. Both belong to one boot: addresses are random. */

#include "util.h"

typedef struct Symbols Symbols;

/* Reads two files, of which either may be NULL.
 *
 *   kallsyms  "ADDRESS TYPE NAME", for modules "\t[MODULE]" behind it: kernel/kallsyms.c, s_show()
 *   modules   "MODULE SECTION ADDRESS"
 *
 * -EBADMSG: a line is something else. -ENODATA: the capture could not get the symbols, and the file says why (a line
 * "unavailable: …"), or all addresses are zero, because the reader had no right to see them (kernel.kptr_restrict). */
int symbols_load(const char *kallsyms, const char *modules, Symbols **ret);
Symbols *symbols_free(Symbols *symbols);
DEFINE_CLEANUP(Symbols *, symbols_free)

typedef struct Symbol {
        const char *name;       /* of the function, or, where only that is known, of the section; borrowed */
        const char *module;     /* NULL: the kernel itself; borrowed */
        uint64_t offset;        /* of the address */
} Symbol;

/* Returns 1 with the function that a call returns to at that address, 0 if it is not known. */
int symbols_find(const Symbols *symbols, uint64_t return_address, Symbol *ret);
