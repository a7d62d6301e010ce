/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The seal worker: turns the raw segments of the session in the current folder into the log, and the log with what is
 * known of machine and session into the archive. It reports to the daemon by KEY=VALUE lines on standard output, and
 * goes on behind the last complete segment of the log when it is run again: the raw segments go last. */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "archive.h"
#include "blind.h"
#include "json.h"
#include "log-writer.h"
#include "metadata.h"
#include "names.h"
#include "pcidev.h"
#include "report.h"
#include "summary.h"
#include "trace.h"

/* What a thread of level 6 needs for its dictionary, its tables and a block on either side is 165.1 MiB
 * (lzma_stream_encoder_mt_memusage()): with less there would be one thread fewer than CPUs. */
#define THREAD_MEMORY_BYTES (166 * MIB)
/* Three blocks of level 6 for each thread: all of them are busy until the segment's end, where they wait for the last. */
#define SEGMENT_THREAD_BYTES (72 * MIB)

#define SEAL_RESULT_FILE "seal.result"

/* How much of the work the decoding is; the archive is a copy. */
#define LOG_SHARE 0.95
#define PROGRESS_USEC (250 * USEC_PER_MSEC)

static uint64_t memory_max_bytes(void) {
        struct sysinfo info = {};
        uint64_t quarter = sysinfo(&info) < 0 ? THREAD_MEMORY_BYTES : (uint64_t) info.totalram * info.mem_unit / 4;

        return MIN(quarter, (uint64_t) get_nprocs() * THREAD_MEMORY_BYTES);
}

static int open_folder(const char *name) {
        int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* The raw segments, once they are in the archive. */
static int remove_files(int dir_fd, const char *suffix) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int fd;

        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -ENOMEM;
        }
        while ((entry = readdir(d))) {
                size_t l = strlen(entry->d_name);

                if (l < strlen(suffix) || !streq(entry->d_name + l - strlen(suffix), suffix))
                        continue;
                if (unlinkat(dir_fd, entry->d_name, 0) < 0)
                        return -errno;
        }
        return 0;
}

static int raw_size(int raw_fd, uint64_t *ret_bytes) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        uint64_t bytes = 0;
        int fd;

        fd = openat(raw_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -ENOMEM;
        }
        while ((entry = readdir(d))) {
                struct stat st;

                if (fstatat(raw_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISREG(st.st_mode))
                        bytes += (uint64_t) st.st_size;
        }
        *ret_bytes = bytes;
        return 0;
}

static int write_head(LogWriter *log) {
        _cleanup_free_ char *devices = NULL, *lines = NULL;
        int r;

        r = log_writer_text(log, TRACE_VERSION_LINE, strlen(TRACE_VERSION_LINE));
        if (r < 0)
                return r;
        r = read_file_at(AT_FDCWD, SESSION_METADATA_DIR "/" METADATA_PCI_DEVICES, 4 * MIB, &devices, NULL);
        if (r >= 0)
                r = pcidev_lines(devices, &lines);
        if (r < 0) {
                worker_send(stdout, "WARNING", "The log has no PCIDEV lines: the list of PCI devices was not saved.");
                return 0;
        }
        return log_writer_text(log, lines, strlen(lines));
}

static void add_warning(const char *text, void *userdata) {
        char ***warnings = userdata;

        if (strv_extend(warnings, text) >= 0)
                worker_send(stdout, "WARNING", "%s", text);
}

static int write_log(int raw_fd, const RingFormat *format, LogWriter *log, TraceTotals *ret, char ***warnings) {
        _cleanup_(blind_freep) Blind *blind = NULL;
        _cleanup_(trace_freep) Trace *trace = NULL;
        uint64_t size_bytes = 0, told_usec = 0;
        Record record;
        int r;

        r = raw_size(raw_fd, &size_bytes);
        if (r >= 0)
                r = trace_new(format, &trace);
        if (r >= 0)
                r = trace_add_folder(trace, raw_fd);
        if (r >= 0)
                r = blind_new(add_warning, warnings, &blind);
        if (r >= 0)
                r = write_head(log);
        if (r < 0)
                return r;
        for (uint64_t n = 0; (r = trace_next(trace, &record)) > 0; n++) {
                r = log_writer_record(log, &record);
                if (r >= 0)
                        r = blind_record(blind, &record);
                if (r < 0)
                        return r;
                if (n % 4096 == 0 && now_monotonic_usec() - told_usec > PROGRESS_USEC) {
                        told_usec = now_monotonic_usec();
                        worker_send(stdout, "PROGRESS", "%.3f",
                                        LOG_SHARE * (double) trace_totals(trace)->n_raw_bytes / (double) MAX(size_bytes, UINT64_C(1)));
                }
        }
        if (r < 0)
                return r;
        blind_finish(blind);
        *ret = *trace_totals(trace);
        return 0;
}

