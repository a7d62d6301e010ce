/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The settings of mmiotraced.conf and its drop-ins. */

#include "config-files.h"
#include "settings.h"
#include "storage.h"
#include "targets.h"

/* How the trace is taken from the kernel. */
typedef enum CaptureSource {
        SOURCE_AUTO,            /* by pages where they are understood */
        SOURCE_RAW,             /* pages of the ring buffer, decoded when the session is sealed */
        SOURCE_TEXT,            /* as the kernel prints it */
} CaptureSource;

/* Of which CPUs' rings the kernel prints what nobody has taken yet, when it oopses. */
typedef enum OopsDump {
        OOPS_DUMP_UNCHANGED,    /* as it is set without a session */
        OOPS_DUMP_ALL,
        OOPS_DUMP_ORIG_CPU,     /* the one that oopses */
} OopsDump;

/* What a session does that has taken all the room there is for it. */
typedef enum WhenFull {
        WHEN_FULL_STOP,         /* it ends */
        WHEN_FULL_KEEP_NEWEST,  /* it gives up its oldest accesses, and goes on */
} WhenFull;

typedef struct Config {
        uint64_t buffer_bytes;  /* [Capture] BufferSize=; 0: auto */
        CaptureSource source;   /* [Capture] Source= */
        OopsDump oops_dump;     /* [Capture] DumpOnOops= */
        uint64_t sync_usec;     /* [Capture] SyncIntervalSec= */
        uint64_t sync_bytes;    /* [Capture] SyncBytes= */
        unsigned seal_level;    /* [Seal] Level= */
        unsigned fast_level;    /* [Seal] FastLevel=, where space is short while capturing */
        unsigned n_attempts;    /* [Submit] Attempts= */
        uint64_t retry_usec, retry_max_usec;    /* [Submit] RetrySec=, RetryMaxSec= */
        Target **targets;       /* [Target NAME], in the order of the files */
        size_t n_targets;
        StorageSettings storage;
        WhenFull when_full;     /* [Storage] WhenFull= */
        SettingList settings;   /* what is not at its default, and why */
} Config;

#define CONFIG_DEFAULT ((Config) {              \
        .sync_usec = USEC_PER_SEC,              \
        .sync_bytes = 4 * MIB,                  \
        .seal_level = 6,                        \
        .n_attempts = 10,                       \
        .retry_usec = 30 * USEC_PER_SEC,        \
        .retry_max_usec = 3600 * USEC_PER_SEC,  \
})

/* Reads the files over the defaults; those that are not there are fine. What it does not understand it says in the
 * journal, with file and line, and leaves as it was: a bad line must not keep a machine from being restored. A file that
 * cannot be read at all is an error, and nothing of any counts: without it, what is meant is not known. */
int config_load(const ConfigPlaces *places, Config *ret, Error *error);
void config_done(Config *config);
#define _cleanup_config_ _cleanup_(config_done)

/* Every setting there is with its value: first the keys that are always there, then those of the targets. */
int config_list(const Config *config, SettingList *ret);

/* NULL: there is none of that name. */
const Target *config_find_target(const Config *config, const char *name);
