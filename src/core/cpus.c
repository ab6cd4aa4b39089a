#include "core/cpus.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096, FOLDER_SIZE = 2 * PATH_SIZE, LINE_SIZE = 4096, MOST_CPUS = 4096 };

/* The first line of a file, without its end; false where there is none. */
static bool read_line(const char *path, char *line, int size) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const bool read = fgets(line, size, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

int an_cores_of(const char *root, const cpu_set_t *set) {
    cpu_set_t counted;
    int cores = 0;
    CPU_ZERO(&counted);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        char path[PATH_SIZE], siblings[LINE_SIZE];
        if (!CPU_ISSET(cpu, set) || CPU_ISSET(cpu, &counted))
            continue;
        cores++;
        snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 root, cpu);
        if (!read_line(path, siblings, sizeof siblings))
            continue;
        /* A list of numbers and ranges, "0,64" or "0-1". */
        for (const char *at = siblings; *at;) {
            char *end;
            const long first = strtol(at, &end, 10);
            const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
            for (long i = first; i >= 0 && i <= last && i < CPU_SETSIZE; i++)
                CPU_SET((size_t)i, &counted);
            at = *end == ',' ? end + 1 : "";
        }
    }
    return cores;
}

/* quota / period in whole processors; 0 for none. */
static int whole_cpus(long long quota, long long period) {
    if (quota <= 0 || period <= 0)
        return 0;
    const long long cpus = quota / period + (quota % period != 0);
    return cpus > MOST_CPUS ? MOST_CPUS : (int)cpus;
}

static long long number_in(const char *folder, const char *name) {
    char path[FOLDER_SIZE + 32], line[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_line(path, line, sizeof line) ? strtoll(line, NULL, 10) : 0;
}

/* The quota of one group, whose folder this is. */
static int group_quota(const char *folder, bool version2) {
    char path[FOLDER_SIZE + 32], line[64];
    long long quota, period;
    if (!version2)
        return whole_cpus(number_in(folder, "cpu.cfs_quota_us"),
                          number_in(folder, "cpu.cfs_period_us"));
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!read_line(path, line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2)
        return 0; /* "max 100000" is no quota */
    return whole_cpus(quota, period);
}

/* The least quota of `group` ("/a/b") and those that it is in, up to the folder `mount`. A
 * container may see its group's name and not its folder, but always the outermost one that is its
 * own. */
static int least_quota(const char *mount, const char *group, bool version2) {
    char folder[FOLDER_SIZE];
    const size_t mount_length = strlen(mount);
    int least = 0;
    snprintf(folder, sizeof folder, "%s%s", mount, group);
    for (;;) {
        const int quota = group_quota(folder, version2);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(folder, '/');
        if (!slash || slash < folder + mount_length)
            return least;
        *slash = '\0';
    }
}

/* Whether "cpu" is in a list, "cpu,cpuacct". */
static bool controls_cpu(const char *controllers) {
    for (const char *at = controllers; *at;) {
        const size_t length = strcspn(at, ",");
        if (length == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
        at += length + (at[length] == ',');
    }
    return false;
}

int an_quota_of(const char *root) {
    char path[PATH_SIZE], line[LINE_SIZE], mount[PATH_SIZE];
    int least = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) { /* number:controllers:group */
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        group[strcspn(group, "\n")] = '\0';
        const bool version2 = *controllers == '\0';
        if (!version2 && !controls_cpu(controllers))
            continue;
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, version2 ? "" : "/cpu");
        const int quota = least_quota(mount, group, version2);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
    }
    fclose(file);
    return least;
}
