import Apus
import ApusContent
import ApusEvents
import Foundation
import Gateway
import GatewayFixtures

/// Sends requests through the gateway's program, and shows each path that a request can take.
struct Demonstration: Sendable {
    let origin: ScriptedOrigin
    let gateway: GatewayProcess
    let client: GatewayClient

    /// How many streams there are at once.
    static let streams = 200
    static let cancels = 50

    /// One row of the table.
    struct Row {
        let name: String
        let result: String
        let isAsExpected: Bool
    }

    /// All rows but the last one, in order; the gateway goes on.
    func run() async throws -> [Row] {
        [
            await streamed(), try await rotated(), try await refused(), try await uploaded(),
            try await cancelled(), try await timedOut(),
        ]
    }

    private func streamed() async -> Row {
        let began = ContinuousClock.now
        let results = await withTaskGroup { group in
            for number in 0..<Self.streams {
                group.addTask {
                    let path = number % 2 == 0 ? "/v1/messages" : "/v1/chat/completions"
                    return await stream(since: .now) {
                        () async throws(TransportError) in try await post(path)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let whole = results.filter { $0.events == DemonstrationOrigin.eventsPerStream }
        let first = whole.compactMap(\.first).sorted()
        return Row(
            name: "streamed",
            result: "\(whole.count) of \(Self.streams) streams at a time came whole, half of them "
                + "in gzip, in \(began.secondsAgo) s; first event after "
                + "\(first.at(0.5)) ms (p50), \(first.at(0.99)) ms (p99)",
            isAsExpected: whole.count == Self.streams)
    }

    /// Reads a stream to its end: how many events came, and the milliseconds to the first one.
    private func stream(
        since began: ContinuousClock.Instant,
        _ response: () async throws(TransportError) -> Apus.Response
    ) async -> (events: Int, first: Double?) {
        var result = (events: 0, first: Double?.none)
        do {
            for try await _ in try await response().body.serverSentEvents() {
                result.events += 1
                if result.first == nil { result.first = began.milliseconds }
            }
        } catch {
            // The events that are missing show it.
        }
        return result
    }

    private func rotated() async throws -> Row {
        let report = try await status()
        let refusals =
            (origin.counts.byCredential["Bearer \(DemonstrationOrigin.invalidSecret)"] ?? 0)
            + (origin.counts.byCredential["Bearer \(DemonstrationOrigin.exhaustedSecret)"] ?? 0)
        let failures = report.proxies.map(\.failed).reduce(0, +)
        return Row(
            name: "rotated",
            result: "\(report.totals.rotated) requests went on to another credential: "
                + "\(refusals) answers 401 or 429, \(failures) dials to a dead proxy; "
                + "no client saw one",
            isAsExpected: report.totals.rotated > 0 && refusals > 0 && failures > 0
                && report.totals.failed == 0)
    }

    private func refused() async throws -> Row {
        let response = try await post("/exhausted")
        let wait = response.head.headerFields[.retryAfter] ?? "none"
        let credentials = try await status().upstreams.flatMap(\.credentials)
        // Those of the dead proxy may be among them, as long as their pause lasts.
        let aside = credentials.filter { $0.asideSeconds != nil }.map(\.name)
        let expected: Set = ["key-3", "key-8", "exhausted-key"]
        return Row(
            name: "refused",
            result: "put aside: \(aside.joined(separator: ", ")); with no other credential the "
                + "client gets \(response.status.code), Retry-After \(wait)",
            isAsExpected: response.status == .tooManyRequests && wait == "60"
                && expected.isSubset(of: aside))
    }

    private func uploaded() async throws -> Row {
        let megabytes = 8
        let piece = Bytes([UInt8](repeating: 0x61, count: 1 << 16))
        let body = RequestBody.stream {
            AsyncStream { continuation in
                for _ in 0..<(megabytes * 16) { continuation.yield(piece) }
                continuation.finish()
            }
        }
        let began = ContinuousClock.now
        let response = try await post("/upload", body)
        let count = String(try await response.body.collect(upTo: 100))
        return Row(
            name: "uploaded",
            result: "\(count) bytes in pieces, in \(began.secondsAgo) s",
            isAsExpected: count == "\(megabytes << 20)")
    }

    private func cancelled() async throws -> Row {
        let before = origin.counts.gone
        var responses: [Apus.Response] = []
        for _ in 0..<Self.cancels {
            let response = try await post("/endless")
            _ = try await response.body.makeAsyncIterator().next()
            responses.append(response)
        }
        let began = ContinuousClock.now
        for response in responses { response.cancel() }
        let isNoticed = await eventually { origin.counts.gone - before == Self.cancels }
        return Row(
            name: "cancelled",
            result: "\(Self.cancels) clients went in mid-stream; the origin noticed all within "
                + "\(began.milliseconds.rounded(places: 1)) ms",
            isAsExpected: isNoticed)
    }

    private func timedOut() async throws -> Row {
        let silent = try await post("/strict/silent")
        let pausing = try await post("/strict/pauses")
        var ending = "whole"
        do throws(TransportError) {
            _ = try await pausing.body.collect(upTo: 1000)
        } catch {
            ending = error.kind.name
        }
        return Row(
            name: "timed out",
            result: "no first byte: \(silent.status.code); a pause in the stream: \(ending) "
                + "(limits of 0.3 s)",
            isAsExpected: silent.status == .gatewayTimeout && ending == "truncated")
    }

    /// Ends the gateway while half of its streams would never end.
    func drained() async throws -> Row {
        let short = try await post("/v1/messages")
        let endless = try await post("/endless")
        _ = try await endless.body.makeAsyncIterator().next()
        let began = ContinuousClock.now
        gateway.terminate()
        let events = await stream(since: began) { short }.events
        var isCut = false
        do throws(TransportError) {
            while try await endless.body.makeAsyncIterator().next() != nil {}
        } catch {
            isCut = true
        }
        let code = await gateway.wait()
        return Row(
            name: "drained",
            result: "after SIGTERM a short stream came whole (\(events) events), an endless one "
                + "was cut, and the gateway ended with code \(code) after \(began.secondsAgo) s",
            isAsExpected: events == DemonstrationOrigin.eventsPerStream && isCut && code == 0)
    }

    private func post(
        _ path: String, _ body: RequestBody = .bytes(Bytes("{}"))
    ) async throws(TransportError) -> Apus.Response {
        try await client.post(path, body)
    }

    private func status() async throws -> StatusReport {
        let response = try await client.get("/status")
        let json = try await response.body.collect(upTo: 16 << 20)
        return try JSONDecoder().decode(StatusReport.self, from: Data(json.array))
    }

    /// Waits until a condition holds; `false` when it does not within ten seconds.
    private func eventually(_ condition: () -> Bool) async -> Bool {
        let end = ContinuousClock.now + .seconds(10)
        while !condition(), ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(1))
        }
        return condition()
    }
}

extension ContinuousClock.Instant {
    /// Milliseconds since then.
    var milliseconds: Double { (ContinuousClock.now - self).inSeconds * 1000 }

    /// Seconds since then, with one decimal place.
    var secondsAgo: Double { (milliseconds / 1000).rounded(places: 1) }
}

extension [Double] {
    /// The value at a fraction of sorted numbers, with one decimal place.
    func at(_ fraction: Double) -> Double {
        isEmpty ? 0 : self[Int(Double(count - 1) * fraction)].rounded(places: 1)
    }
}
