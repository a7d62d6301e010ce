/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where things are, and how the administrator wants them. main() names the real places; the test program names a tree
 * of its own. */

#include "config.h"

typedef struct Context {
        const char *tracing_dir;        /* where the unit has bound tracefs; NULL: where it is mounted */
        const char *sys_root, *proc_root;
        const char *module_dir;         /* as depmod makes it; NULL: the running kernel's */
        const char *boot_dir, *lsinitramfs; /* initrd.img-RELEASE, and the program that lists it */
        const char *passwd_file;        /* NULL: nobody has an account */
        const char *journal_dir;        /* NULL: the system's */
        const char *pstore_dir;         /* where systemd keeps what was in /sys/fs/pstore */
        const char *state_dir, *runtime_dir, *config_dir;
        const char *seal_program;
        const char *upload_socket;      /* of the upload unit */
        const char *inspect_socket;     /* of the reader unit; NULL: there is none */
        ConfigPlaces config_places;
        Config config;
} Context;
