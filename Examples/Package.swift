// swift-tools-version: 6.2
import PackageDescription

/// Small programs over the public API alone; a package of its own, as a user's would be.
let package = Package(
    name: "apus-examples",
    dependencies: [.package(name: "apus", path: "..")],
    targets: ["FetchOne", "StreamEvents", "ThroughProxy"].map {
        .executableTarget(name: $0, dependencies: [.product(name: "Apus", package: "apus")])
    }
)
