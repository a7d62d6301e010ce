/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What stands at fixed places of a structure: those of the configuration space of PCI devices, and of an EDID (VESA
 * Enhanced EDID Standard, release A; its extensions: CTA-861, VESA DisplayID 1.3 and 2.0). */

#include "config-space.h"
#include "redact.h"

#define EDID_BLOCK_BYTES 128
#define EDID_BLOCKS_MAX 256
#define DESCRIPTOR_BYTES 18
#define EXTENSION_CTA 0x02
#define EXTENSION_DISPLAYID 0x70

/* Returns whether there was anything. */
static bool clear(uint8_t *p, size_t bytes, uint8_t value) {
        bool any = false;

        for (size_t i = 0; i < bytes; i++) {
                any |= p[i] != value;
                p[i] = value;
        }
        return any;
}

static int redact_device(Redactor *r, const char *where, ConfigSpace *c) {
        size_t serial = config_space_find_serial(c), vpd = config_space_find_vpd(c);
        int k = 0;

        if (serial > 0 && clear(c->bytes + serial, CONFIG_SERIAL_BYTES, 0))
                k = redactor_count(r, REDACT_SERIAL, where);
        /* The word that was read last, and where it is from. */
        if (k >= 0 && vpd > 0 && clear(c->bytes + vpd + 2, 6, 0))
                k = redactor_count(r, REDACT_SERIAL, where);
        return k;
}

int redact_config_space(Redactor *r, const char *where, const char *text, char **ret) {
        _cleanup_free_ char *result = NULL;
        ConfigSpace config;
        size_t bytes;
        FILE *f;
        int k = 0;

        f = open_memstream(&result, &bytes);
        if (!f)
                return -ENOMEM;
        while (k >= 0) {
                const char *start = text, *title;

                if (config_space_next(&text, &config) == 0) {
                        fputs(start, f);
                        break;
                }
                /* What is in between, and what says why there is nothing of a device. */
                title = config.title;
                fwrite(start, 1, (size_t) (title - start), f);
                if (config.n_bytes == 0) {
                        fwrite(title, 1, (size_t) (text - title), f);
                        continue;
                }
                k = redact_device(r, where, &config);
                config_space_print(f, &config);
                text += *text == '\n';
        }
        if (fclose(f) != 0 && k >= 0)
                k = -ENOMEM;
        if (k < 0)
                return k;
        *ret = TAKE_PTR(result);
        return 0;
}

static uint8_t sum(const uint8_t *p, size_t bytes) {
        uint8_t s = 0;

        for (size_t i = 0; i < bytes; i++)
                s = (uint8_t) (s + p[i]);
        return s;
}

/* A descriptor of text: a newline ends it, blanks fill it up. */
static bool clear_descriptor(uint8_t *p) {
        static const uint8_t serial[] = { 0x00, 0x00, 0x00, 0xff };
        bool any;

        if (memcmp(p, serial, sizeof serial) != 0)
                return false;
        any = clear(p + 6, DESCRIPTOR_BYTES - 6, ' ');
        p[5] = '\n';
        return any;
}

static bool clear_base(uint8_t *block) {
        bool any = clear(block + 12, 4, 0);

        for (size_t at = 54; at + DESCRIPTOR_BYTES < EDID_BLOCK_BYTES; at += DESCRIPTOR_BYTES)
                any |= clear_descriptor(block + at);
        return any;
}

/* Its third byte is where the descriptors begin. */
static bool clear_cta(uint8_t *block) {
        bool any = false;

        if (block[2] < 4)
                return false;
        for (size_t at = block[2]; at + DESCRIPTOR_BYTES < EDID_BLOCK_BYTES; at += DESCRIPTOR_BYTES)
                any |= clear_descriptor(block + at);
        return any;
}

/* A section of data blocks, with a checksum of its own behind it. Which byte of a block the serial number begins at: */
static bool clear_displayid(uint8_t *block) {
        static const struct {
                uint8_t tag, at;
        } serials[] = {
                { 0x00, 5 }, { 0x20, 5 },       /* product identification */
                { 0x12, 18 }, { 0x28, 18 },     /* tiled display topology */
        };
        uint8_t *section = block + 1;
        size_t end = 4 + (size_t) section[1];
        bool any = false;

        if (end + 1 >= EDID_BLOCK_BYTES - 1)
                return false;
        for (size_t at = 4; at + 3 <= end && at + 3 + section[at + 2] <= end; at += 3 + (size_t) section[at + 2])
                for (size_t i = 0; i < ELEMENTS(serials); i++)
                        /* A block of zeros fills up. */
                        if (section[at] == serials[i].tag && section[at + 2] >= serials[i].at + 4u) {
                                uint8_t before = sum(section + at, 3 + (size_t) section[at + 2]);

                                any |= clear(section + at + 3 + serials[i].at, 4, 0);
                                section[end] = (uint8_t) (section[end] + before - sum(section + at, 3 + (size_t) section[at + 2]));
                        }
        return any;
}

