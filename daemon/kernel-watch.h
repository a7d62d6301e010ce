/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks through what the kernel says during a session for what its reader has to know of: an oops, a lockup, a device
 * that hangs. Each becomes a sentence with its time, which is that of dmesg(1). The same messages make the same
 * sentences, so that who looks twice can tell that it is the same.
 *
 * Only what the kernel itself says counts: any program of root's may write the same words to /dev/kmsg. */

#include "kernel-log.h"

typedef struct KernelWatch KernelWatch;

/* names: what a warning of the kernel (WARN_ON()) has to be about, to count: driver, module, devices; NULL: all count.
 * Kept by reference. */
int kernel_watch_new(char *const *names, void (*warn)(const char *text, void *userdata), void *userdata, KernelWatch **ret);
KernelWatch *kernel_watch_free(KernelWatch *watch);
DEFINE_CLEANUP(KernelWatch *, kernel_watch_free)

/* In their order. Of one kind of trouble a few are told, and then that there are more. */
int kernel_watch_message(KernelWatch *watch, const KernelMessage *message);

/* Everything that the journal has of that boot since from_usec (CLOCK_MONOTONIC). With follow, never returns but with an
 * error: waits for what comes. */
int kernel_watch_run(KernelWatch *watch, const char *journal_dir, const char *boot_id, uint64_t from_usec, bool follow);
