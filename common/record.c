/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "record.h"

/* Formatting is most of the time that sealing spends outside of LZMA: so no printf here. */

static char *put_string(char *p, const char *s, size_t bytes) {
        memcpy(p, s, bytes);
        return p + bytes;
}

#define PUT_LITERAL(p, s) put_string((p), (s), sizeof(s) - 1)

static char *put_decimal(char *p, uint64_t v) {
        char digits[20];
        size_t n = 0;

        do
                digits[n++] = (char) ('0' + v % 10);
        while ((v /= 10) > 0);
        while (n > 0)
                *p++ = digits[--n];
        return p;
}

static char *put_int(char *p, int v) {
        if (v < 0) {
                *p++ = '-';
                return put_decimal(p, (uint64_t) -(int64_t) v);
        }
        return put_decimal(p, (uint64_t) v);
}

static const char hex_digits[] = "0123456789abcdef";

static char *put_hex(char *p, uint64_t v) {
        unsigned n = v == 0 ? 1 : (67U - (unsigned) __builtin_clzll(v)) / 4;

        *p++ = '0';
        *p++ = 'x';
        for (unsigned i = n; i-- > 0;)
                *p++ = hex_digits[v >> (4 * i) & 0xf];
        return p;
}

static char *put_byte(char *p, uint8_t v) {
        *p++ = hex_digits[v >> 4];
        *p++ = hex_digits[v & 0xf];
        return p;
}

static char *put_time(char *p, uint64_t time_ns) {
        /* Rounded, not cut: kernel/trace/trace.c, ns2usecs(). */
        uint64_t usec = (time_ns + 500) / 1000, fraction = usec % USEC_PER_SEC;

        p = put_decimal(p, usec / USEC_PER_SEC);
        *p++ = '.';
        for (unsigned i = 6; i-- > 0; fraction /= 10)
                p[i] = (char) ('0' + fraction % 10);
        return p + 6;
}

static char *put_access(char *p, const Record *r) {
        p = put_decimal(p, r->width_bytes);
        *p++ = ' ';
        p = put_time(p, r->time_ns);
        *p++ = ' ';
        p = put_int(p, r->map_id);
        *p++ = ' ';
        p = put_hex(p, r->phys);
        *p++ = ' ';
        p = put_hex(p, r->value);
        *p++ = ' ';
        p = put_hex(p, r->pc);
        return PUT_LITERAL(p, " 0\n");
}

size_t record_format(const Record *r, char *buf, size_t size) {
        char *p = buf;

        if (size < RECORD_LINE_MAX + r->text_bytes)
                return 0;

        switch (r->type) {
        case RECORD_READ:
                p = put_access(PUT_LITERAL(p, "R "), r);
                break;
        case RECORD_WRITE:
                p = put_access(PUT_LITERAL(p, "W "), r);
                break;
        case RECORD_UNKNOWN:
                p = put_time(PUT_LITERAL(p, "UNKNOWN "), r->time_ns);
                *p++ = ' ';
                p = put_int(p, r->map_id);
                *p++ = ' ';
                p = put_hex(p, r->phys);
                *p++ = ' ';
                p = put_byte(p, (uint8_t) (r->value >> 16));
                *p++ = ',';
                p = put_byte(p, (uint8_t) (r->value >> 8));
                *p++ = ',';
                p = put_byte(p, (uint8_t) r->value);
                *p++ = ' ';
                p = put_hex(p, r->pc);
                p = PUT_LITERAL(p, " 0\n");
                break;
        case RECORD_MAP:
                p = put_time(PUT_LITERAL(p, "MAP "), r->time_ns);
                *p++ = ' ';
                p = put_int(p, r->map_id);
                *p++ = ' ';
                p = put_hex(p, r->phys);
                *p++ = ' ';
                p = put_hex(p, r->virt);
                *p++ = ' ';
                p = put_hex(p, r->length_bytes);
                p = PUT_LITERAL(p, " 0x0 0\n");
                break;
        case RECORD_UNMAP:
                p = put_time(PUT_LITERAL(p, "UNMAP "), r->time_ns);
                *p++ = ' ';
                p = put_int(p, r->map_id);
                p = PUT_LITERAL(p, " 0x0 0\n");
                break;
        case RECORD_MARK:
                p = put_time(PUT_LITERAL(p, "MARK "), r->time_ns);
                *p++ = ' ';
                p = put_string(p, r->text, r->text_bytes);
                break;
        case RECORD_LOST:
                p = put_decimal(PUT_LITERAL(p, "CPU:"), r->cpu);
                p = PUT_LITERAL(p, " [LOST ");
                if (r->lost > 0) {
                        p = put_decimal(p, r->lost);
                        *p++ = ' ';
                }
                p = PUT_LITERAL(p, "EVENTS]\n");
                break;
        case RECORD_LOST_REPORT:
                p = put_decimal(PUT_LITERAL(p, "MARK 0.000000 Lost "), r->lost);
                p = PUT_LITERAL(p, " events.\n");
                break;
        case RECORD_VERSION:
                p = put_string(PUT_LITERAL(p, "VERSION "), r->text, r->text_bytes);
                break;
        case RECORD_PCIDEV:
                p = put_string(PUT_LITERAL(p, "PCIDEV "), r->text, r->text_bytes);
                break;
        case RECORD_OTHER:
                p = put_string(p, r->text, r->text_bytes);
                break;
        default:
                return 0;
        }
        return (size_t) (p - buf);
}

