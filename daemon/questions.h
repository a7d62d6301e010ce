/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The answering side of the reader unit: what the daemon needs to know of the kernel and has no capability to read.
 * Every question is a name from a fixed list, without parameters, so that whoever gets hold of the daemon learns
 * from here what root may read anyway, and can do nothing.
 *
 * On a stream socket, one question a connection: the client sends the name and a newline. The answer is "ok BYTES",
 * a newline and that many bytes, so that one cut short is seen; or "error SENTENCE" and a newline.
 *
 *   kallsyms         /proc/kallsyms (CAP_SYSLOG: kernel/ksyms_common.c, kallsyms_show_value())
 *   module-sections  "MODULE SECTION ADDRESS" for each section of each module, from /sys/module (CAP_SYSLOG:
 *                    kernel/module/sysfs.c, module_sect_read())
 *   trace-holders    "PID FILE NAME" for each process that holds a file of the main ring buffer open, from /proc
 *                    (CAP_SYS_PTRACE: fs/proc/fd.c, proc_fd_permission(); see holders-scan.h)
 *   config-space     the configuration space of all PCI devices (CAP_SYS_ADMIN; see config-space.h) */

#include "error.h"

#define QUESTION_KALLSYMS "kallsyms"
#define QUESTION_MODULE_SECTIONS "module-sections"
#define QUESTION_TRACE_HOLDERS "trace-holders"
#define QUESTION_CONFIG_SPACE "config-space"
#define QUESTION_MAX_BYTES 64

/* Answers the one question of this connection, to root only. An error has been told to the client as well. */
int questions_serve(int fd, const char *proc_root, const char *sys_root, Error *error);
