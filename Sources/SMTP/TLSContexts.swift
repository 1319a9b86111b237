package import NIOSSL

/// TLS as SMTP uses it.
package enum TLSContexts {
    /// For `TLSMode.opportunistic`: any certificate will do, because without TLS there would be
    /// none either (RFC 7435); old versions are better than plain text. Costs some milliseconds
    /// and memory: make one and share it.
    package static func opportunistic() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        return try NIOSSLContext(configuration: configuration)
    }

    /// For a server, from files in PEM; the first certificate is the server's own.
    package static func server(certificateFile: String, keyFile: String) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
        let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
    }
}
