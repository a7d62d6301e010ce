/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fts.h>
#include <sys/mman.h>

#include "machine.h"
#include "pcidev.h"

#define PAGE_BYTES 4096

void machine_list_clocks(const Machine *m) {
        fake_file(&m->tree, "tracing/trace_clock",
                        "[local] global counter uptime perf mono mono_raw boot x86-tsc\n");
}

void machine_make(Machine *m) {
        static const struct {
                const char *path, *text;
        } files[] = {
                { "tracing/available_tracers", "blk mmiotrace function_graph function nop\n" },
                { "tracing/buffer_size_kb", "1408\n" },
                { "tracing/current_tracer", "nop\n" },
                { "tracing/events/enable", "0\n" },
                { "tracing/options/overwrite", "0\n" },
                { "tracing/per_cpu/cpu0/buffer_size_kb", "1408\n" },
                { "tracing/per_cpu/cpu1/buffer_size_kb", "1408\n" },
                { "tracing/per_cpu/cpu0/stats", "entries: 0\noverrun: 0\ncommit overrun: 0\nbytes: 0\n"
                  "dropped events: 0\nread events: 4353\n" },
                { "tracing/trace_marker", "" },
                { "tracing/trace_pipe", "" },
                { "tracing/tracing_cpumask", "e\n" },
                { "tracing/buffer_percent", "50\n" },
                { "tracing/tracing_on", "0\n" },
                { "sys/devices/system/cpu/online", "0\n" },
                { "sys/devices/system/cpu/present", "0\n" },
                /* How full the disk is that the test runs on is not the test's affair. */
                { "mmiotraced.conf", "[Storage]\nMaxUse=infinity\nKeepFree=0\n" },
                { "proc/meminfo",
                                "MemTotal:        8388608 kB\nMemFree:          262144 kB\nMemAvailable:    4194304 kB\n" },
                { "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" },
                { "proc/sys/kernel/ftrace_dump_on_oops", "0\n" },
                { "proc/sys/kernel/random/boot_id", "6a4a62d6-9cd1-4a4a-9c1c-0c29c0a3f7b4\n" },
        };
        static const struct {
                const char *sample, *path;
        } copies[] = {
                { "formats/header_page", "tracing/events/header_page" },
                { "formats/mmiotrace_rw.format", "tracing/events/ftrace/mmiotrace_rw/format" },
                { "formats/mmiotrace_map.format", "tracing/events/ftrace/mmiotrace_map/format" },
                { "formats/print.format", "tracing/events/ftrace/print/format" },
                { "formats/kernel_stack.format", "tracing/events/ftrace/kernel_stack/format" },
                { "pci_devices", "proc/bus/pci/devices" },
        };
        _cleanup_free_ char *ring = NULL;

        m->tree = fake_tree_make();
        for (size_t i = 0; i < ELEMENTS(files); i++)
                fake_file(&m->tree, files[i].path, files[i].text);
        for (size_t i = 0; i < ELEMENTS(copies); i++) {
                _cleanup_free_ char *text = NULL;
                char path[256];
                size_t bytes;

                (void) snprintf(path, sizeof path, SAMPLE "/%s", copies[i].sample);
                test_data(path, &text, &bytes);
                fake_file(&m->tree, copies[i].path, text);
        }
        machine_list_clocks(m);
        ring = below(m->tree.root, "tracing/per_cpu/cpu0/trace_pipe_raw");
        cr_assert_eq(mkfifo(ring, 0600), 0, "%m");
        m->ring_fd = open(ring, O_RDWR | O_CLOEXEC);
        cr_assert_geq(m->ring_fd, 0, "%m");
        /* Room for all of it, where that is allowed. */
        (void) fcntl(m->ring_fd, F_SETPIPE_SZ, (int) MIB);
}

void machine_done(Machine *m) {
        m->ring_fd = safe_close(m->ring_fd);
        fake_tree_done(&m->tree);
        test_done();
}

bool machine_add_driver(const Machine *m) {
        fake_pci_device(&m->tree, "0000:00:02.0", "8086:10d3", "020000");
        fake_module_file(&m->tree, "e1000e",
                        "name=e1000e\nversion=3.2.6-k\nalias=pci:v00008086d000010D3sv*sd*bc*sc*i*");
        return fake_depmod(&m->tree, "", "");
}

