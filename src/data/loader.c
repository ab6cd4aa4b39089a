#include "data/loader.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "data/order.h"
#include "data/prepare.h"

enum {
    MOST_WORKERS = 1024,
    BATCHES_AHEAD = 2 /* beside the one that the consumer holds */
};

/* Where a batch is made: batch b of an epoch in slot b mod slot_count. */
typedef struct slot {
    an_batch batch;
    char *places;            /* (N) of the loader's place_bytes: the batch's inputs or pictures */
    alexnet_error *failures; /* (N) why a picture could not be read; status OK where it could */
    int missing;             /* mutex: pictures of the batch that are still to come */
} slot;

/*
 * The workers take the pictures of an epoch one by one in order, as far as there are slots for
 * them. What the mutex guards is marked. The rest changes only while no worker makes a picture,
 * but for the content of a batch: each picture's part belongs to the worker that makes it, and all
 * of it to the consumer from when none is missing until it gives the batch back.
 */
struct an_loader {
    const an_dataset *dataset;
    an_preprocess preprocess;
    an_loader_options options;
    size_t place_bytes;       /* of what is made of one picture, all its views */
    size_t pictures, batches; /* of an epoch */
    uint32_t *chosen;         /* (pictures) the samples that the limit leaves, ascending */
    uint32_t *order;          /* (pictures) the samples in this epoch's order */
    uint32_t epoch;
    size_t first_position; /* at which the epoch was begun */
    slot *slots;
    size_t slot_count;
    pthread_t *threads;
    int thread_count;

    /* What only the consumer touches. */
    bool running; /* an epoch has begun and has not failed */
    bool holding; /* batch next_batch - 1 has not been given back */
    size_t next_batch;
    size_t broken; /* in this epoch */
    double waited; /* seconds in this epoch */
    an_broken_callback on_broken;
    void *context;

    pthread_mutex_t mutex;
    pthread_cond_t work;  /* a batch got a slot, or it is time to stop */
    pthread_cond_t done;  /* a batch became complete, or no worker is busy */
    size_t next_position; /* mutex: in the order, of the picture that is taken next */
    size_t end_position;  /* mutex: behind the last picture that has a slot */
    int busy;             /* mutex: workers that are making a picture */
    bool stop;            /* mutex */
};

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static slot *slot_of(const an_loader *loader, size_t batch) {
    return &loader->slots[batch % loader->slot_count];
}

/* The position in the order at which a batch begins; behind the last picture where there is none.
 */
static size_t begin_of(const an_loader *loader, size_t batch) {
    return batch < loader->batches ? batch * (size_t)loader->options.batch : loader->pictures;
}