/* Those of the session, and those that only its log has shown. */
static int merge_warnings(struct json_object *session, char *const *warnings) {
        _cleanup_strv_ char **all = NULL;
        int r;

        r = json_get_strv(session, "warnings", &all);
        STRV_FOREACH(warning, warnings)
                if (r >= 0 && !strv_contains(all, *warning))
                        r = strv_extend(&all, *warning);
        return r < 0 ? r : json_add_strv(session, "warnings", all);
}

static int write_archive(int dir_fd, int log_fd, const TraceTotals *totals, uint64_t n_lost, char *const *segments,
        char *const *warnings, uint64_t *ret_bytes, uint64_t *ret_log_bytes) {
        _cleanup_free_ char *uname = NULL, *lspci = NULL, *metadata = NULL, *description = NULL;
        _cleanup_json_ struct json_object *session = NULL;
        _cleanup_free_ char *text = NULL;
        size_t uname_bytes, lspci_bytes;
        int r;

        r = read_file_at(AT_FDCWD, SESSION_FILE, 64 * MIB, &text, NULL);
        if (r < 0)
                return r;
        session = json_tokener_parse(text);
        if (!session)
                return -EBADMSG;
        r = merge_warnings(session, warnings);
        if (r >= 0)
                r = read_file_at(AT_FDCWD, SESSION_METADATA_DIR "/" METADATA_UNAME, 64 * KIB, &uname, &uname_bytes);
        if (r >= 0)
                r = read_file_at(AT_FDCWD, SESSION_METADATA_DIR "/" METADATA_LSPCI, 16 * MIB, &lspci, &lspci_bytes);
        if (r >= 0)
                r = summary_metadata(session, totals, n_lost, uname, &metadata);
        if (r >= 0)
                r = summary_description(session, totals, n_lost, uname, &description);
        if (r < 0)
                return r;

        const ArchiveMember members[] = {
                { "description.txt", description, strlen(description) },
                { "metadata.json", metadata, strlen(metadata) },
                { "uname.txt", uname, uname_bytes },
                { "lspci.txt", lspci, lspci_bytes },
        };
        return archive_write(dir_fd, SESSION_ARCHIVE, members, ELEMENTS(members), log_fd, segments,
                        json_get_u64(session, "start_realtime_usec") / USEC_PER_SEC, ret_bytes, ret_log_bytes);
}

/* What the kernel counted as lost when the recording ended, which the session's file holds since then. */
static uint64_t kernel_lost(void) {
        _cleanup_json_ struct json_object *session = NULL;
        _cleanup_free_ char *text = NULL;

        if (read_file_at(AT_FDCWD, SESSION_FILE, 64 * MIB, &text, NULL) < 0)
                return 0;
        session = json_tokener_parse(text);
        return session ? json_get_u64(session, "lost_events") : 0;
}

typedef struct Result {
        const TraceTotals *totals;
        uint64_t n_lost, segments_bytes, archive_bytes;
} Result;

