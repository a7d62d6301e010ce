/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One capture session: what was asked for, what state it is in, what it captured. Its files are in a folder of its own
 * below the state directory; session.json there is the session, written at each change of state. */

#include "drain-pipes.h"
#include "drain.h"
#include "error.h"
#include "session-options.h"
#include "worker.h"

typedef struct Manager Manager;
typedef struct Job Job;
typedef struct Submission Submission;
typedef struct Receipt Receipt;

typedef enum SessionState {
        SESSION_CHECKING,
        SESSION_ARMING,
        SESSION_CAPTURING,
        SESSION_DRAINING,
        SESSION_RESTORING,
        SESSION_INTERRUPTED,    /* found at a start of the daemon: it, or the machine, died */
        SESSION_SEALING,
        SESSION_SEALED,
        SESSION_FAILED,         /* with a result that says why; what was captured is sealed all the same */
        _SESSION_STATE_MAX,
        _SESSION_STATE_INVALID = -EINVAL,
} SessionState;

const char *session_state_to_string(SessionState state);
SessionState session_state_from_string(const char *s);
bool session_state_may_follow(SessionState from, SessionState to);

/* Why a session ended. */
typedef enum SessionResult {
        RESULT_NONE,            /* it has not */
        RESULT_SUCCESS,
        RESULT_INTERRUPTED,
        RESULT_ARM_FAILED,
        RESULT_LOAD_FAILED,
        RESULT_BIND_FAILED,
        RESULT_DRAIN_FAILED,
        RESULT_RESTORE_FAILED,
        RESULT_SEAL_FAILED,
        RESULT_LIMIT_REACHED,   /* it had taken as much of the disk as one session may */
        RESULT_DISK_FULL,       /* it ended there; what found no room is counted */
        _SESSION_RESULT_MAX,
} SessionResult;

/* What made it stop. */
typedef enum StopReason {
        STOP_NONE,              /* it runs, or was cut off */
        STOP_REQUEST,
        STOP_TIME,              /* as it was asked for at the start: after a time, a size, a number of events; at a mark */
        STOP_SIZE,
        STOP_EVENTS,
        STOP_MARK,
        STOP_CALLER,            /* the program that it was bound to ended */
        STOP_SERVICE,           /* the daemon was told to end */
        STOP_INTERRUPT,         /* the machine was put back by hand */
        STOP_LIMIT,             /* of what it may take of the disk */
        STOP_FAILURE,           /* the result says more */
        _STOP_REASON_MAX,
} StopReason;

const char *stop_reason_to_string(StopReason reason);
StopReason stop_reason_from_string(const char *s);

/* What there is of it is whole: nothing went wrong but that it may have ended early. */
bool session_result_is_good(SessionResult result);

const char *session_result_to_string(SessionResult result);
SessionResult session_result_from_string(const char *s);

typedef struct SessionMark {
        uint64_t realtime_usec, monotonic_usec; /* of the record */
        uint64_t caller_usec;                   /* CLOCK_MONOTONIC, as the caller gave it; 0: it did not */
        char *text;
} SessionMark;

typedef struct Session {
        Manager *manager;
        unsigned id;
        SessionState state;
        SessionResult result;
        StopReason stop_reason;
        char *result_text;      /* a sentence, where the result is not success */
        uid_t owner_uid;
        char *boot_id;          /* of the boot that it captures, or captured, in */
        SessionOptions options;

        char *module, *driver_version;
        char **devices;         /* of the driver, when last looked */
        char *pci_driver;       /* what the devices were unbound from */
        char **warnings;

        char *source;           /* "raw" or "text", for as long as it lasts; NULL: not chosen yet */
        unsigned cpu;           /* the one that records */
        char *online, *offline; /* CPU lists: after arming, and taken down by it */
        char *trace_clock;      /* of the times in the log; NULL: "mono" */
        uint64_t buffer_bytes;
        uint64_t arm_monotonic_usec;    /* when it was asked for: before anything was changed */
        uint64_t start_realtime_usec, start_monotonic_usec;
        uint64_t stop_realtime_usec, stop_monotonic_usec;

        /* n_events and n_lost while capturing: the kernel's count, which for n_lost is one of call stacks, too. After
         * sealing all of them: what is in the log; n_lost: the greater of what the kernel counted and what the log
         * shows. */
        uint64_t n_recorded;    /* while capturing, and until sealed: see drain.h */
        uint64_t n_events, n_lost, n_reads, n_writes, n_unknown, n_maps;
        uint64_t n_rate, ring_bytes;    /* while capturing: events per second, and what waits in the ring */
        uint64_t raw_bytes, log_bytes, archive_bytes;
        /* Of raw_bytes: what was compressed while capturing, and what that takes on disk. */
        uint64_t compressed_bytes, compressed_disk_bytes;
        /* What made way for newer events, and is no part of n_lost: how many, and how much room that gave. */
        uint64_t n_given_up, given_up_bytes;
        bool space_short;       /* while capturing */
        bool cut_short;         /* the drain ended before all was written */
        char *archive;          /* file name to give it; "" until sealed */
        char *archive_name;     /* what that will be */
        SessionMark *marks;
        size_t n_marks;

        int dir_fd;
        int marker_fd;          /* trace_marker, while capturing */
        int control_fd;         /* of the drain */
        int mark_fd, sync_fd;   /* eventfds: the drain's for marks, and that by which it wakes the syncer */
        DrainCounters *counters;
        DrainPipes pipes;       /* while it captures */
        Worker *worker;         /* arms, later restores */
        sd_event_source *end_timer;     /* of stop_after_usec, while it captures */
        sd_event_source *stable_timer;  /* until it has captured long enough since the daemon was there */
        sd_event_source *marks_timer;   /* until marks that are not on disk yet are */
        Worker *bind, *drain, *syncer, *tally, *watch, *symbols, *early_seal;
        Worker *saver;          /* brings session.json to the disk */
        bool save_due;          /* and has to do it once more */
        unsigned n_drain_deaths, n_syncer_deaths, n_early_seal_deaths;
        Job *job;               /* that makes its archive */
        bool announced;         /* others have heard of it: not before the checks let it pass */
        Error start_error;      /* why it did not begin, to be told once the machine is restored */
        bool work_due;          /* the driver is to be set to work as soon as the drain is ready */
        bool resumed;           /* taken up from an earlier daemon; its drain is not ready yet */
        bool busy_loading;      /* the driver is being loaded or bound: Start has not been answered */
        bool stop_wanted;

        uint64_t revision;      /* of what is on file */
        bool archive_outdated;  /* it has not the description of now, or maybe not */
        bool described_again;   /* while a job was making the archive */
        Error seal_error;       /* why there is no archive of it; ERROR_NONE: there is, or will be */
        bool protected;         /* nothing and nobody removes it */
        bool removing;          /* its files are being removed */
        Submission *submission; /* NULL: the archive is not to be sent */
        char *submit_error;     /* why the last submission failed */
        uid_t submit_error_uid; /* whose it was */
        Receipt *receipts;      /* of those that went well, in their order */
        size_t n_receipts;
        uint64_t export_realtime_usec; /* when somebody last had a copy of the archive; 0: nobody has */
} Session;

