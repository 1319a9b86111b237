import CChecksum

/// What tells a message's text from one that the disk has changed.
package enum BodyChecksum {
    /// CRC-32C, 0…2³²−1.
    package static func of(_ bytes: UnsafeRawBufferPointer) -> Int64 {
        Int64(sluice_crc32c(bytes.baseAddress, bytes.count))
    }
}
