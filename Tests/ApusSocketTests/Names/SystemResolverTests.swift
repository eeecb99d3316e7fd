import ApusCore
import ApusSocket
import Glibc
import Synchronization
import Testing

/// Names become addresses or errors, and a cancelled caller never waits.
@Suite(.timeLimit(.minutes(5))) struct SystemResolverTests {
    private let resolver = SystemResolver(.init())

    // MARK: Without a lookup

    @Test(arguments: [
        ("127.0.0.1", ["127.0.0.1:81"]), ("::1", ["[::1]:81"]),
        ("localhost", ["127.0.0.1:81", "[::1]:81"]),
        ("a.localhost", ["127.0.0.1:81", "[::1]:81"]),
        ("b.a.localhost", ["127.0.0.1:81", "[::1]:81"]),
    ])
    func literalsAndLocalhostNeedNoResolver(host: String, addresses: [String]) async throws {
        let found = try await resolver.resolve(host: host, port: 81)
        #expect(found.map(\.description) == addresses)
    }

    // MARK: Lookups

    @Test func aNameThatCannotExistHasNoAddress() async {
        do throws(ResolveError) {
            let addresses = try await resolver.resolve(host: "no-such-host.invalid", port: 80)
            Issue.record("found \(addresses)")
        } catch {
            switch error {
            case .notFound(let message), .temporary(let message): #expect(!message.isEmpty)
            case .overloaded, .cancelled: Issue.record("\(error)")
            }
        }
    }

    @Test func aNameThatOnlyEndsLikeLocalhostIsLookedUp() async {
        let task = Task { try? await resolver.resolve(host: "notlocalhost.invalid", port: 80) }
        #expect(await task.value == nil)
    }

    // MARK: Cancellation

    @Test func aCancelledCallerDoesNotWaitForThoseBeforeIt() async {
        var tuning = EngineTuning.Dial()
        tuning.resolverThreads = 1
        let resolver = SystemResolver(tuning)
        await withTaskGroup(of: Void.self) { group in
            // One thread answers one after the other, so the last caller's turn is far off.
            for index in 0..<200 {
                group.addTask {
                    _ = try? await resolver.resolve(host: "host-\(index).invalid", port: 1)
                }
            }
            // A machine under load may answer before the cancellation, but not every time.
            var isCancelled = false
            for _ in 0..<100 where !isCancelled {
                let last = Task { await failure(of: resolver) }
                last.cancel()
                isCancelled = await last.value == .cancelled
            }
            #expect(isCancelled)
            group.cancelAll()
        }
    }

    @Test func aCallerCancelledBeforehandGetsNoAnswer() async {
        let resolver = resolver
        let error = await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await failure(of: resolver)
        }.value
        #expect(error == .cancelled)
    }

    @Test func manyCancelledCallersAllReturn() async {
        let resolver = resolver
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<100 {
                group.addTask {
                    _ = try? await resolver.resolve(host: "host-\(index).invalid", port: 1)
                }
            }
            group.cancelAll()
        }
    }

    private func failure(of resolver: SystemResolver) async -> ResolveError? {
        do throws(ResolveError) {
            _ = try await resolver.resolve(host: "no-such-host.invalid", port: 1)
            return nil
        } catch {
            return error
        }
    }
}

