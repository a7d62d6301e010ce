/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "boot-arguments.h"

/* The next argument, quotes taken off, or NULL. It and the value (NULL without "=") point into line. */
static char *next_argument(char **line, char **ret_value) {
        char *start = *line + strspn(*line, " \t\n"), *out = start, *equals = NULL, *in;
        bool quoted = false, more;

        if (!*start)
                return NULL;
        for (in = start; *in && (quoted || !strchr(" \t\n", *in)); in++) {
                if (*in == '"') {
                        quoted = !quoted;
                        continue;
                }
                if (*in == '=' && !equals)
                        equals = out;
                *out++ = *in;
        }
        more = *in;
        *out = 0;
        if (equals)
                *equals = 0;
        *line = in + more;
        *ret_value = equals ? equals + 1 : NULL;
        return start;
}

static bool name_equals(const char *a, const char *b) {
        for (; *a && *b; a++, b++)
                if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
                        return false;
        return *a == *b;
}

int boot_argument_get(const char *cmdline, const char *name, char **ret_value) {
        _cleanup_free_ char *copy = strdup(cmdline), *found = NULL;
        char *line = copy, *argument, *value;

        if (!copy)
                return -ENOMEM;
        while ((argument = next_argument(&line, &value))) {
                if (!name_equals(argument, name))
                        continue;
                free(found);
                found = strdup(strempty(value));
                if (!found)
                        return -ENOMEM;
        }
        if (!found)
                return 0;
        *ret_value = TAKE_PTR(found);
        return 1;
}

int boot_argument_lists(const char *cmdline, const char *name, const char *word) {
        _cleanup_free_ char *copy = strdup(cmdline);
        char *line = copy, *argument, *value, *entry;

        if (!copy)
                return -ENOMEM;
        while ((argument = next_argument(&line, &value))) {
                if (!name_equals(argument, name))
                        continue;
                while ((entry = strsep(&value, ",")))
                        if (name_equals(entry, word))
                                return 1;
        }
        return 0;
}

bool boot_argument_is_true(const char *value) {
        switch (*value) {
        case 0:
        case 'y':
        case 'Y':
        case 't':
        case 'T':
        case '1':
                return true;
        case 'o':
        case 'O':
                return value[1] == 'n' || value[1] == 'N';
        default:
                return false;
        }
}
