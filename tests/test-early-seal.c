/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "early-seal.h"
#include "raw-segment.h"
#include "segment-file.h"
#include "test-util.h"
#include "xz.h"

TestSuite(early_seal, .fini = test_done, .timeout = 120);

#define GIB (1024 * MIB)
#define SUBBUF_BYTES 4096
#define SEGMENT_BYTES (256 * KIB)

/* Like pages: much that repeats, and counters; different for each seed. */
static uint8_t *pages(unsigned seed) {
        uint8_t *p = malloc(SEGMENT_BYTES);

        cr_assert_not_null(p);
        for (size_t i = 0; i < SEGMENT_BYTES; i++)
                p[i] = (uint8_t) (i % 44 < 8 ? (i / 44 + seed) >> (i % 44) : i % 44 + 1);
        return p;
}

static void put_segment(const char *name, unsigned seed) {
        _cleanup_free_ uint8_t *p = pages(seed);

        test_file(name, p, SEGMENT_BYTES);
}

static void assert_segment(const char *name, unsigned seed) {
        _cleanup_free_ uint8_t *p = pages(seed), *read = malloc(SEGMENT_BYTES + 1);
        _cleanup_(segment_file_freep) SegmentFile *f = NULL;
        size_t n = 0;

        cr_assert_eq(segment_file_open(test_dir(), name, &f), 0, "%s", name);
        cr_assert_eq(segment_file_read(f, read, SEGMENT_BYTES + 1, &n), 0, "%s", name);
        cr_assert_eq(n, SEGMENT_BYTES, "%s: %zu", name, n);
        cr_assert_eq(memcmp(read, p, n), 0, "%s", name);
}

static bool exists(const char *name) {
        return faccessat(test_dir(), name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static void assert_compressed(const char *name, bool compressed) {
        char with_suffix[64];

        (void) snprintf(with_suffix, sizeof with_suffix, "%s.xz", name);
        cr_assert_eq(exists(with_suffix), compressed, "%s", with_suffix);
        cr_assert_eq(exists(name), !compressed, "%s", name);
}

static int next(void) {
        uint64_t held_bytes = 0, disk_bytes = 0;
        int r = early_seal_next(test_dir(), 0, &held_bytes, &disk_bytes);

        if (r > 0) {
                cr_assert_eq(held_bytes, SEGMENT_BYTES);
                cr_assert(disk_bytes > 0 && disk_bytes < SEGMENT_BYTES / 2);
        }
        return r;
}

Test(early_seal, only_what_is_complete) {
        static const char *const others[] = { "cpu0.loss", "cpu0-000009.raw~", "cpu0-00008.raw", "kallsyms", ".#cpu0-000007.raw" };

        for (size_t i = 0; i < ELEMENTS(others); i++)
                test_file(others[i], "x", 1);
        cr_assert_eq(next(), 0);
        put_segment("cpu0-000000.raw", 1);
        put_segment("cpu10-000000.raw", 2);
        put_segment("cpu1-000000.raw", 3);
        put_segment("text-000000.log", 4);
        cr_assert_eq(next(), 0);
        put_segment("cpu0-000001.raw", 5);
        put_segment("cpu0-000002.raw", 6);
        put_segment("text-000001.log", 7);
        for (unsigned i = 0; i < 3; i++)
                cr_assert_eq(next(), 1);
        cr_assert_eq(next(), 0);
        assert_compressed("cpu0-000000.raw", true);
        assert_compressed("cpu0-000001.raw", true);
        assert_compressed("cpu0-000002.raw", false);
        assert_compressed("cpu1-000000.raw", false);
        assert_compressed("cpu10-000000.raw", false);
        assert_compressed("text-000000.log", true);
        assert_compressed("text-000001.log", false);
        assert_segment("cpu0-000000.raw", 1);
        assert_segment("cpu0-000001.raw", 5);
        assert_segment("text-000000.log", 4);
        for (size_t i = 0; i < ELEMENTS(others); i++)
                cr_assert(exists(others[i]));

        /* The drain goes on. */
        put_segment("cpu0-000003.raw", 8);
        cr_assert_eq(next(), 1);
        assert_compressed("cpu0-000002.raw", true);
        cr_assert_eq(next(), 0);
}

static void copy_as(const char *name, const char *as, off_t cut_bytes) {
        _cleanup_free_ char *data = NULL;
        size_t bytes;

        cr_assert_eq(read_file_at(test_dir(), name, MIB, &data, &bytes), 0);
        test_file(as, data, bytes - (size_t) cut_bytes);
}

/* The one before was killed when both had their names. */
Test(early_seal, both_forms) {
        put_segment("cpu0-000000.raw", 1);
        put_segment("cpu0-000001.raw", 2);
        cr_assert_eq(next(), 1);
        copy_as("cpu0-000000.raw.xz", "whole", 0);

        put_segment("cpu0-000000.raw", 1);
        cr_assert_eq(next(), 1);
        assert_compressed("cpu0-000000.raw", true);
        assert_segment("cpu0-000000.raw", 1);

        /* What is not what it should be is made again. */
        put_segment("cpu0-000000.raw", 1);
        copy_as("whole", "cpu0-000000.raw.xz", 100);
        cr_assert_eq(next(), 1);
        assert_segment("cpu0-000000.raw", 1);
        put_segment("cpu0-000000.raw", 1);
        test_file("cpu0-000000.raw.xz", "", 0);
        cr_assert_eq(next(), 1);
        assert_segment("cpu0-000000.raw", 1);
}

/* No bytes for the compressed form: the segment stays, and nothing is left beside it. */
Test(early_seal, failure) {
        struct rlimit limit = { 4096, 4096 };
        char name[32];

        for (unsigned i = 0; i < 2; i++) {
                (void) snprintf(name, sizeof name, "cpu0-%06u.raw", i);
                put_segment(name, i);
        }
        (void) signal(SIGXFSZ, SIG_IGN);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        cr_assert_eq(next(), -EFBIG);
        assert_compressed("cpu0-000000.raw", false);
        cr_assert_not(exists(".#cpu0-000000.raw.xz"));
        assert_segment("cpu0-000000.raw", 0);
}

/* At each moment every segment is there, once and whole. */
Test(early_seal, killed_at_any_moment) {
        const unsigned n = 10;
        unsigned n_kills = 0;
        EarlySealState state;
        char name[32];

        srand(1);
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(name, sizeof name, "cpu0-%06u.raw", i);
                put_segment(name, i);
        }
        for (bool done = false; !done; n_kills++) {
                pid_t pid = fork();
                int status;

                cr_assert_geq(pid, 0);
                if (pid == 0) {
                        uint64_t held_bytes, disk_bytes;

                        while (early_seal_next(test_dir(), 0, &held_bytes, &disk_bytes) > 0)
                                ;
                        _exit(EXIT_SUCCESS);
                }
                /* Longer and longer, so that even a slow machine gets on. */
                (void) usleep((useconds_t) rand() % (1000 * (n_kills + 1)));
                (void) kill(pid, SIGKILL);
                cr_assert_eq(waitpid(pid, &status, 0), pid);
                done = WIFEXITED(status);
                for (unsigned i = 0; i < n; i++) {
                        (void) snprintf(name, sizeof name, "cpu0-%06u.raw", i);
                        assert_segment(name, i);
                }
                cr_assert_lt(n_kills, 10000);
        }
        cr_assert_eq(early_seal_take_over(test_dir(), &state), 0);
        cr_assert_eq(state.held_bytes, (n - 1) * SEGMENT_BYTES);
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(name, sizeof name, "cpu0-%06u.raw", i);
                assert_compressed(name, i < n - 1);
                (void) snprintf(name, sizeof name, ".#cpu0-%06u.raw.xz", i);
                cr_assert_not(exists(name));
        }
}

