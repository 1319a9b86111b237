#include "CChecksum.h"

#include <string.h>

/// The polynomial 0x1EDC6F41, bits reversed.
#define POLYNOMIAL 0x82F63B78u

static uint32_t byte_by_byte(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (size_t index = 0; index < count; index++) {
        crc ^= bytes[index];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (POLYNOMIAL & -(crc & 1));
    }
    return crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t by_instruction(
    uint32_t crc, const uint8_t *bytes, size_t count) {
    uint64_t wide = crc;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; count > 0; bytes++, count--) crc = __builtin_ia32_crc32qi(crc, *bytes);
    return crc;
}

static uint32_t update(uint32_t crc, const uint8_t *bytes, size_t count) {
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes, count)
                                            : byte_by_byte(crc, bytes, count);
}

#elif defined(__aarch64__)

__attribute__((target("crc"))) static uint32_t update(
    uint32_t crc, const uint8_t *bytes, size_t count) {
    // Every 64-bit Arm server has it: mandatory since Armv8.1.
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __builtin_arm_crc32cd(crc, word);
    }
    for (; count > 0; bytes++, count--) crc = __builtin_arm_crc32cb(crc, *bytes);
    return crc;
}

#else

static uint32_t update(uint32_t crc, const uint8_t *bytes, size_t count) {
    return byte_by_byte(crc, bytes, count);
}

#endif

uint32_t sluice_crc32c(const void *bytes, size_t count) {
    return ~update(0xFFFFFFFFu, bytes, count);
}
