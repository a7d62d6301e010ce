/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "help.h"
#include "options.h"

/* Headings begin a line, and what is indented by less than this an entry of theirs; the rest of an entry is indented more. */
#define ENTRY_INDENT_MAX 10

static const char help_text[] =
        "mmiotracectl [OPTIONS] [VERB]\n"
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
        "  show [ID]                Show everything about a session: also all its marks,\n"
        "                           the places of loss, and what its archive holds;\n"
        "                           without ID of the one that runs, or the last\n"
        "  describe [ID]            Say what a session is about: edit it, or give it by\n"
        "                           --text; without ID of the one that runs, or the last\n"
        "  log [ID]                 Show what the journal has about a session\n"
        "  export [ID [FILE]]       Write the archive of a session, or the last one, to\n"
        "                           FILE: a file, a folder, or '-' for standard output\n"
        "  submit [ID]              Send the archive of a session, or the last one, to a\n"
        "                           target of the configuration, after showing what goes\n"
        "                           out; without a target, write it to a file here\n"
        "  protect ID [yes|no]      Let nothing remove a session, or let it again\n"
        "  remove ID…               Remove sessions with all their files\n"
        "  seal ID                  Make the archive of a session, where that had failed\n"
        "  config                   Show the settings, and the line that each is from\n"
        "  help [VERB]              Show this, or what of it is about that verb\n"
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
        "    *  run: the command's own, or 128 and the number of a signal that ended it\n";

void help_print(FILE *f) {
        fputs(help_text, f);
}

typedef enum Section {
        SECTION_OTHER,
        SECTION_VERBS,
        SECTION_OPTIONS,        /* of this verb, and of others perhaps */
        SECTION_EXIT_STATUS,
} Section;

static bool has_word(const char *s, size_t l, const char *word) {
        size_t word_length = strlen(word);

        while (l > 0) {
                size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz-");

                n = MIN(n, l);
                if (n == word_length && strncmp(s, word, n) == 0)
                        return true;
                n = MAX(n, (size_t) 1);
                s += n;
                l -= n;
        }
        return false;
}

static Section section_of(const char *heading, size_t l, const char *verb) {
        if (startswith(heading, "Verbs:"))
                return SECTION_VERBS;
        if (startswith(heading, "Options of ") && has_word(heading, l, verb))
                return SECTION_OPTIONS;
        return startswith(heading, "Exit status:") ? SECTION_EXIT_STATUS : SECTION_OTHER;
}

/* Whether the entry that begins with this line is about the verb. */
static bool is_about(Section section, const char *line, size_t l, const char *verb) {
        const char *text = line + strspn(line, " "), *option, *end;

        switch (section) {
        case SECTION_VERBS:
                return has_word(text, strcspn(text, " "), verb);
        case SECTION_OPTIONS:
                option = strstr(text, "--");
                return option && option_is_of(option + 2, strspn(option + 2, "abcdefghijklmnopqrstuvwxyz-"), verb);
        case SECTION_EXIT_STATUS:
                end = memchr(line, ':', l);
                return end && has_word(line, (size_t) (end - line), verb);
        default:
                return false;
        }
}

void help_print_verb(const char *verb, FILE *f) {
        const char *heading = NULL;
        Section section = SECTION_OTHER;
        bool about = false;
        size_t l;

        for (const char *line = help_text; *line; line += l) {
                size_t indent = strspn(line, " ");

                l = strcspn(line, "\n") + 1;
                if (indent == 0) {
                        section = section_of(line, l, verb);
                        /* Of the verb itself there is just one. */
                        heading = section == SECTION_VERBS ? NULL : line;
                        about = false;
                        continue;
                }
                if (indent < ENTRY_INDENT_MAX)
                        about = is_about(section, line, l, verb);
                if (!about)
                        continue;
                if (heading)
                        fprintf(f, "\n%.*s", (int) (strcspn(heading, "\n") + 1), heading);
                heading = NULL;
                fprintf(f, "%.*s", (int) l, line);
        }
        fputs("\nOptions of all verbs, and what all exit statuses are: mmiotracectl help\n", f);
}
