/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the unit tests share: a check for leaks behind each test, a folder of its own for a test that needs
 * files, and the captures in tests/data/samples. Criterion runs every test in a process of its own, so that
 * what is static here belongs to one test. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <lzma.h>
#include <sys/stat.h>

#include "util.h"

#ifdef __has_feature
#  if __has_feature(address_sanitizer)
#    define TEST_LEAKS 1
#  endif
#endif
#ifdef __SANITIZE_ADDRESS__
#  define TEST_LEAKS 1
#endif
#ifdef TEST_LEAKS
#  include <sanitizer/lsan_interface.h>
#endif

#define SAMPLE_MAX_BYTES (8 * MIB)

static char test_dir_path[4096];
static int test_dir_fd = -EBADF;

static inline int test_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

/* For .fini of a suite. Criterion ends its children without the check that a program does at exit, and would
 * take no notice of what it finds; a child that is killed here makes the whole run fail. */
static inline void test_done(void) {
        test_dir_fd = safe_close(test_dir_fd);
        if (*test_dir_path)
                (void) nftw(test_dir_path, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
#ifdef TEST_LEAKS
        if (__lsan_do_recoverable_leak_check() != 0)
                abort();
#endif
}

/* The test's folder, made by the first call; test_done() removes it with all that is in it. */
static inline int test_dir(void) {
        if (test_dir_fd < 0) {
                (void) snprintf(test_dir_path, sizeof test_dir_path, "%s/mmiotrace-test-XXXXXX",
                                getenv("TMPDIR") ?: "/tmp");
                cr_assert_not_null(mkdtemp(test_dir_path), "%s: %m", test_dir_path);
                test_dir_fd = open(test_dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                cr_assert_geq(test_dir_fd, 0, "%s: %m", test_dir_path);
        }
        return test_dir_fd;
}

/* Makes or replaces a file of the test's folder. */
static inline void test_file(const char *name, const void *data, size_t bytes) {
        _cleanup_close_ int fd = openat(test_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        cr_assert_geq(fd, 0, "%s: %m", name);
        cr_assert_eq(write_all(fd, data, bytes), 0, "%s: %m", name);
}

/* Reads a file of tests/data. */
static inline void test_data(const char *path, char **ret, size_t *ret_bytes) {
        _cleanup_close_ int fd = open(TEST_DATA_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        r = read_file_at(fd, path, SAMPLE_MAX_BYTES, ret, ret_bytes);
        cr_assert_eq(r, 0, TEST_DATA_DIR "/%s: %s", path, strerror(-r));
}

/* Reads and decompresses a file of tests/data. */
static inline void test_data_xz(const char *path, uint8_t **ret, size_t *ret_bytes) {
        _cleanup_free_ char *packed = NULL;
        uint64_t memory_bytes = UINT64_MAX;
        size_t bytes, in = 0, out = 0;

        test_data(path, &packed, &bytes);
        *ret = malloc(SAMPLE_MAX_BYTES);
        cr_assert_not_null(*ret);
        cr_assert_eq(lzma_stream_buffer_decode(&memory_bytes, 0, NULL, (uint8_t *) packed, &in, bytes, *ret,
                                     &out, SAMPLE_MAX_BYTES),
                        LZMA_OK, "%s", path);
        *ret_bytes = out;
}

/* The folder with the format files of a capture. The caller closes it. */
static inline int test_open_formats(const char *sample) {
        char path[4096];
        int fd;

        (void) snprintf(path, sizeof path, TEST_DATA_DIR "/samples/%s/formats", sample);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_geq(fd, 0, "%s: %m", path);
        return fd;
}
