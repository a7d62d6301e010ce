/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "util.h"

void strv_free(char **l) {
        STRV_FOREACH(s, l)
                free(*s);
        free(l);
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        STRV_FOREACH(s, l)
                n++;
        return n;
}

bool strv_contains(char *const *l, const char *s) {
        STRV_FOREACH(i, l)
                if (streq(*i, s))
                        return true;
        return false;
}

int strv_extend(char ***l, const char *s) {
        size_t n = strv_length(*l);
        _cleanup_free_ char *copy = strdup(s);
        char **grown;

        if (!copy)
                return -ENOMEM;
        grown = reallocarray(*l, n + 2, sizeof(char *));
        if (!grown)
                return -ENOMEM;
        grown[n] = TAKE_PTR(copy);
        grown[n + 1] = NULL;
        *l = grown;
        return 0;
}

int strv_extendf(char ***l, const char *format, ...) {
        _cleanup_free_ char *s = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&s, format, ap);
        va_end(ap);
        if (r < 0) {
                s = NULL;
                return -ENOMEM;
        }
        return strv_extend(l, s);
}

static uint64_t now_usec(clockid_t clock) {
        struct timespec ts = {};

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / NSEC_PER_USEC;
}

uint64_t now_monotonic_usec(void) {
        return now_usec(CLOCK_MONOTONIC);
}

uint64_t now_realtime_usec(void) {
        return now_usec(CLOCK_REALTIME);
}

int parse_u64(const char *s, uint64_t *ret) {
        unsigned long long v;
        char *end;

        /* strtoull() takes spaces and signs, which no caller of ours means. */
        if (isempty(s) || *s < '0' || *s > '9')
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? 16 : 10);
        if (errno > 0)
                return -errno;
        if (*end)
                return -EINVAL;
        *ret = v;
        return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes) {
        static const char units[] = "KMGTP";
        unsigned long long v;
        unsigned shift = 0;
        char *end;

        if (isempty(s) || *s < '0' || *s > '9')
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, 10);
        if (errno > 0)
                return -errno;
        if (*end) {
                const char *unit = strchr(units, *end == 'k' ? 'K' : *end);

                if (unit) {
                        shift = 10 * (unsigned) (unit - units + 1);
                        end++;
                        if (*end == 'i')
                                end++;
                }
                if (*end == 'B')
                        end++;
                if (*end)
                        return -EINVAL;
        }
        if (shift > 0 && v >> (64 - shift) != 0)
                return -ERANGE;
        *ret_bytes = (uint64_t) v << shift;
        return 0;
}

/* The microseconds that a unit stands for; 0: there is no such unit. */
static uint64_t span_unit(const char *name, size_t l) {
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                { "", USEC_PER_SEC },
                { "us", 1 },
                { "ms", USEC_PER_MSEC },
                { "s", USEC_PER_SEC },
                { "sec", USEC_PER_SEC },
                { "m", 60 * USEC_PER_SEC },
                { "min", 60 * USEC_PER_SEC },
                { "h", 3600 * USEC_PER_SEC },
                { "d", 86400 * USEC_PER_SEC },
        };

        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (strlen(units[i].name) == l && memcmp(units[i].name, name, l) == 0)
                        return units[i].usec;
        return 0;
}

int parse_span(const char *s, uint64_t *ret_usec) {
        static const char digits[] = "0123456789", letters[] = "abcdefghijklmnopqrstuvwxyz";
        uint64_t sum = 0;

        if (isempty(s))
                return -EINVAL;
        while (*s) {
                size_t n_digits = strspn(s, digits), n_letters = strspn(s + n_digits, letters);
                uint64_t unit = span_unit(s + n_digits, n_letters), v;

                if (n_digits == 0 || unit == 0)
                        return -EINVAL;
                errno = 0;
                v = strtoull(s, NULL, 10);
                if (errno > 0 || __builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(sum, v, &sum))
                        return -ERANGE;
                s += n_digits + n_letters;
                if (*s == ' ' && s[1])
                        s++;
        }
        *ret_usec = sum;
        return 0;
}

/* The length of the UTF-8 sequence at s and its code point; 0 if it is not well-formed (RFC 3629 §3). */
static size_t utf8_decode(const unsigned char *s, uint32_t *ret_code) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t l = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : (s[0] & 0xf8) == 0xf0 ? 4 : 0;
        uint32_t c;

        if (l == 0)
                return 0;
        c = l == 1 ? s[0] : s[0] & (0x7fU >> l);
        for (size_t i = 1; i < l; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3f);
        }
        if (c < least[l] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret_code = c;
        return l;
}

bool text_is_clean(const char *s, bool allow_newline) {
        for (const unsigned char *p = (const unsigned char *) s; *p;) {
                uint32_t c = 0;
                size_t l = utf8_decode(p, &c);

                if (l == 0)
                        return false;
                if ((c < 0x20 && !(allow_newline && (c == '\n' || c == '\t'))) || (c >= 0x7f && c < 0xa0))
                        return false;
                /* Line and paragraph separator, and the marks that turn the direction of the text around them. */
                if (c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
                        return false;
                p += l;
        }
        return true;
}

int read_file_at(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_bytes) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *buf = NULL;
        size_t size = 0, allocated = 0;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        for (;;) {
                ssize_t n;

                if (allocated - size < 4096) {
                        char *grown = realloc(buf, allocated = MAX(allocated * 2, (size_t) 8192));

                        if (!grown)
                                return -ENOMEM;
                        buf = grown;
                }
                n = read(fd, buf + size, allocated - size - 1);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max_bytes)
                        return -EFBIG;
        }
        buf[size] = 0;
        *ret = TAKE_PTR(buf);
        if (ret_bytes)
                *ret_bytes = size;
        return 0;
}

