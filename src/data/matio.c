#include "data/matio.h"

#include "core/library.h"

static const an_library_function functions[] = {
    {"Mat_Open", offsetof(an_matio, open)},
    {"Mat_Close", offsetof(an_matio, close)},
    {"Mat_VarReadInfo", offsetof(an_matio, read_info)},
    {"Mat_VarReadDataAll", offsetof(an_matio, read_data)},
    {"Mat_VarFree", offsetof(an_matio, free)},
    {"Mat_VarGetStructFieldByName", offsetof(an_matio, field)},
};

/* Of the version whose header was seen when building: others may have other structures. */
static const char *const names[] = {AN_MATIO_LIBRARY, NULL};

static const an_library libmatio = {.names = names,
                                    .what = "libmatio, which reads MATLAB's files",
                                    .package = AN_MATIO_LIBRARY,
                                    .functions = functions,
                                    .function_count = sizeof functions / sizeof *functions};

alexnet_status an_matio_load(an_matio *matio, alexnet_error *error) {
    return an_library_load(&libmatio, matio, error);
}
