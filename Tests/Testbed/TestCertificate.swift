import NIOSSL

/// A self-signed certificate for mx.test, made for these tests and trusted by nobody.
enum TestCertificate {
    static func serverContext() throws -> NIOSSLContext {
        try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: [
                    .certificate(NIOSSLCertificate(bytes: Array(certificate.utf8), format: .pem))
                ],
                privateKey: .privateKey(NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))))
    }

    /// For a client that takes any certificate, as opportunistic TLS does.
    static func trustingContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        return try NIOSSLContext(configuration: configuration)
    }

    private static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBezCCASGgAwIBAgIUe+dj1V8jpuKVqebevkjWeFwGcx8wCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHbXgudGVzdDAgFw0yNjExMjMyMzExMDVaGA8yMTI2MTAzMDIz
        MTEwNVowEjEQMA4GA1UEAwwHbXgudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEH
        A0IABEClJr/2ZVDYRJQB79jtn1hfDrh/HGX97+zQ+ovmqKR7ZCQ77LPfsywka5uH
        UpNanR+f0vwQs3qPytOx0R79XD2jUzBRMB0GA1UdDgQWBBQbFKtg/vmKU7krM+m4
        OfVFQ2+XlTAfBgNVHSMEGDAWgBQbFKtg/vmKU7krM+m4OfVFQ2+XlTAPBgNVHRMB
        Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQC8KRMr7O6wVtuDDrOzSpNS7La3
        8ILv8eP2BMx03lzmVgIgVnG5+PzON0uJ2/ZhRxi/JmpE5054ggza4y/G16afsvw=
        -----END CERTIFICATE-----
        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEemMV6XlM04iDFho
        MUx00+1tnfwHdnp8j8Emg7PRHD2hRANCAARApSa/9mVQ2ESUAe/Y7Z9YXw64fxxl
        /e/s0PqL5qike2QkO+yz37MsJGubh1KTWp0fn9L8ELN6j8rTsdEe/Vw9
        -----END PRIVATE KEY-----
        """
}
