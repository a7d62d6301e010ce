/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "description-form.h"

static const char *const questions[] = {
        "What was done while it was traced, step by step, and with which programs?",
        "What happened, and what should have happened?",
        "What is the device sold as (maker, model)?",
        "What is connected to it, and to which of its connectors (monitors, TV sets, cables)?",
        "Which modes or settings were in use, and which settings were changed before?",
        "Does it work with this driver otherwise? With which other versions was it tried?",
};

static bool line_is(const char *line, size_t bytes, const char *s) {
        return bytes == strlen(s) && memcmp(line, s, bytes) == 0;
}

static bool is_question(const char *line, size_t bytes) {
        for (size_t i = 0; i < ELEMENTS(questions); i++)
                if (line_is(line, bytes, questions[i]))
                        return true;
        return false;
}

static size_t line_bytes(const char *s) {
        return strcspn(s, "\n");
}

static const char *next_line(const char *s) {
        s += line_bytes(s);
        return *s ? s + 1 : s;
}

static bool has_line(const char *text, const char *line) {
        for (const char *p = text; *p; p = next_line(p))
                if (line_is(p, line_bytes(p), line))
                        return true;
        return false;
}

static bool is_blank(const char *line, size_t bytes) {
        return strspn(line, " \t\r") >= bytes;
}

static int finish(FILE *f, char **text, char **ret) {
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(*text);
        return 0;
}

int description_form_new(const char *about, const char *description, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t bytes = 0;
        FILE *f = open_memstream(&text, &bytes);

        if (!f)
                return -errno;
        fprintf(f, "# %s: what is it about? It goes into the archive, for those who\n"
                   "# are to understand the trace. Lines that begin with \"#\" do not go in, and questions\n"
                   "# without an answer below them do not either.\n\n", about);
        if (!isempty(description))
                fprintf(f, "%s\n\n", description);
        for (size_t i = 0; i < ELEMENTS(questions); i++)
                if (!has_line(strempty(description), questions[i]))
                        fprintf(f, "%s\n\n\n", questions[i]);
        return finish(f, &text, ret);
}

/* A line, with one blank line before it where there were any. */
static void put_line(FILE *f, const char *line, size_t bytes, bool *after_blank, bool *begun) {
        if (*begun && *after_blank)
                fputc('\n', f);
        if (*begun)
                fputc('\n', f);
        fprintf(f, "%.*s", (int) bytes, line);
        *begun = true;
        *after_blank = false;
}

int description_form_read(const char *form, char **ret) {
        bool begun = false, after_blank = false;
        _cleanup_free_ char *text = NULL;
        const char *question = NULL;    /* whose answer has not come yet */
        size_t bytes = 0;
        FILE *f = open_memstream(&text, &bytes);

        if (!f)
                return -errno;
        for (const char *line = form; *line; line = next_line(line)) {
                size_t l = line_bytes(line);

                /* An editor of another system ends its lines so. */
                if (l > 0 && line[l - 1] == '\r')
                        l--;
                if (*line == '#')
                        continue;
                if (is_blank(line, l)) {
                        after_blank = true;
                        continue;
                }
                if (is_question(line, l)) {
                        question = line;
                        continue;
                }
                if (question) {
                        after_blank = true;
                        put_line(f, question, strcspn(question, "\r\n"), &after_blank, &begun);
                        question = NULL;
                }
                put_line(f, line, l, &after_blank, &begun);
        }
        return finish(f, &text, ret);
}
