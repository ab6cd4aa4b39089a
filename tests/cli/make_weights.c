/* make_weights WEIGHTS PICTURE: a small network and a picture for test_install.sh. */
#include "command.h"

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    write_weights(argv[1], 67, 4);
    write_picture(argv[2], 80, 70);
    return 0;
}
