/* What was found about a data set, for programs. */
#include "cli/data.h"

const char *an_sameness_key(an_sameness sameness) {
    static const char *const keys[] = {"bytes", "pixels", "alike"};
    return keys[sameness];
}

static json_t *spread_json(const an_spread *spread) {
    return json_pack("{s:f, s:f, s:f}", "min", spread->least, "median", spread->median, "max",
                     spread->most);
}

static json_t *rgb_json(const double values[3]) {
    return json_pack("[f, f, f]", values[0], values[1], values[2]);
}

static json_t *name_json(const an_dataset *dataset, size_t index) {
    char name[1024];
    an_dataset_describe(dataset, index, name, sizeof name);
    return an_json_string(name);
}

static const char *class_of(const an_dataset *dataset, size_t index) {
    return dataset->class_names[dataset->labels[index]];
}

static json_t *classes_json(const data_part *part) {
    json_t *classes = json_array();
    for (int i = 0; i < part->dataset->classes; i++) {
        json_t *entry =
            json_pack("{s:o, s:I}", "name", an_json_string(part->dataset->class_names[i]),
                      "pictures", (json_int_t)part->class_counts[i]);
        if (part->dataset->class_ids)
            json_object_set_new(entry, "id", an_json_string(part->dataset->class_ids[i]));
        json_array_append_new(classes, entry);
    }
    return classes;
}

static json_t *broken_json(const an_survey *survey) {
    json_t *list = json_array();
    for (size_t i = 0; i < survey->dataset->count; i++)
        if (survey->pictures[i].failure)
            json_array_append_new(
                list, json_pack("{s:o, s:o, s:o}", "file", name_json(survey->dataset, i), "class",
                                an_json_string(class_of(survey->dataset, i)), "reason",
                                an_json_string(survey->pictures[i].failure)));
    return list;
}

/* For each oddity the pictures that have it. */
static json_t *odd_json(const an_survey *survey) {
    json_t *all = json_object();
    for (int oddity = 0; oddity < AN_ODDITIES; oddity++) {
        json_t *list = json_array();
        for (size_t i = 0; i < survey->dataset->count; i++)
            if (survey->pictures[i].odd >> oddity & 1)
                json_array_append_new(list, name_json(survey->dataset, i));
        json_object_set_new(all, an_oddity_key(oddity), list);
    }
    return all;
}

/* How many pictures of each extension are left out, as their formats are not read. */
static json_t *unread_json(const an_unread *unread) {
    json_t *all = json_object();
    for (int i = 0; i < AN_UNREAD_NAMES; i++)
        if (unread->counts[i] > 0)
            json_object_set_new(all, an_unread_name(i),
                                json_integer((json_int_t)unread->counts[i]));
    return all;
}

static json_t *part_json(const data_part *part) {
    const an_survey_summary *all = &part->summary;
    json_t *json =
        json_pack("{s:s, s:o, s:I, s:I, s:o, s:o, s:o}", "part", part->name, "name",
                  an_json_string(part->dataset->name), "pictures", (json_int_t)all->pictures,
                  "bytes", (json_int_t)all->bytes, "classes", classes_json(part), "broken",
                  broken_json(&part->survey), "odd", odd_json(&part->survey));
    json_object_set_new(json, "empty_classes", json_integer((json_int_t)part->empty_classes));
    json_object_set_new(json, "unread", unread_json(&part->dataset->unread));
    json_object_set_new(json, "class_sizes", spread_json(&part->class_sizes));
    json_object_set_new(json, "formats",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "jpeg", (json_int_t)all->jpeg, "png",
                                  (json_int_t)all->png, "webp", (json_int_t)all->webp, "ppm",
                                  (json_int_t)all->ppm, "pixels", (json_int_t)all->pixels));
    json_object_set_new(json, "progressive", json_integer((json_int_t)all->progressive));
    json_object_set_new(json, "width", spread_json(&all->width));
    json_object_set_new(json, "height", spread_json(&all->height));
    json_object_set_new(json, "shorter_side", spread_json(&all->shorter));
    json_object_set_new(json, "aspect", spread_json(&all->aspect));
    if (part->survey.decoded) {
        json_object_set_new(json, "mean", rgb_json(all->mean));
        json_object_set_new(json, "std", rgb_json(all->deviation));
    }
    return json;
}

static json_t *group_json(const data_findings *found, const an_duplicate *group) {
    json_t *pictures = json_array();
    for (size_t i = 0; i < group->count; i++) {
        const an_place *place = &found->duplicates.places[group->first + i];
        const data_part *part = &found->parts[place->survey];
        json_array_append_new(pictures,
                              json_pack("{s:s, s:o, s:o}", "part", part->name, "file",
                                        name_json(part->dataset, place->index), "class",
                                        an_json_string(class_of(part->dataset, place->index))));
    }
    return json_pack("{s:s, s:b, s:b, s:o}", "same", an_sameness_key(group->sameness),
                     "across_parts", group->across_parts, "across_classes", group->across_classes,
                     "pictures", pictures);
}

alexnet_status an_data_print_json(const data_findings *found, alexnet_error *error) {
    json_t *parts = json_array(), *duplicates = json_array();
    size_t pictures = 0, broken = 0;
    for (int p = 0; p < found->part_count; p++) {
        pictures += found->parts[p].summary.pictures;
        broken += found->parts[p].summary.broken;
        json_array_append_new(parts, part_json(&found->parts[p]));
    }
    for (size_t i = 0; i < found->duplicates.count; i++)
        json_array_append_new(duplicates, group_json(found, &found->duplicates.groups[i]));
    return an_print_json(json_pack("{s:o, s:I, s:I, s:b, s:o, s:o, s:f}", "data",
                                   an_json_string(found->data), "pictures", (json_int_t)pictures,
                                   "broken", (json_int_t)broken, "decoded",
                                   found->parts[0].survey.decoded, "parts", parts, "duplicates",
                                   duplicates, "seconds", found->seconds),
                         error);
}
