/* Ctrl-C and SIGTERM as a question that the work asks between steps. */
#ifndef AN_CLI_INTERRUPT_H
#define AN_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on the first signal only makes an_interrupted true; a second one ends the process. */
void an_interrupt_watch(void);

bool an_interrupted(void);

#endif
