import Testing

/// Test files are beside their sources: each target has its test target with the same folders, and
/// each source file of logic has its test file by name.
@Suite struct MirrorTests {
    /// Folders of sources that are mirrored, each with the folder of its tests.
    ///
    /// A target that is not listed yet is added by a line.
    private static let mirrors = [
        "Sources/ApusCore": "Tests/ApusCoreTests",
        "Sources/ApusHTTP1": "Tests/ApusHTTP1Tests",
        "Sources/ApusHTTP2": "Tests/ApusHTTP2Tests",
        "Sources/ApusPool": "Tests/ApusPoolTests",
        "Sources/ApusTLS": "Tests/ApusTLSTests",
        "Sources/ApusSocket": "Tests/ApusSocketTests",
        "Sources/ApusTunnel": "Tests/ApusTunnelTests",
        "Sources/ApusWire": "Tests/ApusWireTests",
        "Sources/ApusDial": "Tests/ApusDialTests",
        "Sources/ApusEngine": "Tests/ApusEngineTests",
        "Sources/ApusConnection": "Tests/ApusConnectionTests",
        "Sources/ApusObservability": "Tests/ApusObservabilityTests",
        "Sources/ApusNIO": "Tests/ApusNIOTests",
        "Sources/Apus": "Tests/ApusTests",
        "Sources/ApusZlib": "Tests/ApusZlibTests",
        "Sources/ApusContent": "Tests/ApusContentTests",
        "Sources/ApusEvents": "Tests/ApusEventsTests",
        "Sources/ApusRetry": "Tests/ApusRetryTests",
        "Sources/ApusWebSocket": "Tests/ApusWebSocketTests",
    ]

    /// Source files of logic without a test file of their name, each with the reason.
    private static let exceptions = [
        "Sources/ApusWebSocket/Connection/Turns.swift":
            "internal; SocketCoreTests show the order and the bound",
        "Sources/ApusConnection/Exchange/ConnectionEnd+Wire.swift":
            "needs a connection that ends: ConnectionEndIncidentTests",
        "Sources/ApusConnection/Exchange/ExchangeStory.swift":
            "calls an observer; EngineEventTests show each call",
        "Sources/ApusConnection/Exchange/ExchangeTimers.swift":
            "timers of a loop; BodyDeadlineTests and RequirementTests show them",
        "Sources/ApusConnection/HTTP1/HTTP1LiveConnection.swift":
            "a shell; the suites of ApusTests/HTTP1 play every fault against it",
        "Sources/ApusConnection/HTTP1/HTTP1LiveConnection+Calls.swift":
            "a shell; the suites of ApusTests/HTTP1 play every fault against it",
        "Sources/ApusConnection/HTTP1/HTTP1Request.swift":
            "internal; HTTP1ContinueTests and ForwardedChallengeTests show it",
        "Sources/ApusConnection/HTTP1/HTTP1Upload.swift":
            "writes to a wire; HTTP1UploadTests and UploadTurnTests show it",
        "Sources/ApusConnection/HTTP2/HTTP2LiveConnection.swift":
            "a shell; the suites of ApusTests/HTTP2 play every fault against it",
        "Sources/ApusConnection/HTTP2/HTTP2LiveConnection+Host.swift":
            "a shell; HostIncidentTests show it",
        "Sources/ApusConnection/HTTP2/HTTP2EndStory.swift":
            "internal; HTTP2EndingTests show each error",
        "Sources/ApusConnection/HTTP2/HTTP2Streams.swift":
            "a shell; HTTP2RequestTests and HTTP2EndingTests show it",
        "Sources/ApusConnection/HTTP2/HTTP2Upload.swift":
            "feeds a session; HTTP2UploadTests show it",
        "Sources/ApusConnection/Duplex/HTTP2Duplex.swift":
            "a shell; HTTP2DuplexTests show it",
        "Sources/ApusConnection/Duplex/RawConnection.swift":
            "a shell; TransportEngine+TunnelTests show it",
        "Sources/ApusConnection/Duplex/WireDuplex.swift":
            "a shell; DuplexTests and DuplexEndingTests show it",
        "Sources/ApusConnection/Ways/ConnectionWay.swift":
            "of the connection's shell; SilenceIncidentTests show it",
        "Sources/ApusConnection/Ways/WayWatch.swift": "a shell; SilenceIncidentTests show it",
        "Sources/ApusConnection/LiveConnection.swift":
            "one choice of thread; every suite of ApusTests goes through it",
        "Sources/ApusHTTP1/Scanning.swift": "internal; TranscriptTests feed it at every offset",
        "Sources/ApusSocket/Loop/LoopScratch.swift": "internal; EventLoopTests show its bound",
        "Sources/ApusSocket/Loop/LoopWork.swift": "internal; EventLoopTests show its order",
        "Sources/ApusWire/WindowWatch.swift": "counts real time; PausedPeerTests show it",
        "Sources/ApusDial/Connector.swift": "a shell; DialConnectTests and DialMatrixTests show it",
        "Sources/ApusDial/Dialer.swift": "a shell; DialConnectTests and DialReloadTests show it",
        "Sources/ApusDial/DialContext.swift": "a shell; DialCancellationTests show its waits",
        "Sources/ApusDial/ProxyDial.swift":
            "a shell; DialProxyTests and ProxyChallengeTests show it",
        "Sources/ApusDial/SocketDial.swift": "a shell; DialConnectTests and DialNamesTests show it",
        "Sources/ApusDial/TLSDial.swift": "a shell; DialTLSTests and DialTrustTests show it",
        "Sources/ApusContent/Codecs/Codec.swift":
            "internal; the tests of each codec go through it",
        "Sources/ApusZlib/ZlibStream.swift": "internal; InflaterTests and DeflaterTests show it",
        "Sources/ApusEngine/Host/HostWatch.swift": "a shell; HostIncidentTests show it",
        "Sources/ApusSocket/Host/HostNotices.swift": "a shell; HostIncidentTests show it",
        "Sources/ApusEngine/AddressWatch.swift": "a shell; TransportEngine+RoutesTests show it",
        "Sources/ApusEngine/Engine.swift": "a shell; the tests in ApusTests/Engine show it",
        "Sources/ApusEngine/Pool/ConnectionPool.swift":
            "a shell; the tests in ApusTests/Pool show it",
        "Sources/ApusEngine/Pool/PoolEntries.swift": "of the pool's shell; ApusTests/Pool show it",
        "Sources/ApusEngine/Pool/PoolWaiter.swift":
            "a shell; RequestWaitTests and PoolQueueTests show it",
        "Sources/ApusRetry/Outcome.swift":
            "internal; the tests of the three layers show its lists",
        "Sources/ApusEngine/Requests/RequestAmender.swift":
            "a shell; ForwardedChallengeTests show it",
    ]

