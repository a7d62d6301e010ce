/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/statvfs.h>

#include "storage.h"
#include "test-util.h"

#define GIB (1024 * MIB)

TestSuite(storage, .fini = test_done);

static void assert_size(const char *s, unsigned percent, uint64_t bytes) {
        StorageSize size;

        cr_assert_eq(storage_size_parse(s, &size), 0, "%s", s);
        cr_assert(size.set);
        cr_assert_eq(size.percent, percent, "%s", s);
        cr_assert_eq(size.bytes, bytes, "%s", s);
}

Test(storage, size) {
        static const char *const bad[] = {
                "", "%", "0%", "101%", "1000%", "-1%", "10 %", "1.5%", "10%%", "much", "-1", "64X", "Infinity",
        };
        StorageSize size;

        assert_size("0", 0, 0);
        assert_size("64M", 0, 64 * MIB);
        assert_size("4G", 0, 4 * GIB);
        assert_size("1%", 1, 0);
        assert_size("100%", 100, 0);
        assert_size("infinity", 0, STORAGE_UNLIMITED);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                cr_assert_lt(storage_size_parse(bad[i], &size), 0, "%s", bad[i]);
}

static StorageSettings settings(const char *max_use, const char *keep_free, const char *max_session) {
        StorageSettings s = {};

        cr_assert(!max_use || storage_size_parse(max_use, &s.max_use) == 0);
        cr_assert(!keep_free || storage_size_parse(keep_free, &s.keep_free) == 0);
        cr_assert(!max_session || storage_size_parse(max_session, &s.max_session) == 0);
        return s;
}

static void assert_limits(StorageSettings s, uint64_t total_bytes, uint64_t max_use_bytes, uint64_t keep_free_bytes,
                uint64_t max_session_bytes) {
        StorageLimits limits;

        storage_limits(&s, total_bytes, &limits);
        cr_assert_eq(limits.max_use_bytes, max_use_bytes);
        cr_assert_eq(limits.keep_free_bytes, keep_free_bytes);
        cr_assert_eq(limits.max_session_bytes, max_session_bytes);
}

Test(storage, limits) {
        const uint64_t none = STORAGE_UNLIMITED;

        /* A small, a common and a large disk. */
        assert_limits(settings(NULL, NULL, NULL), 1000 * MIB, GIB, 150 * MIB, none);
        assert_limits(settings(NULL, NULL, NULL), 20 * GIB, 2 * GIB, 3 * GIB, none);
        assert_limits(settings(NULL, NULL, NULL), 4000 * GIB, 20 * GIB, 4 * GIB, none);
        /* What was set is not capped. */
        assert_limits(settings("10%", "15%", "1%"), 4000 * GIB, 400 * GIB, 600 * GIB, 40 * GIB);
        assert_limits(settings("10%", "15%", "1%"), 1000 * MIB, 100 * MIB, 150 * MIB, 10 * MIB);
        assert_limits(settings("7M", "0", "3M"), 4000 * GIB, 7 * MIB, 0, 3 * MIB);
        assert_limits(settings("infinity", NULL, "infinity"), 20 * GIB, none, 3 * GIB, none);
        /* No overflow, and no rounding to nothing. */
        assert_limits(settings("100%", "100%", "50%"), UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX / 2);
        assert_limits(settings("10%", "1%", "50%"), 250, 25, 2, 125);
}

Test(storage, room) {
        const StorageLimits limits = { 10 * GIB, 4 * GIB, STORAGE_UNLIMITED };

        cr_assert_eq(storage_room_bytes(&(StorageSpace) { 100 * GIB, 90 * GIB, 3 * GIB }, &limits), 7 * GIB);
        cr_assert_eq(storage_room_bytes(&(StorageSpace) { 100 * GIB, 5 * GIB, 3 * GIB }, &limits), GIB);
        cr_assert_eq(storage_room_bytes(&(StorageSpace) { 100 * GIB, 90 * GIB, 10 * GIB }, &limits), 0);
        cr_assert_eq(storage_room_bytes(&(StorageSpace) { 100 * GIB, 90 * GIB, 12 * GIB }, &limits), 0);
        cr_assert_eq(storage_room_bytes(&(StorageSpace) { 100 * GIB, 3 * GIB, 0 }, &limits), 0);
}

