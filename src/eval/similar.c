#include "eval/similar.h"

#include <math.h>

#include "core/threads.h"

void an_normalise(float *features, size_t length) {
    double squares = 0;
    for (size_t i = 0; i < length; i++)
        squares += (double)features[i] * (double)features[i];
    const double scale = squares > 0 && isfinite(squares) ? 1 / sqrt(squares) : 0;
    for (size_t i = 0; i < length; i++)
        features[i] = scale > 0 ? (float)((double)features[i] * scale) : 0;
}

static float similarity_of(const float *a, const float *b, size_t length) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < length; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Puts a candidate in its place among the best so far; behind those that are as similar. */
static void offer(an_find *best, size_t top, an_find find) {
    if (!(find.similarity > best[top - 1].similarity)) /* nor what is no number */
        return;
    size_t i = top - 1;
    for (; i > 0 && find.similarity > best[i - 1].similarity; i--)
        best[i] = best[i - 1];
    best[i] = find;
}

/* Queries [first, end), which share each reading of the candidates. */
static void search_group(const an_search *search, size_t first, size_t end, an_find *out) {
    for (size_t i = first * search->top; i < end * search->top; i++)
        out[i] = (an_find){AN_NOTHING, -INFINITY};
    for (size_t c = 0; c < search->candidate_count; c++) {
        for (size_t q = first; search->candidates[c] && q < end; q++) {
            if (!search->queries[q] || search->same[q] == c)
                continue;
            const float similarity =
                similarity_of(search->queries[q], search->candidates[c], search->length);
            offer(out + q * search->top, search->top, (an_find){c, similarity});
        }
    }
}

void an_search_run(const an_search *search, an_find *out) {
    enum { group = 8 }; /* their features stay in a core's cache */
    const size_t groups = (search->query_count + group - 1) / group;
    const int previous = an_threads_enter(search->threads ? search->threads : an_cpu_count());
#pragma omp parallel for schedule(dynamic)
    for (size_t g = 0; g < groups; g++) {
        const size_t end = (g + 1) * group;
        search_group(search, g * group, end < search->query_count ? end : search->query_count, out);
    }
    an_threads_leave(previous);
}
