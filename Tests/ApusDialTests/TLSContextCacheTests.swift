import ApusCore
@testable import ApusDial
import ApusSocket
import ApusTLS
import Glibc
import Loopback
import Testing

/// TLS contexts are made once for equal settings, and anew when their files have changed.
@Suite(.timeLimit(.minutes(5))) struct TLSContextCacheTests {
    private let cache = TLSContextCache()

    private func make(
        _ settings: EngineTuning.TLS, alpn: [String] = []
    ) async -> TLSContextCache.Made {
        let made = FirstAnswer<TLSContextCache.Made>()
        cache.make(settings, alpn: alpn) { made.give($0) }
        return await made.wait()
    }

    private func reload(_ settings: EngineTuning.TLS) async throws -> Bool {
        let result = FirstAnswer<Result<Bool, TLSError>>()
        cache.reload(settings) { result.give($0) }
        return try await result.wait().get()
    }

    /// A file with a certificate of the fixtures, which a test may replace.
    private final class Roots {
        let path = "/tmp/apus-roots-\(getpid())-\(UInt32.random(in: 0 ... .max))"

        init() throws {
            try FixturePaths.ensureCertificates()
            try write(certificate: "ca")
        }

        deinit {
            unlink(path)
        }

        var settings: EngineTuning.TLS {
            var settings = EngineTuning.TLS()
            settings.roots = .file(path)
            return settings
        }

        func write(certificate: String) throws {
            let reader = try FileReader(path: FixturePaths.pem(certificate))
            var bytes: [UInt8] = []
            while let chunk = try reader.nextChunk() { bytes += chunk.array }
            try write(bytes)
        }

        func write(_ bytes: [UInt8]) throws {
            let file = try #require(fopen(path, "w"))
            defer { fclose(file) }
            #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        }
    }

    @Test func equalSettingsShareOneContext() async throws {
        let settings = try trustingSettings()
        #expect(cache.made(settings, alpn: ["h2"]) == nil)
        let made = try await make(settings, alpn: ["h2"]).get()
        #expect(cache.made(settings, alpn: ["h2"]) === made)
        #expect(try await make(settings, alpn: ["h2"]).get() === made)
        #expect(try await make(settings).get() !== made)
        var other = settings
        other.minimumVersion = .tls13
        #expect(try await make(other, alpn: ["h2"]).get() !== made)
    }

    @Test func allThatWaitForOneContextGetTheSame() async throws {
        let settings = try trustingSettings()
        let contexts = try await withThrowingTaskGroup(of: TLSContext.self) { group in
            for _ in 0..<8 { group.addTask { try await make(settings).get() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(contexts.count == 8)
        for context in contexts { #expect(context === contexts[0]) }
    }

    @Test func settingsThatCannotBeUsedAreReportedAndNotKept() async throws {
        var settings = EngineTuning.TLS()
        settings.roots = .file("/nowhere/at/all")
        for _ in 0..<2 {
            let error = await #expect(throws: TLSError.self) { _ = try await make(settings).get() }
            #expect(error?.kind == .configuration)
        }
        #expect(cache.made(settings, alpn: []) == nil)
    }

    @Test("64 contexts are kept, and the next one replaces the one not used for longest")
    func bound() async throws {
        let settings = try trustingSettings()
        for number in 0..<64 { _ = try await make(settings, alpn: ["p\(number)"]).get() }
        #expect(cache.made(settings, alpn: ["p0"]) != nil)
        _ = try await make(settings, alpn: ["p64"]).get()
        let kept = (0...64).filter { cache.made(settings, alpn: ["p\($0)"]) != nil }
        #expect(kept == [0] + Array(2...64))
    }

    // MARK: Reloading

    @Test func filesThatAreTheSameKeepTheirContexts() async throws {
        let roots = try Roots()
        let context = try await make(roots.settings).get()
        #expect(try await !reload(roots.settings))
        #expect(cache.revision == 0)
        #expect(cache.made(roots.settings, alpn: []) === context)
    }

    @Test func filesThatHaveChangedMakeContextsAnew() async throws {
        let (roots, others) = (try Roots(), try Roots())
        let context = try await make(roots.settings).get()
        let other = try await make(others.settings).get()
        try roots.write(certificate: "untrusted-ca")
        // Until a reload the contents of before count.
        #expect(try await make(roots.settings, alpn: ["h2"]).get() !== context)
        #expect(try await reload(roots.settings))
        #expect(cache.revision == 1)
        #expect(cache.made(roots.settings, alpn: []) == nil)
        #expect(cache.made(others.settings, alpn: []) === other)
        #expect(try await make(roots.settings).get() !== context)
        #expect(try await !reload(roots.settings))
        #expect(cache.revision == 1)
    }

    @Test func unusableFilesOfTheEngineChangeNothing() async throws {
        let roots = try Roots()
        let context = try await make(roots.settings).get()
        try roots.write(Array("no certificate".utf8))
        await #expect(throws: TLSError.self) { _ = try await reload(roots.settings) }
        #expect(cache.revision == 0)
        #expect(cache.made(roots.settings, alpn: []) === context)
    }

    @Test func unusableFilesOfAProxyAreForgotten() async throws {
        let (own, proxy) = (try Roots(), try Roots())
        let context = try await make(own.settings).get()
        _ = try await make(proxy.settings).get()
        try proxy.write(Array("no certificate".utf8))
        #expect(try await reload(own.settings))
        #expect(cache.revision == 1)
        #expect(cache.made(own.settings, alpn: []) === context)
        #expect(cache.made(proxy.settings, alpn: []) == nil)
        await #expect(throws: TLSError.self) { _ = try await make(proxy.settings).get() }
    }
}
