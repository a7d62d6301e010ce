/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <time.h>
#include <wchar.h>

#include "text.h"

#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK (7 * USEC_PER_DAY)
#define USEC_PER_YEAR (31557600 * USEC_PER_SEC)

/* What the first byte of a sequence promises; 1 also for bytes that cannot stand first. */
static size_t sequence_length(unsigned char first) {
        return (first & 0xe0) == 0xc0 ? 2 : (first & 0xf0) == 0xe0 ? 3 : (first & 0xf8) == 0xf0 ? 4 : 1;
}

int text_escape(const char *s, char **ret) {
        _cleanup_free_ char *escaped = malloc(4 * strlen(s) + 1);
        char *p = escaped;

        if (!escaped)
                return -ENOMEM;
        while (*s) {
                size_t l = strnlen(s, sequence_length((unsigned char) *s));
                char one[5] = {};

                memcpy(one, s, l);
                if (text_is_clean(one, false)) {
                        p = mempcpy(p, s, l);
                        s += l;
                        continue;
                }
                /* Only this byte: the next one may begin a good sequence. */
                p += sprintf(p, "\\x%02x", (unsigned char) *s);
                s++;
        }
        *p = 0;
        *ret = TAKE_PTR(escaped);
        return 0;
}

/* The columns of the one character at s, and its length; s holds valid UTF-8. */
static unsigned character_columns(const char *s, size_t *ret_bytes) {
        size_t l = strnlen(s, sequence_length((unsigned char) *s));
        wchar_t c = (unsigned char) *s;
        int columns;

        if (l > 1) {
                c &= 0x7f >> l;
                for (size_t i = 1; i < l; i++)
                        c = c << 6 | (s[i] & 0x3f);
        }
        *ret_bytes = l;
        /* In the C locale wcwidth() knows no character beyond ASCII; most of them take one column. */
        columns = wcwidth(c);
        return columns < 0 ? 1 : (unsigned) columns;
}

unsigned text_columns(const char *s) {
        unsigned columns = 0;
        size_t l;

        for (; *s; s += l)
                columns += character_columns(s, &l);
        return columns;
}

/* The bytes at the start of s that take at most that many columns. */
static size_t bytes_within(const char *s, unsigned columns) {
        const char *p = s;

        while (*p) {
                size_t l;
                unsigned c = character_columns(p, &l);

                if (c > columns)
                        break;
                columns -= c;
                p += l;
        }
        return (size_t) (p - s);
}

int text_cut(const char *s, unsigned columns, const char *ellipsis, char **ret) {
        unsigned rest;
        char *cut;

        if (text_columns(s) <= columns)
                cut = strdup(s);
        else {
                rest = text_columns(ellipsis);
                if (rest >= columns)
                        cut = strndup(ellipsis, bytes_within(ellipsis, columns));
                else if (asprintf(&cut, "%.*s%s", (int) bytes_within(s, columns - rest), s, ellipsis) < 0)
                        cut = NULL;
        }
        if (!cut)
                return -ENOMEM;
        *ret = cut;
        return 0;
}

int text_cut_front(const char *s, unsigned columns, const char *ellipsis, char **ret) {
        unsigned rest = text_columns(ellipsis);
        char *cut;

        /* Nothing of it would be left. */
        if (text_columns(s) <= columns || rest >= columns)
                return text_cut(s, columns, ellipsis, ret);
        while (text_columns(s) > columns - rest)
                do
                        s++;
                while (((unsigned char) *s & 0xc0) == 0x80);
        if (asprintf(&cut, "%s%s", ellipsis, s) < 0)
                return -ENOMEM;
        *ret = cut;
        return 0;
}

size_t text_wrap(const char *s, unsigned columns) {
        size_t l = bytes_within(s, columns);
        size_t end = l;

        if (s[l] == 0)
                return l;
        while (end > 0 && s[end] != ' ')
                end--;
        return end > 0 ? end : l + strcspn(s + l, " ");
}

/* "2min", "2min 5s": the smaller unit is left out when there is none of it. */
static void format_two(char *buf, size_t size, uint64_t a, const char *a_unit, uint64_t b,
                const char *b_unit) {
        if (b > 0)
                (void) snprintf(buf, size, "%" PRIu64 "%s %" PRIu64 "%s", a, a_unit, b, b_unit);
        else
                (void) snprintf(buf, size, "%" PRIu64 "%s", a, a_unit);
}

char *format_duration(uint64_t duration_usec, char *buf, size_t size) {
        uint64_t d = duration_usec;

        if (d < USEC_PER_SEC)
                (void) snprintf(buf, size, "%" PRIu64 "ms", d / USEC_PER_MSEC);
        else if (d < USEC_PER_MINUTE)
                (void) snprintf(buf, size, "%" PRIu64 "s", d / USEC_PER_SEC);
        else if (d < USEC_PER_HOUR)
                format_two(buf, size, d / USEC_PER_MINUTE, "min", d % USEC_PER_MINUTE / USEC_PER_SEC, "s");
        else if (d < USEC_PER_DAY)
                format_two(buf, size, d / USEC_PER_HOUR, "h", d % USEC_PER_HOUR / USEC_PER_MINUTE, "min");
        else if (d < 2 * USEC_PER_WEEK)
                format_two(buf, size, d / USEC_PER_DAY, d < 2 * USEC_PER_DAY ? " day" : " days",
                                d % USEC_PER_DAY / USEC_PER_HOUR, "h");
        else if (d < 2 * USEC_PER_YEAR)
                (void) snprintf(buf, size, "%" PRIu64 " weeks", d / USEC_PER_WEEK);
        else
                (void) snprintf(buf, size, "%" PRIu64 " years", d / USEC_PER_YEAR);
        return buf;
}