Test(early_seal, take_over) {
        EarlySealState state;
        struct stat st;

        cr_assert_eq(early_seal_take_over(test_dir(), &state), 0);
        cr_assert(!state.is_short && state.held_bytes == 0 && state.disk_bytes == 0);
        put_segment("cpu0-000000.raw", 1);
        put_segment("cpu0-000001.raw", 2);
        put_segment("cpu0-000002.raw", 3);
        cr_assert_eq(next(), 1);
        cr_assert_eq(next(), 1);
        /* Not over yet. */
        put_segment("cpu0-000001.raw", 2);
        test_file(".#cpu0-000001.raw.xz", "begun", 5);
        test_file(".#kallsyms", "another's", 9);
        test_file("notes.xz", "no segment", 10);
        cr_assert_eq(early_seal_take_over(test_dir(), &state), 0);
        cr_assert_eq(state.held_bytes, SEGMENT_BYTES);
        cr_assert_eq(fstatat(test_dir(), "cpu0-000000.raw.xz", &st, 0), 0);
        cr_assert_eq(state.disk_bytes, (uint64_t) st.st_blocks * 512);
        cr_assert_not(exists(".#cpu0-000001.raw.xz"));
        cr_assert(exists(".#kallsyms"));
        cr_assert(exists("notes.xz"));
        assert_segment("cpu0-000001.raw", 2);
}

Test(early_seal, due) {
        /* Nothing captured, nothing coming: room for anything is enough, none at all is not. */
        cr_assert_not(early_seal_is_due(1 * GIB, 0, 0, 0, false));
        cr_assert_not(early_seal_is_due(16 * MIB, 0, 0, 0, false));
        /* A tenth of what there was, with a quarter of what is captured set aside for the log. */
        cr_assert_not(early_seal_is_due(390 * MIB, 610 * MIB, 610 * MIB, 0, false));
        cr_assert(early_seal_is_due(240 * MIB, 760 * MIB, 760 * MIB, 0, false));
        /* For the pages as well it takes half. */
        cr_assert(early_seal_is_due(390 * MIB, 610 * MIB, 610 * MIB, 0, true));
        /* 10 MB/s take 600 MB in a minute. */
        cr_assert_not(early_seal_is_due(1 * GIB, 0, 0, 10 * 1000 * 1000, false));
        cr_assert(early_seal_is_due(500 * MIB, 0, 0, 10 * 1000 * 1000, false));
        cr_assert(early_seal_is_due(0, GIB, GIB, 1, false));
        /* Compressed, it is still a lot of log to come. */
        cr_assert(early_seal_is_due(500 * MIB, 2 * GIB, 200 * MIB, 0, false));
}

