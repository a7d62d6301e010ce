/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's messages of one boot, as the journal has them: of this one or of one that has died. Reading a journal
 * can take seconds: not for the bus loop. */

#include "util.h"

typedef struct KernelLog KernelLog;

typedef struct KernelMessage {
        uint64_t stamp_usec;    /* the kernel's own stamp, as dmesg(1) prints it */
        uint64_t monotonic_usec; /* CLOCK_MONOTONIC, when journald got it */
        unsigned priority;      /* as in syslog(3) */
        bool by_program;        /* a program wrote it, to /dev/kmsg; it only passed through the kernel */
        const char *text;       /* not to be trusted; "" where the journal has none; valid until the next call */
        size_t text_bytes;
} KernelMessage;

/* Opens the journal of the system, or the one in a folder, before the boot's first message. */
int kernel_log_open(const char *journal_dir, const char *boot_id, KernelLog **ret);
KernelLog *kernel_log_free(KernelLog *log);
DEFINE_CLEANUP(KernelLog *, kernel_log_free)

/* Returns 1 with the next message, 0 if there is none now. */
int kernel_log_next(KernelLog *log, KernelMessage *ret);

/* Goes to about where journald was at that time (CLOCK_MONOTONIC): a reader that wants nothing older still has to look. */
int kernel_log_seek(KernelLog *log, uint64_t from_usec);
/* Waits until there may be more. */
int kernel_log_wait(KernelLog *log);

/* Whether it names a driver, a module or a device, as a word of its own; dashes are as good as underscores. */
bool kernel_message_names(const KernelMessage *message, const char *name);
/* One line of it, or of another copy of such a log: what is no plain text is printed as escapes. */
void kernel_log_print_text(FILE *f, const char *text, size_t bytes);
/* The first line, of at most max_bytes, printed like that. */
int kernel_message_quote(const KernelMessage *message, size_t max_bytes, char **ret);

/* What an archive shows of it. */
typedef struct KernelLogExcerpt {
        const char *journal_dir, *boot_id;
        uint64_t from_usec;     /* everything since then, CLOCK_MONOTONIC; 0: all of the boot */
        char *const *names;     /* and, from before, what names one of these: a driver, a module, a device */
} KernelLogExcerpt;

/* Gives the messages as dmesg(1) prints them, the oldest left out where it is more than 16 MiB. -ENODATA: the journal
 * has none of that boot. */
int kernel_log_format(const KernelLogExcerpt *excerpt, char **ret);