static int compare_entries(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* The kernel shows a choice as a list with the chosen one in brackets. */
static char *chosen(char *text) {
        char *start = strchr(text, '['), *end = start ? strchr(start, ']') : NULL;

        if (!end)
                return text;
        *end = 0;
        return start + 1;
}

char *machine_settings(const Machine *m) {
        static const char *const folders[] = { "tracing", "sys", "proc", "run" };
        char *paths[ELEMENTS(folders) + 1] = {}, *settings = NULL;
        size_t bytes, skip = strlen(m->tree.root) + 1;
        FTSENT *entry;
        FILE *f;
        FTS *fts;

        for (size_t i = 0; i < ELEMENTS(folders); i++)
                paths[i] = below(m->tree.root, folders[i]);
        f = open_memstream(&settings, &bytes);
        fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, compare_entries);
        cr_assert(f && fts);
        while ((entry = fts_read(fts))) {
                const char *path = entry->fts_path + skip;

                /* What was said there is no setting, and what is locked there neither. */
                if (entry->fts_info == FTS_F && !streq(path, "tracing/trace_marker") && !streq(path, "run/lock")) {
                        _cleanup_free_ char *text = machine_read(m, path);

                        fprintf(f, "%s=%s\n", path, streq(path,
                                        "tracing/trace_clock") ? chosen(text) : text);
                } else if (entry->fts_info == FTS_SL)
                        fprintf(f, "%s: a link\n", path);
        }
        (void) fts_close(fts);
        cr_assert_eq(fclose(f), 0);
        for (size_t i = 0; i < ELEMENTS(folders); i++)
                free(paths[i]);
        return settings;
}

void machine_assert_settings(const Machine *m, const char *expected) {
        _cleanup_free_ char *settings = machine_settings(m);
        size_t i = 0;

        while (settings[i] && settings[i] == expected[i])
                i++;
        if (settings[i] == expected[i])
                return;
        /* The line of the first difference, of some hundred. */
        while (i > 0 && settings[i - 1] != '\n')
                i--;
        cr_assert_fail("\"%.*s\" instead of \"%.*s\"", (int) strcspn(settings + i, "\n"), settings + i,
                        (int) strcspn(expected + i, "\n"), expected + i);
}

char *machine_read(const Machine *m, const char *path) {
        char *text = fake_read(&m->tree, path);
        size_t l = strlen(text);

        if (l > 0 && text[l - 1] == '\n')
                text[l - 1] = 0;
        return text;
}

unsigned machine_count_messages(const Machine *m, const char *part, const char *other_part) {
        _cleanup_free_ char *all = machine_read(m, "messages");
        char *state = NULL;
        unsigned n = 0;

        for (char *line = strtok_r(all, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                n += strstr(line, part) && strstr(line, other_part);
        return n;
}

bool machine_has(const Machine *m, const char *path) {
        _cleanup_free_ char *full = below(m->tree.root, path);

        return access(full, F_OK) >= 0;
}

void machine_refuse(const Machine *m, const char *path) {
        _cleanup_free_ char *text = fake_read(&m->tree, path), *full = below(m->tree.root, path);
        char target[64];
        int fd;

        /* Root is stopped by no mode, but by a seal. The descriptor stays open as long as the test runs. */
        fd = memfd_create("refused", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        cr_assert_geq(fd, 0);
        cr_assert_eq(write_all(fd, text, strlen(text)), 0);
        cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
        (void) snprintf(target, sizeof target, "/proc/%d/fd/%d", (int) getpid(), fd);
        cr_assert_eq(unlink(full), 0);
        cr_assert_eq(symlink(target, full), 0);
}

void machine_block(const Machine *m, const char *path) {
        _cleanup_free_ char *full = below(m->tree.root, path);

        cr_assert_eq(unlink(full), 0);
        cr_assert_eq(mkfifo(full, 0600), 0);
}

void machine_release(const Machine *m, const char *path, const char *text) {
        _cleanup_free_ char *full = below(m->tree.root, path);
        _cleanup_close_ int fd = open(full, O_WRONLY | O_CLOEXEC);

        cr_assert_geq(fd, 0);
        cr_assert_eq(write_all(fd, text, strlen(text)), 0);
}

int machine_await_stuck(const Machine *m, const char *path) {
        _cleanup_free_ char *full = below(m->tree.root, path);
        int fd = open(full, O_WRONLY | O_CLOEXEC);

        cr_assert_geq(fd, 0);
        return fd;
}

void machine_record(const Machine *m) {
        _cleanup_free_ uint8_t *pages = NULL;
        size_t bytes;

        test_data_xz(SAMPLE "/cpu0.raw.xz", &pages, &bytes);
        cr_assert_eq(bytes, SAMPLE_BYTES);
        /* Each page in one piece: the ring gives out whole ones. */
        for (size_t i = 0; i < bytes; i += PAGE_BYTES)
                cr_assert_eq(write(m->ring_fd, pages + i, PAGE_BYTES), PAGE_BYTES);
}

char *machine_expected_log(void) {
        _cleanup_free_ char *devices = NULL, *lines = NULL;
        _cleanup_free_ uint8_t *text = NULL;
        size_t bytes, text_bytes;
        char *log;

        test_data(SAMPLE "/pci_devices", &devices, &bytes);
        test_data_xz(SAMPLE "/kernel-text.log.xz", &text, &text_bytes);
        cr_assert_eq(pcidev_lines(devices, &lines), 0);
        cr_assert(asprintf(&log, TRACE_VERSION_LINE "%s%.*s", lines, (int) text_bytes, (char *) text) > 0);
        return log;
}
