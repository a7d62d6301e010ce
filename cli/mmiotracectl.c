/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line client: which words there are, and what they stand for. */

#include <getopt.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>

#include "polkit-agent.h"
#include "text.h"
#include "verbs.h"

static int verb_help(Client *c, int argc, char *argv[]) {
        fputs("mmiotracectl [OPTIONS] [VERB]\n"
              "\n"
              "Captures every access of Linux drivers to the registers of their devices.\n"
              "\n"
              "Verbs:\n"
              "  status [ID]              Show the session that is running, or one by its ID\n"
              "  start                    Begin a session; the machine runs on one CPU until\n"
              "                           it is stopped\n"
              "  run [--] COMMAND…        Begin a session, run the command, and end the session\n"
              "                           with it; exits as the command does\n"
              "  mark TEXT                Write into the log what is being done\n"
              "  stop                     End the session and restore the machine\n"
              "  list                     List all sessions\n"
              "  export ID [FILE]         Write the archive of a session to FILE: a file, a\n"
              "                           folder, or '-' for standard output\n"
              "  protect ID [yes|no]      Let nothing remove a session, or let it again\n"
              "  remove ID…               Remove sessions with all their files\n"
              "  help                     Show this\n"
              "\n"
              "Options of start and run:\n"
              "     --driver NAME         Driver that is to be watched: its devices are checked\n"
              "                           and described in the archive\n"
              "     --load                Load the driver's module once the capture runs\n"
              "     --rebind              Unbind the driver, and bind it again once it runs\n"
              "     --force               Begin although it is refused, where that is possible\n"
              "     --description TEXT    What the session is about; goes into the archive\n"
              "     --stacks              Record the call stack of every access, too; the raw\n"
              "                           capture with them goes into the archive\n"
              "     --keep-raw            Put the raw capture into the archive: it has CPU, task\n"
              "                           and nanoseconds of every access\n"
              "     --buffer-size SIZE    Of the kernel's buffer: bytes, or with K, M or G\n"
              "     --expect-events N     Make the buffer hold so many events, like 300k or 5M\n"
              "     --keep=newest|oldest  What stays in the buffer when it overflows\n"
              "\n"
              "Options of status:\n"
              "  -f --follow              Show it anew each second for as long as it runs; with\n"
              "                           --json a line each\n"
              "\n"
              "Options of stop and export:\n"
              "     --wait                stop: wait until the archive is made\n"
              "     --force               export: replace FILE if it exists\n"
              "\n"
              "Options:\n"
              "     --json=short|pretty|off\n"
              "                           Print one JSON document instead of text\n"
              "  -j                       --json=pretty on a terminal, --json=short otherwise\n"
              "  -q --quiet               Print results only, no explanations\n"
              "     --no-legend           Print tables without their heading\n"
              "     --no-ask-password     Do not ask for an authorization\n"
              "  -h --help                Show this\n"
              "     --version             Show the version\n"
              "\n"
              "Exit status:\n"
              "    0  success; status: a session is running\n"
              "    1  failure\n"
              "    2  wrong usage\n"
              "    3  status without ID, status --follow: no session is running\n"
              "    4  there is no session with that ID\n"
              "    5  stop, run: it went well, but the session lost events\n"
              "  125  run: the session failed; the command was not run, or went well itself\n"
              "  126  run: the command cannot be run; nothing was started\n"
              "  127  run: the command was not found; nothing was started\n"
              "  130  interrupted while waiting; what the daemon was asked for goes on\n"
              "    *  run: the command's own, 128 more than the number of a signal that ended it\n",
              stdout);
        return EXIT_SUCCESS;
}

/* Options that only one verb knows. */
typedef enum VerbOptions {
        OPTIONS_START = 1 << 0,
        OPTIONS_STOP = 1 << 1,
        OPTIONS_FORCE = 1 << 2,
        OPTIONS_STATUS = 1 << 3,
} VerbOptions;

typedef struct Verb {
        const char *name;
        int min_arguments, max_arguments;       /* without the verb itself */
        const char *needs;
        VerbOptions options;
        bool without_bus;
        bool takes_command;                     /* its first argument ends our options: the rest is a command's */
        bool asks;                              /* polkit may want a password for it */
        int (*run)(Client *c, int argc, char *argv[]);
} Verb;

/* The first one is taken when none is given. */
static const Verb verbs[] = {
        { "status", 0, 1, NULL, OPTIONS_STATUS, .run = verb_status },
        { "start", 0, 0, NULL, OPTIONS_START | OPTIONS_FORCE, .asks = true, .run = verb_start },
        { "run", 1, INT_MAX, "a command", OPTIONS_START | OPTIONS_FORCE, .takes_command = true, .asks = true, .run = verb_run },
        { "mark", 1, 1, "one text, in quotes", 0, .asks = true, .run = verb_mark },
        { "stop", 0, 0, NULL, OPTIONS_STOP, .asks = true, .run = verb_stop },
        { "list", 0, 0, NULL, 0, .run = verb_list },
        { "export", 1, 2, "an ID and at most one FILE", OPTIONS_FORCE, .asks = true, .run = verb_export },
        { "protect", 1, 2, "an ID, and yes or no", 0, .asks = true, .run = verb_protect },
        { "remove", 1, INT_MAX, "one ID or several", 0, .asks = true, .run = verb_remove },
        { "help", 0, 0, NULL, 0, .without_bus = true, .run = verb_help },
};

