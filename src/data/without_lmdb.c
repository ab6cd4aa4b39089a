/* What stands in for packing where liblmdb was not found when building. */
#include "data/pack.h"

alexnet_status an_pack(const an_dataset *dataset, const char *folder,
                       const an_pack_options *options, const an_pack_observer *observer,
                       an_pack_result *result, alexnet_error *error) {
    (void)dataset, (void)options, (void)observer;
    *result = (an_pack_result){0};
    return an_fail(error, ALEXNET_UNSUPPORTED,
                   "%s: this build cannot pack; install liblmdb-dev and build again", folder);
}
