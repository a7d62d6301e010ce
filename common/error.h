/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said to a caller when a request fails: which of the documented failures it is, and a sentence that says
 * what is wrong and what to do. The core makes them without knowing D-Bus; only the bus files turn them into bus
 * errors, and only error_name() knows their names there. */

#include <stdarg.h>

#include "util.h"

typedef enum ErrorCode {
        ERROR_NONE,
        ERROR_INVALID_ARGUMENTS,
        ERROR_NOT_SUPPORTED,            /* this kernel has no mmiotrace */
        ERROR_NO_TRACEFS,
        ERROR_LOCKDOWN,
        ERROR_TRACER_BUSY,              /* another tracer is in use */
        ERROR_READER_BUSY,              /* somebody else holds a trace pipe open */
        ERROR_ALREADY_RUNNING,
        ERROR_NOT_RUNNING,
        ERROR_STATE,                    /* the session is in a state in which that cannot be done */
        ERROR_NO_SUCH_SESSION,
        ERROR_NO_SUCH_DRIVER,
        ERROR_DRIVER_BOUND,
        ERROR_DRIVER_NOT_BOUND,
        ERROR_DEVICE_IN_USE,            /* rebinding it would take the root file system or the caller's network */
        ERROR_LOAD_FAILED,
        ERROR_BIND_FAILED,
        ERROR_MARK_INVALID,
        ERROR_MARK_REFUSED,
        ERROR_NO_MEMORY,
        ERROR_NO_SPACE,
        ERROR_PROTECTED,                /* the session is not to be removed */
        ERROR_NO_ARCHIVE,
        ERROR_TOO_MANY,                 /* of something that is limited */
        ERROR_NO_SUCH_TARGET,
        ERROR_SUBMIT_FAILED,            /* this time; it is tried again */
        ERROR_SUBMIT_REFUSED,           /* it would be again */
        ERROR_PROCESS_DIED,             /* one of the daemon's own was killed from outside */
        ERROR_KERNEL,                   /* the kernel refused something that it should not have */
        ERROR_FAILED,                   /* anything else */
        _ERROR_CODE_MAX,
} ErrorCode;

typedef struct Error {
        ErrorCode code;
        char *text;
} Error;

/* Sets the error unless one is set already (the first cause is the one to tell), and returns the negative errno that
 * goes with the code. NULL is allowed for error. */
int error_set(Error *error, ErrorCode code, const char *format, ...) _printf_(3, 4);

/* The same for a failed system call: appends ": " and the errno's text. r is a negative errno, and is returned. */
int error_set_errno(Error *error, ErrorCode code, int r, const char *format, ...) _printf_(4, 5);

void error_done(Error *error);
#define _cleanup_error_ _cleanup_(error_done)

/* The last part of the D-Bus name ("TracerBusy"), and back; NULL and ERROR_FAILED for what is not in the table. */
const char *error_name(ErrorCode code);
ErrorCode error_from_name(const char *name);
int error_to_errno(ErrorCode code);
