/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "tar.h"
#include "util.h"

const uint8_t tar_zeros[TAR_END_BYTES] = {};

/* The fields and their widths are those of the table in "ustar Interchange Format". */
typedef struct UstarHeader {
        char name[100];
        char mode[8];
        char uid[8];
        char gid[8];
        char size[12];
        char mtime[12];
        char chksum[8];
        char typeflag;
        char linkname[100];
        char magic[6];
        char version[2];
        char uname[32];
        char gname[32];
        char devmajor[8];
        char devminor[8];
        char prefix[155];
        char unused[12];
} UstarHeader;

static_assert(sizeof(UstarHeader) == TAR_BLOCK_BYTES, "a tar header is one block");

/* Zero-padded octal digits and a NUL, or, where that doesn't fit, GNU's base-256: big-endian, marked by the
 * top bit of the first byte. */
static void put_number(char *field, size_t width, uint64_t value) {
        size_t digits = width - 1;
        bool fits = value >> (digits * 3) == 0;

        field[digits] = 0;
        for (size_t i = fits ? digits : width; i > 0; i--) {
                field[i - 1] = fits ? (char) ('0' + (value & 7)) : (char) (value & 0xff);
                value >>= fits ? 3 : 8;
        }
        if (!fits)
                field[0] = (char) (field[0] | 0x80);
}

static bool name_is_safe(const char *name) {
        const char *p = name;

        do {
                size_t l = strcspn(p, "/");

                if (l == 0 || (l == 1 && p[0] == '.') || (l == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += l;
                if (*p)
                        p++;
        } while (*p);
        return true;
}

/* The '/' between prefix and name belongs to neither. The name keeps at least one byte, so a folder's final
 * '/' is no place to cut. */
static int put_name(UstarHeader *h, const char *name) {
        size_t l = strlen(name);

        if (l <= sizeof(h->name)) {
                memcpy(h->name, name, l);
                return 0;
        }
        for (size_t i = l - sizeof(h->name) - 1; i <= sizeof(h->prefix) && i + 1 < l; i++)
                if (name[i] == '/') {
                        memcpy(h->prefix, name, i);
                        memcpy(h->name, name + i + 1, l - i - 1);
                        return 0;
                }
        return -ENAMETOOLONG;
}

int tar_header(const char *name, unsigned mode, uint64_t size_bytes, uint64_t mtime_sec,
                uint8_t ret[static TAR_BLOCK_BYTES]) {
        UstarHeader h = {};
        unsigned sum = 0;
        bool folder;
        int r;

        if (isempty(name) || !name_is_safe(name) || mode > 07777)
                return -EINVAL;
        folder = name[strlen(name) - 1] == '/';
        if (folder && size_bytes > 0)
                return -EINVAL;

        r = put_name(&h, name);
        if (r < 0)
                return r;
        put_number(h.mode, sizeof(h.mode), mode);
        put_number(h.uid, sizeof(h.uid), 0);
        put_number(h.gid, sizeof(h.gid), 0);
        put_number(h.size, sizeof(h.size), size_bytes);
        put_number(h.mtime, sizeof(h.mtime), mtime_sec);
        h.typeflag = folder ? '5' : '0';
        memcpy(h.magic, "ustar", sizeof("ustar"));
        memcpy(h.version, "00", sizeof(h.version));
        memcpy(h.uname, "root", sizeof("root"));
        memcpy(h.gname, "root", sizeof("root"));
        put_number(h.devmajor, sizeof(h.devmajor), 0);
        put_number(h.devminor, sizeof(h.devminor), 0);

        /* The sum is taken with its own field full of spaces. It fits into six digits; every known tar ends
         * them with NUL and space, and some old readers want exactly that. */
        memset(h.chksum, ' ', sizeof(h.chksum));
        for (size_t i = 0; i < sizeof(h); i++)
                sum += ((const uint8_t *) &h)[i];
        put_number(h.chksum, sizeof(h.chksum) - 1, sum);

        memcpy(ret, &h, sizeof(h));
        return 0;
}

/* What put_number() makes; others end the digits with a space. */
static int get_number(const char *field, size_t width, uint64_t *ret) {
        uint64_t value = 0;
        size_t i = 0;

        if ((uint8_t) field[0] & 0x80) {
                for (i = 1; i < width; i++) {
                        if (value >> 56)
                                return -EBADMSG;
                        value = value << 8 | (uint8_t) field[i];
                }
                *ret = value;
                return (uint8_t) field[0] == 0x80 ? 0 : -EBADMSG;
        }
        /* Twelve digits are 36 bits. */
        for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
                value = value << 3 | (uint64_t) (field[i] - '0');
        if (i == 0 || (i < width && field[i] && field[i] != ' '))
                return -EBADMSG;
        *ret = value;
        return 0;
}

static void get_name(const UstarHeader *h, char *ret, size_t size) {
        size_t prefix = strnlen(h->prefix, sizeof(h->prefix));

        (void) snprintf(ret, size, "%.*s%s%.*s", (int) prefix, h->prefix, prefix > 0 ? "/" : "",
                        (int) strnlen(h->name, sizeof(h->name)), h->name);
}

int tar_header_parse(const uint8_t block[static TAR_BLOCK_BYTES], TarEntry *ret) {
        TarEntry e = {};
        UstarHeader h;
        uint64_t sum;
        unsigned got = 0;

        if (memcmp(block, tar_zeros, TAR_BLOCK_BYTES) == 0)
                return 0;
        memcpy(&h, block, sizeof(h));
        if (memcmp(h.magic, "ustar", sizeof("ustar")) != 0 || get_number(h.chksum, sizeof(h.chksum), &sum) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
                got += i >= offsetof(UstarHeader, chksum) && i < offsetof(UstarHeader, typeflag) ? ' ' : block[i];
        if (got != sum || (h.typeflag != '0' && h.typeflag != '5') ||
            get_number(h.size, sizeof(h.size), &e.size_bytes) < 0 ||
            get_number(h.mtime, sizeof(h.mtime), &e.mtime_sec) < 0)
                return -EBADMSG;
        e.folder = h.typeflag == '5';
        get_name(&h, e.name, sizeof(e.name));
        if (isempty(e.name) || !name_is_safe(e.name))
                return -EBADMSG;
        *ret = e;
        return 1;
}
