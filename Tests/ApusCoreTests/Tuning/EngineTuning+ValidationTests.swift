import ApusCore
import Testing

/// One field with values that must pass and values that must not.
private struct FieldRow: Sendable, CustomTestStringConvertible {
    typealias Change = @Sendable (inout EngineTuning) -> Void

    let testDescription: String
    let accepted: [Change]
    let refused: [Change]

    init(_ field: String, accepted: [Change], refused: [Change]) {
        testDescription = field
        self.accepted = accepted
        self.refused = refused
    }

    /// A field with a range: both ends pass, and what lies beyond them does not.
    static func number(
        _ field: String, _ path: any WritableKeyPath<EngineTuning, Int> & Sendable,
        _ range: ClosedRange<Int>
    ) -> FieldRow {
        FieldRow(
            field,
            accepted: [range.lowerBound, range.upperBound].map { value in
                { $0[keyPath: path] = value }
            },
            refused: [range.lowerBound - 1, range.upperBound + 1, .min, .max].map { value in
                { $0[keyPath: path] = value }
            })
    }

    /// As `number`, where `nil` means unlimited.
    static func number(
        _ field: String, _ path: any WritableKeyPath<EngineTuning, Int?> & Sendable,
        _ range: ClosedRange<Int>
    ) -> FieldRow {
        FieldRow(
            field,
            accepted: [range.lowerBound, range.upperBound, nil].map { value in
                { $0[keyPath: path] = value }
            },
            refused: [range.lowerBound - 1, range.upperBound + 1].map { value in
                { $0[keyPath: path] = value }
            })
    }

    /// A length of time that must be above zero.
    static func time(
        _ field: String, _ path: any WritableKeyPath<EngineTuning, Duration> & Sendable
    ) -> FieldRow {
        FieldRow(
            field, accepted: [{ $0[keyPath: path] = .nanoseconds(1) }],
            refused: [Duration.zero, .nanoseconds(-1)].map { value in
                { $0[keyPath: path] = value }
            })
    }

    /// As `time`, where `nil` means off.
    static func time(
        _ field: String, _ path: any WritableKeyPath<EngineTuning, Duration?> & Sendable
    ) -> FieldRow {
        FieldRow(
            field,
            accepted: [Duration.nanoseconds(1), nil].map { value in { $0[keyPath: path] = value } },
            refused: [Duration.zero, .nanoseconds(-1)].map { value in
                { $0[keyPath: path] = value }
            })
    }
}

extension FieldRow {
    /// A list of OpenSSL's names, where `nil` is the engine's own choice.
    fileprivate static func names(
        _ field: String, _ path: any WritableKeyPath<EngineTuning, [String]?> & Sendable,
        _ good: String
    ) -> FieldRow {
        FieldRow(
            field,
            accepted: [[good], [good, good], nil].map { names in { $0[keyPath: path] = names } },
            // OpenSSL's own lists know more than names: "ALL", "a:b", "@SECLEVEL=0", "-x", "a+b".
            refused: [[], [""], ["a:b"], ["@SECLEVEL=0"], ["-x"], ["!x"], ["a+b"], [good, "a b"]]
                .map { names in { $0[keyPath: path] = names } })
    }
}

/// Each field of the tuning has its range, and is named when it leaves it.
@Suite struct EngineTuningValidationTests {
    @Test(arguments: rows)
    fileprivate func eachFieldIsCheckedAndNamed(_ row: FieldRow) throws {
        for change in row.accepted {
            var tuning = EngineTuning()
            change(&tuning)
            try tuning.validate()
        }
        for change in row.refused {
            var tuning = EngineTuning()
            change(&tuning)
            let error = #expect(throws: InvalidTuning.self) { try tuning.validate() }
            #expect(error?.field == row.testDescription)
            #expect(error?.reason.isEmpty == false)
            #expect(error.map(\.description)?.hasPrefix("\(row.testDescription): ") == true)
        }
    }

