/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session as the daemon shows it on the bus: a copy of its properties, read in one call, and the same
 * as JSON. */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "stop-after.h"
#include "submission-view.h"

typedef struct SessionMark {
        uint64_t realtime_usec, monotonic_usec;
        char *text;
} SessionMark;

typedef struct SessionView {
        uint32_t id, owner, cpu;
        char *state, *result, *result_text;
        char *driver, *module, *driver_version, *description;
        int is_protected, stacks, keep_raw, space_short; /* as booleans of D-Bus */
        uint64_t export_usec;           /* when its archive was last exported; 0: never */
        char *stop_reason, *stop_on_mark;
        StopAfter stop_after;
        uint64_t start_usec, start_monotonic_usec, stop_usec, stop_monotonic_usec;
        uint64_t events, lost_events, reads, writes, unknown, maps;
        uint64_t raw_bytes, log_bytes, archive_bytes, buffer_size_bytes;
        uint64_t compressed_bytes, compressed_disk_bytes;       /* of raw_bytes, while space is short */
        uint64_t given_up_events, given_up_bytes;               /* at its limit, for newer ones */
        uint64_t ring_fill_bytes;       /* in the fullest ring; buffer_size_bytes is one ring's */
        uint64_t event_rate;            /* events/s over the last second */
        char **device_names;            /* devices with their names, where somebody has looked them up; or NULL */
        double seal_progress;           /* 0 to 1, where session_view_get_progress() was called */
        char *archive, *archive_path, *cpus_offline, *job, *keep, *source;
        char **warnings, **devices;
        SubmissionView submission;
        ReceiptList receipts;
        char *submit_error;             /* why the last submission failed */
        SessionMark *marks;
        size_t n_marks;                 /* of which the daemon tells only the last, and those only to some */
        uint32_t mark_count;            /* how many there are */
        uint32_t warning_count;         /* likewise: of the warnings the daemon tells some only that they are there */
} SessionView;

/* A method call that asks for all properties of the session at that path; its reply is for
 * session_view_parse(). */
int session_view_request(sd_bus *bus, const char *path, sd_bus_message **ret);

/* Properties that are missing stay empty, those that are not known here are passed over. -EBADMSG if one
 * has another type than it should. */
int session_view_parse(sd_bus_message *reply, SessionView **ret);

/* Both in one, waiting for the answer. The bus's error, if there is one, goes to error. */
int session_view_get(sd_bus *bus, const char *path, sd_bus_error *error, SessionView **ret);

/* How far the archive is that is being made, if one is: that is not the session's own property. */
void session_view_get_progress(sd_bus *bus, SessionView *v);

/* All marks instead of the last; the bus's error goes to error. */
int session_view_get_marks(sd_bus *bus, const char *path, sd_bus_error *error, SessionView *v);

SessionView *session_view_free(SessionView *v);
DEFINE_CLEANUP(SessionView *, session_view_free)
#define _cleanup_session_view_ _cleanup_(session_view_freep)

/* From the start of the capture on until the machine is restored: the time in which it has one CPU. */
bool session_view_is_running(const SessionView *v);

/* Sealed or failed: nothing will change any more. */
bool session_view_is_final(const SessionView *v);

/* Final, and with a result that is no success. */
bool session_view_is_failure(const SessionView *v);

/* Events are missing in it that were there: lost, or given up for newer ones. */
bool session_view_is_incomplete(const SessionView *v);

/* How full the fullest ring is, 0 to 100; 0 also if its size is not known. */
unsigned session_view_ring_percent(const SessionView *v);

/* For how long the ring takes what is recorded at the rate of the last second, if nobody empties it
 * meanwhile. False if nothing is recorded, or the ring's size is not known. */
bool session_view_ring_left(const SessionView *v, uint64_t *ret_usec);

/* The object whose keys are the CLI's promise; -ENOMEM. The caller puts it. */
int session_view_to_json(const SessionView *v, json_object **ret);

DEFINE_CLEANUP(json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)

/* Adds a value to an object or array and hands it over; a NULL value is a failed allocation. -ENOMEM. */
int json_add(json_object *object, const char *key, json_object *value);
int json_append(json_object *array, json_object *value);
