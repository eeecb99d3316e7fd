import Testing

/// The arrows of ARCHITECTURE.md: which target may import which.
@Suite struct LayerTests {
    /// What each folder of Swift may import; system modules included.
    ///
    /// The layers below the transport but ApusSocket see no system module at all, so they have no
    /// clock, no lock and no system call to call.
    static let arrows: [String: Set<String>] = [
        // Synchronization for facts that are read once, when they are first asked for.
        "Sources/ApusCore": ["HTTPTypes", "Synchronization"],
        "Sources/ApusHTTP1": ["ApusCore", "HTTPTypes"],
        "Sources/ApusHTTP2": ["ApusCore", "CApusNghttp2", "HTTPTypes"],
        "Sources/ApusTLS": ["ApusCore", "CApusOpenSSL"],
        "Sources/ApusPool": ["ApusCore"],
        "Sources/ApusSocket": ["ApusCore", "CApusLinux", "Glibc", "Musl", "Synchronization"],
        "Sources/ApusTunnel": ["ApusHTTP1", "ApusHTTP2", "ApusCore", "HTTPTypes"],
        "Sources/ApusWire": ["ApusTunnel", "ApusHTTP2", "ApusTLS", "ApusSocket", "ApusCore"],
        "Sources/ApusConnection": [
            "ApusWire", "ApusTunnel", "ApusHTTP1", "ApusHTTP2", "ApusTLS", "ApusSocket", "ApusCore",
            "HTTPTypes", "Glibc", "Musl", "Synchronization",
        ],
        "Sources/ApusDial": [
            "ApusConnection", "ApusWire", "ApusTunnel", "ApusHTTP2", "ApusTLS", "ApusSocket",
            "ApusCore", "HTTPTypes", "Glibc", "Musl", "Synchronization",
        ],
        "Sources/ApusEngine": [
            "ApusDial", "ApusConnection", "ApusTunnel", "ApusHTTP2", "ApusTLS", "ApusPool",
            "ApusSocket", "ApusCore", "HTTPTypes", "Glibc", "Musl", "Synchronization",
        ],
        "Sources/Apus": [
            "ApusEngine", "ApusConnection", "ApusSocket", "ApusCore", "HTTPTypes",
            "Synchronization",
        ],
        "Sources/ApusZlib": ["ApusCore", "CApusZlib"],
        "Sources/ApusContent": [
            "Apus", "ApusSocket", "ApusZlib", "CApusBrotli", "CApusZstd", "HTTPTypes",
            "Synchronization",
        ],
        "Sources/ApusEvents": ["Apus", "HTTPTypes", "Glibc", "Musl"],
        // The system's library for the time of day alone.
        "Sources/ApusRetry": ["Apus", "HTTPTypes", "Synchronization", "Glibc", "Musl"],
        "Sources/ApusWebSocket": ["Apus", "ApusZlib", "HTTPTypes", "Synchronization"],
        "Sources/ApusNIO": ["Apus", "NIOCore"],
        "Sources/ApusObservability": [
            "Apus", "Logging", "CoreMetrics", "Tracing", "ServiceLifecycle", "Synchronization",
        ],
        "Sources/apus-tool": [
            "Apus", "ApusContent", "ApusEvents", "ApusRetry", "ApusWebSocket", "ApusTLS",
            "Loopback", "ArgumentParser", "HTTPTypes", "Glibc", "Musl", "Dispatch",
            "Synchronization",
        ],
        "Fixtures/LoopFixtures": ["ApusSocket", "ApusCore", "Glibc", "Musl"],
        "Fixtures/Loopback": [
            "CApusNghttp2", "CApusOpenSSL", "CApusLinux", "Glibc", "Musl", "Synchronization",
        ],
    ]

    @Test(arguments: arrows.keys.sorted())
    func aTargetImportsWhatItsArrowsAllow(folder: String) {
        let allowed = Self.arrows[folder, default: []]
        for file in SourceTree.files(under: [folder], endings: ["swift"]) {
            for (index, module) in imports(of: file) where !allowed.contains(module) {
                Issue.record("\(file.place(index)): \(folder) must not import \(module)")
            }
        }
    }

    /// A new target must be added to the table above, so that its arrows are a decision.
    @Test func everyTargetHasItsArrows() {
        let targets = SourceTree.files(under: ["Sources"], endings: ["swift"])
            .map { $0.path.split(separator: "/").prefix(2).joined(separator: "/") }
        for target in Set(targets).sorted() where Self.arrows[target] == nil {
            Issue.record("\(target): has no row in LayerTests.arrows")
        }
    }

    @Test func oneShippedTargetImportsEachCModule() {
        var importers: [String: Set<String>] = [:]
        for folder in Self.arrows.keys where folder.hasPrefix("Sources/") {
            for file in SourceTree.files(under: [folder], endings: ["swift"]) {
                for (_, module) in imports(of: file) where module.hasPrefix("CApus") {
                    importers[module, default: []].insert(folder)
                }
            }
        }
        for (module, folders) in importers where folders.count > 1 {
            Issue.record("\(module) is imported by \(folders.sorted().joined(separator: ", "))")
        }
    }

    /// L1 to L3 but ApusSocket take time and randomness as arguments and never wait.
    @Test(arguments: [
        "ApusCore", "ApusHTTP1", "ApusHTTP2", "ApusTLS", "ApusPool", "ApusTunnel",
    ])
    func theSansIOLayersNeitherWaitNorReadAClock(target: String) {
        let pattern =
            /\b(Task|ContinuousClock|SuspendingClock|SystemRandomNumberGenerator|Mutex|await|async|print|clock_gettime|gettimeofday|usleep)\b|\bpthread_|\.random\(/
        for file in SourceTree.files(under: ["Sources/\(target)"], endings: ["swift"]) {
            for (index, line) in file.code.enumerated() {
                guard let match = line.firstMatch(of: pattern) else { continue }
                Issue.record("\(file.place(index)): \(target) is sans-IO, no \(match.0)")
            }
        }
    }

    /// C pointers stay inside the target that imports the C module.
    @Test func noSignatureThatCrossesTargetsShowsACPointer() {
        let pattern =
            /^\s*(public|package)\b.*\b(OpaquePointer|UnsafeMutablePointer<(nghttp2|ssl)_\w+)/
        for file in SourceTree.files(under: ["Sources"], endings: ["swift"]) {
            for (index, line) in file.code.enumerated() where line.firstMatch(of: pattern) != nil {
                Issue.record("\(file.place(index)): a C pointer in a signature: \(line)")
            }
        }
    }

    private func imports(of file: SourceFile) -> [(Int, String)] {
        let pattern =
            /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?import\s+(?:(?:struct|class|enum|func|protocol|typealias|var|let)\s+)?(\w+)/
        return file.code.enumerated().compactMap { index, line in
            line.firstMatch(of: pattern).map { (index, String($0.1)) }
        }
    }
}