int read_line_at(int dir_fd, const char *path, char **ret) {
        _cleanup_free_ char *buf = NULL;
        int r;

        r = read_file_at(dir_fd, path, 64 * KIB, &buf, NULL);
        if (r < 0)
                return r;
        buf[strcspn(buf, "\n")] = 0;
        *ret = TAKE_PTR(buf);
        return 0;
}

int write_control_at(int dir_fd, const char *path, const char *value) {
        _cleanup_close_ int fd = -EBADF;
        size_t l = strlen(value);
        ssize_t n;

        fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        n = write(fd, value, l);
        if (n < 0)
                return -errno;
        return (size_t) n == l ? 0 : -EIO;
}

int write_all(int fd, const void *data, size_t bytes) {
        const char *p = data;

        while (bytes > 0) {
                ssize_t n = write(fd, p, bytes);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += n;
                bytes -= (size_t) n;
        }
        return 0;
}

int append_all(int fd, const void *data, size_t bytes) {
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        r = write_all(fd, data, bytes);
        if (r < 0 && ftruncate(fd, st.st_size) < 0)
                return -errno;
        return r;
}

typedef enum WholeFile {
        FILE_DURABLE,
        FILE_REPLACED,
        FILE_EXCHANGED,
} WholeFile;

static int put_in_place(int dir_fd, const char *temporary, const char *name, WholeFile way) {
        if (way == FILE_EXCHANGED && renameat2(dir_fd, temporary, dir_fd, name, RENAME_EXCHANGE) >= 0) {
                /* What stays nevertheless goes with the next one that is written. */
                (void) unlinkat(dir_fd, temporary, 0);
                return 0;
        }
        /* Also where there is none to exchange it with yet, or the file system cannot do it. */
        return renameat(dir_fd, temporary, dir_fd, name) < 0 ? -errno : 0;
}

static int write_whole_file(int dir_fd, const char *name, const void *data, size_t bytes, WholeFile way) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[NAME_MAX + 1];
        int r;

        if ((size_t) snprintf(temporary, sizeof temporary, ".#%s", name) >= sizeof temporary)
                return -ENAMETOOLONG;
        /* Left over by a writer that died: nobody else writes here, the folder is ours alone. */
        if (unlinkat(dir_fd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, data, bytes);
        if (r >= 0 && way == FILE_DURABLE && fsync(fd) < 0)
                r = -errno;
        if (r >= 0)
                r = put_in_place(dir_fd, temporary, name, way);
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return way == FILE_DURABLE && fsync(dir_fd) < 0 ? -errno : 0;
}

int write_file_atomic_at(int dir_fd, const char *name, const void *data, size_t bytes) {
        return write_whole_file(dir_fd, name, data, bytes, FILE_DURABLE);
}

int replace_file_at(int dir_fd, const char *name, const void *data, size_t bytes) {
        return write_whole_file(dir_fd, name, data, bytes, FILE_REPLACED);
}

int exchange_file_at(int dir_fd, const char *name, const void *data, size_t bytes) {
        return write_whole_file(dir_fd, name, data, bytes, FILE_EXCHANGED);
}

int dir_open_at(int dir_fd, const char *name, DIR **ret) {
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *d;

        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -ENOMEM;
        }
        *ret = d;
        return 0;
}

/* Deeper than any folder of ours; a limit all the same, as each level holds a descriptor open. */
#define TREE_MAX_DEPTH 8

static int remove_tree(int dir_fd, const char *name, unsigned depth) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int r;

        if (unlinkat(dir_fd, name, 0) >= 0)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        if (depth == 0)
                return -ELOOP;
        r = dir_open_at(dir_fd, name, &d);
        if (r < 0)
                return r;
        while ((entry = readdir(d))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                r = remove_tree(dirfd(d), entry->d_name, depth - 1);
                if (r < 0)
                        return r;
        }
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int remove_tree_at(int dir_fd, const char *name) {
        int r;

        r = remove_tree(dir_fd, name, TREE_MAX_DEPTH);
        /* A writer that was killed a moment ago has made its last file behind our back. */
        return r == -ENOTEMPTY ? remove_tree(dir_fd, name, TREE_MAX_DEPTH) : r;
}

int cpu_set_parse(const char *s, CpuSet *ret) {
        CpuSet set = {};

        while (*s && !streq(s, "\n")) {
                unsigned long first, last;
                char *end;

                if (*s < '0' || *s > '9')
                        return -EINVAL;
                first = last = strtoul(s, &end, 10);
                if (*end == '-') {
                        if (end[1] < '0' || end[1] > '9')
                                return -EINVAL;
                        last = strtoul(end + 1, &end, 10);
                }
                if (first > last || last >= CPUS_MAX)
                        return -EINVAL;
                for (unsigned long i = first; i <= last; i++)
                        set.bits[i / 64] |= UINT64_C(1) << (i % 64);
                if (*end == ',' && end[1] >= '0' && end[1] <= '9')
                        end++;
                else if (*end && *end != '\n')
                        return -EINVAL;
                s = end;
        }
        *ret = set;
        return 0;
}

unsigned cpu_set_count(const CpuSet *set) {
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTS(set->bits); i++)
                n += (unsigned) __builtin_popcountll(set->bits[i]);
        return n;
}

char *format_bytes(uint64_t bytes, char *buf, size_t size) {
        static const char units[] = "BKMGTPE";
        uint64_t unit = 1;
        size_t u = 0;

        while (u < 6 && bytes / unit >= 1024) {
                unit *= 1024;
                u++;
        }
        if (u == 0)
                (void) snprintf(buf, size, "%" PRIu64 "B", bytes);
        else
                (void) snprintf(buf, size, "%.1f%c", (double) bytes / (double) unit, units[u]);
        return buf;
}