typedef struct Scanner {
        const char *p, *end;
} Scanner;

static bool scan_literal(Scanner *s, const char *literal) {
        size_t l = strlen(literal);

        if ((size_t) (s->end - s->p) < l || memcmp(s->p, literal, l) != 0)
                return false;
        s->p += l;
        return true;
}

static int digit_value(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool scan_number(Scanner *s, unsigned base, uint64_t max, uint64_t *ret) {
        const char *start = s->p;
        uint64_t v = 0;

        for (; s->p < s->end; s->p++) {
                int d = digit_value(*s->p);

                if (d < 0 || (unsigned) d >= base)
                        break;
                if (v > (max - (unsigned) d) / base)
                        return false;
                v = v * base + (unsigned) d;
        }
        if (s->p == start)
                return false;
        *ret = v;
        return true;
}

static bool scan_hex(Scanner *s, uint64_t *ret) {
        return scan_literal(s, "0x") && scan_number(s, 16, UINT64_MAX, ret);
}

static bool scan_int(Scanner *s, int *ret) {
        bool negative = scan_literal(s, "-");
        uint64_t v;

        if (!scan_number(s, 10, INT32_MAX, &v))
                return false;
        *ret = negative ? -(int) v : (int) v;
        return true;
}

static bool scan_time(Scanner *s, uint64_t *ret_ns) {
        uint64_t seconds, fraction;
        const char *start;

        if (!scan_number(s, 10, UINT64_MAX / NSEC_PER_USEC / USEC_PER_SEC - 1, &seconds) || !scan_literal(s, "."))
                return false;
        start = s->p;
        if (!scan_number(s, 10, USEC_PER_SEC - 1, &fraction) || s->p - start != 6)
                return false;
        *ret_ns = (seconds * USEC_PER_SEC + fraction) * NSEC_PER_USEC;
        return true;
}

static bool scan_byte(Scanner *s, uint64_t *value) {
        const char *start = s->p;
        uint64_t v;

        if (!scan_number(s, 16, 0xff, &v) || s->p - start != 2)
                return false;
        *value = *value << 8 | v;
        return true;
}

static bool scan_access(Scanner *s, Record *r) {
        uint64_t width;

        if (!scan_number(s, 10, UINT8_MAX, &width))
                return false;
        r->width_bytes = (uint8_t) width;
        return scan_literal(s, " ") && scan_time(s, &r->time_ns) && scan_literal(s, " ") && scan_int(s, &r->map_id) &&
                scan_literal(s, " ") && scan_hex(s, &r->phys) && scan_literal(s, " ") && scan_hex(s, &r->value) &&
                scan_literal(s, " ") && scan_hex(s, &r->pc) && scan_literal(s, " 0");
}

static bool scan_unknown(Scanner *s, Record *r) {
        return scan_time(s, &r->time_ns) && scan_literal(s, " ") && scan_int(s, &r->map_id) && scan_literal(s, " ") &&
                scan_hex(s, &r->phys) && scan_literal(s, " ") && scan_byte(s, &r->value) && scan_literal(s, ",") &&
                scan_byte(s, &r->value) && scan_literal(s, ",") && scan_byte(s, &r->value) && scan_literal(s, " ") &&
                scan_hex(s, &r->pc) && scan_literal(s, " 0");
}

static bool scan_map(Scanner *s, Record *r) {
        return scan_time(s, &r->time_ns) && scan_literal(s, " ") && scan_int(s, &r->map_id) && scan_literal(s, " ") &&
                scan_hex(s, &r->phys) && scan_literal(s, " ") && scan_hex(s, &r->virt) && scan_literal(s, " ") &&
                scan_hex(s, &r->length_bytes) && scan_literal(s, " 0x0 0");
}

static bool scan_unmap(Scanner *s, Record *r) {
        return scan_time(s, &r->time_ns) && scan_literal(s, " ") && scan_int(s, &r->map_id) && scan_literal(s, " 0x0 0");
}

static bool scan_gap(Scanner *s, Record *r) {
        uint64_t cpu;

        if (!scan_number(s, 10, UINT32_MAX, &cpu) || !scan_literal(s, " [LOST "))
                return false;
        r->cpu = (unsigned) cpu;
        if (scan_literal(s, "EVENTS]"))
                return true;
        return scan_number(s, 10, UINT64_MAX, &r->lost) && scan_literal(s, " EVENTS]");
}

static void scan_text(Scanner *s, Record *r) {
        r->text = s->p;
        r->text_bytes = (size_t) (s->end - s->p);
        s->p = s->end;
}

int record_parse(const char *line, size_t bytes, Record *ret) {
        Scanner s = { line, line + bytes };
        Record r = {};
        bool good;

        if (scan_literal(&s, "R ")) {
                r.type = RECORD_READ;
                good = scan_access(&s, &r);
        } else if (scan_literal(&s, "W ")) {
                r.type = RECORD_WRITE;
                good = scan_access(&s, &r);
        } else if (scan_literal(&s, "UNKNOWN ")) {
                r.type = RECORD_UNKNOWN;
                good = scan_unknown(&s, &r);
        } else if (scan_literal(&s, "MAP ")) {
                r.type = RECORD_MAP;
                good = scan_map(&s, &r);
        } else if (scan_literal(&s, "UNMAP ")) {
                r.type = RECORD_UNMAP;
                good = scan_unmap(&s, &r);
        } else if (scan_literal(&s, "MARK 0.000000 Lost ")) {
                r.type = RECORD_LOST_REPORT;
                good = scan_number(&s, 10, UINT64_MAX, &r.lost) && scan_literal(&s, " events.");
        } else if (scan_literal(&s, "MARK ")) {
                r.type = RECORD_MARK;
                good = scan_time(&s, &r.time_ns) && scan_literal(&s, " ");
                if (good)
                        scan_text(&s, &r);
        } else if (scan_literal(&s, "CPU:")) {
                r.type = RECORD_LOST;
                good = scan_gap(&s, &r);
        } else if (scan_literal(&s, "VERSION ")) {
                r.type = RECORD_VERSION;
                good = true;
                scan_text(&s, &r);
        } else if (scan_literal(&s, "PCIDEV ")) {
                r.type = RECORD_PCIDEV;
                good = true;
                scan_text(&s, &r);
        } else
                return -EBADMSG;

        (void) scan_literal(&s, "\n");
        if (!good || s.p != s.end)
                return -EBADMSG;
        *ret = r;
        return 0;
}
