/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <traceevent/event-parse.h>

#include "ring.h"

/* Opcodes of struct mmiotrace_rw and mmiotrace_map: include/linux/mmiotrace.h, enum mm_io_opcode. */
enum {
        MMIO_READ = 1,
        MMIO_WRITE = 2,
        MMIO_PROBE = 3,
        MMIO_UNPROBE = 4,
        MMIO_UNKNOWN_OP = 5,
};

/* include/linux/ring_buffer.h, enum ring_buffer_type. */
enum {
        TYPE_DATA_MAX = 28,
        TYPE_PADDING = 29,
        TYPE_TIME_EXTEND = 30,
        TYPE_TIME_STAMP = 31,
};

/* What a disk writes as a whole; some write more. */
#define SECTOR_BYTES 512

#define TIME_MAX_BITS 58

#define TIME_DELTA_BITS 27
#define STAMP_BITS 59

/* ring_buffer.c: RB_MISSED_EVENTS and RB_MISSED_STORED. The commit field is a signed long: 6.1 extends the sign of
 * bit 31 through the upper half, so only the lower 32 bits mean anything. */
#define COMMIT_MISSED (UINT32_C(1) << 31)
#define COMMIT_MISSED_STORED (UINT32_C(1) << 30)

/* ring_buffer.c, BUF_PAGE_HDR_SIZE; with buffer_subbuf_size_kb (6.8) up to 128 pages. */
#define SUBBUF_MAX_BYTES (128 * 4096)

const RingFormatFile ring_format_files[] = {
        { "header_page", "events/header_page", true },
        { "mmiotrace_rw.format", "events/ftrace/mmiotrace_rw/format", true },
        { "mmiotrace_map.format", "events/ftrace/mmiotrace_map/format", true },
        { "print.format", "events/ftrace/print/format", true },
        { "kernel_stack.format", "events/ftrace/kernel_stack/format", false },
};
const size_t n_ring_format_files = ELEMENTS(ring_format_files);

static void tep_handle_freep(struct tep_handle **tep) {
        if (*tep)
                tep_free(*tep);
}

static uint32_t load32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof v);
        return v;
}

static uint64_t load64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof v);
        return v;
}

/* Pages are in the byte order of the machine that made them: x86, hence little-endian, as are those who read them. */
static uint64_t load_field(const uint8_t *payload, RingField field) {
        uint64_t v = 0;

        memcpy(&v, payload + field.offset, field.bytes);
        return v;
}

static int find_field(struct tep_event *event, const char *name, RingField *ret) {
        struct tep_format_field *f = tep_find_any_field(event, name);

        if (!f || f->offset < 0 || f->size < 1 || f->size > 8 || f->offset > 4096)
                return -EBADMSG;
        *ret = (RingField) { (unsigned) f->offset, (unsigned) f->size };
        return 0;
}

/* The event belongs to tep. */
static int load_event(struct tep_handle *tep, int dir_fd, const char *name, struct tep_event **ret) {
        _cleanup_free_ char *file = NULL, *text = NULL;
        struct tep_event *event;
        size_t bytes;
        int r;

        if (asprintf(&file, "%s.format", name) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        r = read_file_at(dir_fd, file, 64 * KIB, &text, &bytes);
        if (r < 0)
                return r;
        if (tep_parse_event(tep, text, bytes, "ftrace") != 0)
                return -EBADMSG;
        event = tep_find_event_by_name(tep, "ftrace", name);
        if (!event)
                return -EBADMSG;
        *ret = event;
        return 0;
}

/* libtraceevent parses header_page as well, but keeps where its fields lie to itself. */
static int load_header_page(int dir_fd, RingFormat *format) {
        _cleanup_free_ char *text = NULL;
        bool timestamp = false, commit = false, data = false;
        unsigned data_bytes = 0;
        char *state = NULL;
        int r;

        r = read_file_at(dir_fd, "header_page", 4 * KIB, &text, NULL);
        if (r < 0)
                return r;
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                unsigned offset, bytes;
                char name[32];

                if (sscanf(line, " field: %*s %31[a-z_]; offset:%u; size:%u;", name, &offset, &bytes) != 3)
                        continue;
                if (streq(name, "timestamp") && bytes == 8) {
                        format->timestamp_offset = offset;
                        timestamp = true;
                } else if (streq(name, "commit") && (bytes == 8 || bytes == 4)) {
                        format->commit_offset = offset;
                        commit = true;
                } else if (streq(name, "data")) {
                        format->data_offset = offset;
                        data_bytes = bytes;
                        data = true;
                }
        }
        if (!timestamp || !commit || !data || data_bytes > SUBBUF_MAX_BYTES || format->data_offset > 64 ||
            format->timestamp_offset + 8 > format->data_offset || format->commit_offset + 4 > format->data_offset)
                return -EBADMSG;
        format->subbuf_bytes = format->data_offset + data_bytes;
        return format->subbuf_bytes % 4096 == 0 ? 0 : -EBADMSG;
}

