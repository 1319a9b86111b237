// Preloaded (ld.so(8), LD_PRELOAD) into the daemon of a test: makes the disk under its data
// directory fail, and its wall clock jump, when the test says so. Never part of a program.

#define _GNU_SOURCE
#include "FaultySystem.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile struct faulty_system *control;
static char directory[PATH_MAX];
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void faulty_start(void) {
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("SLUICE_FAULTY_CONTROL");
    const char *prefix = getenv("SLUICE_FAULTY_DIRECTORY");
    if (path == NULL || prefix == NULL) return;
    // With the slash: "mta" is not to match "mta.log".
    snprintf(directory, sizeof directory, "%s/", prefix);
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof(struct faulty_system), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED) control = memory;
}

static int fault(void) { return control == NULL ? FAULTY_NONE : (int)control->fault; }

static int concerns_path(const char *path) {
    return strncmp(path, directory, strlen(directory)) == 0;
}

static int concerns(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return concerns_path(path);
}

/// The error for a write to a file, 0 for none.
static int write_error(int file) {
    int error;
    switch (fault()) {
    case FAULTY_FULL: error = ENOSPC; break;
    case FAULTY_WRITES: error = EIO; break;
    case FAULTY_READ_ONLY: error = EROFS; break;
    default: return 0;
    }
    if (!concerns(file)) return 0;
    if (control->writes_left > 0 && __atomic_fetch_sub(&control->writes_left, 1, __ATOMIC_SEQ_CST) > 0)
        return 0;
    return error;
}

static int fail(int error) {
    errno = error;
    return -1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    int error = write_error(file);
    return error ? fail(error) : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    int error = write_error(file);
    return error ? fail(error) : syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return pwrite64(file, bytes, count, offset);
}

int ftruncate64(int file, off64_t length) {
    int error = write_error(file);
    return error ? fail(error) : (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

int fallocate64(int file, int mode, off64_t offset, off64_t length) {
    int error = write_error(file);
    return error ? fail(error) : (int)syscall(SYS_fallocate, file, mode, offset, length);
}

int fallocate(int file, int mode, off_t offset, off_t length) {
    return fallocate64(file, mode, offset, length);
}

int posix_fallocate64(int file, off64_t offset, off64_t length) {
    return fallocate64(file, 0, offset, length) == 0 ? 0 : errno;
}

int posix_fallocate(int file, off_t offset, off_t length) {
    return posix_fallocate64(file, offset, length);
}

int fsync(int file) {
    if (fault() == FAULTY_SYNC && concerns(file)) return fail(EIO);
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    if (fault() == FAULTY_SYNC && concerns(file)) return fail(EIO);
    return (int)syscall(SYS_fdatasync, file);
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    if (writes && fault() == FAULTY_READ_ONLY && concerns_path(path)) return fail(EROFS);
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define OPEN_MODE(flags)                                                                           \
    mode_t mode = 0;                                                                               \
    if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) {                          \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }

int open(const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_at(folder, path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = real_clock_gettime(clock, time);
    if (result != 0 || control == NULL) return result;
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return result;
    int64_t nanoseconds = time->tv_nsec + control->clock_offset % 1000000000;
    time->tv_sec += control->clock_offset / 1000000000;
    if (nanoseconds < 0) {
        nanoseconds += 1000000000;
        time->tv_sec -= 1;
    } else if (nanoseconds >= 1000000000) {
        nanoseconds -= 1000000000;
        time->tv_sec += 1;
    }
    time->tv_nsec = nanoseconds;
    return result;
}

int64_t faulty_limit_files(int32_t process, int64_t limit) {
    struct rlimit old, new;
    if (prlimit(process, RLIMIT_NOFILE, NULL, &old) != 0) return -1;
    new.rlim_cur = (rlim_t)limit;
    new.rlim_max = old.rlim_max;
    return prlimit(process, RLIMIT_NOFILE, &new, NULL) != 0 ? -1 : (int64_t)old.rlim_cur;
}

int32_t faulty_enter_network(int32_t file) { return setns(file, CLONE_NEWNET); }
