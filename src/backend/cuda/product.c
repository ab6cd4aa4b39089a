/*
 * Matrix products by cuBLASLt. It stores matrices column by column: a matrix whose rows lie one
 * behind the other is to it the transposed one. So c = a b is asked for as c^T = b^T a^T, whose
 * rows are c's columns, along which it adds a bias. It could do ReLU, too, but as max(x, 0), which
 * need not keep NaN: a network that has diverged would go on with zeros. That is left to kernels.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/trial.h"

static const size_t most_workspace = (size_t)32 << 20;

struct an_product {
    an_device *device;
    cublasLtMatmulDesc_t how;
    cublasLtMatrixLayout_t left, right, result; /* b^T, a^T, c^T */
    cublasLtMatmulAlgo_t algorithm;
    size_t bytes;
    float factor;
    bool adds_bias;
};

static cudaDataType_t type_of(an_number number) {
    return number == AN_NUMBER_BF16   ? CUDA_R_16BF
           : number == AN_NUMBER_FP16 ? CUDA_R_16F
                                      : CUDA_R_32F;
}

static alexnet_status describe(an_product *p, const an_product_spec *spec, alexnet_error *error) {
    const char *doing = "describing a product";
    const uint64_t rows = (uint64_t)spec->rows, columns = (uint64_t)spec->columns;
    const uint64_t depth = (uint64_t)spec->depth;
    const cublasOperation_t left = spec->b_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t right = spec->a_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    AN_TRY(an_gpu_check_cublas(
        cublasLtMatmulDescCreate(
            &p->how, spec->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
        doing, error));
    AN_TRY(an_gpu_check_cublas(
        cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_TRANSA, &left, sizeof left),
        doing, error));
    AN_TRY(an_gpu_check_cublas(
        cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_TRANSB, &right, sizeof right),
        doing, error));
    AN_TRY(an_gpu_check_cublas(
        cublasLtMatrixLayoutCreate(&p->left, type_of(spec->in), spec->b_turned ? depth : columns,
                                   spec->b_turned ? columns : depth,
                                   (int64_t)(spec->b_turned ? depth : columns)),
        doing, error));
    AN_TRY(an_gpu_check_cublas(cublasLtMatrixLayoutCreate(&p->right, type_of(spec->in),
                                                          spec->a_turned ? rows : depth,
                                                          spec->a_turned ? depth : rows,
                                                          (int64_t)(spec->a_turned ? rows : depth)),
                               doing, error));
    return an_gpu_check_cublas(
        cublasLtMatrixLayoutCreate(&p->result, type_of(spec->out), columns, rows, (int64_t)columns),
        doing, error);
}

/* ---- Choosing. */

/* The heuristics' proposals of which one is to be the fastest. */
enum { most_proposals = 8 };

/* Which ways of adding the parts of sums may be taken. In changing order only where the result has
 * float32's digits: elsewhere each part would be rounded to those of the result. */
static uint32_t reductions(const an_product_spec *spec, bool deterministic) {
    return deterministic || spec->out != AN_NUMBER_FLOAT
               ? CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
               : CUBLASLT_REDUCTION_SCHEME_MASK;
}

static cublasStatus_t prefer(cublasLtMatmulPreference_t preference, uint32_t allowed) {
    const cublasStatus_t result =
        cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &most_workspace, sizeof most_workspace);
    return result == CUBLAS_STATUS_SUCCESS
               ? cublasLtMatmulPreferenceSetAttribute(preference,
                                                      CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                      &allowed, sizeof allowed)
               : result;
}

/* The heuristics' proposals, at most `most`, the one that they expect to be the fastest first. */
static alexnet_status propose(const an_product *p, uint32_t allowed, int most,
                              cublasLtMatmulHeuristicResult_t *found, int *count,
                              alexnet_error *error) {
    cublasLtMatmulPreference_t preference;
    *count = 0;
    AN_TRY(an_gpu_check_cublas(cublasLtMatmulPreferenceCreate(&preference), "choosing a product",
                               error));
    cublasStatus_t result = prefer(preference, allowed);
    if (result == CUBLAS_STATUS_SUCCESS)
        result =
            cublasLtMatmulAlgoGetHeuristic(p->device->cublas, p->how, p->left, p->right, p->result,
                                           p->result, preference, most, found, count);
    cublasLtMatmulPreferenceDestroy(preference);
    return an_gpu_check_cublas(result, "choosing how to compute a product", error);
}

