/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"
#include "test-util.h"

TestSuite(config, .fini = test_done);

static Config load(const char *text) {
        _cleanup_free_ char *path = NULL;
        Config config = { .buffer_bytes = 1, .seal_level = 99 };

        test_file("mmiotraced.conf", text, strlen(text));
        cr_assert(asprintf(&path, "%s/mmiotraced.conf", test_dir_path) > 0);
        cr_assert_eq(config_load(path, &config), 0);
        return config;
}

static void assert_config(const char *text, uint64_t buffer_bytes, unsigned seal_level) {
        const Config config = load(text);

        cr_assert_eq(config.buffer_bytes, buffer_bytes, "%s", text);
        cr_assert_eq(config.seal_level, seal_level, "%s", text);
}

Test(config, defaults) {
        Config config = { .buffer_bytes = 1, .seal_level = 99 };

        cr_assert_eq(config_load("/nonexistent/mmiotraced.conf", &config), 0);
        cr_assert_eq(config.buffer_bytes, 0);
        cr_assert_eq(config.seal_level, 6);
        assert_config("", 0, 6);
        assert_config("# nothing\n\n[Capture]\n[Seal]\n", 0, 6);
}

Test(config, values) {
        assert_config("[Capture]\nBufferSize=64M\n\n[Seal]\nLevel=9\n", 64 * MIB, 9);
        assert_config("[Seal]\nLevel = 0\n[Capture]\nBufferSize = 131072", 128 * KIB, 0);
        assert_config("[Capture]\nBufferSize=64M\nBufferSize=auto\n", 0, 6);
        assert_config("[Capture]\n# BufferSize=1M\n;BufferSize=2M\nBufferSize=3M\n", 3 * MIB, 6);
}

/* A bad line costs its own value and no other. */
Test(config, bad_values) {
        assert_config("[Capture]\nBufferSize=much\n[Seal]\nLevel=3\n", 0, 3);
        assert_config("[Capture]\nBufferSize=-1\n[Seal]\nLevel=10\n", 0, 6);
        assert_config("[Capture]\nBufferSize=\n[Seal]\nLevel=\n", 0, 6);
        assert_config("[Seal]\nLevel=2\nLevel=high\n", 0, 2);
}

Test(config, unknown_keys) {
        assert_config("[Capture]\nBuffersize=1M\nColour=red\n[Seal]\nLevel=3\n", 0, 3);
        assert_config("[Nowhere]\nBufferSize=1M\nLevel=3\n", 0, 6);
        assert_config("Level=3\n[Capture]\nLevel=3\n[Seal]\nBufferSize=1M\n", 0, 6);
}

Test(config, junk) {
        char *long_line = malloc(100000);

        assert_config("what is this\n[Seal\n]\nLevel=1\n[Seal]\n=\n\x01\xff\nLevel=4\n", 0, 4);
        memset(long_line, 'x', 100000);
        memcpy(long_line, "[Seal]\nLevel=5\n#", 16);
        memcpy(long_line + 99900, "\n[Capture]\nBufferSize=1M\n", 26);
        assert_config(long_line, MIB, 5);
        free(long_line);
}
