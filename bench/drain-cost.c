/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What one drain costs: starts it, lets the load run through the ring of a tracefs instance, and prints how many events
 * it took, how many were lost, how much CPU time it and its children used (ns), and how long the load ran (µs).
 *
 * Only the time between the load's start and the moment when the drain has nothing left to do counts: what a program
 * does at its start and its end is none of the cost of an event. */

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "tracer-watch.h"

#define READY_TRIES 60
#define READY_FIRST_EVENTS 2000
#define READY_MOST_EVENTS 500000
#define READY_WAIT_MSEC 250
/* Longer than the timer of any drain. */
#define QUIET_MSEC 1200
#define QUIET_TRIES 100
/* A wake-up by a timer is no work. */
#define WORK_NS (2 * USEC_PER_MSEC * NSEC_PER_USEC)
#define END_MSEC 15000

typedef struct Cost {
        TracerStats stats;
        uint64_t cpu_ns;
} Cost;

typedef struct Bench {
        const char *instance, *load, *rate;
        uint64_t ring_cpu, drain_cpu, n_events;
        pid_t drain; /* leader of a session of its own, by which its children are found */
} Bench;

static void sleep_msec(int msec) {
        (void) poll(NULL, 0, msec);
}

/* Everything goes before the last word: nothing may be left to read the ring. */
_Noreturn static void die(const Bench *b, const char *what) {
        if (b->drain > 0)
                (void) kill(-b->drain, SIGKILL);
        errx(EXIT_FAILURE, "%s", what);
}

static int session_of(const char *pid) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        const char *p;
        int session;

        if (asprintf(&path, "/proc/%s/stat", pid) < 0) {
                path = NULL;
                return -1;
        }
        /* The name before it may hold anything but its own end. */
        if (read_file_at(AT_FDCWD, path, 4 * KIB, &text, NULL) < 0 || !(p = strrchr(text, ')')) ||
            sscanf(p + 1, " %*c %*d %*d %d", &session) != 1)
                return -1;
        return session;
}

/* In nanoseconds, where /proc/PID/stat has ticks. */
static uint64_t process_cpu_ns(const char *pid) {
        _cleanup_closedir_ DIR *d = NULL;
        _cleanup_free_ char *tasks = NULL;
        uint64_t sum = 0;

        if (asprintf(&tasks, "/proc/%s/task", pid) < 0) {
                tasks = NULL;
                return 0;
        }
        d = opendir(tasks);
        for (struct dirent *entry; d && (entry = readdir(d));) {
                _cleanup_free_ char *path = NULL, *text = NULL;
                uint64_t ns;

                if (asprintf(&path, "%s/%s/schedstat", tasks, entry->d_name) < 0) {
                        path = NULL;
                        continue;
                }
                if (read_file_at(AT_FDCWD, path, 4 * KIB, &text, NULL) >= 0 && sscanf(text, "%" SCNu64, &ns) == 1)
                        sum += ns;
        }
        return sum;
}

static uint64_t drain_cpu_ns(const Bench *b) {
        _cleanup_closedir_ DIR *d = opendir("/proc");
        uint64_t sum = 0;

        for (struct dirent *entry; d && (entry = readdir(d));)
                if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && session_of(entry->d_name) == b->drain)
                        sum += process_cpu_ns(entry->d_name);
        return sum;
}

static Cost read_cost(const Bench *b) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        Cost c = {};

        if (asprintf(&path, "%s/per_cpu/cpu%" PRIu64 "/stats", b->instance, b->ring_cpu) < 0) {
                path = NULL;
                die(b, "no memory");
        }
        if (read_file_at(AT_FDCWD, path, 4 * KIB, &text, NULL) < 0 || tracer_stats_parse(text, &c.stats) < 0)
                die(b, "cannot read the statistics of the instance");
        c.cpu_ns = drain_cpu_ns(b);
        return c;
}

