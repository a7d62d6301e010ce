/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What another program, a script most often, has begun and left: mmiotrace on, the CPUs off, events in the ring. The
 * settings of before are not known, so nothing of them is changed here. */

#include "control.h"
#include "holders.h"
#include "tracer-watch.h"
#include "tracer.h"
#include "undo.h"

static int find_clock(const TracerSettings *settings, TracerArmed *armed) {
        int r;

        r = tracer_parse_selected(settings->clocks, &armed->clock);
        if (r < 0 || streq(armed->clock, "mono"))
                return r;
        return strv_extendf(&armed->warnings, "The times in the log are of the kernel's trace clock \"%s\", not of CLOCK_MONOTONIC "
                            "as in the sessions that mmiotraced begins.", armed->clock);
}

int tracer_adopt(const Context *context, TracerArmed *ret, Error *error) {
        _cleanup_free_ char *dir = NULL, *names = NULL;
        _cleanup_tracer_armed_ TracerArmed armed = {};
        TracerSettings settings;
        CpuSet online;
        int r;

        r = tracer_find_dir(context, &dir, error);
        if (r < 0)
                return r;
        r = tracer_is_on();
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read the current tracer");
        if (r == 0)
                return error_set(error, ERROR_NOT_RUNNING, "mmiotrace is not on.");
        /* It would take a part of the events, and keep the tracer from being switched off. */
        if (holders_describe(context, HOLDERS_OF_PIPES, &names, NULL) > 0)
                return error_set(error, ERROR_READER_BUSY,
                                "mmiotrace was switched on by somebody else, and a program still reads it: %s; end it first.", names);

        r = read_online_cpus(context->sys_root, &armed.online, &online);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot find out which CPUs are online");
        while (!cpu_set_has(&online, armed.cpu))
                armed.cpu++;
        r = tracer_read_settings(context->sys_root, armed.cpu, &settings);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read the settings of the tracer");
        armed.buffer_bytes = settings.ring_bytes;
        r = find_clock(&settings, &armed);
        tracer_settings_done(&settings);
        if (r >= 0)
                r = strv_extend(&armed.warnings, "Another program had switched mmiotrace on and left it on: this is what the "
                                "ring buffer still held. Whatever that program had read before is not in here.");
        if (r < 0)
                return r;
        *ret = armed;
        armed = (TracerArmed) {};
        return 0;
}

int tracer_note_recording(int runtime_fd, const char *boot_id, Error *error) {
        _cleanup_free_ char *old = NULL;
        int r;

        r = control_read("tracing_on", &old);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read tracing_on");
        r = undo_add(runtime_fd, boot_id, UNDO_CONTROL, "tracing_on", old);
        if (r < 0)
                return error_set_errno(error, ERROR_NO_SPACE, r, "Cannot write the undo journal, so nothing was changed");
        return 0;
}
