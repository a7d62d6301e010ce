/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "early-seal.h"
#include "names.h"
#include "segment-file.h"
#include "segment-name.h"
#include "xz.h"

#define TEMPORARY_PREFIX ".#"

/* How often space is looked at, and over how much of time the rate is taken. */
#define LOOK_MSEC 2000
#define LOOK_AT_LIMIT_MSEC 200
#define AHEAD_SEC 60
#define CHUNK_BYTES (256 * KIB)
#define MEMORY_MAX_BYTES (100 * MIB)

static bool is_text_name(const char *name) {
        const char *p = startswith(name, "text-");

        return p && strspn(p, "0123456789") == 6 && streq(p + 6, ".log");
}

static bool is_segment_name(const char *name) {
        SegmentName n;

        return segment_name_parse(name, &n) >= 0 ? !n.kept && !n.compressed : is_text_name(name);
}

static int is_segment(const struct dirent *entry) {
        return is_segment_name(entry->d_name);
}

static bool same_row(const char *a, const char *b) {
        size_t l = strcspn(a, "-") + 1;

        return strncmp(a, b, l) == 0;
}

/* A complete segment is one with another behind it. Returns 1 with the first one, 0 if there is none. */
static int find_complete(int raw_fd, char **ret) {
        struct dirent **entries = NULL;
        char *name = NULL;
        bool found = false;
        int n;

        /* The order of names keeps those of a CPU together, in the order of time. */
        n = scandirat(raw_fd, ".", &entries, is_segment, alphasort);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (!found && i + 1 < n && same_row(entries[i]->d_name, entries[i + 1]->d_name)) {
                        name = strdup(entries[i]->d_name);
                        found = true;
                }
                free(entries[i]);
        }
        free(entries);
        if (found && !name)
                return -ENOMEM;
        if (found)
                *ret = name;
        return found;
}

static int open_for_reading(int dir_fd, const char *name) {
        int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int compress_fd(int in_fd, int out_fd, unsigned level) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        _cleanup_free_ char *buffer = malloc(CHUNK_BYTES);
        int r;

        if (!buffer)
                return -ENOMEM;
        r = xz_writer_new(out_fd, &(XzOptions) { .level = level, .threads = 1, .memory_max_bytes = MEMORY_MAX_BYTES }, &w);
        while (r >= 0) {
                ssize_t n = read(in_fd, buffer, CHUNK_BYTES);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                r = xz_writer_write(w, buffer, (size_t) n);
        }
        if (r >= 0)
                r = xz_writer_finish(w, NULL, NULL);
        if (r >= 0 && fdatasync(out_fd) < 0)
                r = -errno;
        return r;
}

