/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "detail.h"

#define NSEC_PER_SEC (NSEC_PER_USEC * USEC_PER_SEC)

/* The entries of the exceptions that mmiotrace lives on: it makes the page of a register fault, lets the instruction
 * run as a single step, and records it in the trap behind it (arch/x86/mm/kmmio.c, kmmio_handler() and
 * post_kmmio_handler()). What was interrupted is below. */
static bool is_trap(const Symbol *symbol) {
        return !symbol->module && (streq(symbol->name, "asm_exc_debug") || streq(symbol->name, "asm_exc_page_fault"));
}

static size_t first_frame(const Record *record, const Symbols *symbols) {
        Symbol symbol;

        if (!symbols || !record_is_access(record))
                return 0;
        for (size_t i = 0; i < record->n_frames; i++)
                if (symbols_find(symbols, record->frames[i], &symbol) > 0 && is_trap(&symbol))
                        return i + 1;
        return 0;
}

static int print_frame(FILE *out, uint64_t address, const Symbols *symbols) {
        Symbol symbol;

        if (!symbols || symbols_find(symbols, address, &symbol) == 0)
                return fprintf(out, "    0x%016" PRIx64 "\n", address);
        if (!symbol.module)
                return fprintf(out, "    %s+0x%" PRIx64 "\n", symbol.name, symbol.offset);
        return fprintf(out, "    %s+0x%" PRIx64 " [%s]\n", symbol.name, symbol.offset, symbol.module);
}

int detail_print(FILE *out, const Record *record, const Symbols *symbols) {
        if (record->type == RECORD_LOST)
                return 0;
        if (fprintf(out, "    cpu %u  pid %d  %" PRIu64 ".%09" PRIu64 "\n", record->cpu, record->pid,
                            record->time_ns / NSEC_PER_SEC, record->time_ns % NSEC_PER_SEC) < 0)
                return -errno;
        for (size_t i = first_frame(record, symbols); i < record->n_frames; i++)
                if (print_frame(out, record->frames[i], symbols) < 0)
                        return -errno;
        return 0;
}
