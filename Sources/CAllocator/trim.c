#define _GNU_SOURCE
// First of the headers, as it says which library this is.
#include <stdlib.h>

#ifdef __GLIBC__
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "allocator.h"

void sluice_trim_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

#ifdef __GLIBC__
static int drop_code(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size;
    (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        // Nothing that was ever written to: such pages would be lost.
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) || !(segment->p_flags & PF_X))
            continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) & -page;
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) & -page;
        if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}
#endif

void sluice_trim_code(void) {
#ifdef __GLIBC__
    dl_iterate_phdr(drop_code, NULL);
#endif
}
