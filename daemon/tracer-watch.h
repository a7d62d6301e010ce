/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel tells of a running capture: its counts, and the settings that another program may turn.
 *
 * The drain asks every second, on the CPU of the traced driver, and opening a file of tracefs costs more than reading it.
 * So all of them are opened once, and read again from their start. Holding them open changes nothing for others: only an
 * open pipe keeps the tracer from being changed (kernel/trace/trace.c, tracing_set_tracer()). */

#include "util.h"

/* per_cpu/cpuN/stats: kernel/trace/trace.c, tracing_stats_read(). */
typedef struct TracerStats {
        uint64_t n_entries;             /* not yet read */
        uint64_t n_bytes;               /* that these take */
        uint64_t n_overrun;             /* overwritten */
        uint64_t n_commit_overrun;      /* lost inside a nested write; not seen so far */
        uint64_t n_dropped;             /* refused */
        uint64_t n_read;
} TracerStats;
/* A file descriptor for tracer_stats_read(), or an error. */
int tracer_stats_open(unsigned cpu);
int tracer_stats_read(int fd, TracerStats *ret);
int tracer_stats_parse(const char *text, TracerStats *ret);

/* What a session has set and another program may turn. */
typedef struct TracerSettings {
        bool recording;
        char *clocks;           /* the list, with the one in use in brackets */
        char *cpumask, *online; /* as the kernel prints them */
        uint64_t ring_bytes;
} TracerSettings;
void tracer_settings_done(TracerSettings *settings);

typedef struct TracerWatch TracerWatch;

/* The size of the ring is that of the CPU. */
int tracer_watch_new(const char *sys_root, unsigned cpu, TracerWatch **ret);
TracerWatch *tracer_watch_free(TracerWatch *watch);
DEFINE_CLEANUP(TracerWatch *, tracer_watch_free)
int tracer_watch_read(const TracerWatch *watch, TracerSettings *ret);

/* The same once. */
int tracer_read_settings(const char *sys_root, unsigned cpu, TracerSettings *ret);
