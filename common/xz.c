/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <lzma.h>
#include <sys/stat.h>

#include "xz.h"

#define BLOCK_DEFAULT_MIN_BYTES (1 * MIB)
#define BLOCK_DEFAULT_MAX_BYTES (24 * MIB)
#define BUFFER_BYTES (64 * 1024)

static void lzma_index_endp(lzma_index **i) {
        lzma_index_end(*i, NULL);
}

static void lzma_endp(lzma_stream *strm) {
        lzma_end(strm);
}

static int lzma_to_errno(lzma_ret lr) {
        switch (lr) {
        case LZMA_OK:
        case LZMA_STREAM_END:
                return 0;
        case LZMA_MEM_ERROR:
                return -ENOMEM;
        case LZMA_MEMLIMIT_ERROR:
                return -ENOBUFS;
        case LZMA_FORMAT_ERROR:
        case LZMA_DATA_ERROR:
        case LZMA_BUF_ERROR: /* We always offer room and all the input there is: so input is missing. */
                return -EBADMSG;
        case LZMA_OPTIONS_ERROR:
        case LZMA_UNSUPPORTED_CHECK:
                return -EOPNOTSUPP;
        default:
                return -ENOTRECOVERABLE;
        }
}

/* Exactly that many bytes: a file that ends before is truncated. */
static int pread_exact(int fd, void *buf, size_t bytes, uint64_t offset) {
        uint8_t *p = buf;

        while (bytes > 0) {
                ssize_t n = pread(fd, p, bytes, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EBADMSG;
                p += n;
                bytes -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

/* ---- Writing ---- */

struct XzWriter {
        int fd;
        int error;
        XzOptions options;
        lzma_stream strm;
        uint8_t out[BUFFER_BYTES];
};

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high) {
        return v < low ? low : MIN(v, high);
}

static int writer_start(XzWriter *w) {
        XzOptions *o = &w->options;
        lzma_options_lzma lzma;
        lzma_filter filters[] = {
                { .id = LZMA_FILTER_LZMA2, .options = &lzma },
                { .id = LZMA_VLI_UNKNOWN },
        };
        /* The threaded encoder even for one thread: only that one writes the sizes into the block headers,
         * which is what lets xz decode the blocks in parallel. */
        lzma_mt mt = { .filters = filters, .check = LZMA_CHECK_CRC64 };
        uint64_t block_bytes = o->block_bytes;

        if (o->level > 9)
                return -EINVAL;
        if (o->threads == 0)
                o->threads = MAX(lzma_cputhreads(), 1U);

        for (;;) {
                uint64_t need_bytes;

                if (lzma_lzma_preset(&lzma, o->level))
                        return -EOPNOTSUPP;
                if (o->dictionary_max_bytes > 0)
                        lzma.dict_size = (uint32_t) clamp(o->dictionary_max_bytes, LZMA_DICT_SIZE_MIN, lzma.dict_size);
                if (o->text) {
                        lzma.lc = LZMA_LCLP_MAX;
                        lzma.lp = 0;
                        lzma.pb = 0;
                }
                if (block_bytes == 0)
                        o->block_bytes = clamp(3 * (uint64_t) lzma.dict_size, BLOCK_DEFAULT_MIN_BYTES,
                                        BLOCK_DEFAULT_MAX_BYTES);
                /* More than a block is never filled, but encoder and decoder would allocate it. */
                lzma.dict_size = (uint32_t) clamp(o->block_bytes, LZMA_DICT_SIZE_MIN, lzma.dict_size);
                mt.threads = o->threads;
                mt.block_size = o->block_bytes;

                need_bytes = lzma_stream_encoder_mt_memusage(&mt);
                if (need_bytes == UINT64_MAX)
                        return -EINVAL;
                if (o->memory_max_bytes == 0 || need_bytes <= o->memory_max_bytes)
                        break;
                if (o->threads > 1)
                        o->threads--;
                else if (o->level > 0)
                        o->level--;
                else
                        return -ENOBUFS;
        }

        return lzma_to_errno(lzma_stream_encoder_mt(&w->strm, &mt));
}

int xz_writer_new(int fd, const XzOptions *options, XzWriter **ret) {
        _cleanup_(xz_writer_freep) XzWriter *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->fd = fd;
        w->options = *options;
        w->strm = (lzma_stream) LZMA_STREAM_INIT;

        r = writer_start(w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

const XzOptions *xz_writer_options(const XzWriter *w) {
        return &w->options;
}

/* Until the input is taken (LZMA_RUN), or until the action is completed and its output written. */
static int writer_code(XzWriter *w, lzma_action action) {
        int r;

        if (w->error < 0)
                return w->error;

        for (;;) {
                lzma_ret lr;
                size_t n;

                w->strm.next_out = w->out;
                w->strm.avail_out = sizeof(w->out);
                lr = lzma_code(&w->strm, action);
                n = sizeof(w->out) - w->strm.avail_out;

                r = write_all(w->fd, w->out, n);
                if (r >= 0)
                        r = lzma_to_errno(lr);
                if (r < 0) {
                        w->error = r;
                        return r;
                }
                if (lr == LZMA_STREAM_END || (action == LZMA_RUN && w->strm.avail_in == 0))
                        return 0;
        }
}

int xz_writer_write(XzWriter *w, const void *data, size_t bytes) {
        /* liblzma takes a second call without input for a mistake (LZMA_BUF_ERROR). */
        if (bytes == 0)
                return w->error;
        w->strm.next_in = data;
        w->strm.avail_in = bytes;
        return writer_code(w, LZMA_RUN);
}

int xz_writer_flush(XzWriter *w) {
        return writer_code(w, LZMA_FULL_FLUSH);
}

int xz_writer_finish(XzWriter *w, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes) {
        int r;

        r = writer_code(w, LZMA_FINISH);
        if (r < 0)
                return r;
        w->error = -ESHUTDOWN;
        if (ret_uncompressed_bytes)
                *ret_uncompressed_bytes = w->strm.total_in;
        if (ret_compressed_bytes)
                *ret_compressed_bytes = w->strm.total_out;
        return 0;
}

void xz_writer_get_counts(XzWriter *w, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes) {
        uint64_t in, out;

        lzma_get_progress(&w->strm, &in, &out);
        if (ret_uncompressed_bytes)
                *ret_uncompressed_bytes = w->strm.total_in;
        if (ret_compressed_bytes)
                *ret_compressed_bytes = out;
}

void xz_writer_free(XzWriter *w) {
        if (!w)
                return;
        lzma_end(&w->strm);
        free(w);
}

/* ---- The indexes of a file ---- */

/* Decodes the index of index_bytes at offset. Piece by piece, because a footer may claim an index of 16 GiB;
 * how many blocks it lists stands in front, and is what the memory limit stops. */
static int index_decode(
                int fd, uint64_t offset, uint64_t index_bytes, uint64_t memory_max_bytes, lzma_index **ret) {
        _cleanup_(lzma_index_endp) lzma_index *index = NULL;
        _cleanup_(lzma_endp) lzma_stream strm = LZMA_STREAM_INIT;
        uint8_t buf[4096];
        uint64_t left_bytes = index_bytes;
        lzma_ret lr;
        int r;

        lr = lzma_index_decoder(&strm, &index, memory_max_bytes);
        while (lr == LZMA_OK && left_bytes > 0) {
                size_t n = (size_t) MIN(left_bytes, sizeof(buf));

                r = pread_exact(fd, buf, n, offset);
                if (r < 0)
                        return r;
                strm.next_in = buf;
                strm.avail_in = n;
                lr = lzma_code(&strm, LZMA_RUN);
                offset += n;
                left_bytes -= n;
        }
        r = lzma_to_errno(lr);
        if (r < 0)
                return r;
        if (lr != LZMA_STREAM_END || strm.total_in != index_bytes)
                return -EBADMSG;
        *ret = TAKE_PTR(index);
        return 0;
}

/* The index of the stream that ends at end, with its flags set. Footer first: it tells where the index
 * starts; the index tells where the stream does (xz-file-format.txt §2.1.2, §4). */
static int stream_load(int fd, uint64_t end, uint64_t memory_max_bytes, lzma_index **ret) {
        _cleanup_(lzma_index_endp) lzma_index *index = NULL;
        uint8_t buf[LZMA_STREAM_HEADER_SIZE];
        lzma_stream_flags header, footer;
        int r;

        if (end < 2 * LZMA_STREAM_HEADER_SIZE)
                return -EBADMSG;
        r = pread_exact(fd, buf, sizeof(buf), end - sizeof(buf));
        if (r < 0)
                return r;
        r = lzma_to_errno(lzma_stream_footer_decode(&footer, buf));
        if (r < 0)
                return r;
        if (footer.backward_size > end - 2 * LZMA_STREAM_HEADER_SIZE)
                return -EBADMSG;

        r = index_decode(fd, end - sizeof(buf) - footer.backward_size, footer.backward_size,
                        memory_max_bytes, &index);
        if (r < 0)
                return r;
        if (lzma_index_stream_size(index) > end)
                return -EBADMSG;

        r = pread_exact(fd, buf, sizeof(buf), end - lzma_index_stream_size(index));
        if (r < 0)
                return r;
        r = lzma_to_errno(lzma_stream_header_decode(&header, buf));
        if (r < 0)
                return r;
        r = lzma_to_errno(lzma_stream_flags_compare(&header, &footer));
        if (r < 0)
                return r;
        r = lzma_to_errno(lzma_index_stream_flags(index, &footer));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(index);
        return 0;
}

/* Where the stream in front of a stream padding ends: §2.2 allows any number of four zero bytes. */
static int padding_skip(int fd, uint64_t *end) {
        uint8_t buf[4096];
        uint64_t e = *end;
        int r;

        while (e > 0) {
                size_t n = (size_t) MIN(e, sizeof(buf));

                r = pread_exact(fd, buf, n, e - n);
                if (r < 0)
                        return r;
                while (n > 0 && memcmp(buf + n - 4, (const uint8_t[4]){}, 4) == 0) {
                        n -= 4;
                        e -= 4;
                }
                if (n > 0)
                        break;
        }
        *end = e;
        return 0;
}

/* That the block starts with a sound header of filters we know, and that the sizes in it, where it has them,
 * are those of the index (§3.1). */
static int block_check(int fd, const lzma_index_iter *block) {
        uint8_t buf[LZMA_BLOCK_HEADER_SIZE_MAX];
        lzma_filter filters[LZMA_FILTERS_MAX + 1];
        lzma_block header = { .check = block->stream.flags->check, .filters = filters };
        size_t n = (size_t) MIN(block->block.total_size, sizeof(buf));
        int r;

        r = pread_exact(fd, buf, n, block->block.compressed_file_offset);
        if (r < 0)
                return r;
        /* A zero there would be the start of the index. */
        header.header_size = lzma_block_header_size_decode(buf[0]);
        if (buf[0] == 0 || header.header_size > n)
                return -EBADMSG;
        r = lzma_to_errno(lzma_block_header_decode(&header, NULL, buf));
        if (r < 0)
                return r;
        for (const lzma_filter *f = filters; f->id != LZMA_VLI_UNKNOWN; f++)
                free(f->options);

        if (header.uncompressed_size != LZMA_VLI_UNKNOWN &&
                        header.uncompressed_size != block->block.uncompressed_size)
                return -EBADMSG;
        return lzma_to_errno(lzma_block_compressed_size(&header, block->block.unpadded_size));
}

typedef struct IndexStack {
        lzma_index **indexes;
        size_t n, allocated;
        uint64_t memory_bytes;
} IndexStack;

static void index_stack_clear(IndexStack *s) {
        while (s->n > 0)
                lzma_index_end(s->indexes[--s->n], NULL);
        free(s->indexes);
}

/* The indexes of all streams, from the last to the first: each tells where the one in front of it ends. */
static int stack_load(int fd, uint64_t end, IndexStack *s) {
        int r;

        while (end > 0) {
                _cleanup_(lzma_index_endp) lzma_index *index = NULL;
                uint64_t padded_end = end;

                r = padding_skip(fd, &end);
                if (r < 0)
                        return r;
                r = stream_load(fd, end, XZ_INDEX_MEMORY_MAX_BYTES - s->memory_bytes, &index);
                if (r < 0)
                        return r;
                r = lzma_to_errno(lzma_index_stream_padding(index, padded_end - end));
                if (r < 0)
                        return r;
                if (s->n == s->allocated) {
                        size_t allocated = MAX(2 * s->allocated, 8U);
                        lzma_index **grown = reallocarray(s->indexes, allocated, sizeof(*grown));

                        if (!grown)
                                return -ENOMEM;
                        s->indexes = grown;
                        s->allocated = allocated;
                }
                end -= lzma_index_stream_size(index);
                s->memory_bytes += lzma_index_memused(index);
                s->indexes[s->n++] = TAKE_PTR(index);
        }
        return 0;
}

/* The indexes of all streams of a file as one, after checking all there is to check without decompressing.
 */
static int file_load(int fd, lzma_index **ret) {
        _cleanup_(lzma_index_endp) lzma_index *all = NULL;
        _cleanup_(index_stack_clear) IndexStack stack = {};
        lzma_index_iter iter;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ESPIPE;
        if (st.st_size == 0 || st.st_size % 4 != 0)
                return -EBADMSG;
        r = stack_load(fd, (uint64_t) st.st_size, &stack);
        if (r < 0)
                return r;

        /* Only now put together, from the front: lzma_index_cat() walks through all streams that it appends,
         * so appending what is collected to each new one would take time by the square of their number. */
        all = stack.indexes[--stack.n];
        while (stack.n > 0) {
                r = lzma_to_errno(lzma_index_cat(all, stack.indexes[stack.n - 1], NULL));
                if (r < 0)
                        return r;
                stack.n--;
        }

        lzma_index_iter_init(&iter, all);
        while (!lzma_index_iter_next(&iter, LZMA_INDEX_ITER_BLOCK)) {
                r = block_check(fd, &iter);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(all);
        return 0;
}

int xz_uncompressed_size(int fd, uint64_t *ret_bytes) {
        _cleanup_(lzma_index_endp) lzma_index *index = NULL;
        int r;

        r = file_load(fd, &index);
        if (r < 0)
                return r;
        *ret_bytes = lzma_index_uncompressed_size(index);
        return 0;
}

/* ---- Joining ---- */

struct XzJoiner {
        int fd;
        int error;
        lzma_stream_flags flags;
        lzma_index *index;
};

int xz_joiner_new(int out_fd, XzJoiner **ret) {
        _cleanup_(xz_joiner_freep) XzJoiner *j = NULL;
        uint8_t header[LZMA_STREAM_HEADER_SIZE];
        int r;

        j = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        j->fd = out_fd;
        j->flags.check = LZMA_CHECK_CRC64;
        j->index = lzma_index_init(NULL);
        if (!j->index)
                return -ENOMEM;

        r = lzma_to_errno(lzma_stream_header_encode(&j->flags, header));
        if (r < 0)
                return r;
        r = write_all(out_fd, header, sizeof(header));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

static int copy_range(int in_fd, uint64_t offset, uint64_t bytes, int out_fd) {
        uint8_t buf[BUFFER_BYTES];
        int r;

        /* In the kernel where possible. Kernel version, file systems, seccomp and the kind of out_fd can all
         * refuse it, each with its own errno. There is no need to know them: after any failure the plain
         * copy goes on, and meets the error again if it is a real one. */
        while (bytes > 0) {
                off_t from = (off_t) offset;
                ssize_t n = copy_file_range(in_fd, &from, out_fd, NULL, (size_t) MIN(bytes, 1024 * MIB), 0);

                if (n <= 0)
                        break;
                offset += (uint64_t) n;
                bytes -= (uint64_t) n;
        }
        while (bytes > 0) {
                size_t n = (size_t) MIN(bytes, sizeof(buf));

                r = pread_exact(in_fd, buf, n, offset);
                if (r < 0)
                        return r;
                r = write_all(out_fd, buf, n);
                if (r < 0)
                        return r;
                offset += n;
                bytes -= n;
        }
        return 0;
}

static bool has_block_at(const lzma_index *index, uint64_t uncompressed_offset) {
        lzma_index_iter iter;

        lzma_index_iter_init(&iter, index);
        return !lzma_index_iter_locate(&iter, uncompressed_offset) &&
                        iter.block.uncompressed_file_offset == uncompressed_offset;
}

/* Blocks that lie side by side, as all blocks of one stream do, are copied in one go. */
static int joiner_copy(XzJoiner *j, int in_fd, const lzma_index *from, uint64_t from_bytes) {
        uint64_t start = 0, bytes = 0;
        lzma_index_iter iter;
        int r;

        lzma_index_iter_init(&iter, from);
        while (!lzma_index_iter_next(&iter, LZMA_INDEX_ITER_BLOCK)) {
                if (iter.block.uncompressed_file_offset < from_bytes)
                        continue;
                if (iter.block.compressed_file_offset != start + bytes) {
                        r = copy_range(in_fd, start, bytes, j->fd);
                        if (r < 0)
                                return r;
                        start = iter.block.compressed_file_offset;
                        bytes = 0;
                }
                bytes += iter.block.total_size;
                r = lzma_to_errno(lzma_index_append(
                                j->index, NULL, iter.block.unpadded_size, iter.block.uncompressed_size));
                if (r < 0)
                        return r;
        }
        return copy_range(in_fd, start, bytes, j->fd);
}

int xz_joiner_add_from(XzJoiner *j, int in_fd, uint64_t from_bytes) {
        _cleanup_(lzma_index_endp) lzma_index *index = NULL;
        int r;

        if (j->error < 0)
                return j->error;
        r = file_load(in_fd, &index);
        if (r < 0)
                return r;
        if (lzma_index_checks(index) != UINT32_C(1) << LZMA_CHECK_CRC64)
                return -EINVAL;
        /* A file without blocks has nothing from its start on, and that is fine. */
        if (from_bytes > 0 && !has_block_at(index, from_bytes))
                return -EINVAL;
        if (lzma_index_memusage(1, lzma_index_block_count(j->index) + lzma_index_block_count(index)) >
                        XZ_INDEX_MEMORY_MAX_BYTES)
                return -ENOBUFS;
        /* The sizes are claims of the file, and may be as absurd as the format allows. */
        if (lzma_index_uncompressed_size(index) > LZMA_VLI_MAX - lzma_index_uncompressed_size(j->index))
                return -EFBIG;

        r = joiner_copy(j, in_fd, index, from_bytes);
        if (r < 0)
                j->error = r;
        return r;
}

int xz_joiner_add(XzJoiner *j, int in_fd) {
        return xz_joiner_add_from(j, in_fd, 0);
}

int xz_joiner_finish(XzJoiner *j, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes) {
        _cleanup_free_ uint8_t *buf = NULL;
        size_t n = 0, size;
        int r;

        if (j->error < 0)
                return j->error;
        j->flags.backward_size = lzma_index_size(j->index);
        size = (size_t) j->flags.backward_size + LZMA_STREAM_HEADER_SIZE;
        buf = malloc(size);
        if (!buf)
                return -ENOMEM;
        r = lzma_to_errno(lzma_index_buffer_encode(j->index, buf, &n, size));
        if (r < 0)
                return r;
        r = lzma_to_errno(lzma_stream_footer_encode(&j->flags, buf + n));
        if (r < 0)
                return r;
        r = write_all(j->fd, buf, size);
        j->error = r < 0 ? r : -ESHUTDOWN;
        if (r < 0)
                return r;

        if (ret_uncompressed_bytes)
                *ret_uncompressed_bytes = lzma_index_uncompressed_size(j->index);
        if (ret_compressed_bytes)
                *ret_compressed_bytes = lzma_index_stream_size(j->index);
        return 0;
}

void xz_joiner_get_counts(
                const XzJoiner *j, uint64_t *ret_uncompressed_bytes, uint64_t *ret_compressed_bytes) {
        if (ret_uncompressed_bytes)
                *ret_uncompressed_bytes = lzma_index_uncompressed_size(j->index);
        if (ret_compressed_bytes)
                *ret_compressed_bytes = LZMA_STREAM_HEADER_SIZE + lzma_index_total_size(j->index);
}

void xz_joiner_free(XzJoiner *j) {
        if (!j)
                return;
        lzma_index_end(j->index, NULL);
        free(j);
}

/* ---- Reading ---- */

struct XzReader {
        int fd;
        int error;
        bool eof;   /* of fd */
        bool ended; /* the last stream did, properly */
        lzma_stream strm;
        uint8_t in[BUFFER_BYTES];
};

int xz_reader_new(int fd, uint64_t memory_max_bytes, XzReader **ret) {
        _cleanup_(xz_reader_freep) XzReader *x = NULL;
        int r;

        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        x->fd = fd;
        x->strm = (lzma_stream) LZMA_STREAM_INIT;
        /* By default liblzma decodes blocks whose check it can't compute without checking them. */
        r = lzma_to_errno(lzma_stream_decoder(
                        &x->strm, memory_max_bytes, LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(x);
        return 0;
}

static int reader_step(XzReader *x) {
        lzma_ret lr;

        if (x->strm.avail_in == 0 && !x->eof) {
                ssize_t n = read(x->fd, x->in, sizeof(x->in));

                if (n < 0)
                        return errno == EINTR ? 0 : -errno;
                x->eof = n == 0;
                x->strm.next_in = x->in;
                x->strm.avail_in = (size_t) n;
        }
        lr = lzma_code(&x->strm, x->eof ? LZMA_FINISH : LZMA_RUN);
        x->ended = lr == LZMA_STREAM_END;
        return lzma_to_errno(lr);
}

int xz_reader_read(XzReader *x, void *buf, size_t bytes, size_t *ret_bytes) {
        x->strm.next_out = buf;
        x->strm.avail_out = bytes;
        while (x->error == 0 && !x->ended && x->strm.avail_out > 0)
                x->error = reader_step(x);

        if (x->error < 0 && x->strm.avail_out == bytes)
                return x->error;
        *ret_bytes = bytes - x->strm.avail_out;
        return 0;
}

void xz_reader_free(XzReader *x) {
        if (!x)
                return;
        lzma_end(&x->strm);
        free(x);
}
