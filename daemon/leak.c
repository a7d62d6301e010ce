/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "leak.h"

#define VALUE_MIN_BYTES 6
#define VALUE_MAX_BYTES 16
#define WORDS_MAX (VALUE_MAX_BYTES / 2)
#define REGISTERS_MAX 8
/* How many accesses its words may be apart: between two words of an EEPROM a driver asks some times whether it is ready. */
#define WINDOW 64

enum {
        LITTLE_ENDIAN_WORDS,
        BIG_ENDIAN_WORDS,
        _ORDER_MAX,
};

typedef struct Seen {
        uint64_t at;            /* number of the access, from 1; 0: not yet */
        uint64_t phys;
} Seen;

typedef struct Value {
        char *what, *of;
        uint8_t bytes[VALUE_MAX_BYTES];
        size_t n_bytes;
        uint16_t words[_ORDER_MAX][WORDS_MAX];
        Seen seen[_ORDER_MAX][WORDS_MAX];
        size_t in_row[_ORDER_MAX]; /* bytes of a row, forwards and backwards */
        uint64_t registers[REGISTERS_MAX]; /* physical addresses */
        size_t n_registers;
        uint64_t n_found;
} Value;

typedef struct Region {
        char *name;
        uint64_t start, end;
} Region;

struct Leak {
        Value *values;
        size_t n_values;
        Region *regions;
        size_t n_regions;
        uint64_t n_accesses;
        uint8_t words[65536 / 8];       /* those of any value */
};

int leak_new(Leak **ret) {
        *ret = calloc(1, sizeof(Leak));
        return *ret ? 0 : -ENOMEM;
}

Leak *leak_free(Leak *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->n_values; i++) {
                free(l->values[i].what);
                free(l->values[i].of);
        }
        free(l->values);
        for (size_t i = 0; i < l->n_regions; i++)
                free(l->regions[i].name);
        free(l->regions);
        free(l);
        return NULL;
}

int leak_add_value(Leak *l, const char *what, const char *of, const uint8_t *bytes, size_t n_bytes) {
        Value *grown, *v;
        bool any = false;

        for (size_t i = 0; i < n_bytes; i++)
                any |= bytes[i] != 0 && bytes[i] != 0xff;
        if (n_bytes < VALUE_MIN_BYTES || n_bytes > VALUE_MAX_BYTES || n_bytes % 2 != 0 || !any)
                return 0;
        for (size_t i = 0; i < l->n_values; i++)
                if (l->values[i].n_bytes == n_bytes && memcmp(l->values[i].bytes, bytes, n_bytes) == 0)
                        return 0;
        grown = reallocarray(l->values, l->n_values + 1, sizeof(Value));
        if (!grown)
                return -ENOMEM;
        l->values = grown;
        v = grown + l->n_values++;
        *v = (Value) { .what = strdup(what), .of = strdup(of), .n_bytes = n_bytes };
        if (!v->what || !v->of)
                return -ENOMEM;
        memcpy(v->bytes, bytes, n_bytes);
        for (size_t i = 0; i < n_bytes / 2; i++) {
                v->words[LITTLE_ENDIAN_WORDS][i] = (uint16_t) (bytes[2 * i] | bytes[2 * i + 1] << 8);
                v->words[BIG_ENDIAN_WORDS][i] = (uint16_t) (bytes[2 * i] << 8 | bytes[2 * i + 1]);
                for (int order = 0; order < _ORDER_MAX; order++)
                        l->words[v->words[order][i] / 8] |= (uint8_t) (1 << v->words[order][i] % 8);
        }
        return 0;
}

int leak_add_region(Leak *l, const char *name, uint64_t start, uint64_t end) {
        Region *grown = reallocarray(l->regions, l->n_regions + 1, sizeof(Region));

        if (!grown)
                return -ENOMEM;
        l->regions = grown;
        grown[l->n_regions] = (Region) { strdup(name), start, end };
        return grown[l->n_regions++].name ? 0 : -ENOMEM;
}

static void add_register(Value *v, uint64_t phys) {
        for (size_t i = 0; i < v->n_registers; i++)
                if (v->registers[i] == phys)
                        return;
        if (v->n_registers < REGISTERS_MAX)
                v->registers[v->n_registers++] = phys;
}

/* Whether all of its words have been there lately. */
static void check(Leak *l, Value *v, int order) {
        for (size_t i = 0; i < v->n_bytes / 2; i++)
                if (v->seen[order][i].at == 0 || l->n_accesses - v->seen[order][i].at >= WINDOW)
                        return;
        v->n_found++;
        for (size_t i = 0; i < v->n_bytes / 2; i++) {
                add_register(v, v->seen[order][i].phys);
                v->seen[order][i].at = 0;
        }
}

