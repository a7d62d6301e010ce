/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "stop-after.h"
#include "text.h"

#define EVENTS_SUFFIX "events"

static const struct {
        const char *name;
        uint64_t usec;
} time_units[] = {
        { "sec", USEC_PER_SEC },
        { "s", USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },
        { "h", 3600 * USEC_PER_SEC },
        { "d", 24 * 3600 * USEC_PER_SEC },
};

/* Digits, of which there is at least one; returns what is behind them. */
static const char *read_digits(const char *s, uint64_t *ret) {
        uint64_t n = 0;

        if (*s < '0' || *s > '9')
                return NULL;
        for (; *s >= '0' && *s <= '9'; s++)
                if (__builtin_mul_overflow(n, (uint64_t) 10, &n) || __builtin_add_overflow(n, (uint64_t) (*s - '0'), &n))
                        return NULL;
        *ret = n;
        return s;
}

static int parse_time(const char *s, uint64_t *ret_usec) {
        uint64_t usec = 0;

        while (*s) {
                uint64_t n, part_usec;
                size_t i = 0, l = 0;

                s = read_digits(s, &n);
                if (!s)
                        return -EINVAL;
                while (i < ELEMENTS(time_units) && !startswith(s, time_units[i].name))
                        i++;
                if (i == ELEMENTS(time_units))
                        return -EINVAL;
                l = strlen(time_units[i].name);
                /* Not the beginning of a word that is no unit. */
                if (s[l] && (s[l] < '0' || s[l] > '9'))
                        return -EINVAL;
                s += l;
                if (__builtin_mul_overflow(n, time_units[i].usec, &part_usec) ||
                    __builtin_add_overflow(usec, part_usec, &usec))
                        return -ERANGE;
        }
        *ret_usec = usec;
        return 0;
}

static int parse_events(const char *s, size_t digits_bytes, uint64_t *ret) {
        _cleanup_free_ char *count = strndup(s, digits_bytes);

        return count ? parse_count(count, ret) : -ENOMEM;
}

/* A size needs its unit here, and in capitals: "5m" could be minutes. */
static int parse_bytes(const char *s, uint64_t *ret) {
        size_t digits = strspn(s, "0123456789");

        if (!strchr("BKMGT", s[digits]) || !s[digits])
                return -EINVAL;
        return parse_size(s, ret);
}

int stop_after_parse(const char *s, StopAfter *after) {
        size_t l = strlen(s), suffix = strlen(EVENTS_SUFFIX);
        StopAfter got = *after;
        uint64_t value;
        int r;

        if (l > suffix && streq(s + l - suffix, EVENTS_SUFFIX)) {
                r = parse_events(s, l - suffix, &value);
                got.n_events = r < 0 ? 0 : value;
        } else if ((r = parse_time(s, &value)) >= 0)
                got.usec = value;
        else if (r == -EINVAL && (r = parse_bytes(s, &value)) >= 0)
                got.bytes = value;
        if (r < 0)
                return r;
        if (value == 0 || l == 0)
                return -EINVAL;
        *after = got;
        return 0;
}

int stop_after_format(const StopAfter *after, char **ret) {
        _cleanup_free_ char *text = NULL;
        const char *comma = "";
        size_t bytes;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        if (after->usec > 0) {
                fprintf(f, "after %s", FORMAT_DURATION(after->usec));
                comma = ", ";
        }
        if (after->bytes > 0) {
                fprintf(f, "%swith %s", comma, FORMAT_BYTES(after->bytes));
                comma = ", ";
        }
        if (after->n_events > 0)
                fprintf(f, "%swith %" PRIu64 " events", comma, after->n_events);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
