/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads traces offline: needs no daemon, no privilege and no tracing kernel. */

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <sys/stat.h>

#include "detail.h"
#include "pcidev.h"
#include "segment-file.h"
#include "segment-name.h"
#include "trace.h"

enum {
        EXIT_USAGE = 2,
};

static void help(FILE *f) {
        fputs("mmiotrace-analyze decode --formats DIR [OPTION…] CPUN.raw…|FOLDER\n"
              "\n"
              "Reads captured mmiotrace traces, without the kernel or the machine they came from.\n"
              "\n"
              "Verbs:\n"
              "  decode FILE…         Write raw ring-buffer pages as the kernel's text log;\n"
              "                       a file's name says its CPU: cpu0.raw, cpu1-000002.raw;\n"
              "                       it may be compressed: cpu1-000002.raw.xz\n"
              "  decode FOLDER        The same with all cpuN-NNNNNN.raw of a folder, and with\n"
              "                       what its cpuN.loss say of lost events\n"
              "\n"
              "Options:\n"
              "     --formats DIR     Folder with header_page and the format files of the\n"
              "                       kernel that made the pages\n"
              "     --pci-devices F   Copy of /proc/bus/pci/devices of that machine: puts\n"
              "                       VERSION and PCIDEV lines in front\n"
              "  -v --verbose         Print below each record its CPU, task, time in nanoseconds,\n"
              "                       and call stack, if the capture has any\n"
              "     --kallsyms FILE   Copy of /proc/kallsyms of that boot: names the functions\n"
              "     --modules FILE    Where the sections of its modules were\n"
              "  -o --output FILE     Write there instead of to standard output\n"
              "  -h --help            Show this\n"
              "     --version         Show the version\n"
              "\n"
              "Exit status: 0 decoded; 1 failure; 2 wrong usage. What was lost is said in one\n"
              "line on standard error, and does not change the exit status.\n",
              f);
}

typedef struct Arguments {
        const char *formats, *pci_devices, *output, *kallsyms, *modules;
        bool verbose;
} Arguments;

/* The CPU that a file name stands for: "cpu3.raw", "cpu3-000001.raw", and the others of segment-name.h. */
static int cpu_of_file(const char *path, unsigned *ret) {
        _cleanup_free_ char *copy = strdup(path);
        const char *p, *end;
        SegmentName name;
        unsigned cpu;

        if (!copy)
                return -ENOMEM;
        p = startswith(basename(copy), "cpu");
        if (!p || *p < '0' || *p > '9' || sscanf(p, "%5u", &cpu) != 1)
                return -EINVAL;
        end = p + strspn(p, "0123456789");
        if (*end == '-')
                end += 1 + strspn(end + 1, "0123456789");
        if (!streq(end, ".raw") && !streq(end, ".raw" SEGMENT_FILE_SUFFIX) && segment_name_parse(basename(copy), &name) < 0)
                return -EINVAL;
        *ret = cpu;
        return 0;
}

static int write_header(const char *path, FILE *out) {
        _cleanup_free_ char *devices = NULL, *lines = NULL;
        int r;

        r = read_file_at(AT_FDCWD, path, 4 * MIB, &devices, NULL);
        if (r < 0)
                return r;
        r = pcidev_lines(devices, &lines);
        if (r < 0)
                return r;
        return fputs(TRACE_VERSION_LINE, out) < 0 || fputs(lines, out) < 0 ? -EIO : 0;
}

static int write_records(Trace *trace, const Arguments *args, const Symbols *symbols, FILE *out) {
        _cleanup_free_ char *line = NULL;
        size_t allocated = 0;
        Record record;
        int r;

        while ((r = trace_next(trace, &record)) > 0) {
                size_t n;

                if (allocated < RECORD_LINE_MAX + record.text_bytes) {
                        allocated = RECORD_LINE_MAX + record.text_bytes;
                        free(line);
                        line = malloc(allocated);
                        if (!line)
                                return -ENOMEM;
                }
                n = record_format(&record, line, allocated);
                if (fwrite_unlocked(line, 1, n, out) != n)
                        return -errno;
                if (!args->verbose)
                        continue;
                r = detail_print(out, &record, symbols);
                if (r < 0)
                        return r;
        }
        return r;
}

