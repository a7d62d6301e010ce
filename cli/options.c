/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>

#include "options.h"
#include "text.h"

/* Above all characters, which stand for themselves. */
#define FIRST_ID 0x100

static int parse_json(Client *c, const char *s) {
        static const char *const modes[] = { [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty" };

        for (size_t i = 0; i < ELEMENTS(modes); i++)
                if (streq(s, modes[i])) {
                        c->json = (JsonMode) i;
                        return EXIT_SUCCESS;
                }
        return client_fail_usage(c, NULL, "--json= takes short, pretty or off, not '%s'.", s);
}

static int parse_json_automatic(Client *c, const char *s) {
        c->json = c->terminal.columns > 0 ? JSON_PRETTY : JSON_SHORT;
        return EXIT_SUCCESS;
}

static int parse_buffer_size(Client *c, const char *s) {
        if (parse_size(s, &c->buffer_size_bytes) < 0 || c->buffer_size_bytes == 0)
                return client_fail_usage(c, NULL, "--buffer-size takes a size like 64M, not '%s'.", s);
        return EXIT_SUCCESS;
}

static int parse_expect_events(Client *c, const char *s) {
        if (parse_count(s, &c->n_expected_events) < 0 || c->n_expected_events == 0)
                return client_fail_usage(c, NULL, "--expect-events takes a number like 5000000, 300k or 5M, not '%s'.", s);
        return EXIT_SUCCESS;
}

static int parse_stop_after(Client *c, const char *s) {
        if (stop_after_parse(s, &c->stop_after) < 0)
                return client_fail_usage(c, "A time has s, min, h or d; a size B, K, M or G; a number of events \"events\".",
                                "--stop-after takes a time like 30s or 5min, a size like 500M, or a number like 2Mevents, not '%s'.",
                                s);
        return EXIT_SUCCESS;
}

static int parse_keep(Client *c, const char *s) {
        if (!streq(s, "newest") && !streq(s, "oldest"))
                return client_fail_usage(c, NULL, "--keep= takes newest or oldest, not '%s'.", s);
        c->keep = s;
        return EXIT_SUCCESS;
}

typedef enum OptionKind {
        OPTION_TRUE,            /* sets a bool of the Client */
        OPTION_FALSE,
        OPTION_STRING,          /* has a value, kept as it is */
        OPTION_PARSED,          /* has one, and a function for it */
        OPTION_FUNCTION,        /* the same without a value */
} OptionKind;

static const struct {
        const char *name;       /* NULL: only the letter */
        char letter;
        const char *verbs;      /* that have it, with a blank around each; NULL: all */
        OptionKind kind;
        size_t offset;
        int (*parse)(Client *c, const char *s);
} options[] = {
        { "help", 'h', NULL, OPTION_TRUE, offsetof(Client, help) },
        { "version", 0, NULL, OPTION_TRUE, offsetof(Client, version) },
        { "host", 'H', NULL, OPTION_STRING, offsetof(Client, host) },
        { "quiet", 'q', NULL, OPTION_TRUE, offsetof(Client, quiet) },
        { "json", 0, NULL, OPTION_PARSED, .parse = parse_json },
        { NULL, 'j', NULL, OPTION_FUNCTION, .parse = parse_json_automatic },
        { "no-pager", 0, NULL, OPTION_FALSE, offsetof(Client, pager) },
        { "full", 'l', " list config ", OPTION_TRUE, offsetof(Client, full) },
        { "no-legend", 0, NULL, OPTION_FALSE, offsetof(Client, legend) },
        { "no-ask-password", 0, NULL, OPTION_FALSE, offsetof(Client, ask_password) },
        { "driver", 0, " start run check ", OPTION_STRING, offsetof(Client, driver) },
        { "load", 0, " start run check ", OPTION_TRUE, offsetof(Client, load) },
        { "rebind", 0, " start run check ", OPTION_TRUE, offsetof(Client, rebind) },
        { "description", 0, " start run check ", OPTION_STRING, offsetof(Client, description) },
        { "stacks", 0, " start run check ", OPTION_TRUE, offsetof(Client, stacks) },
        { "no-redact", 0, " start run check ", OPTION_TRUE, offsetof(Client, no_redact) },
        { "keep-raw", 0, " start run check ", OPTION_TRUE, offsetof(Client, keep_raw) },
        { "buffer-size", 0, " start run check ", OPTION_PARSED, .parse = parse_buffer_size },
        { "expect-events", 0, " start run check ", OPTION_PARSED, .parse = parse_expect_events },
        { "keep", 0, " start run check ", OPTION_PARSED, .parse = parse_keep },
        { "stop-after", 0, " start run check ", OPTION_PARSED, .parse = parse_stop_after },
        { "stop-on-mark", 0, " start run check ", OPTION_STRING, offsetof(Client, stop_on_mark) },
        { "at-next-boot", 0, " start ", OPTION_TRUE, offsetof(Client, at_next_boot) },
        { "force", 0, " start run export ", OPTION_TRUE, offsetof(Client, force) },
        { "all", 0, " check ", OPTION_TRUE, offsetof(Client, all) },
        { "follow", 'f', " status ", OPTION_TRUE, offsetof(Client, follow) },
        { "wait", 0, " stop seal submit ", OPTION_TRUE, offsetof(Client, wait) },
        { "no-block", 0, " start stop describe submit ", OPTION_TRUE, offsetof(Client, no_block) },
        { "text", 0, " describe ", OPTION_STRING, offsetof(Client, text) },
        { "edit", 0, " describe ", OPTION_TRUE, offsetof(Client, edit) },
        { "to", 0, " submit ", OPTION_STRING, offsetof(Client, to) },
        { "yes", 'y', " submit ", OPTION_TRUE, offsetof(Client, yes) },
        { "dry-run", 0, " submit ", OPTION_TRUE, offsetof(Client, dry_run) },
        { "cancel", 0, " submit ", OPTION_TRUE, offsetof(Client, cancel) },
};

_Static_assert(ELEMENTS(options) <= 64, "a bit for each");

static bool has_value(size_t i) {
        return options[i].kind == OPTION_STRING || options[i].kind == OPTION_PARSED;
}

void arguments_done(Arguments *a) {
        free(a->words);
        *a = (Arguments) {};
}

/* The same for getopt_long(): letters is at least 3 + 2 * ELEMENTS(options) bytes. */
static void make_getopt(struct option *ret, char *letters) {
        /* "-": words come in their order, as the option 1; ":": errors are ours to tell. */
        letters = stpcpy(letters, "-:");
        for (size_t i = 0; i < ELEMENTS(options); i++) {
                if (options[i].letter) {
                        *letters++ = options[i].letter;
                        if (has_value(i))
                                *letters++ = ':';
                }
                if (options[i].name)
                        *ret++ = (struct option) {
                                .name = options[i].name,
                                .has_arg = has_value(i) ? required_argument : no_argument,
                                .val = FIRST_ID + (int) i,
                        };
        }
        *letters = 0;
        *ret = (struct option) {};
}

/* The row of what getopt_long() returned, or ELEMENTS(options). */
static size_t find_option(int o) {
        size_t i;

        if (o >= FIRST_ID)
                return (size_t) (o - FIRST_ID);
        for (i = 0; i < ELEMENTS(options) && options[i].letter != o; i++)
                ;
        return i;
}

static int apply(Client *c, size_t i, const char *value) {
        void *p = (char *) c + options[i].offset;

        switch (options[i].kind) {
        case OPTION_TRUE:
        case OPTION_FALSE:
                *(bool *) p = options[i].kind == OPTION_TRUE;
                return EXIT_SUCCESS;
        case OPTION_STRING:
                *(const char **) p = value;
                return EXIT_SUCCESS;
        default:
                return options[i].parse(c, value);
        }
}

static int fail_option(const Client *c, int o, const char *word) {
        static const char hint[] = "See: mmiotracectl help";
        const char *names[ELEMENTS(options) + 1] = {}, *nearest;
        _cleanup_free_ char *name = NULL;
        size_t n = 0;

        if (o == ':')
                return client_fail_usage(c, hint, "The option %s takes a value.", word);
        if (optopt >= FIRST_ID)
                return client_fail_usage(c, hint, "The option --%s takes no value.", options[optopt - FIRST_ID].name);
        if (optopt > 0)
                return client_fail_usage(c, hint, "Unknown option -%c.", optopt);
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (options[i].name)
                        names[n++] = options[i].name;
        name = strndup(word + strlen("--"), strcspn(word + strlen("--"), "="));
        nearest = name ? text_nearest(name, names) : NULL;
        if (nearest)
                return client_fail_usage(c, NULL, "Unknown option --%s, did you mean --%s?", name, nearest);
        return client_fail_usage(c, hint, "Unknown option %s.", word);
}

int arguments_parse(Client *c, int argc, char *argv[], bool (*takes_command)(const char *verb), Arguments *ret) {
        _cleanup_arguments_ Arguments a = { .words = calloc((size_t) argc + 2, sizeof *a.words) };
        struct option long_options[ELEMENTS(options) + 1];
        char letters[3 + 2 * ELEMENTS(options)];
        bool command = false;
        int o, r;

        if (!a.words)
                return client_fail_errno(c, -ENOMEM, "Cannot read the arguments");
        make_getopt(long_options, letters);
        while (!command && !c->help && !c->version && (o = getopt_long(argc, argv, letters, long_options, NULL)) >= 0) {
                size_t i = find_option(o);

                if (o == 1) {
                        command = a.n_words == 1 && takes_command(a.words[0]);
                        if (!command)
                                a.words[a.n_words++] = optarg;
                        continue;
                }
                r = i < ELEMENTS(options) ? apply(c, i, optarg) : fail_option(c, o, argv[optind - 1]);
                if (r != EXIT_SUCCESS)
                        return r;
                a.given |= UINT64_C(1) << i;
        }
        for (int i = command ? optind - 1 : optind; i < argc; i++)
                a.words[a.n_words++] = argv[i];
        *ret = a;
        a = (Arguments) {};
        return EXIT_SUCCESS;
}

static bool verb_has(size_t i, const char *verb) {
        const char *p = options[i].verbs;
        size_t l = strlen(verb);

        if (!p)
                return true;
        while ((p = strstr(p + 1, verb)))
                if (p[-1] == ' ' && p[l] == ' ')
                        return true;
        return false;
}

bool option_is_of(const char *name, size_t length, const char *verb) {
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (options[i].name && strlen(options[i].name) == length && strncmp(options[i].name, name, length) == 0)
                        return verb_has(i, verb);
        return false;
}

int arguments_check(const Client *c, const Arguments *a, const char *verb) {
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (a->given >> i & 1 && !verb_has(i, verb))
                        return client_fail_usage(c, "See: mmiotracectl help", "'%s' has no option --%s.", verb,
                                        options[i].name);
        return EXIT_SUCCESS;
}
