// swift-tools-version: 6.2
import PackageDescription

// The clients in Swift of the replayed incidents, which `run` builds. A package of its own, as a
// user's program is: only the public API is in reach.

let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "apus-replays",
    dependencies: [
        .package(name: "apus", path: "../..", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    ],
    targets: [
        .target(name: "ReplayCore", dependencies: [argumentParser], swiftSettings: house),
        .executableTarget(
            name: "replay-apus",
            dependencies: [
                "ReplayCore", argumentParser,
                .product(name: "Apus", package: "apus"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: house),
    ]
)

// Where AsyncHTTPClient cannot be fetched, `run` sets this switch, and its column says so.
if Context.environment["REPLAYS_WITHOUT_AHC"] == nil {
    package.dependencies += [
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
    ]
    package.targets.append(
        .executableTarget(
            name: "replay-ahc",
            dependencies: [
                "ReplayCore", argumentParser,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: house))
}
