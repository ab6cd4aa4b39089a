#include "train/schedule.h"

#include <math.h>

double an_schedule_rate(const an_schedule *schedule, const an_plateau *plateau, uint64_t step,
                        uint64_t steps_per_epoch) {
    const double warmup_steps = schedule->warmup * (double)steps_per_epoch;
    if ((double)step + 1 < warmup_steps)
        return schedule->base * ((double)step + 1) / warmup_steps;
    const double epoch = (double)step / (double)steps_per_epoch;
    switch (schedule->kind) {
    case AN_SCHEDULE_STEP:
        return schedule->base * pow(schedule->factor, floor(epoch / schedule->every));
    case AN_SCHEDULE_COSINE: {
        /* The step that ends the warm-up may begin before it is over. */
        const double done =
            fmax(epoch - schedule->warmup, 0) / (schedule->epochs - schedule->warmup);
        return schedule->base * 0.5 * (1 + cos(acos(-1) * fmin(done, 1)));
    }
    case AN_SCHEDULE_PLATEAU:
        return schedule->base * pow(schedule->factor, an_plateau_ended(schedule, plateau)
                                                          ? schedule->max_drops
                                                          : plateau->drops);
    case AN_SCHEDULE_CONSTANT:
        break;
    }
    return schedule->base;
}

void an_plateau_update(const an_schedule *schedule, an_plateau *plateau, double loss) {
    if (loss < plateau->best) {
        plateau->best = loss;
        plateau->bad = 0;
    } else if (++plateau->bad >= schedule->patience) {
        plateau->bad = 0;
        plateau->drops++;
    }
}

bool an_plateau_ended(const an_schedule *schedule, const an_plateau *plateau) {
    return schedule->kind == AN_SCHEDULE_PLATEAU && schedule->max_drops > 0 &&
           plateau->drops > schedule->max_drops;
}
