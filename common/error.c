/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "error.h"

static const struct {
        const char *name;
        int number;
} table[_ERROR_CODE_MAX] = {
        [ERROR_INVALID_ARGUMENTS] = { "InvalidArguments", EINVAL },
        [ERROR_NOT_SUPPORTED] = { "NotSupported", EOPNOTSUPP },
        [ERROR_NO_TRACEFS] = { "NoTracefs", ENODEV },
        [ERROR_LOCKDOWN] = { "Lockdown", EPERM },
        [ERROR_TRACER_BUSY] = { "TracerBusy", EBUSY },
        [ERROR_READER_BUSY] = { "ReaderBusy", EBUSY },
        [ERROR_ALREADY_RUNNING] = { "AlreadyRunning", EALREADY },
        [ERROR_NOT_RUNNING] = { "NotRunning", ESRCH },
        [ERROR_STATE] = { "WrongState", EPROTO },
        [ERROR_NO_SUCH_SESSION] = { "NoSuchSession", ENXIO },
        [ERROR_NO_SUCH_DRIVER] = { "NoSuchDriver", ENXIO },
        [ERROR_DRIVER_BOUND] = { "DriverBound", EEXIST },
        [ERROR_DRIVER_NOT_BOUND] = { "DriverNotBound", ENODEV },
        [ERROR_DEVICE_IN_USE] = { "DeviceInUse", EBUSY },
        [ERROR_LOAD_FAILED] = { "LoadFailed", EIO },
        [ERROR_BIND_FAILED] = { "BindFailed", EIO },
        [ERROR_MARK_INVALID] = { "MarkInvalid", EINVAL },
        [ERROR_MARK_REFUSED] = { "MarkRefused", EBADF },
        [ERROR_NO_MEMORY] = { "NoMemory", ENOMEM },
        [ERROR_NO_SPACE] = { "NoSpace", ENOSPC },
        [ERROR_PROTECTED] = { "Protected", EPERM },
        [ERROR_NO_ARCHIVE] = { "NoArchive", ENODATA },
        [ERROR_TOO_MANY] = { "TooMany", EAGAIN },
        [ERROR_NO_SUCH_TARGET] = { "NoSuchTarget", ENXIO },
        [ERROR_SUBMIT_FAILED] = { "SubmitFailed", EIO },
        [ERROR_SUBMIT_REFUSED] = { "SubmitRefused", EPERM },
        [ERROR_PROCESS_DIED] = { "ProcessDied", EIO },
        [ERROR_KERNEL] = { "Kernel", EIO },
        [ERROR_FAILED] = { "Failed", EIO },
};

static void set(Error *error, ErrorCode code, const char *suffix, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL;

        if (!error || error->code != ERROR_NONE)
                return;
        error->code = code;
        if (vasprintf(&text, format, ap) < 0) {
                text = NULL;
                return;
        }
        if (suffix && asprintf(&error->text, "%s: %s", text, suffix) < 0)
                error->text = NULL;
        if (!error->text)
                error->text = TAKE_PTR(text);
}

int error_set(Error *error, ErrorCode code, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        set(error, code, NULL, format, ap);
        va_end(ap);
        return -error_to_errno(code);
}

int error_set_errno(Error *error, ErrorCode code, int r, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        set(error, code, strerrordesc_np(-r), format, ap);
        va_end(ap);
        return r;
}

void error_done(Error *error) {
        free(error->text);
        *error = (Error) {};
}

const char *error_name(ErrorCode code) {
        return code > ERROR_NONE && code < _ERROR_CODE_MAX ? table[code].name : NULL;
}

ErrorCode error_from_name(const char *name) {
        for (ErrorCode i = ERROR_NONE + 1; i < _ERROR_CODE_MAX; i++)
                if (streq(table[i].name, name))
                        return i;
        return ERROR_FAILED;
}

int error_to_errno(ErrorCode code) {
        return code > ERROR_NONE && code < _ERROR_CODE_MAX ? table[code].number : EIO;
}