static uint64_t run_load(const Bench *b, uint64_t n_events, const char *rate) {
        char cpu[24], count[24], text[32] = "";
        posix_spawn_file_actions_t actions;
        char *argv[] = { (char *) b->load, cpu, count, (char *) rate, NULL };
        int fds[2], status;
        uint64_t usec;
        pid_t pid;
        ssize_t n;

        (void) snprintf(cpu, sizeof cpu, "%" PRIu64, b->ring_cpu);
        (void) snprintf(count, sizeof count, "%" PRIu64, n_events);
        if (pipe2(fds, O_CLOEXEC) < 0)
                die(b, "cannot make a pipe");
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
        if (posix_spawn(&pid, b->load, &actions, NULL, argv, environ) != 0)
                die(b, "cannot start the load");
        (void) posix_spawn_file_actions_destroy(&actions);
        safe_close(fds[1]);
        n = read(fds[0], text, sizeof text - 1);
        safe_close(fds[0]);
        if (waitpid(pid, &status, 0) != pid || status != 0 || n <= 0 || sscanf(text, "%" SCNu64, &usec) != 1)
                die(b, "the load failed");
        return usec;
}

static void start_drain(Bench *b, char **argv) {
        cpu_set_t set;

        b->drain = fork();
        if (b->drain < 0)
                err(EXIT_FAILURE, "cannot start the drain");
        if (b->drain > 0)
                return;
        CPU_ZERO(&set);
        CPU_SET(b->drain_cpu, &set);
        if (setsid() < 0 || sched_setaffinity(0, sizeof set, &set) < 0)
                err(EXIT_FAILURE, "cannot run on CPU %" PRIu64, b->drain_cpu);
        /* What it has to say must not mix with the result. */
        (void) dup2(STDERR_FILENO, STDOUT_FILENO);
        execvp(argv[0], argv);
        err(EXIT_FAILURE, "cannot start %s", argv[0]);
}

/* Ready is a drain that has taken something. What wakes up by the fill of the ring needs more than others. */
static void wait_ready(const Bench *b) {
        uint64_t n_events = READY_FIRST_EVENTS;

        for (unsigned i = 0; i < READY_TRIES; i++) {
                Cost before = read_cost(b);

                (void) run_load(b, n_events, NULL);
                sleep_msec(READY_WAIT_MSEC);
                /* Programs that set the instance up themselves reset the counts while they do. */
                if (read_cost(b).stats.n_read > before.stats.n_read && before.cpu_ns > 0 && i > 3)
                        return;
                n_events = MIN(n_events * 3 / 2, (uint64_t) READY_MOST_EVENTS);
                if (waitpid(b->drain, NULL, WNOHANG) != 0)
                        die(b, "the drain ended by itself");
        }
        die(b, "the drain does not take anything");
}

/* Until it neither takes events nor computes any more: twice, as a busy machine may keep it from both for a second. */
static Cost wait_quiet(const Bench *b) {
        Cost before = read_cost(b);
        unsigned n_quiet = 0;

        for (unsigned i = 0; i < QUIET_TRIES; i++) {
                Cost now;

                sleep_msec(QUIET_MSEC);
                now = read_cost(b);
                if (now.stats.n_read != before.stats.n_read || now.cpu_ns - before.cpu_ns > WORK_NS)
                        n_quiet = 0;
                else if (++n_quiet == 2)
                        return now;
                before = now;
        }
        die(b, "the drain does not come to rest");
}

/* As a person would end it; a pipeline's last process then sees the end of its input. */
static void end_drain(const Bench *b) {
        (void) kill(-b->drain, SIGINT);
        for (int waited = 0; waited < END_MSEC; waited += 50) {
                if (waitpid(b->drain, NULL, WNOHANG) != 0)
                        break;
                sleep_msec(50);
        }
        (void) kill(-b->drain, SIGKILL);
}

int main(int argc, char *argv[]) {
        Cost before, after;
        uint64_t usec;
        Bench b = {};

        if (argc < 8 || parse_u64(argv[2], &b.ring_cpu) < 0 || parse_u64(argv[3], &b.drain_cpu) < 0 ||
            parse_u64(argv[4], &b.n_events) < 0)
                errx(EXIT_FAILURE, "usage: drain-cost INSTANCE RING-CPU DRAIN-CPU EVENTS RATE LOAD-PROGRAM COMMAND…");
        b.instance = argv[1];
        b.rate = streq(argv[5], "0") ? NULL : argv[5];
        b.load = argv[6];

        start_drain(&b, argv + 7);
        wait_ready(&b);
        before = wait_quiet(&b);
        usec = run_load(&b, b.n_events, b.rate);
        after = wait_quiet(&b);
        end_drain(&b);

        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", after.stats.n_read - before.stats.n_read,
                        after.stats.n_overrun + after.stats.n_dropped - before.stats.n_overrun - before.stats.n_dropped,
                        after.cpu_ns - before.cpu_ns, usec);
        return EXIT_SUCCESS;
}
