/* What was found about a data set, for people. */
#include <stdlib.h>
#include <string.h>

#include "cli/data.h"

enum { LABEL = 22, COLUMN = 34 };

/* ---- The table: a row for each number, a column for each part. */

/* A number without needless zeros: "5,000", "1.5". */
static an_text plain(double value) {
    an_text out;
    if (value >= 10)
        return an_thousands((uint64_t)(value + 0.5));
    snprintf(out.text, sizeof out.text, "%.3g", value);
    return out;
}

static an_text spread_text(const an_spread *spread) {
    an_text out;
    if (spread->least >= spread->most)
        return plain(spread->most);
    snprintf(out.text, sizeof out.text, "%.30s to %.30s, median %.30s", plain(spread->least).text,
             plain(spread->most).text, plain(spread->median).text);
    return out;
}

static an_text rgb_text(const double values[3], double scale) {
    an_text out;
    snprintf(out.text, sizeof out.text, scale == 1 ? "%.1f, %.1f, %.1f" : "%.3f, %.3f, %.3f",
             values[0] * scale, values[1] * scale, values[2] * scale);
    return out;
}

static an_text pictures_text(const data_part *part) {
    return an_thousands(part->summary.pictures);
}

static an_text broken_text(const data_part *part) {
    return an_thousands(part->summary.broken);
}

static an_text classes_text(const data_part *part) {
    return an_thousands((uint64_t)part->dataset->classes);
}

static an_text empty_classes_text(const data_part *part) {
    return an_thousands(part->empty_classes);
}

static an_text class_sizes_text(const data_part *part) {
    return spread_text(&part->class_sizes);
}

static an_text bytes_text(const data_part *part) {
    return an_bytes(part->summary.bytes);
}

static an_text formats_text(const data_part *part) {
    const an_survey_summary *all = &part->summary;
    const struct {
        const char *name;
        size_t count;
    } formats[] = {{"JPEG", all->jpeg},
                   {"PNG", all->png},
                   {"WebP", all->webp},
                   {"PPM", all->ppm},
                   {"bare pixels", all->pixels}};
    const size_t count = sizeof formats / sizeof *formats;
    an_text out = {""};
    size_t used = 0, kinds = 0;
    for (size_t i = 0; i < count; i++)
        kinds += formats[i].count > 0;
    for (size_t i = 0; i < count && used < sizeof out.text; i++)
        if (formats[i].count > 0)
            used += (size_t)snprintf(out.text + used, sizeof out.text - used,
                                     kinds > 1 ? "%s%s %zu" : "%s%s", used ? ", " : "",
                                     formats[i].name, formats[i].count);
    return out;
}

static an_text progressive_text(const data_part *part) {
    return an_thousands(part->summary.progressive);
}

static an_text width_text(const data_part *part) {
    return spread_text(&part->summary.width);
}

static an_text height_text(const data_part *part) {
    return spread_text(&part->summary.height);
}

static an_text shorter_text(const data_part *part) {
    return spread_text(&part->summary.shorter);
}

static an_text aspect_text(const data_part *part) {
    return spread_text(&part->summary.aspect);
}

static an_text mean_text(const data_part *part) {
    return rgb_text(part->summary.mean, 1);
}

static an_text deviation_text(const data_part *part) {
    return rgb_text(part->summary.deviation, 1);
}

static an_text unit_mean_text(const data_part *part) {
    return rgb_text(part->summary.mean, 1 / 255.0);
}

static an_text unit_deviation_text(const data_part *part) {
    return rgb_text(part->summary.deviation, 1 / 255.0);
}

static const struct {
    const char *label;
    an_text (*text)(const data_part *part);
    bool decoded; /* only known where pictures were decoded */
} rows[] = {
    {"pictures", pictures_text, false},
    {"broken", broken_text, false},
    {"classes", classes_text, false},
    {"... without pictures", empty_classes_text, false},
    {"pictures a class", class_sizes_text, false},
    {"bytes", bytes_text, false},
    {"formats", formats_text, false},
    {"progressive JPEG", progressive_text, false},
    {"width", width_text, false},
    {"height", height_text, false},
    {"shorter side", shorter_text, false},
    {"width / height", aspect_text, false},
    {"mean RGB, 0 to 255", mean_text, true},
    {"deviation", deviation_text, true},
    {"mean RGB, 0 to 1", unit_mean_text, true},
    {"deviation", unit_deviation_text, true},
};

