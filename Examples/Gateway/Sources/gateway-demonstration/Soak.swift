import Apus
import ApusEvents
import Foundation
import GatewayFixtures
import Synchronization

/// Mixed load for a long time: streams, uploads, cancels and a dead proxy, while the origin is
/// restarted again and again.
///
/// The origin is a process of its own, which is killed. An error counts as injected when the origin
/// was away at any time of its request.
final class Soak: Sendable {
    private let gateway: GatewayProcess
    private let client: GatewayClient
    /// The origin that serves now.
    private let origin: Mutex<ChildProgram>
    private let tally = Mutex(Tally())

    private static let uptime = Duration.seconds(20)
    private static let downtime = Duration.milliseconds(300)
    /// How long after a restart an error may still be due to it: pauses after failed dials.
    private static let aftermath = Duration.seconds(3)

    private enum Kind: String, CaseIterable {
        case streams, uploads, cancels
    }

    private struct Tally {
        var done: [Kind: Int] = [:]
        var restarts = 0
        var injected = 0
        var errors: [String] = []
        /// When the origin was last away; it may be so now.
        var away: ContinuousClock.Instant?
    }

    init(_ gateway: GatewayProcess, _ client: GatewayClient, origin: ChildProgram) {
        self.gateway = gateway
        self.client = client
        self.origin = Mutex(origin)
    }

    /// Runs for so long and prints the figures at the start, in the middle and at the end.
    ///
    /// - Returns: whether there was no error but the injected ones.
    func run(seconds: Int) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        report("before")
        try await withThrowingTaskGroup { group in
            for _ in 0..<40 { group.addTask { await self.streaming(until: end) } }
            for _ in 0..<4 { group.addTask { await self.uploading(until: end) } }
            for _ in 0..<10 { group.addTask { await self.cancelling(until: end) } }
            group.addTask { try await self.restarting(until: end) }
            group.addTask { try await self.reporting(seconds: seconds) }
            try await group.waitForAll()
        }
        report("after")
        let errors = tally.withLock(\.errors)
        for error in errors.prefix(20) { print("not injected:", error) }
        return errors.isEmpty
    }

    private func streaming(until end: ContinuousClock.Instant) async {
        var number = 0
        while ContinuousClock.now < end {
            number += 1
            let path = number % 2 == 0 ? "/v1/messages" : "/v1/chat/completions"
            await attempt(.streams) {
                let response = try await self.client.post(path)
                try self.expect(response.status == .ok, "status \(response.status.code)")
                var events = 0
                for try await _ in response.body.serverSentEvents() { events += 1 }
                try self.expect(
                    events == DemonstrationOrigin.eventsPerStream, "\(events) events in \(path)")
            }
        }
    }

    private func uploading(until end: ContinuousClock.Instant) async {
        let body = Bytes([UInt8](repeating: 0x61, count: 1 << 20))
        while ContinuousClock.now < end {
            await attempt(.uploads) {
                let response = try await self.client.post("/upload", .bytes(body))
                let answer = String(try await response.body.collect(upTo: 1000))
                try self.expect(answer == "\(body.count)", "upload answered \(answer)")
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    private func cancelling(until end: ContinuousClock.Instant) async {
        while ContinuousClock.now < end {
            await attempt(.cancels) {
                let response = try await self.client.post("/endless")
                try self.expect(response.status == .ok, "status \(response.status.code)")
                for _ in 0..<Int.random(in: 1...20) {
                    _ = try await response.body.makeAsyncIterator().next()
                }
                response.cancel()
            }
        }
    }

    /// Kills the origin and starts it again on the same port.
    private func restarting(until end: ContinuousClock.Instant) async throws {
        while ContinuousClock.now + Self.uptime < end {
            try await Task.sleep(for: Self.uptime)
            tally.withLock { $0.away = .now }
            let killed = origin.withLock { $0 }
            killed.kill()
            _ = await killed.wait()
            try await Task.sleep(for: Self.downtime)
            let restarted = try DemonstrationOrigin.startProcess(port: killed.port)
            origin.withLock { $0 = restarted }
            tally.withLock {
                $0.away = .now
                $0.restarts += 1
            }
        }
    }

    private func reporting(seconds: Int) async throws {
        for part in 1...10 {
            try await Task.sleep(for: .seconds(Double(seconds) / 10))
            report("\(part * 10) %")
        }
    }

    /// Counts one request, or its error.
    private func attempt(
        _ kind: Kind, _ request: @Sendable () async throws -> Void
    ) async {
        let began = ContinuousClock.now
        do {
            try await request()
            tally.withLock { $0.done[kind, default: 0] += 1 }
        } catch {
            tally.withLock { tally in
                if let away = tally.away, began < away + Self.aftermath {
                    tally.injected += 1
                } else {
                    tally.errors.append("\(error)")
                }
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private func expect(_ isTrue: Bool, _ message: @autoclosure () -> String) throws {
        guard isTrue else { throw DemonstrationError(message()) }
    }

    private func report(_ time: String) {
        let usage = gateway.usage()
        let tally = tally.withLock { $0 }
        let done = Kind.allCases.map { "\(tally.done[$0] ?? 0) \($0.rawValue)" }
        print(
            time.padding(toLength: 8, withPad: " ", startingAt: 0),
            "gateway: \(usage.megabytes.rounded()) MB, \(usage.descriptors) descriptors,",
            "\(usage.threads) threads; \(done.joined(separator: ", ")),",
            "\(tally.restarts) restarts; errors: \(tally.injected) injected,",
            "\(tally.errors.count) not")
        fflush(nil)
    }
}
