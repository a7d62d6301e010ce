/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The seal worker: turns the segments of the session in the current folder, of pages or of text, into the log, and the
 * log with what is known of machine and session into the archive. It reports to the daemon by KEY=VALUE lines on
 * standard output, and goes on behind the last complete segment of the log when it is run again: what was captured goes
 * last. */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "archive.h"
#include "archive-name.h"
#include "blind.h"
#include "describe.h"
#include "device-events.h"
#include "json.h"
#include "log-hash.h"
#include "log-writer.h"
#include "members.h"
#include "metadata.h"
#include "names.h"
#include "pcidev.h"
#include "printed.h"
#include "privacy.h"
#include "raw-files.h"
#include "report.h"
#include "reserve.h"
#include "segment-file.h"
#include "summary.h"
#include "text-trace.h"
#include "trace.h"

/* What a thread of level 6 needs for its dictionary, its tables and a block on either side is 83 MiB
 * (lzma_stream_encoder_mt_memusage() with XZ_TRACE_DICTIONARY_BYTES): with less there would be one thread fewer than
 * CPUs. */
#define THREAD_MEMORY_BYTES (100 * MIB)
/* Three blocks for each thread: all of them are busy until the segment's end, where they wait for the last. */
#define SEGMENT_THREAD_BYTES (36 * MIB)

#define SEAL_RESULT_FILE "seal.result"

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
        int dir_fd, raw_fd, formats_fd, log_fd, metadata_fd;
} Folders;

static void folders_done(Folders *f) {
        safe_close(f->dir_fd);
        safe_close(f->raw_fd);
        safe_close(f->formats_fd);
        safe_close(f->log_fd);
        safe_close(f->metadata_fd);
}

/* The raw segments, once they are in the archive. */
static int remove_files(int dir_fd, const char *suffix) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        int r;

        r = dir_open_at(dir_fd, ".", &d);
        if (r < 0)
                return r;
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
        static const char *const suffixes[] = {
                ".raw", ".raw" SEGMENT_FILE_SUFFIX, ".kept" SEGMENT_FILE_SUFFIX, ".log", ".log" SEGMENT_FILE_SUFFIX, ".loss", RAW_KALLSYMS, RAW_MODULES,
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(suffixes) && r >= 0; i++)
                r = remove_files(folders->raw_fd, suffixes[i]);
        return r;
}

