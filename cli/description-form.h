/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The description of a session as a form to fill in: what whoever reads a trace asks first, and no machine can tell. */

#include "util.h"

/* The text to be edited: what has been said already, the questions that it does not answer, and behind "#" how the form
 * is used. about says which session it is. The caller frees. -ENOMEM. */
int description_form_new(const char *about, const char *description, char **ret);

/* What was said in an edited form: without the lines that begin with "#", and without the questions that have no answer
 * below them. "" if that leaves nothing. The caller frees. -ENOMEM. */
int description_form_read(const char *form, char **ret);