static const Verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                if (streq(verbs[i].name, name))
                        return verbs + i;
        return NULL;
}

static int fail_verb(const Client *c, const char *name) {
        const char *names[ELEMENTS(verbs) + 1] = {}, *nearest;

        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                names[i] = verbs[i].name;
        nearest = text_nearest(name, names);
        if (nearest)
                return client_fail_usage(c, NULL,
                                "Unknown verb '%s', did you mean '%s'?", name, nearest);
        return client_fail_usage(c, "See the verbs: mmiotracectl help",
                        "Unknown verb '%s'.", name);
}

enum {
        ARG_VERSION = 0x100,
        ARG_JSON,
        ARG_NO_LEGEND,
        ARG_NO_ASK_PASSWORD,
        ARG_DRIVER,
        ARG_LOAD,
        ARG_REBIND,
        ARG_DESCRIPTION,
        ARG_STACKS,
        ARG_KEEP_RAW,
        ARG_BUFFER_SIZE,
        ARG_EXPECT_EVENTS,
        ARG_KEEP,
        ARG_WAIT,
        ARG_FORCE,
};

static int parse_json_mode(const char *s, JsonMode *ret) {
        if (streq(s, "short"))
                *ret = JSON_SHORT;
        else if (streq(s, "pretty"))
                *ret = JSON_PRETTY;
        else if (streq(s, "off"))
                *ret = JSON_OFF;
        else
                return -EINVAL;
        return 0;
}

/* What was typed: the verb and what follows it, and whose special options were given. */
typedef struct Arguments {
        char **words;           /* with room for all of argv, and NULL at the end */
        int n_words;
        const Verb *verb;
        VerbOptions given;
} Arguments;

static void add_word(Arguments *a, char *word) {
        if (a->n_words == 0)
                a->verb = find_verb(word);
        a->words[a->n_words++] = word;
}

/* Returns EXIT_SUCCESS, or the exit status; with EXIT_SUCCESS and no verb everything is done already. */
static int parse_arguments(Client *c, int argc, char *argv[], Arguments *a) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "quiet", no_argument, NULL, 'q' },
                { "json", required_argument, NULL, ARG_JSON },
                { "no-legend", no_argument, NULL, ARG_NO_LEGEND },
                { "no-ask-password", no_argument, NULL, ARG_NO_ASK_PASSWORD },
                { "driver", required_argument, NULL, ARG_DRIVER },
                { "load", no_argument, NULL, ARG_LOAD },
                { "rebind", no_argument, NULL, ARG_REBIND },
                { "description", required_argument, NULL, ARG_DESCRIPTION },
                { "stacks", no_argument, NULL, ARG_STACKS },
                { "keep-raw", no_argument, NULL, ARG_KEEP_RAW },
                { "buffer-size", required_argument, NULL, ARG_BUFFER_SIZE },
                { "expect-events", required_argument, NULL, ARG_EXPECT_EVENTS },
                { "keep", required_argument, NULL, ARG_KEEP },
                { "follow", no_argument, NULL, 'f' },
                { "wait", no_argument, NULL, ARG_WAIT },
                { "force", no_argument, NULL, ARG_FORCE },
                {},
        };
        bool command = false;
        int o;

        /* "-": words come in their order, as the option 1. A command's own options must stay the command's. */
        while (!command && (o = getopt_long(argc, argv, "-:fhjq", options, NULL)) >= 0) {
                a->given |= o >= ARG_DRIVER && o <= ARG_KEEP ? OPTIONS_START :
                                o == ARG_WAIT                    ? OPTIONS_STOP :
                                o == ARG_FORCE                   ? OPTIONS_FORCE :
                                o == 'f'                         ? OPTIONS_STATUS :
                                                                   0;
                switch (o) {
                case 1:
                        command = a->n_words == 1 && a->verb && a->verb->takes_command;
                        if (!command)
                                add_word(a, optarg);
                        break;
                case 'h':
                        a->verb = NULL;
                        return verb_help(c, 0, NULL);
                case ARG_VERSION:
                        puts("mmiotracectl " PROJECT_VERSION);
                        a->verb = NULL;
                        return EXIT_SUCCESS;
                case 'f':
                        c->follow = true;
                        break;
                case 'q':
                        c->quiet = true;
                        break;
                case 'j':
                        c->json = c->terminal.columns > 0 ? JSON_PRETTY : JSON_SHORT;
                        break;
                case ARG_JSON:
                        if (parse_json_mode(optarg, &c->json) < 0)
                                return client_fail_usage(c, NULL,
                                                "--json= takes short, pretty or off, not '%s'.", optarg);
                        break;
                case ARG_NO_LEGEND:
                        c->legend = false;
                        break;
                case ARG_NO_ASK_PASSWORD:
                        c->ask_password = false;
                        break;
                case ARG_DRIVER:
                        c->driver = optarg;
                        break;
                case ARG_LOAD:
                        c->load = true;
                        break;
                case ARG_REBIND:
                        c->rebind = true;
                        break;
                case ARG_DESCRIPTION:
                        c->description = optarg;
                        break;
                case ARG_STACKS:
                        c->stacks = true;
                        break;
                case ARG_KEEP_RAW:
                        c->keep_raw = true;
                        break;
                case ARG_BUFFER_SIZE:
                        if (parse_size(optarg, &c->buffer_size_bytes) < 0 || c->buffer_size_bytes == 0)
                                return client_fail_usage(c, NULL,
                                                "--buffer-size takes a size like 64M, not '%s'.", optarg);
                        break;
                case ARG_EXPECT_EVENTS:
                        if (parse_count(optarg, &c->n_expected_events) < 0 || c->n_expected_events == 0)
                                return client_fail_usage(c, NULL,
                                                "--expect-events takes a number like 5000000, 300k or 5M, "
                                                "not '%s'.", optarg);
                        break;
                case ARG_KEEP:
                        if (!streq(optarg, "newest") && !streq(optarg, "oldest"))
                                return client_fail_usage(c, NULL,
                                                "--keep= takes newest or oldest, not '%s'.", optarg);
                        c->keep = optarg;
                        break;
                case ARG_WAIT:
                        c->wait = true;
                        break;
                case ARG_FORCE:
                        c->force = true;
                        break;
                case ':':
                        return client_fail_usage(c, "See: mmiotracectl help",
                                        "The option %s takes a value.", argv[optind - 1]);
                default:
                        if (optopt > 0 && optopt < ARG_VERSION)
                                return client_fail_usage(c, "See: mmiotracectl help",
                                                "Unknown option -%c.", optopt);
                        return client_fail_usage(c, "See: mmiotracectl help",
                                        "Unknown option, or one without a value: %s", argv[optind - 1]);
                }
        }

        for (int i = command ? optind - 1 : optind; i < argc; i++)
                add_word(a, argv[i]);
        if (a->n_words == 0)
                add_word(a, (char *) verbs->name);
        return a->verb ? EXIT_SUCCESS : fail_verb(c, a->words[0]);
}

