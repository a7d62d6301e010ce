/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "symbols.h"

/* A Debian kernel with its modules has 10 to 20 MiB of symbols. */
#define FILE_MAX_BYTES (256 * MIB)

/* No function is longer: what lies further behind the last symbol is something that has none, such as a module that
 * was unloaded. */
#define FUNCTION_MAX_BYTES (1 * MIB)

typedef struct Entry {
        uint64_t address;
        const char *name, *module;      /* in the table's text; module NULL: none */
        uint32_t rank;                  /* of several at one address the lowest is taken */
        bool code;
} Entry;

typedef struct Table {
        char *text;             /* of the file, cut into strings */
        Entry *entries;
        size_t n_entries, n_allocated;
} Table;

struct Symbols {
        Table functions, sections;
};

static void table_done(Table *t) {
        free(t->text);
        free(t->entries);
}

Symbols *symbols_free(Symbols *s) {
        if (!s)
                return NULL;
        table_done(&s->functions);
        table_done(&s->sections);
        free(s);
        return NULL;
}

static int table_add(Table *t, Entry entry) {
        if (t->n_entries == t->n_allocated) {
                size_t n = MAX(t->n_allocated * 2, (size_t) 4096);
                Entry *grown = reallocarray(t->entries, n, sizeof(Entry));

                if (!grown)
                        return -ENOMEM;
                t->entries = grown;
                t->n_allocated = n;
        }
        t->entries[t->n_entries++] = entry;
        return 0;
}

static int compare_entries(const void *a, const void *b) {
        const Entry *x = a, *y = b;

        if (x->address != y->address)
                return x->address < y->address ? -1 : 1;
        return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The kernel's own part of the file is in order already. */
static void table_sort(Table *t) {
        for (size_t i = 1; i < t->n_entries; i++)
                if (compare_entries(t->entries + i - 1, t->entries + i) > 0) {
                        qsort(t->entries, t->n_entries, sizeof(Entry), compare_entries);
                        return;
                }
}

/* The last entry at or below the address; of several there, the first. */
static const Entry *table_find(const Table *t, uint64_t address) {
        size_t low = 0, high = t->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (t->entries[middle].address <= address)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == 0)
                return NULL;
        low--;
        while (low > 0 && t->entries[low - 1].address == t->entries[low].address)
                low--;
        return t->entries + low;
}

static int scan_address(char **p, uint64_t *ret) {
        uint64_t v = 0;
        char *s = *p;

        for (; (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'); s++) {
                if (v >> 60 != 0)
                        return -EBADMSG;
                v = v << 4 | (uint64_t) (*s <= '9' ? *s - '0' : *s - 'a' + 10);
        }
        if (s == *p)
                return -EBADMSG;
        *p = s;
        *ret = v;
        return 0;
}

/* Symbols of code: global, local and weak ones. Data of the same name may stand beside them. */
static bool is_code(char type) {
        return type == 'T' || type == 't' || type == 'W' || type == 'w';
}

/* One line, without its newline, which becomes strings. */
static int parse_function(Table *t, char *line, char *end, bool *any_address) {
        char *p = line, *name, *module = NULL, type;
        uint64_t address;

        if (scan_address(&p, &address) < 0 || end - p < 4 || p[0] != ' ' || p[2] != ' ')
                return -EBADMSG;
        *any_address |= address != 0;
        type = p[1];
        name = p + 3;
        if (!is_code(type))
                return 0;
        p = memchr(name, '\t', (size_t) (end - name));
        if (p) {
                if (p[1] != '[' || end[-1] != ']')
                        return -EBADMSG;
                *p = 0;
                module = p + 2;
                end[-1] = 0;
        }
        if (!*name)
                return -EBADMSG;
        /* Of names for the same code a global one says most; else the file's order is the kernel's own. */
        return table_add(t, (Entry) {
                        .address = address,
                        .name = name,
                        .module = module,
                        .rank = (uint32_t) (t->n_entries & INT32_MAX) + (type == 'T' ? 0 : (uint32_t) INT32_MAX + 1),
                        .code = true,
        });
}

static int parse_section(Table *t, char *line, char *end, bool *any_address) {
        char *section = memchr(line, ' ', (size_t) (end - line)), *p;
        uint64_t address;

        if (!section || section == line)
                return -EBADMSG;
        *section++ = 0;
        p = strchr(section, ' ');
        if (!p || p == section || p[1] != '0' || p[2] != 'x')
                return -EBADMSG;
        *p = 0;
        p += 3;
        if (scan_address(&p, &address) < 0 || p != end)
                return -EBADMSG;
        *any_address |= address != 0;
        return table_add(t, (Entry) {
                        .address = address,
                        .name = section,
                        .module = line,
                        .rank = (uint32_t) (t->n_entries & INT32_MAX),
                        .code = strstr(section, ".text"),
        });
}

static int table_load(Table *t, const char *path, int (*parse)(Table *t, char *line, char *end, bool *any_address)) {
        bool any_address = false;
        size_t bytes;
        int r;

        r = read_file_at(AT_FDCWD, path, FILE_MAX_BYTES, &t->text, &bytes);
        if (r < 0)
                return r;
        if (startswith(t->text, "unavailable:"))
                return -ENODATA;
        for (char *line = t->text, *end; line < t->text + bytes; line = end + 1) {
                end = memchr(line, '\n', bytes - (size_t) (line - t->text));
                if (!end)
                        end = t->text + bytes;
                *end = 0;
                r = parse(t, line, end, &any_address);
                if (r < 0)
                        return r;
        }
        if (bytes > 0 && !any_address)
                return -ENODATA;
        table_sort(t);
        return 0;
}

int symbols_load(const char *kallsyms, const char *modules, Symbols **ret) {
        _cleanup_(symbols_freep) Symbols *s = calloc(1, sizeof(Symbols));
        int r = 0;

        if (!s)
                return -ENOMEM;
        if (kallsyms)
                r = table_load(&s->functions, kallsyms, parse_function);
        if (r >= 0 && modules)
                r = table_load(&s->sections, modules, parse_section);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int symbols_find(const Symbols *s, uint64_t return_address, Symbol *ret) {
        /* The call is in front of it: where it was the last instruction, the address is the next function's. */
        uint64_t address = return_address - 1;
        const Entry *function = table_find(&s->functions, address), *section = table_find(&s->sections, address);

        /* A section that begins behind the function is nearer: the function is not the one. */
        if (function && (!section || section->address <= function->address)) {
                if (address - function->address >= FUNCTION_MAX_BYTES)
                        return 0;
                *ret = (Symbol) { function->name, function->module, return_address - function->address };
                return 1;
        }
        if (!section || !section->code || address - section->address >= FUNCTION_MAX_BYTES)
                return 0;
        *ret = (Symbol) { section->name, section->module, return_address - section->address };
        return 1;
}
