/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The seal worker: turns the raw segments of the session in the current folder into the log, and the log with what is
 * known of machine and session into the archive. It reports to the daemon by KEY=VALUE lines on standard output, and
 * is safe to be run again from the start: the raw segments go last. */

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

#define SEGMENT_MAX_BYTES (128 * MIB)
/* xz -6 takes 94 MiB a thread for its dictionary and tables, and its blocks. */
#define THREAD_MEMORY_BYTES (160 * MIB)

/* How much of the work the decoding is; the archive is a copy, unless raw segments go into it: these are compressed as
 * well, and are larger than the log, if easier. */
#define LOG_SHARE 0.95
#define LOG_SHARE_WITH_RAW 0.6
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

typedef struct Folders {
        int dir_fd, raw_fd, formats_fd, log_fd;
} Folders;

static void folders_done(Folders *f) {
        safe_close(f->dir_fd);
        safe_close(f->raw_fd);
        safe_close(f->formats_fd);
        safe_close(f->log_fd);
}

/* What an earlier run left half-done, or the raw segments once they are in the archive. */
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

static int remove_raw(const Folders *folders) {
        static const char *const suffixes[] = { ".raw", ".loss", RAW_KALLSYMS, RAW_MODULES };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(suffixes) && r >= 0; i++)
                r = remove_files(folders->raw_fd, suffixes[i]);
        return r;
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

typedef struct Progress {
        double log_share;
        uint64_t told_usec;
} Progress;

static void tell_progress(Progress *p, double done) {
        if (now_monotonic_usec() - p->told_usec <= PROGRESS_USEC)
                return;
        p->told_usec = now_monotonic_usec();
        worker_send(stdout, "PROGRESS", "%.3f", done);
}

static void on_archive_progress(uint64_t done_bytes, uint64_t all_bytes, void *userdata) {
        Progress *p = userdata;

        tell_progress(p, p->log_share + (1 - p->log_share) * (double) done_bytes / (double) MAX(all_bytes, UINT64_C(1)));
}