/* The result is on disk before the raw segments go: from then on the work is never done again, as it could not be. */
static int save_result(int dir_fd, const Result *result) {
        const TraceTotals *t = result->totals;
        _cleanup_free_ char *text = NULL;
        size_t bytes = 0;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        worker_send(f, "EVENTS", "%" PRIu64, t->n_events);
        worker_send(f, "READS", "%" PRIu64, t->n_by_type[RECORD_READ]);
        worker_send(f, "WRITES", "%" PRIu64, t->n_by_type[RECORD_WRITE]);
        worker_send(f, "UNKNOWN", "%" PRIu64, t->n_by_type[RECORD_UNKNOWN]);
        worker_send(f, "MAPS", "%" PRIu64, t->n_by_type[RECORD_MAP]);
        worker_send(f, "LOST", "%" PRIu64, result->n_lost);
        worker_send(f, "LOG_BYTES", "%" PRIu64, result->segments_bytes);
        worker_send(f, "ARCHIVE_BYTES", "%" PRIu64, result->archive_bytes);
        if (t->n_torn_pages > 0)
                worker_send(f, "WARNING", "%" PRIu64 " pages of the ring buffer were torn; what could be read of them is kept.",
                                t->n_torn_pages);
        if (fclose(f) != 0)
                return -ENOMEM;
        return write_file_atomic_at(dir_fd, SEAL_RESULT_FILE, text, bytes);
}

static int finish(int raw_fd) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(AT_FDCWD, SEAL_RESULT_FILE, 1 * MIB, &text, NULL);
        if (r < 0)
                return r;
        fputs(text, stdout);
        worker_send(stdout, "PROGRESS", "1");
        r = remove_files(raw_fd, ".raw");
        if (r >= 0)
                r = remove_files(raw_fd, ".loss");
        if (r < 0)
                worker_send(stdout, "WARNING", "The raw segments could not be removed: %s", strerrordesc_np(-r));
        return 0;
}

static int seal(unsigned level, Error *error) {
        _cleanup_close_ int raw_fd = open_folder(SESSION_RAW_DIR), log_fd = open_folder(SESSION_LOG_DIR),
                        formats_fd = open_folder(SESSION_FORMATS_DIR), dir_fd = open_folder(".");
        _cleanup_(log_writer_freep) LogWriter *log = NULL;
        uint64_t segments_bytes, archive_bytes, log_bytes, n_lost;
        _cleanup_strv_ char **segments = NULL, **warnings = NULL;
        TraceTotals totals;
        RingFormat format;
        int r;

        if (raw_fd < 0 || log_fd < 0 || formats_fd < 0 || dir_fd < 0)
                return error_set(error, ERROR_FAILED, "The session's folder is not complete.");
        if (faccessat(dir_fd, SEAL_RESULT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return finish(raw_fd);
        r = ring_format_load(formats_fd, &format);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The formats of the kernel's events were not saved or are not understood");
        r = log_writer_new(log_fd, &(LogWriterOptions) {
                                .level = level,
                                .threads = 0,
                                .memory_max_bytes = memory_max_bytes(),
                                .segment_max_bytes = (uint64_t) get_nprocs() * SEGMENT_THREAD_BYTES,
                        }, &log);
        if (r >= 0)
                r = write_log(raw_fd, &format, log, &totals, &warnings);
        if (r >= 0)
                r = log_writer_finish(log, &segments, &segments_bytes);
        if (r < 0)
                return error_set_errno(error, r == -ENOSPC ? ERROR_NO_SPACE : ERROR_FAILED, r, "Cannot write the log");

        n_lost = MAX(totals.n_lost, kernel_lost());
        r = write_archive(dir_fd, log_fd, &totals, n_lost, segments, warnings, &archive_bytes, &log_bytes);
        if (r < 0)
                return error_set_errno(error, r == -ENOSPC ? ERROR_NO_SPACE : ERROR_FAILED, r, "Cannot write the archive");

        r = save_result(dir_fd, &(Result) { &totals, n_lost, segments_bytes, archive_bytes });
        if (r < 0)
                return error_set_errno(error, r == -ENOSPC ? ERROR_NO_SPACE : ERROR_FAILED, r, "Cannot save the result");
        return finish(raw_fd);
}

int main(int argc, char *argv[]) {
        _cleanup_error_ Error error = {};
        uint64_t level;
        int r;

        if (argc != 2 || parse_u64(argv[1], &level) < 0 || level > 9) {
                fputs("This program seals the session in the current folder for mmiotraced.\n"
                      "Its one argument is the level of compression, 0 to 9.\n", stderr);
                return EXIT_FAILURE;
        }
        umask(0077);
        r = worker_send_result(stdout, seal((unsigned) level, &error), &error);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
