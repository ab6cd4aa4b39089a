/* Stochastic gradient descent in one pass over memory, which is all that it costs. */

static void update(const an_update *rule, float momentum, size_t count, const float *gradient,
                   float *v, float *w) {
    const float rate = rule->learning_rate, decay = rule->learning_rate * rule->weight_decay;
    if (rate == 0)
        return;
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < count; i++) {
        const float velocity = momentum * v[i] - decay * w[i] - rate * gradient[i];
        v[i] = velocity;
        w[i] += velocity;
    }
}
