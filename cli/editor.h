/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A text in the user's editor: SYSTEMD_EDITOR, VISUAL, EDITOR, else the first of editor, nano, vim and vi that there
 * is, as "systemctl edit" has it. */

#include "util.h"

typedef struct Edit {
        char *path;             /* of the file; it is the caller's to remove, or to tell of */
        bool edited;            /* the editor has ended well: what is in the file is the user's */
        char *text;
} Edit;
void edit_done(Edit *edit);
#define _cleanup_edit_ _cleanup_(edit_done)

/* Writes the text into a new file, runs the editor on it, and reads it back. -ENOEXEC: there is no editor; -ECHILD: it
 * failed, and what is in the file is not to be used. What there was of ret until then is set in any case. */
int edit_text(const char *text, Edit *ret);