static void print_summary(const TraceTotals *t, bool verbose) {
        fprintf(stderr, "%" PRIu64 " events, ", t->n_events);
        if (t->n_gaps == 0)
                fputs("none lost", stderr);
        else
                fprintf(stderr, "%" PRIu64 " lost in %" PRIu64 " gap%s", t->n_lost, t->n_gaps, t->n_gaps == 1 ? "" : "s");
        if (t->n_gaps_uncounted > 0)
                fprintf(stderr, " (%" PRIu64 " of them without a count: more were lost)", t->n_gaps_uncounted);
        if (t->n_torn_pages > 0)
                fprintf(stderr, ", %" PRIu64 " torn page%s", t->n_torn_pages, t->n_torn_pages == 1 ? "" : "s");
        if (t->n_damaged_segments > 0)
                fprintf(stderr, ", %" PRIu64 " damaged file%s: more is missing", t->n_damaged_segments,
                        t->n_damaged_segments == 1 ? "" : "s");
        if (verbose)
                fprintf(stderr, ", %" PRIu64 " with a call stack", t->n_stacks);
        fputc('\n', stderr);
}

static int load_symbols(const Arguments *args, Symbols **ret) {
        int r;

        if (!args->kallsyms && !args->modules)
                return 0;
        r = symbols_load(args->kallsyms, args->modules, ret);
        if (r == -ENODATA) {
                warnx("the files given by --kallsyms and --modules hold no addresses: the capture could not get them, or the "
                      "kernel hid them (kernel.kptr_restrict); without these options, addresses are printed");
                return r;
        }
        if (r < 0) {
                errno = -r;
                warn("cannot use %s%s%s as copies of /proc/kallsyms and of the modules' sections", strempty(args->kallsyms),
                     args->kallsyms && args->modules ? " and " : "", strempty(args->modules));
        }
        return r;
}

/* Returns the exit status of the program if it cannot go on, else 0. */
static int add_folder(Trace *trace, const char *path, int *ret_fd) {
        int r;

        *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = *ret_fd < 0 ? -errno : trace_add_folder(trace, *ret_fd);
        if (r < 0) {
                errno = -r;
                warn("cannot read the folder %s", path);
                return EXIT_FAILURE;
        }
        if (r == 0) {
                warnx("%s: no file there has a name like cpu0-000000.raw", path);
                return EXIT_FAILURE;
        }
        return 0;
}

static int add_files(Trace *trace, char **files) {
        for (char **f = files; *f; f++) {
                unsigned cpu;
                int r;

                r = cpu_of_file(*f, &cpu);
                if (r == -EINVAL) {
                        warnx("%s: the name does not say the CPU; call it cpuN.raw", *f);
                        return EXIT_USAGE;
                }
                /* Opened later, in the order of time: a missing file is better said before the first line. */
                if (r >= 0 && access(*f, R_OK) < 0)
                        r = -errno;
                if (r >= 0)
                        r = trace_add_segment(trace, cpu, AT_FDCWD, *f);
                if (r < 0) {
                        errno = -r;
                        warn("cannot read %s", *f);
                        return EXIT_FAILURE;
                }
        }
        return 0;
}

static bool is_folder(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0 && S_ISDIR(st.st_mode);
}

