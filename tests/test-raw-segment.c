/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "raw-segment.h"
#include "small-disk.h"

#define SUBBUF_BYTES 4096

typedef struct Rig {
        int raw_fd, fds[2];
        RawSegment *segment;
} Rig;

static void rig_open(Rig *rig, uint64_t segment_bytes) {
        if (rig->segment)
                rig->segment = raw_segment_free(rig->segment);
        cr_assert_eq(raw_segment_open(rig->raw_fd, 0, SUBBUF_BYTES, segment_bytes, rig->fds[0], &rig->segment), 0);
}

static void rig_make(Rig *rig, uint64_t segment_bytes, uint64_t disk_bytes, unsigned n_inodes) {
        *rig = (Rig) {};
        (void) test_dir();
        if (disk_bytes > 0)
                small_disk_mount(test_dir_path, disk_bytes, n_inodes);
        rig->raw_fd = open(test_dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert(rig->raw_fd >= 0 && pipe2(rig->fds, O_CLOEXEC) >= 0);
        rig_open(rig, segment_bytes);
}

static void rig_done(Rig *rig) {
        raw_segment_free(rig->segment);
        safe_close(rig->raw_fd);
        safe_close(rig->fds[0]);
        safe_close(rig->fds[1]);
        (void) umount2(test_dir_path, MNT_DETACH);
        test_done();
}

static int put_pages(Rig *rig, char c, size_t n) {
        char page[SUBBUF_BYTES];

        memset(page, c, sizeof page);
        for (size_t i = 0; i < n; i++)
                cr_assert_eq(write_all(rig->fds[1], page, sizeof page), 0);
        return raw_segment_take_pipe(rig->segment, rig->fds[0]);
}

static void assert_file(const Rig *rig, const char *name, const char *pages) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;

        cr_assert_eq(read_file_at(rig->raw_fd, name, MIB, &text, &bytes), 0, "%s", name);
        cr_assert_eq(bytes, strlen(pages) * SUBBUF_BYTES, "%s: %zu", name, bytes);
        for (size_t i = 0; i < bytes; i++)
                cr_assert_eq(text[i], pages[i / SUBBUF_BYTES]);
}

static void assert_text(const Rig *rig, const char *name, const char *expected) {
        _cleanup_free_ char *text = NULL;

        cr_assert_eq(read_file_at(rig->raw_fd, name, MIB, &text, NULL), 0);
        cr_assert_str_eq(text, expected);
}

Test(raw_segment, rotates) {
        Rig rig;

        rig_make(&rig, 2 * SUBBUF_BYTES, 0, 0);
        cr_assert_eq(put_pages(&rig, 'a', 1), 0);
        cr_assert_eq(put_pages(&rig, 'b', 1), 0);
        cr_assert_eq(put_pages(&rig, 'c', 1), 0);
        assert_file(&rig, "cpu0-000000.raw", "ab");
        assert_file(&rig, "cpu0-000001.raw", "c");
        cr_assert_eq(raw_segment_total_bytes(rig.segment), 3 * SUBBUF_BYTES);
        rig_done(&rig);
}

/* Three files and the folder are all that the disk takes: the segment goes on until the next one can begin. */
Test(raw_segment, no_room_for_the_next) {
        Rig rig;

        rig_make(&rig, 2 * SUBBUF_BYTES, MIB, 4);
        small_disk_fill(rig.raw_fd, "filler", MIB / 2);
        cr_assert_eq(put_pages(&rig, 'a', 2), 0);
        cr_assert_eq(put_pages(&rig, 'b', 1), 0);
        assert_file(&rig, "cpu0-000000.raw", "aab");
        cr_assert_lt(faccessat(rig.raw_fd, "cpu0-000001.raw", F_OK, 0), 0);
        cr_assert_eq(unlinkat(rig.raw_fd, "filler", 0), 0);
        cr_assert_eq(put_pages(&rig, 'c', 1), 0);
        cr_assert_eq(put_pages(&rig, 'd', 1), 0);
        assert_file(&rig, "cpu0-000000.raw", "aabc");
        assert_file(&rig, "cpu0-000001.raw", "d");
        rig_done(&rig);
}

/* What the disk has not taken is still in the pipe, and comes behind it later. */
Test(raw_segment, full_disk) {
        Rig rig;

        rig_make(&rig, MIB, 256 * KIB, 16);
        small_disk_fill(rig.raw_fd, "filler", 2 * SUBBUF_BYTES);
        cr_assert_eq(put_pages(&rig, 'a', 3), -ENOSPC);
        cr_assert_eq(raw_segment_total_bytes(rig.segment), 2 * SUBBUF_BYTES);
        cr_assert_eq(put_pages(&rig, 'b', 1), -ENOSPC);
        cr_assert_eq(unlinkat(rig.raw_fd, "filler", 0), 0);
        cr_assert_eq(put_pages(&rig, 'c', 1), 0);
        assert_file(&rig, "cpu0-000000.raw", "aaabc");
        rig_done(&rig);
}

Test(raw_segment, loss_is_whole_or_not_there) {
        _cleanup_free_ char *text = calloc(1, 3 * SUBBUF_BYTES);
        static const char expected[] = "0 4096 5 7\n";
        char *p = text;
        Rig rig;

        rig_make(&rig, MIB, 256 * KIB, 16);
        cr_assert_eq(put_pages(&rig, 'a', 1), 0);
        /* All but some bytes of its first page. */
        while (p - text < SUBBUF_BYTES - 16)
                p = stpcpy(p, "0 0 0 0\n");
        cr_assert_eq(p - text, SUBBUF_BYTES - 16);
        {
                _cleanup_close_ int fd = openat(rig.raw_fd, "cpu0.loss", O_WRONLY | O_APPEND | O_CLOEXEC);

                cr_assert_eq(write_all(fd, text, (size_t) (p - text)), 0);
                cr_assert_eq(write_all(fd, "0 0 0 0\n", 8), 0);
        }
        p = stpcpy(p, "0 0 0 0\n");
        small_disk_fill(rig.raw_fd, "filler", 0);
        cr_assert_eq(raw_segment_note_loss(rig.segment, 5, 7), -ENOSPC);
        assert_text(&rig, "cpu0.loss", text);
        /* Told once there is room. */
        cr_assert_eq(unlinkat(rig.raw_fd, "filler", 0), 0);
        cr_assert_eq(raw_segment_note_loss(rig.segment, 5, 7), 0);
        (void) stpcpy(p, expected);
        assert_text(&rig, "cpu0.loss", text);
        rig_done(&rig);
}

/* Half a line of an earlier drain is no part of the next one. */
Test(raw_segment, half_a_line_of_loss) {
        Rig rig;

        rig_make(&rig, MIB, 0, 0);
        test_file("cpu0.loss", "0 0 1 2\n0 4096 3 4\n0 81", 23);
        rig_open(&rig, MIB);
        assert_text(&rig, "cpu0.loss", "0 0 1 2\n0 4096 3 4\n");
        cr_assert_eq(raw_segment_note_loss(rig.segment, 3, 4), 0);
        cr_assert_eq(raw_segment_note_loss(rig.segment, 3, 5), 0);
        assert_text(&rig, "cpu0.loss", "0 0 1 2\n0 4096 3 4\n0 0 3 5\n");
        rig_done(&rig);
}
