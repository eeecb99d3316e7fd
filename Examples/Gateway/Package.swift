// swift-tools-version: 6.2
import PackageDescription

let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// A product of the repository that this package is an example of.
func apus(_ name: String) -> Target.Dependency { .product(name: name, package: "apus") }

let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let core = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")

/// A gateway for APIs that stream, over Apus; a package of its own, as a user's would be.
let package = Package(
    name: "gateway",
    dependencies: [
        .package(name: "apus", path: "../.."),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    ],
    targets: [
        .target(
            name: "Gateway",
            dependencies: [
                apus("Apus"), apus("ApusContent"), apus("ApusEvents"), apus("ApusRetry"),
                apus("ApusObservability"), hummingbird, core, nioCore, httpTypes, logging,
                metrics,
                lifecycle, .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "gateway-server", dependencies: ["Gateway", logging], swiftSettings: house),
        // The listing of the article "Writing a gateway", which a test compares.
        .executableTarget(
            name: "Tutorial",
            dependencies: [
                apus("Apus"), apus("ApusRetry"), apus("ApusObservability"), hummingbird, logging,
                lifecycle, .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: house),
        // What the demonstration and the tests run against.
        .target(
            name: "GatewayFixtures",
            dependencies: [
                "Gateway", apus("Apus"), apus("ApusContent"), hummingbird, core, nioCore, nioPosix,
                httpTypes, logging, lifecycle,
            ],
            swiftSettings: house),
        .executableTarget(
            name: "gateway-demonstration",
            dependencies: [
                "Gateway", "GatewayFixtures", apus("Apus"), apus("ApusContent"), apus("ApusEvents"),
                hummingbird, core, nioCore,
            ],
            swiftSettings: house),
        // Imports every product and does nothing, for the test of what importing changes.
        .executableTarget(
            name: "imports-alone",
            dependencies: [
                apus("Apus"), apus("ApusContent"), apus("ApusEvents"), apus("ApusRetry"),
                apus("ApusObservability"),
            ],
            swiftSettings: house),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Gateway", "GatewayFixtures", "gateway-server", "imports-alone", apus("Apus"),
                apus("ApusContent"), apus("ApusEvents"), apus("ApusRetry"), hummingbird, core,
                nioCore,
                httpTypes, logging, metrics,
                .product(name: "InMemoryLogging", package: "swift-log"),
            ],
            swiftSettings: house),
    ]
)
