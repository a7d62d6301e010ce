/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes a long capture out of a short one: its pages again and again, as raw segments of one CPU, until there are as
 * many events as asked for. Copies as they are would be nothing but one long match for LZMA. So each event gets a
 * distance in time of its own, and some registers a value of their own, as counters and data registers have. */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>

#include "ring.h"

#define SEGMENT_PAGES 16384
#define SAMPLE_MAX_BYTES (16 * MIB)
/* One access in so many carries data; the others are the driver's fixed words. */
#define DATA_PERIOD 6
#define DATA_BITS 16

/* Knuth's MMIX generator: the same numbers on every machine, in every run. */
static uint32_t next_random(uint64_t *state) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) (*state >> 32);
}

/* The word in front of an event's payload; only short events have one that holds the type as well. */
static void jitter_time(uint8_t *page, const uint8_t *payload, uint64_t *random) {
        uint8_t *p = page + (payload - page) - 4;
        uint32_t header, delta;

        memcpy(&header, p, sizeof header);
        if ((header & 0x1f) == 0 || (header & 0x1f) > 28)
                return;
        delta = header >> 5;
        delta += next_random(random) % (delta / 4 + 1000);
        header = (header & 0x1f) | (MIN(delta, (UINT32_C(1) << 27) - 1) << 5);
        memcpy(p, &header, sizeof header);
}

static void vary_value(const RingFormat *f, uint8_t *page, const RingEvent *event, const Record *record, uint64_t *random) {
        uint8_t *value = page + (event->payload - page) + f->rw_value.offset;
        uint64_t v = record->value ^ (next_random(random) & ((1U << DATA_BITS) - 1));

        if (record->type > RECORD_WRITE || record->width_bytes < 4 || next_random(random) % DATA_PERIOD != 0)
                return;
        memcpy(value, &v, f->rw_value.bytes);
}

/* Returns how many events the page holds; *time_ns is where the page before has ended, and then where this one does. */
static uint64_t vary_page(const RingFormat *f, uint8_t *page, uint64_t *time_ns, uint64_t *random) {
        uint64_t n = 0;
        RingEvent event;
        Record record;
        RingPage p;

        memcpy(page + f->timestamp_offset, time_ns, sizeof *time_ns);
        if (ring_page_open(f, page, f->subbuf_bytes, &p) <= 0)
                errx(EXIT_FAILURE, "the sample has a page that cannot be read");
        while (ring_page_next(&p, &event) > 0) {
                if (ring_event_to_record(f, &event, &record) > 0)
                        vary_value(f, page, &event, &record, random);
                jitter_time(page, event.payload, random);
                n++;
        }
        (void) ring_page_open(f, page, f->subbuf_bytes, &p);
        while (ring_page_next(&p, &event) > 0)
                *time_ns = event.time_ns;
        *time_ns += 500 + next_random(random) % 1000;
        return n;
}

int main(int argc, char *argv[]) {
        _cleanup_close_ int formats_fd = -EBADF, dir_fd = -EBADF;
        _cleanup_free_ char *sample = NULL;
        _cleanup_free_ uint8_t *page = NULL;
        uint64_t n_wanted, n_events = 0, time_ns = 3 * USEC_PER_SEC * NSEC_PER_USEC, random = 1;
        size_t sample_bytes, n_sample_pages;
        RingFormat format;
        int r, fd = -EBADF;

        if (argc != 5 || parse_u64(argv[4], &n_wanted) < 0)
                errx(EXIT_FAILURE, "usage: make-raw FORMATS SAMPLE-PAGES FOLDER EVENTS");
        formats_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir_fd = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (formats_fd < 0 || dir_fd < 0)
                err(EXIT_FAILURE, "cannot open the folders");
        r = ring_format_load(formats_fd, &format);
        if (r >= 0)
                r = read_file_at(AT_FDCWD, argv[2], SAMPLE_MAX_BYTES, &sample, &sample_bytes);
        if (r < 0)
                errx(EXIT_FAILURE, "cannot read the sample: %s", strerrordesc_np(-r));
        /* The last page is only partly full, and would be so in each round. */
        n_sample_pages = sample_bytes / format.subbuf_bytes;
        n_sample_pages -= n_sample_pages > 1;
        page = malloc(format.subbuf_bytes);
        if (!page || n_sample_pages == 0)
                errx(EXIT_FAILURE, "there is no sample, or no memory");

        for (uint64_t n_pages = 0; n_events < n_wanted; n_pages++) {
                if (n_pages % SEGMENT_PAGES == 0) {
                        char name[32];

                        (void) snprintf(name, sizeof name, "cpu0-%06" PRIu64 ".raw", n_pages / SEGMENT_PAGES);
                        safe_close(fd);
                        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                        if (fd < 0)
                                err(EXIT_FAILURE, "cannot make %s", name);
                }
                memcpy(page, sample + n_pages % n_sample_pages * format.subbuf_bytes, format.subbuf_bytes);
                n_events += vary_page(&format, page, &time_ns, &random);
                r = write_all(fd, page, format.subbuf_bytes);
                if (r < 0)
                        errx(EXIT_FAILURE, "cannot write the pages: %s", strerrordesc_np(-r));
        }
        safe_close(fd);
        return EXIT_SUCCESS;
}
