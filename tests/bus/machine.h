/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A machine that is a folder: tracing/, sys/, proc/ and lib/modules/ as the daemon reads and writes them, run/ and
 * state/ as it fills them, with its configuration in mmiotraced.conf. Control files are plain files, so that what was written to one can be read there; the ring
 * buffer's pipe is a FIFO that the test fills. Its settings are unusual ones, so that a session has to change every
 * one of them and to bring it back. */

#include "fake-tree.h"

#define SAMPLE "samples/e1000e-6.1"
#define SAMPLE_EVENTS 4353
#define SAMPLE_BYTES (48 * 4096)

typedef struct Machine {
        FakeTree tree;
        int ring_fd;            /* stays open, so that an empty ring reads as EAGAIN, not as its end */
} Machine;

/* Asserts throughout, as all that is below does. */
void machine_make(Machine *machine);
void machine_done(Machine *machine);

/* A driver e1000e that could be loaded, and its device. False where there is no depmod. */
bool machine_add_driver(const Machine *machine);

/* The file of the clock shows a list, and takes a name: a plain one has to be made a list again for the next session. */
void machine_list_clocks(const Machine *machine);

/* Everything that a session may change, one "PATH=VALUE" a line, sorted. */
char *machine_settings(const Machine *machine);
void machine_assert_settings(const Machine *machine, const char *expected);

/* A file's content without its last newline. */
char *machine_read(const Machine *machine, const char *path);
bool machine_has(const Machine *machine, const char *path);

/* Of the lines that the daemon would send to the journal, how many have both. */
unsigned machine_count_messages(const Machine *machine, const char *part, const char *other_part);

/* From now on the file reads as before and refuses every write. */
void machine_refuse(const Machine *machine, const char *path);

/* From now on whoever opens the file for reading is stuck, until machine_release() gives it the text. */
void machine_block(const Machine *machine, const char *path);
void machine_release(const Machine *machine, const char *path, const char *text);

/* Returns once somebody is stuck there, and stays so until the descriptor is closed. */
int machine_await_stuck(const Machine *machine, const char *path);

/* Puts the pages of the sample into the ring. */
void machine_record(const Machine *machine);

/* The log that these pages have to become. */
char *machine_expected_log(void);
