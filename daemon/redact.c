/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <search.h>

#include "redact.h"
#include "sysfs.h"

#define MAC_BYTES 6
/* What is shorter says nothing, and would be found everywhere. */
#define NAME_MIN 2
#define USER_MIN 3
#define SERIAL_MIN 5
/* An index, as in "SerialNumber=3" of USB, is no serial number. */
#define INDEX_DIGITS_MAX 3

/* A value that the machine has told. */
typedef struct Known {
        RedactKind kind;
        char *text;             /* as it is looked for */
        char *value;            /* what it is one form of */
        bool any_case, inside;  /* also within a longer word */
} Known;

/* A value that was found, or one form of it: its number is its place among those of its kind. */
typedef struct Value {
        RedactKind kind;
        unsigned number;
        char *value;
} Value;

typedef struct Count {
        RedactKind kind;
        char *where;
        uint64_t n;
} Count;

struct Redactor {
        Known *known;
        size_t n_known;
        bool starts[256];       /* bytes that a known value begins with */
        char **kept;
        void *values;           /* a tree of Value, see tsearch(3): a log can hold a hundred thousand */
        unsigned n_by_kind[_REDACT_KIND_MAX];
        Count *counts;
        size_t n_counts;
};

/* The words in the archive: they do not change. */
static const char *const kind_words[_REDACT_KIND_MAX] = {
        [REDACT_MAC] = "mac",
        [REDACT_SERIAL] = "serial",
        [REDACT_ID] = "id",
        [REDACT_SECRET] = "secret",
        [REDACT_HOST] = "host",
        [REDACT_USER] = "user",
        [REDACT_SSID] = "ssid",
};

static void free_value(void *p) {
        Value *v = p;

        free(v->value);
        free(v);
}

static int compare_values(const void *a, const void *b) {
        const Value *x = a, *y = b;

        return x->kind != y->kind ? (int) x->kind - (int) y->kind : strcasecmp(x->value, y->value);
}

int redactor_new(Redactor **ret) {
        *ret = calloc(1, sizeof(Redactor));
        return *ret ? 0 : -ENOMEM;
}

Redactor *redactor_free(Redactor *r) {
        if (!r)
                return NULL;
        for (size_t i = 0; i < r->n_known; i++) {
                free(r->known[i].text);
                free(r->known[i].value);
        }
        free(r->known);
        tdestroy(r->values, free_value);
        for (size_t i = 0; i < r->n_counts; i++)
                free(r->counts[i].where);
        free(r->counts);
        strv_free(r->kept);
        free(r);
        return NULL;
}

int redactor_keep(Redactor *r, const char *name) {
        return strv_extend(&r->kept, name);
}

static bool is_word(char c) {
        return isalnum((unsigned char) c) || c == '_';
}

static bool is_hex(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!isxdigit((unsigned char) s[i]))
                        return false;
        return true;
}

static int add_known(Redactor *r, RedactKind kind, const char *value, bool any_case, bool inside, const char *text) {
        Known *grown = reallocarray(r->known, r->n_known + 1, sizeof(Known)), *k;
        size_t i;

        if (!grown)
                return -ENOMEM;
        r->known = grown;
        /* The longest first: "host.example" before "host". */
        for (i = r->n_known; i > 0 && strlen(grown[i - 1].text) < strlen(text); i--)
                grown[i] = grown[i - 1];
        k = grown + i;
        *k = (Known) { kind, strdup(text), strdup(value), any_case, inside };
        r->n_known++;
        if (!k->text || !k->value)
                return -ENOMEM;
        r->starts[(unsigned char) *text] = true;
        if (any_case) {
                r->starts[tolower((unsigned char) *text)] = true;
                r->starts[toupper((unsigned char) *text)] = true;
        }
        return 0;
}

