/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "table.h"
#include "text.h"

/* The narrowest value column worth wrapping for. */
#define WRAP_COLUMNS_MIN 20

static int escape_format(char **ret, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL;

        if (vasprintf(&text, format, ap) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return text_escape(text, ret);
}

void table_add(Table *t, Style style, const char *format, ...) {
        TableCell *grown;
        char *text = NULL;
        va_list ap;

        if (t->r < 0)
                return;
        va_start(ap, format);
        t->r = escape_format(&text, format, ap);
        va_end(ap);
        if (t->r < 0)
                return;
        grown = reallocarray(t->cells, t->n_cells + 1, sizeof *grown);
        if (!grown) {
                free(text);
                t->r = -ENOMEM;
                return;
        }
        t->cells = grown;
        t->cells[t->n_cells++] = (TableCell) { .text = text, .style = style };
}

void table_fit(unsigned *widths, const unsigned *least, size_t n, unsigned columns) {
        size_t total = n - 1;

        for (size_t i = 0; i < n; i++)
                total += widths[i];
        while (total > columns) {
                size_t widest = n - 1;

                if (widths[widest] <= least[widest])
                        for (size_t i = 0; i < n; i++)
                                if (widths[i] > least[i] &&
                                    (widths[widest] <= least[widest] || widths[i] > widths[widest]))
                                        widest = i;
                if (widths[widest] <= least[widest])
                        return;
                widths[widest]--;
                total--;
        }
}

static int print_cell(FILE *f, const Terminal *terminal, const TableColumn *column, const char *text, Style style,
                unsigned width, bool last) {
        _cleanup_free_ char *cut = NULL;
        int padding, r;

        r = (column->path ? text_cut_front : text_cut)(text, width, terminal_ellipsis(terminal), &cut);
        if (r < 0)
                return r;
        padding = (int) (width - text_columns(cut));
        fprintf(f, "%*s%s%s%s%*s", column->right ? padding : 0, "", terminal_style(terminal, style), cut,
                        terminal_style_end(terminal, style), column->right || last ? 0 : padding, "");
        fputc(last ? '\n' : ' ', f);
        return 0;
}

int table_print(const Table *t, FILE *f, const Terminal *terminal, bool legend) {
        _cleanup_free_ unsigned *widths = calloc(t->n_columns, sizeof *widths);
        _cleanup_free_ unsigned *least = calloc(t->n_columns, sizeof *least);
        int r;

        if (t->r < 0)
                return t->r;
        if (!widths || !least)
                return -ENOMEM;

        for (size_t i = 0; i < t->n_columns; i++) {
                least[i] = text_columns(t->columns[i].title);
                widths[i] = legend ? least[i] : 0;
        }
        for (size_t i = 0; i < t->n_cells; i++)
                widths[i % t->n_columns] = MAX(widths[i % t->n_columns], text_columns(t->cells[i].text));
        for (size_t i = 0; i < t->n_columns; i++)
                if (t->columns[i].right)
                        least[i] = widths[i];
        if (terminal->columns > 0)
                table_fit(widths, least, t->n_columns, terminal->columns);

        for (size_t i = 0; legend && i < t->n_columns; i++) {
                r = print_cell(f, terminal, t->columns + i, t->columns[i].title, STYLE_TITLE, widths[i], i + 1 == t->n_columns);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < t->n_cells; i++) {
                size_t column = i % t->n_columns;

                r = print_cell(f, terminal, t->columns + column, t->cells[i].text, t->cells[i].style, widths[column],
                                column + 1 == t->n_columns);
                if (r < 0)
                        return r;
        }
        return 0;
}

void table_done(Table *t) {
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        *t = (Table) {};
}

void page_add(Page *p, const char *key, Style style, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        unsigned columns = p->terminal->columns, indent = p->key_columns + 2;
        bool wrap = columns >= indent + WRAP_COLUMNS_MIN;
        const char *rest;
        va_list ap;

        if (p->r < 0)
                return;
        va_start(ap, format);
        p->r = escape_format(&text, format, ap);
        va_end(ap);
        if (p->r < 0)
                return;

        fprintf(p->f, "%*s%c ", (int) p->key_columns, strempty(key), key ? ':' : ' ');
        rest = text;
        for (;;) {
                size_t l = wrap ? text_wrap(rest, columns - indent) : strlen(rest);

                fprintf(p->f, "%s%.*s%s\n", terminal_style(p->terminal, style), (int) l, rest,
                                terminal_style_end(p->terminal, style));
                rest += l + strspn(rest + l, " ");
                if (!*rest)
                        break;
                fprintf(p->f, "%*s", (int) indent, "");
        }
}

void page_add_strv(Page *p, const char *key, Style style, char *const *list) {
        STRV_FOREACH(s, list) {
                page_add(p, key, style, "%s", *s);
                key = NULL;
        }
}
