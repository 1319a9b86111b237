#ifndef CCHECKSUM_H
#define CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), with the processor's instruction for it where it
/// has one: SwiftNIO and the standard library have none, and a table in Swift would take a tenth of
/// what a message may cost.
uint32_t sluice_crc32c(const void *bytes, size_t count);

#endif
