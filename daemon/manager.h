/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sessions and jobs that exist. It knows no D-Bus: what others have to learn, it tells by its hooks. */

#include "context.h"
#include "fd-store.h"
#include "job.h"
#include "leftovers.h"
#include "next-boot.h"
#include "removal.h"
#include "session.h"
#include "vacuum.h"

/* How the bus side learns what happens. All of them are called from the loop, after the change is complete. */
typedef struct ManagerHooks {
        void (*session_added)(Session *session, void *userdata);
        void (*session_changed)(Session *session, void *userdata);      /* its state, and what came with it */
        void (*session_removed)(Session *session, void *userdata);
        void (*started)(Session *session, const Error *error, void *userdata);  /* error NULL: it is capturing */
        void (*stopped)(Session *session, const Error *error, void *userdata);  /* error NULL: all is as before */
        /* What the call for it came to: session, or NULL, has what was in the ring; done a sentence for each thing. */
        void (*recovered)(Session *session, char *const *done, const Error *error, void *userdata);
        void (*removed)(unsigned session_id, const Error *error, void *userdata); /* error NULL: with all its files */
        void (*job_added)(Job *job, void *userdata);
        void (*job_changed)(Job *job, void *userdata);
        void (*job_removed)(Job *job, const char *result, const char *detail, void *userdata);
        /* Has the module loaded by the service manager; session_load_done() tells how it went. */
        int (*load_module)(Session *session, const char *module, void *userdata);
        void (*config_changed)(void *userdata); /* other settings count now */
        void *userdata;
} ManagerHooks;

/* Called once: notes are sentences of what to do before the boot; or error says why it is not armed. */
typedef void (*ArmDone)(char *const *notes, const Error *error, void *userdata);

typedef struct Arm {
        NextBoot boot;
        Worker *worker;
        char **notes;
        ArmDone done;
        void *userdata;
} Arm;

struct Manager {
        Context *context;
        sd_event *event;
        ManagerHooks hooks;
        char *boot_id;
        int sessions_fd;        /* STATE_DIRECTORY/sessions */
        int runtime_fd;

        Session **sessions;     /* in the order of their ids */
        size_t n_sessions;
        Session *active;        /* the one that has changed the machine, or is about to */
        Job **jobs;
        size_t n_jobs;
        unsigned last_job_id;
        Removal **removals;
        size_t n_removals;
        Vacuum *vacuum;
        char *armed;            /* the driver that a session at the next boot is for; NULL: none is armed */
        Arm arm;                /* while one is being armed */
        Leftovers leftovers;
        Config next_config;     /* read again during a session, after which it counts */
        bool has_next_config;
        FdStore fd_store;       /* what the daemon before had parked and nobody has taken yet */
        enum {
                QUIT_NOT,
                QUIT_STOP,      /* end the session that is going on, then leave */
                QUIT_HAND_OVER, /* leave what can go on without us to the next daemon */
        } quitting;
};

int manager_new(Context *context, sd_event *event, Manager **ret);
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP(Manager *, manager_free)

/* Takes up what an earlier daemon left, on disk and in the kernel. Call it once the hooks are set; without, nobody hears of
 * anything. */
int manager_load(Manager *manager);

/* Refuses with the reason why no session of that user can begin now that the daemon itself knows. */
int manager_check_idle(const Manager *manager, uid_t owner_uid, Error *error);
/* The part of it that is also true of a session at the next boot: there may be only so many. */
int manager_check_count(const Manager *manager, uid_t owner_uid, Error *error);

/* The hook "started" answers later. */
int manager_start_session(Manager *manager, const SessionOptions *options, uid_t owner_uid, Session **ret, Error *error);
/* The same without asking whether it is the time for it. */
int manager_begin_session(Manager *manager, const SessionOptions *options, uid_t owner_uid, Session **ret, Error *error);

/* NULL if there is none of that id. */
Session *manager_find_session(Manager *manager, unsigned id);
Job *manager_find_job(Manager *manager, unsigned id);

/* Used by sessions and jobs as they come and go. */
int manager_next_session_id(Manager *manager, unsigned *ret);
int manager_add_session(Manager *manager, Session *session);
void manager_unlink_session(Manager *manager, Session *session);
int manager_add_job(Manager *manager, Job *job);
void manager_unlink_job(Manager *manager, Job *job);
/* Tells of a session that the checks have let pass. One that they refuse was never there for anybody else. */
void manager_announce_session(Manager *manager, Session *session);
/* The session no longer stands in the way of another. */
void manager_release_active(Manager *manager, Session *session);

/* Removes a session and its files. */
void manager_drop_session(Manager *manager, Session *session);

/* Ends the session that is going on and leaves the loop when the machine is restored. With hand_over a session that
 * captures goes on: the next daemon takes it up. What is not sealed by then, the next daemon seals. */
void manager_quit(Manager *manager, bool hand_over);
void manager_check_quit(Manager *manager);

/* A removal has made room: what could not be sealed for want of it is tried again. */
void manager_room_made(Manager *manager);

/* Reads the configuration again. What cannot be read leaves the one that there is. It counts at once, or as soon as no session
 * is active. */
int manager_reload(Manager *manager, Error *error);
/* Used when a session has ended: it counts now. */
void manager_take_config(Manager *manager);

uint64_t manager_disk_usage_bytes(const Manager *manager);
