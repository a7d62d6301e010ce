/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdarg.h>

#include "blind.h"

#define PAGE_BYTES (4 * KIB)
#define HUGE_PAGE_BYTES (2 * MIB)
#define GIANT_PAGE_BYTES (1024 * MIB)

/* A driver that maps a thousand things crookedly is told of by the first few of them. */
#define WARNINGS_MAX 8

typedef struct Mapping {
        int id;
        uint64_t phys, length_bytes;
        uint64_t n_unknown;
        uint32_t first_unknown; /* the three bytes of the first such instruction */
} Mapping;

struct Blind {
        void (*warn)(const char *text, void *userdata);
        void *userdata;
        Mapping *mappings;
        size_t n_mappings, last;
        unsigned n_warnings;
        bool unmap_told;
};

int blind_new(void (*warn)(const char *text, void *userdata), void *userdata, Blind **ret) {
        Blind *b = calloc(1, sizeof(Blind));

        if (!b)
                return -ENOMEM;
        b->warn = warn;
        b->userdata = userdata;
        *ret = b;
        return 0;
}

Blind *blind_free(Blind *b) {
        if (!b)
                return NULL;
        free(b->mappings);
        free(b);
        return NULL;
}

_printf_(2, 3) static void warn(Blind *b, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        if (b->n_warnings++ >= WARNINGS_MAX)
                return;
        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        if (text)
                b->warn(text, b->userdata);
}

/* Accesses come in runs to one mapping; ids only grow, so the one asked for is near the end. */
static Mapping *find_mapping(Blind *b, int id) {
        if (b->last < b->n_mappings && b->mappings[b->last].id == id)
                return b->mappings + b->last;
        for (size_t i = b->n_mappings; i-- > 0;)
                if (b->mappings[i].id == id) {
                        b->last = i;
                        return b->mappings + i;
                }
        return NULL;
}

static int add_mapping(Blind *b, int id, uint64_t phys, uint64_t length_bytes) {
        Mapping *grown = reallocarray(b->mappings, b->n_mappings + 1, sizeof(Mapping));

        if (!grown)
                return -ENOMEM;
        b->mappings = grown;
        b->last = b->n_mappings;
        b->mappings[b->n_mappings++] = (Mapping) { .id = id, .phys = phys, .length_bytes = length_bytes };
        return 0;
}

/* Whether the kernel maps it with pages of that size, at its start. */
static bool is_mapped_by(uint64_t phys, uint64_t length_bytes, uint64_t page_bytes) {
        return phys % page_bytes == 0 && length_bytes >= page_bytes;
}

static void check_mapping(Blind *b, const Record *r) {
        uint64_t offset = r->phys % PAGE_BYTES, phys = r->phys - offset, length = r->length_bytes + offset, tail;

        if (is_mapped_by(phys, length, GIANT_PAGE_BYTES)) {
                warn(b, "Mapping %d (0x%" PRIx64 ", %s) was made in pages of 1 GiB, which the kernel does not trace: nothing of it "
                        "is in the log. Boot with \"nohugeiomap\".", r->map_id, r->phys, FORMAT_BYTES(r->length_bytes));
                return;
        }
        if (offset != 0)
                warn(b, "Mapping %d begins at 0x%" PRIx64 ", inside a page: the kernel shows nothing of its first %s.", r->map_id,
                        r->phys, is_mapped_by(phys, length, HUGE_PAGE_BYTES) ? "2 MiB" : "page");
        tail = length % HUGE_PAGE_BYTES;
        if (is_mapped_by(phys, length, HUGE_PAGE_BYTES) && length > HUGE_PAGE_BYTES && tail > PAGE_BYTES)
                warn(b, "Mapping %d (0x%" PRIx64 ", %s) was made in pages of 2 MiB and is no multiple of them: of its last %s the "
                        "kernel shows only the first 4 KiB. Boot with \"nohugeiomap\".", r->map_id, r->phys,
                        FORMAT_BYTES(r->length_bytes), FORMAT_BYTES(tail));
}

int blind_record(Blind *b, const Record *r) {
        Mapping *mapping;
        int k;

        switch (r->type) {
        case RECORD_MAP:
                check_mapping(b, r);
                return add_mapping(b, r->map_id, r->phys, r->length_bytes);
        case RECORD_UNMAP:
                if (r->map_id < 0 && !b->unmap_told)
                        warn(b, "A mapping from before the session was taken down (UNMAP -1): what went through it is not in the log. "
                                "A driver that is loaded already has to be unloaded, or rebound.");
                b->unmap_told |= r->map_id < 0;
                return 0;
        case RECORD_UNKNOWN:
                mapping = find_mapping(b, r->map_id);
                if (!mapping) {
                        k = add_mapping(b, r->map_id, 0, 0);
                        if (k < 0)
                                return k;
                        mapping = b->mappings + b->last;
                }
                if (mapping->n_unknown++ == 0)
                        mapping->first_unknown = (uint32_t) r->value;
                return 0;
        default:
                return 0;
        }
}

void blind_finish(Blind *b) {
        b->n_warnings = 0;
        for (size_t i = 0; i < b->n_mappings; i++) {
                const Mapping *m = b->mappings + i;

                if (m->n_unknown == 0)
                        continue;
                warn(b, "%" PRIu64 " accesses to mapping %d (0x%" PRIx64 ") were made by instructions that the kernel does not decode "
                        "(the first: %02x,%02x,%02x%s): their places and times are in the log, their values are not.",
                        m->n_unknown, m->id, m->phys, m->first_unknown >> 16 & 0xff, m->first_unknown >> 8 & 0xff,
                        m->first_unknown & 0xff,
                        m->first_unknown >> 8 == 0xf3a5 || m->first_unknown >> 8 == 0xf3a4 ? ", a memory copy" : "");
        }
}