static int decode(const Arguments *args, char **files) {
        _cleanup_close_ int folder_fd = -EBADF;
        _cleanup_(symbols_freep) Symbols *symbols = NULL;
        _cleanup_(trace_freep) Trace *trace = NULL;
        _cleanup_close_ int formats_fd = -EBADF;
        _cleanup_fclose_ FILE *opened = NULL;
        FILE *out = stdout;
        RingFormat format;
        int r, status;

        if (!args->formats) {
                warnx("decode needs --formats DIR: the format files of the kernel that made the pages");
                return EXIT_USAGE;
        }
        if (!*files) {
                warnx("decode needs at least one raw file, or a folder of them");
                return EXIT_USAGE;
        }
        if (!args->verbose && (args->kallsyms || args->modules)) {
                warnx("--kallsyms and --modules name the functions that --verbose prints; give --verbose as well");
                return EXIT_USAGE;
        }
        if (load_symbols(args, &symbols) < 0)
                return EXIT_FAILURE;
        formats_fd = open(args->formats, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (formats_fd < 0)
                err(EXIT_FAILURE, "cannot open the folder of formats %s", args->formats);
        r = ring_format_load(formats_fd, &format);
        if (r < 0) {
                errno = -r;
                err(EXIT_FAILURE, "cannot read the formats in %s (header_page, mmiotrace_rw.format, "
                    "mmiotrace_map.format, print.format)", args->formats);
        }
        r = trace_new(&format, &trace);
        if (r >= 0)
                trace_set_stacks(trace, args->verbose);
        status = r < 0 ? 0 : !files[1] && is_folder(files[0]) ? add_folder(trace, files[0], &folder_fd) : add_files(trace, files);
        if (status != 0)
                return status;
        if (r >= 0 && args->output) {
                opened = out = fopen(args->output, "we");
                if (!out)
                        err(EXIT_FAILURE, "cannot write %s", args->output);
        }
        if (r >= 0 && args->pci_devices) {
                r = write_header(args->pci_devices, out);
                if (r < 0) {
                        errno = -r;
                        err(EXIT_FAILURE, "cannot use %s as a copy of /proc/bus/pci/devices", args->pci_devices);
                }
        }
        if (r >= 0)
                r = write_records(trace, args, symbols, out);
        if (r >= 0 && fflush(out) != 0)
                r = -errno;
        if (r < 0) {
                errno = -r;
                warn("decoding stopped");
                return EXIT_FAILURE;
        }
        print_summary(trace_totals(trace), args->verbose);
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        enum {
                ARG_FORMATS = 0x100,
                ARG_PCI_DEVICES,
                ARG_KALLSYMS,
                ARG_MODULES,
                ARG_VERSION,
        };
        static const struct option options[] = {
                { "formats", required_argument, NULL, ARG_FORMATS },
                { "pci-devices", required_argument, NULL, ARG_PCI_DEVICES },
                { "kallsyms", required_argument, NULL, ARG_KALLSYMS },
                { "modules", required_argument, NULL, ARG_MODULES },
                { "verbose", no_argument, NULL, 'v' },
                { "output", required_argument, NULL, 'o' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                {},
        };
        Arguments args = {};
        int c;

        while ((c = getopt_long(argc, argv, "ho:v", options, NULL)) >= 0)
                switch (c) {
                case ARG_FORMATS:
                        args.formats = optarg;
                        break;
                case ARG_PCI_DEVICES:
                        args.pci_devices = optarg;
                        break;
                case ARG_KALLSYMS:
                        args.kallsyms = optarg;
                        break;
                case ARG_MODULES:
                        args.modules = optarg;
                        break;
                case 'v':
                        args.verbose = true;
                        break;
                case 'o':
                        args.output = optarg;
                        break;
                case 'h':
                        help(stdout);
                        return EXIT_SUCCESS;
                case ARG_VERSION:
                        puts("mmiotrace-analyze " PROJECT_VERSION);
                        return EXIT_SUCCESS;
                default:
                        return EXIT_USAGE;
                }

        if (optind >= argc) {
                help(stderr);
                return EXIT_USAGE;
        }
        if (!streq(argv[optind], "decode")) {
                warnx("unknown verb \"%s\"; the only one is decode (see --help)", argv[optind]);
                return EXIT_USAGE;
        }
        return decode(&args, argv + optind + 1);
}