    @Test func everySourceFileOfLogicHasItsTestFile() {
        for (folder, tests) in Self.mirrors {
            for file in SourceTree.files(under: [folder], endings: ["swift"]) where isLogic(file) {
                let expected = tests + file.path.dropFirst(folder.count).dropLast(6) + "Tests.swift"
                let isThere = Self.paths.contains(expected)
                if Self.exceptions[file.path] != nil {
                    if isThere { Issue.record("\(file.path):1: is no exception; it has tests") }
                } else if !isThere {
                    Issue.record("\(file.path):1: has no test file \(expected)")
                }
            }
        }
    }

    @Test func everyExceptionIsAFileOfLogic() {
        for path in Self.exceptions.keys.sorted() {
            let file = SourceFile(path: path)
            if file.map(isLogic) != true {
                Issue.record("\(path): is an exception without need")
            }
        }
    }

    /// A test file named for one aspect of a source file is in the folder of that source.
    @Test func noTestFileIsInAnotherFolderThanItsSource() {
        for (folder, tests) in Self.mirrors {
            let sources = Self.paths.filter { $0.hasPrefix(folder + "/") }
            for path in Self.paths where path.hasPrefix(tests + "/") && isTests(path) {
                let name = name(path).dropLast("Tests".count)
                guard let source = sources.first(where: { self.name($0) == name }) else {
                    continue
                }
                let expected = source.dropFirst(folder.count).prefix { $0 != "." }.dropLast(
                    name.count)
                let actual = path.dropFirst(tests.count).prefix { $0 != "." }.dropLast(
                    name.count + 5)
                if actual != expected {
                    Issue.record("\(path):1: is not in the folder that mirrors \(source)")
                }
            }
        }
    }

    /// A folder with many files says nothing; folders in it say what its files are.
    @Test func noFolderOfAMirroredTargetHasTooManyFiles() {
        let maxFiles = 16
        for folder in Self.mirrors.keys {
            let files = Self.paths.filter { $0.hasPrefix(folder + "/") }
            let byFolder = Dictionary(grouping: files) { path in
                path.split(separator: "/").dropLast().joined(separator: "/")
            }
            for (folder, files) in byFolder where files.count > maxFiles {
                Issue.record("\(folder): has \(files.count) files, more than \(maxFiles)")
            }
        }
    }

    private static let paths = Set(SourceTree.swiftFiles.map(\.path))

    /// Whether a file decides anything: a file without a branch or a loop holds values alone.
    private func isLogic(_ file: SourceFile) -> Bool {
        let branch = /\b(if|guard|for|while|repeat|switch)\b\s/
        return file.code.contains { !$0.hasPrefix("#") && $0.firstMatch(of: branch) != nil }
    }

    private func isTests(_ path: String) -> Bool { path.hasSuffix("Tests.swift") }

    /// A file's name without folder and ending.
    private func name(_ path: String) -> Substring {
        (path.split(separator: "/").last ?? "").dropLast(".swift".count)
    }
}
