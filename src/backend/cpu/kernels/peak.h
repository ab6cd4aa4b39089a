/* What the machine can do at most, for measuring it: arithmetic without memory, and memory without
 * arithmetic. */

/* As many sums at once as stay in registers: enough that none waits for its last one. */
#if AN_BLOCK == 16 || defined(__AVX2__)
enum { CHAINS = 12 };
#else
enum { CHAINS = 6 }; /* two registers each */
#endif

static double multiply_adds(int rounds) {
    volatile float source = 0.5f, sink;
    const vec factor = broadcast(source), addend = broadcast(source);
    vec sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = broadcast(source);
    for (int round = 0; round < rounds; round++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = multiply_add(sum[i], factor, addend);
    for (int i = 1; i < CHAINS; i++)
        sum[0] += sum[i];
    sink = sum_lanes(sum[0]);
    (void)sink;
    return 2.0 * AN_BLOCK * CHAINS * rounds;
}

static float read_through(size_t count, const float *x) {
    enum { PARTS = 4, AHEAD = 2048 };
    vec sum[PARTS] = {{0}};
    size_t i = 0;
    for (; i + PARTS * AN_BLOCK <= count; i += PARTS * AN_BLOCK)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) {
            __builtin_prefetch(x + i + p * AN_BLOCK + AHEAD);
            sum[p] += load(x + i + p * AN_BLOCK);
        }
    for (; i < count; i += AN_BLOCK)
        sum[0] += load(x + i);
    return sum_lanes(sum[0] + sum[1] + sum[2] + sum[3]);
}
