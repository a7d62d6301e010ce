/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gaps.h"

void gaps_record(Gaps *g, const Record *record) {
        if (record_is_event(record))
                g->last_ns = record->time_ns;
        if (record->type != RECORD_LOST)
                return;
        if (g->n_gaps < GAPS_MAX)
                g->gaps[g->n_gaps++] = (Gap) { g->last_ns, record->lost, record->given_up };
        else
                g->n_left_out++;
}

int gaps_to_json(const Gaps *g, struct json_object *o) {
        _cleanup_json_ struct json_object *places = json_object_new_array();
        int r;

        if (!places)
                return -ENOMEM;
        for (size_t i = 0; i < g->n_gaps; i++) {
                _cleanup_json_ struct json_object *place = json_object_new_object();

                if (!place)
                        return -ENOMEM;
                r = json_add_u64(place, "after_ns", g->gaps[i].after_ns);
                if (r >= 0)
                        r = json_add_u64(place, "events", g->gaps[i].n_lost);
                if (r >= 0 && g->gaps[i].given_up)
                        r = json_add(place, "given_up", json_object_new_boolean(true));
                if (r < 0)
                        return r;
                if (json_object_array_add(places, place) < 0)
                        return -ENOMEM;
                place = NULL;
        }
        r = json_add(o, "places", TAKE_PTR(places));
        return r < 0 ? r : json_add_u64(o, "places_left_out", g->n_left_out);
}
