/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <nettle/sha2.h>

#include "log-hash.h"
#include "xz.h"

/* xz -9 needs 65 MiB to be read. */
#define READER_MEMORY_MAX_BYTES (128 * MIB)
#define BUFFER_BYTES (256 * KIB)

static int hash_segment(int log_fd, const char *name, uint8_t *buffer, struct json_object *array) {
        _cleanup_close_ int fd = openat(log_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_(xz_reader_freep) XzReader *x = NULL;
        uint8_t digest[SHA256_DIGEST_SIZE];
        char text[2 * SHA256_DIGEST_SIZE + 1];
        struct sha256_ctx hash;
        uint64_t bytes = 0;
        size_t n;
        int r;

        if (fd < 0)
                return -errno;
        r = o ? xz_reader_new(fd, READER_MEMORY_MAX_BYTES, &x) : -ENOMEM;
        if (r < 0)
                return r;
        sha256_init(&hash);
        for (;;) {
                r = xz_reader_read(x, buffer, BUFFER_BYTES, &n);
                if (r < 0)
                        return r;
                if (n == 0)
                        break;
                sha256_update(&hash, n, buffer);
                bytes += n;
        }
        sha256_digest(&hash, sizeof digest, digest);
        for (size_t i = 0; i < sizeof digest; i++)
                (void) snprintf(text + 2 * i, 3, "%02x", digest[i]);
        r = json_add_u64(o, "bytes", bytes);
        if (r >= 0)
                r = json_add_string(o, "sha256", text);
        if (r < 0)
                return r;
        return json_object_array_add(array, TAKE_PTR(o)) < 0 ? -ENOMEM : 0;
}

int log_hash(int log_fd, char *const *segments, struct json_object **ret) {
        _cleanup_json_ struct json_object *array = json_object_new_array();
        _cleanup_free_ uint8_t *buffer = malloc(BUFFER_BYTES);
        int r = array && buffer ? 0 : -ENOMEM;

        STRV_FOREACH(name, segments)
                if (r >= 0)
                        r = hash_segment(log_fd, *name, buffer, array);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(array);
        return 0;
}
