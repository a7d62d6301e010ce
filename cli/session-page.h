/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session as a page of text for people. */

#include "session-view.h"
#include "table.h"

typedef enum SessionPagePart {
        SESSION_PAGE_STATE = 1 << 0,    /* what it is: state, driver, times */
        SESSION_PAGE_COUNTS = 1 << 1,   /* what was captured, what was lost */
        SESSION_PAGE_DETAILS = 1 << 2,  /* buffer, processors, marks, description */
        SESSION_PAGE_ARCHIVE = 1 << 3,
        SESSION_PAGE_NEXT = 1 << 4,     /* the commands that make sense now */
        SESSION_PAGE_WARNINGS = 1 << 5, /* a paragraph for each, with an empty line before it */
        SESSION_PAGE_ALL = (1 << 6) - 1,
        SESSION_PAGE_FULL = 1 << 6,     /* the details with what is left out else: for who wants to know everything */
} SessionPagePart;

/* Returns the first error there was. */
int session_page_print(const SessionView *v, SessionPagePart parts, FILE *f, const Terminal *terminal);

/* What it was begun with for its end; nothing if it was not. */
void session_page_add_end(Page *page, const SessionView *v);

Style session_state_style(const SessionView *v);