int redact_edid(Redactor *r, const char *where, uint8_t *edid, size_t bytes) {
        static const uint8_t head[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
        bool any = false;

        if (bytes < EDID_BLOCK_BYTES || bytes % EDID_BLOCK_BYTES != 0 || bytes > EDID_BLOCKS_MAX * EDID_BLOCK_BYTES ||
            memcmp(edid, head, sizeof head) != 0)
                return -EBADMSG;
        for (uint8_t *block = edid; block < edid + bytes; block += EDID_BLOCK_BYTES) {
                uint8_t before = sum(block, EDID_BLOCK_BYTES);

                if (block == edid)
                        any |= clear_base(block);
                else if (*block == EXTENSION_CTA)
                        any |= clear_cta(block);
                else if (*block == EXTENSION_DISPLAYID)
                        any |= clear_displayid(block);
                block[EDID_BLOCK_BYTES - 1] = (uint8_t) (block[EDID_BLOCK_BYTES - 1] + before - sum(block, EDID_BLOCK_BYTES));
        }
        return any ? redactor_count(r, REDACT_SERIAL, where) : 0;
}

/* A line of nothing but pairs of digits, as a part of an EDID. Returns how many bytes that are. */
static size_t parse_digits(const char *line, size_t length, uint8_t *buffer, size_t size) {
        size_t indent = strspn(line, " \t"), n = 0;

        if (indent >= length || (length - indent) % 2 != 0 || (length - indent) / 2 > size)
                return 0;
        for (const char *p = line + indent; p < line + length; p += 2, n++)
                if (strspn(p, "0123456789abcdefABCDEF") < 2 || sscanf(p, "%2hhx", buffer + n) != 1)
                        return 0;
        return n;
}

/* The lines from there on that are an EDID: returns how long they are, 0 if they are none. */
static size_t find_edid(const char *text, uint8_t *edid, size_t *ret_bytes) {
        static const uint8_t head[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
        size_t n = 0, l, line_bytes;
        const char *p = text;

        while (*p) {
                l = strcspn(p, "\n");
                line_bytes = parse_digits(p, l, edid + n, EDID_BLOCKS_MAX * EDID_BLOCK_BYTES - n);
                if (line_bytes == 0 || (n == 0 && (line_bytes < sizeof head || memcmp(edid, head, sizeof head) != 0)))
                        break;
                n += line_bytes;
                p += l + (p[l] == '\n');
        }
        *ret_bytes = n;
        return (size_t) (p - text);
}

static int print_edid(Redactor *r, const char *where, FILE *f, uint8_t *edid, size_t bytes) {
        int k = redact_edid(r, where, edid, bytes);

        if (k == -EBADMSG) {
                fputs("\t\tunavailable: it is no EDID, so nobody knows what is in it\n", f);
                return 0;
        }
        for (size_t i = 0; i < bytes && k >= 0; i++)
                fprintf(f, "%s%02x%s", i % 16 == 0 ? "\t\t" : "", edid[i], i % 16 == 15 ? "\n" : "");
        return k;
}

int redact_reported(Redactor *r, const char *where, const char *text, char **ret) {
        _cleanup_free_ uint8_t *edid = malloc(EDID_BLOCKS_MAX * EDID_BLOCK_BYTES);
        _cleanup_free_ char *without = NULL;
        size_t bytes, n, l;
        FILE *f;
        int k = 0;

        f = edid ? open_memstream(&without, &bytes) : NULL;
        if (!f)
                return -ENOMEM;
        while (*text && k >= 0) {
                l = find_edid(text, edid, &n);
                if (l > 0)
                        k = print_edid(r, where, f, edid, n);
                else {
                        l = strcspn(text, "\n");
                        l += text[l] == '\n';
                        fwrite(text, 1, l, f);
                }
                text += l;
        }
        if (fclose(f) != 0 && k >= 0)
                k = -ENOMEM;
        return k < 0 ? k : redact_text(r, where, without, ret);
}