static int compare_samples(const void *a, const void *b) {
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Tells the data set about the window that begins at a position, run by run of neighbours. */
static void announce_window(const an_loader *loader, size_t begin) {
    if (begin >= loader->pictures)
        return;
    const size_t count = smaller(loader->options.shuffle_window, loader->pictures - begin);
    uint32_t *samples = malloc(count * sizeof *samples);
    if (!samples) /* it is only advice */
        return;
    memcpy(samples, loader->order + begin, count * sizeof *samples);
    qsort(samples, count, sizeof *samples, compare_samples);
    for (size_t first = 0, i = 1; i <= count; i++)
        if (i == count || samples[i] != samples[i - 1] + 1) {
            loader->dataset->kind->expect(loader->dataset, samples[first], i - first);
            first = i;
        }
    free(samples);
}

/* Whoever makes the first picture of a window announces the next one, and whoever makes the first
 * after a start its own, too. */
static void announce(const an_loader *loader, size_t position) {
    const size_t window = loader->options.shuffle_window;
    if (!loader->dataset->kind->expect || window == 0 || !loader->options.shuffle)
        return;
    if (position == loader->first_position)
        announce_window(loader, position / window * window);
    if (position == loader->first_position || position % window == 0)
        announce_window(loader, (position / window + 1) * window);
}

/* Makes one picture's input, or the picture that stands for it: fetch, decode, resize, crop,
 * mirror, normalise. */
static alexnet_status make_input(const an_loader *loader, size_t position, an_workspace *own,
                                 void *place, alexnet_error *error) {
    const an_loader_options *options = &loader->options;
    const an_target out = {.input = options->pictures ? NULL : place,
                           .picture = options->pictures ? place : NULL};
    const size_t sample = loader->order[position];
    const an_occasion occasion = {options->seed, loader->epoch, sample, position};
    char name[512];
    announce(loader, position);
    an_dataset_describe(loader->dataset, sample, name, sizeof name);
    AN_TRY(an_dataset_fetch(loader->dataset, sample, &own->stored, error));
    if (an_augmentation_is_random(&options->augmentation))
        return an_prepare_drawn(own, name, &loader->preprocess, &options->augmentation, &occasion,
                                out, error);
    return an_prepare_views(own, name, &loader->preprocess, options->views, out, error);
}

/* Fills what belongs to one position of the order in its batch. */
static void make_picture(an_loader *loader, size_t position, an_workspace *own) {
    const size_t n = (size_t)loader->options.batch, i = position % n;
    slot *s = slot_of(loader, position / n);
    const size_t sample = loader->order[position];
    char *place = s->places + i * loader->place_bytes;
    s->batch.indices[i] = sample;
    s->batch.labels[i] = loader->dataset->labels[sample];
    s->failures[i].status = ALEXNET_OK;
    const alexnet_status status = make_input(loader, position, own, place, &s->failures[i]);
    if (status != ALEXNET_OK) {
        s->failures[i].status = status;
        s->batch.labels[i] = -1;
        memset(place, 0, loader->place_bytes);
    }
}

static void *work(void *argument) {
    an_loader *loader = argument;
    an_workspace own = {0};
    pthread_mutex_lock(&loader->mutex);
    for (;;) {
        while (!loader->stop && loader->next_position >= loader->end_position)
            pthread_cond_wait(&loader->work, &loader->mutex);
        if (loader->stop)
            break;
        const size_t position = loader->next_position++;
        loader->busy++;
        pthread_mutex_unlock(&loader->mutex);
        make_picture(loader, position, &own);
        pthread_mutex_lock(&loader->mutex);
        loader->busy--;
        slot *s = slot_of(loader, position / (size_t)loader->options.batch);
        if (--s->missing == 0 || loader->busy == 0)
            pthread_cond_signal(&loader->done);
    }
    pthread_mutex_unlock(&loader->mutex);
    an_workspace_free(&own);
    return NULL;
}

static alexnet_status check(const an_dataset *dataset, const an_preprocess *preprocess,
                            const an_loader_options *options, alexnet_error *error) {
    if (dataset->count == 0 || dataset->count > UINT32_MAX)
        return an_fail(error, ALEXNET_INVALID,
                       "%s: holds %zu pictures; between 1 and 4294967295 can be loaded",
                       dataset->name, dataset->count);
    if (preprocess->crop < 1 || preprocess->crop > preprocess->resize)
        return an_fail(error, ALEXNET_INVALID,
                       "a crop of %d pixels cannot be cut out of pictures whose short side is "
                       "resized to %d; choose a crop between 1 and %d",
                       preprocess->crop, preprocess->resize, preprocess->resize);
    if (options->batch < 1)
        return an_fail(error, ALEXNET_INVALID, "a batch of %d pictures is none; choose 1 or more",
                       options->batch);
    if (options->workers < 0 || options->workers > MOST_WORKERS)
        return an_fail(error, ALEXNET_INVALID,
                       "%d loader threads cannot be; choose between 1 and %d, or 0 for one a core",
                       options->workers, MOST_WORKERS);
    if (options->views != 0 && options->views != 1 && options->views != AN_VIEWS)
        return an_fail(error, ALEXNET_INVALID, "%d views of each picture: there are 1 or %d",
                       options->views, AN_VIEWS);
    if (options->views == AN_VIEWS && an_augmentation_is_random(&options->augmentation))
        return an_fail(error, ALEXNET_INVALID,
                       "pictures that are cropped, mirrored or coloured at random have no %d views",
                       AN_VIEWS);
    if (options->pictures && (options->views == AN_VIEWS || preprocess->mean_image))
        return an_fail(error, ALEXNET_INVALID,
                       "pictures with %d views or a mean image cannot be loaded as bytes",
                       AN_VIEWS);
    AN_TRY(an_augmentation_check(&options->augmentation, error));
    if (!(options->max_broken >= 0 && options->max_broken <= 1))
        return an_fail(error, ALEXNET_INVALID,
                       "the share of broken pictures that is tolerated is %g; choose one between "
                       "0 and 1",
                       options->max_broken);
    return ALEXNET_OK;
}

/* Chooses the samples of every epoch: all of them, or `limit` random ones in ascending order. */
static alexnet_status choose(an_loader *loader, alexnet_error *error) {
    const size_t count = loader->dataset->count, limit = loader->options.limit;
    loader->pictures = limit > 0 && limit < count ? limit : count;
    loader->chosen = malloc(count * sizeof *loader->chosen);
    loader->order = malloc(loader->pictures * sizeof *loader->order);
    if (!loader->chosen || !loader->order)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the order of %zu pictures", count);
    an_random random = an_random_stream(loader->options.seed, AN_RANDOM_SUBSET, 0, 0);
    an_random_permutation(&random, loader->chosen, (uint32_t)count);
    qsort(loader->chosen, loader->pictures, sizeof *loader->chosen, compare_samples);
    return ALEXNET_OK;
}

static alexnet_status make_slots(an_loader *loader, int workers, alexnet_error *error) {
    const size_t n = (size_t)loader->options.batch;
    loader->batches = (loader->pictures + n - 1) / n;
    /* Where batches are small, more of them are needed to give every worker something to do. */
    const size_t for_workers = (2 * (size_t)workers + n - 1) / n;
    const size_t ahead = for_workers > BATCHES_AHEAD ? for_workers : BATCHES_AHEAD;
    loader->slot_count = smaller(1 + ahead, loader->batches);
    loader->slots = calloc(loader->slot_count, sizeof *loader->slots);
    if (!loader->slots)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the loader's batches");
    for (size_t i = 0; i < loader->slot_count; i++) {
        slot *s = &loader->slots[i];
        void *places;
        AN_TRY(an_alloc(&places, n, loader->place_bytes, "a batch of pictures", error));
        s->places = places;
        if (loader->options.pictures)
            s->batch.pictures = places;
        else
            s->batch.input = places;
        s->batch.views = loader->options.views;
        s->batch.labels = calloc(n, sizeof *s->batch.labels);
        s->batch.indices = calloc(n, sizeof *s->batch.indices);
        s->failures = calloc(n, sizeof *s->failures);
        if (!s->batch.labels || !s->batch.indices || !s->failures)
            return an_fail(error, ALEXNET_NO_MEMORY, "no memory for the labels of %zu pictures", n);
    }
    return ALEXNET_OK;
}

static alexnet_status start_workers(an_loader *loader, int workers, alexnet_error *error) {
    loader->threads = calloc((size_t)workers, sizeof *loader->threads);
    if (!loader->threads)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for %d loader threads", workers);
    /* Signals are for the threads of the program, which may be waiting for Ctrl-C. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = 0;
    while (reason == 0 && loader->thread_count < workers) {
        reason = pthread_create(&loader->threads[loader->thread_count], NULL, work, loader);
        loader->thread_count += reason == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason != 0)
        return an_fail(error, ALEXNET_NO_MEMORY,
                       "only %d of %d loader threads could be started (%s); ask for fewer",
                       loader->thread_count, workers, strerror(reason));
    return ALEXNET_OK;
}

alexnet_status an_loader_create(const an_dataset *dataset, const an_preprocess *preprocess,
                                const an_loader_options *options, an_loader **out,
                                alexnet_error *error) {
    *out = NULL;
    AN_TRY(check(dataset, preprocess, options, error));
    an_loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory for a loader");
    loader->dataset = dataset;
    loader->preprocess = *preprocess;
    loader->options = *options;
    loader->options.views = options->views == 0 ? 1 : options->views;
    const size_t side = (size_t)preprocess->crop;
    loader->place_bytes = options->pictures
                              ? an_picture_bytes(side, side)
                              : (size_t)loader->options.views * 3 * side * side * sizeof(float);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->done, NULL);

    alexnet_status status;
    const int workers = options->workers > 0 ? options->workers : an_cpu_count();
    AN_TRY_CLEANUP(choose(loader, error));
    AN_TRY_CLEANUP(make_slots(loader, workers, error));
    AN_TRY_CLEANUP(start_workers(loader, workers, error));
    *out = loader;
    return ALEXNET_OK;

cleanup:
    an_loader_free(loader);
    return status;
}

void an_loader_free(an_loader *loader) {
    if (!loader)
        return;
    pthread_mutex_lock(&loader->mutex);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (int i = 0; i < loader->thread_count; i++)
        pthread_join(loader->threads[i], NULL);
    pthread_cond_destroy(&loader->done);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->mutex);
    for (size_t i = 0; loader->slots && i < loader->slot_count; i++) {
        an_free(loader->slots[i].places);
        free(loader->slots[i].batch.labels);
        free(loader->slots[i].batch.indices);
        free(loader->slots[i].failures);
    }
    free(loader->slots);
    free(loader->threads);
    free(loader->chosen);
    free(loader->order);
    free(loader);
}

void an_loader_on_broken(an_loader *loader, an_broken_callback callback, void *context) {
    loader->on_broken = callback;
    loader->context = context;
}

size_t an_loader_pictures(const an_loader *loader) {
    return loader->pictures;
}

size_t an_loader_batches(const an_loader *loader) {
    return loader->batches;
}

size_t an_loader_memory(const an_loader *loader) {
    return loader->slot_count * (size_t)loader->options.batch * loader->place_bytes;
}

double an_loader_waited(const an_loader *loader) {
    return loader->waited;
}

size_t an_loader_broken(const an_loader *loader) {
    return loader->broken;
}

/* Gives a batch its slot and the workers its pictures. */
static void give_slot(an_loader *loader, size_t batch) {
    const size_t begin = begin_of(loader, batch), end = begin_of(loader, batch + 1);
    if (begin == end)
        return;
    slot *s = slot_of(loader, batch);
    const size_t n = (size_t)loader->options.batch, count = end - begin;
    s->batch.count = (int)count;
    s->batch.position = begin;
    memset(s->places + count * loader->place_bytes, 0, (n - count) * loader->place_bytes);
    for (size_t i = count; i < n; i++) {
        s->batch.labels[i] = -1;
        s->batch.indices[i] = SIZE_MAX;
    }
    pthread_mutex_lock(&loader->mutex);
    s->missing = (int)count;
    loader->end_position = end;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
}

alexnet_status an_loader_start(an_loader *loader, uint32_t epoch, size_t first_batch,
                               alexnet_error *error) {
    if (first_batch > loader->batches)
        return an_fail(error, ALEXNET_INVALID,
                       "an epoch cannot begin at batch %zu: it has only %zu; was the run begun "
                       "with other data or another batch size?",
                       first_batch, loader->batches);
    /* What is left of an epoch that was abandoned ends here. */
    pthread_mutex_lock(&loader->mutex);
    loader->next_position = loader->end_position = begin_of(loader, first_batch);
    while (loader->busy > 0)
        pthread_cond_wait(&loader->done, &loader->mutex);
    pthread_mutex_unlock(&loader->mutex);

    loader->epoch = epoch;
    loader->first_position = begin_of(loader, first_batch);
    if (loader->options.shuffle) {
        AN_TRY(an_order_shuffle(loader->options.seed, loader->options.shuffle_once ? 0 : epoch,
                                loader->options.shuffle_window, loader->order,
                                (uint32_t)loader->pictures, error));
        for (size_t i = 0; i < loader->pictures; i++)
            loader->order[i] = loader->chosen[loader->order[i]];
    } else {
        memcpy(loader->order, loader->chosen, loader->pictures * sizeof *loader->order);
    }
    loader->running = true;
    loader->holding = false;
    loader->next_batch = first_batch;
    loader->broken = 0;
    loader->waited = 0;
    for (size_t i = 0; i < loader->slot_count; i++)
        give_slot(loader, first_batch + i);
    return ALEXNET_OK;
}

static void wait_for(an_loader *loader, const slot *s) {
    pthread_mutex_lock(&loader->mutex);
    if (s->missing > 0) {
        const double begin = an_seconds();
        while (s->missing > 0)
            pthread_cond_wait(&loader->done, &loader->mutex);
        loader->waited += an_seconds() - begin;
    }
    pthread_mutex_unlock(&loader->mutex);
}

/* Reports and counts the broken pictures of a batch; fails where the epoch has too many. */
static alexnet_status report(an_loader *loader, const slot *s, alexnet_error *error) {
    for (int i = 0; i < s->batch.count; i++) {
        const alexnet_error *failure = &s->failures[i];
        if (failure->status == ALEXNET_OK)
            continue;
        /* A picture for which there was no memory this time is not broken. */
        if (failure->status == ALEXNET_NO_MEMORY)
            return an_fail(error, ALEXNET_NO_MEMORY, "%s", failure->message);
        loader->broken++;
        if (loader->on_broken)
            loader->on_broken(loader->context, failure->message);
        if (an_too_many_broken(loader->broken, loader->pictures, loader->options.max_broken))
            return an_fail(error, ALEXNET_FORMAT,
                           "%s: already %zu of %zu pictures could not be read, the last one for "
                           "this reason: %s; mend or remove them, or tolerate more",
                           loader->dataset->name, loader->broken, loader->pictures,
                           failure->message);
    }
    return ALEXNET_OK;
}

alexnet_status an_loader_next(an_loader *loader, const an_batch **out, alexnet_error *error) {
    *out = NULL;
    if (!loader->running)
        return an_fail(error, ALEXNET_INVALID, "the loader has no epoch under way; start one");
    if (loader->holding)
        give_slot(loader, loader->next_batch - 1 + loader->slot_count);
    loader->holding = false;
    if (loader->next_batch == loader->batches)
        return ALEXNET_OK;
    const slot *s = slot_of(loader, loader->next_batch);
    wait_for(loader, s);
    const alexnet_status status = report(loader, s, error);
    if (status != ALEXNET_OK) {
        loader->running = false;
        return status;
    }
    loader->next_batch++;
    loader->holding = true;
    *out = &s->batch;
    return ALEXNET_OK;
}

const an_batch *an_loader_peek(an_loader *loader) {
    if (!loader->running || loader->next_batch == loader->batches)
        return NULL;
    const slot *s = slot_of(loader, loader->next_batch);
    pthread_mutex_lock(&loader->mutex);
    const bool complete = s->missing == 0;
    pthread_mutex_unlock(&loader->mutex);
    return complete ? &s->batch : NULL;
}

void an_loader_each_input(const an_loader *loader,
                          void (*visit)(void *context, void *memory, size_t bytes), void *context) {
    const size_t bytes = (size_t)loader->options.batch * loader->place_bytes;
    for (size_t i = 0; i < loader->slot_count; i++)
        visit(context, loader->slots[i].places, bytes);
}