/// Many lookups at once, with a blocking call of the tests' own.
@Suite(.timeLimit(.minutes(5))) struct SystemResolverLoadTests {
    @Test("row 8: a thousand names at once keep to the threads there are")
    func aThousandNames() async throws {
        let counter = Concurrency()
        let resolver = SystemResolver(.init()) { name in
            counter.begin()
            defer { counter.end() }
            return SystemResolverLoadTests.address(of: name)
        }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<1000 {
                group.addTask {
                    try await !resolver.resolve(host: "n\(index)", port: 1).isEmpty
                }
            }
            for try await isFound in group { #expect(isFound) }
        }
        #expect(counter.total == 1000)
        #expect(counter.highest <= EngineTuning.Dial().resolverThreads)
    }

    @Test("row 8: one lookup serves all who ask for its name meanwhile, and after")
    func oneLookupForAll() async throws {
        let counter = Concurrency()
        let release = Blocker()
        var tuning = EngineTuning.Dial()
        tuning.cacheTime = .seconds(3600)
        let resolver = SystemResolver(tuning) { name in
            counter.begin()
            release.wait()
            counter.end()
            return SystemResolverLoadTests.address(of: name)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for port in UInt16(1)...100 {
                group.addTask {
                    let found = try await resolver.resolve(host: "name", port: port)
                    #expect(found.map(\.description) == ["10.0.0.1:\(port)"])
                }
            }
            // A cancelled one among them takes nothing from the others.
            let gone = Task { try? await resolver.resolve(host: "name", port: 1) }
            gone.cancel()
            #expect(await gone.value == nil)
            release.open()
            try await group.waitForAll()
        }
        _ = try await resolver.resolve(host: "name", port: 7)
        #expect(counter.total == 1)
    }

    @Test("F3: addresses that serve beyond their time are reported")
    func addressesBeyondTheirTimeAreReported() async throws {
        let isOut = Mutex(false)
        let reports = Mutex<[StaleAnswer]>([])
        var tuning = EngineTuning.Dial()
        tuning.cacheTime = .nanoseconds(1)
        tuning.negativeCacheTime = nil
        let resolver = SystemResolver(
            tuning, onStaleAnswer: { answer in reports.withLock { $0.append(answer) } },
            lookUp: { name in
                isOut.withLock { $0 }
                    ? .failure(.temporary(message: "no server answers"))
                    : SystemResolverLoadTests.address(of: name)
            })
        let fresh = try await resolver.resolve(host: "name", port: 7)
        isOut.withLock { $0 = true }
        #expect(try await resolver.resolve(host: "name", port: 7) == fresh)
        await #expect(throws: ResolveError.temporary(message: "no server answers")) {
            try await resolver.resolve(host: "another", port: 7)
        }
        let report = reports.withLock { $0 }
        #expect(report.map(\.host) == ["name"])
        #expect(report.map(\.failure) == ["no server answers"])
        #expect(report.allSatisfy { $0.age > .zero })
    }

    @Test("row 8: a known name is answered while every thread hangs")
    func knownNamesDoNotStarve() async throws {
        let release = Blocker()
        var tuning = EngineTuning.Dial()
        tuning.resolverThreads = 2
        tuning.maxPendingLookups = 8
        tuning.cacheTime = .seconds(3600)
        let resolver = SystemResolver(tuning) { name in
            if name.hasPrefix("hang") { release.wait() }
            return SystemResolverLoadTests.address(of: name)
        }
        _ = try await resolver.resolve(host: "known", port: 1)
        let hanging = (0..<10).map { index in
            Task { try? await resolver.resolve(host: "hang\(index)", port: 1) }
        }
        #expect(try await resolver.resolve(host: "known", port: 1).count == 1)
        for task in hanging.prefix(5) { task.cancel() }
        release.open()
        for task in hanging { _ = await task.value }
        #expect(try await resolver.resolve(host: "other", port: 1).count == 1)
    }

    private static func address(of name: String) -> NameCache.Answer {
        .success(SocketAddress(literal: "10.0.0.1", port: 0).map { [$0] } ?? [])
    }
}

/// How many calls run at once.
///
/// Unchecked, because its state is touched only with the lock held.
private final class Concurrency: @unchecked Sendable {
    private let lock = Lock()
    private var running = 0
    private var peak = 0
    private var count = 0

    var total: Int { lock.withLock { count } }
    var highest: Int { lock.withLock { peak } }

    func begin() {
        lock.withLock {
            running += 1
            count += 1
            peak = max(peak, running)
        }
    }

    func end() { lock.withLock { running -= 1 } }
}

/// Blocks threads until it is opened.
///
/// Unchecked, because `isOpen` is touched only with the lock held.
private final class Blocker: @unchecked Sendable {
    private let lock = Lock()
    private var isOpen = false

    func open() { lock.withLock { isOpen = true } }

    func wait() {
        while !lock.withLock({ isOpen }) { usleep(1000) }
    }
}
