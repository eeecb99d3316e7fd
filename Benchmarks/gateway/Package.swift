// swift-tools-version: 6.2
import PackageDescription

// The candidates and peers of the gateway's benchmark, which `run` builds. A package of its own, as
// a user's gateway is: only the public API is in reach.

let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "apus-gateway-benchmark",
    dependencies: [
        .package(name: "apus", path: "../..", traits: ["ApusNIO"]),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.100.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    ],
    targets: [
        .target(
            name: "GatewayCore",
            dependencies: [
                hummingbird, nioCore, httpTypes, argumentParser,
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "gateway-apus",
            dependencies: [
                "GatewayCore", hummingbird, nioCore, httpTypes, argumentParser,
                .product(name: "Apus", package: "apus"),
                .product(name: "ApusNIO", package: "apus"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "gateway-front",
            dependencies: ["GatewayCore", hummingbird, nioCore, httpTypes, argumentParser],
            swiftSettings: house),
        .executableTarget(
            name: "gateway-peers",
            dependencies: [
                nioCore, argumentParser,
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: house),
    ]
)

// Where AsyncHTTPClient cannot be fetched, `run` sets this switch, and its column has dashes.
if Context.environment["GATEWAY_WITHOUT_AHC"] == nil {
    package.dependencies.append(
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"))
    package.targets.append(
        .executableTarget(
            name: "gateway-ahc",
            dependencies: [
                "GatewayCore", hummingbird, nioCore, httpTypes, argumentParser,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: house))
    package.dependencies.append(
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"))
}
