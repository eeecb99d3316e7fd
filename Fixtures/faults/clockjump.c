// Lets the wall clock jump (row 98 of docs/faults.md): each look at it is an hour after or before
// the last one. Preloaded into the tool by a test, which finds the number of looks in the file that
// CLOCKJUMP_COUNTS names.
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_ulong looks;

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("CLOCKJUMP_COUNTS");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lu\n", looks);
    fclose(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    now->tv_sec += looks++ % 2 ? 3600 : -3600;
    return 0;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec time;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &time) != 0) return -1;
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec value;
    if (clock_gettime(CLOCK_REALTIME, &value) != 0) return -1;
    if (now) *now = value.tv_sec;
    return value.tv_sec;
}
