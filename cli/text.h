/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text on its way to a person: made safe for a terminal, measured, cut and wrapped; times as people say
 * them; and the words and numbers a person typed. Pure functions: nothing here prints. */

#include "util.h"

/* A copy in which every byte that is no printable UTF-8 became \xNN: control characters, broken
 * sequences, and what turns the direction of the text around it. Newlines too: whoever wants lines splits
 * before. The caller frees. -ENOMEM. */
int text_escape(const char *s, char **ret);

/* How many columns of a terminal an escaped text takes. */
unsigned text_columns(const char *s);

/* A copy of an escaped text that takes at most that many columns; what was cut off shows as ellipsis at
 * the end (if there is no room for more, only a part of the ellipsis is left). The caller frees. -ENOMEM. */
int text_cut(const char *s, unsigned columns, const char *ellipsis, char **ret);

/* The same of which the end is kept: of a path that says the most. */
int text_cut_front(const char *s, unsigned columns, const char *ellipsis, char **ret);

/* The number of bytes of an escaped text that go on one line of that width. Breaks at spaces only: a
 * longer word stays whole, so that a path or a command can be copied. 0 only for the empty text. */
size_t text_wrap(const char *s, unsigned columns);

/* "850ms", "12s", "2min 5s", "1h 3min", "3 days 4h", "5 weeks", "2 years". */
char *format_duration(uint64_t duration_usec, char *buf, size_t size);
#define FORMAT_DURATION(usec) format_duration((usec), (char[48]) {}, 48)

/* The same in one word of at most six columns, cut down: "0.8s", "9.9s", "125s", "16min", "27h",
 * "9d"; no more than "99999d". */
char *format_short_duration(uint64_t duration_usec, char *buf, size_t size);
#define FORMAT_SHORT_DURATION(usec) format_short_duration((usec), (char[32]) {}, 32)

/* "2min 5s ago", "just now", "in 3s". Both in microseconds of the same clock. */
char *format_relative(uint64_t then_usec, uint64_t now_usec, char *buf, size_t size);
#define FORMAT_RELATIVE(then, now) format_relative((then), (now), (char[64]) {}, 64)

/* Local time of CLOCK_REALTIME: "Sat 2026-11-21 21:10:05 CET". */
char *format_timestamp(uint64_t realtime_usec, char *buf, size_t size);
#define FORMAT_TIMESTAMP(usec) format_timestamp((usec), (char[64]) {}, 64)

/* "21:10:05", local time. */
char *format_time_of_day(uint64_t realtime_usec, char *buf, size_t size);
#define FORMAT_TIME_OF_DAY(usec) format_time_of_day((usec), (char[16]) {}, 16)

/* Seconds the way the log writes them ("12.000345"), from microseconds of CLOCK_MONOTONIC. */
char *format_log_time(uint64_t monotonic_usec, char *buf, size_t size);
#define FORMAT_LOG_TIME(usec) format_log_time((usec), (char[32]) {}, 32)

/* A number of things as people type it: digits, and k or M for thousands and millions of them. -EINVAL,
 * -ERANGE. */
int parse_count(const char *s, uint64_t *ret);

/* The one of the NULL-terminated words that was probably meant: that begins with it, or is near. NULL if there is none, or
 * if several begin so. */
const char *text_nearest(const char *word, const char *const *words);

/* The words of a variable like EDITOR or PAGER: "code --wait" is a program with an option. No shell: what else stands in
 * it is meant as it is. NULL if there are none; free with strv_free(). */
int text_split(const char *s, char ***ret);
