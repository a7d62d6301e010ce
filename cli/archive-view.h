/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the archive of a session tells beside what the daemon does: the machine that it was made on, the places of loss,
 * and the files in it. Only its head is read, which is small. */

#include "archive-head.h"
#include "client.h"

typedef struct ArchiveView {
        ArchiveHead head;
        json_object *metadata;  /* metadata.json; NULL: there is none that can be read */
} ArchiveView;
void archive_view_done(ArchiveView *view);
#define _cleanup_archive_view_ _cleanup_(archive_view_done)

/* Reads it from a descriptor of the archive. Errors as archive_head_read(). */
int archive_view_read(int fd, ArchiveView *ret);

/* Lines of a page. Returns the first error there was. */
int archive_view_print(const ArchiveView *view, bool keep_raw, FILE *f, const Terminal *terminal);

/* Only the files in it, and what was taken out of them. */
int archive_view_print_files(const ArchiveView *view, bool keep_raw, FILE *f, const Terminal *terminal);

/* Adds "metadata" and "files" to the object. */
int archive_view_to_json(const ArchiveView *view, json_object *o);
