/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two shapes in which things are shown: a table with a row for each of many, and a page of "Key:
 * value" lines for one. Both escape what they are given, and keep the first error until it is asked for. */

#include "terminal.h"

typedef struct TableColumn {
        const char *title;
        bool right;             /* a number: right-aligned, and never cut */
        bool path;              /* where it is cut, its end stays */
} TableColumn;

typedef struct TableCell {
        char *text;             /* escaped, owned */
        Style style;
} TableCell;

typedef struct Table {
        const TableColumn *columns;
        size_t n_columns;
        TableCell *cells;       /* row by row */
        size_t n_cells;
        int r;
} Table;

/* The next cell, from left to right and row by row. */
void table_add(Table *t, Style style, const char *format, ...) _printf_(3, 4);

/* Prints all rows, not wider than the terminal if that is possible. Returns the first error there was. */
int table_print(const Table *t, FILE *f, const Terminal *terminal, bool legend);

void table_done(Table *t);
#define _cleanup_table_ _cleanup_(table_done)

/* Makes the widths fit into so many columns, a space between each two: first the last column gives way
 * down to its least width, then always the widest one that can. They stay too wide when no column can
 * give more. */
void table_fit(unsigned *widths, const unsigned *least, size_t n, unsigned columns);

typedef struct Page {
        FILE *f;
        const Terminal *terminal;
        unsigned key_columns;   /* of the longest key */
        int r;
} Page;

/* A line, wrapped on a terminal; without key it goes on under the value of the line before. */
void page_add(Page *p, const char *key, Style style, const char *format, ...) _printf_(4, 5);

/* One line for each of the list, the key beside the first. */
void page_add_strv(Page *p, const char *key, Style style, char *const *list);
