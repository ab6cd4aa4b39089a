#include "train/pace.h"

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

void an_pace_add(an_pace *pace, double seconds, double waited, int images) {
    an_pace_sums *const sums[] = {&pace->all, &pace->epoch};
    for (int i = 0; i < 2 && pace->warm; i++) {
        sums[i]->seconds += seconds;
        sums[i]->waited += waited;
        sums[i]->images += (uint64_t)images;
        sums[i]->steps++;
    }
    pace->warm = true;
}

double an_pace_rate(const an_pace_sums *sums) {
    return ratio((double)sums->images, sums->seconds);
}

double an_pace_waiting(const an_pace_sums *sums) {
    return ratio(sums->waited, sums->seconds);
}

double an_pace_remaining(const an_pace *pace, const an_pace_rest *rest) {
    const an_pace_sums *all = &pace->all;
    double validation = pace->validation_seconds;
    if (validation == 0)
        validation =
            (double)rest->validation_pictures * ratio(all->seconds, (double)all->images) / 3;
    return rest->steps * ratio(all->seconds, (double)all->steps) + rest->epochs * validation +
           rest->checkpoints * pace->checkpoint_seconds;
}
