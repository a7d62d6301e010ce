/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every name that two programs, or a program and a person, have to agree on. */

#define BUS_NAME "org.freedesktop.MmioTrace"
#define BUS_PATH "/org/freedesktop/MmioTrace"
#define BUS_PATH_SESSION BUS_PATH "/session"
#define BUS_PATH_JOB BUS_PATH "/job"
#define BUS_INTERFACE_MANAGER "org.freedesktop.MmioTrace1.Manager"
#define BUS_INTERFACE_SESSION "org.freedesktop.MmioTrace1.Session"
#define BUS_INTERFACE_JOB "org.freedesktop.MmioTrace1.Job"
#define BUS_ERROR_PREFIX "org.freedesktop.MmioTrace1.Error."
#define BUS_API_VERSION 1

/* Instantiated by the module's name; started over PID 1, because the daemon itself may not load modules. */
#define UNIT_LOAD_PREFIX "mmiotraced-load@"

/* Of the reader unit, for root only; its socket unit has the same path. */
#define INSPECT_SOCKET "/run/mmiotraced-inspect.socket"

/* What mmiotraced-seal is told instead of a level, to put another description into the archive. */
#define SEAL_DESCRIBE "describe"

/* Of a session that was begun at boot, below RUNTIME_DIRECTORY: a folder as every session has one, with what the arming
 * had to say in it, until the daemon takes it up. */
#define BOOT_DIR "boot"
#define BOOT_REPORT "report"
/* How long such a session lasts, if nobody says. */
#define BOOT_STOP_AFTER_USEC (5 * 60 * USEC_PER_SEC)

/* Of the upload unit, likewise. */
#define UPLOAD_SOCKET "/run/mmiotraced-upload.socket"

/* The highest id that a session has had, in STATE_DIRECTORY/sessions/. */
#define LAST_ID_FILE "last-id"
/* Files of a session, below STATE_DIRECTORY/sessions/ID/. */
#define SESSION_FILE "session.json"
/* The same as it was when it last reached the disk: for a session whose file a power cut has spoiled. */
#define SESSION_DURABLE_FILE "session.durable.json"
#define SESSION_RAW_DIR "raw"
#define RAW_FORMATS_DIR "formats"
#define SESSION_FORMATS_DIR SESSION_RAW_DIR "/" RAW_FORMATS_DIR
/* Beside the raw segments of a session with call stacks; so they are called in the archive, too. */
#define RAW_KALLSYMS "kallsyms"
#define RAW_MODULES "modules"
#define SESSION_LOG_DIR "log"
#define SESSION_METADATA_DIR "metadata"
#define SESSION_ARCHIVE "archive.tar.xz"

/* Journal fields. */
#define FIELD_SESSION "MMIOTRACED_SESSION"
#define FIELD_DRIVER "MMIOTRACED_DRIVER"
#define FIELD_STATE "MMIOTRACED_STATE"
#define FIELD_ARCHIVE "MMIOTRACED_ARCHIVE"
#define FIELD_CALLER_UID "MMIOTRACED_CALLER_UID"
#define FIELD_ACTION "MMIOTRACED_ACTION"
#define FIELD_TARGET "MMIOTRACED_TARGET"

/* Message ids (sd-journal, "journalctl MESSAGE_ID=…"); each is explained in data/mmiotraced.catalog. */
#define MESSAGE_SESSION_STARTED "4c7e7a9a32f54a0d8a1c2f6e5f0b7d11"
#define MESSAGE_SESSION_STOPPED "b9c0d0a4e3714c1f9b4a6f7c2d5e8833"
#define MESSAGE_SESSION_SEALED "d05b6a1e7f8c4a6f8e1b3c9d2a4f5166"
#define MESSAGE_SESSION_FAILED "6f2f3b1c9d6e4b0fa6a7c3e8d1b2f499"
#define MESSAGE_SESSION_REMOVED "70bba949e9c94e889644c5e37e6ce07a"
#define MESSAGE_SUBMITTED "f5742321b79645259872e20958ae89fb"
#define MESSAGE_SUBMIT_FAILED "9995cf030c9d449cba65a7c42bd089b1"
#define MESSAGE_SUBMIT_DELAYED "abb8cb9463424733a848b6a7e7de096f"
#define MESSAGE_SUBMIT_CANCELLED "6cfd4a3aa2944dd78e45dbd15b1c40e0"
#define MESSAGE_EVENTS_LOST "0e9a5f7b4c3d4e1a9c8b7d6f5a4e3c22"
#define MESSAGE_RESTORED "8a1d2c3b4e5f4a7c9b0e6d5f7c8a9b44"
#define MESSAGE_JOURNAL_DROPPED "8423ef5d5e174cea94e1b3943fa002b7"
#define MESSAGE_RESTORE_FAILED "dcf251efbc2243c9bd75fd46daf1c3d5"
#define MESSAGE_BOOT_ARMED "9ad4871509644a80b459818e5266922a"
#define MESSAGE_BOOT_BEGUN "ee707d8c1fef4058bd6a23f2717bb9b7"
#define MESSAGE_BOOT_FAILED "06f2a35e65244bdc90a85663658de39c"
#define MESSAGE_REFUSED "974810ac8e614e1f82f51e87a550d6a4"
#define MESSAGE_CONFIG_INVALID "fa37bbf962ff45879893d039ad4a2ee0"

/* The longest mark. The kernel cuts at 1024 (6.1) or 4054 bytes (6.12), far above. */
#define MARK_MAX_BYTES 512
#define DESCRIPTION_MAX_BYTES 16384
#define DRIVER_NAME_MAX 64