static bool mac_is_anybodys(const uint8_t mac[static MAC_BYTES]) {
        static const uint8_t zeros[MAC_BYTES], ones[MAC_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

        return memcmp(mac, zeros, MAC_BYTES) == 0 || memcmp(mac, ones, MAC_BYTES) == 0;
}

/* By itself it is found by its form. Here is what is not: as a part of something longer (a DUID), with dots or with nothing
 * between the digits (the name of an interface, enx525400123456), and in the address of IPv6 that is made of it (RFC 4291,
 * appendix A). */
static int add_mac(Redactor *r, const char *value) {
        char digits[2 * MAC_BYTES + 1], colons[3 * MAC_BYTES], dots[16], ipv6[32];
        uint8_t mac[MAC_BYTES];
        int k;

        if (sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != MAC_BYTES ||
            mac_is_anybodys(mac))
                return 0;
        (void) snprintf(digits, sizeof digits, "%02x%02x%02x%02x%02x%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
        (void) snprintf(ipv6, sizeof ipv6, "%x:%x:fe%02x:%x", (mac[0] ^ 2u) << 8 | mac[1], mac[2] << 8 | 0xffu, mac[3],
                        (unsigned) mac[4] << 8 | mac[5]);
        (void) snprintf(colons, sizeof colons, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
        (void) snprintf(dots, sizeof dots, "%02x%02x.%02x%02x.%02x%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
        k = add_known(r, REDACT_MAC, digits, true, true, digits);
        if (k >= 0)
                k = add_known(r, REDACT_MAC, digits, true, false, dots);
        if (k >= 0)
                k = add_known(r, REDACT_MAC, digits, true, true, colons);
        return k < 0 ? k : add_known(r, REDACT_MAC, digits, true, false, ipv6);
}

/* What a firmware says that has not been given one. */
static bool serial_is_nobodys(const char *value) {
        bool digit = false, two = false;

        for (const char *p = value; *p; p++) {
                digit |= isdigit((unsigned char) *p) != 0;
                two |= *p != *value;
        }
        return strlen(value) < SERIAL_MIN || !digit || !two || startswith("0123456789", value) || startswith("1234567890", value);
}

int redactor_add(Redactor *r, RedactKind kind, const char *value) {
        _cleanup_free_ char *first = NULL;
        int k;

        if (strv_contains(r->kept, value) || !text_is_clean(value, false))
                return 0;
        switch (kind) {
        case REDACT_MAC:
                return add_mac(r, value);
        case REDACT_SERIAL:
                return serial_is_nobodys(value) ? 0 : add_known(r, kind, value, true, false, value);
        case REDACT_HOST:
                if (strlen(value) < NAME_MIN || startswith(value, "localhost") || streq(value, "(none)"))
                        return 0;
                first = strndup(value, strcspn(value, "."));
                if (!first)
                        return -ENOMEM;
                k = add_known(r, kind, first, false, false, value);
                return k < 0 || streq(first, value) || strlen(first) < NAME_MIN ? k : add_known(r, kind, first, false, false, first);
        case REDACT_USER:
                return strlen(value) < USER_MIN ? 0 : add_known(r, kind, value, false, false, value);
        default:
                return strlen(value) < NAME_MIN ? 0 : add_known(r, kind, value, false, false, value);
        }
}

int redactor_count(Redactor *r, RedactKind kind, const char *where) {
        Count *grown;
        char *copy;

        for (size_t i = 0; i < r->n_counts; i++)
                if (r->counts[i].kind == kind && streq(r->counts[i].where, where)) {
                        r->counts[i].n++;
                        return 0;
                }
        grown = reallocarray(r->counts, r->n_counts + 1, sizeof(Count));
        if (!grown)
                return -ENOMEM;
        r->counts = grown;
        copy = strdup(where);
        if (!copy)
                return -ENOMEM;
        r->counts[r->n_counts++] = (Count) { kind, copy, 1 };
        return 0;
}

/* Its number among those of its kind, from 1. */
static int number_of(Redactor *r, RedactKind kind, const char *value, unsigned *ret) {
        const Value key = { .kind = kind, .value = (char *) value };
        Value **found = tfind(&key, &r->values, compare_values), *v;

        if (found) {
                *ret = (*found)->number;
                return 0;
        }
        v = malloc(sizeof(Value));
        if (!v)
                return -ENOMEM;
        *v = (Value) { kind, r->n_by_kind[kind] + 1, strdup(value) };
        if (!v->value || !tsearch(v, &r->values, compare_values)) {
                free_value(v);
                return -ENOMEM;
        }
        *ret = ++r->n_by_kind[kind];
        return 0;
}

/* One run over a text. */
typedef struct Scan {
        Redactor *redactor;
        const char *where;
        FILE *out;
        const char *start, *end;        /* of the line */
        const char *row_end;            /* of the row of pairs that was looked at last, see take_mac() */
        bool arguments;                 /* it is the kernel's command line, or a part of it */
        int r;
} Scan;

static void put(Scan *s, RedactKind kind, const char *value) {
        unsigned number = 0;

        if (s->r >= 0)
                s->r = number_of(s->redactor, kind, value, &number);
        if (s->r >= 0)
                s->r = redactor_count(s->redactor, kind, s->where);
        if (s->r >= 0)
                fprintf(s->out, "[redacted %s %u]", kind_words[kind], number);
}

static void put_part(Scan *s, RedactKind kind, const char *p, size_t bytes) {
        _cleanup_free_ char *value = strndup(p, bytes);

        if (!value)
                s->r = -ENOMEM;
        else
                put(s, kind, value);
}

static bool begins_word(const Scan *s, const char *p) {
        return p == s->start || !is_word(p[-1]);
}

static bool has(const Scan *s, const char *p, const char *text) {
        size_t l = strlen(text);

        return (size_t) (s->end - p) >= l && strncasecmp(p, text, l) == 0;
}

/* The functions below look at what begins at p. They return how much of it they have dealt with, 0 if it is not theirs. */

static size_t take_known(Scan *s, const char *p) {
        const Redactor *r = s->redactor;

        if (!r->starts[(unsigned char) *p])
                return 0;
        for (size_t i = 0; i < r->n_known; i++) {
                const Known *k = r->known + i;
                size_t l = strlen(k->text);

                if ((size_t) (s->end - p) < l || (k->any_case ? strncasecmp : strncmp)(p, k->text, l) != 0)
                        continue;
                if (!k->inside && (!begins_word(s, p) || (p + l < s->end && is_word(p[l]))))
                        continue;
                put(s, k->kind, k->value);
                return l;
        }
        return 0;
}

/* Pairs of digits between colons or dashes: six are an address, eight an EUI-64, seven one behind its type ("BOOTIF="). A
 * longer row is something else, and so is every part of it. */
static size_t take_mac(Scan *s, const char *p) {
        char digits[2 * 8 + 1] = "";
        const char *q = p;
        char separator = 0;
        size_t n = 0;

        if (p < s->row_end || !isxdigit((unsigned char) *p) || !begins_word(s, p))
                return 0;
        while (s->end - q >= 2 && is_hex(q, 2)) {
                if (n < 8)
                        (void) snprintf(digits + 2 * n, 3, "%.2s", q);
                n++;
                q += 2;
                if (s->end - q < 3 || (*q != ':' && *q != '-') || (separator && *q != separator) || !is_hex(q + 1, 2))
                        break;
                separator = *q++;
        }
        if (n > 1)
                s->row_end = q;
        if (n < MAC_BYTES || n > 8 || (q < s->end && is_word(*q)) || (s->end - q >= 2 && *q == separator && is_word(q[1])))
                return 0;
        if (strspn(digits, "0") == 2 * n || strspn(digits, "fF") == 2 * n)
                return 0;
        /* The type in front is not a part of the value. */
        if (n == 7)
                fwrite(p, 1, 3, s->out);
        put(s, REDACT_MAC, n == 7 ? digits + 2 : digits);
        return (size_t) (q - p);
}

static size_t take_uuid(Scan *s, const char *p) {
        static const size_t groups[] = { 8, 4, 4, 4, 12 };
        const char *q = p;

        if (!isxdigit((unsigned char) *p) || !begins_word(s, p))
                return 0;
        for (size_t i = 0; i < ELEMENTS(groups); i++) {
                if (i > 0 && (q == s->end || *q++ != '-'))
                        return 0;
                if ((size_t) (s->end - q) < groups[i] || !is_hex(q, groups[i]))
                        return 0;
                q += groups[i];
        }
        if (q < s->end && is_word(*q))
                return 0;
        put_part(s, REDACT_ID, p, (size_t) (q - p));
        return (size_t) (q - p);
}

/* How long a value is: up to its quote, or up to what separates it. ret_skip is the quote in front. */
static size_t value_length(const Scan *s, const char *p, const char *separators, size_t *ret_skip) {
        size_t l = 0;

        *ret_skip = 0;
        if (p < s->end && (*p == '"' || *p == '\'')) {
                const char *close = memchr(p + 1, *p, (size_t) (s->end - p - 1));

                *ret_skip = 1;
                return (size_t) ((close ?: s->end) - p - 1);
        }
        while (p + l < s->end && !isspace((unsigned char) p[l]) && !strchr(separators, p[l]))
                l++;
        return l;
}

/* Writes what is in front of the value, and the value's word; a value that is none is left to the others. */
static size_t put_value(Scan *s, RedactKind kind, const char *p, const char *value, const char *separators) {
        size_t skip, l = value_length(s, value, separators, &skip);

        if (l == 0)
                return 0;
        fwrite(p, 1, (size_t) (value - p) + skip, s->out);
        put_part(s, kind, value + skip, l);
        return (size_t) (value - p) + skip + l;
}

/* UUID=, LABEL= and the like, as mount(8) takes them, and the links of udev below /dev/disk. */
static size_t take_disk(Scan *s, const char *p) {
        static const char *const prefixes[] = { "UUID=", "PARTUUID=", "LABEL=", "PARTLABEL=", "UUID_SUB=", "uuid:", };

        if (has(s, p, "/dev/disk/by-")) {
                const char *slash = memchr(p + 13, '/', (size_t) (s->end - p - 13));

                return slash ? put_value(s, REDACT_ID, p, slash + 1, ",;:\"'") : 0;
        }
        if (!begins_word(s, p))
                return 0;
        for (size_t i = 0; i < ELEMENTS(prefixes); i++)
                if (has(s, p, prefixes[i]))
                        return put_value(s, REDACT_ID, p, p + strlen(prefixes[i]), ",;:\"'");
        return 0;
}

/* "SSID 'x'", "ssid=x", "ESSID: \"x\"". */
static size_t take_ssid(Scan *s, const char *p) {
        const char *q = p;
        bool marked = false;

        if (has(s, p, "essid"))
                q++;
        if (!begins_word(s, p) || !has(s, q, "ssid") || (q + 4 < s->end && is_word(q[4])))
                return 0;
        for (q += 4; q < s->end && strchr(" =:", *q); q++)
                marked |= *q != ' ';
        if (q == s->end || (!marked && *q != '"' && *q != '\''))
                return 0;
        return put_value(s, REDACT_SSID, p, q, ",;)");
}

static bool is_index(const char *s) {
        return strlen(s) <= INDEX_DIGITS_MAX && strspn(s, "0123456789") == strlen(s);
}

static size_t take_serial(Scan *s, const char *p) {
        /* What has to stand between the word and the value: "Serial: 8250/16550 driver" is no serial number. */
        static const struct {
                const char *word, *marks;
        } forms[] = {
                { "serialnumber", ":=#" }, { "serial_number", ":=#" }, { "serial number", " :=#" }, { "serial no.", " :=#" },
                { "serial no", ":=#" }, { "s/n", " :=#" }, { "serial", "=" },
        };
        _cleanup_free_ char *value = NULL;
        const char *q = NULL;
        size_t skip, l;

        if (!begins_word(s, p))
                return 0;
        for (size_t i = 0; i < ELEMENTS(forms) && !q; i++) {
                q = p + strlen(forms[i].word);
                if (!has(s, p, forms[i].word) || q == s->end || !strchr(forms[i].marks, *q))
                        q = NULL;
        }
        while (q && q < s->end && strchr(" :=#", *q))
                q++;
        if (!q || q == s->end)
                return 0;
        l = value_length(s, q, ",;)", &skip);
        value = strndup(q + skip, l);
        if (!value) {
                s->r = -ENOMEM;
                return 0;
        }
        /* A root hub's is the address of its host controller. */
        if (is_index(value) || pci_address_is_valid(value))
                return 0;
        return put_value(s, REDACT_SERIAL, p, q, ",;)");
}

/* "https://user:password@host". */
static size_t take_userinfo(Scan *s, const char *p) {
        const char *q;

        if (!has(s, p, "://"))
                return 0;
        for (q = p + 3; q < s->end && *q != '@'; q++)
                if (isspace((unsigned char) *q) || *q == '/' || *q == '"')
                        return 0;
        if (q == s->end || q == p + 3)
                return 0;
        fputs("://", s->out);
        put_part(s, REDACT_SECRET, p + 3, (size_t) (q - p - 3));
        return (size_t) (q - p);
}

static size_t take_home(Scan *s, const char *p) {
        return has(s, p, "/home/") ? put_value(s, REDACT_USER, p, p + 6, "/,;:)\"'") : 0;
}

static bool has_word(const char *name, size_t bytes, const char *const *words) {
        for (size_t i = 0; i < bytes;) {
                size_t l = 0;

                while (i + l < bytes && isalnum((unsigned char) name[i + l]))
                        l++;
                for (const char *const *w = words; *w && l > 0; w++)
                        if (strlen(*w) == l && strncasecmp(*w, name + i, l) == 0)
                                return true;
                i += l + 1;
        }
        return false;
}

static bool name_starts(const char *name, size_t bytes, const char *prefix) {
        return bytes >= strlen(prefix) && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What the value of "name=value" is by the name; -1 if nothing. In a text in general, "key=3" is more often a register
 * than a secret. */
static int kind_by_name(const char *name, size_t bytes, bool arguments) {
        static const char *const secrets[] = {
                "password", "passwd", "passphrase", "psk", "secret", "credential", "credentials", "apikey", "cryptkey",
                NULL,
        };
        static const char *const argument_secrets[] = {
                "pass", "pw", "pwd", "key", "token", "auth", "cred", "keyfile", NULL,
        };
        static const char *const users[] = { "user", "username", "login", NULL };
        static const char *const hosts[] = { "hostname", "host", NULL };

        if (has_word(name, bytes, secrets))
                return REDACT_SECRET;
        /* Of the audit. */
        if (bytes == 4 && name_starts(name, bytes, "acct"))
                return REDACT_USER;
        if (!arguments)
                return -1;
        if (has_word(name, bytes, argument_secrets))
                return REDACT_SECRET;
        if (has_word(name, bytes, users))
                return REDACT_USER;
        if (has_word(name, bytes, hosts))
                return REDACT_HOST;
        if (name_starts(name, bytes, "systemd.machine_id"))
                return REDACT_HOST;
        if (name_starts(name, bytes, "rd.luks.") || name_starts(name, bytes, "luks.") || name_starts(name, bytes, "crypt"))
                return REDACT_ID;
        return -1;
}

static bool is_switch(const char *p, size_t l) {
        static const char *const words[] = { "0", "1", "yes", "no", "on", "off", "true", "false" };

        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (strlen(words[i]) == l && strncmp(p, words[i], l) == 0)
                        return true;
        return false;
}

/* "name=value": of an argument the value is all up to the blank, within one it ends at a comma, too. */
static size_t take_pair(Scan *s, const char *p) {
        const char *equals = p, *separators;
        size_t skip, l;
        int kind;

        if (!begins_word(s, p) || (p > s->start && strchr(".-", p[-1])))
                return 0;
        while (equals < s->end && (is_word(*equals) || strchr(".-", *equals)))
                equals++;
        if (equals == p || equals == s->end || *equals != '=')
                return 0;
        kind = kind_by_name(p, (size_t) (equals - p), s->arguments);
        if (kind < 0)
                return 0;
        /* "name=value with blanks" */
        if (s->arguments && p > s->start && p[-1] == '"') {
                const char *close = memchr(equals, '"', (size_t) (s->end - equals)) ?: s->end;

                fwrite(p, 1, (size_t) (equals + 1 - p), s->out);
                put_part(s, (RedactKind) kind, equals + 1, (size_t) (close - equals - 1));
                return (size_t) (close - p);
        }
        separators = s->arguments && (p == s->start || isspace((unsigned char) p[-1])) ? "" : ",;&)\"'";
        l = value_length(s, equals + 1, separators, &skip);
        if (kind != REDACT_SECRET && is_switch(equals + 1 + skip, l))
                return 0;
        return put_value(s, (RedactKind) kind, p, equals + 1, separators);
}

/* Lines that repeat the command line, or a part of it: "Kernel command line: ...", "Unknown kernel command line
 * parameters ...", and the arguments and the environment that are left for init, each on a line of its own
 * (init/main.c). */
static bool has_arguments(const char *line, const char *end) {
        static const char words[] = "ommand line";
        const char *text = memchr(line, ']', (size_t) (end - line));

        if (memmem(line, (size_t) (end - line), words, strlen(words)))
                return true;
        return text && end - text > 5 && strncmp(text, "]     ", 6) == 0;
}

static void scan_line(Scan *s) {
        static size_t (*const takers[])(Scan *s, const char *p) = {
                take_pair, take_disk, take_known, take_mac, take_uuid, take_ssid, take_serial, take_userinfo, take_home,
        };
        const char *p = s->start;

        while (p < s->end && s->r >= 0) {
                size_t l = 0;

                for (size_t i = 0; i < ELEMENTS(takers) && l == 0 && s->r >= 0; i++)
                        l = takers[i](s, p);
                if (l == 0)
                        fputc(*p++, s->out);
                p += l;
        }
}

static int scan(Redactor *r, const char *where, const char *text, bool arguments, char **ret) {
        Scan s = { .redactor = r, .where = where };
        _cleanup_free_ char *result = NULL;
        size_t bytes;

        s.out = open_memstream(&result, &bytes);
        if (!s.out)
                return -ENOMEM;
        for (const char *line = text, *end; *line && s.r >= 0; line = end + (*end == '\n')) {
                _cleanup_free_ char *copy = NULL;

                /* By itself, so that no function of strings looks at what is behind it. */
                end = strchrnul(line, '\n');
                copy = malloc((size_t) (end - line) + 1);
                if (!copy) {
                        s.r = -ENOMEM;
                        break;
                }
                memcpy(copy, line, (size_t) (end - line));
                copy[end - line] = 0;
                s.start = s.row_end = copy;
                s.end = copy + (end - line);
                s.arguments = arguments || has_arguments(s.start, s.end);
                scan_line(&s);
                if (*end == '\n')
                        fputc('\n', s.out);
        }
        if (fclose(s.out) != 0 && s.r >= 0)
                s.r = -ENOMEM;
        if (s.r < 0)
                return s.r;
        *ret = TAKE_PTR(result);
        return 0;
}

int redact_text(Redactor *r, const char *where, const char *text, char **ret) {
        return scan(r, where, text, false, ret);
}

int redact_arguments(Redactor *r, const char *where, const char *arguments, char **ret) {
        return scan(r, where, arguments, true, ret);
}

static int compare_counts(const void *a, const void *b) {
        const Count *x = a, *y = b;
        int order = strcmp(x->where, y->where);

        return order != 0 ? order : (int) x->kind - (int) y->kind;
}

int redactor_to_json(const Redactor *r, struct json_object **ret) {
        _cleanup_json_ struct json_object *array = json_object_new_array();
        int k;

        if (!array)
                return -ENOMEM;
        if (r->n_counts > 0)
                qsort(r->counts, r->n_counts, sizeof(Count), compare_counts);
        for (size_t i = 0; i < r->n_counts; i++) {
                _cleanup_json_ struct json_object *o = json_object_new_object();

                if (!o)
                        return -ENOMEM;
                k = json_add_string(o, "what", kind_words[r->counts[i].kind]);
                if (k >= 0)
                        k = json_add_string(o, "where", r->counts[i].where);
                if (k >= 0)
                        k = json_add_u64(o, "count", r->counts[i].n);
                if (k < 0)
                        return k;
                if (json_object_array_add(array, o) < 0)
                        return -ENOMEM;
                o = NULL;
        }
        *ret = TAKE_PTR(array);
        return 0;
}