static int write_compressed(int raw_fd, int in_fd, const char *compressed, unsigned level) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&temporary, TEMPORARY_PREFIX "%s", compressed) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        if (unlinkat(raw_fd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(raw_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = compress_fd(in_fd, fd, level);
        if (r >= 0 && renameat(raw_fd, temporary, raw_fd, compressed) < 0)
                r = -errno;
        /* The new name is on disk before the other one goes. */
        if (r >= 0 && fsync(raw_fd) < 0)
                return -errno;
        if (r < 0)
                (void) unlinkat(raw_fd, temporary, 0);
        return r;
}

static int take_place(int raw_fd, const char *name, unsigned level, uint64_t *ret_held_bytes, uint64_t *ret_disk_bytes) {
        _cleanup_close_ int in_fd = open_for_reading(raw_fd, name), out_fd = -EBADF;
        _cleanup_free_ char *compressed = NULL;
        struct stat in, out;
        uint64_t bytes;
        int r;

        if (in_fd < 0)
                return in_fd;
        if (asprintf(&compressed, "%s" SEGMENT_FILE_SUFFIX, name) < 0) {
                compressed = NULL;
                return -ENOMEM;
        }
        if (fstat(in_fd, &in) < 0)
                return -errno;
        /* There already, if an earlier one was killed at the wrong moment. */
        out_fd = open_for_reading(raw_fd, compressed);
        if (out_fd < 0 || xz_uncompressed_size(out_fd, &bytes) < 0 || bytes != (uint64_t) in.st_size) {
                r = write_compressed(raw_fd, in_fd, compressed, level);
                if (r < 0)
                        return r;
        }
        if (fstatat(raw_fd, compressed, &out, AT_SYMLINK_NOFOLLOW) < 0 || unlinkat(raw_fd, name, 0) < 0)
                return -errno;
        *ret_held_bytes = (uint64_t) in.st_size;
        *ret_disk_bytes = (uint64_t) out.st_blocks * 512;
        return 0;
}

int early_seal_next(int raw_fd, unsigned level, uint64_t *ret_held_bytes, uint64_t *ret_disk_bytes) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = find_complete(raw_fd, &name);
        if (r <= 0)
                return r;
        r = take_place(raw_fd, name, level, ret_held_bytes, ret_disk_bytes);
        return r < 0 ? r : 1;
}

bool early_seal_is_due(uint64_t room_bytes, uint64_t captured_bytes, uint64_t disk_bytes, uint64_t rate, bool keep_raw) {
        uint64_t seal_bytes = storage_seal_bytes(captured_bytes, keep_raw);
        uint64_t left_bytes = room_bytes > seal_bytes ? room_bytes - seal_bytes : 0;

        return left_bytes < MAX((room_bytes + disk_bytes) / 10, rate * AHEAD_SEC);
}

static bool is_at_limit(uint64_t disk_bytes, uint64_t max_bytes) {
        return disk_bytes >= max_bytes / 8 * 5;
}

bool early_seal_must_give_up(uint64_t room_bytes, uint64_t captured_bytes, uint64_t disk_bytes, uint64_t max_bytes, bool keep_raw) {
        uint64_t seal_bytes = storage_seal_bytes(captured_bytes, keep_raw);
        uint64_t left_bytes = room_bytes > seal_bytes ? room_bytes - seal_bytes : 0;

        return is_at_limit(disk_bytes, max_bytes) || left_bytes < (room_bytes + disk_bytes) / 16;
}

uint64_t early_seal_wanted_bytes(uint64_t captured_bytes, uint64_t disk_bytes, uint64_t rate, bool keep_raw) {
        uint64_t seal_bytes = storage_seal_bytes(captured_bytes, keep_raw);

        /* A tenth of what there would be then, rounded up. */
        return MAX((10 * seal_bytes + disk_bytes) / 9 + 10, seal_bytes + rate * AHEAD_SEC);
}

/* The segment that a compressed file stands for, or NULL. */
static char *segment_of(const char *name) {
        size_t l = strlen(name), suffix = strlen(SEGMENT_FILE_SUFFIX);
        _cleanup_free_ char *segment = strndup(name, l > suffix ? l - suffix : 0);

        return segment && streq(name + strlen(segment), SEGMENT_FILE_SUFFIX) && is_segment_name(segment) ? TAKE_PTR(segment) : NULL;
}

/* Adds what an earlier one has done, unless it was cut off before it could remove the segment. */
static void add_compressed(int raw_fd, const char *name, EarlySealState *state) {
        _cleanup_free_ char *segment = segment_of(name);
        uint64_t held_bytes;
        struct stat st;

        if (!segment || faccessat(raw_fd, segment, F_OK, AT_SYMLINK_NOFOLLOW) >= 0 ||
            fstatat(raw_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || segment_file_size(raw_fd, segment, &held_bytes) < 0)
                return;
        state->held_bytes += held_bytes;
        state->disk_bytes += (uint64_t) st.st_blocks * 512;
}

int early_seal_take_over(int raw_fd, EarlySealState *ret) {
        _cleanup_closedir_ DIR *d = NULL;
        EarlySealState state = {};
        struct dirent *entry;
        int r;

        r = dir_open_at(raw_fd, ".", &d);
        if (r < 0)
                return r;
        while ((entry = readdir(d))) {
                const char *begun = startswith(entry->d_name, TEMPORARY_PREFIX);
                _cleanup_free_ char *segment = begun ? segment_of(begun) : NULL;
                SegmentName kept;

                if (!segment && !(begun && segment_name_parse(begun, &kept) >= 0))
                        add_compressed(raw_fd, entry->d_name, &state);
                else if (unlinkat(raw_fd, entry->d_name, 0) < 0)
                        return -errno;
        }
        *ret = state;
        return 0;
}

typedef struct EarlySeal {
        const EarlySealRequest *request;
        RingFormat format;      /* for keep_newest */
        EarlySealState state;
        uint64_t max_session_bytes;
        bool must_give_up;
        uint64_t look_usec, captured_bytes, rate;
} EarlySeal;

/* What is there to be sealed, as it was captured, and what it takes on disk. */
static uint64_t held_bytes(const EarlySeal *e) {
        uint64_t captured_bytes = atomic_load(&e->request->counters->n_raw_bytes);

        return captured_bytes - MIN(captured_bytes, e->state.given_up.bytes);
}

static uint64_t disk_bytes(const EarlySeal *e) {
        uint64_t bytes = held_bytes(e);

        return bytes - MIN(bytes, e->state.held_bytes) + e->state.disk_bytes;
}

/* Returns whether space is short. */
static int look(EarlySeal *e) {
        const EarlySealRequest *q = e->request;
        uint64_t usec = now_monotonic_usec(), captured_bytes = atomic_load(&q->counters->n_raw_bytes), room_bytes;
        StorageLimits limits;
        StorageSpace space;
        int r;

        r = storage_look(q->sessions_fd, &space);
        if (r < 0)
                return r;
        storage_limits(q->storage, space.total_bytes, &limits);
        /* Over a while: this is asked again behind each segment. */
        if (usec - e->look_usec >= LOOK_MSEC * USEC_PER_MSEC) {
                if (e->look_usec > 0)
                        e->rate = (captured_bytes - e->captured_bytes) * USEC_PER_SEC / (usec - e->look_usec);
                e->look_usec = usec;
                e->captured_bytes = captured_bytes;
        }
        room_bytes = storage_room_bytes(&space, &limits);
        e->max_session_bytes = limits.max_session_bytes;
        e->state.wanted_bytes = early_seal_wanted_bytes(held_bytes(e), disk_bytes(e), e->rate, q->keep_raw);
        e->state.no_room = room_bytes == 0;
        e->state.disk_full = space.free_bytes == 0;
        e->must_give_up = q->keep_newest &&
                early_seal_must_give_up(room_bytes, held_bytes(e), disk_bytes(e), e->max_session_bytes, q->keep_raw);
        return early_seal_is_due(room_bytes, held_bytes(e), disk_bytes(e), e->rate, q->keep_raw);
}

static void tell(const EarlySeal *e) {
        const EarlySealRequest *q = e->request;

        atomic_store(&q->counters->n_given_up_bytes, e->state.given_up.bytes);
        atomic_store(&q->counters->n_compressed_disk_bytes, e->state.disk_bytes);
        atomic_store(&q->counters->n_compressed_bytes, e->state.held_bytes);
        q->tell(&e->state, q->userdata);
}

/* What is on disk, after another process has ended, or a segment is gone. */
static int count_again(EarlySeal *e) {
        const EarlySealRequest *q = e->request;
        EarlySealState found = {};
        int r;

        r = early_seal_take_over(q->raw_fd, &found);
        if (r >= 0 && q->keep_newest)
                r = keep_newest_look(q->raw_fd, &e->format, &e->state.given_up);
        e->state.held_bytes = found.held_bytes;
        e->state.disk_bytes = found.disk_bytes;
        return r;
}

/* Returns 1 if a segment was given up. */
static int give_up_oldest(EarlySeal *e) {
        const EarlySealRequest *q = e->request;
        int r;

        r = keep_newest_next(q->raw_fd, &e->format, q->level);
        if (r <= 0)
                return r;
        r = count_again(e);
        if (r < 0)
                return r;
        tell(e);
        return 1;
}

/* Returns 1 if a segment was compressed, or given up. */
static int step(EarlySeal *e) {
        const EarlySealRequest *q = e->request;
        uint64_t held_bytes, disk_bytes;
        int r = 0, is_short;

        is_short = look(e);
        if (is_short < 0)
                return is_short;
        if (is_short != e->state.is_short) {
                e->state.is_short = is_short;
                tell(e);
        }
        if (e->must_give_up)
                r = give_up_oldest(e);
        if (r != 0)
                return errno_is_no_space(r) ? 0 : r;
        r = is_short ? early_seal_next(q->raw_fd, q->level, &held_bytes, &disk_bytes) : 0;
        /* Nothing that could be done about it is left. */
        if (r == 0 && e->state.no_room)
                tell(e);
        if (r <= 0)
                /* There may be room again, when something was removed. */
                return errno_is_no_space(r) ? 0 : r;
        e->state.held_bytes += held_bytes;
        e->state.disk_bytes += disk_bytes;
        tell(e);
        return 1;
}

static int load_format(EarlySeal *e) {
        _cleanup_close_ int fd = openat(e->request->raw_fd, RAW_FORMATS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : ring_format_load(fd, &e->format);
}

/* What one session may take is used up faster than a disk. */
static void rest(const EarlySeal *e) {
        for (unsigned msec = 0; msec < LOOK_MSEC; msec += LOOK_AT_LIMIT_MSEC) {
                bool wait_longer = !e->request->keep_newest || e->max_session_bytes == STORAGE_UNLIMITED;

                (void) poll(NULL, 0, wait_longer ? LOOK_MSEC : LOOK_AT_LIMIT_MSEC);
                if (wait_longer || is_at_limit(disk_bytes(e), e->max_session_bytes))
                        return;
        }
}

int early_seal_run(const EarlySealRequest *request) {
        EarlySeal e = { .request = request };
        int r = 0;

        if (request->keep_newest) {
                r = load_format(&e);
                if (r >= 0)
                        r = keep_newest_take_over(request->raw_fd);
        }
        if (r >= 0)
                r = count_again(&e);
        if (r >= 0 && (e.state.held_bytes > 0 || e.state.given_up.bytes > 0))
                tell(&e);
        while (r >= 0) {
                r = step(&e);
                if (r == 0)
                        rest(&e);
        }
        return r;
}
