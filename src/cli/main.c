/* The command: finds the sub-command and hands it its arguments. */
#include <stdio.h>

#include "alexnet/alexnet.h"

int main(void) {
    printf("alexnet %s\n", alexnet_version());
    return 0;
}
