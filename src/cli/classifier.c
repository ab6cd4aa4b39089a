#include "cli/classifier.h"

#include <stdlib.h>

#include "cli/network.h"
#include "pull/cache.h"

enum { imagenet_classes = 1000 };

alexnet_status an_classifier_chosen(const an_common *common, int batch, bool observe, int classes,
                                    int input_size, alexnet_classifier **out,
                                    alexnet_error *error) {
    an_classifier_options options = {.weights = common->weights,
                                     .arch = common->arch,
                                     .classes = classes,
                                     .input_size = common->weights ? 0 : input_size,
                                     .seed = common->seed,
                                     .device = common->device,
                                     .plan = an_plan_chosen(common, false)};
    options.plan.batch = batch;
    options.plan.brief = batch < common->batch; /* fewer pictures than there is room for */
    options.plan.observe = observe;
    const alexnet_status status = an_classifier_open(&options, out, error);
    if (status != ALEXNET_OK)
        return an_weights_failed(common, status, error);
    an_precision_report(common, (*out)->plan);
    return ALEXNET_OK;
}

alexnet_status an_labels_chosen(const char *labels, alexnet_classifier *classifier,
                                alexnet_error *error) {
    if (labels)
        return an_classifier_name(classifier, labels, error);
    if (classifier->weights.class_names ||
        alexnet_classifier_classes(classifier) != imagenet_classes)
        return ALEXNET_OK;
    char *pulled = an_cache_find(an_known_find(AN_KNOWN_CLASS_NAMES));
    if (!pulled)
        return ALEXNET_OK;
    const alexnet_status status = an_classifier_name(classifier, pulled, error);
    free(pulled);
    return status;
}

alexnet_status an_result_chosen(const an_network *network, const char *layer, size_t images,
                                an_result *out, alexnet_error *error) {
    const int last = network->layer_count - 1;
    *out = (an_result){.layer = AN_LOGITS};
    if (layer)
        AN_TRY(an_layer_find(network, layer, &out->layer, error));
    const int index = out->layer == AN_LOGITS ? last : out->layer;
    const an_shape shape = an_result_shape(network, out->layer);
    int first = 0; /* the first fully connected layer: from here on there are no maps */
    while (first < last && network->layers[first].spec.type != AN_FC)
        first++;
    out->name = network->layers[index].spec.name;
    out->dims = index < first ? 4 : 2;
    out->shape[0] = (int64_t)images;
    out->shape[1] = shape.c;
    out->shape[2] = shape.h;
    out->shape[3] = shape.w;
    return ALEXNET_OK;
}

json_t *an_result_json(const an_result *result) {
    json_t *shape = json_array();
    for (int i = 0; i < result->dims; i++)
        json_array_append_new(shape, json_integer(result->shape[i]));
    return shape;
}
