import CZstd

/// Texts that change little from one to the next: each is compressed against the one before it
/// (zstd, RFC 8878, with that as its prefix). Not for two threads at once.
final class Compression {
    /// A text that claims to be longer is damage, in bytes.
    static let limit = 64 << 20

    private let packing: OpaquePointer?
    private let unpacking: OpaquePointer?

    init() {
        packing = ZSTD_createCCtx()
        unpacking = ZSTD_createDCtx()
        // The fastest: what matters is what has not changed.
        ZSTD_CCtx_setParameter(packing, ZSTD_c_compressionLevel, 1)
        // A recording outlives the disk blocks that it lies in.
        ZSTD_CCtx_setParameter(packing, ZSTD_c_checksumFlag, 1)
    }

    deinit {
        ZSTD_freeCCtx(packing)
        ZSTD_freeDCtx(unpacking)
    }

    /// nil where there is no memory for it.
    func packed(_ text: [UInt8], after base: [UInt8]?) -> [UInt8]? {
        let size = ZSTD_compressBound(text.count)
        var failed = false
        let result = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            (base ?? []).withUnsafeBytes { base in
                if !base.isEmpty { ZSTD_CCtx_refPrefix(packing, base.baseAddress, base.count) }
                let written = text.withUnsafeBytes {
                    ZSTD_compress2(
                        packing, buffer.baseAddress, buffer.count, $0.baseAddress, $0.count)
                }
                failed = ZSTD_isError(written) != 0
                count = failed ? 0 : written
            }
        }
        return failed ? nil : result
    }

    /// nil for what was not packed so.
    func unpacked(_ bytes: ArraySlice<UInt8>, after base: [UInt8]?) -> [UInt8]? {
        let size = bytes.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        // Unknown and wrong sizes are the largest numbers.
        guard size <= UInt64(Self.limit) else { return nil }
        var failed = false
        let result = [UInt8](unsafeUninitializedCapacity: max(1, Int(size))) { buffer, count in
            (base ?? []).withUnsafeBytes { base in
                if !base.isEmpty { ZSTD_DCtx_refPrefix(unpacking, base.baseAddress, base.count) }
                let written = bytes.withUnsafeBytes {
                    ZSTD_decompressDCtx(
                        unpacking, buffer.baseAddress, Int(size), $0.baseAddress, $0.count)
                }
                failed = ZSTD_isError(written) != 0 || written != Int(size)
                count = failed ? 0 : written
            }
        }
        return failed ? nil : result
    }
}
