#ifndef CALLOCATOR_H
#define CALLOCATOR_H

/// Gives what the process has freed back to the system (glibc's malloc_trim, which Swift's module of
/// glibc does not have). Holds other threads' allocations up for some milliseconds.
void sluice_trim_memory(void);

#endif
