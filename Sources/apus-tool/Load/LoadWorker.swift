import Apus
import ApusEvents

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// One worker: takes a number, sends a request, reads the whole response, takes the next number.
final class LoadWorker: Sendable {
    /// One for each scope, used in turn.
    let clients: [ExecutorClient]
    let plan: LoadPlan
    let options: RequestOptions
    let counters: LoadCounters

    /// The bytes and events that one worker received.
    struct Tally: Sendable {
        var bytes = 0
        var events = 0
    }

    /// A response other than the benchmark expects.
    private enum Fault: Error {
        case status(Int)
        case version(HTTPVersion)
    }

    init(engine: TransportEngine, plan: LoadPlan, counters: LoadCounters) {
        clients = (0..<max(1, plan.scopes)).map { number in
            ExecutorClient(
                engine, proxy: plan.proxy,
                isolation: plan.scopes == 0 ? nil : IsolationScope("credential-\(number)"),
                versions: plan.versions)
        }
        self.plan = plan
        self.counters = counters
        var options = RequestOptions()
        options.reuse = plan.isOneShot ? .oneShot : .pooled
        self.options = options
    }

    /// Works until the numbers run out.
    func run(until limit: Int, samples: LatencySamples?) async -> Tally {
        var tally = Tally()
        while true {
            let number = counters.take()
            guard number < limit else { return tally }
            let start = monotonicNanoseconds()
            do {
                try await exchange(number, tally: &tally)
            } catch {
                counters.fail(error)
            }
            samples?.record(monotonicNanoseconds() - start, for: number)
        }
    }

    /// Sends one request and reads its response to the end.
    private func exchange(_ number: Int, tally: inout Tally) async throws {
        if plan.parsesEvents {
            for try await event in try await open(number).serverSentEvents() {
                tally.bytes += event.data.count
                tally.events += 1
            }
            return
        }
        var lines = 0
        for try await chunk in try await open(number) {
            tally.bytes += chunk.count
            if plan.countsEvents { lines += lineFeeds(in: chunk) }
        }
        tally.events += lines / 2
    }

    /// Sends one request; its response is what the benchmark expects.
    ///
    /// Not inlined, so that a worker that reads a body holds nothing of what this needs.
    @inline(never)
    private func open(_ number: Int) async throws -> ResponseBody {
        let request = plan.requests[plan.requests.count == 1 ? 0 : number % plan.requests.count]
        let client = clients[clients.count == 1 ? 0 : number % clients.count]
        let response = try await client.send(request, body: plan.body, options: options)
        if let explanation = plan.explanation { explanation.note(response.info) }
        guard response.head.status.code == 200 else {
            throw Fault.status(response.head.status.code)
        }
        guard response.version == plan.version else { throw Fault.version(response.version) }
        return response.body
    }

    /// Opens a stream, reports its first bytes, and reads until it is cancelled or ends.
    func hold(_ number: Int) async {
        do {
            var isFirst = true
            for try await _ in try await open(number) where isFirst {
                isFirst = false
                counters.bodyBegun()
            }
        } catch {
            if !Task.isCancelled { counters.fail(error) }
        }
    }
}

/// The number of line feeds in the bytes, by memchr as in every client of the benchmark.
private func lineFeeds(in chunk: Bytes) -> Int {
    chunk.withContiguousStorageIfAvailable { buffer in
        guard var position = UnsafeRawPointer(buffer.baseAddress) else { return 0 }
        let end = position + buffer.count
        var count = 0
        while let found = memchr(position, 0x0A, end - position) {
            count += 1
            position = UnsafeRawPointer(found) + 1
        }
        return count
    } ?? 0
}
