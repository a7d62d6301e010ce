/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The settings of mmiotraced.conf. */

#include "storage.h"

/* How the trace is taken from the kernel. */
typedef enum CaptureSource {
        SOURCE_AUTO,            /* by pages where they are understood */
        SOURCE_RAW,             /* pages of the ring buffer, decoded when the session is sealed */
        SOURCE_TEXT,            /* as the kernel prints it */
} CaptureSource;

typedef struct Config {
        uint64_t buffer_bytes;  /* [Capture] BufferSize=; 0: auto */
        CaptureSource source;   /* [Capture] Source= */
        unsigned seal_level;    /* [Seal] Level= */
        StorageSettings storage;
} Config;

#define CONFIG_DEFAULT ((Config) { .seal_level = 6 })

/* Reads the file over the defaults; one that is not there is fine. What it does not understand it says in the journal,
 * with file and line, and leaves at the default: a bad line must not keep a machine from being restored. */
int config_load(const char *path, Config *ret);
