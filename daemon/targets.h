/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where archives can be sent: the sections [Target NAME] of mmiotraced.conf. Only root writes that file; so only root
 * says where things go, as whom, and which certificates are trusted. A client names a target. */

#include "error.h"

typedef enum TargetMethod {
        TARGET_PUT,             /* one file by HTTP PUT */
        TARGET_POST,            /* a form by HTTP POST, as a browser sends it */
        TARGET_S3,              /* an object of an S3-compatible store */
        TARGET_MAIL,
        _TARGET_METHOD_MAX,
        _TARGET_METHOD_INVALID = -EINVAL,
} TargetMethod;

const char *target_method_to_string(TargetMethod method);
TargetMethod target_method_from_string(const char *s);

typedef struct Target {
        char *name;
        TargetMethod method;    /* _TARGET_METHOD_INVALID: as the URL says */
        char *url;              /* with {placeholders}, see target_expand() */
        char *user;             /* also the S3 access key */
        char *secret_file;      /* password, token or S3 secret key; NULL: none needed */
        char *secret_header;    /* "PRIVATE-TOKEN": the header that a token goes into, instead of "Authorization: Bearer" */
        char *ca_file;          /* NULL: what the system trusts */
        char **headers;         /* PUT, POST and S3: "Name: value" */
        char *file_field, *description_field;   /* POST */
        char *region;           /* S3 */
        char *from, **to;       /* mail */
        bool plain;             /* mail: StartTLS=no */
        uint64_t max_bytes;     /* of what is sent; 0: no limit */
        uint64_t part_bytes;    /* S3: what is larger goes in parts of this size */
        uint64_t timeout_usec;  /* for which nothing may move */
        bool once;              /* it is for one archive: its address is the file's */
        bool broken;            /* a line of it was not understood: what was meant may be what keeps it safe */
} Target;

/* The defaults. */
int target_new(const char *name, Target **ret);
Target *target_free(Target *target);
DEFINE_CLEANUP(Target *, target_free)

/* A target for once, which a client has named: https:// by PUT, without credentials. Its name is what others may see of its
 * address. */
int target_new_from_url(const char *url, Target **ret, Error *error);

/* One key of its section. -ENOENT: there is no such key; -EINVAL: it has no such value. Either breaks the target. */
int target_set(Target *target, const char *key, const char *value);

/* Each line of that key adds to it; an empty value takes away what the lines before have added. */
bool target_key_is_list(const char *key);

/* A value as everybody may see it: what could be a secret is left out. */
int target_show(const char *key, const char *value, char **ret);

/* To be called once all keys are set: settles what depends on others, and says what is missing or does not go together. */
int target_check(Target *target, Error *error);

/* What the placeholders of a URL stand for. */
typedef struct TargetValues {
        const char *archive;            /* file name */
        const char *vendor, *device;    /* hexadecimal ids of the archive's device; NULL: it has none */
        const char *driver;             /* NULL: every driver */
} TargetValues;

/* The address for this one archive: each {archive}, {vendor}, {device}, {driver} is replaced by its value, encoded so that
 * it is one part of a path whatever it holds. What is not there is "none", and every driver is "all". */
int target_expand(const Target *target, const TargetValues *values, char **ret);

/* "https://HOST/PATH", or the recipients of a mail: what stands behind a "?" may be a secret. */
int target_address(const Target *target, char **ret);

/* What everybody may see of that: "https://HOST", or where the recipients of a mail have their mailboxes. */
int target_public_address(const Target *target, char **ret);

/* How many bytes of an address, or of a target's name, anybody may see: "https://HOST" of the one, as who knows a path can
 * often read what is there, and all of the other. */
size_t target_public_bytes(const char *name_or_address);
