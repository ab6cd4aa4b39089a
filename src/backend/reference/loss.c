/*
 * Softmax and cross-entropy (the paper's §3.5: "the multinomial logistic regression objective"),
 * and the errors that the paper reports: is the label the class thought likeliest (top-1), is it
 * among the five likeliest (top-5)?
 */
#include <math.h>

#include "backend/reference/layers.h"

/* log(sum over j of exp(z_j)), the largest taken out first, so that nothing overflows. */
static double log_sum_exp(const float *logits, int classes) {
    int best = 0;
    for (int j = 1; j < classes; j++)
        if (logits[j] > logits[best])
            best = j;
    double others = 0;
    for (int j = 0; j < classes; j++)
        if (j != best)
            others += exp((double)logits[j] - (double)logits[best]);
    return (double)logits[best] + log1p(others);
}

/* How many classes come before the label, equal ones in their order; NaN counts as before. */
static int rank_of(int label, const float *logits, int classes) {
    int before = 0;
    for (int j = 0; j < classes; j++)
        if (j != label)
            before += !(logits[j] < logits[label] || (j > label && logits[j] == logits[label]));
    return before;
}

/* What the probabilities of one image should be. */
typedef struct targets {
    int first, second;
    double first_share, second_share; /* (1 - smoothing) s, (1 - smoothing) (1 - s) */
    double each;                      /* smoothing / classes */
} targets;

static targets targets_of(const an_step *step, int n, int classes) {
    const bool mixed = step->second_labels != NULL;
    const double sure = 1 - step->smoothing, share = mixed ? step->share : 1;
    return (targets){.first = step->labels[n],
                     .second = mixed ? step->second_labels[n] : step->labels[n],
                     .first_share = sure * share,
                     .second_share = sure * (1 - share),
                     .each = step->smoothing / classes};
}

static double target(const targets *t, int j) {
    return (j == t->first ? t->first_share : 0) + (j == t->second ? t->second_share : 0) + t->each;
}

/* -sum over j of t_j log p_j; log p_j = z_j - normaliser. */
static double cross_entropy(const targets *t, const float *z, int classes, double normaliser) {
    double loss = t->first_share * (normaliser - (double)z[t->first]) +
                  t->second_share * (normaliser - (double)z[t->second]);
    for (int j = 0; j < classes && t->each > 0; j++)
        loss += t->each * (normaliser - (double)z[j]);
    return loss;
}

/*
 * p_j  = exp(z_j) / sum over k of exp(z_k)             probabilities, of the logits z of one image
 * L    = mean over the counted images of -sum over j of t_j log p_j      t: the targets, an_step's
 * dz_j = (p_j - t_j) / counted; 0 for images that do not count
 */
void an_reference_loss(int images, int classes, const float *logits, const an_step *step,
                       float *dlogits, an_step_result *result) {
    const int32_t *labels = step->labels;
    *result = (an_step_result){0};
    for (int n = 0; n < images; n++)
        result->counted += labels[n] >= 0;
    for (int n = 0; n < images; n++) {
        const float *z = logits + (size_t)n * classes;
        const int label = labels[n];
        const double normaliser = log_sum_exp(z, classes);
        const targets t = targets_of(step, n, classes);
        if (label >= 0) {
            const int rank = rank_of(label, z, classes);
            result->loss += cross_entropy(&t, z, classes, normaliser) / result->counted;
            result->correct += rank < 1;
            result->correct5 += rank < 5;
        }
        if (dlogits) {
            float *dz = dlogits + (size_t)n * classes;
            for (int j = 0; j < classes; j++)
                dz[j] = label < 0 ? 0
                                  : (float)((exp((double)z[j] - normaliser) - target(&t, j)) /
                                            result->counted);
        }
    }
}