static int write_log(int raw_fd, const RingFormat *format, LogWriter *log, Progress *progress, TraceTotals *ret,
        char ***warnings) {
        _cleanup_(blind_freep) Blind *blind = NULL;
        _cleanup_(trace_freep) Trace *trace = NULL;
        uint64_t size_bytes = 0;
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
                if (n % 4096 == 0)
                        tell_progress(progress, progress->log_share * (double) trace_totals(trace)->n_raw_bytes /
                                        (double) MAX(size_bytes, UINT64_C(1)));
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

/* The files that are kept in the archive as they are, below raw/. */
typedef struct RawFiles {
        ArchiveFile *files;
        size_t n_files;
} RawFiles;

static void raw_files_done(RawFiles *l) {
        for (size_t i = 0; i < l->n_files; i++) {
                free(l->files[i].name);
                free(l->files[i].path);
        }
        free(l->files);
}

static int add_raw_file(RawFiles *l, int dir_fd, const char *path, const char *name) {
        ArchiveFile *grown = reallocarray(l->files, l->n_files + 1, sizeof(ArchiveFile)), *f;

        if (!grown)
                return -ENOMEM;
        l->files = grown;
        f = grown + l->n_files;
        *f = (ArchiveFile) { .dir_fd = dir_fd, .path = strdup(path) };
        if (asprintf(&f->name, SESSION_RAW_DIR "/%s", name) < 0)
                f->name = NULL;
        l->n_files++;
        return f->path && f->name ? 0 : -ENOMEM;
}

static int add_raw_file_if_there(RawFiles *l, int dir_fd, const char *path, const char *name) {
        return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : add_raw_file(l, dir_fd, path, name);
}

static int is_segment(const struct dirent *entry) {
        const char *end = strrchr(entry->d_name, '.');

        return startswith(entry->d_name, "cpu") && end && (streq(end, ".raw") || streq(end, ".loss"));
}

/* First what is needed to read the segments, so that nobody has to unpack them to get at it. */
static int find_raw_files(const Folders *folders, RawFiles *l) {
        struct dirent **entries = NULL;
        int r = 0, n;

        for (size_t i = 0; i < n_ring_format_files && r >= 0; i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "formats/%s", ring_format_files[i].name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = add_raw_file_if_there(l, folders->raw_fd, path, path);
        }
        if (r >= 0)
                r = add_raw_file_if_there(l, folders->dir_fd, SESSION_METADATA_DIR "/" METADATA_PCI_DEVICES,
                                METADATA_PCI_DEVICES);
        if (r >= 0)
                r = add_raw_file_if_there(l, folders->raw_fd, RAW_KALLSYMS, RAW_KALLSYMS);
        if (r >= 0)
                r = add_raw_file_if_there(l, folders->raw_fd, RAW_MODULES, RAW_MODULES);
        if (r < 0)
                return r;
        /* In the order of names, which is that of time, and not that of the file system. */
        n = scandirat(folders->raw_fd, ".", &entries, is_segment, alphasort);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = add_raw_file(l, folders->raw_fd, entries[i]->d_name, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int write_archive(const Folders *folders, unsigned level, struct json_object *session, const TraceTotals *totals,
        uint64_t n_lost, char *const *segments, char *const *warnings, Progress *progress, uint64_t *ret_bytes,
        uint64_t *ret_log_bytes) {
        _cleanup_free_ char *uname = NULL, *lspci = NULL, *metadata = NULL, *description = NULL;
        _cleanup_(raw_files_done) RawFiles raw = {};
        size_t uname_bytes, lspci_bytes;
        int r;

        r = merge_warnings(session, warnings);
        if (r >= 0)
                r = read_file_at(AT_FDCWD, SESSION_METADATA_DIR "/" METADATA_UNAME, 64 * KIB, &uname, &uname_bytes);
        if (r >= 0)
                r = read_file_at(AT_FDCWD, SESSION_METADATA_DIR "/" METADATA_LSPCI, 16 * MIB, &lspci, &lspci_bytes);
        if (r >= 0)
                r = summary_metadata(session, totals, n_lost, uname, &metadata);
        if (r >= 0)
                r = summary_description(session, totals, n_lost, uname, &description);
        if (r >= 0 && json_get_bool(session, "keep_raw"))
                r = find_raw_files(folders, &raw);
        if (r < 0)
                return r;

        const ArchiveMember members[] = {
                { "description.txt", description, strlen(description) },
                { "metadata.json", metadata, strlen(metadata) },
                { "uname.txt", uname, uname_bytes },
                { "lspci.txt", lspci, lspci_bytes },
        };
        return archive_write(folders->dir_fd, SESSION_ARCHIVE,
                        &(ArchiveRequest) {
                                .members = members,
                                .n_members = ELEMENTS(members),
                                .log_fd = folders->log_fd,
                                .segments = segments,
                                .files = raw.files,
                                .n_files = raw.n_files,
                                .level = level,
                                .memory_max_bytes = memory_max_bytes(),
                                .mtime_sec = json_get_u64(session, "start_realtime_usec") / USEC_PER_SEC,
                                .progress = on_archive_progress,
                                .userdata = progress,
                        },
                        ret_bytes, ret_log_bytes);
}

static int load_session(struct json_object **ret) {
        _cleanup_free_ char *text = NULL;
        struct json_object *session;
        int r;

        r = read_file_at(AT_FDCWD, SESSION_FILE, 64 * MIB, &text, NULL);
        if (r < 0)
                return r;
        session = json_tokener_parse(text);
        if (!session)
                return -EBADMSG;
        *ret = session;
        return 0;
}

static int seal(unsigned level, Error *error) {
        _cleanup_(folders_done) Folders folders = {
                .dir_fd = open_folder("."),
                .raw_fd = open_folder(SESSION_RAW_DIR),
                .formats_fd = open_folder(SESSION_FORMATS_DIR),
                .log_fd = open_folder(SESSION_LOG_DIR),
        };
        _cleanup_json_ struct json_object *session = NULL;
        _cleanup_(log_writer_freep) LogWriter *log = NULL;
        uint64_t segments_bytes, archive_bytes, log_bytes, n_lost;
        _cleanup_strv_ char **segments = NULL, **warnings = NULL;
        Progress progress = {};
        TraceTotals totals;
        RingFormat format;
        int r;

        if (folders.dir_fd < 0 || folders.raw_fd < 0 || folders.formats_fd < 0 || folders.log_fd < 0)
                return error_set(error, ERROR_FAILED, "The session's folder is not complete.");
        r = load_session(&session);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The session's file " SESSION_FILE " cannot be read");
        progress.log_share = json_get_bool(session, "keep_raw") ? LOG_SHARE_WITH_RAW : LOG_SHARE;
        r = ring_format_load(folders.formats_fd, &format);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The formats of the kernel's events were not saved or are not understood");
        r = remove_files(folders.log_fd, ".log.xz");
        if (r >= 0)
                r = log_writer_new(folders.log_fd, &(LogWriterOptions) {
                                .level = level,
                                .threads = 0,
                                .memory_max_bytes = memory_max_bytes(),
                                .segment_max_bytes = SEGMENT_MAX_BYTES,
                        }, &log);
        if (r >= 0)
                r = write_log(folders.raw_fd, &format, log, &progress, &totals, &warnings);
        if (r >= 0)
                r = log_writer_finish(log, &segments, &segments_bytes);
        if (r < 0)
                return error_set_errno(error, r == -ENOSPC ? ERROR_NO_SPACE : ERROR_FAILED, r, "Cannot write the log");

        /* The file holds what the kernel had counted as lost when the recording ended. */
        n_lost = MAX(totals.n_lost, json_get_u64(session, "lost_events"));
        if (n_lost > 0 && json_get_bool(session, "stacks"))
                add_warning("To the kernel a call stack is an event: of those counted as lost, about half were accesses.",
                                &warnings);
        r = write_archive(&folders, level, session, &totals, n_lost, segments, warnings, &progress, &archive_bytes, &log_bytes);
        if (r < 0)
                return error_set_errno(error, r == -ENOSPC ? ERROR_NO_SPACE : ERROR_FAILED, r, "Cannot write the archive");

        worker_send(stdout, "EVENTS", "%" PRIu64, totals.n_events);
        worker_send(stdout, "READS", "%" PRIu64, totals.n_by_type[RECORD_READ]);
        worker_send(stdout, "WRITES", "%" PRIu64, totals.n_by_type[RECORD_WRITE]);
        worker_send(stdout, "UNKNOWN", "%" PRIu64, totals.n_by_type[RECORD_UNKNOWN]);
        worker_send(stdout, "MAPS", "%" PRIu64, totals.n_by_type[RECORD_MAP]);
        worker_send(stdout, "LOST", "%" PRIu64, n_lost);
        worker_send(stdout, "LOG_BYTES", "%" PRIu64, segments_bytes);
        worker_send(stdout, "ARCHIVE_BYTES", "%" PRIu64, archive_bytes);
        if (totals.n_torn_pages > 0)
                worker_send(stdout, "WARNING", "%" PRIu64 " pages of the ring buffer were torn; what could be read of them is kept.",
                                totals.n_torn_pages);
        worker_send(stdout, "PROGRESS", "1");

        r = remove_raw(&folders);
        if (r < 0)
                worker_send(stdout, "WARNING", "The raw segments could not be removed: %s", strerrordesc_np(-r));
        return 0;
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