static void take(an_product *p, const cublasLtMatmulHeuristicResult_t *it) {
    p->algorithm = it->algo;
    p->bytes = it->workspaceSize;
}

/* Everything that says which ways there are: false where cuBLASLt does not tell. */
static bool name_product(const an_product *p, const an_product_spec *spec,
                         char out[AN_TUNING_TEXT]) {
    int32_t compute = 0;
    uint32_t epilogue = 0;
    size_t size;
    if (cublasLtMatmulDescGetAttribute(p->how, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &compute,
                                       sizeof compute, &size) != CUBLAS_STATUS_SUCCESS ||
        cublasLtMatmulDescGetAttribute(p->how, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                       sizeof epilogue, &size) != CUBLAS_STATUS_SUCCESS)
        return false;
    snprintf(out, AN_TUNING_TEXT,
             "product: numbers %d to %d, computed %d, epilogue %u, %dx%d%s by %dx%d%s",
             (int)spec->in, (int)spec->out, compute, epilogue, spec->rows, spec->depth,
             spec->a_turned ? " turned" : "", spec->depth, spec->columns,
             spec->b_turned ? " turned" : "");
    return true;
}

/* What was measured before, if cuBLASLt still takes it. */
static bool recall(an_product *p, const char *what) {
    an_way way;
    cublasLtMatmulHeuristicResult_t checked = {0};
    cublasLtMatmulAlgo_t algorithm;
    static_assert(sizeof algorithm <= AN_WAY_BYTES, "a way holds cuBLASLt's description");
    if (!an_tuning_find(p->device->tuning, what, &way) || way.size != sizeof algorithm)
        return false;
    memcpy(&algorithm, way.name, sizeof algorithm);
    if (cublasLtMatmulAlgoCheck(p->device->cublas, p->how, p->left, p->right, p->result, p->result,
                                &algorithm, &checked) != CUBLAS_STATUS_SUCCESS ||
        checked.workspaceSize > most_workspace || way.workspace > most_workspace)
        return false;
    p->algorithm = algorithm;
    p->bytes = checked.workspaceSize > way.workspace ? checked.workspaceSize : way.workspace;
    return true;
}

static void remember(const an_product *p, const char *what) {
    an_way way = {.size = sizeof p->algorithm, .workspace = p->bytes};
    memcpy(way.name, &p->algorithm, sizeof p->algorithm);
    an_tuning_add(p->device->tuning, what, &way);
}

/* A product in a trial, whose parts are a, b, c and the workspace. */
typedef struct attempt {
    an_product *product;
    const an_trial *trial;
    const cublasLtMatmulHeuristicResult_t *found;
} attempt;

static alexnet_status enqueue(void *context, int way) {
    const attempt *it = context;
    void *const *part = it->trial->part;
    if (it->found[way].state != CUBLAS_STATUS_SUCCESS)
        return ALEXNET_BACKEND;
    take(it->product, &it->found[way]);
    /* The bias, of as many numbers as b has columns, may be anything. */
    return an_product_run(it->product, part[0], part[1], part[1], part[2], part[3], NULL);
}

/* The number of the fastest proposal; -1 where that cannot be measured. */
static int fastest(an_product *p, const an_product_spec *spec,
                   const cublasLtMatmulHeuristicResult_t *found, int count) {
    const size_t rows = (size_t)spec->rows, columns = (size_t)spec->columns;
    const size_t depth = (size_t)spec->depth, widest = sizeof(float);
    const size_t bytes[AN_TRIAL_PARTS] = {widest * rows * depth, widest * depth * columns,
                                          widest * rows * columns, most_workspace};
    an_trial trial;
    if (!an_trial_begin(&trial, p->device, bytes))
        return -1;
    attempt of = {p, &trial, found};
    const int best = an_trial_fastest(&trial, count, enqueue, &of);
    an_trial_end(&trial);
    return best;
}

