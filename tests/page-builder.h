/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes sub-buffers the way the kernel does, out of what kernel/trace/ring_buffer.c and trace_entries.h say,
 * and with nothing from common/ring.c: two readings of the same source that have to agree. */

#include <criterion/criterion.h>

#include "util.h"

#define PAGE_BYTES 4096
#define PAGE_DATA_OFFSET 16

#define PAGE_MISSED UINT64_C(0x80000000)
#define PAGE_MISSED_STORED UINT64_C(0x40000000)

enum {
        EVENT_STACK = 4,
        EVENT_PRINT = 5,
        EVENT_RW = 7,
        EVENT_MAP = 8,
};

enum {
        TYPE_LONG = 0,
        TYPE_PAD = 29,
        TYPE_EXTEND = 30,
        TYPE_STAMP = 31,
};

typedef struct PageBuilder {
        uint8_t page[PAGE_BYTES];
        size_t length_bytes; /* of the data */
} PageBuilder;

/* struct trace_mmiotrace_rw and trace_mmiotrace_map on x86-64. */
typedef struct RwPayload {
        uint16_t type;
        uint8_t flags, preempt_count;
        int32_t pid;
        uint64_t phys, value, pc;
        int32_t map_id;
        uint8_t opcode, width, fill[2];
} RwPayload;

typedef struct MapPayload {
        uint16_t type;
        uint8_t flags, preempt_count;
        int32_t pid;
        uint64_t phys, virt, length;
        int32_t map_id;
        uint8_t opcode, fill[3];
} MapPayload;

static inline void page_begin(PageBuilder *b, uint64_t time_ns) {
        *b = (PageBuilder) {};
        memcpy(b->page, &time_ns, sizeof time_ns);
}

/* Writes the commit word, all of its 64 bits. */
static inline void page_set_commit(PageBuilder *b, uint64_t commit) {
        memcpy(b->page + 8, &commit, sizeof commit);
}

static inline void page_put(PageBuilder *b, const void *data, size_t bytes) {
        cr_assert_leq(b->length_bytes + bytes, PAGE_BYTES - PAGE_DATA_OFFSET);
        memcpy(b->page + PAGE_DATA_OFFSET + b->length_bytes, data, bytes);
        b->length_bytes += bytes;
        page_set_commit(b, b->length_bytes);
}

static inline void page_put32(PageBuilder *b, uint32_t v) {
        page_put(b, &v, sizeof v);
}

static inline void page_put_header(PageBuilder *b, unsigned type, uint32_t delta) {
        page_put32(b, delta << 5 | type);
}

static inline void page_put_extend(PageBuilder *b, uint64_t delta) {
        page_put_header(b, TYPE_EXTEND, (uint32_t) (delta & 0x7ffffff));
        page_put32(b, (uint32_t) (delta >> 27));
}

static inline void page_put_stamp(PageBuilder *b, uint64_t stamp) {
        page_put_header(b, TYPE_STAMP, (uint32_t) (stamp & 0x7ffffff));
        page_put32(b, (uint32_t) (stamp >> 27));
}

/* An event whose length is in its header: up to 112 bytes, a multiple of four. */
static inline void page_put_event(PageBuilder *b, uint32_t delta, const void *payload, size_t bytes) {
        cr_assert(bytes >= 4 && bytes <= 112 && bytes % 4 == 0);
        page_put_header(b, (unsigned) bytes / 4, delta);
        page_put(b, payload, bytes);
}

/* An event whose length is in its second word, which counts itself. */
static inline void page_put_long(PageBuilder *b, uint32_t delta, const void *payload, size_t bytes) {
        page_put_header(b, TYPE_LONG, delta);
        page_put32(b, (uint32_t) bytes + 4);
        page_put(b, payload, bytes);
}

/* A read of four bytes, of which only phys tells it from others. */
static inline void page_put_read(PageBuilder *b, uint32_t delta, uint64_t phys) {
        const RwPayload payload = {
                .type = EVENT_RW,
                .pid = 77,
                .phys = phys,
                .value = 0xabcd,
                .map_id = 3,
                .opcode = 1,
                .width = 4,
        };

        page_put_event(b, delta, &payload, sizeof payload);
}

static inline void page_put_mark(PageBuilder *b, uint32_t delta, const char *text) {
        uint8_t payload[PAGE_BYTES] = { EVENT_PRINT };
        size_t l = 16 + strlen(text) + 1, bytes = (l + 3) / 4 * 4;

        strcpy((char *) payload + 16, text);
        if (bytes <= 112)
                page_put_event(b, delta, payload, bytes);
        else
                page_put_long(b, delta, payload, bytes);
}

/* A kernel_stack event, which no mmiotrace log shows. */
static inline void page_put_stack(PageBuilder *b, uint32_t delta) {
        const uint8_t payload[80] = { EVENT_STACK };

        page_put_event(b, delta, payload, sizeof payload);
}

/* The same with frames that count up from first: struct kernel_stack with as many as there are. */
static inline void page_put_stack_of(PageBuilder *b, uint32_t delta, int32_t pid, uint64_t first, size_t n) {
        uint8_t payload[16 + 40 * 8] = { EVENT_STACK };
        const int32_t size = (int32_t) n;

        cr_assert_leq(n, 40);
        memcpy(payload + 4, &pid, sizeof pid);
        memcpy(payload + 8, &size, sizeof size);
        for (size_t i = 0; i < n; i++)
                memcpy(payload + 16 + i * 8, &(uint64_t) { first + i }, 8);
        if (16 + n * 8 <= 112)
                page_put_event(b, delta, payload, 16 + n * 8);
        else
                page_put_long(b, delta, payload, 16 + n * 8);
}

/* The events that a page lost in front of it, with their count behind the data. */
static inline void page_set_missed(PageBuilder *b, uint64_t n_lost) {
        memcpy(b->page + PAGE_DATA_OFFSET + b->length_bytes, &n_lost, sizeof n_lost);
        page_set_commit(b, b->length_bytes | PAGE_MISSED | PAGE_MISSED_STORED);
}

/* The first bytes of the page, in a block of exactly that size: what reads behind it is seen by
 * AddressSanitizer. */
static inline uint8_t *page_copy(const PageBuilder *b, size_t bytes) {
        uint8_t *copy = malloc(bytes);

        cr_assert_not_null(copy);
        memcpy(copy, b->page, bytes);
        return copy;
}