    @Test(
        arguments: [
            ("dial.resolveTimeout", \EngineTuning.dial.resolveTimeout),
            ("dial.tcpTimeout", \EngineTuning.dial.tcpTimeout),
            ("dial.tlsTimeout", \EngineTuning.dial.tlsTimeout),
            ("dial.proxyTimeout", \EngineTuning.dial.proxyTimeout),
        ] as [(String, any WritableKeyPath<EngineTuning, Duration?> & Sendable)])
    func noStepOfADialIsRaisedAboveTheWholeOfIt(
        _ field: String, _ path: any WritableKeyPath<EngineTuning, Duration?> & Sendable
    ) throws {
        var tuning = EngineTuning()
        tuning[keyPath: path] = .seconds(10)
        try tuning.validate()
        tuning[keyPath: path] = .seconds(12)
        let error = #expect(throws: InvalidTuning.self) { try tuning.validate() }
        #expect(error?.field == field)
        #expect(error?.reason.contains("dial.connectTimeout") == true)
        // The whole may be raised with it, lifted, or lowered by itself.
        tuning.dial.connectTimeout = .seconds(12)
        try tuning.validate()
        tuning.dial.connectTimeout = nil
        try tuning.validate()
        tuning = EngineTuning()
        tuning.dial.connectTimeout = .seconds(1)
        try tuning.validate()
    }

    @Test func theConstantsAreValid() throws {
        try EngineTuning.default.validate()
        try EngineTuning.executor.validate()
    }

    /// Every stored number, time and text of the tuning has a row above, or is free by nature.
    @Test func noFieldIsForgotten() {
        let free: Set = [
            "dial.localAddress", "dial.beforeConnect", "tls.roots", "tls.maximumVersion",
            "tls.insecureSkipVerify", "tls.resumption", "tls.sendsServerName", "tls.pins",
            "tls.verifier", "tls.allowsPartialChain", "tls.keyLog",
            // Switches.
            "tls.isStrict", "http1.lenience", "http1.detectsNonArrival",
            "pool.learnsIdleTime", "pool.noticesSleep", "dial.watchesLocalAddresses",
            "http2.learnsBrokenRoutes", "http2.movesLargeUploads",
            "http2.learnsPings",
            // Package access: tests alone begin near the last stream number.
            "http2.firstStream",
        ]
        var fields: Set<String> = []
        for part in Mirror(reflecting: EngineTuning()).children {
            let name = part.label ?? ""
            let inner = Mirror(reflecting: part.value)
            if inner.displayStyle == .struct {
                for field in inner.children {
                    var label = field.label ?? ""
                    // A text is kept as an exact one, under a name of its own.
                    if label.hasSuffix("Text") { label.removeLast(4) }
                    fields.insert("\(name).\(label)")
                }
            } else {
                fields.insert(name)
            }
        }
        #expect(fields.subtracting(free) == Set(rows.map(\.testDescription)))
    }
}

private let million = 1_000_000
private let int32Max = Int(Int32.max)

private let rows: [FieldRow] = poolRows + dialRows + protocolRows + limitRows

private let poolRows: [FieldRow] = [
    .number("pool.maxIdle", \.pool.maxIdle, 0...million),
    .number("pool.maxIdlePerHost", \.pool.maxIdlePerHost, 0...million),
    .number("pool.maxConnectionsPerHost", \.pool.maxConnectionsPerHost, 1...million),
    .number("pool.maxConnections", \.pool.maxConnections, 1...million),
    .number("pool.maxConnectionsPerOrigin", \.pool.maxConnectionsPerOrigin, 1...million),
    .number("pool.maxConnectionsPerProxy", \.pool.maxConnectionsPerProxy, 1...million),
    .number("pool.maxDialsPerHost", \.pool.maxDialsPerHost, 1...million),
    .number("pool.maxWaitersPerHost", \.pool.maxWaitersPerHost, 0...million),
    .time("pool.dialBackoff", \.pool.dialBackoff),
    FieldRow(
        "pool.maxDialBackoff",
        accepted: [
            { $0.pool.maxDialBackoff = .milliseconds(50) },
            {
                $0.pool.dialBackoff = nil
                $0.pool.maxDialBackoff = .nanoseconds(1)
            },
        ],
        refused: [
            { $0.pool.maxDialBackoff = .milliseconds(49) },
            {
                $0.pool.dialBackoff = nil
                $0.pool.maxDialBackoff = .zero
            },
        ]),
    .time("pool.proxyBackoff", \.pool.proxyBackoff),
    FieldRow(
        "pool.maxProxyBackoff",
        accepted: [
            { $0.pool.maxProxyBackoff = .seconds(5) },
            {
                $0.pool.proxyBackoff = nil
                $0.pool.maxProxyBackoff = .nanoseconds(1)
            },
        ],
        refused: [
            { $0.pool.maxProxyBackoff = .seconds(4) },
            {
                $0.pool.proxyBackoff = nil
                $0.pool.maxProxyBackoff = .zero
            },
        ]),
    .time("pool.hedgeDelay", \.pool.hedgeDelay),
    .time("pool.dialGrace", \.pool.dialGrace),
    .time("pool.acquireTimeout", \.pool.acquireTimeout),
    .time("pool.idleTimeout", \.pool.idleTimeout),
    .time("pool.lifetime", \.pool.lifetime),
    .number(
        "pool.maxRequestsPerConnection", \.pool.maxRequestsPerConnection, 1...1_000_000_000),
    .number("eventLoops", \.eventLoops, 1...256),
    .time("wakeInterval", \.wakeInterval),
    FieldRow(
        "wakeInterval", accepted: [{ $0.wakeInterval = .milliseconds(10) }],
        refused: [{ $0.wakeInterval = .milliseconds(10) + .nanoseconds(1) }]),
]