/* *known: there is a way to compute it; false after a failure. */
static alexnet_status choose(an_product *p, const an_product_spec *spec, bool deterministic,
                             bool *known, alexnet_error *error) {
    cublasLtMatmulHeuristicResult_t found[most_proposals];
    char what[AN_TUNING_TEXT];
    int count, best = -1;
    const bool named = !deterministic && name_product(p, spec, what);
    *known = named && recall(p, what);
    if (*known)
        return ALEXNET_OK;
    AN_TRY(propose(p, reductions(spec, deterministic), deterministic ? 1 : most_proposals, found,
                   &count, error));
    *known = count > 0 && found[0].state == CUBLAS_STATUS_SUCCESS;
    if (!*known)
        return ALEXNET_OK;
    if (!deterministic)
        best = fastest(p, spec, found, count);
    take(p, &found[best < 0 ? 0 : best]);
    if (named && best >= 0)
        remember(p, what);
    return ALEXNET_OK;
}

static alexnet_status set_epilogue(an_product *p, cublasLtEpilogue_t epilogue,
                                   alexnet_error *error) {
    return an_gpu_check_cublas(cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_EPILOGUE,
                                                              &epilogue, sizeof epilogue),
                               "describing a product", error);
}

/* With the bias, where one is asked for and there is a way that adds it, which not every product
 * has; else without. */
static alexnet_status prepare(an_product *p, const an_product_spec *spec, bool deterministic,
                              alexnet_error *error) {
    p->factor = spec->factor;
    p->adds_bias = spec->bias;
    AN_TRY(describe(p, spec, error));
    if (spec->bias) {
        AN_TRY(set_epilogue(p, CUBLASLT_EPILOGUE_BIAS, error));
        (void)choose(p, spec, deterministic, &p->adds_bias, NULL);
        if (!p->adds_bias)
            AN_TRY(set_epilogue(p, CUBLASLT_EPILOGUE_DEFAULT, error));
    }
    bool known = p->adds_bias;
    if (!known)
        AN_TRY(choose(p, spec, deterministic, &known, error));
    return known ? ALEXNET_OK
                 : an_fail(error, ALEXNET_BACKEND, "cuBLASLt knows no way to compute a product");
}

alexnet_status an_product_new(an_device *device, const an_product_spec *spec, bool deterministic,
                              an_product **out, size_t *workspace, alexnet_error *error) {
    *out = NULL;
    *workspace = 0;
    an_product *p = calloc(1, sizeof *p);
    if (!p)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to describe a product");
    p->device = device;
    const alexnet_status status = prepare(p, spec, deterministic, error);
    if (status != ALEXNET_OK) {
        an_product_free(p);
        return status;
    }
    *workspace = p->bytes;
    *out = p;
    return ALEXNET_OK;
}

void an_product_free(an_product *p) {
    if (!p)
        return;
    if (p->how)
        cublasLtMatmulDescDestroy(p->how);
    if (p->left)
        cublasLtMatrixLayoutDestroy(p->left);
    if (p->right)
        cublasLtMatrixLayoutDestroy(p->right);
    if (p->result)
        cublasLtMatrixLayoutDestroy(p->result);
    free(p);
}

bool an_product_adds_bias(const an_product *p) {
    return p->adds_bias;
}

alexnet_status an_product_run(an_product *p, const void *a, const void *b, const void *bias,
                              void *c, void *workspace, alexnet_error *error) {
    const float zero = 0;
    if (p->adds_bias)
        AN_TRY(an_gpu_check_cublas(cublasLtMatmulDescSetAttribute(p->how,
                                                                  CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                                  &bias, sizeof bias),
                                   "adding a bias", error));
    return an_gpu_check_cublas(cublasLtMatmul(p->device->cublas, p->how, &p->factor, b, p->left, a,
                                              p->right, &zero, c, p->result, c, p->result,
                                              &p->algorithm, workspace, p->bytes,
                                              p->device->stream),
                               "computing a product", error);
}
