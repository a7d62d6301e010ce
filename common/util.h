/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The small things that every module needs: cleanup attributes, ownership hand-over, fd and errno helpers.
 *
 * The rule for return values, everywhere in this tree: a function returns a negative errno for failure, 0 for
 * success, and a positive value only where its own comment says what that value means. Output parameters are
 * called ret_something and are written on success only. A function either logs or returns its error. */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _printf_(a, b) __attribute__((__format__(printf, a, b)))
#define _unused_ __attribute__((__unused__))
#define _sentinel_ __attribute__((__sentinel__))
#define _noreturn_ __attribute__((__noreturn__))

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define NSEC_PER_USEC UINT64_C(1000)
#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)

#define ELEMENTS(x) (sizeof(x) / sizeof((x)[0]))
#define MIN(a, b)                         \
        ({                                \
                __typeof__(a) _a = (a);   \
                __typeof__(b) _b = (b);   \
                _a < _b ? _a : _b;        \
        })
#define MAX(a, b)                         \
        ({                                \
                __typeof__(a) _x = (a);   \
                __typeof__(b) _y = (b);   \
                _x > _y ? _x : _y;        \
        })

/* Hands an owned pointer over to somebody else and forgets it here. */
#define TAKE_PTR(p)                       \
        ({                                \
                __typeof__(p) _t = (p);   \
                (p) = NULL;               \
                _t;                       \
        })

#define TAKE_FD(fd)                       \
        ({                                \
                int _f = (fd);            \
                (fd) = -EBADF;            \
                _f;                       \
        })

#define DEFINE_CLEANUP(type, func)                       \
        static inline void func##p(type *p) {            \
                if (*p)                                  \
                        func(*p);                        \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}

/* Keeps errno, so that it can be used between a failed call and its "return -errno". Returns an invalid fd. */
static inline int safe_close(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void closep(int *fd) {
        (void) safe_close(*fd);
}

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)
#define _cleanup_strv_ _cleanup_(strv_freep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* NULL equals NULL only. */
static inline bool streq_ptr(const char *a, const char *b) {
        return a == b || (a && b && streq(a, b));
}

static inline bool isempty(const char *s) {
        return !s || !*s;
}

static inline const char *strempty(const char *s) {
        return s ?: "";
}

/* The rest of s behind prefix, or NULL. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t l = strlen(prefix);
        return strncmp(s, prefix, l) == 0 ? s + l : NULL;
}

/* NULL-terminated arrays of owned strings. */
void strv_free(char **l);
static inline void strv_freep(char ***l) {
        strv_free(*l);
}
size_t strv_length(char *const *l);
bool strv_contains(char *const *l, const char *s);
int strv_extend(char ***l, const char *s);
int strv_extendf(char ***l, const char *format, ...) _printf_(2, 3);
#define STRV_FOREACH(s, l) for (char *const *s = (l); s && *s; s++)

/* CLOCK_MONOTONIC and CLOCK_REALTIME in microseconds. */
uint64_t now_monotonic_usec(void);
uint64_t now_realtime_usec(void);

/* Decimal or 0x-hexadecimal, the whole string, no sign, no space: -EINVAL or -ERANGE otherwise. */
int parse_u64(const char *s, uint64_t *ret);

/* "64M", "1G", "512K", "4096": bytes, powers of 1024; an optional "B" or "iB" may follow. */
int parse_size(const char *s, uint64_t *ret_bytes);

/* "1s", "500ms", "1min 30s", "10": a time as in systemd.time(7), without fractions; seconds where there is no unit. */
int parse_span(const char *s, uint64_t *ret_usec);

/* Valid UTF-8 without control characters (C0, DEL, C1); with allow_newline, '\n' and '\t' pass. */
bool text_is_clean(const char *s, bool allow_newline);

/* Reads a whole file of at most max_bytes (-EFBIG beyond). The buffer is NUL-terminated behind its length.
 * path is relative to dir_fd unless absolute. Works for procfs, sysfs and tracefs, whose sizes read as 0. */
int read_file_at(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_bytes);

/* The first line of a small file, without its newline. */
int read_line_at(int dir_fd, const char *path, char **ret);

/* One write(2) to an existing control file, never truncating: -EIO when the kernel took only a part. */
int write_control_at(int dir_fd, const char *path, const char *value);

/* Writes all of a buffer, going on after short writes. */
int write_all(int fd, const void *data, size_t bytes);

/* Appends all of a buffer to a file, or nothing: what a full disk has taken of it is cut off again. */
int append_all(int fd, const void *data, size_t bytes);

/* The file system, or what a quota leaves of it, is full. */
static inline bool errno_is_no_space(int r) {
        return r == -ENOSPC || r == -EDQUOT;
}

/* Replaces a file as a whole: temporary name, fsync, rename, fsync of the folder. Mode 0600. */
int write_file_atomic_at(int dir_fd, const char *name, const void *data, size_t bytes);
/* The same without waiting for the disk: whole for every reader, but after a power cut it may be the one before. */
int replace_file_at(int dir_fd, const char *name, const void *data, size_t bytes);
/* The same without waiting for a disk that is busy, as a rename() over a file does on ext4, which sends out the file's data
 * first (ext4_rename(), auto_da_alloc). So after a power cut it may be empty: for what there is a copy of. */
int exchange_file_at(int dir_fd, const char *name, const void *data, size_t bytes);

/* Opens a folder to read what is in it, from its start; links are not followed. The descriptor stays the caller's. */
int dir_open_at(int dir_fd, const char *name, DIR **ret);

/* Removes a file, or a folder with all that is in it, without following links. */
int remove_tree_at(int dir_fd, const char *name);

/* Parses a kernel CPU list ("0-3,7"). The set is a bit per CPU. -EINVAL for anything else. */
#define CPUS_MAX 8192
typedef struct CpuSet {
        uint64_t bits[CPUS_MAX / 64];
} CpuSet;
int cpu_set_parse(const char *s, CpuSet *ret);
unsigned cpu_set_count(const CpuSet *set);
static inline bool cpu_set_has(const CpuSet *set, unsigned cpu) {
        return cpu < CPUS_MAX && (set->bits[cpu / 64] >> (cpu % 64) & 1);
}
static inline void cpu_set_add(CpuSet *set, unsigned cpu) {
        set->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

/* Formats bytes the way people read them ("1.5M"), into buf. */
char *format_bytes(uint64_t bytes, char *buf, size_t size);
#define FORMAT_BYTES(bytes) format_bytes((bytes), (char[16]) {}, 16)
