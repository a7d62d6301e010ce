/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line client: which words there are, and what they stand for. */

#include <langinfo.h>
#include <limits.h>
#include <locale.h>

#include "options.h"
#include "pager.h"
#include "polkit-agent.h"
#include "text.h"
#include "verbs.h"

static int verb_help(Client *c, int argc, char *argv[]) {
        pager_open(c);
        fputs("mmiotracectl [OPTIONS] [VERB]\n"
              "\n"
              "Captures every access of Linux drivers to the registers of their devices.\n"
              "\n"
              "Verbs:\n"
              "  status [ID]              Show the session that is running, or one by its ID\n"
              "  check                    Show what stands in the way of a session\n"
              "  start                    Begin a session; the machine runs on one CPU until\n"
              "                           it is stopped\n"
              "  run [--] COMMAND…        Begin a session, run the command, and end the session\n"
              "                           with it; exits as the command does\n"
              "  mark TEXT                Write into the log what is being done\n"
              "  stop                     End the session and restore the machine\n"
              "  recover                  Put the machine back, whoever left it in mmiotrace;\n"
              "                           what its buffer still holds becomes a session\n"
              "  disarm                   Take back what 'start --at-next-boot' has asked for\n"
              "  list                     List all sessions\n"
              "  show ID                  Show everything about a session: also all its marks,\n"
              "                           the places of loss, and what its archive holds\n"
              "  describe [ID]            Say what a session is about: edit it, or give it by\n"
              "                           --text; without ID of the one that runs, or the last\n"
              "  log [ID]                 Show what the journal has about a session\n"
              "  export ID [FILE]         Write the archive of a session to FILE: a file, a\n"
              "                           folder, or '-' for standard output\n"
              "  submit [ID]              Send the archive of a session, or the last one, to a\n"
              "                           target of the configuration, after showing what goes\n"
              "                           out; without a target, write it to a file here\n"
              "  protect ID [yes|no]      Let nothing remove a session, or let it again\n"
              "  remove ID…               Remove sessions with all their files\n"
              "  seal ID                  Make the archive of a session, where that had failed\n"
              "  config                   Show the settings, and the line that each is from\n"
              "  help                     Show this\n"
              "\n"
              "Options of start, run and check:\n"
              "     --driver NAME         Driver that is to be watched: its devices are checked\n"
              "                           and described in the archive\n"
              "     --load                Load the driver's module once the capture runs\n"
              "     --rebind              Unbind the driver, and bind it again once it runs\n"
              "     --force               Begin although it is refused, where that is possible\n"
              "     --description TEXT    What the session is about; goes into the archive\n"
              "     --stacks              Record the call stack of every access, too; the raw\n"
              "                           capture with them goes into the archive\n"
              "     --keep-raw            Put the raw capture into the archive: CPU, task\n"
              "                           and nanoseconds of every access\n"
              "     --no-redact           Leave addresses, serials and names in the archive\n"
              "     --buffer-size SIZE    Of the kernel's buffer: bytes, or with K, M or G\n"
              "     --expect-events N     Make the buffer hold so many events, like 300k or 5M\n"
              "     --keep=newest|oldest  What stays in the buffer when it overflows\n"
              "     --stop-after=LIMIT    End it by itself after a time (30s, 5min, 2h), with\n"
              "                           so much captured (500M, 2G), or with so many events\n"
              "                           (300kevents, 2Mevents); may be given for each\n"
              "     --stop-on-mark TEXT   End it by itself once this mark is written\n"
              "\n"
              "Options of start:\n"
              "     --at-next-boot        Begin it early in the next boot and load the driver,\n"
              "                           once; it ends after 5min without --stop-after\n"
              "     --no-block            Do not wait until it captures\n"
              "\n"
              "Options of check:\n"
              "     --all                 Show also what is as it should be\n"
              "\n"
              "Options of list and config:\n"
              "  -l --full                Do not cut what is too long for the line\n"
              "\n"
              "Options of status:\n"
              "  -f --follow              Show it anew each second for as long as it runs; with\n"
              "                           --json a line each\n"
              "\n"
              "Options of describe:\n"
              "     --text TEXT           The description; an empty one takes it away\n"
              "     --edit                Edit it, with the questions that are asked of traces;\n"
              "                           that is what is done on a terminal without --text\n"
              "     --no-block            Do not wait until the archive has it, too\n"
              "\n"
              "Options of submit:\n"
              "     --to NAME|URL         Which target, where there are several; or an https://\n"
              "                           address to upload it to\n"
              "     --dry-run             Only show what would be sent, and where to\n"
              "  -y --yes                 Do not ask; needed where nobody can be asked\n"
              "     --no-block            Do not wait until it is sent\n"
              "     --wait                Wait until it is sent, also after it did not work\n"
              "     --cancel              End a submission that is under way\n"
              "\n"
              "Options of stop, seal and export:\n"
              "     --wait                stop, seal: wait until the archive is made\n"
              "     --no-block            stop: do not wait until the machine is restored\n"
              "     --force               export: replace FILE if it exists\n"
              "\n"
              "Options:\n"
              "     --json=short|pretty|off\n"
              "                           Print one JSON document instead of text\n"
              "  -j                       --json=pretty on a terminal, --json=short otherwise\n"
              "  -H --host [USER@]HOST    Talk to the daemon of another machine, over ssh\n"
              "  -q --quiet               Print results only, no explanations\n"
              "     --no-pager            Print long output as it is\n"
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
              "    5  stop, run: it went well, but events were lost, or given up\n"
              "    6  check: something stands in the way, and a session would not begin\n"
              "    7  submit: it is not sent yet; the daemon goes on trying\n"
              "  125  run: the session failed; the command was not run, or went well itself\n"
              "  126  run: the command cannot be run; nothing was started\n"
              "  127  run: the command was not found; nothing was started\n"
              "  130  interrupted while waiting; what the daemon was asked for goes on, but\n"
              "       for submit, which is cancelled then\n"
              "    *  run: the command's own, or 128 and the number of a signal that ended it\n",
              stdout);
        return EXIT_SUCCESS;
}