private let dialRows: [FieldRow] = [
    .time("dial.resolveTimeout", \.dial.resolveTimeout),
    .time("dial.tcpTimeout", \.dial.tcpTimeout),
    .time("dial.tlsTimeout", \.dial.tlsTimeout),
    .time("dial.proxyTimeout", \.dial.proxyTimeout),
    .time("dial.connectTimeout", \.dial.connectTimeout),
    .time("dial.attemptDelay", \.dial.attemptDelay),
    .time("dial.keepAlive", \.dial.keepAlive),
    .time("dial.userTimeout", \.dial.userTimeout),
    .number("dial.unsentBytes", \.dial.unsentBytes, 4096...1 << 30),
    .number("dial.resolverThreads", \.dial.resolverThreads, 1...64),
    .number("dial.maxPendingLookups", \.dial.maxPendingLookups, 1...million),
    .time("dial.cacheTime", \.dial.cacheTime),
    .time("dial.negativeCacheTime", \.dial.negativeCacheTime),
    .time("dial.staleCacheTime", \.dial.staleCacheTime),
    .number("dial.maxCachedNames", \.dial.maxCachedNames, 1...million),
    .time("dial.addressCheck", \.dial.addressCheck),
    .time("dial.resolutionDelay", \.dial.resolutionDelay),
    FieldRow(
        "dial.localInterface",
        accepted: [
            { $0.dial.localInterface = "lo" }, { $0.dial.localInterface = "wg0.100-Abc_de" },
        ],
        refused: ["", "a b", "a/b", "a\u{0}", "sixteen-bytes-xx"].map { name in
            { $0.dial.localInterface = name }
        }),
    FieldRow(
        "dial.overrides",
        accepted: [
            { $0.dial.overrides = [.init(host: "a.test", to: [.address("::1", port: 1)])] },
            { $0.dial.overrides = [.init(host: "::1", port: 80, to: [.unixSocket(path: "/a")])] },
        ],
        refused: [
            { $0.dial.overrides = [.init(host: "a.test", to: [])] },
            { $0.dial.overrides = [.init(host: "A.test", to: [.unixSocket(path: "/a")])] },
            { $0.dial.overrides = [.init(host: "a.test.", to: [.unixSocket(path: "/a")])] },
            { $0.dial.overrides = [.init(host: "", to: [.unixSocket(path: "/a")])] },
        ]),
    FieldRow(
        "tls.minimumVersion",
        accepted: [
            { $0.tls.minimumVersion = .tls13 }, { $0.tls.maximumVersion = .tls12 },
        ],
        refused: [
            {
                $0.tls.minimumVersion = .tls13
                $0.tls.maximumVersion = .tls12
            }
        ]),
    FieldRow(
        "tls.serverName",
        accepted: [{ $0.tls.serverName = "Example.com." }, { $0.tls.serverName = "::1" }],
        refused: [
            { $0.tls.serverName = "" }, { $0.tls.serverName = "a b" },
            { $0.tls.serverName = "a\u{0}" }, { $0.tls.serverName = "127.1" },
            { $0.tls.serverName = String(repeating: "a", count: 256) },
        ]),
    FieldRow(
        "tls.verifiedName",
        accepted: [{ $0.tls.verifiedName = "example.com" }, { $0.tls.verifiedName = "10.0.0.1" }],
        refused: [
            { $0.tls.verifiedName = "" }, { $0.tls.verifiedName = "a b" },
            { $0.tls.verifiedName = "0x7f000001" },
        ]),
    FieldRow(
        "tls.identity",
        accepted: [{ $0.tls.identity = .init(pkcs12File: "a", password: "b") }],
        refused: [{ $0.tls.identity = .init(pkcs12File: "a", password: "b\u{0}c") }]),
    .names("tls.tls12CipherSuites", \.tls.tls12CipherSuites, "ECDHE-RSA-AES128-GCM-SHA256"),
    .names("tls.tls13CipherSuites", \.tls.tls13CipherSuites, "TLS_AES_128_GCM_SHA256"),
    .names("tls.groups", \.tls.groups, "X25519"),
    .number("tls.maxSessionsPerRoute", \.tls.maxSessionsPerRoute, 1...64),
]

