/* Preloaded by a benchmark: every fsync and fdatasync takes as long as on a disk that is slow. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int late(const char *name, int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *told = getenv("SLOW_DISK_MICROSECONDS");
    long wait = told ? atol(told) : 0;
    struct timespec pause = {wait / 1000000, (wait % 1000000) * 1000};
    nanosleep(&pause, NULL);
    return next(file);
}

int fsync(int file) { return late("fsync", file); }

int fdatasync(int file) { return late("fdatasync", file); }
