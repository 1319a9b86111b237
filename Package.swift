// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// For what tests run a million times: without it that takes twenty times as long.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioLocks = Target.Dependency.product(
    name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let ordered = Target.Dependency.product(
    name: "OrderedCollections", package: "swift-collections")

/// A library of the process table, and the tests that belong to it.
func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: dependencies, path: "Tests/" + name,
        exclude: exclude, swiftSettings: strict)
}

let package = Package(
    name: "sluice",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "sluiced", targets: ["sluiced"]),
        .executable(name: "sluice", targets: ["sluice"]),
        // Preloaded into the daemon by the tests of faults; installed nowhere.
        .library(name: "FaultySystem", type: .dynamic, targets: ["FaultySystem"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(
            name: "CTerminal",
            linkerSettings: [.linkedLibrary("ncursesw"), .linkedLibrary("tinfo")]),
        // No pkgConfig: the .pc file requires the -dev packages of libunbound's own libraries.
        .systemLibrary(name: "CUnbound", providers: [.apt(["libunbound-dev"])]),
        .systemLibrary(name: "CIDN2", providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
        // libpq's headers (libpq-dev); the library itself is loaded when it is needed.
        .target(name: "CPostgreSQL"),

        .target(name: "CChecksum"),
        .target(name: "CAllocator"),
        library("Faults", []),
        library("Mail", ["CIDN2"]),
        library("Filter", ["Mail"]),
        library("Scheduler", ["Mail", deque, heap]),
        .target(
            name: "Cluster", dependencies: ["Mail", "Scheduler"],
            swiftSettings: strict + optimized),
        library("SMTP", ["Faults", "Mail", nioCore, nioPosix, nioTLS, nioSSL]),
        library("PostgreSQL", ["CPostgreSQL", nioCore]),
        library(
            "SharedSpool",
            ["Cluster", "Faults", "Filter", "Mail", "PostgreSQL", "Spool", nioCore]),
        library(
            "Settings",
            ["Mail", "PostgreSQL", "Scheduler", .product(name: "TOMLKit", package: "TOMLKit")]),
        library("Simulator", ["Mail", "Scheduler", "Settings", deque, heap]),
        library("Control", ["Mail", "Filter", "Scheduler", nioCore, nioPosix, nioHTTP1]),
        library(
            "Spool",
            [
                "CChecksum", "Faults", "Mail", "Filter", nioCore, deque,
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ]),
        library(
            "Manager",
            [
                "CAllocator", "Cluster", "Faults", "Mail", "Filter", "PostgreSQL", "Scheduler",
                "SMTP", "Settings",
                "Control", "Spool", "SharedSpool", nioCore, nioPosix, nioSSL, deque, logging,
                lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ]),
        library(
            "Worker",
            [
                "Faults", "Mail", "Scheduler", "SMTP", "Settings", "Control", "CUnbound", deque,
                nioCore, nioPosix, nioSSL, logging,
            ]),
        library("Terminal", ["CTerminal", "Mail"]),
        library(
            "Monitor",
            [
                "CAllocator", "CChecksum", "CZstd", "Mail", "Filter", "Settings", "Control",
                "Terminal", deque, nioCore,
            ]
        ),
        library("Commands", ["Mail", "Filter", "Control", nioCore]),
        library("Testbed", ["Mail", "Scheduler", nioCore, nioPosix, nioSSL]),

        .target(
            name: "FuzzTargets",
            dependencies: [
                "Mail", "Filter", "Scheduler", "SMTP", "Settings", "Control", "Spool", "Manager",
                "Worker", "Terminal", "Monitor", "Commands", nioCore,
            ],
            path: "Fuzz/Targets", swiftSettings: strict),

        .executableTarget(
            name: "sluiced",
            dependencies: [
                "Mail", "Scheduler", "Control", "Manager", "Worker", "Settings", "Spool", logging,
                argumentParser,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "sluice",
            dependencies: [
                "Mail", "Filter", "Settings", "Control", "Commands", "Monitor", "Terminal",
                "Simulator", "Testbed", "PostgreSQL", "SharedSpool", "Spool", nioCore, nioPosix,
                nioLocks, argumentParser,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        // Not a product: nobody installs it.
        .executableTarget(
            name: "sluice-bench",
            dependencies: [
                "Cluster", "Mail", "Scheduler", "Control", "Spool", nioCore, argumentParser,
            ],
            swiftSettings: strict),

        tests("Mail", ["Mail"]),
        tests("Filter", ["Filter", "Mail"]),
        tests("Scheduler", ["Scheduler", "Mail"]),
        // Everything that can happen to a few nodes, step by step.
        .target(
            name: "ClusterModel", dependencies: ["Cluster", "Scheduler"],
            path: "Tests/ClusterModel", swiftSettings: strict + optimized),
        // The same with wider bounds than a debug build has time for: `make model`.
        .executableTarget(
            name: "cluster-model", dependencies: ["ClusterModel"],
            path: "Tests/ClusterModelProgram", swiftSettings: strict),
        tests(
            "Cluster",
            [
                "Cluster", "ClusterModel", "DatabaseServer", "PostgreSQL", "Scheduler",
                "SharedSpool",
            ]),
        tests("SMTP", ["SMTP", "Mail", "Testbed", nioCore, nioEmbedded, nioPosix, nioSSL]),
        tests("Settings", ["Settings", "Scheduler"]),
        tests("Simulator", ["Simulator", "Scheduler"]),
        tests(
            "Control", ["Control", "Mail", "Filter", "Scheduler", nioCore, nioEmbedded, nioPosix]),
        tests(
            "Spool",
            [
                "Cluster", "Spool", "SharedSpool", "PostgreSQL", "DatabaseServer", "Mail", "Filter",
                nioCore, nioPosix, .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        tests(
            "Manager",
            [
                "Manager", "Spool", "Control", "Mail", "Scheduler", "Settings", "Filter", nioCore,
                nioEmbedded, nioPosix, logging,
            ]),
        tests(
            "Worker",
            [
                "Worker", "SMTP", "Scheduler", "Mail", "Control", "Settings", "Testbed", nioCore,
                nioEmbedded, nioPosix, nioSSL, logging,
            ]),
        tests("Terminal", ["Terminal", "Mail"]),
        tests(
            "Monitor", ["Monitor", "Terminal", "Control", "Mail", "Settings"],
            exclude: ["Goldens"]),
        tests("Commands", ["Commands", "Control", "Mail", "Filter", nioCore]),
        tests(
            "Testbed", ["Testbed", "Mail", "Scheduler", "Settings", nioCore, nioPosix, nioSSL]),
        tests("Fuzz", ["FuzzTargets"]),
        .target(name: "FaultySystem", path: "Tests/FaultySystem"),
        // A terminal's screen, emulated.
        .systemLibrary(
            name: "CVTerm", path: "Tests/CVTerm", providers: [.apt(["libvterm-dev"])]),
        // A PostgreSQL server of the tests' own.
        .target(
            name: "DatabaseServer", dependencies: ["PostgreSQL"], path: "Tests/DatabaseServer",
            swiftSettings: strict),
        tests(
            "Integration",
            [
                "CVTerm", "Faults", "FaultySystem", "DatabaseServer", "PostgreSQL", "Testbed",
                "Control",
                "Mail", "Scheduler", "Spool", "SharedSpool", "sluice", "sluiced", nioCore,
                nioPosix, nioSSL,
            ]),
    ]
)

// The driver of the fuzzing targets needs libFuzzer's flags for every module: `make fuzz`.
if Context.environment["SLUICE_FUZZ"] != nil {
    package.targets += [
        .target(name: "CLibFuzzer", path: "Fuzz/CLibFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: ["CLibFuzzer", "FuzzTargets"], path: "Fuzz/Driver",
            swiftSettings: strict,
            // The default linker fails on the sanitizers' libraries.
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),
    ]
}
