/* Cores and quotas, from folders that look like /proc and /sys of other machines. */
#include <stdlib.h>
#include <sys/stat.h>

#include "core/cpus.h"
#include "core/threads.h"
#include "testing.h"

static char root[] = "/tmp/test_cpus_XXXXXX";

/* Writes a file below the root, and the folders on the way to it. */
static void put(const char *path, const char *text) {
    char name[512];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *at = name + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(name, 0700);
        *at = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int new_root(void **state) {
    (void)state;
    memset(root + strlen(root) - 6, 'X', 6);
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static cpu_set_t cpus(int first, int last) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = first; i <= last; i++)
        CPU_SET((size_t)i, &set);
    return set;
}

static void put_siblings(int cpu, const char *siblings) {
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    put(path, siblings);
}

static void test_siblings_count_once(void **state) {
    (void)state;
    put_siblings(0, "0,4\n");
    put_siblings(4, "0,4\n");
    put_siblings(1, "1,5\n");
    put_siblings(5, "1,5\n");
    put_siblings(2, "2-3\n");
    put_siblings(3, "2-3\n");
    cpu_set_t set = cpus(0, 5);
    assert_int_equal(an_cores_of(root, &set), 3);
    set = cpus(0, 1);
    assert_int_equal(an_cores_of(root, &set), 2);
    set = cpus(4, 4); /* its sibling is not ours */
    assert_int_equal(an_cores_of(root, &set), 1);
    set = cpus(2, 3);
    assert_int_equal(an_cores_of(root, &set), 1);
}

static void test_without_topology(void **state) {
    (void)state;
    cpu_set_t set = cpus(0, 6);
    assert_int_equal(an_cores_of(root, &set), 7);
    put_siblings(0, "nonsense\n");
    put_siblings(1, "1,99999999999999999999,-5\n");
    assert_int_equal(an_cores_of(root, &set), 7);
}

static void test_no_quota(void **state) {
    (void)state;
    assert_int_equal(an_quota_of(root), 0);
    put("/proc/self/cgroup", "0::/\n");
    assert_int_equal(an_quota_of(root), 0);
    put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    assert_int_equal(an_quota_of(root), 0);
}

static void test_nested_version_2(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/outer/middle/inner\n");
    put("/sys/fs/cgroup/outer/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/outer/middle/cpu.max", "250000 100000\n");
    put("/sys/fs/cgroup/outer/middle/inner/cpu.max", "max 100000\n");
    assert_int_equal(an_quota_of(root), 3); /* 2.5, rounded up */
    put("/sys/fs/cgroup/outer/middle/inner/cpu.max", "50000 100000\n");
    assert_int_equal(an_quota_of(root), 1);
}

/* Its group's name is the host's; only the container's own folder is mounted. */
static void test_container(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(an_quota_of(root), 2);
}

static void test_version_1(void **state) {
    (void)state;
    put("/proc/self/cgroup", "12:cpuset:/a\n4:cpuacct,cpu:/a/b\n1:name=systemd:/a\n0::/a\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "400000\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
    assert_int_equal(an_quota_of(root), 4);
}

static void test_this_machine(void **state) {
    (void)state;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_in_range(an_cpu_count(), 1, CPU_COUNT(&set));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_siblings_count_once, new_root, remove_root),
        cmocka_unit_test_setup_teardown(test_without_topology, new_root, remove_root),
        cmocka_unit_test_setup_teardown(test_no_quota, new_root, remove_root),
        cmocka_unit_test_setup_teardown(test_nested_version_2, new_root, remove_root),
        cmocka_unit_test_setup_teardown(test_container, new_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_1, new_root, remove_root),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
