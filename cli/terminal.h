/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the terminal can show, the one line on it that comes and goes while the user waits, and the page that
 * is drawn again and again in its place. */

#include "util.h"

/* Never only colour: what it says stands in words beside it. */
typedef struct Terminal {
        bool color;
        bool utf8;              /* the locale's encoding, so the terminal's too */
        unsigned columns;       /* 0: not a terminal, lines of any length */
} Terminal;

typedef enum Style {
        STYLE_NONE,
        STYLE_TITLE,
        STYLE_GOOD,
        STYLE_ATTENTION,
        STYLE_BAD,
} Style;

/* Looks at that descriptor and at SYSTEMD_COLORS, NO_COLOR, TERM and COLUMNS. setlocale(3) comes before. */
Terminal terminal_detect(int fd);

/* It cannot move its cursor, so that nothing can be drawn over or paged; or nobody has said what it can. */
bool terminal_is_dumb(void);

/* The sequences that begin a style and end it; "" without colour. */
const char *terminal_style(const Terminal *t, Style style);
const char *terminal_style_end(const Terminal *t, Style style);

static inline const char *terminal_ellipsis(const Terminal *t) {
        return t->utf8 ? "…" : "...";
}

/* One line on standard error that is overwritten at most ten times a second and erased at the end. Does
 * nothing unless standard error is a terminal that can do that. */
typedef struct StatusLine {
        bool enabled;
        bool shown;
        uint64_t begin_usec;    /* CLOCK_MONOTONIC; nothing is shown before delay_usec have passed since */
        uint64_t delay_usec;
        uint64_t last_usec;
        unsigned turn;          /* of the wheel */
} StatusLine;

StatusLine status_line_new(uint64_t delay_usec);

/* A wheel that turns, then the text, cut at the terminal's edge. */
void status_line_show(StatusLine *l, const char *format, ...) _printf_(2, 3);

/* A bar of what is done (0 to 1), then the text. */
void status_line_progress(StatusLine *l, double done, const char *format, ...) _printf_(3, 4);

void status_line_erase(StatusLine *l);
#define _cleanup_status_line_ _cleanup_(status_line_erase)

/* A page on the terminal's alternate screen, so that what stood on the terminal is there again afterwards.
 * Whoever is interrupted has to leave it. */
typedef struct Screen {
        bool shown;
} Screen;

/* Standard output is a terminal that can do that. */
bool screen_is_possible(const Terminal *t);

/* Draws that text, lines that end with a newline, over the page before: in one write, and without clearing
 * first, so that nothing flickers. A negative errno from write(2). */
int screen_draw(Screen *s, const char *text);

/* The sequences of one such page on so many rows. When there are more lines than rows, the last line is kept
 * and those before it are left out. */
void screen_print(FILE *f, const char *text, unsigned rows);

void screen_leave(Screen *s);
#define _cleanup_screen_ _cleanup_(screen_leave)
