// Checks of every field, in the order of the fields.
extension EngineTuning {
    /// Checks every field.
    ///
    /// - Throws: `InvalidTuning` for the first field out of range, by its name.
    public func validate() throws(InvalidTuning) {
        try pool.validate()
        try dial.validate()
        try tls.validate()
        try http1.validate()
        try http2.validate()
        try limits.validate()
        try require("eventLoops", eventLoops, in: 1...256)
        try requirePositive("wakeInterval", wakeInterval)
        guard wakeInterval ?? .zero <= .milliseconds(10) else {
            throw InvalidTuning(field: "wakeInterval", reason: "is above 10 ms")
        }
    }
}

extension EngineTuning.Pool {
    func validate() throws(InvalidTuning) {
        try require("pool.maxIdle", maxIdle, in: 0...1_000_000)
        try require("pool.maxIdlePerHost", maxIdlePerHost, in: 0...1_000_000)
        try require("pool.maxConnectionsPerHost", maxConnectionsPerHost, in: 1...1_000_000)
        try require("pool.maxConnections", maxConnections, in: 1...1_000_000)
        try require("pool.maxConnectionsPerOrigin", maxConnectionsPerOrigin, in: 1...1_000_000)
        try require("pool.maxConnectionsPerProxy", maxConnectionsPerProxy, in: 1...1_000_000)
        try require("pool.maxDialsPerHost", maxDialsPerHost, in: 1...1_000_000)
        try require("pool.maxWaitersPerHost", maxWaitersPerHost, in: 0...1_000_000)
        try requirePositive("pool.dialBackoff", dialBackoff)
        guard maxDialBackoff >= dialBackoff ?? .nanoseconds(1) else {
            throw InvalidTuning(field: "pool.maxDialBackoff", reason: "is below pool.dialBackoff")
        }
        try requirePositive("pool.proxyBackoff", proxyBackoff)
        guard maxProxyBackoff >= proxyBackoff ?? .nanoseconds(1) else {
            throw InvalidTuning(
                field: "pool.maxProxyBackoff", reason: "is below pool.proxyBackoff")
        }
        try requirePositive("pool.hedgeDelay", hedgeDelay)
        try requirePositive("pool.dialGrace", dialGrace)
        try requirePositive("pool.acquireTimeout", acquireTimeout)
        try requirePositive("pool.idleTimeout", idleTimeout)
        try requirePositive("pool.lifetime", lifetime)
        try require(
            "pool.maxRequestsPerConnection", maxRequestsPerConnection, in: 1...1_000_000_000)
    }
}

extension EngineTuning.Dial {
    func validate() throws(InvalidTuning) {
        try requirePositive("dial.resolveTimeout", resolveTimeout)
        try requirePositive("dial.tcpTimeout", tcpTimeout)
        try requirePositive("dial.tlsTimeout", tlsTimeout)
        try requirePositive("dial.proxyTimeout", proxyTimeout)
        try requirePositive("dial.connectTimeout", connectTimeout)
        let usual = EngineTuning.Dial()
        try requireWithin("dial.resolveTimeout", resolveTimeout, usual.resolveTimeout)
        try requireWithin("dial.tcpTimeout", tcpTimeout, usual.tcpTimeout)
        try requireWithin("dial.tlsTimeout", tlsTimeout, usual.tlsTimeout)
        try requireWithin("dial.proxyTimeout", proxyTimeout, usual.proxyTimeout)
        try requirePositive("dial.attemptDelay", attemptDelay)
        try requirePositive("dial.keepAlive", keepAlive)
        try requirePositive("dial.userTimeout", userTimeout)
        try require("dial.unsentBytes", unsentBytes, in: 4096...1 << 30)
        try require("dial.resolverThreads", resolverThreads, in: 1...64)
        try require("dial.maxPendingLookups", maxPendingLookups, in: 1...1_000_000)
        try requirePositive("dial.cacheTime", cacheTime)
        try requirePositive("dial.negativeCacheTime", negativeCacheTime)
        try requirePositive("dial.staleCacheTime", staleCacheTime)
        try require("dial.maxCachedNames", maxCachedNames, in: 1...1_000_000)
        try requirePositive("dial.addressCheck", addressCheck)
        try requirePositive("dial.resolutionDelay", resolutionDelay)
        if let localInterface {
            // IFNAMSIZ, including the terminating zero byte.
            let isPlain = localInterface.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != 0x2F }
            guard isPlain, (1...15).contains(localInterface.utf8.count) else {
                throw InvalidTuning(
                    field: "dial.localInterface", reason: "is not an interface's name")
            }
        }
        for override in overrides { try override.validate() }
    }
}

extension EngineTuning.Dial {
    /// A step's timeout above the whole dial's would never be reached, and the error would name the
    /// other.
    private func requireWithin(
        _ field: String, _ step: Duration?, _ usual: Duration?
    ) throws(InvalidTuning) {
        guard let step, let connectTimeout, step > connectTimeout, step > usual ?? .zero else {
            return
        }
        throw InvalidTuning(field: field, reason: "\(step) is above dial.connectTimeout")
    }
}

