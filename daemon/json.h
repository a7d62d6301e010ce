/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* json-c with this tree's conventions: cleanup, and adding that says whether memory was short. */

#include <json-c/json.h>

#include "util.h"

DEFINE_CLEANUP(struct json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)

/* Takes the value over in every case, also when it is NULL because there was no memory for it. */
static inline int json_add(struct json_object *o, const char *key, struct json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(o, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

static inline int json_add_string(struct json_object *o, const char *key, const char *value) {
        return json_add(o, key, json_object_new_string(strempty(value)));
}

static inline int json_add_u64(struct json_object *o, const char *key, uint64_t value) {
        return json_add(o, key, json_object_new_uint64(value));
}

static inline int json_add_strv(struct json_object *o, const char *key, char *const *l) {
        _cleanup_json_ struct json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        STRV_FOREACH(s, l) {
                struct json_object *item = json_object_new_string(*s);

                if (!item)
                        return -ENOMEM;
                if (json_object_array_add(array, item) < 0) {
                        json_object_put(item);
                        return -ENOMEM;
                }
        }
        return json_add(o, key, TAKE_PTR(array));
}

/* Missing or of another type: "", 0, false. The string belongs to the object. */
static inline const char *json_get_string(struct json_object *o, const char *key) {
        struct json_object *v;

        return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
                        ? json_object_get_string(v) : "";
}

static inline uint64_t json_get_u64(struct json_object *o, const char *key) {
        struct json_object *v;

        return json_object_object_get_ex(o, key, &v) ? json_object_get_uint64(v) : 0;
}

static inline bool json_get_bool(struct json_object *o, const char *key) {
        struct json_object *v;

        return json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}

static inline int json_get_strv(struct json_object *o, const char *key, char ***ret) {
        _cleanup_strv_ char **l = NULL;
        struct json_object *array;
        int r;

        if (json_object_object_get_ex(o, key, &array) && json_object_is_type(array, json_type_array))
                for (size_t i = 0; i < json_object_array_length(array); i++) {
                        r = strv_extend(&l, strempty(json_object_get_string(json_object_array_get_idx(array, i))));
                        if (r < 0)
                                return r;
                }
        *ret = TAKE_PTR(l);
        return 0;
}
