import ApusCore
import Testing

/// The documented defaults: a change here is a change that users feel.
@Suite struct EngineTuningTests {
    @Test func theDefaultKeepsWhatGosTransportKeeps() {
        let pool = EngineTuning.default.pool
        #expect(pool.maxIdle == 100)
        #expect(pool.maxIdlePerHost == 2)
        #expect(pool.idleTimeout == .seconds(90))
        #expect(pool.maxConnectionsPerHost == nil)
        #expect(pool.maxConnections == nil)
        #expect(pool.maxConnectionsPerOrigin == nil)
        #expect(pool.maxConnectionsPerProxy == nil)
        #expect(pool.maxDialsPerHost == nil)
        #expect(pool.maxWaitersPerHost == 1024)
        #expect(pool.acquireTimeout == .seconds(10))
        #expect(pool.proxyBackoff == .seconds(5) && pool.maxProxyBackoff == .seconds(600))
        #expect(pool.hedgeDelay == .milliseconds(300))
        #expect(pool.lifetime == nil)
        #expect(EngineTuning() == .default)
        #expect(EngineTuning.default.eventLoops == 1)
        #expect(EngineTuning.default.wakeInterval == .microseconds(100))
    }

    @Test func theExecutorsTuningDiffersInIdleConnectionsAlone() {
        var expected = EngineTuning()
        expected.pool.maxIdle = 200
        expected.pool.maxIdlePerHost = 20
        #expect(EngineTuning.executor == expected)
        #expect(EngineTuning.executor != .default)
        #expect(EngineTuning.executor.pool.idleTimeout == .seconds(90))
    }

    @Test func theDialsBudgetsAreAsDocumented() {
        let dial = EngineTuning.default.dial
        #expect(dial.resolveTimeout == .seconds(5))
        #expect(dial.tcpTimeout == .seconds(5))
        #expect(dial.tlsTimeout == .seconds(5))
        #expect(dial.proxyTimeout == .seconds(5))
        #expect(dial.connectTimeout == .seconds(10))
        #expect(dial.attemptDelay == .milliseconds(250))
        #expect(dial.keepAlive == .seconds(15))
        #expect(dial.userTimeout == .seconds(30))
        #expect(dial.unsentBytes == 128 * 1024)
        #expect(dial.resolutionDelay == .milliseconds(50))
        #expect(dial.localAddress == nil && dial.localInterface == nil)
        #expect(dial.beforeConnect == nil && dial.overrides.isEmpty)
        #expect(dial.resolverThreads == 4)
        #expect(dial.maxPendingLookups == 1024)
        #expect(dial.cacheTime == .seconds(5))
        #expect(dial.negativeCacheTime == .seconds(1))
        #expect(dial.staleCacheTime == .seconds(300))
        #expect(dial.maxCachedNames == 1024)
    }

    @Test func tlsVerifiesAndResumesByDefault() {
        let tls = EngineTuning.default.tls
        #expect(tls.roots == .system)
        #expect(tls.identity == nil)
        #expect(tls.minimumVersion == .tls12)
        #expect(tls.maximumVersion == .tls13)
        #expect(tls.serverName == nil && tls.verifiedName == nil && tls.sendsServerName)
        #expect(tls.tls12CipherSuites == nil && tls.tls13CipherSuites == nil && tls.groups == nil)
        #expect(tls.pins.isEmpty && tls.verifier == nil && tls.keyLog == nil)
        #expect(!tls.allowsPartialChain)
        #expect(!tls.insecureSkipVerify)
        #expect(tls.resumption)
        #expect(tls.maxSessionsPerRoute == 16)
        #expect(EngineTuning.TLS.Version.tls12 < .tls13)
    }

    @Test func theProtocolsNumbersAreAsDocumented() {
        let (http1, http2) = (EngineTuning.default.http1, EngineTuning.default.http2)
        #expect(http1.continueTimeout == .seconds(1))
        #expect(http1.keepAliveMargin == .seconds(1))
        #expect(http2.maxStreamsPerConnection == 100)
        #expect(http2.maxConnectionsPerHost == 8)
        #expect(http2.maxWindowWait == .milliseconds(50))
        #expect(http2.movesLargeUploads && http2.learnsBrokenRoutes)
        #expect(http2.streamsBeforeSettings == 1)
        #expect(http2.streamWindow == 256 * 1024)
        #expect(http2.maxStreamWindow == 4 * 1024 * 1024)
        #expect(http2.connectionWindow == 16 * 1024 * 1024)
        #expect(http2.pingAfter == .seconds(15))
        #expect(http2.suspectAfter == .seconds(2))
        #expect(http2.deadAfter == .seconds(10))
    }

    @Test func theLimitsAreAsDocumented() {
        let limits = EngineTuning.default.limits
        #expect(limits.headBytes == 64 * 1024)
        #expect(limits.headFields == 256)
        #expect(limits.informationalResponses == 16)
        #expect(limits.chunkExtensionBytes == 4 * 1024)
        #expect(limits.bodyBufferBytes == 256 * 1024)
        #expect(limits.uploadBufferBytes == 256 * 1024)
        #expect(limits.drainBytes == 64 * 1024)
        #expect(limits.replays == 2)
        #expect(limits.proxyErrorBodyBytes == 16 * 1024)
    }

    @Test func changingACopyDoesNotChangeTheOriginal() {
        var copy = EngineTuning.default
        copy.pool.maxIdle = nil
        copy.limits.replays = 0
        #expect(EngineTuning.default.pool.maxIdle == 100)
        #expect(EngineTuning.default.limits.replays == 2)
        #expect(copy != .default)
    }
}