extension EngineTuning.Dial.Override {
    fileprivate func validate() throws(InvalidTuning) {
        let normalized: String
        do throws(InvalidRequest) {
            normalized = try Host.normalized(host)
        } catch {
            throw InvalidTuning(field: "dial.overrides", reason: "\(host): \(error.reason)")
        }
        let written = Host.withoutDot(normalized)
        guard written.utf8.elementsEqual(host.utf8) else {
            throw InvalidTuning(
                field: "dial.overrides", reason: "\(host) is not normalised; write \(written)")
        }
        guard !targets.isEmpty else {
            throw InvalidTuning(field: "dial.overrides", reason: "\(host) has no target")
        }
    }
}

extension EngineTuning.TLS {
    func validate() throws(InvalidTuning) {
        guard minimumVersion <= maximumVersion else {
            throw InvalidTuning(
                field: "tls.minimumVersion", reason: "is above tls.maximumVersion")
        }
        try require("tls.maxSessionsPerRoute", maxSessionsPerRoute, in: 1...64)
        try requireName("tls.serverName", serverName)
        try requireName("tls.verifiedName", verifiedName)
        guard identity?.password?.utf8.contains(0) != true else {
            throw InvalidTuning(field: "tls.identity", reason: "password contains a zero byte")
        }
        try requireNames("tls.tls12CipherSuites", tls12CipherSuites)
        try requireNames("tls.tls13CipherSuites", tls13CipherSuites)
        try requireNames("tls.groups", groups)
    }

    private func requireName(_ field: String, _ name: String?) throws(InvalidTuning) {
        guard let name else { return }
        let normalized: String
        do throws(InvalidRequest) {
            normalized = try Host.normalized(name)
        } catch {
            throw InvalidTuning(field: field, reason: error.reason)
        }
        // A number that TLS would treat as a name.
        let isNumber = !name.contains(":") && AddressLiteral(normalized[...]) != nil
        guard !isNumber || normalized == name else {
            throw InvalidTuning(field: field, reason: "is not normalised; write \(normalized)")
        }
    }

    /// OpenSSL's lists have a syntax of their own, in which a text can mean more than a name.
    private func requireNames(_ field: String, _ names: [String]?) throws(InvalidTuning) {
        guard let names else { return }
        guard !names.isEmpty else { throw InvalidTuning(field: field, reason: "is empty") }
        for name in names {
            let isPlain = name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                case UInt8(ascii: "-"), UInt8(ascii: "_"): true
                default: false
                }
            }
            guard isPlain, !name.isEmpty, name.first != "-" else {
                throw InvalidTuning(field: field, reason: "contains an entry that is not a name")
            }
        }
    }
}

extension EngineTuning.HTTP1 {
    func validate() throws(InvalidTuning) {
        try requirePositive("http1.continueTimeout", continueTimeout)
        guard keepAliveMargin >= .zero else {
            throw InvalidTuning(field: "http1.keepAliveMargin", reason: "is negative")
        }
    }
}

extension EngineTuning.HTTP2 {
    func validate() throws(InvalidTuning) {
        try require("http2.maxStreamsPerConnection", maxStreamsPerConnection, in: 1...1_000_000)
        try require("http2.streamsBeforeSettings", streamsBeforeSettings, in: 1...100)
        try require("http2.maxConnectionsPerHost", maxConnectionsPerHost, in: 1...1_000_000)
        try require(
            "http2.preferredStreamsPerConnection", preferredStreamsPerConnection,
            in: 1...1_000_000)
        try requirePositive("http2.maxWindowWait", maxWindowWait)
        try require("http2.streamWindow", streamWindow, in: 65_535...Int(Int32.max))
        try require("http2.maxStreamWindow", maxStreamWindow, in: streamWindow...Int(Int32.max))
        try require("http2.connectionWindow", connectionWindow, in: 65_535...Int(Int32.max))
        try requirePositive("http2.pingAfter", pingAfter)
        try requirePositive("http2.suspectAfter", suspectAfter)
        try requirePositive("http2.idlePingAfter", idlePingAfter)
        try requirePositive("http2.settingsTimeout", settingsTimeout)
        try requirePositive("http2.writeTimeout", writeTimeout)
        try require("http2.windowBudget", windowBudget, in: 0...1 << 40)
        guard deadAfter >= suspectAfter else {
            throw InvalidTuning(field: "http2.deadAfter", reason: "is below http2.suspectAfter")
        }
    }
}

extension EngineTuning.Limits {
    func validate() throws(InvalidTuning) {
        try require("limits.headBytes", headBytes, in: 1024...16 * 1024 * 1024)
        try require("limits.headFields", headFields, in: 1...10_000)
        try require("limits.informationalResponses", informationalResponses, in: 0...1000)
        try require("limits.chunkExtensionBytes", chunkExtensionBytes, in: 0...1024 * 1024)
        try require("limits.bodyBufferBytes", bodyBufferBytes, in: 1024...1 << 30)
        try require("limits.uploadBufferBytes", uploadBufferBytes, in: 1024...1 << 30)
        try require("limits.drainBytes", drainBytes, in: 0...1 << 30)
        try require("limits.replays", replays, in: 0...16)
        try require("limits.proxyErrorBodyBytes", proxyErrorBodyBytes, in: 0...1024 * 1024)
    }
}

private func require(_ field: String, _ value: Int?, in range: ClosedRange<Int>)
    throws(InvalidTuning)
{
    guard let value, !range.contains(value) else { return }
    throw InvalidTuning(field: field, reason: "\(value) is not in \(range)")
}

private func requirePositive(_ field: String, _ value: Duration?) throws(InvalidTuning) {
    guard let value, value <= .zero else { return }
    throw InvalidTuning(field: field, reason: "\(value) is not above zero")
}
