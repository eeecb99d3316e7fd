// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target of the house is built with; CONTRIBUTING.md says why.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    // An async function stays where its caller runs: each switch of executor costs a queue's turn.
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]
/// For targets that never touch a pointer: any unsafe expression is a warning, thus an error.
let safe = house + [.strictMemorySafety()]

let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let nioCore = Target.Dependency.product(
    name: "NIOCore", package: "swift-nio", condition: .when(traits: ["ApusNIO"]))
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .library(name: "ApusContent", targets: ["ApusContent"]),
        .library(name: "ApusEvents", targets: ["ApusEvents"]),
        .library(name: "ApusRetry", targets: ["ApusRetry"]),
        .library(name: "ApusWebSocket", targets: ["ApusWebSocket"]),
        .library(name: "ApusObservability", targets: ["ApusObservability"]),
        // Empty without the trait of its name.
        .library(name: "ApusNIO", targets: ["ApusNIO"]),
        .executable(name: "apus", targets: ["apus-tool"]),
    ],
    traits: [
        .trait(
            name: "ApusNIO",
            description: "Conversions to and from SwiftNIO's ByteBuffer; fetches swift-nio."),
        // The codecs of ApusContent, each with a library of the system.
        .trait(name: "Gzip", description: "gzip and deflate, by zlib"),
        .trait(name: "Brotli", description: "br, by libbrotlidec"),
        .trait(name: "Zstd", description: "zstd, by libzstd"),
        .default(enabledTraits: ["Gzip", "Brotli", "Zstd"]),
    ],
    dependencies: [
        // The FoundationURL trait is left out: the engine links no Foundation.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        // Of ApusObservability alone.
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.3.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
        // Of ApusNIO alone, and fetched only when its trait is on.
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
    ],
    targets: [
        // L0: C modules, each imported by one shipped target.
        .systemLibrary(
            name: "CApusOpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CApusNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .target(name: "CApusLinux"),
        // L1
        .target(name: "ApusCore", dependencies: [httpTypes], swiftSettings: safe),
        // L2: these never import each other.
        .target(name: "ApusHTTP1", dependencies: ["ApusCore", httpTypes], swiftSettings: safe),
        .target(
            name: "ApusHTTP2", dependencies: ["ApusCore", "CApusNghttp2", httpTypes],
            swiftSettings: house),
        .target(name: "ApusTLS", dependencies: ["ApusCore", "CApusOpenSSL"], swiftSettings: house),
        .target(name: "ApusPool", dependencies: ["ApusCore"], swiftSettings: safe),
        .target(
            name: "ApusSocket", dependencies: ["ApusCore", "CApusLinux"], swiftSettings: house),
        // L3
        .target(
            name: "ApusTunnel", dependencies: ["ApusHTTP1", "ApusHTTP2", "ApusCore", httpTypes],
            swiftSettings: safe),
        // L4: the rooms of the transport, the lowest first.
        .target(
            name: "ApusWire",
            dependencies: ["ApusTunnel", "ApusHTTP2", "ApusTLS", "ApusSocket", "ApusCore"],
            swiftSettings: house),
        .target(
            name: "ApusConnection",
            dependencies: [
                "ApusWire", "ApusTunnel", "ApusHTTP1", "ApusHTTP2", "ApusTLS", "ApusSocket",
                "ApusCore", httpTypes,
            ],
            swiftSettings: house),
        .target(
            name: "ApusDial",
            dependencies: [
                "ApusConnection", "ApusWire", "ApusTunnel", "ApusHTTP2", "ApusTLS", "ApusSocket",
                "ApusCore", httpTypes,
            ],
            swiftSettings: house),
        .target(
            name: "ApusEngine",
            dependencies: [
                "ApusDial", "ApusConnection", "ApusTunnel", "ApusHTTP2", "ApusTLS", "ApusPool",
                "ApusSocket", "ApusCore", httpTypes,
            ],
            swiftSettings: house),
        // L5
        .target(
            name: "Apus",
            dependencies: ["ApusEngine", "ApusConnection", "ApusSocket", "ApusCore", httpTypes],
            swiftSettings: house),
        // Beside the house: the observer's adapters, which the engine does without.
        .target(
            name: "ApusObservability",
            dependencies: [
                "Apus", .product(name: "Logging", package: "swift-log"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: house),
        // L6: the layers above the engine, each a product of its own.
        .systemLibrary(name: "CApusZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(
            name: "CApusBrotli", pkgConfig: "libbrotlidec", providers: [.apt(["libbrotli-dev"])]),
        .systemLibrary(name: "CApusZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "ApusZlib", dependencies: ["ApusCore", "CApusZlib"], swiftSettings: house),
        .target(
            name: "ApusContent",
            dependencies: [
                "Apus", "ApusSocket", httpTypes,
                .target(name: "ApusZlib", condition: .when(traits: ["Gzip"])),
                .target(name: "CApusBrotli", condition: .when(traits: ["Brotli"])),
                .target(name: "CApusZstd", condition: .when(traits: ["Zstd"])),
            ],
            swiftSettings: house),
        .target(name: "ApusEvents", dependencies: ["Apus", httpTypes], swiftSettings: house),
        .target(name: "ApusRetry", dependencies: ["Apus", httpTypes], swiftSettings: house),
        .target(
            name: "ApusWebSocket", dependencies: ["Apus", "ApusZlib", httpTypes],
            swiftSettings: house),
        .target(name: "ApusNIO", dependencies: ["Apus", nioCore], swiftSettings: house),
        // Around the house: the tool, and what tests and demonstrations run against.
        .target(
            name: "Loopback", dependencies: ["CApusNghttp2", "CApusOpenSSL", "CApusLinux"],
            path: "Fixtures/Loopback",
            exclude: ["README.md"], swiftSettings: house),
        .target(
            name: "LoopFixtures", dependencies: ["ApusSocket", "ApusCore"],
            path: "Fixtures/LoopFixtures", swiftSettings: house),
        .executableTarget(
            name: "apus-tool",
            dependencies: [
                "Apus", "ApusContent", "ApusEvents", "ApusRetry", "ApusWebSocket", "ApusTLS",
                "Loopback", argumentParser, httpTypes,
            ],
            swiftSettings: house),
        // Tests mirror the targets.
        .testTarget(
            name: "ApusCoreTests", dependencies: ["ApusCore", httpTypes], swiftSettings: house),
        .testTarget(
            name: "ApusSocketTests", dependencies: ["ApusSocket", "ApusCore", "LoopFixtures"],
            swiftSettings: house),
        .testTarget(
            name: "ApusHTTP1Tests", dependencies: ["ApusHTTP1", "ApusCore", httpTypes],
            swiftSettings: house),
        .testTarget(
            name: "ApusHTTP2Tests",
            dependencies: ["ApusHTTP2", "ApusCore", "CApusNghttp2", httpTypes],
            swiftSettings: house),
        .testTarget(
            name: "ApusTLSTests",
            dependencies: ["ApusTLS", "ApusCore", "CApusOpenSSL", "Loopback"],
            swiftSettings: house),
        .testTarget(
            name: "ApusPoolTests", dependencies: ["ApusPool", "ApusCore", httpTypes],
            swiftSettings: house),
        .testTarget(
            name: "ApusTunnelTests",
            dependencies: ["ApusTunnel", "ApusHTTP1", "ApusHTTP2", "ApusCore", httpTypes],
            swiftSettings: house),
        .testTarget(
            name: "ApusConnectionTests",
            dependencies: [
                "ApusConnection", "ApusTunnel", "ApusHTTP1", "ApusHTTP2", "ApusSocket", "ApusCore",
                "LoopFixtures", httpTypes,
            ],
            swiftSettings: house),
        .testTarget(
            name: "ApusWireTests",
            dependencies: [
                "ApusWire", "ApusTunnel", "ApusHTTP2", "ApusTLS", "ApusSocket", "ApusCore",
                "Loopback", "LoopFixtures", httpTypes,
            ],
            swiftSettings: house),
        .testTarget(
            name: "ApusDialTests",
            dependencies: [
                "ApusDial", "ApusWire", "ApusTunnel", "ApusTLS", "ApusSocket", "ApusCore",
                "Loopback", "LoopFixtures", httpTypes,
            ],
            swiftSettings: house),
        .testTarget(
            name: "ApusEngineTests",
            dependencies: [
                "ApusEngine", "ApusConnection", "ApusPool", "ApusSocket", "ApusCore",
                "LoopFixtures", httpTypes,
            ],
            swiftSettings: house),
        .testTarget(
            name: "ApusTests",
            dependencies: [
                "Apus", "ApusEngine", "ApusDial", "ApusConnection", "ApusWire", "ApusTLS",
                "ApusSocket", "ApusCore", "Loopback", "LoopFixtures", httpTypes,
            ],
            swiftSettings: house),
        .testTarget(
            name: "ApusZlibTests", dependencies: ["ApusZlib", "ApusCore"], swiftSettings: house),
        .testTarget(
            name: "ApusContentTests",
            dependencies: ["ApusContent", "ApusZlib", "Apus", "Loopback", httpTypes],
            swiftSettings: house),
        .testTarget(
            name: "ApusEventsTests", dependencies: ["ApusEvents", "Apus", "Loopback", httpTypes],
            swiftSettings: house),
        .testTarget(
            name: "ApusRetryTests", dependencies: ["ApusRetry", "Apus", "Loopback", httpTypes],
            swiftSettings: house),
        .testTarget(
            name: "ApusWebSocketTests",
            dependencies: [
                "ApusWebSocket", "ApusZlib", "Apus", "Loopback", "LoopFixtures", httpTypes,
            ],
            swiftSettings: house),
        .testTarget(
            name: "ApusNIOTests", dependencies: ["ApusNIO", "Apus", nioCore],
            swiftSettings: house),
        .testTarget(
            name: "ApusObservabilityTests",
            dependencies: [
                "ApusObservability", "Apus", "Loopback",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "InMemoryLogging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: house),
        .testTarget(
            name: "ApusInteropTests",
            dependencies: [
                "Apus", "ApusWebSocket", "ApusHTTP1", "ApusTLS", "Loopback", httpTypes,
            ],
            swiftSettings: house),
        .testTarget(name: "LoopbackTests", dependencies: ["Loopback"], swiftSettings: house),
        .testTarget(name: "ApusTidyTests", dependencies: [], swiftSettings: house),
    ]
)

// The fuzz targets; Fixtures/fuzz/run sets the switch. They reach `package` names, so they are of
// this package, and no other build needs them, so they are absent by default.
if Context.environment["APUS_FUZZ"] != nil {
    package.targets.append(
        .target(
            name: "Fuzz",
            dependencies: [
                "ApusWebSocket", "ApusContent", "ApusEvents", "Apus", "ApusTunnel", "ApusHTTP1",
                "ApusHTTP2",
                "ApusPool",
                "ApusCore", httpTypes,
            ],
            path: "Fixtures/fuzz/Targets", swiftSettings: house))
}

// The micro-benchmarks; Benchmarks/micro and Benchmarks/check set the switch. They measure layers
// below the API, an event and decoding.
if Context.environment["APUS_BENCH"] != nil {
    package.targets.append(
        .executableTarget(
            name: "apus-micro",
            dependencies: [
                "Apus", "ApusRetry", "ApusConnection", "ApusHTTP1", "ApusHTTP2", "ApusPool",
                "ApusSocket", "ApusCore", "Loopback", httpTypes,
            ],
            path: "Benchmarks/Micro", swiftSettings: house))
    package.targets.append(
        .executableTarget(
            name: "apus-events", dependencies: ["ApusEvents", "Apus"],
            path: "Benchmarks/Events", swiftSettings: house))
    package.targets.append(
        .executableTarget(
            name: "apus-content",
            dependencies: ["ApusContent", "Apus", "CApusZlib", "CApusBrotli", "CApusZstd"],
            path: "Benchmarks/Content", swiftSettings: house))
}

// Web sockets beside other clients; Benchmarks/websocket sets the switch.
if Context.environment["APUS_BENCH"] != nil {
    package.targets.append(
        .executableTarget(
            name: "apus-websocket", dependencies: ["Apus", "ApusWebSocket"],
            path: "Benchmarks/WebSocket", sources: ["main.swift"], swiftSettings: house))
}
