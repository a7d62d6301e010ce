/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "printed.h"

/* A ring of some GiB, printed line by line, would take hours. */
#define LINES_MAX ((size_t) 1000000)

typedef struct PrintedLine {
        uint64_t time_ns;
        size_t number;          /* in the order in which they were found */
        bool matched;           /* with one of the log that is being read, or of the trace */
        char *text;             /* with its newline */
} PrintedLine;

struct Printed {
        uint64_t from_ns;
        PrintedLine *lines;     /* by time */
        size_t n_lines;
};

int printed_new(uint64_t from_usec, Printed **ret) {
        Printed *p = calloc(1, sizeof(Printed));

        if (!p)
                return -ENOMEM;
        p->from_ns = from_usec * 1000;
        *ret = p;
        return 0;
}

Printed *printed_free(Printed *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_lines; i++)
                free(p->lines[i].text);
        free(p->lines);
        free(p);
        return NULL;
}

static int compare_lines(const void *a, const void *b) {
        const PrintedLine *x = a, *y = b;

        if (x->time_ns != y->time_ns)
                return x->time_ns < y->time_ns ? -1 : 1;
        return x->number < y->number ? -1 : x->number > y->number;
}

/* Of the first n lines. The same line twice is two events, so each of them matches once. */
static PrintedLine *match(Printed *p, size_t n, uint64_t time_ns, const char *text, size_t bytes) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (p->lines[middle].time_ns < time_ns)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < n && p->lines[low].time_ns == time_ns; low++)
                if (!p->lines[low].matched && strlen(p->lines[low].text) == bytes && memcmp(p->lines[low].text, text, bytes) == 0)
                        return p->lines + low;
        return NULL;
}

/* What printk() and those who show its log put before a message: "<0>", its level and facility; "[   12.345678] "; and
 * "[    T77] " where the kernel is built so. NULL: a program wrote it. */
static const char *skip_prefix(const char *line, const char *end) {
        const char *p = line;

        if (p < end && *p == '<') {
                unsigned level = 0;

                for (p++; p < end && *p >= '0' && *p <= '9' && level < 1000; p++)
                        level = level * 10 + (unsigned) (*p - '0');
                if (p == end || *p != '>' || level > 7)
                        return NULL;
                p++;
        }
        for (unsigned i = 0; i < 2 && p < end && *p == '['; i++) {
                const char *bracket = memchr(p, ']', (size_t) (end - p));

                if (!bracket)
                        return p;
                p = bracket + 1;
                if (p < end && *p == ' ')
                        p++;
        }
        return p;
}

static int add_line(Printed *p, size_t n_before, const char *line, const char *end) {
        const char *start = skip_prefix(line, end);
        char text[RECORD_LINE_MAX + 4096];
        PrintedLine *known, *grown;
        Record record;
        size_t bytes;

        if (!start || record_parse(start, (size_t) (end - start), &record) < 0 || !record_is_event(&record) ||
            record.time_ns < p->from_ns || p->n_lines >= LINES_MAX)
                return 0;
        bytes = record_format(&record, text, sizeof text - 1);
        if (bytes == 0)
                return 0;
        /* A mark without its newline, as printk() has taken that away. */
        if (text[bytes - 1] != '\n')
                text[bytes++] = '\n';
        known = match(p, n_before, record.time_ns, text, bytes);
        if (known) {
                known->matched = true;
                return 0;
        }
        if ((p->n_lines & (p->n_lines - 1)) == 0) {
                grown = reallocarray(p->lines, MAX(p->n_lines * 2, (size_t) 1), sizeof(PrintedLine));
                if (!grown)
                        return -ENOMEM;
                p->lines = grown;
        }
        p->lines[p->n_lines] = (PrintedLine) { .time_ns = record.time_ns, .number = p->n_lines, .text = strndup(text, bytes) };
        return p->lines[p->n_lines].text ? (int) !!++p->n_lines : -ENOMEM;
}

int printed_find(Printed *p, const char *log) {
        size_t n_before = p->n_lines;

        while (*log) {
                const char *end = strchrnul(log, '\n');
                int r;

                r = add_line(p, n_before, log, end);
                if (r < 0)
                        return r;
                log = end + (*end == '\n');
        }
        for (size_t i = 0; i < n_before; i++)
                p->lines[i].matched = false;
        if (p->n_lines > 0)
                qsort(p->lines, p->n_lines, sizeof(PrintedLine), compare_lines);
        return 0;
}

int printed_drop(Printed *p, const Record *record) {
        /* Text has whole microseconds, rounded. */
        uint64_t time_ns = (record->time_ns + 500) / 1000 * 1000;
        char text[RECORD_LINE_MAX + 4096];
        PrintedLine *line;
        size_t bytes;

        if (p->n_lines == 0 || time_ns < p->lines[0].time_ns || !record_is_event(record))
                return 0;
        bytes = record_format(record, text, sizeof text);
        line = bytes > 0 ? match(p, p->n_lines, time_ns, text, bytes) : NULL;
        if (!line)
                return 0;
        line->matched = true;
        return 1;
}

int printed_lines(const Printed *p, char **ret, size_t *ret_n, uint64_t *ret_first_ns) {
        _cleanup_free_ char *text = NULL;
        uint64_t first_ns = 0;
        size_t bytes, n = 0;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < p->n_lines; i++) {
                if (p->lines[i].matched)
                        continue;
                if (n++ == 0)
                        first_ns = p->lines[i].time_ns;
                fputs(p->lines[i].text, f);
        }
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        *ret_n = n;
        *ret_first_ns = first_ns;
        return 0;
}