static int run(Client *c, int argc, char *argv[]) {
        _cleanup_free_ char **words = calloc((size_t) argc + 2, sizeof *words);
        Arguments a = { .words = words };
        const Verb *verb;
        pid_t agent = 0;
        int r, n;

        if (!words)
                return client_fail_errno(c, -ENOMEM, "Cannot read the arguments");
        r = parse_arguments(c, argc, argv, &a);
        verb = a.verb;
        if (r != EXIT_SUCCESS || !verb)
                return r;

        n = a.n_words - 1;
        if (n < verb->min_arguments || n > verb->max_arguments) {
                const char *many = n > 0 ? "Too many arguments" : "Something is missing";

                if (verb->needs)
                        return client_fail_usage(c, "See: mmiotracectl help", "%s: '%s' takes %s.", many,
                                        verb->name, verb->needs);
                return client_fail_usage(c, "See: mmiotracectl help", "%s for '%s'.", many, verb->name);
        }
        if (a.given & ~verb->options)
                return client_fail_usage(c, "See: mmiotracectl help",
                                "An option was given that '%s' does not have.", verb->name);
        if (c->load && c->rebind)
                return client_fail_usage(c, NULL,
                                "--load is for a driver that is not loaded, --rebind for one that is: "
                                "give one of them.");
        if (c->buffer_size_bytes > 0 && c->n_expected_events > 0)
                return client_fail_usage(c, NULL,
                                "--buffer-size and --expect-events both say how large the buffer is: "
                                "give one of them.");

        if (!verb->without_bus) {
                r = client_connect(c);
                if (r < 0)
                        return client_fail_errno(c, r, "Cannot connect to the system bus");
        }
        if (verb->asks && c->ask_password)
                agent = polkit_agent_start();
        r = verb->run(c, n + 1, words);
        polkit_agent_end(agent);
        return r;
}

int main(int argc, char *argv[]) {
        Client c = { .begin_usec = now_monotonic_usec(), .talk = stdout, .legend = true, .ask_password = true };
        int status;

        /* Only what characters are and how wide: the words are English everywhere. Where nobody set a
         * locale, as on a serial console, UTF-8 still is what comes from the bus. */
        if (!setlocale(LC_CTYPE, "") || !streq(nl_langinfo(CODESET), "UTF-8"))
                (void) setlocale(LC_CTYPE, "C.UTF-8");
        c.terminal = terminal_detect(STDOUT_FILENO);

        status = run(&c, argc, argv);
        client_done(&c);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                client_complain(NULL, "Cannot write to standard output.");
                return status == EXIT_SUCCESS ? EXIT_FAILURE : status;
        }
        return status;
}
