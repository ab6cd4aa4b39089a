#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

/* A signal handler can tell the program nothing in any other way. */
static volatile sig_atomic_t interrupted;

static void note(int number) {
    (void)number;
    interrupted = 1;
}

void an_interrupt_watch(void) {
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool an_interrupted(void) {
    return interrupted != 0;
}