/* Stacks are an extra: a kernel that describes them in another way, or not at all, is traced without. */
static int load_stack(struct tep_handle *tep, int dir_fd, RingFormat *f) {
        struct tep_format_field *frames;
        struct tep_event *stack;
        int r;

        f->stack_id = -1;
        r = load_event(tep, dir_fd, "kernel_stack", &stack);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        /* Declared with as many as older kernels stored; the field in front says how many there are. */
        frames = tep_find_field(stack, "caller");
        if (!frames || frames->offset < 0 || frames->elementsize != 8 || find_field(stack, "size", &f->stack_size) < 0)
                return 0;
        f->stack_frames_offset = (unsigned) frames->offset;
        f->stack_id = stack->id;
        return 0;
}

int ring_format_load(int dir_fd, RingFormat *ret) {
        _cleanup_(tep_handle_freep) struct tep_handle *tep = NULL;
        struct tep_event *rw, *map, *print;
        struct tep_format_field *text;
        RingFormat f = {};
        int r;

        tep = tep_alloc();
        if (!tep)
                return -ENOMEM;
        tep_set_loglevel(TEP_LOG_NONE);

        r = load_header_page(dir_fd, &f);
        if (r < 0)
                return r;

        r = load_event(tep, dir_fd, "mmiotrace_rw", &rw);
        if (r < 0)
                return r;
        f.rw_id = rw->id;
        if (find_field(rw, "common_type", &f.type) < 0 || find_field(rw, "common_pid", &f.pid) < 0 ||
            find_field(rw, "phys", &f.rw_phys) < 0 || find_field(rw, "value", &f.rw_value) < 0 ||
            find_field(rw, "pc", &f.rw_pc) < 0 || find_field(rw, "map_id", &f.rw_map_id) < 0 ||
            find_field(rw, "opcode", &f.rw_opcode) < 0 || find_field(rw, "width", &f.rw_width) < 0)
                return -EBADMSG;

        r = load_event(tep, dir_fd, "mmiotrace_map", &map);
        if (r < 0)
                return r;
        f.map_id = map->id;
        if (find_field(map, "phys", &f.map_phys) < 0 || find_field(map, "virt", &f.map_virt) < 0 ||
            find_field(map, "len", &f.map_length) < 0 || find_field(map, "map_id", &f.map_map_id) < 0 ||
            find_field(map, "opcode", &f.map_opcode) < 0)
                return -EBADMSG;

        r = load_event(tep, dir_fd, "print", &print);
        if (r < 0)
                return r;
        f.print_id = print->id;
        /* A flexible array, whose size reads as 0: it ends with its NUL or with the event. */
        text = tep_find_field(print, "buf");
        if (!text || text->offset < 0)
                return -EBADMSG;
        f.print_text_offset = (unsigned) text->offset;

        r = load_stack(tep, dir_fd, &f);
        if (r < 0)
                return r;

        *ret = f;
        return 0;
}

int ring_page_open(const RingFormat *format, const void *page, size_t bytes, RingPage *ret) {
        const uint8_t *base = page;
        uint32_t commit;
        size_t length;
        RingPage p = {};

        if (bytes < format->data_offset)
                return -EBADMSG;
        p.time_ns = load64(base + format->timestamp_offset);
        commit = load32(base + format->commit_offset);
        if (p.time_ns == 0 && commit == 0)
                return 0;

        length = commit & ~(COMMIT_MISSED | COMMIT_MISSED_STORED);
        if (length > bytes - format->data_offset)
                return -EBADMSG;
        p.data = p.p = base + format->data_offset;
        p.end = p.data + length;
        p.lost = commit & COMMIT_MISSED;
        if (p.lost && (commit & COMMIT_MISSED_STORED)) {
                if (length + 8 > bytes - format->data_offset)
                        return -EBADMSG;
                p.n_lost = load64(p.end);
        }
        *ret = p;
        return 1;
}

void ring_page_clip(const RingFormat *format, void *page, size_t bytes) {
        uint8_t *p = (uint8_t *) page + format->commit_offset;
        uint32_t commit;

        if (bytes < format->data_offset)
                return;
        commit = load32(p);
        if ((commit & ~(COMMIT_MISSED | COMMIT_MISSED_STORED)) <= bytes - format->data_offset)
                return;
        commit = (commit & COMMIT_MISSED) | (uint32_t) (bytes - format->data_offset);
        memcpy(p, &commit, sizeof commit);
}