char *format_short_duration(uint64_t duration_usec, char *buf, size_t size) {
        uint64_t d = duration_usec;

        if (d < 10 * USEC_PER_SEC)
                (void) snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "s", d / USEC_PER_SEC,
                                d % USEC_PER_SEC / (USEC_PER_SEC / 10));
        else if (d < 1000 * USEC_PER_SEC)
                (void) snprintf(buf, size, "%" PRIu64 "s", d / USEC_PER_SEC);
        else if (d < 1000 * USEC_PER_MINUTE)
                (void) snprintf(buf, size, "%" PRIu64 "min", d / USEC_PER_MINUTE);
        else if (d < 100 * USEC_PER_HOUR)
                (void) snprintf(buf, size, "%" PRIu64 "h", d / USEC_PER_HOUR);
        else
                (void) snprintf(buf, size, "%" PRIu64 "d", MIN(d / USEC_PER_DAY, UINT64_C(99999)));
        return buf;
}

char *format_relative(uint64_t then_usec, uint64_t now_usec, char *buf, size_t size) {
        bool future = then_usec > now_usec;
        uint64_t distance_usec = future ? then_usec - now_usec : now_usec - then_usec;

        if (distance_usec < USEC_PER_SEC)
                (void) snprintf(buf, size, "just now");
        else if (future)
                (void) snprintf(buf, size, "in %s", FORMAT_DURATION(distance_usec));
        else
                (void) snprintf(buf, size, "%s ago", FORMAT_DURATION(distance_usec));
        return buf;
}

char *format_timestamp(uint64_t realtime_usec, char *buf, size_t size) {
        time_t t = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&t, &tm) || strftime(buf, size, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                (void) snprintf(buf, size, "?");
        return buf;
}

char *format_time_of_day(uint64_t realtime_usec, char *buf, size_t size) {
        time_t t = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&t, &tm) || strftime(buf, size, "%H:%M:%S", &tm) == 0)
                (void) snprintf(buf, size, "?");
        return buf;
}

char *format_log_time(uint64_t monotonic_usec, char *buf, size_t size) {
        (void) snprintf(buf, size, "%" PRIu64 ".%06" PRIu64, monotonic_usec / USEC_PER_SEC,
                        monotonic_usec % USEC_PER_SEC);
        return buf;
}

int parse_count(const char *s, uint64_t *ret) {
        size_t digits = strspn(s, "0123456789");
        uint64_t unit = 1, n;
        char number[24];
        int r;

        if (digits == 0)
                return -EINVAL;
        if (digits >= sizeof number)
                return -ERANGE;
        if (s[digits]) {
                unit = s[digits] == 'k' || s[digits] == 'K' ? 1000 : s[digits] == 'M' ? 1000000 : 0;
                if (unit == 0 || s[digits + 1])
                        return -EINVAL;
        }
        *(char *) mempcpy(number, s, digits) = 0;
        r = parse_u64(number, &n);
        if (r < 0)
                return r;
        if (n > UINT64_MAX / unit)
                return -ERANGE;
        *ret = n * unit;
        return 0;
}

/* How many letters have to be put in, taken out or replaced to make b of a (Levenshtein, one row kept). */
static size_t edit_distance(const char *a, const char *b) {
        size_t row[32];
        size_t length = strlen(b);

        if (length >= ELEMENTS(row))
                return SIZE_MAX;
        for (size_t j = 0; j <= length; j++)
                row[j] = j;
        for (size_t i = 0; a[i]; i++) {
                size_t diagonal = row[0];

                row[0] = i + 1;
                for (size_t j = 0; j < length; j++) {
                        size_t replaced = diagonal + (a[i] != b[j]);
                        size_t added = MIN(row[j], row[j + 1]) + 1;

                        diagonal = row[j + 1];
                        row[j + 1] = MIN(replaced, added);
                }
        }
        return row[length];
}

const char *text_nearest(const char *word, const char *const *words) {
        const char *nearest = NULL;
        size_t least = SIZE_MAX, n_longer = 0;

        for (const char *const *w = words; *w; w++)
                if (startswith(*w, word)) {
                        nearest = *w;
                        n_longer++;
                }
        if (n_longer > 0)
                return n_longer == 1 ? nearest : NULL;
        for (; *words; words++) {
                size_t distance = edit_distance(word, *words);

                /* With more than half of the letters wrong it is another word. */
                if (distance < least && distance <= 2 && 2 * distance <= MAX(strlen(word), strlen(*words))) {
                        least = distance;
                        nearest = *words;
                }
        }
        return nearest;
}

int text_split(const char *s, char ***ret) {
        _cleanup_strv_ char **words = NULL;
        int r;

        while (*(s += strspn(s, " \t\n"))) {
                size_t l = strcspn(s, " \t\n");

                r = strv_extendf(&words, "%.*s", (int) l, s);
                if (r < 0)
                        return r;
                s += l;
        }
        *ret = TAKE_PTR(words);
        return 0;
}
