/* Time as it passes, for measuring how long things take. */
#ifndef AN_CORE_CLOCK_H
#define AN_CORE_CLOCK_H

/* Seconds of a clock that never jumps. */
double an_seconds(void);

/* Seconds of processor time that all threads of this process have taken. */
double an_cpu_seconds(void);

#endif
