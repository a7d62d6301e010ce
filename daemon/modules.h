/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The tables of modules and aliases that depmod made, through libkmod. */

#include <libkmod.h>

#include "util.h"

DEFINE_CLEANUP(struct kmod_ctx *, kmod_unref)
DEFINE_CLEANUP(struct kmod_list *, kmod_module_unref_list)
DEFINE_CLEANUP(struct kmod_module *, kmod_module_unref)
#define _cleanup_kmod_ _cleanup_(kmod_unrefp)
#define _cleanup_kmod_list_ _cleanup_(kmod_module_unref_listp)
#define _cleanup_kmod_module_ _cleanup_(kmod_module_unrefp)

/* module_dir is NULL for the running kernel's. A folder without tables is no error: nothing is found in it. */
int modules_open(const char *module_dir, struct kmod_ctx **ret);

/* What modprobe would load for a name or an alias; an empty list (NULL) when there is nothing. */
int modules_lookup(struct kmod_ctx *kmod, const char *alias, struct kmod_list **ret);