/* A folder with the folders in it that a session's steps fill. -EEXIST: it is there already. */
int session_make_folder(int parent_fd, const char *name, int *ret);

/* Makes the folder and enters the session at the manager, in state checking. */
int session_new(Manager *manager, const SessionOptions *options, uid_t owner_uid, Session **ret, Error *error);
/* Takes up a session that is on disk. */
int session_load(Manager *manager, unsigned id, Session **ret);
Session *session_free(Session *session);
DEFINE_CLEANUP(Session *, session_free)

/* Begins: the manager's hook "started" tells how it went. */
int session_start(Session *session, Error *error);

/* Ends the capture: the hook "stopped" tells when the machine is restored. A second call while it is ending is fine. */
int session_stop(Session *session, StopReason reason, Error *error);

/* The program that it is bound to is not there any more. */
void session_caller_gone(Session *session);

/* The same, for a reason that its owner has to hear of: its result is "interrupted" then. */
int session_interrupt(Session *session, const char *why, Error *error);

/* Writes a mark into the trace. caller_usec: when the caller saw what it marks, 0 if it does not say. ret_usec: the
 * record's time, CLOCK_MONOTONIC, which is the clock of the log. */
int session_mark(Session *session, const char *text, uint64_t caller_usec, uint64_t *ret_usec, Error *error);

/* The driver that the bus was asked to load is there (error NULL), or not. */
void session_load_done(Session *session, const Error *error);

/* Goes on with a session that was found on disk: captures on if the kernel still does, else restores and seals. */
void session_resume(Session *session);

/* A read-only descriptor of the sealed archive. */
int session_open_archive(Session *session, int *ret_fd, Error *error);

/* Against every removal, by request and for want of space. */
int session_protect(Session *session, bool protect, Error *error);

/* A caller says that it has the archive on a disk of its own. */
int session_confirm_export(Session *session, Error *error);

/* Says what the session is about, in any of its states. An archive that is there is made anew: session->job then. */
int session_describe(Session *session, const char *text, Error *error);

/* Once more, where that has failed; session->job does it. */
int session_seal_again(Session *session, Error *error);
/* The same, if it had failed for want of space and there may be some now. */
void session_seal_if_room(Session *session);

/* How it went, for others: with what went wrong when it was sealed. */
const char *session_shown_result(const Session *session);
int session_shown_result_text(const Session *session, char **ret);

/* Of the jobs, when their work is done. */
void session_seal_done(Session *session, const Error *error);
void session_describe_done(Session *session, const Error *error);

/* The live counters into the session's fields; true if any has changed. */
bool session_update_counters(Session *session);

/* When what is written has reached the disk. It outlives the daemon in any case, and the loop never waits for the disk. */
typedef enum SaveMode {
        SAVE_LATER,             /* when the kernel likes: a power cut may bring back what was before */
        SAVE_SOON,              /* a worker sees to it at once */
} SaveMode;

/* Writes session.json. An error means that it is as it was; that it does not reach the disk is logged. */
int session_save(Session *session, SaveMode mode);
/* The saver is not to write any more: the folder goes. */
void session_stop_saving(Session *session);

/* What its files take of the disk. */
static inline uint64_t session_disk_bytes(const Session *s) {
        uint64_t raw_bytes = s->raw_bytes - MIN(s->raw_bytes, s->compressed_bytes + s->given_up_bytes);

        return raw_bytes + s->compressed_disk_bytes + s->log_bytes + s->archive_bytes;
}
static inline bool session_is_active(const Session *s) {
        return s->state <= SESSION_RESTORING;
}
static inline bool session_is_over(const Session *s) {
        return s->state == SESSION_SEALED || s->state == SESSION_FAILED;
}
