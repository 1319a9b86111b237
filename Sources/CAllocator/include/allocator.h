#ifndef CALLOCATOR_H
#define CALLOCATOR_H

/// Gives what the process has freed back to the system (glibc's malloc_trim, which Swift's module of
/// glibc does not have). Holds other threads' allocations up for some milliseconds.
void sluice_trim_memory(void);

/// Takes the program's code out of the process's memory (madvise(2)): what is still run comes back from
/// the system's cache of the file, page by page; what only the start needed does not.
void sluice_trim_code(void);

#endif