/* What there is to read. Of what is damaged, as much is read as is there, and only the progress is wrong. */
static int raw_size(int raw_fd, uint64_t *ret_bytes) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *entry;
        uint64_t bytes = 0;
        int r;

        r = dir_open_at(raw_fd, ".", &d);
        if (r < 0)
                return r;
        while ((entry = readdir(d))) {
                struct stat st;
                uint64_t held;

                if (raw_file_is_compressed(entry->d_name)) {
                        if (raw_file_held_bytes(raw_fd, entry->d_name, &held) > 0)
                                bytes += held;
                } else if (fstatat(raw_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISREG(st.st_mode))
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

/* The session's trace, whichever source it came from. */
typedef struct Reader {
        Trace *trace;
        TextTrace *text;
} Reader;

static void reader_done(Reader *reader) {
        trace_free(reader->trace);
        text_trace_free(reader->text);
}

static int reader_open(bool text, int raw_fd, Reader *ret, Error *error) {
        _cleanup_close_ int formats_fd = -EBADF;
        RingFormat format;
        int r;

        if (text)
                return text_trace_new(raw_fd, false, &ret->text);
        formats_fd = open_folder(SESSION_FORMATS_DIR);
        r = formats_fd < 0 ? formats_fd : ring_format_load(formats_fd, &format);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The formats of the kernel's events were not saved or are not understood");
        r = trace_new(&format, &ret->trace);
        return r < 0 ? r : trace_add_folder(ret->trace, raw_fd);
}

static int reader_next(Reader *reader, Record *ret) {
        return reader->text ? text_trace_next(reader->text, ret) : trace_next(reader->trace, ret);
}

static const TraceTotals *reader_totals(const Reader *reader) {
        return reader->text ? text_trace_totals(reader->text) : trace_totals(reader->trace);
}

/* Only text has them. */
static int warn_of_others(const TraceTotals *totals, char ***warnings) {
        _cleanup_free_ char *text = NULL;

        if (totals->n_by_type[RECORD_OTHER] == 0)
                return 0;
        if (asprintf(&text,
                            "%" PRIu64 " lines that the kernel printed are no records, such as the later lines of a mark that "
                            "another program wrote; the log has them as they are.", totals->n_by_type[RECORD_OTHER]) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        add_warning(text, warnings);
        return 0;
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

/* What the kernel has printed of the ring, for each place where that may have been kept. */
static int find_printed(struct json_object *session, Printed **ret) {
        static const char *const logs[] = {
                SESSION_METADATA_DIR "/" METADATA_PSTORE, SESSION_METADATA_DIR "/" METADATA_KERNEL_LOG,
        };
        _cleanup_(printed_freep) Printed *printed = NULL;
        bool mono = isempty(json_get_string(session, "trace_clock"));
        int r;

        r = printed_new(mono ? json_get_u64(session, "arm_monotonic_usec") : 0, &printed);
        for (size_t i = 0; i < ELEMENTS(logs) && r >= 0; i++) {
                _cleanup_free_ char *text = NULL;

                if (read_file_at(AT_FDCWD, logs[i], 64 * MIB, &text, NULL) >= 0)
                        r = printed_find(printed, text);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(printed);
        return 0;
}

/* Behind a mark that says what they are: events that were printed are no events of the trace, and may have gaps. */
static int write_printed(const Printed *printed, LogWriter *log, struct json_object *session, char ***warnings) {
        _cleanup_free_ char *lines = NULL, *mark = NULL, *warning = NULL;
        uint64_t first_ns;
        size_t n;
        int r;

        r = printed_lines(printed, &lines, &n, &first_ns);
        if (r < 0 || n == 0)
                return r;
        if (asprintf(&mark, "mmiotraced: the %zu records below were printed by the kernel when it oopsed\n", n) < 0) {
                mark = NULL;
                return -ENOMEM;
        }
        if (asprintf(&warning, "The kernel oopsed and printed what was left in the ring buffer: the last %zu lines of the log, behind "
                     "a mark that says so. They are not counted, and where the kernel's log was cut some may be missing.", n) < 0) {
                warning = NULL;
                return -ENOMEM;
        }
        r = log_writer_record(log, &(Record) { .type = RECORD_MARK, .time_ns = first_ns, .text = mark, .text_bytes = strlen(mark) });
        if (r >= 0)
                r = log_writer_text(log, lines, strlen(lines));
        if (r >= 0)
                r = json_add_u64(session, "printed_events", n);
        if (r >= 0)
                add_warning(warning, warnings);
        return r;
}

static int write_log(int raw_fd, Reader *reader, LogWriter *log, Leak *leak, DeviceEvents *devices, Progress *progress,
        struct json_object *session, TraceTotals *ret, Gaps *gaps, char ***warnings) {
        _cleanup_(printed_freep) Printed *printed = NULL;
        _cleanup_(blind_freep) Blind *blind = NULL;
        uint64_t size_bytes = 0;
        Record record;
        int r;

        r = raw_size(raw_fd, &size_bytes);
        if (r >= 0)
                r = blind_new(add_warning, warnings, &blind);
        if (r >= 0)
                r = find_printed(session, &printed);
        if (r >= 0)
                r = write_head(log);
        if (r < 0)
                return r;
        for (uint64_t n = 0; (r = reader_next(reader, &record)) > 0; n++) {
                r = log_writer_record(log, &record);
                if (r >= 0)
                        r = blind_record(blind, &record);
                if (r < 0)
                        return r;
                (void) printed_drop(printed, &record);
                gaps_record(gaps, &record);
                leak_record(leak, &record);
                device_events_record(devices, &record);
                if (n % 4096 == 0)
                        tell_progress(progress, progress->log_share * (double) reader_totals(reader)->n_raw_bytes /
                                        (double) MAX(size_bytes, UINT64_C(1)));
        }
        if (r < 0)
                return r;
        blind_finish(blind);
        leak_warn(leak, add_warning, warnings);
        *ret = *reader_totals(reader);
        r = write_printed(printed, log, session, warnings);
        return r < 0 ? r : warn_of_others(ret, warnings);
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

/* What the archive begins with: what is said of the session, and then what is known of the machine. */
static int list_members(const char *description, const char *metadata, const ArchiveHead *machine, ArchiveMember **ret,
        size_t *ret_n) {
        ArchiveMember *members = calloc(2 + machine->n_files, sizeof(ArchiveMember));

        if (!members)
                return -ENOMEM;
        members[0] = (ArchiveMember) { ARCHIVE_DESCRIPTION_NAME, description, strlen(description) };
        members[1] = (ArchiveMember) { ARCHIVE_METADATA_NAME, metadata, strlen(metadata) };
        for (size_t i = 0; i < machine->n_files; i++)
                members[2 + i] = (ArchiveMember) { machine->files[i].name, machine->files[i].data, machine->files[i].bytes };
        *ret = members;
        *ret_n = 2 + machine->n_files;
        return 0;
}

static int write_archive(const Folders *folders, unsigned level, struct json_object *session, Privacy *privacy,
        const TraceTotals *totals, uint64_t n_lost, const Gaps *gaps, char *const *segments, char *const *warnings, Progress *progress,
        uint64_t *ret_bytes, uint64_t *ret_log_bytes) {
        _cleanup_free_ char *metadata = NULL, *description = NULL;
        _cleanup_archive_head_ ArchiveHead machine = {};
        _cleanup_json_ struct json_object *sums = NULL;
        _cleanup_free_ ArchiveMember *members = NULL;
        _cleanup_raw_files_ RawFiles raw = {};
        const char *uname = "";
        size_t n_members = 0;
        int r;

        r = log_hash(folders->log_fd, segments, &sums);
        if (r >= 0)
                r = json_add(session, "log_segments", TAKE_PTR(sums));
        if (r >= 0)
                r = merge_warnings(session, warnings);
        if (r >= 0 && privacy->redactor)
                r = privacy_apply(privacy, session);
        if (r >= 0)
                r = members_load(folders->metadata_fd, privacy->redactor, &machine);
        if (r >= 0)
                uname = archive_head_find(&machine, METADATA_UNAME)->data;
        if (r >= 0)
                r = summary_metadata(session, totals, n_lost, gaps, uname, privacy, &metadata);
        if (r >= 0)
                r = summary_description(session, totals, n_lost, uname, metadata, &description);
        if (r >= 0 && json_get_bool(session, "keep_raw"))
                r = raw_files_find(folders->dir_fd, folders->raw_fd, totals->n_damaged_segments > 0, &raw);
        if (r >= 0)
                r = list_members(description, metadata, &machine, &members, &n_members);
        if (r < 0)
                return r;
        return archive_write(folders->dir_fd, SESSION_ARCHIVE,
                        &(ArchiveRequest) {
                                .members = members,
                                .n_members = n_members,
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

typedef struct Result {
        const TraceTotals *totals;
        uint64_t n_lost, segments_bytes, archive_bytes;
        const char *archive_name; /* NULL: what it would have been before */
} Result;

/* Which of several devices the trace is about, only the trace tells. */
static int name_archive(struct json_object *session, const DeviceEvents *devices, char **ret) {
        const char *ids, *name;

        if (!device_events_busiest(devices, &ids, &name))
                return 0;
        return archive_name(ids, name, json_get_string(session, "driver"), json_get_string(session, "driver_version"),
                        json_get_u64(session, "start_realtime_usec"), ret);
}

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
        worker_send(f, "GIVEN_UP", "%" PRIu64, t->n_given_up);
        worker_send(f, "LOG_BYTES", "%" PRIu64, result->segments_bytes);
        worker_send(f, "ARCHIVE_BYTES", "%" PRIu64, result->archive_bytes);
        if (result->archive_name)
                worker_send(f, "ARCHIVE_NAME", "%s", result->archive_name);
        if (t->n_torn_pages > 0)
                worker_send(f, "WARNING", "%" PRIu64 " pages of the ring buffer were torn, or had not reached the disk when the "
                                "machine went down; what could be read of them is kept.",
                                t->n_torn_pages);
        if (fclose(f) != 0)
                return -ENOMEM;
        return write_file_atomic_at(dir_fd, SEAL_RESULT_FILE, text, bytes);
}

static int finish(const Folders *folders) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(AT_FDCWD, SEAL_RESULT_FILE, 1 * MIB, &text, NULL);
        if (r < 0)
                return r;
        fputs(text, stdout);
        worker_send(stdout, "PROGRESS", "1");
        r = remove_raw(folders);
        if (r < 0)
                worker_send(stdout, "WARNING", "The raw segments could not be removed: %s", strerrordesc_np(-r));
        return 0;
}

/* What is missing then is the last that was recorded. */
static bool ends_unsaved(struct json_object *session) {
        return json_get_bool(session, "cut_short") || streq(json_get_string(session, "result"), "drain-failed");
}

/* Where the drain could not go on, or the disk has not kept what it was given, the kernel has counted it all the same. */
static uint64_t count_unsaved(struct json_object *session, const TraceTotals *totals, char ***warnings) {
        /* What a reader of text had taken when it was killed is a gap already. */
        uint64_t n_recorded = json_get_u64(session, "recorded_events"),
                 n_told = totals->n_events + totals->n_other + totals->n_unwritten + totals->n_given_up + totals->n_given_up_other;
        uint64_t n_missing = n_recorded > n_told ? n_recorded - n_told : 0;
        const char *result = json_get_string(session, "result");
        _cleanup_free_ char *text = NULL;
        int r;

        if (totals->n_damaged_segments > 0) {
                add_warning("Segments of the capture, compressed while the session ran, are damaged on disk: what stood in them "
                            "behind the damage is missing in the log.", warnings);
                r = asprintf(&text, "%" PRIu64 " events that the kernel recorded are missing because of that.", n_missing);
        } else if (ends_unsaved(session))
                r = asprintf(&text, "The last %" PRIu64 " events that the kernel recorded could not be saved: they are missing at "
                             "the end of the log.", n_missing);
        else if (streq(result, "interrupted") && !json_get_bool(session, "adopt"))
                r = asprintf(&text, "%" PRIu64 " events that the kernel recorded are missing: they were on their way to the disk "
                             "when the session was interrupted.", n_missing);
        else
                /* Of one that another program began, that may have read them. */
                return 0;
        if (n_missing > 0 && r >= 0)
                add_warning(text, warnings);
        if (r < 0)
                text = NULL;
        return n_missing;
}

static int add_gap_at_end(LogWriter *log, unsigned cpu, uint64_t n_lost, TraceTotals *totals, Gaps *gaps) {
        const Record record = { .type = RECORD_LOST, .cpu = cpu, .time_ns = totals->last_ns, .lost = n_lost };

        trace_totals_add(totals, &record);
        gaps_record(gaps, &record);
        return log_writer_record(log, &record);
}

/* On a full disk there is something to be done about it, and nothing is lost by that. */
static int fail_write(struct json_object *session, int r, const char *what, Error *error) {
        if (errno_is_no_space(r))
                return error_set(error, ERROR_NO_SPACE,
                                "The disk is full, so %s cannot be written. What was captured is kept: make room in "
                                "/var/lib/mmiotraced, then \"mmiotracectl seal %" PRIu64 "\" goes on.",
                                what, json_get_u64(session, "id"));
        return error_set_errno(error, ERROR_FAILED, r, "Cannot write %s", what);
}

static int seal(unsigned level, Error *error) {
        _cleanup_(folders_done) Folders folders = {
                .dir_fd = open_folder("."),
                .raw_fd = open_folder(SESSION_RAW_DIR),
                .formats_fd = open_folder(SESSION_FORMATS_DIR),
                .log_fd = open_folder(SESSION_LOG_DIR),
                .metadata_fd = open_folder(SESSION_METADATA_DIR),
        };
        _cleanup_json_ struct json_object *session = NULL;
        _cleanup_device_events_ DeviceEvents *devices = NULL;
        _cleanup_privacy_ Privacy privacy = {};
        _cleanup_(log_writer_freep) LogWriter *log = NULL;
        _cleanup_(reader_done) Reader reader = {};
        uint64_t segments_bytes, archive_bytes, log_bytes, n_lost, n_unsaved;
        _cleanup_strv_ char **segments = NULL, **warnings = NULL;
        _cleanup_free_ char *name = NULL;
        Progress progress = {};
        TraceTotals totals;
        Gaps gaps = {};
        int r;

        if (folders.dir_fd < 0 || folders.raw_fd < 0 || folders.formats_fd < 0 || folders.log_fd < 0 ||
            folders.metadata_fd < 0)
                return error_set(error, ERROR_FAILED, "The session's folder is not complete.");
        if (faccessat(folders.dir_fd, SEAL_RESULT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return finish(&folders);
        r = load_session(&session);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The session's file " SESSION_FILE " cannot be read");
        r = device_events_new(folders.metadata_fd, &devices);
        if (r >= 0)
                r = privacy_load(session, folders.metadata_fd, &privacy);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The session's files in " SESSION_METADATA_DIR
                                " cannot be read, so nobody knows what is not to get out");
        /* Where nobody came to put the machine back. */
        (void) reserve_remove(folders.raw_fd);
        progress.log_share = json_get_bool(session, "keep_raw") ? LOG_SHARE_WITH_RAW : LOG_SHARE;
        r = reader_open(streq(json_get_string(session, "source"), "text"), folders.raw_fd, &reader, error);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot read what was captured");
        r = log_writer_new(folders.log_fd, &(LogWriterOptions) {
                                .level = level,
                                .threads = 0,
                                .memory_max_bytes = memory_max_bytes(),
                                .segment_max_bytes = (uint64_t) get_nprocs() * SEGMENT_THREAD_BYTES,
                        }, &log);
        if (r >= 0)
                r = write_log(folders.raw_fd, &reader, log, privacy.leak, devices, &progress, session, &totals, &gaps, &warnings);
        if (r < 0)
                return fail_write(session, r, "the log", error);

        /* The file holds what the kernel had counted as lost when the recording ended. */
        n_lost = MAX(totals.n_lost, json_get_u64(session, "lost_events") + totals.n_unwritten);
        n_unsaved = count_unsaved(session, &totals, &warnings);
        n_lost += n_unsaved;
        if (n_unsaved > 0 && ends_unsaved(session))
                r = add_gap_at_end(log, (unsigned) json_get_u64(session, "cpu"), n_unsaved, &totals, &gaps);
        if (r >= 0)
                r = log_writer_finish(log, &segments, &segments_bytes);
        if (r < 0)
                return fail_write(session, r, "the log", error);
        if (n_lost > 0 && json_get_bool(session, "stacks"))
                add_warning("To the kernel a call stack is an event: of those counted as lost, about half were accesses.",
                                &warnings);
        r = write_archive(&folders, level, session, &privacy, &totals, n_lost, &gaps, segments, warnings, &progress, &archive_bytes,
                        &log_bytes);
        if (r < 0)
                return fail_write(session, r, "the archive", error);

        r = name_archive(session, devices, &name);
        if (r >= 0)
                r = save_result(folders.dir_fd, &(Result) { &totals, n_lost, segments_bytes, archive_bytes, name });
        if (r < 0)
                return fail_write(session, r, SEAL_RESULT_FILE, error);
        return finish(&folders);
}

static int describe(Error *error) {
        _cleanup_close_ int dir_fd = open_folder(".");
        uint64_t archive_bytes;
        int r;

        r = dir_fd < 0 ? dir_fd : describe_archive(dir_fd, &archive_bytes, error);
        if (r < 0)
                return r;
        worker_send(stdout, "ARCHIVE_BYTES", "%" PRIu64, archive_bytes);
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_error_ Error error = {};
        uint64_t level = 0;
        int r;

        if (argc != 2 || (!streq(argv[1], SEAL_DESCRIBE) && (parse_u64(argv[1], &level) < 0 || level > 9))) {
                fputs("This program seals the session in the current folder for mmiotraced.\n"
                      "Its one argument is the level of compression, 0 to 9; or \"" SEAL_DESCRIBE "\", to put\n"
                      "another description into the archive.\n", stderr);
                return EXIT_FAILURE;
        }
        umask(0077);
        if (streq(argv[1], SEAL_DESCRIBE))
                r = worker_send_result(stdout, describe(&error), &error);
        else
                r = worker_send_result(stdout, seal((unsigned) level, &error), &error);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