void ring_page_empty(const RingFormat *format, void *page, bool with_loss) {
        RingPage p = {};
        uint8_t *base = page;
        uint32_t commit = 0;
        uint64_t time_ns;

        (void) ring_page_open(format, page, format->subbuf_bytes, &p);
        time_ns = load64(base + format->timestamp_offset);
        if (p.lost && with_loss)
                commit = COMMIT_MISSED | (p.n_lost > 0 ? COMMIT_MISSED_STORED : 0);
        memset(base, 0, format->subbuf_bytes);
        memcpy(base + format->timestamp_offset, &time_ns, sizeof time_ns);
        memcpy(base + format->commit_offset, &commit, sizeof commit);
        /* A count of lost events is behind the data, hence where that would begin. */
        if (commit & COMMIT_MISSED_STORED)
                memcpy(base + format->data_offset, &p.n_lost, sizeof p.n_lost);
}

int ring_page_next(RingPage *page, RingEvent *ret) {
        while (page->end - page->p >= 4) {
                const uint8_t *p = page->p;
                size_t left = (size_t) (page->end - p);
                uint32_t header = load32(p), delta = header >> 5, type = header & 0x1f, length;

                if (type >= 1 && type <= TYPE_DATA_MAX) {
                        length = type * 4;
                        if (4 + length > left)
                                return -EBADMSG;
                        page->time_ns += delta;
                        *ret = (RingEvent) { page->time_ns, p + 4, length };
                        page->p = p + 4 + length;
                        return 1;
                }

                if (type == TYPE_PADDING && delta == 0)
                        break; /* the rest of the page was never used */

                /* Everything else has a second word. */
                if (left < 8)
                        return -EBADMSG;
                length = load32(p + 4);

                switch (type) {
                case 0:
                        /* The length counts its own word (rb_event_data_length()). */
                        if (length < 4 || length > left - 4 || length % 4 != 0)
                                return -EBADMSG;
                        page->time_ns += delta;
                        *ret = (RingEvent) { page->time_ns, p + 8, length - 4 };
                        page->p = p + 4 + length;
                        return 1;
                case TYPE_PADDING:
                        /* A discarded event: the kernel's reader skips it and does not add its delta. */
                        if (length > left - 4 || length < 4 || length % 4 != 0)
                                return -EBADMSG;
                        page->p = p + 4 + length;
                        break;
                case TYPE_TIME_EXTEND:
                        page->time_ns += ((uint64_t) length << TIME_DELTA_BITS) + delta;
                        page->p = p + 8;
                        break;
                case TYPE_TIME_STAMP: {
                        /* An absolute stamp has 59 bits; the top five are those of the time before, or one more
                         * where the 59 have wrapped in between (rb_fix_abs_ts()). */
                        uint64_t top = page->time_ns >> STAMP_BITS << STAMP_BITS;
                        uint64_t stamp = (((uint64_t) length << TIME_DELTA_BITS) + delta) | top;

                        if (top != 0 && stamp < page->time_ns)
                                stamp += UINT64_C(1) << STAMP_BITS;
                        page->time_ns = stamp;
                        page->p = p + 8;
                        break;
                }
                }
        }
        page->p = page->end;
        return 0;
}

static bool holds(const RingEvent *event, RingField field) {
        return field.offset + field.bytes <= event->payload_bytes;
}


/* Every event of the kernel's begins with the same fields, and no machine has been up for nine years. */
static bool is_plausible(const RingFormat *f, const RingEvent *event) {
        return holds(event, f->type) && holds(event, f->pid) && event->time_ns >> TIME_MAX_BITS == 0;
}

/* The number of a task has its limit: include/linux/threads.h, PID_MAX_LIMIT. Text, or ones, is above it. */
static bool has_task(const RingFormat *f, const RingEvent *event) {
        return load_field(event->payload, f->pid) <= 4 * MIB;
}

/* Where the first nonsense is, an event's start or what is in it; NULL: there is none. *ret_last is where the event before
 * begins. */
static const uint8_t *find_nonsense(const RingFormat *format, const RingPage *page, const uint8_t **ret_last) {
        const uint8_t *last = page->p;
        RingPage walk = *page;
        RingEvent event;
        int r;

        for (;;) {
                const uint8_t *start = walk.p;

                r = ring_page_next(&walk, &event);
                if (r == 0 && walk.time_ns >> TIME_MAX_BITS == 0)
                        return NULL;
                if (r <= 0 || !is_plausible(format, &event)) {
                        *ret_last = last;
                        return start;
                }
                if (!has_task(format, &event)) {
                        *ret_last = last;
                        return event.payload + format->pid.offset;
                }
                last = start;
        }
}