static void print_table(const data_findings *found) {
    if (found->part_count > 1) {
        printf("  %-*s", LABEL, "");
        for (int p = 0; p < found->part_count; p++)
            printf("  %-*s", p + 1 < found->part_count ? COLUMN : 0, found->parts[p].name);
        putchar('\n');
    }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        if (rows[r].decoded && !found->parts[0].survey.decoded)
            continue;
        printf("  %-*s", LABEL, rows[r].label);
        for (int p = 0; p < found->part_count; p++)
            printf("  %-*s", p + 1 < found->part_count ? COLUMN : 0,
                   rows[r].text(&found->parts[p]).text);
        putchar('\n');
    }
}

/* ---- Classes. */

static int by_size(const void *a, const void *b, void *counts) {
    const int i = *(const int *)a, j = *(const int *)b;
    const size_t x = ((const size_t *)counts)[i], y = ((const size_t *)counts)[j];
    return x == y ? (i > j) - (i < j) : x < y ? -1 : 1;
}

static void print_class(const data_part *part, int index) {
    printf("  ");
    an_print_name(stdout, part->dataset->class_names[index]);
    printf("%*s %8s\n", an_columns_left(30, part->dataset->class_names[index]), "",
           an_thousands(part->class_counts[index]).text);
}

/* The smallest and the largest classes, where they are not all as large. */
static void print_classes(const data_part *part) {
    enum { most = 5 };
    const int classes = part->dataset->classes;
    int *order = malloc((size_t)classes * sizeof *order);
    if (order && part->class_sizes.least < part->class_sizes.most) {
        for (int i = 0; i < classes; i++)
            order[i] = i;
        qsort_r(order, (size_t)classes, sizeof *order, by_size, part->class_counts);
        printf("\nSmallest and largest classes (%s)\n", part->name);
        for (int i = 0; i < classes; i++) {
            if (i == most && classes > 2 * most) {
                printf("  ...\n");
                i = classes - most;
            }
            print_class(part, order[i]);
        }
    }
    free(order);
}

/* Classes that the other part does not have, by their names. */
static void print_differences(const data_findings *found) {
    const an_dataset *a = found->parts[0].dataset, *b = found->parts[1].dataset;
    bool same = a->classes == b->classes;
    for (int i = 0; same && i < a->classes; i++)
        same = strcmp(a->class_names[i], b->class_names[i]) == 0;
    if (!same)
        printf("\nThe parts do not have the same classes in the same order: a network trained on "
               "the one\ncannot be tested on the other.\n");
}

/* ---- Pictures. */

static void print_picture(const an_dataset *dataset, size_t index) {
    char name[1024];
    an_dataset_describe(dataset, index, name, sizeof name);
    an_print_name(stdout, name);
}

static void print_more(size_t left) {
    if (left > 0)
        printf("    ... and %s more\n", an_thousands(left).text);
}

/* Classes that nothing can be learned about. */
static void print_empty(const data_findings *found, size_t most) {
    size_t all = 0, named = 0;
    for (int p = 0; p < found->part_count; p++)
        all += found->parts[p].empty_classes;
    if (all == 0)
        return;
    printf("\nClasses without pictures (%s); train and eval refuse empty class folders\n",
           an_thousands(all).text);
    for (int p = 0; p < found->part_count; p++) {
        const data_part *part = &found->parts[p];
        for (int i = 0; i < part->dataset->classes && named < most; i++) {
            if (part->class_counts[i] > 0)
                continue;
            printf("    ");
            an_print_name(stdout, part->dataset->class_names[i]);
            printf(found->part_count > 1 ? " (%s)\n" : "\n", part->name);
            named++;
        }
    }
    print_more(all - named);
}

