/*
 * Matrix products by cuBLASLt. It stores matrices column by column: a matrix whose rows lie one
 * behind the other is to it the transposed one. So c = a b is asked for as c^T = b^T a^T, whose
 * rows are c's columns, along which it adds a bias. It could do ReLU, too, but as max(x, 0), which
 * need not keep NaN: a network that has diverged would go on with zeros. That is left to kernels.
 */
#include <stdlib.h>

#include "backend/cuda/gpu.h"

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

/* The heuristics' first algorithm, of those whose parts are added in one order; *known: there is
 * one. The bias, whose place is not known yet, counts as aligned, and is, as matrices are. */
static alexnet_status choose(an_product *p, bool *known, alexnet_error *error) {
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t found;
    int count = 0;
    const uint32_t reductions =
        CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    AN_TRY(an_gpu_check_cublas(cublasLtMatmulPreferenceCreate(&preference), "choosing a product",
                               error));
    cublasStatus_t result =
        cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &most_workspace, sizeof most_workspace);
    if (result == CUBLAS_STATUS_SUCCESS)
        result = cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions);
    if (result == CUBLAS_STATUS_SUCCESS)
        result =
            cublasLtMatmulAlgoGetHeuristic(p->device->cublas, p->how, p->left, p->right, p->result,
                                           p->result, preference, 1, &found, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    *known = result == CUBLAS_STATUS_SUCCESS && count > 0 && found.state == CUBLAS_STATUS_SUCCESS;
    if (*known) {
        p->algorithm = found.algo;
        p->bytes = found.workspaceSize;
    }
    return result == CUBLAS_STATUS_NOT_SUPPORTED
               ? ALEXNET_OK
               : an_gpu_check_cublas(result, "choosing how to compute a product", error);
}

static alexnet_status set_epilogue(an_product *p, cublasLtEpilogue_t epilogue,
                                   alexnet_error *error) {
    return an_gpu_check_cublas(cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_EPILOGUE,
                                                              &epilogue, sizeof epilogue),
                               "describing a product", error);
}

/* With the bias, where one is asked for and there is an algorithm that adds it; else without. */
static alexnet_status prepare(an_product *p, const an_product_spec *spec, alexnet_error *error) {
    bool known = false;
    p->factor = spec->factor;
    AN_TRY(describe(p, spec, error));
    if (spec->bias) {
        AN_TRY(set_epilogue(p, CUBLASLT_EPILOGUE_BIAS, error));
        AN_TRY(choose(p, &known, error));
        p->adds_bias = known;
        if (!known)
            AN_TRY(set_epilogue(p, CUBLASLT_EPILOGUE_DEFAULT, error));
    }
    if (!known)
        AN_TRY(choose(p, &known, error));
    return known ? ALEXNET_OK
                 : an_fail(error, ALEXNET_BACKEND, "cuBLASLt knows no way to compute a product");
}

alexnet_status an_product_new(an_device *device, const an_product_spec *spec, an_product **out,
                              size_t *workspace, alexnet_error *error) {
    *out = NULL;
    *workspace = 0;
    an_product *p = calloc(1, sizeof *p);
    if (!p)
        return an_fail(error, ALEXNET_NO_MEMORY, "no memory to describe a product");
    p->device = device;
    const alexnet_status status = prepare(p, spec, error);
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
