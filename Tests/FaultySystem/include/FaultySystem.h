#ifndef FAULTY_SYSTEM_H
#define FAULTY_SYSTEM_H

#include <stdint.h>

/// What a test writes at the start of the file that SLUICE_FAULTY_CONTROL names: it holds for the
/// process from that moment on.
struct faulty_system {
    /// One of the faults below, for files in the directory SLUICE_FAULTY_DIRECTORY.
    int64_t fault;
    /// Nanoseconds that the wall clock is ahead (or, negative, behind).
    int64_t clock_offset;
    /// Writes that are still made before the fault begins; counted down by the processes.
    int64_t writes_left;
};

enum {
    FAULTY_NONE = 0,
    /// Whatever would need space fails with ENOSPC.
    FAULTY_FULL = 1,
    /// Writes fail with EIO.
    FAULTY_WRITES = 2,
    /// fsync and fdatasync fail with EIO.
    FAULTY_SYNC = 3,
    /// As after a remount: writes, and opening for writing, fail with EROFS.
    FAULTY_READ_ONLY = 4,
};

/// Sets how many files another process may have open; the limit that it had, or -1 with errno.
/// (prlimit(2), which the C library's headers hide from Swift.)
int64_t faulty_limit_files(int32_t process, int64_t limit);

/// Moves the calling thread into a network namespace, which sockets that it makes from then on stay
/// in; 0, or -1 with errno. (setns(2), which is hidden likewise.)
int32_t faulty_enter_network(int32_t file);

#endif