static void assert_refused(StorageSpace space, uint64_t wanted_bytes, const char *removable, const char *text) {
        const StorageLimits limits = { 10 * GIB, 4 * GIB, STORAGE_UNLIMITED };
        _cleanup_error_ Error error = {};

        cr_assert_eq(storage_check_room(&space, &limits, wanted_bytes, removable, &error), -ENOSPC);
        cr_assert_eq(error.code, ERROR_NO_SPACE);
        cr_assert(strstr(error.text, text), "%s", error.text);
}

Test(storage, check_room) {
        const StorageLimits limits = { 10 * GIB, 4 * GIB, STORAGE_UNLIMITED };

        cr_assert_eq(storage_check_room(&(StorageSpace) { 100 * GIB, 90 * GIB, 9 * GIB }, &limits, GIB, NULL, NULL), 0);
        assert_refused((StorageSpace) { 100 * GIB, 90 * GIB, 9 * GIB + 1 }, GIB, NULL,
                        "room for 1024.0M of the 1.0G that a session needs: all of them together may take 10.0G of the disk "
                        "(MaxUse= in mmiotraced.conf), and take 9.0G; raise that.");
        assert_refused((StorageSpace) { 100 * GIB, 90 * GIB, 9 * GIB + 1 }, GIB, "3 (1.0M)",
                        "raise that, or remove some by \"mmiotracectl remove ID\": 3 (1.0M).");
        assert_refused((StorageSpace) { 100 * GIB, 3 * GIB, 9 * GIB }, GIB, "",
                        "room for 0B of the 1.0G that a session needs: 4.0G of the disk have to stay free (KeepFree= in "
                        "mmiotraced.conf), and 3.0G are; make room on it.");
        assert_refused((StorageSpace) { 100 * GIB, 3 * GIB, 9 * GIB }, GIB, "3 (1.0M)",
                        "make room on it, by \"mmiotracectl remove ID\" also: 3 (1.0M).");
}

Test(storage, look) {
        uint64_t bytes, before_bytes;
        StorageSpace space;
        int fd = test_dir();

        cr_assert_eq(storage_tree_bytes(fd, ".", &before_bytes), 0);
        cr_assert_eq(mkdirat(fd, "deep", 0700), 0);
        test_file("deep/file", NULL, 0);
        cr_assert_eq(truncate(strcat(strcpy((char[4200]) {}, test_dir_path), "/deep/file"), 1 << 20), 0);
        cr_assert_eq(symlinkat("/", fd, "link"), 0);
        cr_assert_eq(storage_tree_bytes(fd, ".", &bytes), 0);
        cr_assert_lt(bytes, before_bytes + 64 * KIB, "A hole and a link were counted.");

        test_file("deep/file", strcpy((char[256 * KIB]) {}, "x"), 256 * KIB);
        cr_assert_eq(storage_tree_bytes(fd, ".", &bytes), 0);
        cr_assert_geq(bytes, before_bytes + 256 * KIB);
        cr_assert_eq(storage_tree_bytes(fd, "nothing", &bytes), 0);
        cr_assert_eq(bytes, 0);

        cr_assert_eq(storage_look(fd, &space), 0);
        cr_assert_geq(space.used_bytes, 256 * KIB);
        cr_assert_geq(space.total_bytes, space.free_bytes);
        cr_assert_gt(space.free_bytes, 0);
}

Test(storage, segment) {
        const StorageSettings unlimited = settings("infinity", "0", NULL), small = settings("64M", "0", NULL),
                none = settings("infinity", "infinity", NULL);
        struct statvfs st;

        cr_assert_eq(fstatvfs(test_dir(), &st), 0);
        cr_assert_leq(storage_segment_bytes(test_dir(), &unlimited), 64 * MIB);
        if (st.f_bavail * st.f_frsize > 128 * MIB)
                cr_assert_eq(storage_segment_bytes(test_dir(), &small), 2 * MIB);
        cr_assert_eq(storage_segment_bytes(test_dir(), &none), 1 * MIB);
        cr_assert_eq(storage_segment_bytes(-EBADF, &unlimited), 1 * MIB);
}