/* So much is enough, and nothing less. */
Test(early_seal, how_much_is_enough) {
        static const uint64_t sizes[] = { 0, 1, 100 * MIB, 7 * GIB + 5 };

        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                for (unsigned rate = 0; rate <= 10; rate += 5) {
                        uint64_t wanted = early_seal_wanted_bytes(sizes[i], sizes[i] / 2, rate * MIB, false);

                        cr_assert_not(early_seal_is_due(wanted, sizes[i], sizes[i] / 2, rate * MIB, false));
                        cr_assert(wanted <= 32 || early_seal_is_due(wanted - 32, sizes[i], sizes[i] / 2, rate * MIB, false));
                }
}

typedef struct Told {
        int fd;
} Told;

static void tell(const EarlySealState *state, void *userdata) {
        const Told *told = userdata;

        (void) write_all(told->fd, state, sizeof *state);
}

/* On a disk that has no room at all for sessions. */
Test(early_seal, run) {
        StorageSettings storage = { .keep_free = { .set = true, .bytes = STORAGE_UNLIMITED } };
        DrainCounters *counters = mmap(NULL, sizeof(DrainCounters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        EarlySealState state = {};
        int fds[2], status;
        pid_t pid;

        put_segment("cpu0-000000.raw", 1);
        put_segment("cpu0-000001.raw", 2);
        cr_assert_eq(next(), 1);
        put_segment("cpu0-000002.raw", 3);
        put_segment("cpu0-000003.raw", 4);
        atomic_store(&counters->n_raw_bytes, 4 * SEGMENT_BYTES);
        cr_assert_eq(pipe(fds), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                (void) early_seal_run(&(EarlySealRequest) {
                                .raw_fd = test_dir(),
                                .sessions_fd = test_dir(),
                                .storage = &storage,
                                .counters = counters,
                                .tell = tell,
                                .userdata = &(Told) { fds[1] },
                });
                _exit(EXIT_FAILURE);
        }
        /* What was there, that space is short, and each of two segments. */
        for (unsigned i = 0; i < 4; i++) {
                cr_assert_eq(read(fds[0], &state, sizeof state), sizeof state);
                cr_assert_eq(state.is_short, i > 0);
                cr_assert_eq(state.held_bytes, (i < 2 ? 1 : i) * SEGMENT_BYTES);
        }
        cr_assert_eq(atomic_load(&counters->n_compressed_bytes), 3 * SEGMENT_BYTES);
        cr_assert_eq(atomic_load(&counters->n_compressed_disk_bytes), state.disk_bytes);
        assert_compressed("cpu0-000002.raw", true);
        assert_compressed("cpu0-000003.raw", false);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert_eq(munmap(counters, sizeof(DrainCounters)), 0);
}

/* A drain that comes after it goes on where the one before was, with the sum of all that was captured. */
Test(early_seal, drain_goes_on_behind) {
        static const uint8_t page[SUBBUF_BYTES] = { 1 };
        uint64_t held_bytes, disk_bytes;
        RawSegment *s;
        int fds[2];

        cr_assert_eq(pipe(fds), 0);
        for (unsigned run = 0; run < 3; run++) {
                cr_assert_eq(raw_segment_open(test_dir(), 0, SUBBUF_BYTES, 4 * SUBBUF_BYTES, fds[0], &s), 0);
                cr_assert_eq(raw_segment_total_bytes(s), run * 5 * SUBBUF_BYTES);
                for (unsigned i = 0; i < 5; i++) {
                        cr_assert_eq(write_all(fds[1], page, sizeof page), 0);
                        cr_assert_eq(raw_segment_take_pipe(s, fds[0]), 0);
                }
                cr_assert_eq(raw_segment_finish(s), 0);
                raw_segment_free(s);
                while (early_seal_next(test_dir(), 0, &held_bytes, &disk_bytes) > 0)
                        cr_assert_eq(held_bytes, 4 * SUBBUF_BYTES);
        }
        for (unsigned i = 0; i < 4; i++) {
                char name[32];
                uint64_t bytes;

                (void) snprintf(name, sizeof name, "cpu0-%06u.raw", i);
                assert_compressed(name, i < 3);
                cr_assert_eq(segment_file_size(test_dir(), name, &bytes), 0);
                cr_assert_eq(bytes, (i < 3 ? 4 : 3) * SUBBUF_BYTES);
        }
        safe_close(fds[0]);
        safe_close(fds[1]);
}
