/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <langinfo.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "terminal.h"
#include "text.h"

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24
#define COLUMNS_MAX 10000
#define BAR_COLUMNS 30
#define REDRAW_USEC (100 * USEC_PER_MSEC)

bool terminal_is_dumb(void) {
        const char *term = getenv("TERM");

        return isempty(term) || streq(term, "dumb");
}

static unsigned terminal_columns(int fd) {
        const char *variable = getenv("COLUMNS");
        struct winsize size = {};
        uint64_t columns;

        if (variable && parse_u64(variable, &columns) >= 0 && columns > 0 && columns <= COLUMNS_MAX)
                return (unsigned) columns;
        if (ioctl(fd, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0)
                return size.ws_col;
        return COLUMNS_DEFAULT;
}

static unsigned terminal_rows(int fd) {
        struct winsize size = {};

        return ioctl(fd, TIOCGWINSZ, &size) >= 0 && size.ws_row > 0 ? size.ws_row : ROWS_DEFAULT;
}

static bool terminal_wants_color(bool is_terminal) {
        const char *variable = getenv("SYSTEMD_COLORS");

        /* systemd's programs take more words here than 0 and 1: what is not a "no" asks for some kind of
         * colour. */
        if (!isempty(variable))
                return !streq(variable, "0") && strcasecmp(variable, "no") != 0 &&
                                strcasecmp(variable, "off") != 0 && strcasecmp(variable, "false") != 0;
        return !getenv("NO_COLOR") && is_terminal && !terminal_is_dumb();
}

Terminal terminal_detect(int fd) {
        bool is_terminal = isatty(fd);

        return (Terminal) {
                .color = terminal_wants_color(is_terminal),
                .utf8 = streq(nl_langinfo(CODESET), "UTF-8"),
                .columns = is_terminal ? terminal_columns(fd) : 0,
        };
}

const char *terminal_style(const Terminal *t, Style style) {
        static const char *const sequences[] = {
                [STYLE_NONE] = "",
                [STYLE_TITLE] = "\033[4m",
                [STYLE_GOOD] = "\033[1;32m",
                [STYLE_ATTENTION] = "\033[1;33m",
                [STYLE_BAD] = "\033[1;31m",
        };

        return t->color ? sequences[style] : "";
}

const char *terminal_style_end(const Terminal *t, Style style) {
        return t->color && style != STYLE_NONE ? "\033[0m" : "";
}

StatusLine status_line_new(uint64_t delay_usec) {
        return (StatusLine) {
                .enabled = isatty(STDERR_FILENO) && !terminal_is_dumb(),
                .begin_usec = now_monotonic_usec(),
                .delay_usec = delay_usec,
        };
}

static bool status_line_is_due(StatusLine *l) {
        uint64_t now_usec = now_monotonic_usec();

        if (!l->enabled || now_usec - l->begin_usec < l->delay_usec || now_usec - l->last_usec < REDRAW_USEC)
                return false;
        l->last_usec = now_usec;
        return true;
}

static void status_line_draw(StatusLine *l, const char *head, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL, *line = NULL, *escaped = NULL, *cut = NULL;

        if (vasprintf(&text, format, ap) < 0) {
                text = NULL;
                return;
        }
        if (asprintf(&line, "%s %s", head, text) < 0) {
                line = NULL;
                return;
        }
        /* Not into the last column: some terminals go to the next line there, where \r no longer gets
         * back. */
        if (text_escape(line, &escaped) < 0 ||
            text_cut(escaped, terminal_columns(STDERR_FILENO) - 1, "...", &cut) < 0)
                return;
        fprintf(stderr, "\r%s\033[K", cut);
        fflush(stderr);
        l->shown = true;
}

void status_line_show(StatusLine *l, const char *format, ...) {
        static const char wheel[] = "|/-\\";
        va_list ap;

        if (!status_line_is_due(l))
                return;
        va_start(ap, format);
        status_line_draw(l, (char[]) { wheel[l->turn++ % 4], 0 }, format, ap);
        va_end(ap);
}

void status_line_progress(StatusLine *l, double done, const char *format, ...) {
        /* Written so that what is not a number, or comes out of range from outside, is an empty bar. */
        double fraction = done >= 0 && done <= 1 ? done : 0;
        unsigned full = (unsigned) (fraction * BAR_COLUMNS);
        char bar[BAR_COLUMNS + 16];
        va_list ap;

        if (!status_line_is_due(l))
                return;
        (void) snprintf(bar, sizeof bar, "[%*s] %3u%%", BAR_COLUMNS, "", (unsigned) (fraction * 100));
        memset(bar + 1, '#', full);
        va_start(ap, format);
        status_line_draw(l, bar, format, ap);
        va_end(ap);
}

void status_line_erase(StatusLine *l) {
        if (!l->shown)
                return;
        fputs("\r\033[K", stderr);
        fflush(stderr);
        l->shown = false;
}

bool screen_is_possible(const Terminal *t) {
        return t->columns > 0 && !terminal_is_dumb();
}

void screen_print(FILE *f, const char *text, unsigned rows) {
        unsigned n_lines = 0;

        for (const char *p = text; (p = strchr(p, '\n')); p++)
                n_lines++;
        /* Home, and no line goes on in the next row: what is too long is cut at the edge. */
        fputs("\033[H\033[?7l", f);
        for (unsigned i = 0; *text; i++) {
                size_t l = strcspn(text, "\n");

                /* The last row is the last line's. */
                if (i + 1 < rows || i + 1 == n_lines)
                        fprintf(f, "%s\033[K%.*s", i > 0 && rows > 1 ? "\n" : "", (int) l, text);
                text += l + (text[l] == '\n');
        }
        fputs("\033[J\033[?7h", f);
}

int screen_draw(Screen *s, const char *text) {
        _cleanup_free_ char *sequences = NULL;
        size_t bytes;
        FILE *f = open_memstream(&sequences, &bytes);

        if (!f)
                return -errno;
        if (!s->shown)
                fputs("\033[?1049h\033[?25l", f);
        screen_print(f, text, terminal_rows(STDOUT_FILENO));
        if (fclose(f) != 0)
                return -ENOMEM;
        s->shown = true;
        return write_all(STDOUT_FILENO, sequences, bytes);
}

void screen_leave(Screen *s) {
        /* Cleared before, for terminals that have one screen only. */
        static const char sequences[] = "\033[H\033[J\033[?25h\033[?1049l";

        if (!s->shown)
                return;
        s->shown = false;
        (void) write_all(STDOUT_FILENO, sequences, sizeof sequences - 1);
}
