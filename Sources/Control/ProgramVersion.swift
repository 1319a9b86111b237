/// What `--version` of both programs says.
package enum ProgramVersion {
    /// Semantic versioning (semver.org) of the programs' surface and the configuration.
    package static let current = "0.1.0"
}
