/* alexnet bench peak: what this machine can do at most. */
#include "cli/bench.h"
#include "core/threads.h"

static const struct {
    const char *key, *title, *unit;
} rows[AN_LIMITS] = {
    [AN_LIMIT_FP32] = {"fp32", "float32", "GFLOP/s"},
    [AN_LIMIT_BF16] = {"bf16", "bfloat16", "GFLOP/s"},
    [AN_LIMIT_INT8] = {"int8", "int8", "GOP/s"},
    [AN_LIMIT_READ] = {"read", "reading memory", "GB/s"},
    [AN_LIMIT_COPY] = {"copy", "copying memory", "GB/s"},
};

static const double seconds_each = 0.35;

static alexnet_status print_json(const an_backend *backend, int threads, const an_rate rates[],
                                 alexnet_error *error) {
    json_t *json =
        json_pack("{s:s, s:s, s:i}", "what", "peak", "device", backend->name, "threads", threads);
    for (int i = 0; json && i < AN_LIMITS; i++)
        json_object_set_new(
            json, rows[i].key,
            json_pack("{s:o, s:s, s:s}", "rate",
                      rates[i].a_second > 0 ? json_real(rates[i].a_second / 1e9) : json_null(),
                      "unit", rows[i].unit, "instructions", rates[i].by));
    return an_print_json(json, error);
}

static void print_table(int threads, const an_rate rates[]) {
    printf("what this machine can do at most with %d threads:\n", threads);
    for (int i = 0; i < AN_LIMITS; i++)
        if (rates[i].a_second > 0)
            printf("  %-16s%8.1f %-9s %s\n", rows[i].title, rates[i].a_second / 1e9, rows[i].unit,
                   rates[i].by);
        else
            printf("  %-16s%8s the processor lacks %s\n", rows[i].title, "-", rates[i].by);
}

alexnet_status an_bench_peak(const bench_settings *settings, alexnet_error *error) {
    const an_common *common = &settings->common;
    const int threads = common->threads > 0 ? common->threads : an_cpu_count();
    const an_backend *backend;
    an_rate rates[AN_LIMITS];
    AN_TRY(an_backend_find(common->device, &backend, error));
    if (!backend->limit)
        return an_fail(error, ALEXNET_UNSUPPORTED, "the limits of device '%s' are not known",
                       backend->name);
    for (int i = 0; i < AN_LIMITS; i++)
        rates[i] = an_backend_limit(backend, (an_limit)i, threads, seconds_each);
    if (common->json)
        return print_json(backend, threads, rates, error);
    print_table(threads, rates);
    return ALEXNET_OK;
}
