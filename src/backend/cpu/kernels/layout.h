/* Between plain (N, C, H, W) and blocked (N, C / B, H, W, B) activations. */

static void block_maps(an_shape shape, int images, const float *plain, float *blocked) {
    const int blocks = (shape.c + AN_BLOCK - 1) / AN_BLOCK;
    const size_t pixels = (size_t)shape.h * shape.w;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < images; n++) {
        for (int block = 0; block < blocks; block++) {
            const int maps = shape.c - block * AN_BLOCK;
            const float *from = plain + ((size_t)n * shape.c + (size_t)block * AN_BLOCK) * pixels;
            float *to = blocked + ((size_t)n * blocks + block) * pixels * AN_BLOCK;
            for (size_t p = 0; p < pixels; p++)
                for (int c = 0; c < AN_BLOCK; c++)
                    to[p * AN_BLOCK + c] = c < maps ? from[(size_t)c * pixels + p] : 0;
        }
    }
}

static void unblock_maps(an_shape shape, int images, const float *blocked, float *plain) {
    const int blocks = (shape.c + AN_BLOCK - 1) / AN_BLOCK;
    const size_t pixels = (size_t)shape.h * shape.w;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < images; n++) {
        for (int c = 0; c < shape.c; c++) {
            const float *from =
                blocked + ((size_t)n * blocks + c / AN_BLOCK) * pixels * AN_BLOCK + c % AN_BLOCK;
            float *to = plain + ((size_t)n * shape.c + c) * pixels;
            for (size_t p = 0; p < pixels; p++)
                to[p] = from[p * AN_BLOCK];
        }
    }
}
