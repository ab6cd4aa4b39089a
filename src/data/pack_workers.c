#include "data/pack_workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "data/datum.h"

enum {
    MOST_WORKERS = 1024,
    CHUNK_BYTES = 8 << 20, /* of the records of a chunk, about */
    UNRESIZED = 2000       /* the short side of a photograph as it is */
};

/* A chunk, and whether its records are made. Chunk c is made in slot c mod slot_count. */
typedef struct slot {
    an_pack_chunk chunk;
    bool ready; /* mutex */
} slot;

struct an_pack_workers {
    an_pack_job job;
    size_t first, chunks; /* the position of the first chunk; how many there are */
    size_t chunk_size;    /* pictures of each but the last */
    slot *slots;
    size_t slot_count;
    pthread_t *threads;
    int thread_count;
    bool holding; /* the consumer has chunk `given` - 1 */

    pthread_mutex_t mutex;
    pthread_cond_t room;  /* a slot was given back, or it is time to stop */
    pthread_cond_t ready; /* a chunk is */
    size_t taken;         /* mutex: chunks that a worker has begun */
    size_t given;         /* mutex: chunks that the consumer has got */
    size_t returned;      /* mutex: and given back */
    bool stop;            /* mutex */
};

/* --- a picture ----------------------------------------------------------------------------- */

/* What a worker reuses from picture to picture. */
typedef struct scratch {
    an_sample stored;
    an_image decoded, resized;
    an_encoded encoded;
} scratch;

/* Resizes and cuts as is asked for; *out is one of the two pictures. */
static alexnet_status transform(const an_pack_options *options, scratch *own, const an_image **out,
                                alexnet_error *error) {
    const an_image *decoded = &own->decoded;
    an_part part = {.width = decoded->width, .height = decoded->height};
    if (options->resize > 0)
        an_short_side_size(decoded->width, decoded->height, options->resize, &part.width,
                           &part.height);
    const int width = part.width, height = part.height;
    if (options->square) {
        const int side = width < height ? width : height;
        const an_crop centre = an_crop_centre(width, height, side);
        part = (an_part){centre.x, centre.y, side, side};
    }
    *out = decoded;
    if (part.width == decoded->width && part.height == decoded->height)
        return ALEXNET_OK;
    *out = &own->resized;
    return an_image_resize_part(decoded, width, height, part, &own->resized, error);
}

/* True where the stored bytes are a JPEG of this picture that needs no change. One with an EXIF
 * block does: it may have to be turned, and is often larger by a thumbnail. */
static bool may_stay(const an_pack_options *options, const an_sample *stored,
                     const an_image *image) {
    an_jpeg_header header;
    return stored->form == AN_SAMPLE_FILE && !options->raw && !options->reencode &&
           an_jpeg_read_header(stored->bytes, stored->size, &header) && !header.exif &&
           (header.components == 1 || header.components == 3) && header.width == image->width &&
           header.height == image->height;
}

static void split_planes(const an_image *image, uint8_t *out) {
    const size_t plane = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++)
            out[(2 - c) * plane + i] = image->pixels[3 * i + c];
}

/* The Datum of a picture. */
static alexnet_status encode(const an_pack_options *options, const an_image *image, int32_t label,
                             scratch *own, an_encoded *out, alexnet_error *error) {
    an_datum datum = {.channels = 3,
                      .height = image->height,
                      .width = image->width,
                      .label = label,
                      .encoded = !options->raw};
    own->encoded.size = 0;
    if (may_stay(options, &own->stored, image)) {
        datum.data = own->stored.bytes;
        datum.size = own->stored.size;
    } else if (options->raw) {
        datum.size = (size_t)image->width * (size_t)image->height * 3;
        AN_TRY(an_encoded_reserve(&own->encoded, datum.size, error));
        split_planes(image, own->encoded.bytes);
        datum.data = own->encoded.bytes;
    } else {
        AN_TRY(an_jpeg_encode(image, options->quality, options->full_colour, &own->encoded, error));
        datum.data = own->encoded.bytes;
        datum.size = own->encoded.size;
    }
    out->size = 0;
    AN_TRY(an_encoded_reserve(out, datum.size + AN_DATUM_OVERHEAD, error));
    out->size = an_datum_write(&datum, out->bytes);
    return ALEXNET_OK;
}

static alexnet_status make_record(const an_pack_job *job, size_t position, scratch *own,
                                  an_encoded *value, an_colour_sums *sums, alexnet_error *error) {
    const an_dataset *dataset = job->dataset;
    const size_t picture = an_pack_picture(job, position);
    const an_image *image;
    char name[512];
    an_dataset_describe(dataset, picture, name, sizeof name);
    AN_TRY(an_dataset_fetch(dataset, picture, &own->stored, error));
    AN_TRY(an_sample_decode(&own->stored, name, &own->decoded, error));
    alexnet_status status = transform(job->options, own, &image, error);
    if (status == ALEXNET_OK)
        status = encode(job->options, image, dataset->labels[picture], own, value, error);
    if (status == ALEXNET_OK)
        status = an_colour_sums_add(sums, image, error);
    return status == ALEXNET_OK ? status : an_fail_in(error, status, "%s", name);
}

/* --- threads ------------------------------------------------------------------------------- */

