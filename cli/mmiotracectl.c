/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line client: which words there are, and what they stand for. */

#include <langinfo.h>
#include <limits.h>
#include <locale.h>

#include "help.h"
#include "options.h"
#include "pager.h"
#include "polkit-agent.h"
#include "text.h"
#include "verbs.h"

static int verb_help(Client *c, int argc, char *argv[]);

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
        { "show", 0, 1, NULL, .run = verb_show },
        { "describe", 0, 1, NULL, .asks = true, .run = verb_describe },
        { "log", 0, 1, NULL, .run = verb_log,
          .local = "the journal is read from its files. Read it there: ssh HOST mmiotracectl log ID" },
        { "export", 0, 2, "at most an ID and one FILE", .asks = true, .run = verb_export,
          .local = "an archive comes as an open file, which does not travel. Fetch it by "
                   "\"ssh HOST mmiotracectl export ID - > FILE\"." },
        { "submit", 0, 1, NULL, .asks = true, .run = verb_submit },
        { "protect", 1, 2, "an ID, and yes or no", .asks = true, .run = verb_protect },
        { "remove", 1, INT_MAX, "one ID or several", .asks = true, .run = verb_remove },
        { "seal", 1, 1, "one ID", .asks = true, .run = verb_seal },
        { "config", 0, 0, NULL, .run = verb_config },
        { "help", 0, 1, "at most one verb", .without_bus = true, .run = verb_help },
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

static int verb_help(Client *c, int argc, char *argv[]) {
        if (argc > 1 && !find_verb(argv[1]))
                return fail_verb(c, argv[1]);
        pager_open(c);
        if (argc > 1)
                help_print_verb(argv[1], stdout);
        else
                help_print(stdout);
        return EXIT_SUCCESS;
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
