/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Puts an archive together from the sealed log segments of a session's folder, as the seal worker does at its end, and
 * prints the microseconds that it took. */

#include <err.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>

#include "archive.h"

static int is_log_segment(const struct dirent *entry) {
        return fnmatch("mmiotrace-*.log.xz", entry->d_name, 0) == 0;
}

int main(int argc, char *argv[]) {
        static const char text[] = "A bench.\n";
        const ArchiveMember member = { "description.txt", text, sizeof text - 1 };
        _cleanup_strv_ char **segments = NULL;
        _cleanup_close_ int dir_fd = -EBADF, log_fd = -EBADF;
        uint64_t start_usec, bytes, log_bytes;
        struct dirent **entries;
        int n, r = 0;

        if (argc != 3)
                errx(EXIT_FAILURE, "usage: archive-bench LOG-FOLDER FOLDER");
        log_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        n = scandir(argv[1], &entries, is_log_segment, alphasort);
        if (log_fd < 0 || dir_fd < 0 || n < 1)
                errx(EXIT_FAILURE, "no folder, or no log segments in it");
        for (int i = 0; i < n && r >= 0; i++)
                r = strv_extend(&segments, entries[i]->d_name);
        start_usec = now_monotonic_usec();
        if (r >= 0)
                r = archive_write(dir_fd, "archive.tar.xz",
                                &(ArchiveRequest) {
                                        .members = &member,
                                        .n_members = 1,
                                        .log_fd = log_fd,
                                        .segments = segments,
                                        .level = 6,
                                },
                                &bytes, &log_bytes);
        if (r < 0)
                errx(EXIT_FAILURE, "cannot write the archive: %s", strerrordesc_np(-r));
        printf("%" PRIu64 "\n", now_monotonic_usec() - start_usec);
        return EXIT_SUCCESS;
}