int ring_page_check(const RingFormat *format, RingPage *page) {
        const uint8_t *base = page->data - format->data_offset, *nonsense, *last, *sector;
        RingPage walk = *page;
        RingEvent event;

        nonsense = find_nonsense(format, page, &last);
        if (!nonsense)
                return 1;
        /* The sector with it can be wrong from its start on, but not the first one, which has the page's header. Those
         * before it are right, but for the last event, which can have gone over a bad one as a whole. */
        sector = base + (size_t) (nonsense - base) / SECTOR_BYTES * SECTOR_BYTES;
        if (sector == base)
                sector = nonsense;
        else if (nonsense == sector && (size_t) (sector - last) > SECTOR_BYTES)
                sector = last;
        page->end = page->p;
        while (walk.p < nonsense && ring_page_next(&walk, &event) > 0 && walk.p <= sector)
                page->end = walk.p;
        return 0;
}

int ring_event_to_record(const RingFormat *f, const RingEvent *event, Record *ret) {
        const uint8_t *p = event->payload;
        Record r = { .time_ns = event->time_ns };
        int type;

        if (!holds(event, f->type) || !holds(event, f->pid))
                return -EBADMSG;
        type = (int) load_field(p, f->type);
        r.pid = (int) load_field(p, f->pid);

        if (type == f->rw_id) {
                if (!holds(event, f->rw_phys) || !holds(event, f->rw_value) || !holds(event, f->rw_pc) ||
                    !holds(event, f->rw_map_id) || !holds(event, f->rw_opcode) || !holds(event, f->rw_width))
                        return -EBADMSG;
                r.phys = load_field(p, f->rw_phys);
                r.value = load_field(p, f->rw_value);
                r.pc = load_field(p, f->rw_pc);
                r.map_id = (int) load_field(p, f->rw_map_id);
                r.width_bytes = (uint8_t) load_field(p, f->rw_width);
                switch (load_field(p, f->rw_opcode)) {
                case MMIO_READ:
                        r.type = RECORD_READ;
                        break;
                case MMIO_WRITE:
                        r.type = RECORD_WRITE;
                        break;
                case MMIO_UNKNOWN_OP:
                        r.type = RECORD_UNKNOWN;
                        break;
                default:
                        return -EBADMSG;
                }
        } else if (type == f->map_id) {
                if (!holds(event, f->map_phys) || !holds(event, f->map_virt) || !holds(event, f->map_length) ||
                    !holds(event, f->map_map_id) || !holds(event, f->map_opcode))
                        return -EBADMSG;
                r.map_id = (int) load_field(p, f->map_map_id);
                switch (load_field(p, f->map_opcode)) {
                case MMIO_PROBE:
                        r.type = RECORD_MAP;
                        r.phys = load_field(p, f->map_phys);
                        r.virt = load_field(p, f->map_virt);
                        r.length_bytes = load_field(p, f->map_length);
                        break;
                case MMIO_UNPROBE:
                        r.type = RECORD_UNMAP;
                        break;
                default:
                        return -EBADMSG;
                }
        } else if (type == f->print_id) {
                if (f->print_text_offset > event->payload_bytes)
                        return -EBADMSG;
                r.type = RECORD_MARK;
                r.text = (const char *) p + f->print_text_offset;
                r.text_bytes = strnlen(r.text, event->payload_bytes - f->print_text_offset);
        } else
                return 0;

        *ret = r;
        return 1;
}

size_t ring_event_frames(const RingFormat *f, const RingEvent *event, int pid, uint64_t ret[static RING_FRAMES_MAX]) {
        const uint8_t *p = event->payload;
        uint64_t n;

        if (f->stack_id < 0 || !holds(event, f->type) || !holds(event, f->pid) || !holds(event, f->stack_size) ||
            f->stack_frames_offset > event->payload_bytes)
                return 0;
        if ((int) load_field(p, f->type) != f->stack_id || (int) load_field(p, f->pid) != pid)
                return 0;
        n = MIN(load_field(p, f->stack_size), (event->payload_bytes - f->stack_frames_offset) / sizeof(uint64_t));
        n = MIN(n, (uint64_t) RING_FRAMES_MAX);
        memcpy(ret, p + f->stack_frames_offset, (size_t) n * sizeof(uint64_t));
        return (size_t) n;
}
