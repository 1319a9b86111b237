// First, as it says which library this is.
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "allocator.h"

void sluice_trim_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