static void make_chunk(const an_pack_workers *workers, size_t number, scratch *own,
                       an_pack_chunk *chunk) {
    const size_t begin = workers->first + number * workers->chunk_size;
    const size_t left = workers->job.dataset->count - begin;
    chunk->first = begin;
    chunk->count = left < workers->chunk_size ? left : workers->chunk_size;
    an_colour_sums_clear(&chunk->sums);
    for (size_t i = 0; i < chunk->count; i++) {
        chunk->failures[i].status = ALEXNET_OK;
        chunk->failures[i].status = make_record(&workers->job, begin + i, own, &chunk->values[i],
                                                &chunk->sums, &chunk->failures[i]);
    }
}

static void *work(void *argument) {
    an_pack_workers *workers = argument;
    scratch own = {0};
    pthread_mutex_lock(&workers->mutex);
    for (;;) {
        while (!workers->stop && workers->taken < workers->chunks &&
               workers->taken >= workers->returned + workers->slot_count)
            pthread_cond_wait(&workers->room, &workers->mutex);
        if (workers->stop || workers->taken == workers->chunks)
            break;
        const size_t number = workers->taken++;
        slot *mine = &workers->slots[number % workers->slot_count];
        pthread_mutex_unlock(&workers->mutex);
        make_chunk(workers, number, &own, &mine->chunk);
        pthread_mutex_lock(&workers->mutex);
        mine->ready = true;
        pthread_cond_signal(&workers->ready);
    }
    pthread_mutex_unlock(&workers->mutex);
    an_sample_free(&own.stored);
    an_image_free(&own.decoded);
    an_image_free(&own.resized);
    an_encoded_free(&own.encoded);
    return NULL;
}

/* As many pictures as bound the memory of all chunks; what is packed does not depend on it. */
static size_t choose_chunk_size(const an_pack_options *options) {
    const size_t side = options->resize > 0 ? (size_t)options->resize : UNRESIZED;
    const size_t picture = side * side * 9 / 2 / (options->raw ? 1 : 8) + 1;
    const size_t fit = CHUNK_BYTES / picture;
    return fit < 1 ? 1 : fit < AN_PACK_CHUNK ? fit : AN_PACK_CHUNK;
}

static alexnet_status start_threads(an_pack_workers *workers, int count, alexnet_error *error) {
    workers->threads = calloc((size_t)count, sizeof *workers->threads);
    if (!workers->threads)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for %d threads", count);
    /* Signals are for the threads of the program, which may be waiting for Ctrl-C. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = 0;
    while (reason == 0 && workers->thread_count < count) {
        reason = pthread_create(&workers->threads[workers->thread_count], NULL, work, workers);
        workers->thread_count += reason == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason != 0)
        return an_fail(error, ALEXNET_NO_MEMORY,
                       "only %d of %d threads could be started (%s); ask for fewer",
                       workers->thread_count, count, strerror(reason));
    return ALEXNET_OK;
}

alexnet_status an_pack_workers_start(const an_pack_job *job, size_t first, an_pack_workers **out,
                                     alexnet_error *error) {
    *out = NULL;
    const int wanted = job->options->threads > 0 ? job->options->threads : an_cpu_count();
    const int count = wanted < MOST_WORKERS ? wanted : MOST_WORKERS;
    an_pack_workers *workers = calloc(1, sizeof *workers);
    if (!workers)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to pack");
    const size_t left = job->dataset->count - first;
    workers->job = *job;
    workers->first = first;
    workers->chunk_size = choose_chunk_size(job->options);
    workers->chunks = (left + workers->chunk_size - 1) / workers->chunk_size;
    workers->slot_count = 2 * (size_t)count + 2;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->room, NULL);
    pthread_cond_init(&workers->ready, NULL);
    workers->slots = calloc(workers->slot_count, sizeof *workers->slots);
    alexnet_status status = ALEXNET_OK;
    if (!workers->slots)
        status = an_fail(error, ALEXNET_NO_MEMORY, "no memory to pack");
    if (status == ALEXNET_OK)
        status = start_threads(workers, count, error);
    if (status == ALEXNET_OK)
        *out = workers;
    else
        an_pack_workers_free(workers);
    return status;
}

const an_pack_chunk *an_pack_workers_next(an_pack_workers *workers) {
    const an_pack_chunk *chunk = NULL;
    pthread_mutex_lock(&workers->mutex);
    if (workers->holding) {
        workers->slots[workers->returned % workers->slot_count].ready = false;
        workers->returned++;
        workers->holding = false;
        pthread_cond_signal(&workers->room);
    }
    if (workers->given < workers->chunks) {
        const slot *next = &workers->slots[workers->given % workers->slot_count];
        while (!next->ready)
            pthread_cond_wait(&workers->ready, &workers->mutex);
        workers->given++;
        workers->holding = true;
        chunk = &next->chunk;
    }
    pthread_mutex_unlock(&workers->mutex);
    return chunk;
}

void an_pack_workers_free(an_pack_workers *workers) {
    if (!workers)
        return;
    pthread_mutex_lock(&workers->mutex);
    workers->stop = true;
    pthread_cond_broadcast(&workers->room);
    pthread_mutex_unlock(&workers->mutex);
    for (int i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->ready);
    pthread_cond_destroy(&workers->room);
    pthread_mutex_destroy(&workers->mutex);
    for (size_t s = 0; workers->slots && s < workers->slot_count; s++) {
        for (size_t i = 0; i < AN_PACK_CHUNK; i++)
            an_encoded_free(&workers->slots[s].chunk.values[i]);
        an_colour_sums_free(&workers->slots[s].chunk.sums);
    }
    free(workers->slots);
    free(workers->threads);
    free(workers);
}