typedef struct Verb {
        const char *name;
        int min_arguments, max_arguments;       /* without the verb itself */
        const char *needs;
        bool without_bus;
        bool takes_command;                     /* its first argument ends our options: the rest is a command's */
        const char *local;                      /* why it cannot be had over --host */
        bool asks;                              /* polkit may want a password for it */
        int (*run)(Client *c, int argc, char *argv[]);
} Verb;

/* The first one is taken when none is given. Which options they have stands in options.c. */
static const Verb verbs[] = {
        { "status", 0, 1, NULL, .run = verb_status },
        { "check", 0, 0, NULL, .asks = true, .run = verb_check },
        { "start", 0, 0, NULL, .asks = true, .run = verb_start },
        { "run", 1, INT_MAX, "a command", .takes_command = true, .asks = true, .run = verb_run,
          .local = "the command would run here, and the capture there. Run mmiotracectl there: ssh HOST mmiotracectl run …" },
        { "mark", 1, 1, "one text, in quotes", .asks = true, .run = verb_mark },
        { "stop", 0, 0, NULL, .asks = true, .run = verb_stop },
        { "recover", 0, 0, NULL, .asks = true, .run = verb_recover },
        { "disarm", 0, 0, NULL, .asks = true, .run = verb_disarm },
        { "list", 0, 0, NULL, .run = verb_list },
        { "show", 1, 1, "an ID", .run = verb_show },
        { "describe", 0, 1, NULL, .asks = true, .run = verb_describe },
        { "log", 0, 1, NULL, .run = verb_log,
          .local = "the journal is read from its files. Read it there: ssh HOST mmiotracectl log ID" },
        { "export", 1, 2, "an ID and at most one FILE", .asks = true, .run = verb_export,
          .local = "an archive comes as an open file, which does not travel. Fetch it by "
                   "\"ssh HOST mmiotracectl export ID - > FILE\"." },
        { "submit", 0, 1, NULL, .asks = true, .run = verb_submit },
        { "protect", 1, 2, "an ID, and yes or no", .asks = true, .run = verb_protect },
        { "remove", 1, INT_MAX, "one ID or several", .asks = true, .run = verb_remove },
        { "seal", 1, 1, "one ID", .asks = true, .run = verb_seal },
        { "config", 0, 0, NULL, .run = verb_config },
        { "help", 0, 0, NULL, .without_bus = true, .run = verb_help },
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

static bool takes_command(const char *name) {
        const Verb *verb = find_verb(name);

        return verb && verb->takes_command;
}

static int run(Client *c, int argc, char *argv[]) {
        _cleanup_arguments_ Arguments a = {};
        const Verb *verb;
        pid_t agent = 0;
        int r, n;

        r = arguments_parse(c, argc, argv, takes_command, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (c->help)
                return verb_help(c, 0, NULL);
        if (c->version) {
                puts("mmiotracectl " PROJECT_VERSION);
                return EXIT_SUCCESS;
        }
        if (a.n_words == 0)
                a.words[a.n_words++] = (char *) verbs->name;
        verb = find_verb(a.words[0]);
        if (!verb)
                return fail_verb(c, a.words[0]);

        n = a.n_words - 1;
        if (n < verb->min_arguments || n > verb->max_arguments) {
                const char *many = n > 0 ? "Too many arguments" : "Something is missing";

                if (verb->needs)
                        return client_fail_usage(c, "See: mmiotracectl help", "%s: '%s' takes %s.", many,
                                        verb->name, verb->needs);
                return client_fail_usage(c, "See: mmiotracectl help", "%s for '%s'.", many, verb->name);
        }
        r = arguments_check(c, &a, verb->name);
        if (r != EXIT_SUCCESS)
                return r;
        if (c->host && verb->local)
                return client_fail_usage(c, NULL, "'%s' cannot be done over --host: %s", verb->name, verb->local);
        if (c->load && c->rebind)
                return client_fail_usage(c, NULL,
                                "--load is for a driver that is not loaded, --rebind for one that is: "
                                "give one of them.");
        if ((c->load || c->rebind) && !c->driver)
                return client_fail_usage(c, NULL, "To %s a driver, name it: --driver NAME --%s.", c->load ? "load" : "rebind",
                                c->load ? "load" : "rebind");
        if (c->wait && c->no_block)
                return client_fail_usage(c, NULL, "--wait and --no-block do not go together: give one of them.");
        if (c->at_next_boot && c->no_block)
                return client_fail_usage(c, NULL, "--at-next-boot begins nothing now: leave --no-block out.");
        if (c->buffer_size_bytes > 0 && c->n_expected_events > 0)
                return client_fail_usage(c, NULL,
                                "--buffer-size and --expect-events both say how large the buffer is: "
                                "give one of them.");

        if (!verb->without_bus) {
                r = client_connect(c);
                if (r < 0)
                        return client_fail_connect(c, r);
        }
        /* The password is asked for where the daemon is. */
        if (verb->asks && c->ask_password && !c->host)
                agent = polkit_agent_start();
        r = verb->run(c, n + 1, a.words);
        polkit_agent_end(agent);
        return r;
}

int main(int argc, char *argv[]) {
        Client c = { .begin_usec = now_monotonic_usec(), .talk = stdout, .legend = true, .pager = true, .ask_password = true };
        int status;

        /* Only what characters are and how wide: the words are English everywhere. Where nobody set a
         * locale, as on a serial console, UTF-8 still is what comes from the bus. */
        if (!setlocale(LC_CTYPE, "") || !streq(nl_langinfo(CODESET), "UTF-8"))
                (void) setlocale(LC_CTYPE, "C.UTF-8");
        c.terminal = terminal_detect(STDOUT_FILENO);

        status = run(&c, argc, argv);
        client_done(&c);
        if (c.pager_pid > 0) {
                pager_close(&c);
                return status;
        }
        if (fflush(stdout) != 0 || ferror(stdout)) {
                client_complain(NULL, "Cannot write to standard output.");
                return status == EXIT_SUCCESS ? EXIT_FAILURE : status;
        }
        return status;
}
