/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "archive.h"
#include "describe.h"
#include "json.h"
#include "names.h"
#include "summary.h"

static int read_description(int dir_fd, char **ret) {
        _cleanup_json_ struct json_object *session = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(dir_fd, SESSION_FILE, 64 * MIB, &text, NULL);
        if (r < 0)
                return r;
        session = json_tokener_parse(text);
        if (!json_object_is_type(session, json_type_object))
                return -EBADMSG;
        *ret = strdup(json_get_string(session, "description"));
        return *ret ? 0 : -ENOMEM;
}

static int read_head(int dir_fd, ArchiveHead *ret) {
        _cleanup_close_ int fd = openat(dir_fd, SESSION_ARCHIVE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : archive_head_read(fd, ret);
}

static void replace(ArchiveHeadFile *f, char **text) {
        free(f->data);
        f->data = TAKE_PTR(*text);
        f->bytes = strlen(f->data);
}

static int describe_head(const ArchiveHead *head, const char *description) {
        ArchiveHeadFile *metadata = archive_head_find(head, ARCHIVE_METADATA_NAME),
                        *text = archive_head_find(head, ARCHIVE_DESCRIPTION_NAME);
        _cleanup_free_ char *new_metadata = NULL, *new_text = NULL;
        int r;

        if (!metadata || !text)
                return -EBADMSG;
        r = summary_describe(metadata->data, text->data, description, &new_metadata, &new_text);
        if (r < 0)
                return r;
        replace(metadata, &new_metadata);
        replace(text, &new_text);
        return 0;
}

int describe_archive(int dir_fd, uint64_t *ret_archive_bytes, Error *error) {
        _cleanup_archive_head_ ArchiveHead head = {};
        _cleanup_free_ char *description = NULL;
        int r;

        r = read_description(dir_fd, &description);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The session's file " SESSION_FILE " cannot be read");
        r = read_head(dir_fd, &head);
        if (r >= 0)
                r = describe_head(&head, description);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The archive cannot be read");
        r = archive_replace_head(dir_fd, SESSION_ARCHIVE, &head, ret_archive_bytes);
        if (r < 0)
                return error_set_errno(error, errno_is_no_space(r) ? ERROR_NO_SPACE : ERROR_FAILED, r,
                                "The archive with the new description cannot be written");
        return 0;
}