private let protocolRows: [FieldRow] = [
    .time("http1.continueTimeout", \.http1.continueTimeout),
    FieldRow(
        "http1.keepAliveMargin",
        accepted: [
            { $0.http1.keepAliveMargin = .zero }, { $0.http1.keepAliveMargin = .seconds(9) },
        ],
        refused: [{ $0.http1.keepAliveMargin = .nanoseconds(-1) }]),
    .number("http2.maxStreamsPerConnection", \.http2.maxStreamsPerConnection, 1...million),
    .number("http2.streamsBeforeSettings", \.http2.streamsBeforeSettings, 1...100),
    .number("http2.maxConnectionsPerHost", \.http2.maxConnectionsPerHost, 1...million),
    FieldRow(
        "http2.preferredStreamsPerConnection",
        accepted: [
            { $0.http2.preferredStreamsPerConnection = 1 },
            { $0.http2.preferredStreamsPerConnection = nil },
        ],
        refused: [{ $0.http2.preferredStreamsPerConnection = 0 }]),
    .time("http2.maxWindowWait", \.http2.maxWindowWait),
    FieldRow(
        "http2.streamWindow",
        accepted: [
            { $0.http2.streamWindow = 65_535 },
            {
                $0.http2.streamWindow = int32Max
                $0.http2.maxStreamWindow = int32Max
            },
        ],
        refused: [{ $0.http2.streamWindow = 65_534 }, { $0.http2.streamWindow = int32Max + 1 }]),
    FieldRow(
        "http2.maxStreamWindow",
        accepted: [
            { $0.http2.maxStreamWindow = 256 * 1024 }, { $0.http2.maxStreamWindow = int32Max },
        ],
        refused: [
            { $0.http2.maxStreamWindow = 256 * 1024 - 1 },
            { $0.http2.maxStreamWindow = int32Max + 1 },
            { $0.http2.streamWindow = 4 * 1024 * 1024 + 1 },
        ]),
    .number("http2.connectionWindow", \.http2.connectionWindow, 65_535...int32Max),
    .time("http2.pingAfter", \.http2.pingAfter),
    .time("http2.idlePingAfter", \.http2.idlePingAfter),
    .time("http2.settingsTimeout", \.http2.settingsTimeout),
    .time("http2.writeTimeout", \.http2.writeTimeout),
    .number("http2.windowBudget", \.http2.windowBudget, 0...1 << 40),
    FieldRow(
        "http2.suspectAfter",
        accepted: [
            { $0.http2.suspectAfter = .nanoseconds(1) }, { $0.http2.suspectAfter = .seconds(10) },
        ],
        refused: [{ $0.http2.suspectAfter = .zero }, { $0.http2.suspectAfter = .seconds(-1) }]),
    FieldRow(
        "http2.deadAfter",
        accepted: [{ $0.http2.deadAfter = .seconds(2) }, { $0.http2.deadAfter = .seconds(99) }],
        refused: [
            { $0.http2.deadAfter = .milliseconds(1999) }, { $0.http2.suspectAfter = .seconds(11) },
        ]),
]

private let limitRows: [FieldRow] = [
    .number("limits.headBytes", \.limits.headBytes, 1024...16 * 1024 * 1024),
    .number("limits.headFields", \.limits.headFields, 1...10_000),
    .number("limits.informationalResponses", \.limits.informationalResponses, 0...1000),
    .number("limits.chunkExtensionBytes", \.limits.chunkExtensionBytes, 0...1024 * 1024),
    .number("limits.bodyBufferBytes", \.limits.bodyBufferBytes, 1024...1 << 30),
    .number("limits.uploadBufferBytes", \.limits.uploadBufferBytes, 1024...1 << 30),
    .number("limits.drainBytes", \.limits.drainBytes, 0...1 << 30),
    .number("limits.replays", \.limits.replays, 0...16),
    .number("limits.proxyErrorBodyBytes", \.limits.proxyErrorBodyBytes, 0...1024 * 1024),
]