static void look_at_word(Leak *l, uint16_t word, uint64_t phys) {
        if (!(l->words[word / 8] >> word % 8 & 1))
                return;
        for (Value *v = l->values; v < l->values + l->n_values; v++)
                for (int order = 0; order < _ORDER_MAX; order++) {
                        bool any = false;

                        for (size_t i = 0; i < v->n_bytes / 2; i++)
                                if (v->words[order][i] == word) {
                                        v->seen[order][i] = (Seen) { l->n_accesses, phys };
                                        any = true;
                                }
                        if (any)
                                check(l, v, order);
                }
}

static void look_at_byte(Leak *l, uint8_t byte, uint64_t phys) {
        for (Value *v = l->values; v < l->values + l->n_values; v++)
                for (int way = 0; way < _ORDER_MAX; way++) {
                        size_t *n = v->in_row + way, last = v->n_bytes - 1;

                        if (v->bytes[way == 0 ? *n : last - *n] == byte)
                                (*n)++;
                        else
                                *n = v->bytes[way == 0 ? 0 : last] == byte ? 1 : 0;
                        if (*n == v->n_bytes) {
                                v->n_found++;
                                add_register(v, phys);
                                *n = 0;
                        }
                }
}

void leak_record(Leak *l, const Record *r) {
        if (l->n_values == 0 || (r->type != RECORD_READ && r->type != RECORD_WRITE))
                return;
        l->n_accesses++;
        if (r->width_bytes == 1)
                look_at_byte(l, (uint8_t) r->value, r->phys);
        for (unsigned i = 0; i < r->width_bytes / 2u && i < 4; i++)
                look_at_word(l, (uint16_t) (r->value >> 16 * i), r->phys);
}

static void print_register(const Leak *l, uint64_t phys, char *buf, size_t size) {
        for (const Region *r = l->regions; r < l->regions + l->n_regions; r++)
                if (phys >= r->start && phys <= r->end) {
                        (void) snprintf(buf, size, "%s + 0x%" PRIx64, r->name, phys - r->start);
                        return;
                }
        (void) snprintf(buf, size, "0x%" PRIx64, phys);
}

void leak_warn(const Leak *l, void (*warn)(const char *text, void *userdata), void *userdata) {
        for (const Value *v = l->values; v < l->values + l->n_values; v++) {
                _cleanup_free_ char *text = NULL;
                size_t bytes;
                FILE *f;

                if (v->n_found == 0)
                        continue;
                f = open_memstream(&text, &bytes);
                if (!f)
                        continue;
                fprintf(f, "The log holds the %s of %s, %" PRIu64 " time%s, among the values of ",
                        streq(v->what, "mac") ? "network address" : "serial number", v->of, v->n_found, v->n_found == 1 ? "" : "s");
                for (size_t i = 0; i < v->n_registers; i++) {
                        char name[128];

                        print_register(l, v->registers[i], name, sizeof name);
                        fprintf(f, "%s%s", i > 0 ? ", " : "", name);
                }
                fprintf(f, "%s. A trace is never changed: think of that before you give it away.",
                        v->n_registers == REGISTERS_MAX ? " and maybe more" : "");
                if (fclose(f) == 0)
                        warn(text, userdata);
        }
}

static int value_to_json(const Leak *l, const Value *v, struct json_object *array) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_strv_ char **registers = NULL;
        int r = o ? 0 : -ENOMEM;

        for (size_t i = 0; i < v->n_registers && r >= 0; i++) {
                char name[128];

                print_register(l, v->registers[i], name, sizeof name);
                r = strv_extend(&registers, name);
        }
        if (r >= 0)
                r = json_add_string(o, "what", v->what);
        if (r >= 0)
                r = json_add_string(o, "of", v->of);
        if (r >= 0)
                r = json_add_strv(o, "registers", registers);
        if (r >= 0)
                r = json_add_u64(o, "count", v->n_found);
        if (r < 0)
                return r;
        return json_object_array_add(array, TAKE_PTR(o)) < 0 ? -ENOMEM : 0;
}

int leak_to_json(const Leak *l, struct json_object **ret) {
        _cleanup_json_ struct json_object *array = json_object_new_array();
        int r = array ? 0 : -ENOMEM;

        for (size_t i = 0; i < l->n_values && r >= 0; i++)
                if (l->values[i].n_found > 0)
                        r = value_to_json(l, l->values + i, array);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(array);
        return 0;
}