static void print_broken(const data_findings *found, size_t most) {
    size_t all = 0, named = 0;
    for (int p = 0; p < found->part_count; p++)
        all += found->parts[p].summary.broken;
    if (all == 0)
        return;
    printf("\nBroken pictures (%s)\n", an_thousands(all).text);
    for (int p = 0; p < found->part_count; p++) {
        const an_survey *survey = &found->parts[p].survey;
        for (size_t i = 0; i < survey->dataset->count && named < most; i++) {
            if (!survey->pictures[i].failure)
                continue;
            printf("    ");
            an_print_name(stdout, survey->pictures[i].failure);
            putchar('\n');
            named++;
        }
    }
    print_more(all - named);
}

static void print_oddity(const data_findings *found, int oddity, size_t most) {
    size_t all = 0, named = 0;
    for (int p = 0; p < found->part_count; p++)
        all += found->parts[p].summary.odd[oddity];
    if (all == 0)
        return;
    printf("\nOdd: %s (%s)\n", an_oddity_phrase(oddity), an_thousands(all).text);
    for (int p = 0; p < found->part_count; p++) {
        const an_survey *survey = &found->parts[p].survey;
        for (size_t i = 0; i < survey->dataset->count && named < most; i++) {
            if (!(survey->pictures[i].odd >> oddity & 1))
                continue;
            printf("    ");
            print_picture(survey->dataset, i);
            putchar('\n');
            named++;
        }
    }
    print_more(all - named);
}

/* What lies among the pictures in formats that are not read. */
static void print_unread(const data_findings *found) {
    an_unread all = {0};
    for (int p = 0; p < found->part_count; p++)
        an_unread_add(&all, &found->parts[p].dataset->unread);
    const size_t sum = an_unread_sum(&all);
    if (sum == 0)
        return;
    printf("\nLeft out: pictures of formats that are not read (%s)\n", an_thousands(sum).text);
    for (int i = 0; i < AN_UNREAD_NAMES; i++)
        if (all.counts[i] > 0)
            printf("    %s %s\n", an_thousands(all.counts[i]).text, an_unread_name(i));
}

/* ---- Duplicates. */

static void print_group(const data_findings *found, const an_duplicate *group) {
    enum { most = 6 };
    static const char *const how[] = {"the same bytes", "the same pixels", "look alike"};
    printf("    %s%s:", how[group->sameness], group->across_classes ? ", in two classes" : "");
    for (size_t i = 0; i < group->count && i < most; i++) {
        const an_place *place = &found->duplicates.places[group->first + i];
        printf("\n      ");
        print_picture(found->parts[place->survey].dataset, place->index);
    }
    if (group->count > most)
        printf("\n      ... and %s more", an_thousands(group->count - most).text);
    putchar('\n');
}

/* Prints the groups within one part, or those across both. */
static void print_groups(const data_findings *found, bool across_parts, size_t most) {
    const an_duplicates *all = &found->duplicates;
    size_t groups = 0, named = 0, across_classes = 0;
    for (size_t i = 0; i < all->count; i++) {
        groups += all->groups[i].across_parts == across_parts;
        across_classes +=
            all->groups[i].across_parts == across_parts && all->groups[i].across_classes;
    }
    if (groups == 0)
        return;
    if (across_parts)
        printf("\nIn both parts, which makes results on the held-out one too good (%s)\n",
               an_thousands(groups).text);
    else
        printf("\nMore than once in a part (%s, of which in more than one class %s)\n",
               an_thousands(groups).text, an_thousands(across_classes).text);
    for (size_t i = 0; i < all->count && named < most; i++) {
        if (all->groups[i].across_parts == across_parts) {
            print_group(found, &all->groups[i]);
            named++;
        }
    }
    print_more(groups - named);
}

void an_data_print(const data_findings *found, size_t most) {
    an_print_name(stdout, found->data);
    printf(", looked at in %s%s\n\n", an_duration(found->seconds).text,
           found->parts[0].survey.decoded ? "" : ", headers only");
    print_table(found);
    for (int p = 0; p < found->part_count; p++)
        print_classes(&found->parts[p]);
    if (found->part_count > 1)
        print_differences(found);
    print_empty(found, most);
    print_broken(found, most);
    print_unread(found);
    for (int i = 0; i < AN_ODDITIES; i++)
        print_oddity(found, i, most);
    print_groups(found, true, most);
    print_groups(found, false, most);
}
